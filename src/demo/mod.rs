//! `tc-tui demo`: the dashboard over a small swarm of its own on loopback. Needs no network and no
//! files, and leaves none behind.

pub mod content;
pub mod swarm;
pub mod tracker;

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::{env, iter};

use anyhow::{Context as _, ensure};

use self::swarm::Swarm;
use crate::cli::ScreenArgs;
use crate::dashboard;

/// Shows the demo until it is left.
///
/// # Errors
/// The temporary folder has no room, or the swarm cannot be started.
pub fn run(args: ScreenArgs) -> anyhow::Result<ExitCode> {
    if !dashboard::has_terminal() {
        return Ok(dashboard::refuse());
    }
    let folder = Folder::make(&env::temp_dir())?;
    let needed = content::needed_space();
    if let Ok(stat) = rustix::fs::statvfs(folder.path()) {
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let place = folder.path().display();
        ensure!(free >= needed, "the demo needs {} MiB in {place}; TMPDIR names another place", needed >> 20);
    }
    // Where this cannot be read, it is not needed.
    let _ = writeln!(io::stdout(), "Making a small swarm in {} ...", folder.path().display());
    let torrents = content::make(folder.path())?;
    let swarm = Swarm::start(folder.path(), &torrents)?;
    let (manager, events) = swarm.viewer(folder.path(), &torrents)?;
    let abandoned = folder.path().to_owned();
    let abandon = move || {
        // The program ends after this; what cannot be removed stays.
        let _ = fs::remove_dir_all(&abandoned);
    };
    dashboard::show(&manager, events, Vec::new(), args, Arc::new(abandon))
}

/// A folder for one demo. Removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make(parent: &Path) -> anyhow::Result<Self> {
        // A run that was killed may have left one under this number.
        let names = iter::successors(Some(0_u32), |count| Some(count + 1))
            .map(|count| parent.join(format!("tc-tui-demo-{}-{count}", process::id())));
        for path in names {
            // Exclusive and private: nobody can have put anything there.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot make a folder in {}", parent.display()));
                }
            }
        }
        unreachable!("the numbers do not end")
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            crate::complain(&format!("cannot remove {}: {error}", self.0.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_new_private_and_removed() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let first = Folder::make(parent.path()).unwrap();
        let second = Folder::make(parent.path()).unwrap();
        assert_ne!(first.path(), second.path());
        assert_eq!(fs::metadata(first.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(first.path().join("x"), "x").unwrap();
        drop((first, second));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
