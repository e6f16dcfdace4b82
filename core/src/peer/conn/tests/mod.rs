//! A link's protocol as conversations: what the peer says, what the session posts, time that
//! passes, and what comes out after each.

mod fast;
mod metadata;
mod model;

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::extensions::MAX_TURNS;
use super::fetch::{HAND_STALE, MAX_UNSOLICITED};
use super::serve::{MAX_RANGE, MAX_VOID_REQUESTS, REQQ};
use super::*;
use crate::wire::message::Decoder;

/// Three pieces: two of four blocks, one of a block and 3,616 bytes. We have the first.
fn geometry() -> Geometry {
    Geometry::new(2 * 65_536 + 20_000, 65_536).unwrap()
}

fn ours(pieces: &[u32]) -> Bitfield {
    let mut have = Bitfield::new(3);
    for piece in pieces {
        have.set(PieceIndex::new(*piece));
    }
    have
}

/// `""`, or what both sides can do: `x` the extension protocol, `f` the fast extension.
fn opening<'a>(have: &'a Bitfield, agreed: &str) -> Opening<'a> {
    let bit = |letter, bit| if agreed.contains(letter) { bit } else { 0 };
    Opening {
        have,
        agreed: Reserved::new([0, 0, 0, 0, 0, bit('x', 0x10), 0, bit('f', 0x04)]),
        info_hash: InfoHash::new([0xaa; 20]),
        peer_ip: Ipv4Addr::LOCALHOST.into(),
        ours: OurHandshake { port: Some(6881), ..OurHandshake::default() },
        dht_port: None,
        allows_fast: true,
        metadata: None,
    }
}

fn open(now: Instant, have: &Bitfield) -> Conn {
    Conn::open(now, geometry(), &opening(have, ""))
}

fn block(text: &str) -> BlockRef {
    let (piece, block) = text.split_once('/').unwrap();
    BlockRef { piece: PieceIndex::new(piece.parse().unwrap()), block: block.parse().unwrap() }
}

