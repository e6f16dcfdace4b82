//! A small file system for one test: filled, made larger, made read-only, taken away. Asks for root.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system. Dropping it takes it away, whatever uses it.
#[derive(Debug)]
pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts one at a folder, which is made, with options as `size=8m`.
    ///
    /// # Errors
    /// Why this machine does not let us.
    pub fn mount(path: &Path, options: &str) -> Result<Self, String> {
        take_away_stale();
        fs::create_dir_all(path).map_err(|error| error.to_string())?;
        run("mount", &["-t", "tmpfs", "-o", options, "tc-tui-test"], path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Shows what is below a folder at another one too.
    ///
    /// # Errors
    /// Why this machine does not let us.
    pub fn bind(from: &Path, path: &Path) -> Result<Self, String> {
        fs::create_dir_all(path).map_err(|error| error.to_string())?;
        let from = from.to_str().expect("paths of tests are plain");
        run("mount", &["--bind", from], path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Mounts it again with other options: `size=...`, `ro`.
    pub fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}")], &self.path).expect("it was mounted before");
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut file =
            File::options().append(true).create(true).open(self.filler()).expect("an inode is free");
        let pages = [0xff; 4096];
        while file.write_all(&pages).is_ok() {}
    }

    /// Gives it back.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).expect("it was filled before");
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        take_away(&self.path);
    }
}

fn take_away(path: &Path) {
    // Lazily: a program that a failed test leaves may still use it.
    let _ = run("umount", &["-l"], path);
}

/// Those of test processes that were killed before they could do it: folders of tests end with the pid.
fn take_away_stale() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines().filter(|line| line.starts_with("tc-tui-test ")) {
        let path = Path::new(line.split(' ').nth(1).unwrap_or_default());
        let pids = path.iter().filter_map(|name| name.to_str()?.rsplit_once('-')?.1.parse::<u32>().ok());
        if pids.into_iter().any(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            take_away(path);
        }
    }
}

fn run(program: &str, args: &[&str], path: &Path) -> Result<(), String> {
    let output = Command::new(program).args(args).arg(path).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
