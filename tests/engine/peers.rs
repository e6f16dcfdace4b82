//! Hostile peers over TCP against a whole engine. The names are the rows of the catalogue of faults
//! (peer wire, P1 to P11). After each row the engine serves an honest peer, has forgotten the hostile
//! ones, and holds no descriptor and little memory for them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use tc_core::stats::{Detail, DetailKind};
use tc_core::types::PeerId;
use tc_core::wire::handshake::{Handshake, LEN, Reserved};
use tc_core::wire::message::Message;
use tc_core::{Delivery, Event, Subscription};

use crate::alone::{alone, descriptors, memory};
use crate::raw::{PATIENCE, Raw, call, until_closed};
use crate::swarm::{Engine, PIECE};
use crate::wait::{Deadline, until};

const BLOCK: u32 = 16 * 1024;

/// Bytes of the torrent: 64 pieces.
const SIZE: usize = 64 * PIECE as usize;

/// What an attack may leave behind in memory: allocators keep some, and a debug build is wasteful.
const SLACK: u64 = 24 << 20;

fn id(n: u32) -> [u8; 20] {
    let mut id = *b"-XX0000-............";
    id[8..12].copy_from_slice(&n.to_be_bytes());
    id
}

/// Runs an attack on a seeding engine, then looks at what it did to it.
fn attack(test: &str, attack: impl FnOnce(&Engine)) {
    alone(test, || {
        let engine = Engine::seeding([127, 0, 8, 1], 1, SIZE);
        let serve = |n| {
            let mut honest = Raw::greet(engine.address(), engine.hash(), id(n));
            honest.fetches(&engine.content, PIECE);
        };
        let sockets = || descriptors().iter().filter(|name| *name == "socket").count();
        let listening = sockets();
        serve(900_000);
        until(Deadline::seconds(20), "the link to be closed", || (sockets() == listening).then_some(()));
        let (before, files) = (memory(), descriptors());
        attack(&engine);
        engine.wait_for_no_link();
        serve(900_001);
        engine.wait_for_no_link();
        let what = format!("descriptors to be {files:?}, they are {:?}", descriptors());
        until(Deadline::seconds(20), &what, || (descriptors() == files).then_some(()));
        let after = memory();
        assert!(after < before + SLACK, "{before} bytes before, {after} after");
        let availability = engine.session.stats().expect("it is there").availability;
        assert_eq!(availability, 1_000, "copies of peers that are gone still count");
        engine.manager.shutdown();
    });
}

#[test]
fn p1_no_handshake() {
    attack("peers::p1_no_handshake", |engine| {
        let hash = engine.hash();
        let hello =
            |id| Handshake { reserved: Reserved::OURS, info_hash: hash, peer_id: PeerId::new(id) }.encode();
        let changed = |at: usize, byte| {
            let mut bytes = hello(id(1));
            bytes[at] = byte;
            bytes.to_vec()
        };
        let revealing_nothing = [
            changed(1, b'X'),
            changed(0, 0),
            changed(0, 255),
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: somebody\r\n\r\n"
                .to_vec(),
            changed(30, 0x5a),
            hello(id(1))[..5].to_vec(),
            Vec::new(),
        ];
        std::thread::scope(|scope| {
            for bytes in revealing_nothing {
                scope.spawn(move || {
                    let mut stream = call(engine.address());
                    stream.write_all(&bytes).unwrap();
                    assert_eq!(until_closed(&mut stream), b"", "after {bytes:?}");
                });
            }
            // Known hash, no id: the answer of a port checker, and no more.
            scope.spawn(move || {
                let mut stream = call(engine.address());
                stream.write_all(&hello(id(1))[..48]).unwrap();
                assert_eq!(until_closed(&mut stream).len(), LEN);
            });
        });
        // Its own id: two ends of one engine have met.
        let theirs = Raw::greet(engine.address(), hash, id(2)).theirs;
        Raw::greet(engine.address(), hash, *theirs.as_bytes()).closes();
    });
}

