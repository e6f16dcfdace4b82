//! Peers that lie about content, among honest ones (row P6 of the catalogue of faults): who lied is
//! banned, nobody else is, and the content is right.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tc_core::wire::message::Message;
use tc_core::{Delivery, Event, Subscription};

use crate::alone::alone;
use crate::raw::Raw;
use crate::swarm::{Engine, PIECE};
use crate::wait::{Deadline, until};

const BLOCK: u32 = 16 * 1024;
const PIECES: u32 = 32;
const SIZE: usize = (PIECES * PIECE) as usize;

/// Slow enough that links share pieces, fast enough for a test.
const PACE: Duration = Duration::from_millis(60);

/// A peer takes its time.
fn pace(time: Duration) {
    std::thread::park_timeout(time);
}

fn id(n: u32) -> [u8; 20] {
    let mut id = *b"-XX0000-............";
    id[8..12].copy_from_slice(&n.to_be_bytes());
    id
}

/// Everybody who was banned so far, and the pieces that failed.
#[derive(Default)]
struct Heard {
    banned: BTreeSet<SocketAddr>,
    failed: Vec<u32>,
}

impl Heard {
    fn listen(&mut self, events: &mut Subscription) {
        while let Some(delivery) = events.try_next() {
            let Delivery::Event(tagged) = delivery else { continue };
            match &*tagged.event {
                Event::PeerBanned { address, .. } => _ = self.banned.insert(*address),
                Event::PieceHashFailed { index, .. } => self.failed.push(index.get()),
                _ => {}
            }
        }
    }
}

/// A fetching engine, what it publishes of lies, and no peers yet.
fn engine() -> (Engine, Subscription) {
    let leech = Engine::leeching([127, 0, 8, 2], 7, SIZE, Vec::new());
    let events = leech.session.subscribe("peer.banned piece.hash_failed").unwrap();
    (leech, events)
}

/// Waits until exactly these are banned.
fn only_banned(events: &mut Subscription, liars: &[SocketAddr]) -> Heard {
    let (mut heard, liars) = (Heard::default(), liars.iter().copied().collect::<BTreeSet<_>>());
    until(Deadline::seconds(30), "every liar to be banned", || {
        heard.listen(events);
        heard.banned.is_superset(&liars).then_some(())
    });
    assert_eq!(heard.banned, liars, "an honest peer was banned");
    heard
}

fn turned(mut data: Vec<u8>) -> Vec<u8> {
    data[3] ^= 0x40;
    data
}

#[test]
fn one_that_is_good_and_bad_by_turns_is_banned_and_its_company_is_not() {
    alone("lies::one_that_is_good_and_bad_by_turns_is_banned_and_its_company_is_not", || {
        let (leech, mut events) = engine();
        std::thread::scope(|scope| {
            let peers: Vec<Raw> = (0..4).map(|n| Raw::greet(leech.address(), leech.hash(), id(n))).collect();
            let liars = [peers[0].stream.local_addr().unwrap(), peers[1].stream.local_addr().unwrap()];
            for (n, mut raw) in (0_u32..).zip(peers) {
                let content = &leech.content;
                scope.spawn(move || {
                    let mut turn = 0;
                    raw.seed(content, PIECE, |_, _, data| {
                        pace(PACE);
                        turn += 1;
                        // Two liars, not in step.
                        let lies = n < 2 && turn % (2 + n) == 0;
                        Some(if lies { turned(data) } else { data })
                    });
                });
            }
            leech.completes();
            let heard = only_banned(&mut events, &liars);
            // Each lie costs a piece or two; what else they had begun is not waited for to fail.
            assert!(heard.failed.len() <= 12, "{:?} failed", heard.failed);
            leech.manager.shutdown();
        });
    });
}

#[test]
fn one_that_lies_only_in_the_endgame_is_banned_and_a_late_block_is_no_fault() {
    alone("lies::one_that_lies_only_in_the_endgame_is_banned_and_a_late_block_is_no_fault", || {
        let (leech, mut events) = engine();
        let (lied, served) = (AtomicBool::new(false), AtomicU32::new(0));
        // All but the blocks of a few pieces were asked for before this one: what is asked for now is the endgame, or
        // nearly. Figures of the engine would come too late where the machine is busy.
        let (leech, lied, served) = (&leech, &lied, &served);
        let late =
            move || served.fetch_add(1, Ordering::Relaxed) + 3 * (PIECE / BLOCK) >= PIECES * (PIECE / BLOCK);
        std::thread::scope(|scope| {
            let mut honest = Raw::greet(leech.address(), leech.hash(), id(1));
            let mut liar = Raw::greet(leech.address(), leech.hash(), id(2));
            let name = liar.stream.local_addr().unwrap();
            scope.spawn(move || {
                honest.seed(&leech.content, PIECE, |_, _, data| {
                    // Asked for in the endgame, it answers late: after the cancel that follows the lie.
                    if late() {
                        until(Deadline::seconds(30), "a lie", || lied.load(Ordering::Relaxed).then_some(()));
                        pace(PACE);
                    }
                    Some(data)
                });
            });
            scope.spawn(move || {
                liar.seed(&leech.content, PIECE, |_, _, data| {
                    pace(Duration::from_millis(5));
                    let lies = late();
                    lied.fetch_or(lies, Ordering::Relaxed);
                    Some(if lies { turned(data) } else { data })
                });
            });
            leech.completes();
            only_banned(&mut events, &[name]);
            leech.manager.shutdown();
        });
    });
}

