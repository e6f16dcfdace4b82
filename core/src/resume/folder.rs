//! The folder of `.torrent` files, and of links that are none yet: the list itself. Files are written whole
//! or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::types::InfoHash;

/// Larger than any torrent that is accepted.
const MAX_TORRENT: u64 = 64 << 20;

const SUFFIX: &str = ".torrent";
/// A magnet link whose metadata is not there yet (BEP 9), as text.
const LINK: &str = ".magnet";
const UNFINISHED: &str = ".tmp";

/// The folder `torrents` of a state folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes it if it is not there.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
        let path = state.join("torrents");
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// Every torrent and every link, in the order of the hashes; a torrent that is there stands for its link. What cannot be read is left alone and told;
    /// unfinished files are removed.
    pub(crate) fn list(&self, problems: &mut Vec<String>) -> io::Result<Vec<(InfoHash, Bytes)>> {
        let mut list = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(UNFINISHED) {
                // Of a run that was cut short. If it stays it does no harm.
                let _ = fs::remove_file(&path);
                continue;
            }
            let (hash, is_link) = match (name.strip_suffix(SUFFIX), name.strip_suffix(LINK)) {
                (Some(hash), _) => (hash, false),
                (None, Some(hash)) => (hash, true),
                (None, None) => continue,
            };
            let Ok(info_hash) = hash.parse() else {
                problems.push(format!("{}: the name is not an info-hash", path.display()));
                continue;
            };
            if is_link && self.path.join(format!("{info_hash}{SUFFIX}")).exists() {
                // Of a run that was cut short between the two. If it stays it does no harm.
                let _ = fs::remove_file(&path);
                continue;
            }
            match read(&path) {
                Ok(torrent) => list.push((info_hash, torrent)),
                Err(error) => problems.push(format!("{}: {error}", path.display())),
            }
        }
        list.sort_unstable_by_key(|(info_hash, _)| *info_hash);
        Ok(list)
    }

    /// Writes a torrent, or the link that stands for it until its metadata is there. [`sync`](Self::sync) makes
    /// it last.
    pub(crate) fn write(&self, info_hash: &InfoHash, torrent: &[u8]) -> io::Result<()> {
        let is_link = is_link(torrent);
        let path = if is_link { self.link(info_hash) } else { self.file(info_hash) };
        let unfinished = self.path.join(format!("{info_hash}{SUFFIX}{UNFINISHED}"));
        let mut file = File::create(&unfinished)?;
        file.write_all(torrent)?;
        file.sync_all()?;
        drop(file);
        fs::rename(unfinished, path)?;
        if is_link { Ok(()) } else { remove(&self.link(info_hash)) }
    }

    /// Removes a torrent; one that is not there is no error.
    pub(crate) fn remove(&self, info_hash: &InfoHash) -> io::Result<()> {
        remove(&self.link(info_hash))?;
        remove(&self.file(info_hash))
    }

    /// Whether there is surely no such torrent.
    pub(crate) fn lacks(&self, info_hash: &InfoHash) -> bool {
        [self.file(info_hash), self.link(info_hash)].iter().all(|path| {
            fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        })
    }

    /// Makes names that came and went last over a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn file(&self, info_hash: &InfoHash) -> PathBuf {
        self.path.join(format!("{info_hash}{SUFFIX}"))
    }

    fn link(&self, info_hash: &InfoHash) -> PathBuf {
        self.path.join(format!("{info_hash}{LINK}"))
    }
}

/// Whether these bytes of the list are a magnet link, not a torrent.
pub(super) fn is_link(torrent: &[u8]) -> bool {
    torrent.starts_with(b"magnet:")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<Bytes> {
    let length = fs::metadata(path)?.len();
    match length {
        0 => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")),
        1..=MAX_TORRENT => fs::read(path).map(Bytes::from),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}
