//! Amounts as people type them: `500K` a second, a ratio of `1.5`, `14d`. The counterpart of `format`.

use tc_core::settings::MaxActive;

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

/// A number of things, at least `from`; blanks between its digits do not matter.
///
/// # Errors
/// It is none; what is wanted, in a few words.
pub fn count(text: &str, from: u32) -> Result<u32, &'static str> {
    let wanted =
        if from == 0 { "a number is wanted, like 0 or 80" } else { "a number from 1 is wanted, like 80" };
    let digits: String = text.split_whitespace().collect();
    // Without the check `+5` would do.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|count| plain && *count >= from).ok_or(wanted)
}

/// A ratio in thousandths.
///
/// # Errors
/// It is none; what is wanted, in a few words.
pub fn ratio(text: &str) -> Result<u64, &'static str> {
    const WANTED: &str = "a ratio is wanted, like 1 or 2.5";
    // The cast saturates: beyond all that can be given there is no limit in effect.
    number(text.trim()).map(|ratio| (ratio * 1_000.0).round() as u64).ok_or(WANTED)
}

/// Units of time by their letter, in seconds.
const TIME: [(char, f64); 5] = [('s', 1.0), ('m', 60.0), ('h', 3_600.0), ('d', 86_400.0), ('w', 604_800.0)];

/// A time in seconds: parts with a unit each.
///
/// # Errors
/// It is none; what is wanted, in a few words.
pub fn time(text: &str) -> Result<u64, &'static str> {
    const WANTED: &str = "a time with units is wanted, like 90m, 12h, 14d or 1d12h";
    let lower = text.trim().to_ascii_lowercase();
    let (mut rest, mut seconds) = (lower.as_str(), 0.0);
    if rest.is_empty() {
        return Err(WANTED);
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or(WANTED)?;
        let unit = TIME.iter().find(|(letter, _)| rest[end..].starts_with(*letter)).ok_or(WANTED)?;
        seconds += number(&rest[..end]).ok_or(WANTED)? * unit.1;
        rest = &rest[end + 1..];
    }
    Ok(seconds.round() as u64)
}

/// How many torrents may be active at once.
///
/// # Errors
/// It is no number; what is wanted, in a few words.
pub fn active(text: &str) -> Result<MaxActive, &'static str> {
    const WANTED: &str = "a number of torrents is wanted, like 5; or none, for no limit";
    let text = text.trim();
    if ["none", "all"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(MaxActive::Unlimited);
    }
    text.parse().map(MaxActive::At).map_err(|_| WANTED)
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
    fn ratios_and_times_read_as_typed() {
        let check = |text: &str, want: Option<u64>| assert_eq!(ratio(text).ok(), want, "{text}");
        assert_eq!(active(" 5 "), Ok(MaxActive::At(5)));
        assert_eq!((active("None"), active("0")), (Ok(MaxActive::Unlimited), Ok(MaxActive::At(0))));
        assert!(["", "-1", "2.5", "many", "99999999999"].iter().all(|text| active(text).is_err()));
        check("1", Some(1_000));
        check(" 2.345 ", Some(2_345));
        check("0", Some(0));
        ["", "-1", "1e3", "x", "nan", "1.2.3"].iter().for_each(|wrong| check(wrong, None));
        let check = |text: &str, want: Option<u64>| assert_eq!(time(text).ok(), want, "{text}");
        check("90m", Some(5_400));
        check("1d12h", Some(129_600));
        check("0.5H", Some(1_800));
        check("2w", Some(1_209_600));
        check("45s", Some(45));
        ["", "90", "1y", "h", "1h2", "-1h", "1 h", "é5d"].iter().for_each(|wrong| check(wrong, None));
    }

    #[test]
    fn rates_read_as_typed() {
        let check = |text: &str, want: Option<u64>| assert_eq!(rate(text).ok(), want, "{text}");
        check("800", Some(800));
        check("500K", Some(500 << 10));
        check("2.5m", Some(5 << 19));
        check("1G", Some(1 << 30));
        check(" 1.00M/s ", Some(1 << 20));
        assert_eq!(count(" 1 500 ", 1), Ok(1_500));
        assert_eq!(count("0", 0), Ok(0));
        for wrong in ["", "0", "-1", "+1", "1.5", "x", "4294967296"] {
            assert!(count(wrong, 1).is_err(), "{wrong}");
        }
        for wrong in ["", "0", "K", "-1", "1e9", "inf", "nan", "5 K", "0.5", "1.2.3", "10T", "5KK"] {
            check(wrong, None);
        }
    }
}