#[test]
fn p2_no_messages() {
    attack("peers::p2_no_messages", |engine| {
        let frames: [&[u8]; 12] = [
            &[0xff; 4],
            &[0, 0x20, 0, 0, 5],
            &[0, 0, 0, 2, 0, 0],
            &[0, 0, 0, 4, 4, 0, 0, 0],
            &[0, 0, 0, 6, 4, 0, 0, 0, 0, 0],
            &[0, 0, 0, 12, 6],
            &[0, 0, 0, 8, 7],
            &[0, 0x10, 0, 0, 7],
            &[0, 0, 0, 1, 20],
            &[0, 0, 0, 2, 9, 1],
            // Of a kind that nobody knows, or that no bit of ours allows.
            &[0, 1, 0, 0, 200],
            &[0, 0, 0, 49, 21],
        ];
        for (n, frame) in frames.iter().enumerate() {
            let mut raw = Raw::greet(engine.address(), engine.hash(), id(n as u32));
            raw.write(frame);
            raw.closes();
        }
    });
}

#[test]
fn p3_odd_claims_of_pieces() {
    attack("peers::p3_odd_claims_of_pieces", |engine| {
        let wrong: [&[u8]; 3] = [&[0xff; 7], &[0xff; 9], &[]];
        for (n, bits) in wrong.iter().enumerate() {
            let mut raw = Raw::greet(engine.address(), engine.hash(), id(n as u32));
            raw.say(&[Message::Bitfield(Bytes::copy_from_slice(bits))]);
            raw.closes();
        }
        for (n, index) in [64, u32::MAX].into_iter().enumerate() {
            let mut raw = Raw::greet(engine.address(), engine.hash(), id(10 + n as u32));
            raw.say(&[Message::Have(index)]);
            raw.closes();
        }
        let half = || Message::Bitfield(vec![0xf0; 8].into());
        let mut raw = Raw::greet(engine.address(), engine.hash(), id(20));
        for _ in 0..1_000 {
            raw.say(&[half(), Message::Have(3), Message::Have(63), Message::HaveNone, half(), half()]);
        }
        raw.fetches(&engine.content, PIECE);
        // Half of the pieces have two copies: the repetitions count once.
        let copies = || engine.session.stats().map(|stats| stats.availability);
        until(Deadline::seconds(20), "the copies to be counted", || {
            copies().filter(|copies| *copies == 1_500)
        });
    });
}

#[test]
fn p3_spare_bits() {
    alone("peers::p3_spare_bits", || {
        let engine = Engine::seeding([127, 0, 8, 1], 1, 3 * PIECE as usize);
        let mut raw = Raw::greet(engine.address(), engine.hash(), id(1));
        raw.say(&[Message::Bitfield(Bytes::from_static(&[0b1010_0001]))]);
        raw.closes();
        engine.manager.shutdown();
    });
}

#[test]
fn p4_requests() {
    attack("peers::p4_requests", |engine| {
        let request = |index, begin, length| Message::Request { index, begin, length };
        let flood = |n, unchoked: bool| {
            let mut raw = Raw::greet(engine.address(), engine.hash(), id(n));
            if unchoked {
                raw.say(&[Message::Interested]);
                raw.until(|message| *message == Message::Unchoke);
            }
            let bad = if unchoked { request(64, 0, BLOCK) } else { request(0, 0, BLOCK) };
            for _ in 0..100 {
                raw.say(&vec![bad.clone(); 1_000]);
            }
            raw.closes();
        };
        flood(1, false);
        flood(2, true);
        let mut raw = Raw::greet(engine.address(), engine.hash(), id(3));
        raw.say(&[
            request(0, 0, 0),
            request(0, 0, 128 * 1024 + 1),
            request(0, u32::MAX, BLOCK),
            request(0, PIECE - 1, 2),
            request(u32::MAX, 0, BLOCK),
        ]);
        // Cancels of what was served already, as many as there may be requests.
        let cancels = vec![Message::Cancel { index: 0, begin: 0, length: BLOCK }; 1_000];
        raw.say(&cancels);
        raw.fetches(&engine.content, PIECE);
        for _ in 0..100 {
            raw.say(&cancels);
        }
        raw.closes();
        engine.wait_for_no_link();

        // Peers that ask for all they may and read nothing.
        let before = memory();
        let deaf: Vec<Raw> = (0..6)
            .map(|n| {
                let mut raw = Raw::greet(engine.address(), engine.hash(), id(10 + n));
                raw.say(&[Message::Interested]);
                raw.until(|message| *message == Message::Unchoke);
                let all = (0..1_000).map(|n| request(n % 64, n / 64 % 4 * BLOCK, BLOCK));
                raw.say(&all.collect::<Vec<_>>());
                raw
            })
            .collect();
        let served = || engine.session.stats().map(|stats| stats.uploaded);
        until(Deadline::seconds(20), "the engine to fill the sockets", || {
            served().filter(|bytes| *bytes > 6 * u64::from(BLOCK))
        });
        let after = memory();
        // 16 MB each were asked for; at most 768 KiB each wait.
        assert!(after < before + SLACK, "{before} bytes before, {after} with deaf peers");
        drop(deaf);
    });
}

