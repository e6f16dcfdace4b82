//! Numbers as people read them: the only place that turns one into text.
//!
//! Sizes have three significant digits and never more than five characters, so that columns do not
//! shift. What two numbers look like is also how it is decided whether anything changed on screen.

use humansize::{BINARY, FixedAt, format_size};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tc_core::types::UnixTime;

/// Below this many bytes per second there is silence, not a rate: keep-alives of a few links.
const SILENCE: u64 = 50;

const UNITS: [FixedAt; 7] =
    [FixedAt::Base, FixedAt::Kilo, FixedAt::Mega, FixedAt::Giga, FixedAt::Tera, FixedAt::Peta, FixedAt::Exa];

/// `3.72G`, `12.4M`, `310K`, `842B`: binary units, three digits, at most five characters.
pub fn size(bytes: u64) -> String {
    // The unit in which the rounded number stays below 1,000: 1,000 KiB are 0.98M.
    let mut unit = 0;
    let mut scaled = bytes as f64;
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let places = match scaled {
        _ if unit == 0 => 0,
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    };
    let options = BINARY
        .fixed_at(Some(UNITS[unit]))
        .space_after_value(false)
        .decimal_places(places)
        .decimal_zeroes(places);
    let text = format_size(bytes, options);
    text.strip_suffix("iB").map_or_else(|| text.clone(), str::to_owned)
}

/// Whether a rate is one, or only silence.
pub const fn is_rate(bytes_per_second: u64) -> bool {
    bytes_per_second >= SILENCE
}

/// Like [`size`], and nothing where nothing flows.
pub fn rate(bytes_per_second: u64) -> String {
    if is_rate(bytes_per_second) { size(bytes_per_second) } else { String::new() }
}

/// `41.3%`, `100%`: rounded down, so that only what is complete says 100.
pub fn percent(part: u64, whole: u64) -> String {
    if part >= whole {
        return "100%".to_owned();
    }
    permille((u128::from(part) * 1000 / u128::from(whole)) as u32)
}

/// A share in thousandths as a percentage.
pub fn permille(thousandths: u32) -> String {
    if thousandths >= 1000 {
        return "100%".to_owned();
    }
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

/// `2s`, `4m16s`, `1h08m`, `3d04h`: two units, at most six characters.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ if days < 100 => format!("{days}d{:02}h", hours % 24),
        _ if days < 10_000 => format!("{days}d"),
        _ => ">9999d".to_owned(),
    }
}

/// `0.31`, `12.4`, `842`: at most five characters.
pub fn ratio(ratio: f64) -> String {
    match ratio {
        x if !x.is_finite() => "-".to_owned(),
        x if x < 9.995 => format!("{x:.2}"),
        x if x < 99.95 => format!("{x:.1}"),
        x if x < 99_999.5 => format!("{x:.0}"),
        _ => ">99k".to_owned(),
    }
}

/// Copies of the rarest piece: `4.1`.
pub fn availability(thousandths: u32) -> String {
    format!("{}.{}", thousandths / 1000, thousandths % 1000 / 100)
}

/// `4 812`: thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `25 files`.
pub fn plural(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(number))
}

/// `09-19`: month and day.
pub fn day(time: UnixTime, zone: &TimeZone) -> String {
    local(i64::try_from(time.0).unwrap_or(i64::MAX), zone)
        .map_or_else(String::new, |at| at.strftime("%m-%d").to_string())
}

/// `09-19 21:04`.
pub fn day_and_time(time: UnixTime, zone: &TimeZone) -> String {
    local(i64::try_from(time.0).unwrap_or(i64::MAX), zone)
        .map_or_else(String::new, |at| at.strftime("%m-%d %H:%M").to_string())
}

/// `2026-09-19 21:04`.
pub fn date(seconds: i64, zone: &TimeZone) -> String {
    local(seconds, zone).map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

/// `14:32:04`.
pub fn clock(time: std::time::SystemTime, zone: &TimeZone) -> String {
    Timestamp::try_from(time)
        .map_or_else(|_| String::new(), |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string())
}

/// `14:32:04.771 CEST`.
pub fn clock_millis(time: std::time::SystemTime, zone: &TimeZone) -> String {
    Timestamp::try_from(time).map_or_else(
        |_| String::new(),
        |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S%.3f %Z").to_string(),
    )
}

fn local(seconds: i64, zone: &TimeZone) -> Option<jiff::Zoned> {
    Timestamp::from_second(seconds).ok().map(|at| at.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let check = |bytes: u64, want: &str| assert_eq!(size(bytes), want, "{bytes}");
        check(0, "0B");
        check(842, "842B");
        check(999, "999B");
        check(1000, "0.98K");
        check(310 << 10, "310K");
        check(999 << 10, "999K");
        check(1_000 << 10, "0.98M");
        check((12.4 * 1_048_576.0) as u64, "12.4M");
        check((9.996 * 1_073_741_824.0) as u64, "10.0G");
        check((3.72 * 1_073_741_824.0) as u64, "3.72G");
        check(111 << 30, "111G");
        check(2 << 40, "2.00T");
        check(u64::MAX, "16.0E");
    }

    #[test]
    fn no_number_is_wider_than_its_column() {
        let mut bytes = 1;
        while bytes < u64::MAX / 3 {
            for near in [bytes - 1, bytes, bytes + 1] {
                assert!(size(near).len() <= 5, "{near}: {}", size(near));
                assert!(duration(near).len() <= 6, "{near}: {}", duration(near));
                assert!(ratio(near as f64 / 7.0).len() <= 5, "{near}");
            }
            bytes = bytes * 3 / 2 + 1;
        }
    }

    #[test]
    fn silence_is_empty() {
        assert_eq!(rate(49), "");
        assert_eq!(rate(50), "50B");
    }

    #[test]
    fn only_what_is_complete_says_100() {
        assert_eq!(percent(999_999, 1_000_000), "99.9%");
        assert_eq!(percent(0, 3), "0.0%");
        assert_eq!(percent(1, 1), "100%");
        assert_eq!(percent(0, 0), "100%");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "99.9%");
    }

    #[test]
    fn two_units_of_time() {
        let check = |seconds: u64, want: &str| assert_eq!(duration(seconds), want);
        check(2, "2s");
        check(256, "4m16s");
        check(4_080, "1h08m");
        check(3 * 86_400 + 4 * 3600, "3d04h");
        check(150 * 86_400, "150d");
        check(u64::MAX, ">9999d");
    }

    #[test]
    fn dates_and_counts() {
        let utc = TimeZone::UTC;
        assert_eq!(day_and_time(UnixTime(1_789_851_840), &utc), "09-19 21:04");
        assert_eq!(day(UnixTime(1 << 62), &utc), "");
        assert_eq!(count(4_812), "4 812");
        assert_eq!(count(812), "812");
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(plural(1, "file"), "1 file");
    }
}
