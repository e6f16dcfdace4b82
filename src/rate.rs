//! Rates as people type them: `500K`, `2.5M`.

use std::str::FromStr;

/// Bytes per second, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u64);

/// A text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseRateError;

impl std::fmt::Display for ParseRateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes a second are wanted, like 800, 500K, 2.5M or 1G (binary units)")
    }
}

impl std::error::Error for ParseRateError {}

/// Units by their letter.
const UNITS: [(char, u64); 3] = [('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30)];

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let lower = text.to_ascii_lowercase();
        let unit = UNITS.iter().find(|(letter, _)| lower.ends_with(*letter));
        let (number, factor) =
            unit.map_or((lower.as_str(), 1), |(letter, factor)| (lower.trim_end_matches(*letter), *factor));
        if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(ParseRateError);
        }
        let bytes = number.parse::<f64>().map_err(|_| ParseRateError)? * factor as f64;
        // The cast saturates, so a number beyond all links is no limit in effect.
        if bytes >= 1.0 { Ok(Self(bytes as u64)) } else { Err(ParseRateError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_typed() {
        let check = |text: &str, want: Option<u64>| assert_eq!(text.parse().ok(), want.map(Rate), "{text}");
        check("800", Some(800));
        check("500K", Some(500 << 10));
        check("2.5m", Some(5 << 19));
        check("1G", Some(1 << 30));
        for wrong in ["", "0", "K", "-1", "1e9", "inf", "nan", "5 K", "0.5", "1.2.3", "10T"] {
            check(wrong, None);
        }
    }
}
