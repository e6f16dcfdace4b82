//! The guard against a slow, obvious model; the reader against what was written.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const SMALL: Limits = Limits { bytes: 1_000, depth: 4, tokens: 40, key: 5 };

/// `Ok((end, canonical))`, or the error's words.
fn outcome(bytes: &[u8], limits: &Limits) -> Result<(usize, bool), String> {
    scan(bytes, limits).map(|scan| (scan.end, scan.canonical)).map_err(|error| error.to_string())
}

fn accepts(text: &str, end: usize, canonical: bool) {
    assert_eq!(outcome(text.as_bytes(), &SMALL), Ok((end, canonical)), "{text}");
}

fn refuses(text: &str, why: &str) {
    let error = outcome(text.as_bytes(), &SMALL).expect_err(text);
    assert!(error.contains(why), "{text}: {error}");
}

#[test]
fn well_formed_values_end_where_they_end() {
    accepts("i0e", 3, true);
    accepts("i-12e", 5, true);
    accepts("i18446744073709551615e", 22, true);
    accepts("0:", 2, true);
    accepts("3:abcdef", 5, true);
    accepts("le", 2, true);
    accepts("de", 2, true);
    accepts("d1:ai1e1:bl1:xeee", 16, true);
    accepts("lllleeee", 8, true);
    accepts("i1e\n", 3, true);
}

#[test]
fn odd_spellings_are_read_and_reported() {
    accepts("i03e", 4, false);
    accepts("i-0e", 4, false);
    accepts("i-03e", 5, false);
    accepts("03:abc", 6, false);
    accepts("d1:bi1e1:ai1ee", 14, false);
    accepts("d2:aai1e1:ai1ee", 15, false);
    // An inner dictionary has an order of its own.
    accepts("d1:ad1:bi1e1:ci1ee1:bi1ee", 25, true);
}

#[test]
fn malformed_bytes_are_refused() {
    for cut in ["", "i", "i-", "i1", "1", "3:", "3:ab", "l", "d", "d1:a", "d1:ai1e", "li1e", "d1:ad"] {
        assert!(outcome(cut.as_bytes(), &SMALL).is_err(), "{cut}");
    }
    refuses("ie", "malformed integer");
    refuses("i-e", "malformed integer");
    refuses("i+5e", "malformed integer");
    refuses("i 5e", "malformed integer");
    refuses("i5 e", "malformed integer");
    refuses("i1.5e", "malformed integer");
    refuses("i--5e", "malformed integer");
    refuses("i123456789012345678901e", "malformed integer");
    refuses("12345678901:", "malformed string length");
    refuses("3;abc", "malformed string length");
    refuses("9:abc", "9 bytes at offset 0, but only 3");
    refuses("4294967296:abc", "4294967296 bytes");
    refuses("e", "unexpected byte 0x65 at offset 0");
    refuses("x", "unexpected byte");
    refuses("-1:a", "unexpected byte");
    refuses("di1ei2ee", "not a string at offset 1");
    refuses("dlei2ee", "not a string");
    refuses("d1:ae", "without a value");
    refuses("d1:ai1e1:be", "without a value");
}

#[test]
fn equal_keys_are_refused_wherever_they_stand() {
    refuses("d1:ai1e1:ai2ee", "twice, the second time at offset 9");
    refuses("d1:ai1e1:bi2e1:ai2ee", "twice, the second time at offset 15");
    refuses("d1:bi1e1:ai2e1:bi2ee", "twice");
    refuses("ld1:bi1e1:ai2e2:01i1e1:bi2eee", "twice");
    refuses("d1:ai1e01:ai2ee", "twice");
}

#[test]
fn limits_hold() {
    refuses("llllleeeee", "deeper than 4 levels at offset 4");
    refuses("d6:abcdefi1ee", "key of 6 bytes at offset 1, more than the 5");
    refuses(&format!("l{}e", "0:".repeat(40)), "more than 40 values");
    refuses(&"0:".repeat(501), "1002 bytes, more than the 1000");
}

