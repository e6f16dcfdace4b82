//! The guard never panics, and what it lets through is read alike in place and by serde_bencode.

use std::collections::BTreeMap;

use serde_bencode::value::Value as Theirs;
use tc_core::bencode::{Limits, Value, decode, scan};

fn alike(ours: Value<'_>, theirs: &Theirs) -> bool {
    match theirs {
        Theirs::Int(int) => ours.int() == Some(*int),
        Theirs::Bytes(bytes) => ours.bytes() == Some(bytes),
        Theirs::List(list) => ours.list().is_some_and(|ours| {
            let ours: Vec<_> = ours.collect();
            ours.len() == list.len() && ours.iter().zip(list).all(|(ours, theirs)| alike(*ours, theirs))
        }),
        Theirs::Dict(dict) => ours.dict().is_some_and(|ours| {
            let ours: BTreeMap<_, _> = ours.collect();
            ours.len() == dict.len()
                && ours.iter().all(|(key, ours)| dict.get(*key).is_some_and(|theirs| alike(*ours, theirs)))
        }),
    }
}

pub fn check(bytes: &[u8]) {
    let Ok(scan) = scan(bytes, &Limits::MESSAGE) else {
        assert!(decode::<Theirs>(bytes, &Limits::MESSAGE).is_err());
        return;
    };
    // They refuse integers beyond 64 bits, which the guard leaves to the reader.
    if let Ok((theirs, end)) = decode::<Theirs>(bytes, &Limits::MESSAGE) {
        assert_eq!(end, scan.end);
        assert!(alike(scan.value, &theirs));
        if scan.canonical {
            assert_eq!(serde_bencode::to_bytes(&theirs).expect("came from bencode"), scan.value.raw());
        }
    }
}
