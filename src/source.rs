//! SOURCE on the command line: `.torrent` files, and folders of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tc_core::Metainfo;

/// What other programs take as a SOURCE, and this one not yet.
const UNKNOWN_SCHEMES: [&str; 3] = ["magnet:", "http://", "https://"];

/// The files that the sources stand for: a folder stands for the `.torrent` files in it, by name.
///
/// # Errors
/// A source is not there, is a folder without torrents, or is of a kind that is not known.
pub fn files(sources: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for source in sources {
        refuse_unknown(&source.to_string_lossy())?;
        if source.is_dir() {
            files.extend(torrents_in(source)?);
        } else {
            files.push(source.clone());
        }
    }
    Ok(files)
}

/// Says so where a source is of a kind that others know and this program does not.
///
/// # Errors
/// It is.
pub fn refuse_unknown(source: &str) -> anyhow::Result<()> {
    if UNKNOWN_SCHEMES.iter().any(|scheme| source.starts_with(scheme)) {
        bail!("only .torrent files and folders of them can be added: {source}");
    }
    Ok(())
}

/// Whether a file is named like a torrent.
pub fn is_torrent(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("torrent"))
}

fn torrents_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut files = read().with_context(|| format!("cannot read {}", folder.display()))?;
    files.retain(|path| is_torrent(path));
    if files.is_empty() {
        bail!("no .torrent file in {}", folder.display());
    }
    files.sort();
    Ok(files)
}

/// Reads and checks one torrent.
///
/// # Errors
/// It cannot be read, is too long or no plain file, or is no usable torrent.
pub fn metainfo(path: &Path) -> anyhow::Result<Metainfo> {
    Metainfo::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_torrents() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.torrent", "a.TORRENT", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let got = files(&[folder.path().to_owned(), "other.torrent".into()]).unwrap();
        let names: Vec<_> = got.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.TORRENT", "b.torrent", "other.torrent"]);
    }

    #[test]
    fn what_cannot_be_a_torrent_is_said_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let check = |source: &Path, want: &str| {
            let error = files(&[source.to_owned()]).and_then(|files| metainfo(&files[0])).unwrap_err();
            assert!(format!("{error:#}").contains(want), "{error:#}");
        };
        check(folder.path(), "no .torrent file in");
        check(&folder.path().join("missing"), "No such file");
        check(Path::new("/dev/zero"), "not a");
        check(Path::new("magnet:?xt=urn:btih:00"), "only .torrent files");
    }
}
