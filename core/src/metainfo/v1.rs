//! The file list of a v1 torrent (BEP 3), with the attributes of BEP 47.
//!
//! Symbolic links are left out: a link that a stranger chose could lead later writes to another
//! place, and it has no bytes to transfer, so the torrent is complete without it.

use super::MetainfoError;
use super::list::Attributes;
use crate::bencode::{List, Value};

/// One file as the torrent has it.
#[derive(Clone, Debug)]
pub(super) struct File<'a> {
    /// Counted from 1, for messages.
    pub(super) number: usize,
    pub(super) path: Elements<'a>,
    pub(super) length: u64,
    pub(super) attributes: Attributes,
}

/// The elements of a path.
#[derive(Clone, Debug)]
pub(super) enum Elements<'a> {
    /// A single file: the torrent's name.
    One(Option<&'a [u8]>),
    /// A list of strings.
    Many(List<'a>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::One(name) => name.take(),
            Self::Many(list) => list.next()?.bytes(),
        }
    }
}

/// The content of a v1 torrent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// `length`: one file that has the torrent's name.
    Single { name: &'a [u8], length: Value<'a>, attr: Option<&'a [u8]> },
    /// `files`: a list, below a folder that has the torrent's name.
    Multi(Value<'a>),
}

impl<'a> Content<'a> {
    /// Of `length` and `files`, where both are there, `files` counts: so other clients take it.
    pub(super) fn of(
        name: &'a [u8],
        length: Option<Value<'a>>,
        files: Option<Value<'a>>,
        attr: Option<&'a [u8]>,
    ) -> Result<Self, MetainfoError> {
        match (files, length) {
            (Some(files), _) if files.list().is_some() => Ok(Self::Multi(files)),
            (Some(_), _) => Err(MetainfoError::WrongType { key: "files", wanted: "a list" }),
            (None, Some(length)) => Ok(Self::Single { name, length, attr }),
            (None, None) => Err(MetainfoError::Missing("length")),
        }
    }

    /// The files, one after the other, without symbolic links.
    pub(super) fn files(self) -> impl Iterator<Item = Result<File<'a>, MetainfoError>> {
        let (single, list) = match self {
            Self::Single { name, length, attr } => (Some(one(name, length, attr)), None),
            Self::Multi(files) => (None, files.list()),
        };
        let entries = list.into_iter().flatten().enumerate();
        single.into_iter().chain(entries.filter_map(|(index, entry)| file(index + 1, entry).transpose()))
    }

    /// Entries of the list: an upper bound of what [`files`](Self::files) gives.
    pub(super) fn count(self) -> usize {
        match self {
            Self::Single { .. } => 1,
            Self::Multi(files) => files.list().into_iter().flatten().count(),
        }
    }
}

fn one<'a>(name: &'a [u8], length: Value<'a>, attr: Option<&[u8]>) -> Result<File<'a>, MetainfoError> {
    let length = bytes_of_file(1, length)?;
    Ok(File { number: 1, path: Elements::One(Some(name)), length, attributes: Attributes::of(attr) })
}

/// `None` for a symbolic link.
fn file(number: usize, entry: Value<'_>) -> Result<Option<File<'_>>, MetainfoError> {
    let [length, path, path_utf8, attr] = entry
        .pick(["length", "path", "path.utf-8", "attr"])
        .ok_or(MetainfoError::WrongType { key: "files", wanted: "a list of dictionaries" })?;
    let attributes = Attributes::of(attr.and_then(Value::bytes));
    if attributes.symlink && length.is_none_or(|length| length.int() == Some(0)) {
        return Ok(None);
    }
    let length = bytes_of_file(number, length.ok_or(MetainfoError::Length { file: number })?)?;
    // Before UTF-8 was the rule, `path` was in whatever encoding, with this key beside it.
    let path = path_utf8
        .and_then(names)
        .or_else(|| path.and_then(names))
        .ok_or(MetainfoError::Path { file: number })?;
    Ok(Some(File { number, path: Elements::Many(path), length, attributes }))
}

/// A list of strings, at least one.
fn names(path: Value<'_>) -> Option<List<'_>> {
    let list = path.list()?;
    let mut elements = list.clone().peekable();
    elements.peek()?;
    elements.all(|element| element.bytes().is_some()).then_some(list)
}

/// A length as stated: not negative, and within the 63 bits that files can have.
pub(super) fn bytes_of_file(file: usize, length: Value<'_>) -> Result<u64, MetainfoError> {
    length.int().and_then(|length| u64::try_from(length).ok()).ok_or(MetainfoError::Length { file })
}