/// Asks two peers for the last block of a torrent, has the first answer it, and the second only once
/// the piece is verified. Gives the second, and its request.
fn late_block(leech: &Engine) -> (Raw, Raw, (u32, u32)) {
    let mut first = Raw::greet(leech.address(), leech.hash(), id(1));
    let mut second = Raw::greet(leech.address(), leech.hash(), id(2));
    // Two pieces, so that neither is a seed: those are let go at the end.
    let bits = |bits: [u8; 4]| Message::Bitfield(Bytes::copy_from_slice(&bits));
    first.say(&[bits([0x80, 0, 0, 0]), Message::Unchoke]);
    second.say(&[bits([0x80, 0, 0, 0])]);
    // The first is asked for all four blocks, and keeps the last one back.
    let mut owed = None;
    for _ in 0..PIECE / BLOCK {
        let request = first.until(|message| matches!(message, Message::Request { .. }));
        let Message::Request { index, begin, .. } = request else { unreachable!() };
        match owed {
            None => owed = Some((index, begin)),
            Some(_) => first.say(&[block(leech, index, begin)]),
        }
    }
    let owed = owed.expect("four requests came");
    second.say(&[Message::Unchoke]);
    second.until(
        |message| matches!(message, Message::Request { index, begin, .. } if (*index, *begin) == owed),
    );
    first.say(&[block(leech, owed.0, owed.1)]);
    second
        .until(|message| matches!(message, Message::Cancel { index, begin, .. } if (*index, *begin) == owed));
    until(Deadline::seconds(20), "the piece", || {
        leech.session.stats().filter(|stats| stats.pieces_have == 1).map(drop)
    });
    (first, second, owed)
}

fn block(engine: &Engine, index: u32, begin: u32) -> Message {
    let start = (index * PIECE + begin) as usize;
    let data = Bytes::copy_from_slice(&engine.content[start..start + BLOCK as usize]);
    Message::Piece { index, begin, data }
}

#[test]
fn a_late_block_after_a_cancel_is_no_fault() {
    alone("lies::a_late_block_after_a_cancel_is_no_fault", || {
        let (leech, mut events) = engine();
        let (_first, mut second, owed) = late_block(&leech);
        second.say(&[block(&leech, owed.0, owed.1)]);
        serves_piece_0(&leech, &mut second);
        let mut heard = Heard::default();
        heard.listen(&mut events);
        assert!(heard.banned.is_empty() && heard.failed.is_empty());
        leech.manager.shutdown();
    });
}

#[test]
fn a_late_lie_is_not_written_over_the_verified_piece_and_bans() {
    alone("lies::a_late_lie_is_not_written_over_the_verified_piece_and_bans", || {
        let (leech, mut events) = engine();
        let (mut first, mut second, (index, begin)) = late_block(&leech);
        let name = second.stream.local_addr().unwrap();
        second.say(&[Message::Piece { index, begin, data: vec![0; BLOCK as usize].into() }]);
        second.closes();
        only_banned(&mut events, &[name]);
        serves_piece_0(&leech, &mut first);
        assert_eq!(leech.manager.bans().len(), 1);
        leech.manager.shutdown();
    });
}

/// The link is alive, and what the engine has of the piece is right.
fn serves_piece_0(leech: &Engine, raw: &mut Raw) {
    raw.say(&[Message::Interested]);
    raw.until(|message| *message == Message::Unchoke);
    for begin in (0..PIECE).step_by(BLOCK as usize) {
        raw.say(&[Message::Request { index: 0, begin, length: BLOCK }]);
        let got = raw.until(|message| matches!(message, Message::Piece { .. }));
        assert!(got == block(leech, 0, begin), "the block at {begin} is wrong");
    }
}

#[test]
fn a_person_bans_a_peer_and_lifts_it() {
    alone("lies::a_person_bans_a_peer_and_lifts_it", || {
        let seed = Engine::seeding([127, 0, 8, 1], 7, SIZE);
        let raw = Raw::greet(seed.address(), seed.hash(), id(1));
        let name = raw.stream.local_addr().unwrap();
        let mut events = seed.manager.subscribe_all("peer.banned").unwrap();
        assert!(seed.manager.ban(name));
        raw.closes();
        only_banned(&mut events, &[name]);
        let bans = seed.manager.bans();
        assert_eq!((bans.len(), bans[0].reason.to_string().as_str()), (1, "banned by hand"));
        assert!(seed.manager.shared().is_banned(name));
        assert!(seed.manager.lift_ban(bans[0].target));
        assert!(!seed.manager.shared().is_banned(name));
        seed.manager.shutdown();
    });
}

#[test]
fn the_only_seed_lies_and_is_not_called_again_though_a_person_named_it() {
    alone("lies::the_only_seed_lies_and_is_not_called_again_though_a_person_named_it", || {
        let (leech, mut events) = engine();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = listener.local_addr().unwrap();
        leech.session.add_peer(name);
        // The first call is encrypted, which it does not know.
        let answer = |_| Raw::answer(listener.accept().unwrap().0, leech.hash(), id(1)).ok();
        let mut raw = (0..2).find_map(answer).expect("a plain call");
        raw.seed(&leech.content, PIECE, |_, _, data| Some(turned(data)));
        let heard = only_banned(&mut events, &[name]);
        assert!(heard.failed.len() <= 2, "{:?} failed", heard.failed);
        // One that was named is called again 2 s after its first failure.
        listener.set_nonblocking(true).unwrap();
        let silence = Deadline::seconds(5);
        while silence.left().is_some() {
            assert!(listener.accept().is_err(), "it was called again");
            pace(PACE);
        }
        leech.manager.shutdown();
    });
}
