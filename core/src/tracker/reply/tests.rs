//! Answers of all kinds, and anything at all.

use proptest::prelude::*;

use super::*;

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(11, 1, 0, 1));

/// Decodes as if from a tracker at a public address; peers in words.
fn peers(body: &[u8]) -> Vec<String> {
    let reply = decode(body, PUBLIC, false).unwrap();
    reply.peers.iter().map(ToString::to_string).collect()
}

fn compact(key: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = format!("d8:intervali900e{}:{key}{}:", key.len(), bytes.len()).into_bytes();
    body.extend_from_slice(bytes);
    body.push(b'e');
    body
}

#[test]
fn compact_peers() {
    let two = [1, 2, 3, 4, 0x1a, 0xe1, 5, 6, 7, 8, 0, 80];
    assert_eq!(peers(&compact("peers", &two)), ["1.2.3.4:6881", "5.6.7.8:80"]);
    assert_eq!(peers(&compact("peers", &two[..7])), ["1.2.3.4:6881"], "a rest is left out");
    assert_eq!(peers(&compact("peers", &[])), [""; 0]);
    let v6 = [0x2a, 0x11, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 80, 1];
    assert_eq!(peers(&compact("peers6", &v6)), ["[2a11:1::9]:80"]);
}

#[test]
fn peers_as_dictionaries() {
    let list = [
        "d2:ip7:1.2.3.47:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee",
        "d2:ip9:2a11:1::94:porti80ee",
        "d2:ip9:localhost4:porti80ee",
        "d2:ip7:1.2.3.54:porti65536ee",
        "d2:ip7:1.2.3.64:porti0ee",
        "d2:ip7:1.2.3.7e",
        "d4:porti1ee",
        "d2:ipi5e4:port2:80e",
        "i7e",
        "le",
        "3:abc",
    ];
    let list = format!("d8:intervali900e5:peersl{}ee", list.concat());
    assert_eq!(peers(list.as_bytes()), ["1.2.3.4:6881", "[2a11:1::9]:80"]);
}

#[test]
fn addresses_that_nobody_can_call_are_dropped() {
    for ip in [[0, 0, 0, 0], [255; 4], [224, 0, 0, 1], [127, 0, 0, 1], [10, 0, 0, 1], [169, 254, 169, 254]] {
        let mut peer = ip.to_vec();
        peer.extend([0x1a, 0xe1]);
        assert_eq!(peers(&compact("peers", &peer)), [""; 0], "{ip:?}");
    }
    assert_eq!(peers(&compact("peers", &[1, 2, 3, 4, 0, 0])), [""; 0], "port 0");
}

#[test]
fn a_tracker_names_addresses_of_its_own_surroundings() {
    let body = compact("peers", &[127, 0, 0, 1, 0, 80, 10, 0, 0, 1, 0, 80]);
    let from = |ip: &str, all| decode(&body, ip.parse().unwrap(), all).unwrap().peers.len();
    assert_eq!([from("127.0.0.1", false), from("10.0.0.2", false), from("11.1.0.1", false)], [2, 1, 0]);
    assert_eq!(from("11.1.0.1", true), 2, "unless a person allows it");
}

#[test]
fn peers_are_counted_and_not_repeated() {
    let many: Vec<u8> =
        (0..100_000u32).flat_map(|i| [11, (i >> 16) as u8, (i >> 8) as u8, i as u8, 0x1a, 0xe1]).collect();
    assert_eq!(peers(&compact("peers", &many)).len(), MAX_PEERS);
    assert_eq!(peers(&compact("peers", &[1, 2, 3, 4, 0, 80].repeat(10))).len(), 1);
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4, 0, 80];
    assert_eq!(peers(&compact("peers6", &mapped)), ["1.2.3.4:80"]);
}

#[test]
fn intervals_of_any_kind() {
    let of = |text: &str| {
        let body = format!("d8:interval{text}5:peers0:e");
        decode(body.as_bytes(), PUBLIC, false).unwrap().interval.as_secs()
    };
    assert_eq!(of("i1800e"), 1_800);
    assert_eq!(of("i0e"), 0);
    assert_eq!(of("i-1e"), 0);
    assert_eq!(of("i9223372036854775807e"), i64::MAX as u64);
    assert_eq!(of("i9223372036854775808e"), i64::MAX as u64, "2^63");
    assert_eq!(of("i-99999999999999999999e"), 0);
    assert_eq!(of("4:1800"), 0, "a string is no interval");
    assert_eq!(of("le"), 0);
}

