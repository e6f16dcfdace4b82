//! Amounts as people type them: `500K` a second. The counterpart of `format`.

/// Units of bytes by their letter.
const BYTES: [(char, u64); 3] = [('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30)];

/// Bytes per second, at least one.
///
/// # Errors
/// It is none; what is wanted, in a few words.
pub fn rate(text: &str) -> Result<u64, &'static str> {
    const WANTED: &str = "bytes a second are wanted, like 800, 500K, 2.5M or 1G (binary units)";
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix("/s").unwrap_or(&lower);
    let unit = BYTES.iter().find(|(letter, _)| lower.ends_with(*letter));
    let (digits, factor) =
        unit.map_or((lower, 1), |(letter, factor)| (lower.strip_suffix(*letter).unwrap_or(lower), *factor));
    let bytes = number(digits).ok_or(WANTED)? * factor as f64;
    // The cast saturates, so a number beyond all links is no limit in effect.
    if bytes >= 1.0 { Ok(bytes as u64) } else { Err(WANTED) }
}

/// Digits, perhaps with a point: no sign, no exponent, no word.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_typed() {
        let check = |text: &str, want: Option<u64>| assert_eq!(rate(text).ok(), want, "{text}");
        check("800", Some(800));
        check("500K", Some(500 << 10));
        check("2.5m", Some(5 << 19));
        check("1G", Some(1 << 30));
        check(" 1.00M/s ", Some(1 << 20));
        for wrong in ["", "0", "K", "-1", "1e9", "inf", "nan", "5 K", "0.5", "1.2.3", "10T", "5KK"] {
            check(wrong, None);
        }
    }
}
