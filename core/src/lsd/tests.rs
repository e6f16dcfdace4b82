//! Messages, turns and floods; time is the test's.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::hearing::is_local;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn hash(n: u16) -> InfoHash {
    let mut hash = [0xab; 20];
    hash[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash::new(hash)
}

#[test]
fn the_bytes_of_a_message() {
    let search = Search { port: 6881, info_hashes: vec![hash(1)], cookie: Some(b"c0ffee".to_vec()) };
    let want = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\
        Infohash: 0001abababababababababababababababababab\r\ncookie: c0ffee\r\n\r\n\r\n";
    assert_eq!(String::from_utf8(search.encode(false)).unwrap(), want);
    assert!(String::from_utf8(search.encode(true)).unwrap().contains("\r\nHost: [ff15::efc0:988f]:6771\r\n"));
    assert_eq!(Search::parse(want.as_bytes()), Some(search));
}

#[test]
fn what_other_clients_send_is_read() {
    let one = "0001abababababababababababababababababab";
    let two = one.to_uppercase();
    let check = |text: &str, want: Option<(u16, usize)>| {
        let read = Search::parse(text.as_bytes());
        assert_eq!(read.map(|search| (search.port, search.info_hashes.len())), want, "{text:?}");
    };
    let head = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n";
    check(&format!("{head}Port: 7\r\nInfohash: {two}\r\n\r\n\r\n"), Some((7, 1)));
    check(&format!("{head}port:7\r\nINFOHASH:{one}\r\n"), Some((7, 1)));
    check(&format!("bt-search * http/1.1\nPort: 7\nInfohash: {one}\n"), Some((7, 1)));
    // transmission 4 has several lines; the same twice is one.
    let other = one.replace("0001", "0002");
    check(
        &format!("{head}Port: 7\r\nInfohash: {one}\r\nInfohash: {other}\r\nInfohash: {two}\r\n"),
        Some((7, 2)),
    );
    check(
        &format!("{head}Port: 7\r\nInfohash: {one}0\r\nInfohash: xyz\r\nInfohash: {one}\r\n"),
        Some((7, 1)),
    );
    for port in ["", "0", "70000", "-1", "x", "1 2"] {
        check(&format!("{head}Port: {port}\r\nInfohash: {one}\r\n\r\n"), None);
    }
    check(&format!("{head}Infohash: {one}\r\n\r\n"), None);
    check(&format!("{head}Port: 7\r\n\r\n"), None);
    check(&format!("M-SEARCH * HTTP/1.1\r\nPort: 7\r\nInfohash: {one}\r\n\r\n"), None);
    check("", None);
    let long = format!("{head}Port: 7\r\n{}", format!("Infohash: {one}\r\n").repeat(40));
    check(&long, None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        port in 1..=u16::MAX,
        hashes in prop::collection::btree_set(any::<u16>(), 1..20),
        cookie in prop::option::of("[0-9a-f]{1,16}"),
        v6: bool,
    ) {
        let info_hashes = hashes.into_iter().map(hash).collect();
        let search = Search { port, info_hashes, cookie: cookie.map(String::into_bytes) };
        let bytes = search.encode(v6);
        prop_assert!(bytes.len() <= MAX_MESSAGE);
        prop_assert_eq!(Search::parse(&bytes), Some(search));
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..1_600),
        lines in prop::collection::vec("(Port|Infohash|cookie|Host|x)?:? ?[0-9a-f]{0,41}", 0..20),
    ) {
        let text = format!("BT-SEARCH * HTTP/1.1\r\n{}", lines.join("\r\n"));
        for bytes in [&bytes[..], text.as_bytes()] {
            if let Some(search) = Search::parse(bytes) {
                prop_assert!(search.port > 0 && !search.info_hashes.is_empty());
                prop_assert!(search.info_hashes.len() <= MAX_MESSAGE / 40);
            }
        }
    }
}

#[test]
fn each_torrent_has_its_turn_every_five_minutes() {
    let start = Instant::now();
    let mut schedule = Schedule::default();
    assert_eq!((schedule.take(start), schedule.next_due()), (None, None));
    (0..3).for_each(|n| schedule.add(start, hash(n)));
    let mut said = Vec::new();
    for second in 0..700 {
        let now = start + SECOND * second;
        while let Some(info_hash) = schedule.take(now) {
            said.push((second, info_hash));
        }
    }
    let want = [0, 300, 600].map(|at| [(at, hash(0)), (at + 1, hash(1)), (at + 2, hash(2))]);
    assert_eq!(said, want.concat());
    schedule.add(start, hash(1));
    schedule.remove(&hash(0));
    schedule.remove(&hash(9));
    let now = start + SECOND * 1_000;
    assert_eq!(schedule.take(now), Some(hash(1)), "added twice is there once");
    assert_eq!(schedule.take(now + SECOND), Some(hash(2)));
    assert_eq!(schedule.take(now + SECOND * 2), None);
}

