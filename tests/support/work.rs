//! A folder for one test under `target/interop`: kept when the test fails, to be looked into.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder. Dropping it removes it unless the test panics.
#[derive(Debug)]
pub struct Work {
    path: PathBuf,
}

/// Where the suites keep what they install and what they make.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop")
}

impl Work {
    /// An empty folder, and the end of those that earlier runs of this test left.
    pub fn new(test: &str) -> Self {
        Self::below(&root().join("run"), test)
    }

    /// The same in another folder, which is made.
    pub fn below(runs: &Path, test: &str) -> Self {
        fs::create_dir_all(runs).expect("target is writable");
        for old in fs::read_dir(runs).expect("it was just made").flatten() {
            let name = old.file_name().to_string_lossy().into_owned();
            let of_pid = name.strip_prefix(test).and_then(|rest| rest.strip_prefix('-'));
            if of_pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                // Two runs of the suite may both try.
                let _ = fs::remove_dir_all(old.path());
            }
        }
        let path = runs.join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("target is writable");
        Self { path }
    }

    /// A path inside it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A new file inside it for what a client says on stderr.
    pub fn log(&self, name: &str) -> fs::File {
        fs::File::create(self.join(&format!("{name}.log"))).expect("the folder is ours")
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("logs and data are in {}", self.path.display());
        } else {
            // What cannot be removed is removed by the next run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
