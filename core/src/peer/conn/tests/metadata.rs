//! The info dictionary on a link (BEP 9): given within bounds, asked for, and what a peer has before it is there.

use super::*;
use crate::wire::ut_metadata::{self, UtMetadata};

const SIZE: usize = 40_000;

fn metadata() -> Bytes {
    (0..SIZE).map(|at| (at % 251) as u8).collect()
}

/// A link that gives `metadata`, to a peer that takes such messages under 3.
fn link(now: Instant, metadata: Option<Bytes>) -> Conn {
    let have = ours(&[0]);
    let mut conn = Conn::open(now, geometry(), &Opening { metadata, ..opening(&have, "xf") });
    say(&mut conn, now, "introduces d1:md11:ut_metadatai3eee");
    conn.out.frames.clear();
    conn.reports.clear();
    conn
}

#[track_caller]
fn say(conn: &mut Conn, now: Instant, text: &str) {
    conn.on_message(now, message(text), |_| true).unwrap();
}

fn asks(conn: &mut Conn, now: Instant, said: &UtMetadata) {
    let id = Extension::UtMetadata.our_id();
    conn.on_message(now, Message::Extended { id, payload: said.encode() }, |_| true).unwrap();
}

/// What waits in the outbox, of metadata.
fn said(conn: &mut Conn) -> Vec<UtMetadata> {
    let decoder = Decoder::new(None);
    let messages = std::iter::from_fn(|| decoder.decode(&mut conn.out.frames).unwrap());
    messages
        .filter_map(|message| match message {
            Message::Extended { id: 3, payload } => UtMetadata::parse(&payload),
            _ => None,
        })
        .collect()
}

#[test]
fn metadata_is_given_piece_by_piece() {
    let now = Instant::now();
    let mut conn = link(now, Some(metadata()));
    for piece in [0, 2, 3, u32::MAX] {
        asks(&mut conn, now, &UtMetadata::Request { piece });
    }
    conn.give_metadata(now, 0);
    let piece = |piece: u32, range: std::ops::Range<usize>| UtMetadata::Data {
        piece,
        total_size: Some(SIZE as u32),
        data: metadata().slice(range),
    };
    let reject = |piece| UtMetadata::Reject { piece };
    assert_eq!(said(&mut conn), [reject(3), reject(u32::MAX), piece(0, 0..16_384), piece(2, 32_768..SIZE)]);
}

#[test]
fn a_peer_that_asks_without_end_costs_a_few_pieces() {
    let now = Instant::now();
    let mut conn = link(now, Some(metadata()));
    for _ in 0..1_000 {
        asks(&mut conn, now, &UtMetadata::Request { piece: 0 });
    }
    conn.give_metadata(now, 1 << 20);
    let rejected = said(&mut conn).len();
    assert_eq!(rejected, 1_000 - 4 * 3, "none is sent while much waits to be, and each has its servings");
    let mut given = 0;
    loop {
        conn.give_metadata(now, 0);
        assert!(conn.out.frames.len() < (64 + 17) << 10);
        match said(&mut conn).len() {
            0 => break,
            more => given += more,
        }
    }
    assert_eq!(given + rejected, 1_000);
}

#[test]
fn a_private_torrent_gives_none_and_says_nothing() {
    let now = Instant::now();
    let have = ours(&[0]);
    let ours = OurHandshake { sharing: Sharing::Private, ..OurHandshake::default() };
    let mut conn = Conn::open(now, geometry(), &Opening { ours, ..opening(&have, "xf") });
    assert!(!String::from_utf8_lossy(&conn.out.frames).contains("ut_metadata"));
    say(&mut conn, now, "introduces d1:md11:ut_metadatai3e6:ut_pexi1eee");
    conn.out.frames.clear();
    asks(&mut conn, now, &UtMetadata::Request { piece: 0 });
    conn.give_metadata(now, 0);
    assert_eq!(said(&mut conn), []);
}

#[test]
fn what_was_asked_for_is_reported_and_nothing_else() {
    let now = Instant::now();
    let mut conn = link(now, None);
    conn.on_mail(now, Mail { metadata: vec![0, 1], ..Mail::default() });
    assert_eq!(said(&mut conn), [0, 1].map(|piece| UtMetadata::Request { piece }));
    let data = |piece| UtMetadata::Data { piece, total_size: Some(9), data: Bytes::from_static(b"x") };
    for message in
        [data(7), data(0), data(0), UtMetadata::Reject { piece: 1 }, UtMetadata::Reject { piece: 1 }]
    {
        asks(&mut conn, now, &message);
    }
    let [Report::MetadataPiece { piece: 0, total_size: Some(9), .. }, Report::MetadataRejected(1)] =
        &conn.reports[..]
    else {
        panic!("{:?}", conn.reports)
    };
}