#[test]
fn millions_of_anything_cost_no_stack_and_little_time() {
    let n = 5_000_000;
    for bytes in [vec![b'l'; n], b"d1:a".repeat(n / 4), b"ld0:".repeat(n / 4), vec![b'1'; n], b"i-".repeat(n)]
    {
        assert!(scan(&bytes, &Limits::TORRENT).is_err());
    }
}

#[test]
fn a_large_unsorted_dictionary_is_checked_quickly() {
    // Descending keys; the last one is the first one again.
    let mut bytes = vec![b'd'];
    for i in (0..200_000).rev() {
        bytes.extend(format!("6:{i:06}0:").bytes());
    }
    let good = [&bytes[..], b"e"].concat();
    assert_eq!(outcome(&good, &Limits::TORRENT), Ok((good.len(), false)));
    let bad = [&bytes[..], b"6:1999990:e"].concat();
    assert!(outcome(&bad, &Limits::TORRENT).unwrap_err().contains("twice"));
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Reply {
    interval: i64,
    #[serde(with = "serde_bytes")]
    peers: Vec<u8>,
}

#[test]
fn small_messages_become_structs() {
    let (reply, end): (Reply, _) =
        decode(b"d8:intervali1800e5:peers6:\x7f\0\0\x01\x1a\xe17:unknownlleee tail", &Limits::MESSAGE)
            .unwrap();
    assert_eq!(reply, Reply { interval: 1_800, peers: vec![127, 0, 0, 1, 0x1a, 0xe1] });
    assert_eq!(end, 46);
    let deep = [&b"d7:unknown"[..], &[b'l'; 100_000]].concat();
    assert!(matches!(decode::<Reply>(&deep, &Limits::MESSAGE), Err(BencodeError::TooDeep { .. })));
    assert!(decode::<Reply>(b"d8:intervalee", &Limits::MESSAGE).is_err());
    assert!(matches!(decode::<Reply>(b"d8:interval1:xe", &Limits::MESSAGE), Err(BencodeError::Type(_))));
}

#[test]
fn values_are_read_in_place() {
    let bytes = b"d4:infod4:name1:x3:numi-03ee4:listl1:ai5eld0:leeeee rest";
    let scan = scan(bytes, &Limits::MESSAGE).unwrap();
    let [info, none, list] = scan.value.pick(["info", "none", "list"]).unwrap();
    assert_eq!(info.unwrap().raw(), b"d4:name1:x3:numi-03ee");
    assert_eq!(info.unwrap().get("num").unwrap().int(), Some(-3));
    assert_eq!(none, None);
    let list: Vec<_> = list.unwrap().list().unwrap().collect();
    assert_eq!(list.len(), 3);
    assert_eq!((list[0].bytes(), list[0].int(), list[0].list().is_none()), (Some(&b"a"[..]), None, true));
    assert_eq!((list[1].bytes(), list[1].int()), (None, Some(5)));
    assert_eq!(list[2].raw(), b"ld0:leee");
    assert_eq!(super::scan(b"i9223372036854775808e", &SMALL).unwrap().value.int(), None);
}

/// What the model makes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tree {
    Int(i128),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Dict(BTreeMap<Vec<u8>, Tree>),
}

