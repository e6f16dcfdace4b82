//! Other names for files and folders of a torrent, as a person gives them: by the same rules as the names
//! that come with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::FileEntry;
use super::path::{MAX_PATH, component};

/// Why a name cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// There is no such file, or its path has no such element.
    #[error("there is no such file")]
    Nothing,
    /// Nothing is left of the name.
    #[error("a name is wanted")]
    Empty,
    /// A separator: a name is one element, and a rename moves nothing into another folder.
    #[error("a name has no / in it")]
    Separator,
    /// It is called that.
    #[error("that is its name already")]
    Same,
    /// Another file or folder of the torrent has it.
    #[error("the torrent has something of that name there")]
    Taken,
    /// A path would be longer than [`MAX_PATH`].
    #[error("that makes a path too long")]
    TooLong,
}

/// The files with another name for one element of the path of one of them: the last is the file's own, the
/// others are those of folders, which hold for all that is in them.
///
/// # Errors
/// A name that cannot be given.
pub fn renamed(
    files: &[FileEntry],
    file: usize,
    depth: usize,
    name: &str,
) -> Result<Vec<FileEntry>, RenameError> {
    let entry = files.get(file).filter(|entry| !entry.pad).ok_or(RenameError::Nothing)?;
    let old: PathBuf = entry.path.components().take(depth + 1).collect();
    if entry.path.components().count() <= depth {
        return Err(RenameError::Nothing);
    }
    if name.trim().is_empty() {
        return Err(RenameError::Empty);
    }
    if name.contains('/') {
        return Err(RenameError::Separator);
    }
    let new = old.with_file_name(component(name.as_bytes()));
    if new == old {
        return Err(RenameError::Same);
    }
    let mut changed = files.to_vec();
    for entry in changed.iter_mut().filter(|entry| !entry.pad) {
        if let Ok(rest) = entry.path.strip_prefix(&old) {
            // Without a rest a slash would stand at the end.
            entry.path = if rest == Path::new("") { new.clone() } else { new.join(rest) };
            if entry.path.as_os_str().len() > MAX_PATH {
                return Err(RenameError::TooLong);
            }
        } else if entry.path.starts_with(&new) || new.starts_with(&entry.path) {
            return Err(RenameError::Taken);
        }
    }
    Ok(changed)
}

/// The names that differ from those of the torrent: the place of each file in torrent order, and its path.
pub fn differing(torrent: &[FileEntry], files: &[FileEntry]) -> Vec<(u32, String)> {
    let pairs = (0..).zip(torrent.iter().zip(files)).filter(|(_, (one, other))| one.path != other.path);
    pairs.map(|(at, (_, file))| (at, file.path.to_string_lossy().into_owned())).collect()
}

/// The files of a torrent under the names that were kept. `None`: they do not fit it.
pub fn with_names(torrent: &[FileEntry], names: &[(u32, String)]) -> Option<Vec<FileEntry>> {
    let mut files = torrent.to_vec();
    for (at, path) in names {
        files.get_mut(*at as usize).filter(|file| !file.pad)?.path = path.into();
    }
    let paths = || files.iter().filter(|file| !file.pad).map(|file| file.path.as_path());
    let all: BTreeSet<_> = paths().collect();
    let is_plain =
        |path: &Path| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let fits = all.len() == paths().count()
        && all
            .iter()
            .all(|path| is_plain(path) && !path.ancestors().skip(1).any(|above| all.contains(above)));
    fits.then_some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<FileEntry> {
        let entry = |path: &&str| FileEntry {
            path: path.into(),
            length: 1,
            offset: 0,
            pad: path.starts_with(".pad"),
            executable: false,
        };
        paths.iter().map(entry).collect()
    }

    fn check(file: usize, depth: usize, name: &str, want: Result<&[&str], RenameError>) {
        let old = files(&["t/a/x", "t/a/y", ".pad/3", "t/b", "t/c/z"]);
        let got = renamed(&old, file, depth, name);
        assert_eq!(got.clone(), want.map(files), "{file} {depth} {name:?}");
        if let Ok(new) = got {
            assert_eq!(with_names(&old, &differing(&old, &new)), Some(new));
        }
    }

    #[test]
    fn files_and_folders_get_other_names() {
        check(0, 2, "new", Ok(&["t/a/new", "t/a/y", ".pad/3", "t/b", "t/c/z"]));
        check(1, 1, "d", Ok(&["t/d/x", "t/d/y", ".pad/3", "t/b", "t/c/z"]));
        check(3, 0, "Film", Ok(&["Film/a/x", "Film/a/y", ".pad/3", "Film/b", "Film/c/z"]));
        check(3, 1, "..", Ok(&["t/a/x", "t/a/y", ".pad/3", "t/__", "t/c/z"]));
        check(3, 1, "b\u{1b}\\", Ok(&["t/a/x", "t/a/y", ".pad/3", "t/b__", "t/c/z"]));
    }

    #[test]
    fn names_that_cannot_be_given() {
        use RenameError as E;
        check(0, 2, "y", Err(E::Taken));
        check(3, 1, "a", Err(E::Taken));
        check(0, 1, "b", Err(E::Taken));
        check(0, 1, "c", Err(E::Taken));
        check(0, 2, "x", Err(E::Same));
        check(0, 2, " ", Err(E::Empty));
        check(0, 2, "../x", Err(E::Separator));
        check(0, 3, "q", Err(E::Nothing));
        check(2, 0, "q", Err(E::Nothing));
        check(9, 0, "q", Err(E::Nothing));
        let long = "l".repeat(200);
        let deep = files(&[&format!("t/{}", vec![long.as_str(); 15].join("/"))]);
        assert_eq!(renamed(&deep, 0, 0, &"n".repeat(250)), Err(E::TooLong));
    }

    #[test]
    fn kept_names_that_do_not_fit_are_not_taken() {
        let torrent = files(&["t/a", "t/b"]);
        for names in
            [vec![(2, "t/c")], vec![(0, "t/b")], vec![(0, "t/b/c")], vec![(0, "../a")], vec![(0, "/a")]]
        {
            let names: Vec<_> = names.into_iter().map(|(at, path)| (at, path.to_owned())).collect();
            assert_eq!(with_names(&torrent, &names), None, "{names:?}");
        }
    }
}
