//! What a `.torrent` file says: BEP 3, 5, 12, 17, 19, 27, 47, 52.
//!
//! Read in place: hashes are taken over the raw bytes as they came, never over something encoded
//! again, and the piece hashes stay where they are. Names become paths in [`path`] and nowhere else.

mod around;
mod error;
mod list;
pub mod merkle;
mod names;
pub mod path;
mod read;
mod rename;
mod unique;
mod unknown;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use self::around::Around;
pub use self::around::MAX_TRACKERS;
pub use self::error::MetainfoError;
use self::list::FileList;
pub use self::read::ReadError;
pub use self::rename::{RenameError, differing, renamed, with_names};
use self::v1::Content;
use self::v2::{Agreement, Layers, Tree};
use crate::bencode::{self, Limits, Scan, Value};
use crate::geometry::Geometry;
use crate::types::{InfoHash, InfoHashV2, PieceIndex};
use crate::untrusted::Untrusted;

/// Pieces of one torrent: two to the power of 21, the limit of libtorrent too. Every peer sends a bit
/// for each.
pub const MAX_PIECES: u32 = 2_097_152;

/// Bytes of a piece: twice the longest that creators offer.
pub const MAX_PIECE_LENGTH: u32 = 512 << 20;

/// Which format the info dictionary has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// BEP 3: SHA-1 over pieces that run across files.
    V1,
    /// BEP 52: SHA-256 trees, one per file.
    V2,
    /// Both, for the same content.
    Hybrid,
}

impl Version {
    /// A word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Hybrid => "hybrid",
        }
    }
}

/// One torrent, checked. Immutable; share it in an `Arc`.
#[derive(Clone)]
pub struct Metainfo {
    /// The torrent's name in the engine: the v1 hash, or the first 20 bytes of the v2 hash where
    /// there is no v1 part, or there was none in the link that it was added by.
    pub info_hash: InfoHash,
    /// SHA-1 of the info dictionary, for v1 and hybrid torrents.
    pub info_hash_v1: Option<InfoHash>,
    /// SHA-256 of the info dictionary, for v2 and hybrid torrents.
    pub info_hash_v2: Option<InfoHashV2>,
    /// The suggested name.
    pub name: Untrusted,
    /// The shape of the content, pad files included.
    pub geometry: Geometry,
    /// The files in torrent order, pad files included. For v2 torrents, which have none but start
    /// every file with a piece, pad files stand in the gaps.
    pub files: Vec<FileEntry>,
    /// BEP 27.
    pub private: bool,
    /// Tiers of announce URLs (BEP 12); the lone `announce` is one tier of one. At most
    /// [`MAX_TRACKERS`] together; any scheme.
    pub trackers: Vec<Vec<Untrusted>>,
    /// BEP 19 and BEP 17 web seeds.
    pub web_seeds: Vec<Untrusted>,
    /// DHT nodes (BEP 5): host and port.
    pub nodes: Vec<(Untrusted, u16)>,
    /// Free text.
    pub comment: Option<Untrusted>,
    /// The program that made it.
    pub created_by: Option<Untrusted>,
    /// Seconds since 1970, as stated: any 64-bit number.
    pub creation_date: Option<i64>,
    version: Version,
    torrent: Bytes,
    info: Bytes,
    /// SHA-1 hashes one after the other; empty for v2.
    pieces: Bytes,
}

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it goes, relative to the save path: sanitised, unique within the torrent, with the
    /// torrent's name as first element for multi-file torrents. Pad files need not be unique.
    pub path: PathBuf,
    /// Bytes.
    pub length: u64,
    /// Where it starts within the content.
    pub offset: u64,
    /// BEP 47: never written, reads as zeros.
    pub pad: bool,
    /// BEP 47.
    pub executable: bool,
}

