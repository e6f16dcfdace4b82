//! Which files a magnet link selects (BEP 53): `so=0,2,4,6-8`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Ranges kept of one link. A list that a person made has some dozen.
const MAX_RANGES: usize = 1_000;

/// Files by their place in torrent order, from 0: ranges in order, none of which touches another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileSelection(Vec<RangeInclusive<u32>>);

impl FileSelection {
    /// Reads the value of `so`. What is no number or range is left out, and so is what comes after a thousand
    /// of them; `None`: nothing is left, and the link selects nothing in particular.
    pub fn parse(text: &str) -> Option<Self> {
        let mut ranges: Vec<_> = text.split(',').take(MAX_RANGES).filter_map(range).collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if u64::from(*range.start()) <= u64::from(*last.end()) + 1 => {
                    *last = *last.start()..=(*last.end()).max(*range.end());
                }
                _ => merged.push(range),
            }
        }
        (!merged.is_empty()).then_some(Self(merged))
    }

    /// Whether it selects this file.
    pub fn contains(&self, file: u32) -> bool {
        self.0.iter().any(|range| range.contains(&file))
    }

    /// The files that a torrent of so many has and this does not select. None if it selects none of them:
    /// such a list is of another torrent.
    pub fn others(&self, files: usize) -> Vec<u32> {
        let files = u32::try_from(files).unwrap_or(u32::MAX);
        let others: Vec<_> = (0..files).filter(|file| !self.contains(*file)).collect();
        if others.len() == files as usize { Vec::new() } else { others }
    }
}

/// A number of digits and nothing else: `parse` alone takes a sign too.
pub(super) fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let text = text.trim();
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let range = digits(start)?..=digits(end)?;
    (!range.is_empty()).then_some(range)
}

/// As it stands in a link.
impl fmt::Display for FileSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (start, end) if start == end => write!(f, "{comma}{start}")?,
                (start, end) => write!(f, "{comma}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        FileSelection::parse(text).map_or_else(String::new, |selection| selection.to_string())
    }

    #[test]
    fn numbers_and_ranges_select_files() {
        assert_eq!(read("0,2,4,6-8"), "0,2,4,6-8");
        assert_eq!(read("8,6-7, 2 ,0,1"), "0-2,6-8");
        assert_eq!(read("0-4294967295"), "0-4294967295");
        assert_eq!(read("3,4294967295,4294967295"), "3,4294967295");
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        for nothing in ["", ",", "-4", "9-2", "a", "1-", "--", "+1", "4294967296", "1-2-3"] {
            assert_eq!(read(nothing), "", "{nothing}");
        }
        assert_eq!(read("9-2,5,x"), "5");
        let many: String = (0..5_000).map(|n| format!("{},", 2 * n)).collect();
        assert_eq!(FileSelection::parse(&many).unwrap().0.len(), MAX_RANGES);
    }

    #[test]
    fn what_is_not_selected_is_told_within_the_torrent() {
        let selection = FileSelection::parse("1,3-4294967295").unwrap();
        assert_eq!(selection.others(5), [0, 2]);
        assert_eq!(selection.others(1), [0; 0], "it selects nothing that is there");
        assert_eq!(FileSelection::parse("7").unwrap().others(3), [0; 0]);
    }
}
