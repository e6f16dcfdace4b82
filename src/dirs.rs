//! Where things go: the XDG folders, and those a person names.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;

/// The dashboard's state: as named, else `tc-tui` in the XDG state folder.
///
/// # Errors
/// None was named, and the home folder is not known.
pub fn state(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let xdg = Xdg::new().context("the home folder is not known; name a folder with --state-dir")?;
    Ok(xdg.state_dir().context("no XDG state folder; name one with --state-dir")?.join("tc-tui"))
}

/// Where the dashboard downloads to: as named, else the XDG download folder, which is
/// `$XDG_DOWNLOAD_DIR`, the entry in `user-dirs.dirs`, or `~/Downloads`.
///
/// # Errors
/// None was named, and the home folder is not known.
pub fn download(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let xdg = Xdg::new().context("the home folder is not known; name a folder with --download-dir")?;
    if let Some(folder) = env::var_os("XDG_DOWNLOAD_DIR").map(PathBuf::from).filter(|path| path.is_absolute())
    {
        return Ok(folder);
    }
    let home = xdg.home_dir();
    let user_dirs = fs::read_to_string(xdg.config_dir().join("user-dirs.dirs")).unwrap_or_default();
    Ok(download_entry(&user_dirs, home).unwrap_or_else(|| home.join("Downloads")))
}

/// The download folder that a `user-dirs.dirs` names: `XDG_DOWNLOAD_DIR="$HOME/yyy"` or an absolute
/// path. The home folder itself means "none" there.
fn download_entry(user_dirs: &str, home: &Path) -> Option<PathBuf> {
    let value = user_dirs.lines().rev().find_map(|line| line.trim().strip_prefix("XDG_DOWNLOAD_DIR="))?;
    let value = value.trim().trim_matches('"');
    let folder = match value.strip_prefix("$HOME") {
        Some(below) => home.join(below.trim_start_matches('/')),
        None => PathBuf::from(value),
    };
    (folder.is_absolute() && folder != home).then_some(folder)
}

/// Makes a folder for our own files, which hold pass-keys: nobody else may look in.
///
/// # Errors
/// It cannot be made.
pub fn make_private(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_download_folder_is_read_from_user_dirs() {
        let check = |line: &str, want: Option<&str>| {
            assert_eq!(download_entry(line, Path::new("/home/me")), want.map(PathBuf::from), "{line}");
        };
        check("# comment\nXDG_DOWNLOAD_DIR=\"$HOME/Last Ned\"\n", Some("/home/me/Last Ned"));
        check("XDG_DOWNLOAD_DIR=\"/data/in\"", Some("/data/in"));
        check("XDG_DOWNLOAD_DIR=\"$HOME/\"", None);
        check("XDG_DOWNLOAD_DIR=\"relative\"", None);
        check("XDG_MUSIC_DIR=\"$HOME/Music\"", None);
    }
}
