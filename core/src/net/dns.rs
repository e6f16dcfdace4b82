//! Questions to a name server and its answers (RFC 1035, RFC 3596): one name, its addresses of one family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of the header.
const HEADER: usize = 12;

/// Records of an answer that are looked at: a chain of names and some addresses.
const MAX_RECORDS: u16 = 64;

/// Why there is no address in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// There is no such name.
    #[error("no such name")]
    NoName,
    /// The server cannot say, by this code.
    #[error("the name server cannot say ({0})")]
    Failed(u8),
    /// The answer did not fit: it is to be asked for over TCP.
    #[error("the answer did not fit")]
    Truncated,
}

/// A question for the addresses of a name; `None`: it is no name.
pub fn question(id: u16, name: &str, v6: bool) -> Option<Vec<u8>> {
    let mut bytes = id.to_be_bytes().to_vec();
    // Recursion is desired; one question.
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    // A or AAAA, of the internet.
    bytes.extend_from_slice(&[0, if v6 { 28 } else { 1 }, 0, 1]);
    // 255 bytes of a name, with the length of each part and the root.
    (bytes.len() <= HEADER + 255 + 4).then_some(bytes)
}

/// The addresses in an answer to `question`, in its order; `None`: it is no answer to it.
pub fn answer(question: &[u8], bytes: &[u8]) -> Option<Result<Vec<IpAddr>, DnsError>> {
    let (id, asked) = (question.get(..2)?, question.get(HEADER..)?);
    let head = bytes.get(..HEADER)?;
    let rest = bytes.get(HEADER..)?;
    let is_answer = head.starts_with(id) && head[2] & 0x80 != 0 && head[4..6] == [0, 1];
    // Servers repeat the question, in whatever case.
    let same = rest.get(..asked.len()).is_some_and(|repeated| repeated.eq_ignore_ascii_case(asked));
    if !is_answer || !same {
        return None;
    }
    match head[3] & 0x0f {
        0 => {}
        3 => return Some(Err(DnsError::NoName)),
        code => return Some(Err(DnsError::Failed(code))),
    }
    let v6 = asked.len() >= 4 && asked[asked.len() - 3] == 28;
    let records = u16::from_be_bytes([head[6], head[7]]).min(MAX_RECORDS);
    let mut found = Vec::new();
    let mut rest = &rest[asked.len()..];
    for _ in 0..records {
        let Some((record, after)) = record(rest) else { break };
        rest = after;
        match (record, v6) {
            ((1, data), false) => {
                found.extend(<[u8; 4]>::try_from(data).ok().map(|ip| IpAddr::V4(Ipv4Addr::from(ip))));
            }
            ((28, data), true) => {
                found.extend(<[u8; 16]>::try_from(data).ok().map(|ip| IpAddr::V6(Ipv6Addr::from(ip))));
            }
            // The names in between, and what was not asked for.
            _ => {}
        }
    }
    let truncated = head[2] & 2 != 0;
    Some(if truncated && found.is_empty() { Err(DnsError::Truncated) } else { Ok(found) })
}

/// A record: its type and its data.
type Record<'a> = (u16, &'a [u8]);

/// The next record, where it is one of the internet, and what follows it.
fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let bytes = after_name(bytes)?;
    let (fixed, rest) = bytes.split_at_checked(10)?;
    let length = u16::from_be_bytes([fixed[8], fixed[9]]);
    let (data, rest) = rest.split_at_checked(length.into())?;
    let is_internet = fixed[2..4] == [0, 1];
    let kind = if is_internet { u16::from_be_bytes([fixed[0], fixed[1]]) } else { 0 };
    Some(((kind, data), rest))
}

/// What follows a name, which is not read: parts, and a zero or a reference at the end.
fn after_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, rest) = bytes.split_first()?;
        match length {
            0 => return Some(rest),
            1..64 => bytes = rest.get(usize::from(*length)..)?,
            0xc0.. => return rest.get(1..),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer with these records: name, type, data.
    fn reply(question: &[u8], flags: [u8; 2], records: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let mut bytes = question.to_vec();
        (bytes[2], bytes[3], bytes[7]) = (0x81 | flags[0], 0x80 | flags[1], records.len() as u8);
        for (name, kind, data) in records {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&[0, *kind, 0, 1, 0, 0, 1, 0, 0, data.len() as u8]);
            bytes.extend_from_slice(data);
        }
        bytes
    }

    const HERE: &[u8] = &[0xc0, 12];

    #[test]
    fn addresses_are_found_behind_other_names() {
        let asked = question(7, "Tracker.example", false).unwrap();
        assert_eq!(&asked[12..], b"\x07Tracker\x07example\0\0\x01\0\x01");
        let records: [(&[u8], u8, &[u8]); 4] = [
            (HERE, 5, b"\x05other\xc0\x14"),
            (b"\x05other\xc0\x14", 1, &[80, 1, 1, 1]),
            (HERE, 28, &[0; 16]),
            (HERE, 1, &[80, 1, 1, 2]),
        ];
        let got = answer(&asked, &reply(&asked, [0, 0], &records));
        assert_eq!(got, Some(Ok(vec![[80, 1, 1, 1].into(), [80, 1, 1, 2].into()])));
        let asked = question(7, "tracker.example.", true).unwrap();
        let got =
            answer(&asked, &reply(&asked, [0, 0], &[(HERE, 28, &[0x2a; 16]), (HERE, 1, &[80, 1, 1, 1])]));
        assert_eq!(got, Some(Ok(vec![[0x2a; 16].into()])));
    }

    #[test]
    fn what_answers_something_else_is_no_answer() {
        let asked = question(7, "a.example", false).unwrap();
        let good = reply(&asked, [0, 0], &[(HERE, 1, &[80, 1, 1, 1])]);
        assert!(answer(&asked, &good).is_some());
        assert_eq!(answer(&asked, &asked), None, "a question");
        for other in
            [question(8, "a.example", false), question(7, "b.example", false), question(7, "a.example", true)]
        {
            assert_eq!(answer(&other.unwrap(), &good), None);
        }
        for code in [2, 5] {
            assert_eq!(answer(&asked, &reply(&asked, [0, code], &[])), Some(Err(DnsError::Failed(code))));
        }
        assert_eq!(answer(&asked, &reply(&asked, [0, 3], &[])), Some(Err(DnsError::NoName)));
        assert_eq!(answer(&asked, &reply(&asked, [2, 0], &[])), Some(Err(DnsError::Truncated)));
        assert_eq!(answer(&asked, &reply(&asked, [0, 0], &[])), Some(Ok(vec![])));
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let long = "a".repeat(64);
        for wrong in ["", ".", "a..b", &long, &format!("{}x", "abcdefg.".repeat(32))] {
            assert_eq!(question(1, wrong, false), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_not(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in any::<bool>()) {
            let asked = question(7, "a.example", true).unwrap();
            if keep {
                let head = asked.len().min(bytes.len());
                bytes[..head].copy_from_slice(&asked[..head]);
                if head > 7 {
                    (bytes[2], bytes[7]) = (0x81, 200);
                }
            }
            if let Some(Ok(found)) = answer(&asked, &bytes) {
                prop_assert!(found.len() <= 64);
            }
        }
    }
}