/// BEP 3 with recursion and copies: what `scan` must agree with on small inputs.
fn model(bytes: &[u8], depth: usize) -> Option<(Tree, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    match first {
        b'i' => {
            let end = rest.iter().position(|&b| b == b'e')?;
            let text = std::str::from_utf8(&rest[..end]).ok()?;
            let digits = text.strip_prefix('-').unwrap_or(text);
            let fine = (1..=INT_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            fine.then(|| (Tree::Int(text.parse().unwrap()), &rest[end + 1..]))
        }
        b'0'..=b'9' => {
            let colon = bytes.iter().position(|&b| b == b':')?;
            let digits = std::str::from_utf8(&bytes[..colon]).ok()?;
            if digits.len() > LENGTH_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let (content, rest) = bytes[colon + 1..].split_at_checked(digits.parse().ok()?)?;
            Some((Tree::Bytes(content.to_vec()), rest))
        }
        b'l' if depth > 0 => {
            let mut list = Vec::new();
            while *rest.first()? != b'e' {
                let (value, after) = model(rest, depth - 1)?;
                list.push(value);
                rest = after;
            }
            Some((Tree::List(list), &rest[1..]))
        }
        b'd' if depth > 0 => {
            let mut dict = BTreeMap::new();
            while *rest.first()? != b'e' {
                let (Tree::Bytes(key), after) = model(rest, depth - 1)? else { return None };
                let (value, after) = model(after, depth - 1)?;
                if key.len() > SMALL.key || dict.insert(key, value).is_some() {
                    return None;
                }
                rest = after;
            }
            Some((Tree::Dict(dict), &rest[1..]))
        }
        _ => None,
    }
}

impl Tree {
    /// Through the reader in place.
    fn of(value: Value<'_>) -> Self {
        if let Some(dict) = value.dict() {
            return Self::Dict(dict.map(|(key, value)| (key.to_vec(), Self::of(value))).collect());
        }
        if let Some(list) = value.list() {
            return Self::List(list.map(Self::of).collect());
        }
        if let Some(bytes) = value.bytes() {
            return Self::Bytes(bytes.to_vec());
        }
        assert!(value.is_int());
        let raw = value.raw();
        let int = std::str::from_utf8(&raw[1..raw.len() - 1]).unwrap().parse().unwrap();
        assert_eq!(value.int().map(i128::from), Some(int).filter(|&int| i64::try_from(int).is_ok()));
        Self::Int(int)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(int) => out.extend(format!("i{int}e").bytes()),
            Self::Bytes(bytes) => {
                out.extend(format!("{}:", bytes.len()).bytes());
                out.extend(bytes);
            }
            Self::List(list) => {
                out.push(b'l');
                list.iter().for_each(|value| value.write(out));
                out.push(b'e');
            }
            Self::Dict(dict) => {
                out.push(b'd');
                for (key, value) in dict {
                    Self::Bytes(key.clone()).write(out);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }
}

fn agree(bytes: &[u8]) {
    let limits = Limits { tokens: 1_000, ..SMALL };
    let ours = scan(bytes, &limits);
    let theirs = model(bytes, limits.depth);
    assert_eq!(ours.is_ok(), theirs.is_some(), "{} {ours:?}", bytes.escape_ascii());
    if let (Ok(ours), Some((tree, rest))) = (ours, theirs) {
        assert_eq!(ours.end, bytes.len() - rest.len());
        assert_eq!(Tree::of(ours.value), tree);
        let mut again = Vec::new();
        tree.write(&mut again);
        assert_eq!(ours.canonical, again == bytes[..ours.end], "{}", bytes.escape_ascii());
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|int| Tree::Int(int.into())),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Tree::Bytes),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..3), inner, 0..4)
                .prop_map(Tree::Dict),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model_on_noise(bytes in "[ild0123:eab+-]{0,16}") {
        agree(bytes.as_bytes());
    }

    #[test]
    fn agrees_with_the_model_on_damaged_values(
        tree in trees(), at in any::<prop::sample::Index>(), byte in prop::sample::select(&b"ilde0129:-"[..]), kind in 0..4
    ) {
        let mut bytes = Vec::new();
        tree.write(&mut bytes);
        agree(&bytes);
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
        agree(&bytes);
    }

    #[test]
    fn decode_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[ild0123:e]{0,40}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            let _ = decode::<Reply>(bytes, &Limits::MESSAGE);
            let _ = decode::<BTreeMap<serde_bytes::ByteBuf, i64>>(bytes, &Limits::MESSAGE);
        }
    }

    #[test]
    fn what_is_encoded_decodes(map in prop::collection::btree_map("[a-z]{0,8}", any::<i64>(), 0..8)) {
        let bytes = encode(&map);
        prop_assert_eq!(decode::<BTreeMap<String, i64>>(&bytes, &Limits::MESSAGE).unwrap(), (map, bytes.len()));
    }
}
