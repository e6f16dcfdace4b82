//! JSON that is safe to print: every character that could change what a terminal or a reader makes
//! of the text around it stands as a `\u` escape.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use tc_core::untrusted::is_harmful;

/// One line of JSON.
///
/// # Panics
///
/// When `value` cannot be JSON: maps with keys that are no strings.
pub fn escaped(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    write_escaped(&mut out, value).expect("values of ours are JSON, and memory takes all bytes");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Writes one line of JSON, without a line end, as it goes: nothing large is held in memory.
pub fn write_escaped(out: &mut (impl io::Write + ?Sized), value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Escaping)).map_err(io::Error::from)
}

/// serde_json's compact form, with more escapes.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Most text is plain, and a file list can have megabytes of it.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return out.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(is_harmful) {
            let (plain, from) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut chars = from.chars();
            for unit in chars.next().into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, json: &str) {
        assert_eq!(escaped(&text), json);
        assert_eq!(serde_json::from_str::<String>(json).expect("valid JSON"), text);
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        check("plain 日本語 \"\\/", r#""plain 日本語 \"\\/""#);
        check("\x1b[2J\x07\n", r#""\u001b[2J\u0007\n""#);
        check("a\x7f\u{9b}b", r#""a\u007f\u009bb""#);
        check("gpj\u{202e}exe", r#""gpj\u202eexe""#);
        check("x\u{e0041}\u{2028}", r#""x\udb40\udc41\u2028""#);
    }

    #[test]
    fn keys_are_escaped_too() {
        let map = std::collections::BTreeMap::from([("a\u{200b}", 1)]);
        assert_eq!(escaped(&map), r#"{"a\u200b":1}"#);
    }
}
