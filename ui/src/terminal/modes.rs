//! The modes of the terminal that a dashboard changes: set together, undone in reverse exactly once.
//!
//! Three ways lead out: the guard's `Drop`, the panic hook, and a signal that asks twice. Whoever
//! comes first takes the saved state; the others find nothing to do.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::tty;

/// Title pushed, alternate screen, cleared (not all terminals do that by themselves), bracketed
/// paste, cursor hidden.
const ENTER: &[u8] = b"\x1b[22;2t\x1b[?1049h\x1b[2J\x1b[?2004h\x1b[?25l";
/// The same in reverse, after the colours.
const LEAVE: &[u8] = b"\x1b[m\x1b[?25h\x1b[?2004l\x1b[?1049l\x1b[23;2t";

/// The line discipline as it was found, while the terminal is ours. The lock is a leaf: it is held to
/// put the value in or to take it out.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);

fn found() -> MutexGuard<'static, Option<Termios>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds the modes of the dashboard; dropping it gives the terminal back as it was found.
#[derive(Debug)]
pub struct Modes(());

impl Modes {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste, no cursor. Mouse and keyboard
    /// protocol stay as they are (screen.md 15: flags pushed unasked break keys in tmux).
    ///
    /// # Errors
    /// Standard input is not a terminal, or standard output cannot be written.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed before the program listened is typed to it.
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?;
        *found() = Some(before);
        let modes = Self(());
        tty::write(ENTER)?;
        Ok(modes)
    }

    /// Whether the terminal is still ours.
    pub fn are_set() -> bool {
        found().is_some()
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was found, if it is ours. May be called from any thread, any number
/// of times; it does not wait for a terminal that takes no bytes.
pub fn restore() {
    let Some(before) = found().take() else { return };
    // Nothing is left to tell anybody if the terminal is gone.
    let _ = tty::write_if_ready(LEAVE);
    // Flush: keys that were meant for the dashboard are no commands for the shell.
    let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &before);
}

/// Puts [`restore`] before whatever a panic does now, so that its message lands on a usable screen.
pub fn restore_on_panic() {
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        next(panic);
    }));
}