#[test]
fn a_peer_is_a_source_of_metadata_once_it_says_how_much_there_is() {
    let now = Instant::now();
    let mut conn = link(now, None);
    let mut size = |text: &str| {
        say(&mut conn, now, text);
        match conn.reports.pop() {
            Some(Report::Introduced { metadata_size, .. }) => metadata_size,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(size("introduces d1:md11:ut_metadatai3eee"), None);
    assert_eq!(size("introduces d13:metadata_sizei77ee"), Some(77));
    assert_eq!(size("introduces d1:md11:ut_metadatai0ee13:metadata_sizei77ee"), None);
}

/// A link of which only the hash is known, to a peer that says all that.
fn early(now: Instant, texts: &[&str]) -> Conn {
    let nothing = Bitfield::new(0);
    let mut conn = Conn::open_unknown(now, &opening(&nothing, "xf"));
    say(&mut conn, now, "introduces d1:md11:ut_metadatai3eee");
    texts.iter().for_each(|text| say(&mut conn, now, text));
    conn.out.frames.clear();
    conn
}

fn shape() -> Shape {
    Shape { geometry: geometry(), metadata: Some(metadata()), sharing: Sharing::Public }
}

#[test]
fn what_a_peer_has_is_kept_until_it_can_be_read() {
    let now = Instant::now();
    let check = |texts: &[&str], want: &str| {
        let mut conn = early(now, texts);
        conn.reports.clear();
        conn.learn(now, shape(), |_| true).unwrap();
        let told: Vec<_> = conn
            .reports
            .iter()
            .map(|report| match report {
                Report::Pieces(PeerPieces::All) => "all".to_owned(),
                Report::Pieces(PeerPieces::Some(bits)) => format!("some {}", bits.ones()),
                Report::Has(piece) => format!("has {}", piece.get()),
                Report::AllowedFast(piece) => format!("allows {}", piece.get()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told.join(", "), want, "{texts:?}");
    };
    check(&[], "");
    check(&["all"], "all");
    check(&["none", "have 1"], "some 0, has 1");
    check(&["bitfield c0", "have 2"], "some 2, has 2");
    check(&["have 1", "allow 2", "bitfield e0"], "all, allows 2");
    check(&["have 1"], "has 1");
}

#[test]
fn what_does_not_fit_the_torrent_ends_the_link_then() {
    let now = Instant::now();
    for text in ["have 3", "bitfield e000", "bitfield f0"] {
        let mut conn = early(now, &[text]);
        assert!(conn.learn(now, shape(), |_| true).is_err(), "{text}");
    }
}

#[test]
fn who_has_metadata_now_says_so_and_gives_it() {
    let now = Instant::now();
    let mut conn = early(now, &["unchoke", "interested", "request 0 0 16384"]);
    conn.learn(now, shape(), |_| true).unwrap();
    let frames = String::from_utf8_lossy(&conn.out.frames).into_owned();
    assert!(frames.contains("13:metadata_sizei40000e"), "{frames}");
    conn.out.frames.clear();
    asks(&mut conn, now, &UtMetadata::Request { piece: 2 });
    conn.give_metadata(now, 0);
    assert_eq!(said(&mut conn).len(), 1);
    assert_eq!(ut_metadata::pieces(SIZE as u32), 3);
}

#[test]
fn nothing_is_claimed_before_there_is_anything() {
    let now = Instant::now();
    let nothing = Bitfield::new(0);
    let mut conn = Conn::open_unknown(now, &opening(&nothing, "xf"));
    let decoder = Decoder::new(None);
    let said: Vec<_> = std::iter::from_fn(|| decoder.decode(&mut conn.out.frames).unwrap()).collect();
    assert!(matches!(said[..], [Message::Extended { id: 0, .. }, Message::HaveNone]), "{said:?}");
    let mut slow = Conn::open_unknown(now, &opening(&nothing, ""));
    assert_eq!(decoder.decode(&mut slow.out.frames).unwrap(), None);
}
