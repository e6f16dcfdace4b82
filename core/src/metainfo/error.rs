//! Why bytes are not a usable torrent.

use crate::bencode::BencodeError;

/// Why bytes are not a usable torrent. Files are counted from 1, as a person would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Something else that people save under the name of a torrent.
    #[error("this is {0}, not a torrent")]
    SomethingElse(&'static str),
    /// Not bencode, or more of it than a torrent may have.
    #[error("not a torrent: {0}")]
    Bencode(#[from] BencodeError),
    /// Bencode, but not a dictionary.
    #[error("not a torrent: it is not a dictionary")]
    NotADictionary,
    /// A key without which there is no torrent.
    #[error("the key `{0}` is missing")]
    Missing(&'static str),
    /// A needed key whose value is of another kind.
    #[error("the key `{key}` is not {wanted}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it should be, with an article.
        wanted: &'static str,
    },
    /// BEP 52: a later, incompatible version of the format.
    #[error("this torrent is of version {0}; only versions 1 and 2 are known here")]
    UnknownVersion(i64),
    /// No pieces can be that long.
    #[error("the piece length is {got}; it must be from 1 to {max} bytes")]
    PieceLength {
        /// As stated.
        got: i64,
        /// The longest accepted.
        max: u32,
    },
    /// BEP 52 wants whole merkle trees.
    #[error("the piece length is {got}; a v2 torrent wants a power of two, at least 16384")]
    PieceLengthV2 {
        /// As stated.
        got: u32,
    },
    /// `pieces` does not hold whole hashes.
    #[error("`pieces` has {len} bytes, which are not whole hashes of 20 bytes")]
    PiecesCut {
        /// Its bytes.
        len: usize,
    },
    /// `pieces` does not fit the content.
    #[error("`pieces` has {got} hashes, but {total} bytes of content make {want} pieces")]
    PieceCount {
        /// Hashes there are.
        got: usize,
        /// Pieces there should be.
        want: u64,
        /// Bytes of the content.
        total: u64,
    },
    /// More pieces than any client handles.
    #[error("{got} pieces, more than the {max} allowed")]
    TooManyPieces {
        /// Pieces.
        got: u64,
        /// The limit.
        max: u32,
    },
    /// A file's length is not a number of bytes.
    #[error("the length of file {file} is not a number from 0 to {}", i64::MAX)]
    Length {
        /// Which file.
        file: usize,
    },
    /// The files together have more bytes than can be counted.
    #[error("files 1 to {file} have more than {} bytes together", i64::MAX)]
    TotalLength {
        /// The file that is too much.
        file: usize,
    },
    /// The list of files is empty.
    #[error("there are no files in it")]
    NoFiles,
    /// All files are empty: there is nothing to transfer.
    #[error("there is nothing to download: its files have 0 bytes together")]
    NoContent,
    /// An entry of the file list is not a dictionary with a path.
    #[error("the path of file {file} is not a list of names")]
    Path {
        /// Which file.
        file: usize,
    },
    /// More folders inside each other than are made.
    #[error("the path of file {file} has {got} elements, more than the {max} allowed")]
    PathTooDeep {
        /// Which file.
        file: usize,
        /// Its elements.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// No file system would take this path below a save path.
    #[error("the path of file {file} has {got} bytes, more than the {max} allowed")]
    PathTooLong {
        /// Which file.
        file: usize,
        /// Its bytes.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// The list of files would take far more memory than the file itself.
    #[error("the file list would take more than {max} bytes of memory, at file {file}")]
    ListTooLarge {
        /// The file that is too much.
        file: usize,
        /// The limit for a torrent file of this size.
        max: usize,
    },
    /// BEP 52: the tree's root is a file.
    #[error("the root of the file tree is a file, not a folder")]
    TreeRootIsFile,
    /// BEP 52: a file with entries beside it in its own dictionary.
    #[error("file {file} of the file tree is a folder too")]
    FileIsFolder {
        /// Which file.
        file: usize,
    },
    /// BEP 52: `pieces root` is missing or not a hash.
    #[error("the `pieces root` of file {file} has {got} bytes instead of 32")]
    Root {
        /// Which file.
        file: usize,
        /// Its bytes; 0 when there is none.
        got: usize,
    },
    /// BEP 52: a root that no data can have.
    #[error("the `pieces root` of file {file} is all zeros")]
    ZeroRoot {
        /// Which file.
        file: usize,
    },
    /// BEP 52: a piece layer that belongs to no file here.
    #[error("piece layer {layer} belongs to no file of more than one piece")]
    ForeignLayer {
        /// Counted from 1.
        layer: usize,
    },
    /// BEP 52: a piece layer with too few or too many hashes.
    #[error("piece layer {layer} has {got} bytes, but its file needs {want}")]
    LayerLength {
        /// Counted from 1.
        layer: usize,
        /// Its bytes.
        got: usize,
        /// 32 for each piece of the file.
        want: u64,
    },
    /// BEP 52: a piece layer that does not hash to its root.
    #[error("piece layer {layer} does not hash to its `pieces root`")]
    LayerMismatch {
        /// Counted from 1.
        layer: usize,
    },
    /// BEP 52: the two halves of a hybrid describe different content.
    #[error("the v1 and v2 parts of this hybrid torrent differ at file {file}: {what}")]
    HybridDiffers {
        /// Which file of the v1 part.
        file: usize,
        /// In what.
        what: &'static str,
    },
}
