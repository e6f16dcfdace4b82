//! The terminal: whose modes it has, and how a frame gets there.

mod lean;
mod modes;
mod pen;
mod tty;

use std::io::{self, Write};

use ratatui::Frame;
use rustix::process::{Signal, kill_current_process_group};
use tc_core::untrusted::clean;

use self::lean::Lean;
use self::modes::{Access, Modes};
pub use self::modes::{restore, restore_on_panic, suspend};
use crate::Screen;

/// The screen of the dashboard. It writes only when asked to draw, one `write` a frame, and nothing
/// at all where the frame equals the one before. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Terminal {
    // Before the modes: the fields are dropped in this order.
    inner: ratatui::Terminal<Lean<Tty>>,
    title: String,
    titles: bool,
    modes: Modes,
}

impl Terminal {
    /// Takes the terminal on standard input and output.
    ///
    /// # Errors
    /// One of them is no terminal, or it is gone.
    pub fn enter() -> io::Result<Self> {
        let size = tty::size()?;
        let modes = Modes::enter()?;
        let inner = ratatui::Terminal::new(Lean::new(Tty, size))?;
        Ok(Self { inner, title: String::new(), titles: has_titles(), modes })
    }

    /// Draws a frame at the size the terminal has now. Returns the number of bytes that took.
    ///
    /// # Errors
    /// The terminal is gone (EIO, EPIPE), or was given back by [`restore`]: nothing can be shown any
    /// more.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> io::Result<u64> {
        match Modes::access() {
            Access::Open => {}
            Access::Suspended => return Ok(0),
            Access::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        let before = self.inner.backend().written();
        self.inner.backend_mut().resize(tty::size()?);
        self.inner.draw(render)?;
        Ok(self.inner.backend().written() - before)
    }

    /// Sets all modes again, and the next frame repaints everything: for a person who sees remains of
    /// other programs, and for a program that was stopped.
    ///
    /// # Errors
    /// As [`draw`](Self::draw).
    pub fn repaint(&mut self) -> io::Result<()> {
        self.modes.enter_again()?;
        self.inner.backend_mut().forget();
        self.inner.clear()
    }

    /// Names the window or pane, together with the next frame, where the terminal has titles. The
    /// text is sanitised here: a title does not pass through cells.
    pub fn set_title(&mut self, title: &str) {
        if self.titles && title != self.title {
            title.clone_into(&mut self.title);
            let bytes = format!("\x1b]2;{}\x1b\\", clean(title));
            self.inner.backend_mut().extra(bytes.as_bytes());
        }
    }

    /// Hands a text to the terminal's clipboard (OSC 52), together with the next frame. Most
    /// terminals take 74 kB at most and ignore more.
    pub fn copy(&mut self, text: &str) {
        let bytes = format!("\x1b]52;c;{}\x1b\\", data_encoding::BASE64.encode(text.as_bytes()));
        self.inner.backend_mut().extra(bytes.as_bytes());
    }

    /// Rings, together with the next frame.
    pub fn bell(&mut self) {
        self.inner.backend_mut().extra(b"\x07");
    }
}

impl Screen for Terminal {
    fn draw(&mut self, render: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        Self::draw(self, |frame| render(frame)).map(|_bytes| ())
    }

    fn repaint(&mut self) -> io::Result<()> {
        Self::repaint(self)
    }

    fn copy(&mut self, text: &str) {
        Self::copy(self, text);
    }

    fn set_title(&mut self, title: &str) {
        Self::set_title(self, title);
    }

    fn bell(&mut self) {
        Self::bell(self);
    }

    fn suspend(&mut self) -> io::Result<()> {
        suspend();
        // The whole job, as the terminal's own Ctrl-Z does: a wrapper around us has to stop, too.
        Ok(kill_current_process_group(Signal::STOP)?)
    }
}

/// Whether titles are known here: the consoles of the kernel and of VT terminals print parts of them.
fn has_titles() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    !(term.is_empty() || term == "linux" || term.starts_with("vt"))
}

/// Standard output as the sink of whole frames.
#[derive(Debug)]
struct Tty;

impl Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A frame that is ready after the terminal was given back would draw over the shell.
        match Modes::access() {
            Access::Open => tty::write(bytes)?,
            Access::Suspended => {}
            Access::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
