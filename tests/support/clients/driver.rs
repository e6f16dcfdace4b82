//! A Python script that runs a client and takes commands as JSON lines (`driver.py`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

use serde_json::{Value, json};

use crate::lines::Lines;
use crate::net::Host;
use crate::wait::Deadline;
use crate::work;

/// To start Python and a client on a busy machine, or to answer one command.
const ANSWER_SECONDS: u64 = 60;
/// From the end of its stdin to the end of the driver: it gives its client 2 s.
const QUIT_SECONDS: u64 = 10;

/// A running script.
#[derive(Debug)]
pub struct Driver {
    script: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines,
    asked: u64,
}

/// The Python that has libtorrent, once `tests/support/install` has run.
pub fn python() -> PathBuf {
    work::root().join("venv/bin/python")
}

impl Driver {
    /// Starts a script of this folder.
    pub fn start<A: AsRef<OsStr>>(
        host: &Host,
        script: &'static str,
        arguments: impl IntoIterator<Item = A>,
        log: File,
    ) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clients").join(script);
        let mut child = host
            .command(python())
            // No folder of compiled scripts in the source tree.
            .arg("-B")
            .arg(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{script}: {error}"));
        let stdin = child.stdin.take();
        let lines = Lines::of(child.stdout.take().expect("it is piped"));
        Self { script, child, stdin, lines, asked: 0 }
    }

    /// Has a command carried out and returns its result.
    ///
    /// # Panics
    /// When the command fails or is not answered in time.
    pub fn ask(&mut self, command: &str, mut arguments: Value) -> Value {
        self.asked += 1;
        let number = self.asked;
        arguments["id"] = number.into();
        arguments["do"] = command.into();
        let sent = writeln!(self.stdin.as_ref().expect("open until the end"), "{arguments}");
        let answer = self.lines.find(Deadline::seconds(ANSWER_SECONDS), |line| line["id"] == number);
        let answer = answer.unwrap_or_else(|why| panic!("{} {command} ({sent:?}): {why}", self.script));
        assert!(answer["error"].is_null(), "{}: {}", self.script, answer["error"]);
        answer["ok"].clone()
    }

    /// The first event of this name that `wanted` accepts, come or to come.
    ///
    /// # Panics
    /// When the deadline passes first.
    pub fn event(&self, deadline: Deadline, name: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let found = self.lines.find(deadline, |line| line["event"] == name && wanted(line));
        found.unwrap_or_else(|why| panic!("{}: no {name}: {why}", self.script))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            // The end of stdin says the same, should this not get through.
            let _ = writeln!(stdin, "{}", json!({"id": 0, "do": "quit"}));
        }
        if self.lines.to_end(Deadline::seconds(QUIT_SECONDS)).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
