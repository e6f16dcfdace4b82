//! `tc-tui get --json` under test: started, listened to, killed.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lines::Lines;
use crate::support::home::PROGRAM;
use crate::wait::{Deadline, until};

/// How long anything may take before a test fails; a loaded machine is no reason to.
pub const PATIENCE: u64 = 60;

/// The program with these arguments. `get` listens on no address that could be taken.
pub fn get(torrent: &Path, dir: &Path, state: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("get").arg(torrent).arg("-d").arg(dir).arg("--state-dir").arg(state);
    command.args(["--json", "--stop-timeout", "1"]);
    // The nodes that it knows by itself are on the internet.
    command.env("TC_TUI_NO_DHT", "true").env("TC_TUI_NO_LSD", "true").env("TC_TUI_NO_PORTMAP", "true");
    command
}

/// An address of loopback that nobody listens on.
pub fn free_address(host: u8) -> SocketAddr {
    let listener =
        TcpListener::bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("loopback has free ports");
    listener.local_addr().expect("it was just bound")
}

/// One run. Dropping it ends it.
#[derive(Debug)]
pub struct Run {
    child: Child,
    lines: Lines,
}

impl Run {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tc-tui was built with the tests");
        let lines = Lines::of(child.stdout.take().expect("it is piped"));
        Self { child, lines }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first event that `wanted` accepts.
    #[track_caller]
    pub fn find(&self, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        let found = self.lines.find(Deadline::seconds(PATIENCE), wanted);
        found.unwrap_or_else(|why| panic!("no {what}: {why}"))
    }

    /// The same, but it may not come within so many seconds.
    pub fn find_within(&self, seconds: u64, wanted: impl FnMut(&Value) -> bool) -> Option<Value> {
        self.lines.find(Deadline::seconds(seconds), wanted).ok()
    }

    /// Waits for the first event of a kind.
    #[track_caller]
    pub fn event(&self, kind: &str) -> Value {
        self.find(kind, |line| line["kind"] == kind)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }

    /// Waits for its end, and returns all that it said.
    #[track_caller]
    pub fn end(mut self) -> (ExitStatus, Vec<Value>) {
        let deadline = Deadline::seconds(PATIENCE);
        let lines = self.lines.to_end(deadline).unwrap_or_else(|why| panic!("no end: {why}"));
        let status = until(deadline, "the end", || self.child.try_wait().expect("it is our child"));
        (status, lines)
    }

    /// Ends it without a warning, and returns all that it said.
    #[track_caller]
    pub fn kill(self) -> (ExitStatus, Vec<Value>) {
        self.signal(Signal::KILL);
        self.end()
    }

    /// Ends it in order, as Ctrl-C does. Not by SIGINT, which is ignored from the start where a shell runs the
    /// tests in the background.
    #[track_caller]
    pub fn interrupt(self) -> (ExitStatus, Vec<Value>) {
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of this kind.
pub fn of_kind<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}
