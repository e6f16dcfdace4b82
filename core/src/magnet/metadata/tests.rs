//! Swarms that have metadata, some of which lie, are slow, or say nothing.

use std::collections::HashMap;

use proptest::prelude::*;
use rustc_hash::FxHashSet;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::*;
use crate::wire::ut_metadata::PIECE_SIZE;

fn metadata(size: usize) -> Bytes {
    (0..size).map(|at| (at * 7 % 251) as u8).collect()
}

fn of(metadata: &Bytes) -> MetadataFetch {
    let hash = InfoHash::new(Sha1::digest(metadata).into());
    MetadataFetch::new(&Magnet::of_hash(&hash.to_string()).unwrap())
}

fn link(number: u64) -> LinkId {
    LinkId(number)
}

/// What a piece leads to, where a copy is hashed as soon as it is whole.
fn received(fetch: &mut MetadataFetch, now: Instant, link: LinkId, piece: u32, data: Bytes) -> Vec<Finding> {
    let findings = fetch.received(now, link, piece, None, data);
    settle(fetch, findings)
}

fn settle(fetch: &mut MetadataFetch, findings: Vec<Finding>) -> Vec<Finding> {
    let judged = |finding| match finding {
        Finding::Whole(whole) => {
            let findings = fetch.judged(whole.judge());
            settle(fetch, findings)
        }
        other => vec![other],
    };
    findings.into_iter().flat_map(judged).collect()
}

/// How a peer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Honest,
    /// Every piece is wrong.
    Liar,
    /// This piece is wrong.
    LiesOnce(u32),
    Silent,
    Rejects,
    WrongTotal,
    Short,
}

/// Plays until the metadata is there, or nothing is left to be waited for within five minutes.
struct Play {
    fetch: MetadataFetch,
    now: Instant,
    peers: HashMap<LinkId, Peer>,
    banned: Vec<LinkId>,
    asked: usize,
}

impl Play {
    fn new(whole: &Bytes, peers: &[Peer]) -> Self {
        let mut fetch = of(whole);
        let peers: HashMap<_, _> = (1..).map(link).zip(peers.iter().copied()).collect();
        let mut links: Vec<_> = peers.keys().copied().collect();
        links.sort();
        links.iter().for_each(|link| fetch.offers(*link, whole.len() as u32));
        Self { fetch, now: Instant::now(), peers, banned: Vec::new(), asked: 0 }
    }

    fn run(&mut self, whole: &Bytes) -> Option<Bytes> {
        let end = self.now + Duration::from_secs(300);
        while self.now < end {
            let asked = self.fetch.ask(self.now);
            self.asked += asked.len();
            let idle = asked.is_empty();
            for (from, piece) in asked {
                let start = (piece * PIECE_SIZE) as usize;
                let mut data =
                    whole.slice(start..start + piece_size(whole.len() as u32, piece) as usize).to_vec();
                let mut total = Some(whole.len() as u32);
                match self.peers[&from] {
                    Peer::Silent => continue,
                    Peer::Rejects => {
                        self.fetch.rejected(self.now, from, piece);
                        continue;
                    }
                    Peer::Liar => data[0] ^= 1,
                    Peer::LiesOnce(wrong) if wrong == piece => data[0] ^= 1,
                    Peer::WrongTotal => total = Some(1),
                    Peer::Short => drop(data.pop()),
                    Peer::Honest | Peer::LiesOnce(_) => {}
                }
                let findings = self.fetch.received(self.now, from, piece, total, data.into());
                for finding in settle(&mut self.fetch, findings) {
                    match finding {
                        Finding::Whole(_) => panic!("it was hashed"),
                        Finding::Complete(got) => return Some(got),
                        Finding::Lie(liar) => {
                            self.banned.push(liar);
                            self.fetch.gone(liar);
                        }
                        Finding::TwoTorrents => panic!("one torrent"),
                    }
                }
            }
            if idle {
                self.now = self.fetch.next_timeout()?.max(self.now + Duration::from_millis(1));
            }
        }
        None
    }
}

#[test]
fn several_peers_fill_one_copy_and_no_piece_comes_twice_without_need() {
    let whole = metadata(20 * PIECE_SIZE as usize + 5);
    let mut play = Play::new(&whole, &[Peer::Honest; 4]);
    let first = play.fetch.ask(play.now);
    assert_eq!(first.len(), 21 + 3, "each piece once, and what is left of the room twice");
    assert_eq!(first.iter().map(|(_, piece)| piece).collect::<FxHashSet<_>>().len(), 21);
    assert_eq!(first.iter().map(|(link, _)| link).collect::<FxHashSet<_>>().len(), 4);
    let mut play = Play::new(&whole, &[Peer::Honest; 4]);
    assert_eq!(play.run(&whole), Some(whole));
    assert!(play.banned.is_empty());
}

