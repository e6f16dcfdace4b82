//! What the demo's swarm shares: files of noise, and the torrents that describe them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use bytes::Bytes;
use serde::Serialize;
use serde_bytes::ByteBuf;
use sha1::{Digest as _, Sha1};
use tc_core::Metainfo;

const MIB: u64 = 1 << 20;

/// Bytes of a piece: some hundred pieces each, so that the map of pieces has something to show.
const PIECE: usize = 256 << 10;

/// One torrent as it is planned.
#[derive(Debug)]
pub struct Plan {
    /// Its name, and that of its folder or only file.
    name: &'static str,
    /// Its files with their sizes in MiB; none: one file of its own name.
    files: &'static [(&'static str, u64)],
    /// Bytes of all files.
    size: u64,
    /// What its seed sends at most, in bytes per second. The first minute shows downloads of
    /// different speed; after two all of it is seeded.
    pub rate: u64,
}

/// The torrents of the demo.
pub const PLANS: [Plan; 3] = [
    Plan {
        name: "Field recordings, volume 3",
        files: &[("01 Harbour at dawn.flac", 20), ("02 Night train.flac", 17), ("Notes/Places.pdf", 11)],
        size: 48 * MIB,
        rate: 3 * MIB,
    },
    Plan { name: "night-sky-timelapse-4k.mkv", files: &[], size: 96 * MIB, rate: 5 * MIB },
    Plan { name: "open-map-extract-2026.tar", files: &[], size: 64 * MIB, rate: 3 * MIB / 2 },
];

/// A torrent whose content lies in `seed`.
#[derive(Debug)]
pub struct Torrent {
    /// The plan it was made by.
    pub plan: &'static Plan,
    /// The folder that holds its content.
    pub seed: PathBuf,
    /// SHA-1 of each piece.
    pieces: ByteBuf,
}

/// Bytes on disk at the end: the seeds', the viewer's and the other downloader's copies.
pub fn needed_space() -> u64 {
    3 * PLANS.iter().map(|plan| plan.size).sum::<u64>()
}

/// Writes the content of all torrents below `folder`, each on a thread of its own.
///
/// # Errors
/// It cannot be written.
pub fn make(folder: &Path) -> anyhow::Result<Vec<Torrent>> {
    thread::scope(|scope| {
        let makers: Vec<_> = (PLANS.iter().zip(1..))
            .map(|(plan, seed)| scope.spawn(move || plan.make(&folder.join(format!("seed-{seed}")), seed)))
            .collect();
        let join =
            |maker: thread::ScopedJoinHandle<'_, _>| maker.join().expect("making content does not panic");
        makers.into_iter().map(join).collect()
    })
}

impl Plan {
    fn make(&'static self, folder: &Path, seed: u64) -> anyhow::Result<Torrent> {
        let mut noise = Noise::new(seed);
        let mut pieces = Pieces::default();
        for (path, size) in self.paths() {
            let path = folder.join(path);
            write(&path, size, &mut noise, &mut pieces)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Torrent { plan: self, seed: folder.to_owned(), pieces: ByteBuf::from(pieces.0) })
    }

    /// Where its files go below a save path, and their bytes.
    fn paths(&self) -> Vec<(PathBuf, u64)> {
        if self.files.is_empty() {
            return vec![(self.name.into(), self.size)];
        }
        self.files.iter().map(|(path, mib)| (Path::new(self.name).join(path), mib * MIB)).collect()
    }
}

/// One file of whole pieces, and its hashes.
fn write(path: &Path, size: u64, noise: &mut Noise, pieces: &mut Pieces) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(path)?;
    let mut piece = vec![0; PIECE];
    for _ in 0..size / PIECE as u64 {
        noise.fill(&mut piece);
        pieces.add(&piece);
        file.write_all(&piece)?;
    }
    Ok(())
}

/// The hashes so far.
#[derive(Default)]
struct Pieces(Vec<u8>);

impl Pieces {
    fn add(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(&Sha1::digest(piece));
    }
}

/// xorshift64: noise that cannot be compressed, at memory speed. Nothing depends on its quality.
struct Noise(u64);

impl Noise {
    const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_exact_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes());
        }
    }
}

impl Torrent {
    /// The torrent with this tracker.
    ///
    /// # Errors
    /// The engine does not take what is made here.
    pub fn metainfo(&self, announce: &str) -> anyhow::Result<Metainfo> {
        let file =
            |(path, mib): &(&'static str, u64)| Entry { length: mib * MIB, path: path.split('/').collect() };
        let metafile = Metafile {
            announce,
            comment: "Noise, made for tc-tui demo",
            info: Info {
                files: self.plan.files.iter().map(file).collect(),
                length: self.plan.files.is_empty().then_some(self.plan.size),
                name: self.plan.name,
                piece_length: PIECE,
                pieces: &self.pieces,
            },
        };
        let bytes = serde_bencode::to_bytes(&metafile).context("a torrent is bencode")?;
        Metainfo::parse(Bytes::from(bytes)).context("the demo's own torrent")
    }
}

#[derive(Serialize)]
struct Metafile<'a> {
    announce: &'a str,
    comment: &'a str,
    info: Info<'a>,
}

#[derive(Serialize)]
struct Info<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    name: &'a str,
    #[serde(rename = "piece length")]
    piece_length: usize,
    pieces: &'a ByteBuf,
}

#[derive(Serialize)]
struct Entry {
    length: u64,
    path: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_whole_pieces_and_add_up() {
        for plan in &PLANS {
            let sizes: Vec<_> = plan.paths().into_iter().map(|(_, size)| size).collect();
            assert_eq!(sizes.iter().sum::<u64>(), plan.size, "{}", plan.name);
            assert!(sizes.iter().all(|size| size % PIECE as u64 == 0), "{}", plan.name);
        }
    }

    #[test]
    fn the_engine_reads_the_torrents_and_finds_the_content() {
        static SMALL: [Plan; 2] = [
            Plan { name: "folder", files: &[("a", 1), ("b/c", 2)], size: 3 * MIB, rate: 1 },
            Plan { name: "file", files: &[], size: MIB, rate: 1 },
        ];
        let folder = tempfile::tempdir().unwrap();
        for plan in &SMALL {
            let torrent = plan.make(folder.path(), 7).unwrap();
            let metainfo = torrent.metainfo("http://127.0.0.1:1/announce").unwrap();
            assert_eq!(metainfo.total_size(), plan.size);
            let mut content = Vec::new();
            for file in &metainfo.files {
                let bytes = fs::read(folder.path().join(&file.path)).unwrap();
                assert_eq!(bytes.len() as u64, file.length);
                content.extend(bytes);
            }
            for (piece, index) in content.chunks(PIECE).zip(0..) {
                let hash: [u8; 20] = Sha1::digest(piece).into();
                assert_eq!(metainfo.piece_hash(tc_core::types::PieceIndex::new(index)), hash);
            }
        }
    }
}
