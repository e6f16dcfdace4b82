//! Bytes to the terminal: whole frames in one `write`, and the size as it is now.

use std::io;

use ratatui::layout::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stdout;

/// How long leaving waits for a terminal that takes no bytes.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// What a terminal is taken for that does not know its size.
const UNKNOWN: Size = Size { width: 80, height: 24 };

/// Writes all bytes, past std's line buffer: a line end within a frame is no reason for a write of
/// its own.
///
/// # Errors
/// The terminal is gone (EIO, EPIPE).
pub(super) fn write(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Another program left the shared description non-blocking.
            Err(Errno::AGAIN) => {
                wait_writable(None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes the bytes unless the terminal is stuck: a connection that hangs must not keep the program
/// from ending.
pub(super) fn write_if_ready(bytes: &[u8]) -> io::Result<()> {
    if wait_writable(Some(&PATIENCE))? { write(bytes) } else { Err(io::ErrorKind::TimedOut.into()) }
}

fn wait_writable(timeout: Option<&Timespec>) -> io::Result<bool> {
    let out = stdout();
    let mut fds = [PollFd::new(&out, PollFlags::OUT)];
    match poll(&mut fds, timeout) {
        Err(Errno::INTR) => Ok(true),
        ready => Ok(ready? > 0),
    }
}

/// Columns and rows as they are now. A dimension of 0 (a serial line, a pane being made) counts as
/// unknown.
pub(super) fn size() -> io::Result<Size> {
    let now = rustix::termios::tcgetwinsize(stdout())?;
    Ok(known(Size { width: now.ws_col, height: now.ws_row }))
}

const fn known(size: Size) -> Size {
    Size {
        width: if size.width == 0 { UNKNOWN.width } else { size.width },
        height: if size.height == 0 { UNKNOWN.height } else { size.height },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_size_gets_the_usual_one() {
        assert_eq!(known(Size::new(0, 0)), Size::new(80, 24));
        assert_eq!(known(Size::new(0, 7)), Size::new(80, 7));
        assert_eq!(known(Size::new(1, 1)), Size::new(1, 1));
    }
}
