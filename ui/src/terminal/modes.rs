//! The modes of the terminal that a dashboard changes: set together, undone in reverse exactly once.
//!
//! Three ways lead out: the guard's `Drop`, the panic hook, and a signal that asks twice. Whoever
//! comes first takes the saved state; the others find nothing to do.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

use super::tty;

/// Title pushed.
const KEEP_TITLE: &[u8] = b"\x1b[22;2t";
/// Alternate screen, cleared (not all terminals do that by themselves), bracketed paste, cursor
/// hidden.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?2004h\x1b[?25l";
/// All of it in reverse, after the colours.
const LEAVE: &[u8] = b"\x1b[m\x1b[?25h\x1b[?2004l\x1b[?1049l\x1b[23;2t";

/// Whose the terminal is, with the line discipline as it was found.
#[derive(Debug)]
enum State {
    /// Not ours, or given back.
    Theirs,
    /// Ours.
    Ours(Termios),
    /// Given back while the program is stopped.
    Lent(Termios),
}

/// The lock is a leaf, held for one change of modes.
static STATE: Mutex<State> = Mutex::new(State::Theirs);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds the modes of the dashboard; dropping it gives the terminal back as it was found.
#[derive(Debug)]
pub(super) struct Modes(());

/// Whether frames can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// They can.
    Open,
    /// They will be, once the program goes on.
    Suspended,
    /// Never again.
    Closed,
}

impl Modes {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste, no cursor. Mouse and keyboard
    /// protocol stay as they are (flags pushed unasked break keys in tmux).
    ///
    /// # Errors
    /// Standard input is not a terminal, or standard output cannot be written.
    pub(super) fn enter() -> io::Result<Self> {
        let found = tcgetattr(stdin())?;
        set_raw(&found)?;
        *state() = State::Ours(found);
        let modes = Self(());
        tty::write(KEEP_TITLE)?;
        tty::write(ENTER)?;
        Ok(modes)
    }

    /// Sets all modes again: the program was stopped, and a shell had the terminal meanwhile.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn enter_again(&self) -> io::Result<()> {
        let mut state = state();
        *state = match std::mem::replace(&mut *state, State::Theirs) {
            State::Theirs => return Ok(()),
            State::Ours(found) => State::Ours(found),
            State::Lent(found) => {
                tty::write(KEEP_TITLE)?;
                State::Ours(found)
            }
        };
        if let State::Ours(found) = &*state {
            set_raw(found)?;
        }
        tty::write(ENTER)
    }

    /// Whether frames can be shown.
    pub(super) fn access() -> Access {
        match *state() {
            State::Ours(_) => Access::Open,
            State::Lent(_) => Access::Suspended,
            State::Theirs => Access::Closed,
        }
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        restore();
    }
}

fn set_raw(found: &Termios) -> io::Result<()> {
    let mut raw = found.clone();
    raw.make_raw();
    // Now: what was typed before the program listened is typed to it.
    Ok(tcsetattr(stdin(), OptionalActions::Now, &raw)?)
}

fn give_back(found: &Termios) {
    // Nothing is left to tell anybody if the terminal is gone.
    let _ = tty::write_if_ready(LEAVE);
    // Keys that were meant for the dashboard are no commands for the shell. (TCSAFLUSH would do both,
    // but it waits for the terminal to take what was written.)
    let _ = tcflush(stdin(), QueueSelector::IFlush);
    let _ = tcsetattr(stdin(), OptionalActions::Now, found);
}

/// Gives the terminal back as it was found, if it is ours. May be called from any thread, any number
/// of times; it does not wait for a terminal that takes no bytes.
pub fn restore() {
    let taken = std::mem::replace(&mut *state(), State::Theirs);
    if let State::Ours(found) = taken {
        give_back(&found);
    }
}

/// Gives the terminal back until [`Terminal::repaint`](super::Terminal::repaint), for a program that
/// is about to be stopped.
pub fn suspend() {
    let mut state = state();
    *state = match std::mem::replace(&mut *state, State::Theirs) {
        State::Ours(found) => {
            give_back(&found);
            State::Lent(found)
        }
        other => other,
    };
}

/// Puts [`restore`] before whatever a panic does now, so that its message lands on a usable screen.
pub fn restore_on_panic() {
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        next(panic);
    }));
}
