//! A home folder for one test, so that nothing is read from or left in a person's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::Instant;

use tempfile::TempDir;

use super::pty::{DEADLINE, pause};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tc-tui");

/// Waits for a program without a terminal and returns its exit code.
#[track_caller]
pub fn wait_exit(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the program did not end");
        }
        pause();
    }
}

/// The folders and the environment of one test. Removed when dropped.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and returns where.
    pub fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// The whole environment of the program: no more of ours than is named here.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let below = |name: &str| self.path(name).display().to_string();
        vec![
            ("HOME", below("")),
            ("XDG_STATE_HOME", below("state")),
            ("XDG_CONFIG_HOME", below("config")),
            ("XDG_DOWNLOAD_DIR", below("downloads")),
            ("TMPDIR", below("tmp")),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            // Nothing leaves the test: the nodes that the program knows by itself are on the internet.
            ("TC_TUI_NO_DHT", "true".to_owned()),
            ("TC_TUI_NO_LSD", "true".to_owned()),
            ("TC_TUI_NO_PORTMAP", "true".to_owned()),
        ]
    }

    /// Runs the program without a terminal to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program runs")
    }

    /// The program without a terminal, in this home.
    pub fn command(&self, args: &[&str]) -> Command {
        std::fs::create_dir_all(self.path("tmp")).expect("a folder");
        let mut command = Command::new(PROGRAM);
        command.env_clear().envs(self.environment()).current_dir(self.folder()).args(args);
        command
    }
}
