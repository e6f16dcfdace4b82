//! Content that anybody can compute again, and .torrent files of it (BEP 3, 12).
//!
//! Each 8 bytes are a function of the seed and their place, so a piece can be made or compared
//! without reading the others.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_bytes::ByteBuf;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Bytes that are made or read at once; a multiple of 8.
const CHUNK: usize = 1 << 20;

/// The files of a torrent and what is in them.
#[derive(Clone, Debug)]
pub struct Content {
    /// Name of the folder, or of the only file.
    pub name: String,
    /// Path below the folder and length, in the torrent's order; an empty path means a single file.
    pub files: Vec<(PathBuf, u64)>,
    /// Bytes per piece.
    pub piece_length: u32,
    seed: u64,
    private: bool,
}

#[derive(Serialize)]
struct MetainfoFile<'a> {
    announce: Option<&'a str>,
    #[serde(rename = "announce-list")]
    announce_list: Option<Vec<[&'a str; 1]>>,
    info: &'a Info<'a>,
}

#[derive(Serialize)]
struct Info<'a> {
    files: Option<Vec<FileEntry>>,
    length: Option<u64>,
    name: &'a str,
    #[serde(rename = "piece length")]
    piece_length: u32,
    pieces: ByteBuf,
    private: Option<u8>,
}

#[derive(Serialize)]
struct FileEntry {
    length: u64,
    path: Vec<String>,
}

impl Content {
    /// 64 MiB and a short last piece, in about 200 files: around every boundary of block and
    /// piece, empty ones first, last and in between, deep folders, names beyond ASCII.
    pub fn mixed(seed: u64) -> Self {
        const TOTAL: u64 = (64 << 20) + 4_321;
        let odd = [0, 1, 0, 16_383, 16_384, 16_385, 1, 262_143, 262_144, 262_145, 7_340_045, 524_288, 3, 1];
        let mut files: Vec<_> =
            odd.iter().zip(0..).map(|(&length, n)| (format!("odd/{n:02}.bin").into(), length)).collect();
        files.push(("a/folder/of a/folder/Übergröße 中文.dat".into(), 5_000_011));
        for n in 0..180 {
            let path = format!("small/{}/{n:03}.txt", n % 7);
            files.push((path.into(), word(seed, n) % 200_000));
        }
        let so_far: u64 = files.iter().map(|(_, length)| length).sum();
        files.push(("the rest.iso".into(), TOTAL - so_far));
        files.push(("zero at the end".into(), 0));
        Self::folder(format!("mixed-{seed}"), files, 256 << 10, seed)
    }

    /// These files, in a folder of this name.
    pub const fn folder(name: String, files: Vec<(PathBuf, u64)>, piece_length: u32, seed: u64) -> Self {
        Self { name, files, piece_length, seed, private: false }
    }

    /// Files of which five meet in the second piece: it ends one, holds three, and begins one.
    pub fn five_in_a_piece(seed: u64) -> Self {
        let lengths = [70_000, 20_000, 1, 30_000, 100_000, 500_000];
        let files = lengths.iter().zip(0..).map(|(&length, n)| (format!("{n}.bin").into(), length)).collect();
        Self::folder(format!("five-{seed}"), files, 64 << 10, seed)
    }

    /// The same content in pieces of so many bytes.
    pub fn in_pieces_of(self, piece_length: u32) -> Self {
        Self { piece_length, ..self }
    }

