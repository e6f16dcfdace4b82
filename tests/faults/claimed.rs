//! What a state folder claims, and what is true of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tc_core::resume::{ResumeRecord, StateStore};

use crate::torrent::Content;

/// What the state folder holds of its only torrent; `None` when there is no record as yet. Looks at a
/// copy, so that the program finds its folder as it left it.
///
/// # Panics
/// The list is not there, or something in the folder is not as it should be.
pub fn record(state: &Path, copy: &Path, listed: bool) -> Option<ResumeRecord> {
    let _ = fs::remove_dir_all(copy);
    copy_folder(state, copy);
    let (store, list, problems) = StateStore::open(copy).expect("a state folder opens whatever happened");
    store.close();
    assert!(problems.is_empty(), "{problems:?}");
    assert!(list.len() == 1 || !listed, "the list is lost: {list:?}");
    list.into_iter().next().and_then(|saved| saved.record)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of the test");
    for entry in fs::read_dir(from).into_iter().flatten() {
        let path = entry.expect("it can be listed").path();
        let to = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(&path, to).expect("room on the disk");
        }
    }
}

/// The pieces in a bitfield of the wire (BEP 3).
pub fn pieces(wire: &[u8]) -> BTreeSet<u64> {
    let bits = wire.iter().zip(0..).flat_map(|(byte, at)| (0..8).map(move |bit| (byte, at * 8 + bit)));
    bits.filter(|(byte, piece)| **byte & (0x80 >> (piece % 8)) != 0).map(|(_, piece)| piece).collect()
}

/// The pieces whose every byte on the disk is right. Knows nothing of the engine: it compares with what
/// the content was made of.
pub fn valid(content: &Content, dir: &Path) -> BTreeSet<u64> {
    let size = content.size();
    let mut found = vec![0; usize::try_from(size).expect("a test is small").next_multiple_of(8)];
    let mut right = found.clone();
    content.fill(0, &mut right);
    let mut offset = 0;
    for (path, length) in &content.files {
        // What lacks stays different from what is right, unless that is zero by chance.
        found[offset..offset + *length as usize].fill(!right[offset]);
        let file = dir.join(&content.name).join(path);
        let mut part = file.clone().into_os_string();
        part.push(".part");
        let data = fs::read(file).or_else(|_| fs::read(part)).unwrap_or_default();
        let there = data.len().min(*length as usize);
        found[offset..offset + there].copy_from_slice(&data[..there]);
        if there < *length as usize {
            found[offset + there] = !right[offset + there];
        }
        offset += *length as usize;
    }
    let end = size as usize;
    let pieces = found[..end].chunks(content.piece_length as usize);
    let right = right[..end].chunks(content.piece_length as usize);
    pieces.zip(right).zip(0..).filter(|((found, right), _)| found == right).map(|(_, at)| at).collect()
}

/// Bytes of these pieces.
pub fn bytes(content: &Content, pieces: &BTreeSet<u64>) -> u64 {
    let length = u64::from(content.piece_length);
    pieces.iter().map(|piece| length.min(content.size() - piece * length)).sum()
}