#[test]
fn a_claim_that_makes_no_sense_is_none() {
    let mut fetch = of(&metadata(10));
    for size in [0, MAX_METADATA + 1, u32::MAX] {
        fetch.offers(link(1), size);
        assert_eq!((fetch.sources(), fetch.progress()), (0, None), "{size}");
    }
    fetch.offers(link(1), MAX_METADATA);
    assert_eq!(fetch.ask(Instant::now()).len(), MAX_ASKED);
    assert_eq!(fetch.progress(), Some((0, 2_048)));
}

#[test]
fn who_lies_alone_is_found_at_once() {
    let whole = metadata(3 * PIECE_SIZE as usize);
    let mut play = Play::new(&whole, &[Peer::Liar]);
    assert_eq!(play.run(&whole), None);
    assert_eq!(play.banned, [link(1)]);
}

#[test]
fn a_liar_among_others_is_traced_and_does_not_stop_them() {
    let whole = metadata(30 * PIECE_SIZE as usize);
    for liar in [Peer::Liar, Peer::LiesOnce(0), Peer::LiesOnce(7)] {
        let mut play = Play::new(&whole, &[Peer::Honest, liar, Peer::Honest, Peer::Honest]);
        let got = play.run(&whole);
        assert_eq!(got.as_ref(), Some(&whole), "{liar:?}");
        assert!(play.banned.iter().all(|banned| *banned == link(2)), "{liar:?}: {:?}", play.banned);
    }
    // All of what it sent was wrong, so it was in the wrong copy.
    let mut play = Play::new(&whole, &[Peer::Honest, Peer::Liar]);
    play.run(&whole);
    assert_eq!(play.banned, [link(2)]);
}

#[test]
fn five_liars_do_not_stop_one_that_is_honest() {
    let whole = metadata(9 * PIECE_SIZE as usize);
    let mut peers = [Peer::Liar; 6];
    peers[5] = Peer::Honest;
    let mut play = Play::new(&whole, &peers);
    assert_eq!(play.run(&whole).as_ref(), Some(&whole));
    assert!(!play.banned.contains(&link(6)));
}

#[test]
fn who_is_silent_rejects_or_makes_no_sense_is_left_alone_and_not_banned() {
    let whole = metadata(9 * PIECE_SIZE as usize);
    for peer in [Peer::Silent, Peer::Rejects, Peer::WrongTotal, Peer::Short] {
        let mut play = Play::new(&whole, &[peer, Peer::Honest]);
        assert_eq!(play.run(&whole).as_ref(), Some(&whole), "{peer:?}");
        let mut play = Play::new(&whole, &[peer]);
        assert_eq!(play.run(&whole), None, "{peer:?}");
        assert!(play.banned.is_empty(), "{peer:?}");
        assert!(play.asked < 120, "{peer:?} was asked {} times in five minutes", play.asked);
    }
}

#[test]
fn peers_that_claim_another_size_do_not_disturb() {
    let whole = metadata(3 * PIECE_SIZE as usize);
    let mut fetch = of(&whole);
    let now = Instant::now();
    for liar in 10..30 {
        fetch.offers(link(liar), 1_000_000 + liar as u32);
    }
    fetch.offers(link(1), whole.len() as u32);
    let asked = fetch.ask(now);
    let ours: Vec<_> = asked.iter().filter(|(from, _)| *from == link(1)).map(|(_, piece)| *piece).collect();
    assert_eq!(ours, [0, 1, 2]);
    let mut last = Vec::new();
    for piece in ours {
        let start = (piece * PIECE_SIZE) as usize;
        last = received(&mut fetch, now, link(1), piece, whole.slice(start..start + PIECE_SIZE as usize));
    }
    assert_eq!(last, [Finding::Complete(whole)]);
}

#[test]
fn what_all_copies_hold_is_bounded() {
    let mut fetch = of(&metadata(10));
    let now = Instant::now();
    for liar in 0..4 {
        fetch.offers(link(liar), MAX_METADATA - liar as u32);
    }
    for _ in 0..2_000 {
        for (from, piece) in fetch.ask(now) {
            let size = piece_size(fetch.sources[&from].size, piece) as usize;
            fetch.received(now, from, piece, None, vec![0; size].into());
        }
        assert!(fetch.copies.values().map(Copy::held).sum::<usize>() <= MAX_HELD);
    }
}