    /// The same in a private torrent (BEP 27).
    pub fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// One file.
    pub fn single(length: u64, piece_length: u32, seed: u64) -> Self {
        Self::folder(format!("single-{seed}.bin"), vec![(PathBuf::new(), length)], piece_length, seed)
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|(_, length)| length).sum()
    }

    /// What the torrent holds from `offset` on; a multiple of 8, as is the length of `into`.
    pub fn fill(&self, offset: u64, into: &mut [u8]) {
        let first = offset / 8;
        for (bytes, at) in into.chunks_exact_mut(8).zip(first..) {
            bytes.copy_from_slice(&word(self.seed, at).to_le_bytes());
        }
    }

    /// Hands the content to `sink` in order.
    fn stream(&self, mut sink: impl FnMut(&[u8])) {
        let (size, mut offset) = (self.size(), 0);
        let mut chunk = vec![0; CHUNK];
        while offset < size {
            self.fill(offset, &mut chunk);
            let length = CHUNK.min((size - offset) as usize);
            sink(&chunk[..length]);
            offset += length as u64;
        }
    }

    /// Writes the files below `dir`.
    pub fn write(&self, dir: &Path) {
        let mut paths = self.files.iter();
        let mut open: Option<(BufWriter<File>, u64)> = None;
        // The file that holds the next byte; the empty ones on the way come into being.
        let mut next = move |dir: &Path| loop {
            let (path, length) = paths.next()?;
            let path = dir.join(&self.name).join(path);
            // `join` of an empty path leaves a slash that a file cannot have.
            let path: PathBuf = path.components().collect();
            fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder of the test");
            let file = File::create(&path).expect("a file of the test");
            if *length > 0 {
                return Some((BufWriter::new(file), *length));
            }
        };
        self.stream(|mut bytes| {
            while !bytes.is_empty() {
                let (mut file, left) = open.take().or_else(|| next(dir)).expect("as many bytes as files");
                let length = left.min(bytes.len() as u64);
                file.write_all(&bytes[..length as usize]).expect("room on the disk");
                bytes = &bytes[length as usize..];
                if left > length {
                    open = Some((file, left - length));
                } else {
                    file.flush().expect("room on the disk");
                }
            }
        });
        assert!(next(dir).is_none(), "only empty files are left");
    }

    /// Writes a .torrent with one tracker per tier and returns its info-hash in hex.
    pub fn torrent(&self, trackers: &[String], to: &Path) -> String {
        let piece_length = self.piece_length as usize;
        assert_eq!(CHUNK.max(piece_length) % CHUNK.min(piece_length), 0, "pieces and chunks fit");
        let (mut pieces, mut piece, mut filled) = (Vec::new(), Sha1::new(), 0);
        self.stream(|bytes| {
            for part in bytes.chunks(piece_length) {
                piece.update(part);
                filled += part.len();
                if filled == piece_length {
                    pieces.extend_from_slice(&piece.finalize_reset());
                    filled = 0;
                }
            }
        });
        if filled > 0 {
            pieces.extend_from_slice(&piece.finalize());
        }
        let single = self.files.len() == 1 && self.files[0].0.as_os_str().is_empty();
        let entry = |(path, length): &(PathBuf, u64)| {
            let path = path.iter().map(|part| part.to_str().expect("we wrote it").to_owned()).collect();
            FileEntry { length: *length, path }
        };
        let info = Info {
            files: (!single).then(|| self.files.iter().map(entry).collect()),
            length: single.then(|| self.size()),
            name: &self.name,
            piece_length: self.piece_length,
            pieces: ByteBuf::from(pieces),
            private: self.private.then_some(1),
        };
        let tiers = trackers.iter().map(|url| [url.as_str()]).collect();
        let file = MetainfoFile {
            announce: trackers.first().map(String::as_str),
            announce_list: (trackers.len() > 1).then_some(tiers),
            info: &info,
        };
        fs::write(to, serde_bencode::to_bytes(&file).expect("plain data")).expect("a file of the test");
        let raw = serde_bencode::to_bytes(&info).expect("plain data");
        data_encoding::HEXLOWER.encode(&Sha1::digest(raw))
    }
}

/// SHA-256 of each file below `dir`, by its path there.
pub fn sha256(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut sums = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("it was found there").to_owned();
                sums.insert(name, sha256_of(&path));
            }
        }
    }
    sums
}

fn sha256_of(path: &Path) -> String {
    let mut file = File::open(path).expect("it was just listed");
    let (mut sum, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk).expect("it can be read") {
            0 => return data_encoding::HEXLOWER.encode(&sum.finalize()),
            length => sum.update(&chunk[..length]),
        }
    }
}

/// The 8 bytes at `index * 8`: splitmix64, which may be entered anywhere.
const fn word(seed: u64, index: u64) -> u64 {
    let mut z = seed
        .wrapping_mul(0xd134_2543_de82_ef95)
        .wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