impl Metainfo {
    /// Checks the bytes of a `.torrent` file. What follows the torrent is ignored and not kept:
    /// mail programs and web forms add line ends.
    pub fn parse(torrent: Bytes) -> Result<Self, MetainfoError> {
        let scan = guard(&torrent)?;
        let [info, layers] =
            scan.value.pick(["info", "piece layers"]).ok_or(MetainfoError::NotADictionary)?;
        let info = info.ok_or(MetainfoError::Missing("info"))?;
        let keys = Keys::of(info)?;
        let version = keys.version()?;
        let files = keys.files(version, layers, torrent.len())?;
        let geometry = keys.geometry(&files)?;
        let pieces = match version {
            Version::V1 | Version::Hybrid => keys.pieces(&geometry)?,
            Version::V2 => &[],
        };
        let v1 = (version != Version::V2).then(|| InfoHash::new(Sha1::digest(info.raw()).into()));
        let v2 = (version != Version::V1).then(|| InfoHashV2::new(Sha256::digest(info.raw()).into()));
        let around = Around::read(scan.value);
        Ok(Self {
            info_hash: v1.or(v2.map(InfoHashV2::truncated)).expect("every version has one of them"),
            info_hash_v1: v1,
            info_hash_v2: v2,
            name: around::text(keys.name),
            geometry,
            files,
            private: keys.private,
            trackers: around.trackers,
            web_seeds: around.web_seeds,
            nodes: around.nodes,
            comment: around.comment,
            created_by: around.created_by,
            creation_date: around.creation_date,
            version,
            torrent: torrent.slice(..scan.end),
            info: torrent.slice_ref(info.raw()),
            pieces: torrent.slice_ref(pieces),
        })
    }

    /// Which format it has.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The whole `.torrent` file as it came.
    pub fn torrent_bytes(&self) -> &Bytes {
        &self.torrent
    }

    /// The info dictionary as it came: what the hashes are taken over, and what BEP 9 sends.
    pub fn info_bytes(&self) -> Bytes {
        self.info.clone()
    }

    /// The SHA-1 that this piece must have. All zeros for a v2-only torrent.
    pub fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        self.pieces.as_chunks().0.get(piece.as_usize()).copied().unwrap_or_default()
    }

    /// Bytes of all files, without pad files.
    pub fn total_size(&self) -> u64 {
        self.files.iter().filter(|file| !file.pad).map(|file| file.length).sum()
    }
}

impl fmt::Debug for Metainfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metainfo")
            .field("info_hash", &self.info_hash)
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The guard, with a word for what people take for torrents.
fn guard(torrent: &[u8]) -> Result<Scan<'_>, MetainfoError> {
    let looks_like = match torrent.trim_ascii_start() {
        [] => return Err(MetainfoError::Empty),
        [b'<', ..] => Some("a web page"),
        [b'{' | b'[', ..] => Some("JSON"),
        [0x1f, 0x8b, ..] => Some("a gzip file"),
        [b'P', b'K', 3, 4, ..] => Some("a zip file"),
        text if text.starts_with(b"magnet:") => Some("the text of a magnet link"),
        _ => None,
    };
    match looks_like {
        Some(what) => Err(MetainfoError::SomethingElse(what)),
        None => Ok(bencode::scan(torrent, &Limits::TORRENT)?),
    }
}

/// The keys of an info dictionary that mean something here.
struct Keys<'a> {
    name: &'a [u8],
    piece_length: u32,
    private: bool,
    attr: Option<&'a [u8]>,
    length: Option<Value<'a>>,
    files: Option<Value<'a>>,
    pieces: Option<Value<'a>>,
    tree: Option<Value<'a>>,
    is_v2: bool,
}

impl<'a> Keys<'a> {
    fn of(info: Value<'a>) -> Result<Self, MetainfoError> {
        let [meta_version, name, name_utf8, piece_length, private, attr, length, files, pieces, tree] = info
            .pick([
                "meta version",
                "name",
                "name.utf-8",
                "piece length",
                "private",
                "attr",
                "length",
                "files",
                "pieces",
                "file tree",
            ])
            .ok_or(MetainfoError::WrongType { key: "info", wanted: "a dictionary" })?;
        // First of all, says BEP 52: whatever else is odd may be right in a version to come.
        let is_v2 = match meta_version {
            None => false,
            Some(version) => match version.int() {
                Some(2) => true,
                Some(other) => return Err(MetainfoError::UnknownVersion(other)),
                None => return Err(MetainfoError::WrongType { key: "meta version", wanted: "a number" }),
            },
        };
        let name = name_utf8.and_then(Value::bytes).or(name.and_then(Value::bytes));
        let name = name.ok_or(MetainfoError::Missing("name"))?;
        let private = private.and_then(Value::int).is_some_and(|private| private != 0);
        let attr = attr.and_then(Value::bytes);
        let piece_length = piece_length.ok_or(MetainfoError::Missing("piece length"))?;
        let got = piece_length
            .int()
            .ok_or(MetainfoError::WrongType { key: "piece length", wanted: "a number of bytes" })?;
        let piece_length = u32::try_from(got)
            .ok()
            .filter(|length| (1..=MAX_PIECE_LENGTH).contains(length))
            .ok_or(MetainfoError::PieceLength { got, max: MAX_PIECE_LENGTH })?;
        Ok(Self { name, piece_length, private, attr, length, files, pieces, tree, is_v2 })
    }