/// An engine that lacks everything, and a raw peer that has it.
fn leech(test: &str, body: impl FnOnce(&Engine, &Engine)) {
    alone(test, || {
        let seed = Engine::seeding([127, 0, 8, 1], 7, SIZE);
        let leech = Engine::leeching([127, 0, 8, 2], 7, SIZE, Vec::new());
        body(&leech, &seed);
        leech.session.add_peer(seed.address());
        leech.completes();
        leech.manager.shutdown();
        seed.manager.shutdown();
    });
}

fn piece(index: u32, begin: u32, length: usize) -> Message {
    Message::Piece { index, begin, data: vec![0x5a; length].into() }
}

#[test]
fn p5_blocks_that_nobody_asked_for() {
    leech("peers::p5_blocks_that_nobody_asked_for", |leech, _| {
        let odd = [
            piece(0, 0, 16_384),
            piece(0, 0, 16_383),
            piece(0, 1, 16_384),
            piece(0, PIECE, 16_384),
            piece(64, 0, 16_384),
            piece(u32::MAX, u32::MAX, 16_384),
        ];
        for (n, odd) in odd.into_iter().enumerate() {
            let mut raw = Raw::greet(leech.address(), leech.hash(), id(n as u32));
            raw.say(&vec![odd; 20]);
            raw.closes();
        }
        // Every block twice, and one more time: the first is taken, the link ends.
        let mut raw = Raw::greet(leech.address(), leech.hash(), id(50));
        raw.say(&[Message::HaveAll, Message::Unchoke]);
        while let Some(message) = raw.hear() {
            let Message::Request { index, begin, length } = message else { continue };
            let start = (index * PIECE + begin) as usize;
            let data = Bytes::copy_from_slice(&leech.content[start..start + length as usize]);
            raw.say(&vec![Message::Piece { index, begin, data }; 3]);
        }
    });
}

fn banned(events: &mut Subscription) -> Vec<SocketAddr> {
    let mut banned = Vec::new();
    while let Some(delivery) = events.try_next() {
        if let Delivery::Event(tagged) = delivery
            && let Event::PeerBanned { address, .. } = &*tagged.event
        {
            banned.push(*address);
        }
    }
    banned
}

#[test]
fn p6_the_only_sender_of_a_bad_piece_is_banned_and_in_the_end_gains_nothing() {
    let name = "peers::p6_the_only_sender_of_a_bad_piece_is_banned_and_in_the_end_gains_nothing";
    leech(name, |leech, _| {
        let mut events = leech.session.subscribe("peer.banned").unwrap();
        for n in 0..3 {
            let mut raw = Raw::greet(leech.address(), leech.hash(), id(n));
            let from = raw.stream.local_addr().unwrap();
            raw.seed(&leech.content, PIECE, |_, _, mut data| {
                data[7] ^= 1;
                Some(data)
            });
            // The link may close a moment before the event is out.
            let banned = until(Deadline::seconds(20), "a ban", || {
                Some(banned(&mut events)).filter(|banned| !banned.is_empty())
            });
            assert_eq!(banned, [from], "liar {n}");
        }
        // From yet another port, under another name: others may be behind this address, so it is let in and
        // served, but nothing that it has is wanted any more.
        let mut raw = Raw::greet(leech.address(), leech.hash(), id(3));
        raw.say(&[Message::HaveAll, Message::Unchoke, Message::Interested]);
        let mut wanted = false;
        raw.until(|message| {
            wanted |= *message == Message::Interested;
            *message == Message::Unchoke
        });
        raw.say(&[Message::Request { index: 0, begin: 0, length: BLOCK }]);
        raw.until(|message| {
            wanted |= matches!(message, Message::Interested | Message::Request { .. });
            matches!(message, Message::Reject { .. })
        });
        assert!(!wanted, "a liar was asked again");
    });
}

