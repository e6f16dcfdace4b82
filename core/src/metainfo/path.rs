//! Names from a torrent made safe as names on disk (BEP 3 `path`, BEP 52 `file tree`).
//!
//! A component that comes out of here is one name: never empty, `.` or `..`, without separators,
//! NUL, controls or anything that [`is_harmful`] names, valid UTF-8, and at most [`MAX_NAME`] bytes.
//! Joining such names with `/` cannot leave the folder they are joined to.

use crate::untrusted::is_harmful;

/// Bytes of one name: `NAME_MAX` of Linux file systems.
pub const MAX_NAME: usize = 255;

/// Bytes of a path below the save path: leaves a quarter of Linux's `PATH_MAX` (4,096) to that.
pub const MAX_PATH: usize = 3_072;

/// Elements of a path. The deepest trees that people share have some thirty.
pub const MAX_DEPTH: usize = 256;

/// Bytes of an extension, dot included, that is kept when a name is shortened: `.torrent.part`
/// is two of them, and nothing that is longer says what a file is.
const MAX_EXTENSION: usize = 17;

/// Makes one element of a path harmless. What must go becomes `_`, so that nothing disappears
/// without a trace; equal results are told apart by [`unique`](super::unique).
pub fn component(raw: &[u8]) -> String {
    let mut name = String::with_capacity(raw.len().max(1));
    for chunk in raw.utf8_chunks() {
        // Most names are plain, and a file list can have megabytes of them.
        if chunk.valid().bytes().all(|byte| matches!(byte, b' '..=b'~') && !is_separator(byte.into())) {
            name.push_str(chunk.valid());
        } else {
            name.extend(chunk.valid().chars().map(|c| if is_unfit(c) { '_' } else { c }));
        }
        if !chunk.invalid().is_empty() {
            name.push('_');
        }
    }
    match name.as_str() {
        "" | "." => name = "_".into(),
        ".." => name = "__".into(),
        _ if name.len() > MAX_NAME => name = shortened(&name, ""),
        _ => {}
    }
    name
}

/// The name with a number in front of its extension: `a.txt` and 3 make `a.3.txt`.
///
/// An extension of digits alone counts as none, so the number is the last part of the result, or
/// the part before a last one that is no number. Hence different numbers make different names, whatever
/// names they are put in.
pub fn numbered(name: &str, number: u64) -> String {
    shortened(name, &format!(".{number}"))
}

/// Puts `infix` before the extension, and takes from the stem what is over [`MAX_NAME`].
fn shortened(name: &str, infix: &str) -> String {
    let (stem, extension) = split(name);
    let room = MAX_NAME - infix.len() - extension.len();
    let stem = &stem[..stem.floor_char_boundary(room)];
    [stem, infix, extension].concat()
}

fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION => {
            let (stem, extension) = name.split_at(dot);
            if extension[1..].bytes().all(|byte| byte.is_ascii_digit()) {
                (name, "")
            } else {
                (stem, extension)
            }
        }
        _ => (name, ""),
    }
}

fn is_unfit(c: char) -> bool {
    is_separator(c) || is_harmful(c)
}

fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}
