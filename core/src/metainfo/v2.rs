//! The file tree and the piece layers of a v2 torrent (BEP 52), and what a hybrid's halves owe each
//! other.

use super::list::Attributes;
use super::merkle::{self, HASH_LEN, Hash};
use super::path::MAX_DEPTH;
use super::{MetainfoError, v1};
use crate::bencode::{Token, Tokens, Value};
use crate::types::BLOCK_SIZE;

/// One file of the tree.
#[derive(Clone, Debug)]
pub(super) struct File<'a> {
    /// Counted from 1, for messages.
    pub(super) number: usize,
    pub(super) path: Vec<&'a [u8]>,
    pub(super) length: u64,
    pub(super) attributes: Attributes,
    /// Root of its merkle tree; `None` for empty files.
    pub(super) root: Option<&'a Hash>,
}

/// BEP 52: a power of two, at least 16 KiB.
pub(super) fn check_piece_length(got: u32) -> Result<(), MetainfoError> {
    if got.is_power_of_two() && got >= BLOCK_SIZE {
        Ok(())
    } else {
        Err(MetainfoError::PieceLengthV2 { got })
    }
}

/// A walk over a file tree in one pass. Symbolic links are left out, as in [`v1`].
#[derive(Debug)]
pub(super) struct Tree<'a> {
    tokens: Tokens<'a>,
    /// Names of the dictionaries that are open, without the root.
    path: Vec<&'a [u8]>,
    /// Whether the dictionaries that are open, with the root, have had an entry.
    has_entries: Vec<bool>,
    files: usize,
}

const NOT_A_TREE: MetainfoError =
    MetainfoError::WrongType { key: "file tree", wanted: "a tree of dictionaries" };

impl<'a> Tree<'a> {
    pub(super) fn new(tree: Value<'a>) -> Result<Self, MetainfoError> {
        let mut tokens = Tokens::of(tree);
        match tokens.next() {
            Some(Token::Dict) => Ok(Self { tokens, path: Vec::new(), has_entries: vec![false], files: 0 }),
            _ => Err(NOT_A_TREE),
        }
    }

    /// The next file; `None` at the end of the tree.
    pub(super) fn next_file(&mut self) -> Result<Option<File<'a>>, MetainfoError> {
        while let Some(has_entries) = self.has_entries.last_mut() {
            match self.tokens.next() {
                Some(Token::End) => {
                    self.has_entries.pop();
                    self.path.pop();
                }
                Some(Token::Bytes(b"")) => {
                    let first = !std::mem::replace(has_entries, true);
                    if let Some(file) = self.properties(first)? {
                        return Ok(Some(file));
                    }
                }
                Some(Token::Bytes(name)) => {
                    *has_entries = true;
                    if self.tokens.next() != Some(Token::Dict) {
                        return Err(NOT_A_TREE);
                    }
                    if self.path.len() == MAX_DEPTH {
                        return Err(NOT_A_TREE);
                    }
                    self.path.push(name);
                    self.has_entries.push(false);
                }
                _ => return Err(NOT_A_TREE),
            }
        }
        Ok(None)
    }

    /// The value of a zero-length key: a file if it has a length, else remarks about a folder.
    fn properties(&mut self, first: bool) -> Result<Option<File<'a>>, MetainfoError> {
        let number = self.files + 1;
        let [length, root, attr] = self
            .tokens
            .value()
            .and_then(|value| value.pick(["length", "pieces root", "attr"]))
            .ok_or(NOT_A_TREE)?;
        let attributes = Attributes::of(attr.and_then(Value::bytes));
        let Some(length) = length else { return Ok(None) };
        if self.path.is_empty() {
            return Err(MetainfoError::TreeRootIsFile);
        }
        let last = self.tokens.clone().next() == Some(Token::End);
        if !first || !last {
            return Err(MetainfoError::FileIsFolder { file: number });
        }
        let length = v1::bytes_of_file(number, length)?;
        if attributes.symlink && length == 0 {
            return Ok(None);
        }
        self.files = number;
        let root = if length == 0 { None } else { Some(hash_of(number, root)?) };
        Ok(Some(File { number, path: self.path.clone(), length, attributes, root }))
    }
}