#[test]
fn p6_a_liar_among_honest_peers() {
    alone("peers::p6_a_liar_among_honest_peers", || {
        let seeds = [3, 4].map(|host| Engine::seeding([127, 0, 8, host], 7, SIZE));
        let honest = seeds.each_ref().map(Engine::address);
        let leech = Engine::leeching([127, 0, 8, 2], 7, SIZE, honest.to_vec());
        let mut events = leech.session.subscribe("peer.banned").unwrap();
        let mut liars = Vec::new();
        std::thread::scope(|scope| {
            // One always lies, one now and then, one only about the end of pieces.
            let lies: [fn(u32, u32) -> bool; 3] =
                [|_, _| true, |index, _| index % 3 == 0, |_, begin| begin == PIECE - BLOCK];
            for (n, lie) in lies.into_iter().enumerate() {
                let Ok(mut raw) = Raw::try_greet(leech.address(), leech.hash(), id(n as u32)) else {
                    continue;
                };
                liars.push(raw.stream.local_addr().unwrap());
                let content = &leech.content;
                scope.spawn(move || {
                    raw.seed(content, PIECE, |index, begin, mut data| {
                        data[0] ^= u8::from(lie(index, begin));
                        Some(data)
                    });
                });
            }
            leech.completes();
            // Ends the links, and so the liars.
            leech.manager.shutdown();
        });
        for address in banned(&mut events) {
            assert!(liars.contains(&address), "{address} is honest and was banned");
        }
    });
}

#[test]
fn p7_introductions() {
    attack("peers::p7_introductions", |engine| {
        let nested = format!("{}{}", "d1:m".repeat(100_000), "e".repeat(100_000));
        let said = [
            "",
            "i1e",
            "le",
            "d",
            "d1:m",
            nested.as_str(),
            "d1:md11:ut_metadatai0e6:ut_pexi256eee",
            "d1:md11:ut_metadatai-1e6:ut_pexi7e12:ut_holepunchi7eee",
            "d13:metadata_sizei0ee",
            "d13:metadata_sizei-1ee",
            "d13:metadata_sizei4294967296ee",
            "d13:metadata_sizei9223372036854775808ee",
            "d4:reqqi0ee",
            "d4:reqqi-1ee",
            "d4:reqqi99999999999999999999ee",
            "d6:yourip3:abce",
            "d1:pi70000ee",
            "d1:pi-1ee",
            "d1:vi5ee",
            "d1:v20:\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}gpj.exee",
        ];
        let mut raw = Raw::greet(engine.address(), engine.hash(), id(1));
        for payload in said {
            raw.say(&[Message::Extended { id: 0, payload: Bytes::copy_from_slice(payload.as_bytes()) }]);
            // An extension that was never offered.
            raw.say(&[Message::Extended { id: 77, payload: Bytes::copy_from_slice(payload.as_bytes()) }]);
        }
        raw.fetches(&engine.content, PIECE);
        let panes = engine.session.watch(DetailKind::Peers);
        let client =
            until(Deadline::seconds(20), "the peer to be listed", || match panes.borrow().as_deref() {
                Some(Detail::Peers(peers)) => peers.first().map(|peer| peer.client.to_string()),
                _ => None,
            });
        assert!(!client.chars().any(|c| c.is_control() || c == '\u{202e}'), "{client:?}");
        assert!(client.contains("]0;x"), "{client:?} is what it said");
    });
}