#[test]
fn a_link_of_two_torrents_is_nobodys_lie() {
    let whole = metadata(100);
    let hash = InfoHash::new(Sha1::digest(&whole).into());
    let text = format!("magnet:?xt=urn:btih:{hash}&xt=urn:btmh:1220{}", "ab".repeat(32));
    let mut fetch = MetadataFetch::new(&Magnet::parse(&text).unwrap());
    let now = Instant::now();
    fetch.offers(link(1), 100);
    assert_eq!(fetch.ask(now), [(link(1), 0)]);
    assert_eq!(received(&mut fetch, now, link(1), 0, whole), [Finding::TwoTorrents]);
}

/// Metadata whose SHA-256 is named so, in full or in short, is taken, and no other.
fn is_checked_by(name: impl FnOnce(InfoHashV2) -> String) {
    let whole = metadata(100);
    let hash = InfoHashV2::new(Sha256::digest(&whole).into());
    let mut fetch = MetadataFetch::new(&Magnet::of_hash(&name(hash)).unwrap());
    let now = Instant::now();
    fetch.offers(link(1), 100);
    fetch.offers(link(2), 100);
    assert_eq!(fetch.ask(now).len(), 2);
    assert_eq!(received(&mut fetch, now, link(2), 0, metadata(101).slice(1..)), [Finding::Lie(link(2))]);
    assert_eq!(received(&mut fetch, now, link(1), 0, whole.clone()), [Finding::Complete(whole)]);
}

#[test]
fn a_v2_link_is_checked_by_its_hash() {
    is_checked_by(|hash| hash.to_string());
}

#[test]
fn a_short_v2_hash_is_a_hash_too() {
    is_checked_by(|hash| hash.truncated().to_string());
}

proptest! {
    #[test]
    fn any_swarm_with_an_honest_peer_gets_there(
        size in 1_usize..400_000,
        peers in proptest::collection::vec(0_usize..7, 0..8),
        honest in 0_usize..8,
    ) {
        let kinds = [
            Peer::Honest, Peer::Liar, Peer::LiesOnce(0), Peer::Silent, Peer::Rejects, Peer::WrongTotal, Peer::Short,
        ];
        let mut peers: Vec<_> = peers.into_iter().map(|kind| kinds[kind]).collect();
        peers.insert(honest.min(peers.len()), Peer::Honest);
        let whole = metadata(size);
        let mut play = Play::new(&whole, &peers);
        prop_assert_eq!(play.run(&whole), Some(whole));
        for liar in &play.banned {
            prop_assert!(matches!(play.peers[liar], Peer::Liar | Peer::LiesOnce(_)), "{:?}", liar);
        }
    }
}

#[test]
fn while_a_copy_is_hashed_nobody_is_asked_for_it_and_another_waits() {
    let (whole, now) = (metadata(5), Instant::now());
    let mut fetch = of(&whole);
    (1..=2).for_each(|number| fetch.offers(link(number), 5));
    fetch.offers(link(3), 7);
    assert_eq!(fetch.ask(now), [(link(1), 0), (link(2), 0), (link(3), 0)]);
    let wrong = Bytes::from_static(b"wrong");
    let [Finding::Whole(first)] = &fetch.received(now, link(1), 0, None, wrong.clone())[..] else { panic!() };
    assert_eq!(fetch.progress(), Some((1, 1)), "all of it is there");
    // The others answer meanwhile: what is of the same copy is too late, and what is of another waits.
    assert_eq!(fetch.received(now, link(2), 0, None, whole.clone()), []);
    assert_eq!(fetch.received(now, link(3), 0, None, vec![0; 7].into()), []);
    assert_eq!(fetch.ask(now), []);
    let findings = fetch.judged(first.clone().judge());
    let [Finding::Lie(liar), Finding::Whole(second)] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!(*liar, link(1));
    // Now somebody else is asked for the first, while the second is hashed.
    assert_eq!(fetch.ask(now), [(link(2), 0)]);
    assert_eq!(fetch.judged(second.clone().judge()), [Finding::Lie(link(3))]);
    let findings = fetch.received(now, link(2), 0, None, whole.clone());
    assert_eq!(settle(&mut fetch, findings), [Finding::Complete(whole)]);
}

#[test]
fn what_could_not_be_hashed_is_fetched_again() {
    let (whole, now) = (metadata(5), Instant::now());
    let mut fetch = of(&whole);
    fetch.offers(link(1), 5);
    for _ in 0..2 {
        assert_eq!(fetch.ask(now), [(link(1), 0)]);
        assert!(matches!(fetch.received(now, link(1), 0, None, whole.clone())[..], [Finding::Whole(_)]));
        assert_eq!(fetch.ask(now), []);
        fetch.not_judged();
    }
}
