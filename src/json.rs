//! JSON that a terminal can be shown: what could change how it is read stands as `\uXXXX`.

use std::fmt::Write as _;

use serde::Serialize;
use tc_core::untrusted::is_harmful;

/// Serialises on one line, with every harmful character escaped.
pub fn escaped(value: &impl Serialize) -> String {
    let plain = serde_json::to_string(value).expect("our own types have string keys and cannot fail");
    let mut safe = String::with_capacity(plain.len());
    for c in plain.chars() {
        if is_harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(safe, "\\u{unit:04x}").expect("a String takes all that is written");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}