#[test]
fn p10_crowds() {
    attack("peers::p10_crowds", |engine| {
        for _ in 0..2_000 {
            drop(call(engine.address()));
        }
        // From one address: more than may be greeted at once. The rest is turned away, not kept.
        let mut half_open: Vec<TcpStream> = (0..300).map(|_| call(engine.address())).collect();
        let kept = |streams: &mut Vec<TcpStream>| {
            streams.retain_mut(|stream| {
                stream.set_nonblocking(true).unwrap();
                let closed = matches!(stream.read(&mut [0]), Ok(0));
                stream.set_nonblocking(false).unwrap();
                !closed
            });
            streams.len()
        };
        until(Deadline::seconds(8), "most to be turned away", || (kept(&mut half_open) <= 16).then_some(()));
        // Meanwhile others get in, from another address.
        let honest = Engine::leeching([127, 0, 8, 9], 1, SIZE, vec![engine.address()]);
        honest.completes();
        honest.manager.shutdown();
        drop(half_open);
        // Many peers, each with a link: no more than the torrent may have.
        let links = || u64::from(engine.links());
        let crowd: Vec<_> =
            (0..150).filter_map(|n| Raw::try_greet(engine.address(), engine.hash(), id(n)).ok()).collect();
        assert!(crowd.len() >= 100, "only {} got in", crowd.len());
        until(Deadline::seconds(20), "links", || (links() == 100).then_some(()));
    });
}

#[test]
fn p11_peers_that_are_no_help() {
    alone("peers::p11_peers_that_are_no_help", || {
        let seed = Engine::seeding([127, 0, 8, 1], 7, SIZE);
        let leech = Engine::leeching([127, 0, 8, 2], 7, SIZE, Vec::new());
        let (address, hash) = (leech.address(), leech.hash());
        // Never unchokes.
        let mut never = Raw::greet(address, hash, id(1));
        never.say(&[Message::HaveAll]);
        never.until(|message| *message == Message::Interested);
        std::thread::scope(|scope| {
            // Takes requests and answers none.
            scope.spawn(|| Raw::greet(address, hash, id(2)).seed(&leech.content, PIECE, |_, _, _| None));
            // Answers a byte at a time.
            scope.spawn(|| {
                let mut raw = Raw::greet(address, hash, id(3));
                raw.say(&[Message::HaveAll, Message::Unchoke]);
                raw.until(|message| matches!(message, Message::Request { .. }));
                let header = [0, 0, 0x40, 9, 7];
                for byte in header.into_iter().chain(std::iter::repeat(0)) {
                    raw.write(&[byte]);
                    raw.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                    match raw.stream.read(&mut [0; 1_024]) {
                        Ok(0) => break,
                        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                        _ => {}
                    }
                }
            });
            // All of them hold blocks when help comes.
            let asked = || leech.links();
            until(Deadline::seconds(20), "all to be there", || (asked() == 3).then_some(()));
            leech.session.add_peer(seed.address());
            leech.completes();
            leech.manager.shutdown();
        });
        drop(never);
        seed.manager.shutdown();
    });
}

#[test]
fn one_hostile_torrent_leaves_the_others_alone() {
    alone("peers::one_hostile_torrent_leaves_the_others_alone", || {
        let engine = Engine::seeding([127, 0, 8, 1], 1, SIZE);
        let (content, metainfo) = crate::swarm::torrent(2, SIZE);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("it"), &content).unwrap();
        let options = tc_core::AddOptions {
            download_dir: Some(dir.path().to_owned()),
            ..tc_core::AddOptions::default()
        };
        engine.manager.add_metainfo(metainfo, options).unwrap();
        std::thread::scope(|scope| {
            for n in 0..4 {
                let engine = &engine;
                scope.spawn(move || {
                    for round in 0..50 {
                        let Ok(mut raw) =
                            Raw::try_greet(engine.address(), engine.hash(), id(n * 1_000 + round))
                        else {
                            continue;
                        };
                        raw.say(&vec![Message::Request { index: 0, begin: 0, length: 0 }; 5_000]);
                        raw.closes();
                    }
                });
            }
            let other = Engine::leeching([127, 0, 8, 5], 2, SIZE, vec![engine.address()]);
            other.completes();
            other.manager.shutdown();
        });
        engine.manager.shutdown();
    });
}

const _: () = assert!(PATIENCE.as_secs() > 10, "the deadline of a handshake");