#[test]
fn who_is_new_hears_of_us_sooner_and_a_flood_of_them_does_not_hurry_us_more() {
    let start = Instant::now();
    let mut schedule = Schedule::default();
    (0..2).for_each(|n| schedule.add(start, hash(n)));
    schedule.answer(start, &hash(0));
    assert_eq!(schedule.take(start), Some(hash(0)));
    assert_eq!(schedule.take(start + SECOND), Some(hash(1)));
    let mut said = Vec::new();
    for second in 2..400 {
        let now = start + SECOND * second;
        schedule.answer(now, &hash(0));
        schedule.answer(now, &hash(7));
        said.extend(schedule.take(now).map(|info_hash| (second, info_hash)));
    }
    let want = [(60, 0), (120, 0), (180, 0), (240, 0), (300, 0), (301, 1), (360, 0)];
    assert_eq!(said, want.map(|(second, n)| (second, hash(n))));
    // After a long silence at once.
    let mut schedule = Schedule::default();
    schedule.add(start, hash(0));
    schedule.take(start);
    schedule.answer(start + SECOND * 100, &hash(0));
    assert_eq!(schedule.take(start + SECOND * 100), Some(hash(0)));
}

#[test]
fn ten_thousand_torrents_are_an_even_trickle_and_a_new_one_does_not_wait_for_them() {
    let mut now = Instant::now();
    let mut schedule = Schedule::default();
    (0..10_000).for_each(|n| schedule.add(now, hash(n)));
    let mut said = std::collections::BTreeSet::new();
    for _ in 0..10_000 {
        let due = schedule.next_due().unwrap().max(now);
        assert!(due - now <= SECOND);
        now = due;
        assert!(said.insert(schedule.take(now).unwrap()), "nobody twice before all had their turn");
        assert_eq!(schedule.take(now), None);
    }
    schedule.add(now, hash(20_000));
    now += SECOND;
    assert_eq!(schedule.take(now), Some(hash(20_000)));
    assert_eq!(schedule.take(now + SECOND), Some(hash(0)));
}

#[test]
fn whoever_floods_is_not_heard_and_others_are() {
    let now = Instant::now();
    let mut hearing = Hearing::default();
    let loud = [10, 0, 0, 1].into();
    assert_eq!((0..10_000).filter(|_| hearing.listens(now, loud)).count(), 50);
    assert!(hearing.listens(now, [10, 0, 0, 2].into()));
    assert!(hearing.listens(now + SECOND, loud));
    // However many senders there seem to be, what is remembered is bounded, and the next second is a new one.
    let made_up = (0..10_000_u32).map(|n| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n)));
    assert!(made_up.filter(|ip| hearing.listens(now + SECOND, *ip)).count() <= 256);
    assert!(hearing.listens(now + SECOND * 2, [10, 9, 9, 9].into()));
}

#[test]
fn what_was_said_a_moment_ago_is_no_news() {
    let now = Instant::now();
    let mut hearing = Hearing::default();
    let peer = |n: u16| SocketAddr::from(([10, 0, 0, 1], n));
    assert!(hearing.is_news(now, hash(1), peer(1)) && !hearing.is_news(now, hash(1), peer(1)));
    assert!(hearing.is_news(now, hash(2), peer(1)));
    assert!(hearing.is_news(now + SECOND * 60, hash(1), peer(1)));
    // One that makes up ports without end.
    let later = now + SECOND * 200;
    assert_eq!((1..5_000).filter(|port| hearing.is_news(later, hash(3), peer(*port))).count(), 512);
    assert!(hearing.is_news(later, hash(3), "10.0.0.2:1".parse().unwrap()));
    let many = |n: u32| SocketAddr::from((Ipv4Addr::from(0x0b00_0000 + n), 1));
    assert!((0..100_000).filter(|n| hearing.is_news(later, hash(3), many(*n))).count() < 4_096);
}

#[test]
fn only_neighbours_are_heard() {
    let networks: [(IpAddr, u8); 2] = [([11, 1, 0, 1].into(), 8), ("2a11:1::1".parse().unwrap(), 16)];
    let check = |from: &str| is_local(from.parse().unwrap(), networks);
    for near in ["11.200.0.1", "2a11:ffff::1", "10.0.0.1", "192.168.1.1", "169.254.0.1", "fe80::1", "fd00::1"]
    {
        assert!(check(near), "{near}");
    }
    for far in ["12.0.0.1", "2a12::1", "127.0.0.1", "::1", "0.0.0.0", "239.192.152.143"] {
        assert!(!check(far), "{far}");
    }
    let ours = "11.1.0.1".parse().unwrap();
    for (bits, is) in [(0, true), (24, true), (31, false), (32, false), (99, false)] {
        assert_eq!(is_local("11.1.0.7".parse().unwrap(), [(ours, bits)]), is, "{bits}");
    }
}