fn hash_of<'a>(file: usize, root: Option<Value<'a>>) -> Result<&'a Hash, MetainfoError> {
    let bytes = root.and_then(Value::bytes).unwrap_or_default();
    let root: &Hash = bytes.try_into().map_err(|_| MetainfoError::Root { file, got: bytes.len() })?;
    if *root == [0; HASH_LEN] { Err(MetainfoError::ZeroRoot { file }) } else { Ok(root) }
}

/// The files that need a piece layer, as root and number of pieces.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    piece_length: u32,
    wanted: Vec<(&'a Hash, u64)>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(piece_length: u32) -> Self {
        Self { piece_length, wanted: Vec::new() }
    }

    /// A file of one piece has no layer: its root says all.
    pub(super) fn want(&mut self, file: &File<'a>) {
        let pieces = file.length.div_ceil(u64::from(self.piece_length));
        if let (Some(root), true) = (file.root, pieces > 1) {
            self.wanted.push((root, pieces));
        }
    }

    /// Checks the layers that are there against their roots. Those that are not can be asked of
    /// peers later.
    pub(super) fn check(mut self, layers: Option<Value<'_>>) -> Result<(), MetainfoError> {
        let Some(layers) = layers else { return Ok(()) };
        let layers =
            layers.dict().ok_or(MetainfoError::WrongType { key: "piece layers", wanted: "a dictionary" })?;
        self.wanted.sort_unstable();
        self.wanted.dedup();
        let pad = merkle::empty((self.piece_length / BLOCK_SIZE).ilog2());
        for (index, (root, hashes)) in layers.enumerate() {
            let layer = index + 1;
            let from = self.wanted.partition_point(|(wanted, _)| wanted.as_slice() < root);
            let files = self.wanted[from..].iter().take_while(|(wanted, _)| wanted.as_slice() == root);
            let hashes = hashes
                .bytes()
                .ok_or(MetainfoError::WrongType { key: "piece layers", wanted: "a dictionary of strings" })?;
            let (whole, cut) = hashes.as_chunks::<HASH_LEN>();
            let mut foreign = true;
            for (_, pieces) in files {
                foreign = false;
                if whole.len() as u64 != *pieces || !cut.is_empty() {
                    let want = pieces * HASH_LEN as u64;
                    return Err(MetainfoError::LayerLength { layer, got: hashes.len(), want });
                }
            }
            if foreign {
                return Err(MetainfoError::ForeignLayer { layer });
            }
            if merkle::root(whole, pad) != root {
                return Err(MetainfoError::LayerMismatch { layer });
            }
        }
        Ok(())
    }
}

/// The halves of a hybrid, walked side by side: the same files in the same order, each starting
/// with a piece, pad files in the v1 half alone.
pub(super) struct Agreement<'a> {
    tree: Tree<'a>,
    piece_length: u32,
    pub(super) layers: Layers<'a>,
}

impl<'a> Agreement<'a> {
    pub(super) fn new(tree: Value<'a>, piece_length: u32) -> Result<Self, MetainfoError> {
        Ok(Self { tree: Tree::new(tree)?, piece_length, layers: Layers::new(piece_length) })
    }

    /// The next file of the v1 half, which starts at `offset`.
    pub(super) fn file(&mut self, ours: &v1::File<'a>, offset: u64) -> Result<(), MetainfoError> {
        if ours.attributes.pad {
            return Ok(());
        }
        let differs = |what| Err(MetainfoError::HybridDiffers { file: ours.number, what });
        let Some(theirs) = self.tree.next_file()? else { return differs("the v2 part has fewer files") };
        if !ours.path.clone().eq(theirs.path.iter().copied()) {
            return differs("other names");
        }
        if ours.length != theirs.length {
            return differs("other lengths");
        }
        if ours.length > 0 && !offset.is_multiple_of(u64::from(self.piece_length)) {
            return differs("the v1 part does not start it with a piece");
        }
        self.layers.want(&theirs);
        Ok(())
    }

    /// The v1 half has no more files.
    pub(super) fn end(mut self) -> Result<Layers<'a>, MetainfoError> {
        match self.tree.next_file()? {
            None => Ok(self.layers),
            Some(more) => {
                Err(MetainfoError::HybridDiffers { file: more.number, what: "the v1 part has fewer files" })
            }
        }
    }
}
