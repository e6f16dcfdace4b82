//! Text from outside. Its `Display` is the one sanitiser between the world and a terminal or a log.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Characters kept of one text; a name of 64 kB is an attack, not a name.
pub const MAX_SHOWN: usize = 1_000;

/// A text that somebody else chose: a torrent's name, a peer's client, a tracker's message.
///
/// It does not deref to `str` and prints itself harmlessly; the few calls of [`raw`](Self::raw) are
/// easy to list. Serialised it stays as it came, so every printer of JSON escapes what
/// [`is_harmful`] names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(Arc<str>);

impl Untrusted {
    /// Takes a text as it came.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Takes bytes as they came; what is not UTF-8 becomes U+FFFD.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into())
    }

    /// The text as it came. Never for a terminal, a log, a title or a file name.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shown, c) in self.0.chars().enumerate() {
            if shown == MAX_SHOWN {
                return f.write_char('…');
            }
            f.write_char(if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Sanitises a text that is only passing through.
pub fn clean(text: &str) -> String {
    Untrusted::new(text).to_string()
}

/// Whether a character can change how a terminal or a reader takes the text around it: C0, DEL and
/// C1 controls, line and paragraph separators, bidirectional controls, zero-width characters, tag
/// characters, byte-order marks, variation selectors beyond the common ones, and non-characters.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
        || (c as u32) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, shown: &str) {
        assert_eq!(Untrusted::new(raw).to_string(), shown);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_a_mark() {
        check("plain name.iso", "plain name.iso");
        check("a\x1b]0;x\x07b", "a\u{fffd}]0;x\u{fffd}b");
        check("\u{9b}31mred", "\u{fffd}31mred");
        check("abc\u{202e}gpj.exe", "abc\u{fffd}gpj.exe");
        check("日本語の音声", "日本語の音声");
        check("two\nlines\r", "two\u{fffd}lines\u{fffd}");
        check("tag\u{e0041}\u{2028}\u{7f}", "tag\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Untrusted::new("x".repeat(64_000)).to_string().chars().count(), MAX_SHOWN + 1);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_marked() {
        assert_eq!(Untrusted::from_bytes(b"a\xffb").to_string(), "a\u{fffd}b");
    }
}
