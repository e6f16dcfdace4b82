//! `tc-tui get`, the real program.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lines::Lines;
use crate::net::{Family, Host};
use crate::wait::{Deadline, until};
use crate::work::Work;

/// Where it listens for peers.
pub const PORT: u16 = 7000;
/// From the signal to the end: `stopped` has 5 s, saving 2 s (design: leaving), and the machine is busy.
const LEAVE_SECONDS: u64 = 20;

/// One run of it.
#[derive(Debug)]
pub struct Ours {
    name: String,
    child: Child,
    lines: Lines,
}

impl Ours {
    /// Starts `tc-tui get TORRENT -d DIR --json` with more arguments, and variables as `NAME=VALUE`, listening on the place's address of
    /// this family only. Its state and its stderr go to the test's folder under `name`.
    pub fn get(
        host: &Host,
        family: Family,
        torrent: &Path,
        dir: &Path,
        name: &str,
        work: &Work,
        more: &[&str],
    ) -> Self {
        let at = SocketAddr::new(host.address(family), PORT);
        let mut child = host
            .command(env!("CARGO_BIN_EXE_tc-tui"))
            .arg("get")
            .arg(torrent)
            .arg("-d")
            .arg(dir)
            .arg("--state-dir")
            .arg(work.join(&format!("{name}-state")))
            .args(["--json", "--listen", &at.to_string()])
            // The nodes that it knows by itself are on the internet, and tests are not for the network here.
            .env("TC_TUI_NO_DHT", "true")
            // No router of this machine is asked for anything.
            .env("TC_TUI_NO_PORTMAP", if host.is_inside { "false" } else { "true" })
            .env("TC_TUI_NO_LSD", "true")
            .envs(more.iter().filter_map(|word| variable(word)))
            .args(more.iter().filter(|word| variable(word).is_none()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(work.log(name))
            .spawn()
            .expect("tc-tui was built with the tests");
        let lines = Lines::of(child.stdout.take().expect("it is piped"));
        Self { name: name.to_owned(), child, lines }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first event of a kind.
    pub fn event(&self, kind: &str, deadline: Deadline) -> Value {
        self.event_that(kind, deadline, |_| true)
    }

    /// Waits for the first event of a kind that `wanted` accepts.
    pub fn event_that(&self, kind: &str, deadline: Deadline, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.lines.find(deadline, |line| line["kind"] == kind && wanted(line));
        found.unwrap_or_else(|why| panic!("{}: no {kind}: {why}", self.name))
    }

    /// How many events of a kind there were so far.
    pub fn count(&self, kind: &str) -> usize {
        let mut count = 0;
        let counted = self.lines.find(Deadline::seconds(0), |line| {
            count += usize::from(line["kind"] == kind);
            false
        });
        assert!(counted.is_err(), "none is looked for");
        count
    }

    /// Waits until it ends by itself and returns its lines.
    pub fn wait_exit(&mut self, deadline: Deadline) -> (ExitStatus, Vec<Value>) {
        let lines = self.lines.to_end(deadline).unwrap_or_else(|why| panic!("{}: {why}", self.name));
        let status = until(deadline, "the end of tc-tui", || self.child.try_wait().expect("it is our child"));
        (status, lines)
    }

    /// Asks it to end in order, as Ctrl-C does, and waits for that. Not by SIGINT, which is ignored from the
    /// start where a shell runs the tests in the background.
    pub fn interrupt(&mut self) -> (ExitStatus, Vec<Value>) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        self.wait_exit(Deadline::seconds(LEAVE_SECONDS))
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

/// `NAME=VALUE` of a variable of the program's; a magnet link has the sign too.
fn variable(word: &str) -> Option<(&str, &str)> {
    word.split_once('=').filter(|(name, _)| name.starts_with("TC_TUI_"))
}

impl Drop for Ours {
    fn drop(&mut self) {
        // Only a test that failed leaves it running; one that was killed is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
