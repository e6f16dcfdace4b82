//! Keys and pastes from the terminal, on a thread of their own.
//!
//! The thread sleeps in poll(2) on the terminal and on a pipe that wakes it to end; crossterm parses
//! what came. A terminal that hung up is seen before it is read, because crossterm's reader takes
//! end-of-file for "nothing yet" and spins on it.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use crossterm::event::{Event, KeyEventKind};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stdin, stdin};

use crate::message::Message;

mod after_esc;

use self::after_esc::AfterEsc;

/// How long crossterm is asked for more. It may hold keys that it read and has not handed out, which
/// poll(2) knows nothing of, and hands none out whose time is over before it looked: longer than a
/// thread waits for its turn.
const LINGER: Duration = Duration::from_millis(50);

/// The running thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct InputThread {
    /// The thread sees the other end close.
    _wake: OwnedFd,
}

/// Starts to read the terminal on standard input into `inbox`. The queue is the caller's and bounded;
/// while it is full, typed bytes wait in the terminal.
///
/// # Errors
/// No pipe or no thread can be had.
pub fn start(inbox: SyncSender<Message>) -> io::Result<InputThread> {
    let (ended, wake) = pipe_with(PipeFlags::CLOEXEC)?;
    // Without it, half a sequence (a paste cut short, a split reply) blocks the thread in a read
    // that a hang-up turns into a spin; it is only that rare case that is lost.
    let _ = read_without_blocking();
    thread::Builder::new().name("input".into()).spawn(move || run(&ended, &inbox))?;
    Ok(InputThread { _wake: wake })
}

/// Opens the terminal anew for standard input, non-blocking: the flag belongs to the open file, and
/// the one we were given is shared with the shell and with standard output.
fn read_without_blocking() -> io::Result<()> {
    let name = rustix::termios::ttyname(stdin(), Vec::new())?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let tty = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(OsStr::from_bytes(name.as_bytes()))?;
    dup2_stdin(tty)?;
    Ok(())
}

fn run(ended: &OwnedFd, inbox: &SyncSender<Message>) {
    loop {
        match wait(ended) {
            Ready::Ended => return,
            Ready::Bytes if drain(inbox).is_ok() => {}
            // Nobody is left to be told, or the terminal is gone; in the first case this is lost too.
            Ready::Bytes | Ready::Gone => {
                let _ = inbox.send(Message::Hangup);
                return;
            }
        }
    }
}

enum Ready {
    Ended,
    Gone,
    Bytes,
}

fn wait(ended: &OwnedFd) -> Ready {
    loop {
        let terminal = stdin();
        let mut fds = [PollFd::new(&terminal, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            Err(_) => return Ready::Gone,
            Ok(_) => {}
        }
        let [terminal, ended] = fds.map(|fd| fd.revents());
        if !ended.is_empty() {
            return Ready::Ended;
        }
        // Bytes that came before the hang-up are nobody's any more.
        if terminal.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ready::Gone;
        }
        if terminal.contains(PollFlags::IN) {
            return Ready::Bytes;
        }
    }
}

/// Hands on all that crossterm makes of the bytes that are there, each at once. Resizes are not taken
/// from here: the signal says so to whoever runs the dashboard, and each frame asks for the size.
fn drain(inbox: &SyncSender<Message>) -> io::Result<()> {
    let mut after_esc = AfterEsc::default();
    let send = |news| inbox.send(news).map_err(|_| io::ErrorKind::BrokenPipe);
    while crossterm::event::poll(LINGER)? {
        match crossterm::event::read()? {
            // Releases and repeats of the kitty protocol are nobody's.
            Event::Key(key) if key.kind == KeyEventKind::Press => {
                after_esc.key(key).into_iter().try_for_each(send)?;
            }
            Event::Paste(text) => {
                let before = std::mem::take(&mut after_esc).end();
                before.into_iter().chain([Message::Paste(text)]).try_for_each(send)?;
            }
            _ => {}
        }
    }
    after_esc.end().into_iter().try_for_each(send)?;
    Ok(())
}
