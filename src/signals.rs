//! Signals: the first that asks us to end is passed on, the second ends the program at once.

use std::{fs, io, process, thread};

use rustix::process::{Signal as Number, getpid, kill_process};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// End in order; the number is the signal's.
    End(i32),
    /// The terminal has another size.
    Resized,
    /// The program was stopped and runs again.
    Continued,
}

/// What a program killed by a signal exits with, as shells count.
pub const fn exit_code(signal: i32) -> u8 {
    128 + signal as u8
}

/// Listens on a thread of its own and calls `tell` for each signal but the second that asks us to
/// end: that one gives the terminal back, calls `abandon` and exits. Signals that were ignored at the
/// start stay ignored (nohup). A request to stop (SIGTSTP) gives the terminal back first.
///
/// # Errors
/// No thread or no signal handler can be had.
pub fn listen(
    mut tell: impl FnMut(News) + Send + 'static,
    abandon: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate, mut hangup, mut window, mut stop, mut continued, _too_large) = {
        let _inside = runtime.enter();
        let ignored = Ignored::now();
        let unless_ignored = |kind: SignalKind| {
            if ignored.contains(kind) { Ok(None) } else { signal(kind).map(Some) }
        };
        (
            unless_ignored(SignalKind::interrupt())?,
            unless_ignored(SignalKind::terminate())?,
            unless_ignored(SignalKind::hangup())?,
            unless_ignored(SignalKind::window_change())?,
            unless_ignored(SignalKind::from_raw(STOP))?,
            unless_ignored(SignalKind::from_raw(CONTINUE))?,
            // A file that may not grow that far: the write fails, and its torrent says so.
            signal(SignalKind::from_raw(TOO_LARGE))?,
        )
    };
    let listen = async move {
        let mut asked = false;
        loop {
            let news = tokio::select! {
                () = next(&mut interrupt) => News::End(SignalKind::interrupt().as_raw_value()),
                () = next(&mut terminate) => News::End(SignalKind::terminate().as_raw_value()),
                () = next(&mut hangup) => News::End(SignalKind::hangup().as_raw_value()),
                () = next(&mut window) => News::Resized,
                () = next(&mut continued) => News::Continued,
                () = next(&mut stop) => {
                    tc_ui::terminal::suspend();
                    // The whole program stops within this call, until SIGCONT.
                    let _ = kill_process(getpid(), Number::STOP);
                    continue;
                }
            };
            if let News::End(signal) = news {
                if asked {
                    return signal;
                }
                asked = true;
            }
            tell(news);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        let signal = runtime.block_on(listen);
        tc_ui::terminal::restore();
        abandon();
        process::exit(exit_code(signal).into());
    })?;
    Ok(())
}

// Tokio has no names for these.
const STOP: i32 = Number::TSTP.as_raw();
const CONTINUE: i32 = Number::CONT.as_raw();
const TOO_LARGE: i32 = Number::XFSZ.as_raw();

async fn next(signal: &mut Option<Signal>) {
    match signal {
        // It has no end while the handler is there, which is as long as the process.
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// The signals that our parent told us to ignore, as a mask.
struct Ignored(u64);

impl Ignored {
    /// There is no safe call for it, but the kernel tells; where it does not, nothing is ignored.
    fn now() -> Self {
        Self(fs::read_to_string("/proc/self/status").ok().and_then(|status| ignored(&status)).unwrap_or(0))
    }

    fn contains(&self, kind: SignalKind) -> bool {
        self.0 >> (kind.as_raw_value() - 1) & 1 == 1
    }
}

fn ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen() {
        let mask = Ignored(ignored("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0\n").unwrap());
        assert!(mask.contains(SignalKind::hangup()));
        assert!(!mask.contains(SignalKind::interrupt()));
        assert_eq!(ignored("Name:\tx\n"), None);
    }
}