    fn version(&self) -> Result<Version, MetainfoError> {
        if !self.is_v2 {
            return Ok(Version::V1);
        }
        v2::check_piece_length(self.piece_length)?;
        let has_v1 = self.pieces.is_some() || self.files.is_some() || self.length.is_some();
        Ok(if has_v1 { Version::Hybrid } else { Version::V2 })
    }

    fn files(
        &self,
        version: Version,
        layers: Option<Value<'a>>,
        torrent_size: usize,
    ) -> Result<Vec<FileEntry>, MetainfoError> {
        match version {
            Version::V1 => self.files_v1(None, torrent_size),
            Version::Hybrid => {
                let mut agreement = Agreement::new(self.tree()?, self.piece_length)?;
                let files = self.files_v1(Some(&mut agreement), torrent_size)?;
                agreement.end()?.check(layers)?;
                Ok(files)
            }
            Version::V2 => self.files_v2(layers, torrent_size),
        }
    }

    fn files_v1(
        &self,
        mut hybrid: Option<&mut Agreement<'a>>,
        torrent_size: usize,
    ) -> Result<Vec<FileEntry>, MetainfoError> {
        let content = Content::of(self.name, self.length, self.files, self.attr)?;
        let folder = matches!(content, Content::Multi(_)).then_some(self.name);
        let mut list = FileList::new(folder, content.count(), torrent_size);
        for file in content.files() {
            let file = file?;
            if let Some(hybrid) = &mut hybrid {
                hybrid.file(&file, list.end())?;
            }
            list.push(file.path, file.length, file.attributes)?;
        }
        list.finish()
    }

    fn files_v2(
        &self,
        layers: Option<Value<'a>>,
        torrent_size: usize,
    ) -> Result<Vec<FileEntry>, MetainfoError> {
        let mut wanted = Layers::new(self.piece_length);
        let single = self.is_single_v2()?;
        let mut list = FileList::new((!single).then_some(self.name), 0, torrent_size);
        let mut tree = Tree::new(self.tree()?)?;
        while let Some(file) = tree.next_file()? {
            wanted.want(&file);
            if file.length > 0 {
                list.align(self.piece_length)?;
            }
            list.push(file.path.iter().copied(), file.length, file.attributes)?;
        }
        wanted.check(layers)?;
        list.finish()
    }

    /// BEP 52: a tree with one file at its root and nothing else is a single-file torrent.
    fn is_single_v2(&self) -> Result<bool, MetainfoError> {
        let mut tree = Tree::new(self.tree()?)?;
        let at_root = tree.next_file()?.is_some_and(|file| file.path.len() == 1);
        Ok(at_root && tree.next_file()?.is_none())
    }

    fn tree(&self) -> Result<Value<'a>, MetainfoError> {
        self.tree.ok_or(MetainfoError::Missing("file tree"))
    }

    fn geometry(&self, files: &[FileEntry]) -> Result<Geometry, MetainfoError> {
        let total = files.last().map_or(0, |file| file.offset + file.length);
        let got = total.div_ceil(u64::from(self.piece_length));
        Geometry::new(total, self.piece_length)
            .filter(|geometry| geometry.pieces() <= MAX_PIECES)
            .ok_or(MetainfoError::TooManyPieces { got, max: MAX_PIECES })
    }

    fn pieces(&self, geometry: &Geometry) -> Result<&'a [u8], MetainfoError> {
        let pieces = self.pieces.ok_or(MetainfoError::Missing("pieces"))?;
        let pieces =
            pieces.bytes().ok_or(MetainfoError::WrongType { key: "pieces", wanted: "a string of hashes" })?;
        let (hashes, cut) = pieces.as_chunks::<20>();
        if !cut.is_empty() {
            return Err(MetainfoError::PiecesCut { len: pieces.len() });
        }
        if hashes.len() != geometry.pieces() as usize {
            let (want, total) = (u64::from(geometry.pieces()), geometry.total());
            return Err(MetainfoError::PieceCount { got: hashes.len(), want, total });
        }
        Ok(pieces)
    }
}