fn numbers<const N: usize>(words: &[&str]) -> [u32; N] {
    let numbers: Vec<u32> = words.iter().map(|word| word.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// `piece 0 16384 16384` and the like.
fn message(text: &str) -> Message {
    if let Some(payload) = text.strip_prefix("introduces ") {
        return Message::Extended { id: 0, payload: Bytes::copy_from_slice(payload.as_bytes()) };
    }
    let words: Vec<&str> = text.split(' ').collect();
    match words[0] {
        "keep-alive" => Message::KeepAlive,
        "choke" => Message::Choke,
        "unchoke" => Message::Unchoke,
        "interested" => Message::Interested,
        "uninterested" => Message::NotInterested,
        "all" => Message::HaveAll,
        "none" => Message::HaveNone,
        "have" => Message::Have(words[1].parse().unwrap()),
        "suggest" => Message::Suggest(words[1].parse().unwrap()),
        "allow" => Message::AllowedFast(words[1].parse().unwrap()),
        "extended" => Message::Extended {
            id: words[1].parse().unwrap(),
            payload: data_encoding::HEXLOWER.decode(words[2].as_bytes()).unwrap().into(),
        },
        "bitfield" => Message::Bitfield(data_encoding::HEXLOWER.decode(words[1].as_bytes()).unwrap().into()),
        "request" => {
            let [index, begin, length] = numbers(&words[1..]);
            Message::Request { index, begin, length }
        }
        "cancel" => {
            let [index, begin, length] = numbers(&words[1..]);
            Message::Cancel { index, begin, length }
        }
        "reject" => {
            let [index, begin, length] = numbers(&words[1..]);
            Message::Reject { index, begin, length }
        }
        "piece" => {
            let [index, begin, length] = numbers(&words[1..]);
            Message::Piece { index, begin, data: vec![0; length as usize].into() }
        }
        other => panic!("{other}"),
    }
}

/// `interested, deal 0/0 0/1, cancel 0/1`
fn mail(text: &str) -> Mail {
    let mut mail = Mail::default();
    for slot in text.split(", ") {
        let (slot, rest) = slot.split_once(' ').unwrap_or((slot, ""));
        match slot {
            "interested" => mail.interested = Some(true),
            "uninterested" => mail.interested = Some(false),
            "choke" => mail.choke = Some(true),
            "unchoke" => mail.choke = Some(false),
            "deal" => mail.deal(rest.split(' ').map(block)),
            "cancel" => mail.cancel(block(rest)),
            "have" => mail.have.push(PieceIndex::new(rest.parse().unwrap())),
            "lost" => mail.lose(PieceIndex::new(rest.parse().unwrap())),
            "upload-only" => mail.upload_only = Some(true),
            "download-too" => mail.upload_only = Some(false),
            other => panic!("{other}"),
        }
    }
    mail
}

fn frame(message: &Message) -> String {
    match message {
        Message::Request { index, begin, length } => format!("> request {index} {begin} {length}"),
        Message::Cancel { index, begin, length } => format!("> cancel {index} {begin} {length}"),
        Message::Reject { index, begin, length } => format!("> reject {index} {begin} {length}"),
        Message::Extended { id: 0, .. } => "> extended 0".into(),
        Message::Extended { id, payload } => {
            format!("> extended {id} {}", data_encoding::HEXLOWER.encode(payload))
        }
        other => format!("> {other:?}"),
    }
}

fn report(report: &Report) -> String {
    match report {
        Report::Pieces(PeerPieces::All) => "has all".into(),
        Report::Pieces(PeerPieces::Some(bits)) => format!("has {:?}", bits.iter().collect::<Vec<_>>()),
        Report::Has(piece) => format!("has {piece:?}"),
        Report::HasNot(piece) => format!("has not {piece:?}"),
        Report::Suggested(piece) => format!("suggests {piece:?}"),
        Report::AllowedFast(piece) => format!("allows {piece:?}"),
        Report::RefusedFast(piece) => format!("refuses {piece:?}"),
        Report::Pex(list) => {
            let words = |(word, address)| format!("{word} {address}");
            let met = list.added.iter().map(|peer| ("met", peer.address));
            let lost = list.dropped.iter().map(|address| ("lost", *address));
            met.chain(lost).map(words).collect::<Vec<_>>().join(" ")
        }
        Report::DhtPort(port) => format!("node at {port}"),
        Report::UploadOnly(upload_only) => format!("upload only {upload_only}"),
        Report::Block(block) => format!("block {block}"),
        Report::Returned(blocks) => {
            let blocks: Vec<_> = blocks.iter().map(ToString::to_string).collect();
            format!("back {}", blocks.join(" "))
        }
        Report::Hungry(room) => format!("hungry {room}"),
        Report::Unchoked(unchoked) => format!("unchoked {unchoked}"),
        Report::Interested(interested) => format!("interested {interested}"),
        Report::Introduced { client, listen_port, upload_only, .. } => {
            let client = client.as_ref().map(|client| client.to_string());
            let upload_only =
                upload_only.map_or("", |only| if only { " upload-only" } else { " download-too" });
            format!("introduced {client:?} {listen_port:?}{upload_only}")
        }
        Report::MetadataPiece { piece, .. } => format!("metadata {piece}"),
        Report::MetadataRejected(piece) => format!("no metadata {piece}"),
        Report::Closed { .. } => unreachable!("the task says that"),
    }
}

/// Everything that waits to be taken, as text.
fn taken(conn: &mut Conn) -> String {
    let mut said = Vec::new();
    let decoder = Decoder::new(Some(3));
    while let Some(message) = decoder.decode(&mut conn.out.frames).unwrap() {
        said.push(frame(&message));
    }
    said.extend(conn.reports.drain(..).map(|said| report(&said)));
    let told = said.iter().filter(|said| said.starts_with("block")).count();
    assert_eq!(conn.blocks.drain(..).count(), told, "the disk gets the blocks that are told");
    while let Some(range) = conn.next_upload() {
        said.push(format!("serve {} {} {}", range.piece, range.begin, range.length));
    }
    conn.uploaded();
    said.join("; ")
}

/// Plays a conversation. `< x`: the peer says x. `. x`: the session posts x. `+ n`: n seconds pass.
/// The second column is what comes out.
fn check(steps: &[(&str, &str)]) {
    check_as("", steps);
}

/// The same, where both sides can do this much.
fn check_as(agreed: &str, steps: &[(&str, &str)]) {
    let mut now = Instant::now();
    let have = ours(&[0]);
    let mut conn = Conn::open(now, geometry(), &opening(&have, agreed));
    conn.out.frames.clear();
    for (at, (step, want)) in steps.iter().enumerate() {
        let (kind, rest) = step.split_once(' ').unwrap();
        let done = match kind {
            "<" => conn.on_message(now, message(rest), |piece| have.get(piece)),
            "." => {
                conn.on_mail(now, mail(rest));
                Ok(())
            }
            "+" => {
                now += Duration::from_secs_f64(rest.parse().unwrap());
                let due = conn.next_timeout() <= now;
                let done = conn.on_timeout(now);
                let silent = done.is_ok() && conn.reports.is_empty() && conn.out.frames.is_empty();
                assert!(due || silent, "step {at}: it did something before its time");
                done
            }
            other => panic!("{other}"),
        };
        let mut got = String::new();
        match done {
            Ok(()) => {
                conn.play(now);
                got.push_str(&taken(&mut conn));
            }
            Err(fault) => write!(got, "! {fault}").unwrap(),
        }
        assert_eq!(got, *want, "step {at}: {step}");
    }
}

/// An unchoked link with something to ask for.
const READY: [(&str, &str); 2] = [(". interested", "> Interested"), ("< unchoke", "unchoked true; hungry 8")];

fn ready(steps: &[(&str, &str)]) {
    check(&[&READY, steps].concat());
}

fn ready_as(agreed: &str, steps: &[(&str, &str)]) {
    check_as(agreed, &[&READY, steps].concat());
}

#[test]
fn the_first_frames_are_the_introduction_and_what_we_have() {
    let now = Instant::now();
    let first = |have: &Bitfield, agreed| taken(&mut Conn::open(now, geometry(), &opening(have, agreed)));
    assert_eq!(first(&ours(&[0, 2]), "x"), "> extended 0; > Bitfield(b\"\\xa0\")");
    assert_eq!(first(&ours(&[]), "x"), "> extended 0");
    assert_eq!(first(&ours(&[0, 1, 2]), ""), "> Bitfield(b\"\\xe0\")");
    assert_eq!(first(&ours(&[]), ""), "");
    assert_eq!(first(&ours(&[0, 2]), "xf"), "> extended 0; > Bitfield(b\"\\xa0\")");
    assert_eq!(first(&ours(&[0, 1, 2]), "xf"), "> extended 0; > HaveAll");
    assert_eq!(first(&ours(&[]), "f"), "> HaveNone");
}

#[test]
fn a_hand_is_played_and_hunger_is_told_once() {
    ready(&[
        ("< keep-alive", ""),
        (". deal 0/0 0/1", "> request 0 0 16384; > request 0 16384 16384; hungry 6"),
        (". deal 2/1", "> request 2 16384 3616; hungry 5"),
        ("< piece 0 0 16384", "block 0/0"),
    ]);
}

#[test]
fn a_hand_larger_than_the_pipeline_waits_for_room() {
    ready(&[
        (
            ". deal 0/0 0/1 0/2 0/3 1/0 1/1 1/2 1/3 2/0 2/1",
            "> request 0 0 16384; > request 0 16384 16384; > request 0 32768 16384; > request 0 49152 16384; \
             > request 1 0 16384; > request 1 16384 16384; > request 1 32768 16384; > request 1 49152 16384",
        ),
        ("+ 0.1", ""),
        ("< piece 0 0 16384", "> request 2 0 16384; > request 2 16384 3616; block 0/0; hungry 1"),
    ]);
}

#[test]
fn nothing_is_asked_for_while_choked_or_not_interested() {
    check(&[
        ("< unchoke", "unchoked true"),
        (". deal 0/0", ""),
        (". interested", "> Interested; > request 0 0 16384; hungry 7"),
        (". uninterested", "> NotInterested"),
        (". deal 0/1", ""),
        ("+ 2", "back 0/1"),
    ]);
    check(&[(". interested, deal 0/0 0/1", "> Interested; back 0/0 0/1")]);
}

#[test]
fn a_choke_gives_back_everything_once() {
    ready(&[
        (". deal 0/0 0/1", "> request 0 0 16384; > request 0 16384 16384; hungry 6"),
        ("< choke", "back 0/0 0/1; unchoked false"),
        ("< choke", ""),
        (". deal 0/2", "back 0/2"),
        ("< piece 0 0 16384", "block 0/0"),
        ("< unchoke", "unchoked true; hungry 10"),
        ("< unchoke", ""),
    ]);
}

#[test]
fn a_hand_that_is_not_played_goes_back() {
    let stale = format!("+ {}", HAND_STALE.as_secs_f64());
    let all = "0/0 0/1 0/2 0/3 1/0 1/1 1/2 1/3";
    let asked: Vec<String> = all
        .split(' ')
        .map(|text| format!("> request {} {} 16384", block(text).piece, block(text).begin()))
        .collect();
    ready(&[
        (&format!(". deal {all} 2/0 2/1"), &asked.join("; ")),
        ("+ 1.9", ""),
        ("+ 0.1", "back 2/0 2/1"),
        (&stale, ""),
    ]);
}

#[test]
fn a_request_that_is_not_answered_goes_back_and_its_block_is_late() {
    ready(&[
        (". deal 0/0", "> request 0 0 16384; hungry 7"),
        ("+ 59.9", ""),
        ("+ 0.1", "back 0/0"),
        ("< piece 0 0 16384", "block 0/0"),
    ]);
}

#[test]
fn a_cancel_takes_from_the_hand_or_from_the_peer() {
    let all = "0/0 0/1 0/2 0/3 1/0 1/1 1/2 1/3";
    let asked: Vec<String> = all
        .split(' ')
        .map(|text| format!("> request {} {} 16384", block(text).piece, block(text).begin()))
        .collect();
    ready(&[
        (&format!(". deal {all} 2/0 2/1"), &asked.join("; ")),
        (". cancel 2/0", ""),
        (". cancel 0/3", "> cancel 0 49152 16384; > request 2 16384 3616"),
        (". cancel 0/3", ""),
        ("< piece 0 49152 16384", "block 0/3; hungry 2"),
    ]);
}

#[test]
fn cancels_and_deals_that_lie_together_keep_their_order() {
    // Dealt, then cancelled: never asked for, and the link is hungry again.
    ready(&[(". deal 0/0, cancel 0/0", "hungry 8")]);
    // Cancelled, then dealt again.
    ready(&[
        (". deal 0/0", "> request 0 0 16384; hungry 7"),
        (". cancel 0/0, deal 0/0", "> cancel 0 0 16384; > request 0 0 16384; hungry 7"),
    ]);
}

#[test]
fn late_blocks_are_no_fault_however_many() {
    let mut steps = READY.to_vec();
    for _ in 0..3 * MAX_UNSOLICITED {
        steps.push((". deal 0/0, have 1", "> Have(1); > request 0 0 16384; hungry 7"));
        steps.push((". cancel 0/0", "> cancel 0 0 16384; hungry 0"));
        steps.push(("< piece 0 0 16384", "block 0/0"));
    }
    // How hungry it is depends on its rate, which is not the matter here.
    let mut now = Instant::now();
    let mut conn = open(now, &ours(&[0]));
    for (step, _) in steps {
        let (kind, rest) = step.split_once(' ').unwrap();
        match kind {
            "." => conn.on_mail(now, mail(rest)),
            _ => conn.on_message(now, message(rest), |_| false).unwrap(),
        }
        conn.play(now);
        now += Duration::from_millis(10);
    }
    let blocks = conn.reports.iter().filter(|report| matches!(report, Report::Block(_))).count();
    assert_eq!(blocks as u32, 3 * MAX_UNSOLICITED);
}

#[test]
fn unsolicited_blocks_are_dropped_and_then_end_the_link() {
    for odd in [
        "< piece 0 0 16384",
        "< piece 0 0 16383",
        "< piece 0 1 16384",
        "< piece 0 65536 16384",
        "< piece 2 16384 16384",
        "< piece 3 0 16384",
        "< piece 0 4294967295 16384",
        "< piece 0 0 0",
    ] {
        let mut steps = vec![(odd, ""); MAX_UNSOLICITED as usize];
        steps.push((odd, "! sends blocks that were not asked for"));
        check(&steps);
    }
    // A block that comes twice was asked for once.
    ready(&[
        (". deal 0/0", "> request 0 0 16384; hungry 7"),
        ("< piece 0 0 16384", "block 0/0"),
        ("< piece 0 0 16384", ""),
    ]);
}

#[test]
fn a_reject_gives_back_what_was_asked_for() {
    ready_as(
        "f",
        &[
            (". deal 0/0", "> request 0 0 16384; hungry 7"),
            ("< reject 0 0 16384", "back 0/0"),
            ("< reject 0 0 16384", ""),
            ("< reject 9 9 9", ""),
        ],
    );
}

#[test]
fn requests_are_served_in_order_and_within_bounds() {
    let most = MAX_RANGE;
    assert!(most > 65_536, "a whole piece here is no long range");
    check(&[
        ("< interested", "interested true"),
        ("< interested", ""),
        ("< request 0 0 16384", ""),
        (". unchoke", "> Unchoke"),
        ("< request 0 0 16384", "serve 0 0 16384"),
        ("< request 0 1 65535", "serve 0 1 65535"),
        ("< request 0 0 0", ""),
        ("< request 0 1 65536", ""),
        ("< request 0 4294967295 16384", ""),
        ("< request 1 0 16384", ""),
        ("< request 3 0 16384", ""),
        ("< cancel 7 7 7", ""),
        (". choke", "> Choke"),
        ("< request 0 0 16384", ""),
        ("< uninterested", "interested false"),
    ]);
}

#[test]
fn a_range_beyond_128_kib_is_not_served() {
    let now = Instant::now();
    let geometry = Geometry::new(1 << 20, 1 << 20).unwrap();
    let have = Bitfield::full(1);
    let mut conn = Conn::open(now, geometry, &opening(&have, ""));
    conn.on_mail(now, mail("unchoke"));
    for (length, served) in [(MAX_RANGE, true), (MAX_RANGE + 1, false)] {
        conn.on_message(now, Message::Request { index: 0, begin: 5, length }, |_| true).unwrap();
        assert_eq!(conn.next_upload().is_some(), served, "{length}");
    }
}

#[test]
fn a_cancel_and_a_choke_void_requests() {
    let now = Instant::now();
    let mut conn = open(now, &ours(&[0]));
    let asks = |conn: &mut Conn, text| conn.on_message(now, message(text), |_| true).unwrap();
    conn.on_mail(now, mail("unchoke"));
    asks(&mut conn, "request 0 0 16384");
    asks(&mut conn, "request 0 16384 16384");
    asks(&mut conn, "cancel 0 0 16384");
    assert_eq!(conn.peek_upload().map(|range| range.begin), Some(16_384));
    conn.on_mail(now, mail("choke"));
    conn.on_mail(now, mail("unchoke"));
    assert_eq!(conn.next_upload(), None);
    // A choke that was taken back before the link looked is no choke.
    asks(&mut conn, "request 0 0 16384");
    conn.on_mail(now, mail("choke, unchoke"));
    assert!(conn.next_upload().is_some());
}

#[test]
fn a_flood_of_requests_ends_the_link() {
    let choked = vec![("< request 0 0 16384", ""); MAX_VOID_REQUESTS];
    check(&[&choked[..], &[("< request 0 0 16384", "! floods requests")]].concat());

    let now = Instant::now();
    let mut conn = open(now, &ours(&[0]));
    conn.on_mail(now, mail("unchoke"));
    let mut answers = (0..).map(|_| conn.on_message(now, message("request 0 0 16384"), |_| true));
    assert!(answers.by_ref().take(REQQ + MAX_VOID_REQUESTS).all(|answer| answer.is_ok()));
    assert_eq!(answers.next(), Some(Err(PeerFault::RequestFlood)));
    assert_eq!(std::iter::from_fn(|| conn.next_upload()).count(), REQQ, "what waits is bounded");
}

#[test]
fn what_the_peer_has_is_checked() {
    check_as(
        "f",
        &[
            ("< all", "has all"),
            ("< bitfield a0", "has [#0, #2]"),
            ("< have 1", "has #1"),
            // Late ones and repeated ones are updates: aria2 sends them.
            ("< bitfield e0", "has all"),
            ("< bitfield 00", "has []"),
            ("< all", "has all"),
            ("< none", "has []"),
            ("< have 3", "! has piece 3 of 3"),
        ],
    );
    for (bits, bytes) in [("e1", 1), ("", 0), ("e000", 2)] {
        let step = format!("< bitfield {bits}");
        check(&[(&step, &format!("! bitfield of {bytes} bytes does not fit 3 pieces"))]);
    }
    check(&[("< have 4294967295", "! has piece 4294967295 of 3")]);
}

#[test]
fn keep_alives_go_out_and_silence_ends_the_link() {
    check(&[
        ("+ 109.9", ""),
        ("+ 0.1", "> KeepAlive"),
        ("+ 109.9", ""),
        ("+ 0.1", "> KeepAlive"),
        ("+ 19.9", ""),
        ("+ 0.1", "! silent for 240 s"),
    ]);
    check(&[("+ 239", "> KeepAlive"), ("< keep-alive", ""), ("+ 239", "> KeepAlive")]);
}

#[test]
fn time_in_which_we_do_not_listen_is_no_silence() {
    let now = Instant::now();
    let mut conn = open(now, &ours(&[0]));
    conn.listens_again(now + IDLE);
    assert_eq!(conn.on_timeout(now + IDLE), Ok(()));
    assert_eq!(conn.on_timeout(now + 2 * IDLE), Err(PeerFault::Silent(IDLE)));
}

#[test]
fn slots_of_interest_and_choke_say_only_what_changes() {
    check(&[
        (". uninterested, choke", ""),
        (". interested, unchoke", "> Interested; > Unchoke"),
        (". interested, unchoke, have 1, have 2", "> Have(1); > Have(2)"),
        (". choke, unchoke", ""),
        (". interested, uninterested, choke", "> NotInterested; > Choke"),
    ]);
}

#[test]
fn introductions_are_taken_with_a_grain_of_salt() {
    let deep = format!("< introduces {}{}", "d1:m".repeat(100_000), "e".repeat(100_000));
    check(&[
        ("< introduces d1:pi70000e1:v6:a\u{1b}[31me", "introduced Some(\"a�[31m\") None"),
        ("< introduces d1:pi6881e11:upload_onlyi1ee", "introduced None Some(6881) upload-only"),
        ("< introduces d4:reqqi0e6:yourip3:abce", "introduced None None"),
        ("< introduces d1:md11:ut_metadatai256e6:ut_pexi-1ee13:metadata_sizei-1ee", "introduced None None"),
        ("< introduces le", ""),
        ("< introduces ", ""),
        (&deep, ""),
    ]);
}

#[test]
fn a_peer_that_takes_one_request_gets_one() {
    ready(&[
        ("< introduces d4:reqqi1ee", "introduced None None"),
        (". deal 0/0 0/1", "> request 0 0 16384"),
        ("< piece 0 0 16384", "> request 0 16384 16384; block 0/0; hungry 1"),
    ]);
}
