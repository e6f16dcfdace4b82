//! Bencode (BEP 3): a guard that looks before serde_bencode leaps, and raw spans.

use serde::de::DeserializeOwned;

/// Bounds of one value.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    depth: usize,
}

impl Limits {
    /// For what comes over a link.
    pub const MESSAGE: Self = Self { depth: 32 };
}

/// Bytes that are not usable bencode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not bencode")]
pub struct BencodeError;

/// Reads the value at the front and says where it ends.
///
/// # Errors
/// Not bencode, or beyond the limits.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<(T, usize), BencodeError> {
    let end = end_of_value(bytes, limits).ok_or(BencodeError)?;
    #[allow(clippy::disallowed_methods, reason = "this is the guarded place")]
    let value = serde_bencode::from_bytes(&bytes[..end]).map_err(|_| BencodeError)?;
    Ok((value, end))
}

fn end_of_value(bytes: &[u8], limits: &Limits) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match *bytes.get(at)? {
            b'd' | b'l' => {
                depth += 1;
                at += 1;
            }
            b'e' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b'i' => at += bytes[at..].iter().position(|byte| *byte == b'e')? + 1,
            b'0'..=b'9' => {
                let colon = at + bytes[at..].iter().position(|byte| *byte == b':')?;
                let length: usize = std::str::from_utf8(&bytes[at..colon]).ok()?.parse().ok()?;
                at = colon.checked_add(1)?.checked_add(length)?;
            }
            _ => return None,
        }
        if depth > limits.depth || at > bytes.len() {
            return None;
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