#[test]
fn the_other_keys() {
    let body = b"d8:completei3e11:external ip4:\x0b\x01\x00\x0910:incompletei-4e8:intervali60e\
        12:min intervali30e5:peers0:10:tracker id2:\xffx15:warning message4:a\x1b[me";
    let reply = decode(body, PUBLIC, false).unwrap();
    assert_eq!((reply.seeds, reply.leechers), (Some(3), None));
    assert_eq!(reply.min_interval, Some(Duration::from_secs(30)));
    assert_eq!(reply.tracker_id.as_deref(), Some(&b"\xffx"[..]));
    assert_eq!(reply.external_ip, Some("11.1.0.9".parse().unwrap()));
    assert_eq!(reply.warning.unwrap().to_string(), "a\u{fffd}[m");
    let long = format!("d8:intervali60e10:tracker id70000:{}e", "x".repeat(70_000));
    assert_eq!(decode(long.as_bytes(), PUBLIC, false).unwrap().tracker_id, None);
}

#[test]
fn refusals() {
    let check = |body: &[u8], reason: &str, retry: Option<Retry>| {
        let want = AnnounceError::Refused { reason: Untrusted::from_bytes(reason.as_bytes()), retry };
        assert_eq!(decode(body, PUBLIC, false), Err(want));
    };
    check(b"d14:failure reason8:go away!e", "go away!", None);
    check(b"d14:failure reasoni-7ee", "-7", None);
    check(b"d14:failure reasonlee", "no reason given", None);
    check(b"d14:failure reason1:x8:retry in5:nevere", "x", Some(Retry::Never));
    check(b"d14:failure reason1:x8:retry ini2ee", "x", Some(Retry::After(Duration::from_secs(120))));
    check(b"d14:failure reason1:x8:retry in1:5e", "x", Some(Retry::After(Duration::from_secs(300))));
    check(b"d14:failure reason1:x8:retry ini-1ee", "x", None);
    let error = decode(b"d14:failure reason6:\x1b]0;x\x07e", PUBLIC, false).unwrap_err();
    assert_eq!(error.to_string(), "\u{fffd}]0;x\u{fffd}");
    let error = decode(b"d14:failure reason3:a\xffbe", PUBLIC, false).unwrap_err();
    assert_eq!(error.to_string(), "a\u{fffd}b");
}

#[test]
fn what_is_no_answer() {
    for body in [
        &b"<!DOCTYPE html><html>Log in</html>"[..],
        b"",
        b"le",
        b"i1e",
        b"4:spam",
        b"d",
        b"d8:interval",
        b"d8:intervali60e5:peers10:12345e",
        b"de",
        b"d3:fooi1ee",
        &b"d1:x".repeat(100_000),
        &b"l".repeat(1 << 20),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(decode(body, PUBLIC, false), Err(AnnounceError::Malformed), "{shown}");
    }
}

#[test]
fn both_families_as_one() {
    let reply = |peers: &[&str], interval, seeds| AnnounceReply {
        peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(),
        interval: Duration::from_secs(interval),
        seeds,
        ..AnnounceReply::default()
    };
    let merged = merge(
        reply(&["1.1.1.1:1", "1.1.1.2:2"], 60, None),
        reply(&["1.1.1.1:1", "[2a11::1]:1"], 120, Some(4)),
    );
    assert_eq!(merged, reply(&["1.1.1.1:1", "1.1.1.2:2", "[2a11::1]:1"], 120, Some(4)));
}

fn bencode() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        Just(b"peers".to_vec()),
        Just(b"peers6".to_vec()),
        Just(b"interval".to_vec()),
        Just(b"failure reason".to_vec()),
        Just(b"retry in".to_vec()),
        Just(b"ip".to_vec()),
        Just(b"port".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    let string = |bytes: Vec<u8>| [format!("{}:", bytes.len()).as_bytes(), &bytes].concat();
    let leaf = prop_oneof![
        any::<i128>().prop_map(|n| format!("i{n}e").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(string),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let list =
            prop::collection::vec(inner.clone(), 0..6).prop_map(|l| [b"l", &l.concat()[..], b"e"].concat());
        let dict = prop::collection::vec((key.clone(), inner), 0..6).prop_map(move |d| {
            let pairs: Vec<_> = d.into_iter().map(|(k, v)| [string(k), v].concat()).collect();
            [b"d", &pairs.concat()[..], b"e"].concat()
        });
        prop_oneof![list, dict]
    })
}

proptest! {
    #[test]
    fn never_panics_on_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&body, PUBLIC, true);
    }

    #[test]
    fn never_panics_on_bencode_and_names_only_callable_peers(body in bencode()) {
        if let Ok(reply) = decode(&body, PUBLIC, false) {
            prop_assert!(reply.peers.len() <= MAX_PEERS);
            prop_assert!(reply.peers.iter().all(|peer| may_name(PUBLIC, *peer)));
        }
    }
}
