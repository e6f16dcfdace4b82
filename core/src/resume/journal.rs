//! Pieces that were hashed and written since the last record, as hints: a restart hashes them too.
//!
//! A record is synced and costs as much as it is long, so it is saved every few seconds at best. A hint
//! is a few bytes that are handed to the system and not synced: it outlives a killed program. After a
//! power cut it may be gone, as may be the piece. A hint that is wrong costs the hashing of one piece.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha1::{Digest, Sha1};

use super::record::ResumeRecord;
use crate::storage::NoteHashed;
use crate::types::{InfoHash, PieceIndex};

/// Info-hash, piece, and the start of a SHA-1 of both: after a power cut a file may hold anything.
const ENTRY: usize = 20 + 4 + 4;

/// Far more than is hashed between two records; what follows was not written by us.
const MOST: u64 = 64 << 20;

/// A file that is mostly of no use any more is written anew from this size on.
const LARGE: u64 = 64 << 10;

/// The file `journal` of a state folder. Cheap to clone. The disk's threads write to it, so it may block.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    /// A leaf lock, held for one small write.
    inner: Arc<Mutex<Inner>>,
}

/// Pieces of each torrent that no record has taken up.
pub type Hints = HashMap<InfoHash, Vec<PieceIndex>>;

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// `None` where it cannot be written: a killed program then loses a few seconds more.
    file: Option<File>,
    length: u64,
    live: Hints,
}

impl Journal {
    /// Opens it, makes it if needed, and puts what the last run noted into `maybe` of these records;
    /// says of which. A journal that cannot be used is told in `problems` and done without.
    pub(crate) fn open<'a>(
        state: &Path,
        records: impl Iterator<Item = (InfoHash, &'a mut ResumeRecord)>,
        problems: &mut Vec<String>,
    ) -> (Self, Vec<InfoHash>) {
        let path = state.join("journal");
        let mut bytes = Vec::new();
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path).and_then(|file| {
            (&file).take(MOST).read_to_end(&mut bytes)?;
            Ok(file)
        });
        let file = opened.map_err(|error| problems.push(format!("{}: {error}", path.display()))).ok();
        let mut noted = decode(&bytes);
        let (mut live, mut changed) = (Hints::new(), Vec::new());
        // Those of torrents that are gone or have no record are of no use.
        for (info_hash, record) in records {
            let Some(mut hints) = noted.remove(&info_hash) else { continue };
            hints.retain(|piece| record.add_maybe(*piece));
            if !hints.is_empty() {
                live.insert(info_hash, hints);
                changed.push(info_hash);
            }
        }
        let inner = Inner { path, file, length: bytes.len() as u64, live };
        let journal = Self { inner: Arc::new(Mutex::new(inner)) };
        journal.lock().tidy();
        (journal, changed)
    }

    /// Notes pieces of this torrent.
    pub(crate) fn of(&self, info_hash: InfoHash) -> Arc<dyn NoteHashed> {
        Arc::new(Notes { journal: self.clone(), info_hash })
    }

    /// These records are saved: what they hold needs no hint. `None`: the torrent is gone.
    pub(crate) fn saved<'a>(&self, records: impl Iterator<Item = (&'a InfoHash, Option<&'a ResumeRecord>)>) {
        let mut inner = self.lock();
        for (info_hash, record) in records {
            let Some(hints) = inner.live.get_mut(info_hash) else { continue };
            hints.retain(|piece| record.is_some_and(|record| !record.holds(*piece)));
            if hints.is_empty() {
                inner.live.remove(info_hash);
            }
        }
        inner.tidy();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A hint is there or not; a panic elsewhere leaves the others usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note(&mut self, info_hash: InfoHash, piece: PieceIndex) {
        self.live.entry(info_hash).or_default().push(piece);
        let bytes = entry(&info_hash, piece);
        self.write(|file| file.write_all(&bytes).map(|()| bytes.len() as u64));
    }

    /// Throws away what records hold by now.
    fn tidy(&mut self) {
        let useful = (self.live.values().map(Vec::len).sum::<usize>() * ENTRY) as u64;
        if useful == 0 && self.length > 0 {
            self.length = 0;
            self.write(|file| file.set_len(0).map(|()| 0));
        } else if self.length > LARGE.max(2 * useful) {
            let (live, path) = (&self.live, &self.path);
            match rewrite(path, live) {
                Ok(file) => (self.file, self.length) = (Some(file), useful),
                Err(error) => self.give_up(&error),
            }
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut File) -> io::Result<u64>) {
        let Some(file) = &mut self.file else { return };
        match write(file) {
            Ok(more) => self.length += more,
            Err(error) => self.give_up(&error),
        }
    }

    /// Half an entry would put those behind it out of step.
    fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(path = %self.path.display(), %error, "hints for the next run are not written");
        self.file = None;
    }
}

/// One torrent's way into the journal.
#[derive(Debug)]
struct Notes {
    journal: Journal,
    info_hash: InfoHash,
}

impl NoteHashed for Notes {
    fn hashed(&self, piece: PieceIndex) {
        self.journal.lock().note(self.info_hash, piece);
    }
}

fn rewrite(path: &Path, live: &Hints) -> io::Result<File> {
    let unfinished = path.with_extension("tmp");
    let pieces = live.iter().flat_map(|(info_hash, pieces)| pieces.iter().map(move |p| (info_hash, p)));
    let bytes: Vec<u8> = pieces.flat_map(|(info_hash, piece)| entry(info_hash, *piece)).collect();
    fs::write(&unfinished, bytes)?;
    let file = OpenOptions::new().append(true).open(&unfinished)?;
    fs::rename(unfinished, path)?;
    Ok(file)
}

fn entry(info_hash: &InfoHash, piece: PieceIndex) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..20].copy_from_slice(info_hash.as_bytes());
    bytes[20..24].copy_from_slice(&piece.get().to_be_bytes());
    let sum: [u8; 20] = Sha1::digest(&bytes[..24]).into();
    bytes[24..].copy_from_slice(&sum[..4]);
    bytes
}

/// The entries that are whole, in their order.
pub fn decode(bytes: &[u8]) -> Hints {
    let mut hints = Hints::new();
    for bytes in bytes.chunks_exact(ENTRY) {
        let info_hash = InfoHash::new(std::array::from_fn(|at| bytes[at]));
        let piece = PieceIndex::new(u32::from_be_bytes(std::array::from_fn(|at| bytes[20 + at])));
        if entry(&info_hash, piece) == bytes {
            hints.entry(info_hash).or_default().push(piece);
        }
    }
    hints
}
