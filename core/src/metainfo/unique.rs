//! No two files of a torrent with one path, and no file where a folder must be.
//!
//! The first of several equal paths keeps its name; the others, and files whose path is also a
//! folder, get a number before the extension (`a.txt`, `a.1.txt`). Numbers are never used twice in
//! a torrent: that makes the outcome unique without a set of all names, and the work linear but for one
//! sort. The same torrent always gives the same names.
//!
//! Case and Unicode normalisation are left alone: Linux file systems tell them apart.

use super::FileEntry;
use super::path::numbered;

/// Renames files until all paths differ. Pad files have no place on disk and are left out.
pub(super) fn make_unique(files: &mut [FileEntry]) {
    let mut order: Vec<u32> = (0..files.len() as u32).filter(|&i| !files[i as usize].pad).collect();
    order.sort_unstable_by(|&a, &b| (bytes(files, a), a).cmp(&(bytes(files, b), b)));

    let mut to_rename: Vec<u32> = Vec::new();
    let mut kept: Vec<u32> = Vec::with_capacity(order.len());
    for (place, &file) in order.iter().enumerate() {
        let path = bytes(files, file);
        let again = place > 0 && bytes(files, order[place - 1]) == path;
        // Whatever lies below a path follows it, with only names that begin like it in between.
        let rest = &order[place + 1..];
        let maybe_folder = rest.first().is_some_and(|&next| bytes(files, next).starts_with(path));
        if again || (maybe_folder && is_folder(files, rest, path)) {
            to_rename.push(file);
        } else {
            kept.push(file);
        }
    }
    drop(order);
    to_rename.sort_unstable();

    let mut number = 0;
    for file in to_rename {
        let path = files[file as usize].path.to_str().expect("the list of files makes paths of strings");
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        let free = loop {
            number += 1;
            let candidate = [folder, &numbered(name, number)].concat();
            if !is_taken(files, &kept, candidate.as_bytes()) {
                break candidate;
            }
        };
        files[file as usize].path = free.into();
    }
}

fn bytes(files: &[FileEntry], file: u32) -> &[u8] {
    files[file as usize].path.as_os_str().as_encoded_bytes()
}

/// Whether a path of `sorted` lies below `path`.
fn is_folder(files: &[FileEntry], sorted: &[u32], path: &[u8]) -> bool {
    // The first one that is not less than `path/`, without writing that down.
    let first = sorted.partition_point(|&file| {
        let other = bytes(files, file);
        match other.split_at_checked(path.len()) {
            Some((start, rest)) => (start, rest) < (path, b"/"),
            None => other <= path,
        }
    });
    sorted
        .get(first)
        .and_then(|&file| bytes(files, file).strip_prefix(path))
        .is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn is_taken(files: &[FileEntry], kept: &[u32], path: &[u8]) -> bool {
    kept.binary_search_by(|&file| bytes(files, file).cmp(path)).is_ok() || is_folder(files, kept, path)
}
