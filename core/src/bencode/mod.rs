//! Bencode (BEP 3): a guard that looks before serde_bencode leaps.

use serde::de::DeserializeOwned;

/// How much of a value is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Lists and dictionaries inside each other.
    pub depth: usize,
}

impl Limits {
    /// For messages of peers and trackers.
    pub const MESSAGE: Self = Self { depth: 16 };
}

/// Why bytes are not a usable value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not bencode")]
pub struct BencodeError;

/// Reads one value and says where it ends.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<(T, usize), BencodeError> {
    let end = scan(bytes, limits).ok_or(BencodeError)?;
    let mut from = serde_bencode::Deserializer::new(&bytes[..end]);
    T::deserialize(&mut from).map(|value| (value, end)).map_err(|_| BencodeError)
}

fn scan(bytes: &[u8], limits: &Limits) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    loop {
        let rest = bytes.get(at..)?;
        match rest.first()? {
            b'i' => at += rest.iter().position(|b| *b == b'e')? + 1,
            b'0'..=b'9' => {
                let colon = rest.iter().position(|b| *b == b':')?;
                let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
                at = at.checked_add(colon + 1)?.checked_add(length)?;
            }
            b'l' | b'd' => {
                depth += 1;
                at += 1;
            }
            b'e' if depth > 0 => {
                depth -= 1;
                at += 1;
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
