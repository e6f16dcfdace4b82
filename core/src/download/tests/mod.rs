//! The decisions of the download, one by one.

mod cost;
mod invariants;
mod model;
mod smart_ban;
mod swarm;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::*;
use crate::types::BLOCK_SIZE;

fn bits(text: &str) -> Bitfield {
    let mut bits = Bitfield::new(text.len() as u32);
    for (at, _) in text.char_indices().filter(|(_, bit)| *bit == '1') {
        bits.set(PieceIndex::new(at as u32));
    }
    bits
}

fn link(n: usize) -> LinkId {
    LinkId(n as u64)
}

fn piece(index: u32) -> PieceIndex {
    PieceIndex::new(index)
}

fn block(index: u32, number: u32) -> BlockRef {
    BlockRef { piece: piece(index), block: number }
}

/// A download over links 0, 1, ... that have these pieces, of four blocks each.
fn swarm(have: &str, peers: &[&str], seed: u64) -> DownloadManager {
    let pieces = have.len() as u64;
    let geometry = Geometry::new(pieces * 4 * u64::from(BLOCK_SIZE), 4 * BLOCK_SIZE).unwrap();
    let mut download = DownloadManager::new(geometry, bits(have), seed);
    for (n, peer) in peers.iter().enumerate() {
        download.link_joined(link(n));
        download.link_pieces(link(n), PeerPieces::Some(bits(peer)));
    }
    download.check_invariants();
    download
}

/// Like [`deal_as`], without the invariants, which cost time in large torrents.
fn deal_unchecked(download: &mut DownloadManager, to: usize, n: u32) -> Vec<BlockRef> {
    let mut out = Vec::new();
    download.deal(Instant::now(), link(to), n, LinkSpeed::Fast, &mut out);
    out
}

fn deal_as(download: &mut DownloadManager, to: usize, n: u32, speed: LinkSpeed) -> Vec<BlockRef> {
    let mut out = Vec::new();
    download.deal(Instant::now(), link(to), n, speed, &mut out);
    download.check_invariants();
    out
}

fn deal(download: &mut DownloadManager, to: usize, n: u32) -> Vec<BlockRef> {
    deal_as(download, to, n, LinkSpeed::Fast)
}

fn pieces_of(blocks: &[BlockRef]) -> Vec<u32> {
    let mut pieces: Vec<u32> = blocks.iter().map(|block| block.piece.get()).collect();
    pieces.dedup();
    pieces
}

fn fetch(download: &mut DownloadManager, from: usize, index: u32) {
    for number in 0..4 {
        download.arrived(link(from), block(index, number));
    }
}

/// The pieces that link 0 is dealt, in order, of the seven to ten pieces; we have `ours`.
fn check(ours: &str, peers: &[&str], blocks: u32, want: &[u32]) {
    for seed in 0..20 {
        let mut download = swarm(ours, peers, seed);
        assert_eq!(pieces_of(&deal(&mut download, 0, blocks)), want, "{ours} {peers:?} seed {seed}");
    }
}

#[test]
fn rarest_first() {
    check("1111000", &["1111111", "0000110", "0000100"], 12, &[6, 5, 4]);
    check("1111000", &["0000011", "0000110", "0000110"], 8, &[6, 5]);
    check("1111000", &["0000000", "0000110", "0000110"], 8, &[]);
    check("1111111", &["1111111"], 8, &[]);
}

#[test]
fn seeds_do_not_change_the_order() {
    check("1111000", &["1111111", "0000110", "0000100", "1111111", "1111111"], 12, &[6, 5, 4]);
}

#[test]
fn equals_come_in_random_order() {
    let firsts: BTreeSet<u32> =
        (0..200).map(|seed| deal(&mut swarm("11110000", &["11111111"], seed), 0, 1)[0].piece.get()).collect();
    assert_eq!(firsts, BTreeSet::from([4, 5, 6, 7]));
}

#[test]
fn the_first_pieces_are_random_not_rare() {
    // Piece 7 is the rarest of what we lack; with three pieces it is one of five, with four it is first.
    let first = |ours: &str, seed| {
        deal(&mut swarm(ours, &["11111111", "11111110", "11111110"], seed), 0, 1)[0].piece.get()
    };
    let firsts: BTreeSet<u32> = (0..200).map(|seed| first("11100000", seed)).collect();
    assert_eq!(firsts, BTreeSet::from([3, 4, 5, 6, 7]));
    assert!((0..200).all(|seed| first("11110000", seed) == 7));
}

#[test]
fn the_first_pieces_of_a_poor_peer_are_found() {
    let have = "0".repeat(2_000);
    let mut peer = have.clone();
    peer.replace_range(1_234..1_235, "1");
    assert_eq!(pieces_of(&deal(&mut swarm(&have, &[&peer], 1), 0, 9)), [1_234]);
}

#[test]
fn finish_what_began() {
    for seed in 0..20 {
        let mut download = swarm("1111000000", &["1111111111", "1111111111"], seed);
        let begun = deal(&mut download, 0, 2);
        download.arrived(link(0), begun[0]);
        download.link_gone(link(0));
        download.check_invariants();
        // What is left of it comes first for the next link, whatever its speed.
        let speed = [LinkSpeed::Slow, LinkSpeed::Medium, LinkSpeed::Fast][seed as usize % 3];
        let next = deal_as(&mut download, 1, 5, speed);
        let left = (1..4).map(|number| BlockRef { piece: begun[0].piece, block: number });
        assert_eq!(next[..3], left.collect::<Vec<_>>());
        assert_ne!(next[3].piece, begun[0].piece);
    }
}

#[test]
fn a_link_goes_on_with_its_own_piece() {
    let mut download = swarm("11110000", &["11111111"], 3);
    let mut pieces = Vec::new();
    for _ in 0..8 {
        let dealt = deal_as(&mut download, 0, 1, LinkSpeed::Slow);
        pieces.push(dealt[0].piece);
        download.arrived(link(0), dealt[0]);
    }
    pieces.dedup();
    assert_eq!(pieces.len(), 2);
}

#[test]
fn fast_links_have_pieces_to_themselves_and_slow_ones_share() {
    let all = "1".repeat(60);
    let peers: Vec<&str> = std::iter::repeat_n(all.as_str(), 16).collect();
    let ours = "1111".to_owned() + &"0".repeat(56);
    let pieces_begun = |speed| {
        let mut download = swarm(&ours, &peers, 5);
        let mut shares = std::collections::BTreeMap::<PieceIndex, u32>::new();
        for n in 0..16 {
            *shares.entry(deal_as(&mut download, n, 1, speed)[0].piece).or_default() += 1;
        }
        (shares.len(), shares.into_values().max().unwrap())
    };
    assert_eq!(pieces_begun(LinkSpeed::Fast), (16, 1));
    assert_eq!(pieces_begun(LinkSpeed::Medium), (8, 2));
    assert_eq!(pieces_begun(LinkSpeed::Slow), (4, 4));
}

#[test]
fn what_a_choked_link_began_is_finished_by_others() {
    for seed in 0..20 {
        let mut download = swarm("1111000000", &["1111111111", "1111111111"], seed);
        let begun = deal(&mut download, 0, 4);
        download.arrived(link(0), begun[0]);
        for block in &begun[1..] {
            download.returned(link(0), *block);
        }
        assert_eq!(deal(&mut download, 1, 3), begun[1..]);
    }
}

#[test]
fn nothing_received_means_not_begun() {
    let mut download = swarm("11110000", &["11111111"], 1);
    for block in deal(&mut download, 0, 10) {
        download.returned(link(0), block);
    }
    download.check_invariants();
    assert_eq!((download.partials(), download.assigned()), (0, 0));
}

#[test]
fn what_has_begun_is_bounded() {
    // A link whose blocks time out here and there, in many pieces, and one that looks for work.
    let work = |begun: u32| {
        let mut download = swarm(&("1111".to_owned() + &"0".repeat(60)), &["1".repeat(64).as_str(); 2], 5);
        let dealt = deal(&mut download, 0, 4 * begun);
        for block in dealt.iter().filter(|block| block.block == 2) {
            download.returned(link(0), *block);
        }
        let next = deal(&mut download, 1, 1);
        dealt.contains(&next[0])
    };
    assert!(!work(10), "a piece of its own");
    assert!(work(11), "three halves of two links, and eight: help with what has begun");
}

#[test]
fn many_common_pieces_do_not_hide_a_rare_one() {
    let n = 6_000;
    let common = "0".repeat(n / 2) + &"1".repeat(n / 2 - 1) + "0";
    let ours = "1111".to_owned() + &"0".repeat(n - 4);
    for seed in 0..4 {
        let mut download = swarm(&ours, &[&common, &common], seed);
        download.link_has(link(0), piece(n as u32 - 1));
        assert_eq!(deal_unchecked(&mut download, 0, 1), [block(n as u32 - 1, 0)]);
    }
}

#[test]
fn priority_goes_before_rarity_and_before_what_began() {
    let mut download = swarm("1111000000", &["1111111111", "0000000001"], 2);
    deal(&mut download, 0, 1);
    download.set_priorities([
        (piece(9), Priority::High),
        (piece(4), Priority::Skip),
        (piece(5), Priority::Low),
        (piece(6), Priority::Low),
    ]);
    download.check_invariants();
    let dealt = pieces_of(&deal(&mut download, 0, 100));
    assert_eq!(dealt[0], 9);
    assert!(dealt.iter().position(|p| *p == 5).unwrap() >= dealt.len() - 3);
    assert!(!dealt.contains(&4));
}

#[test]
fn skipped_pieces_cost_no_interest() {
    let mut download = swarm("1100", &["0010", "0001"], 2);
    assert_eq!(download.missing_bytes(), 8 * u64::from(BLOCK_SIZE));
    download.set_priorities([(piece(2), Priority::Skip)]);
    download.check_invariants();
    assert!(!download.interested_in(link(0)) && download.interested_in(link(1)));
    assert_eq!(download.missing_bytes(), 4 * u64::from(BLOCK_SIZE));
    assert_eq!(deal(&mut download, 0, 8), []);
    deal(&mut download, 1, 8);
    fetch(&mut download, 1, 3);
    assert_eq!(download.verified(piece(3)), Some(Verified { finished: true }));
    assert!(download.is_finished() && !download.is_complete());
    download.set_priorities([(piece(2), Priority::Normal)]);
    assert!(download.interested_in(link(0)) && !download.is_finished());
}

#[test]
fn a_piece_is_fetched_verified_and_announced_once() {
    let mut download = swarm("1110", &["1111", "1111"], 2);
    let dealt = deal(&mut download, 0, 8);
    assert_eq!(dealt, (0..4).map(|number| block(3, number)).collect::<Vec<_>>());
    for number in 0..4 {
        let fresh = Arrived::Fresh { cancel: vec![], piece_full: number == 3 };
        assert_eq!(download.arrived(link(0), block(3, number)), fresh);
        assert_eq!(download.arrived(link(1), block(3, number)), Arrived::Duplicate);
        download.check_invariants();
    }
    assert_eq!(deal(&mut download, 1, 8), []);
    assert_eq!(download.verified(piece(3)), Some(Verified { finished: true }));
    assert_eq!(download.verified(piece(3)), None);
    download.check_invariants();
    assert!(download.is_complete() && !download.interested_in(link(0)));
    assert_eq!(download.have_bytes(), download.wanted_bytes());
    download.lost(piece(3));
    download.check_invariants();
    assert!(!download.is_complete() && download.interested_in(link(0)));
    assert_eq!(download.missing_bytes(), 4 * u64::from(BLOCK_SIZE));
}

#[test]
fn late_blocks_are_used() {
    let mut download = swarm("1110", &["1111", "1111"], 2);
    deal(&mut download, 0, 4);
    download.returned(link(0), block(3, 1));
    assert_eq!(deal(&mut download, 1, 1), [block(3, 1)]);
    // It comes from the first link after all; the second is told.
    let fresh = Arrived::Fresh { cancel: vec![link(1)], piece_full: false };
    assert_eq!(download.arrived(link(0), block(3, 1)), fresh);
    assert_eq!(download.arrived(link(1), block(3, 1)), Arrived::Duplicate);
    // Of a piece that has not begun, and out of range.
    let mut download = swarm("1110", &["1111"], 2);
    assert_eq!(download.arrived(link(0), block(3, 2)), Arrived::Fresh { cancel: vec![], piece_full: false });
    assert_eq!(download.arrived(link(0), block(3, 4)), Arrived::Duplicate);
    assert_eq!(download.arrived(link(0), block(4, 0)), Arrived::Duplicate);
    download.check_invariants();
    assert_eq!(deal(&mut download, 0, 8), [block(3, 0), block(3, 1), block(3, 3)]);
}

#[test]
fn endgame_without_floods() {
    let peers = ["1111111111"; 6];
    let mut download = swarm("1111111100", &peers, 4);
    assert_eq!(deal_as(&mut download, 0, 7, LinkSpeed::Fast).len(), 7);
    assert!(!download.in_endgame());
    // The last missing block is no extra; then up to four.
    let last = deal(&mut download, 1, 50);
    assert_eq!(last.len(), 1 + 4);
    assert!(download.in_endgame());
    // Nothing more until one of them comes, however often it is asked for.
    assert_eq!(deal(&mut download, 1, 50), []);
    assert_eq!(deal_as(&mut download, 2, 50, LinkSpeed::Slow).len(), 1);
    assert_eq!(deal_as(&mut download, 2, 50, LinkSpeed::Slow), []);
    for n in 3..6 {
        deal(&mut download, n, 50);
    }
    let mut asked = 0;
    for number in 0..8 {
        let block = block(8 + number / 4, number % 4);
        let takers: Vec<LinkId> = download.flights.takers(block).iter().collect();
        assert!((1..=3).contains(&takers.len()), "{takers:?}");
        asked += takers.len();
        let Arrived::Fresh { cancel, .. } = download.arrived(takers[0], block) else { panic!() };
        assert_eq!(cancel, takers[1..], "whoever has it still in flight is told");
        for other in cancel {
            assert_eq!(download.arrived(other, block), Arrived::Duplicate);
        }
        download.check_invariants();
    }
    assert!(asked <= 8 + 1 + 4 * 4);
    assert_eq!(download.assigned(), 0);
    assert!(!download.in_endgame());
}

#[test]
fn endgame_does_not_wait_for_pieces_that_nobody_has() {
    let mut download = swarm("1111110000", &["1111111110", "1111111110"], 4);
    assert_eq!(deal(&mut download, 0, 12).len(), 12);
    assert!(download.in_endgame());
    assert_eq!(deal(&mut download, 1, 12).len(), 4);
}

#[test]
fn a_failed_piece_goes_to_one_link_that_had_no_part_in_it() {
    let mut download = swarm("1111111110", &["1111111111"; 4], 4);
    deal_as(&mut download, 0, 2, LinkSpeed::Slow);
    deal_as(&mut download, 1, 2, LinkSpeed::Slow);
    for number in 0..4 {
        download.arrived(link(number as usize / 2), block(9, number));
    }
    assert_eq!(download.failed(piece(9)), Blame { sole: None, suspects: vec![link(0), link(1)] });
    download.check_invariants();
    assert_eq!(deal(&mut download, 2, 1), [block(9, 0)]);
    for other in [0, 1, 3] {
        assert_eq!(deal(&mut download, other, 8), [], "link 2 has it alone");
    }
    assert_eq!(deal(&mut download, 2, 8).len(), 3);
    fetch(&mut download, 2, 9);
    assert_eq!(download.failed(piece(9)), Blame { sole: Some(link(2)), suspects: vec![link(2)] });
    // Link 2 chokes us half way through: the next innocent one goes on.
    assert_eq!(deal(&mut download, 3, 8).len(), 4);
    fetch(&mut download, 3, 9);
    assert_eq!(download.verified(piece(9)), Some(Verified { finished: true }));
    assert!(download.retries.is_empty());
}

#[test]
fn a_suspect_does_something_else_first() {
    let mut download = swarm("1111111100", &["1111111101", "1111111111"], 4);
    deal(&mut download, 0, 4);
    fetch(&mut download, 0, 9);
    download.failed(piece(9));
    download.link_has(link(0), piece(8));
    assert_eq!(pieces_of(&deal(&mut download, 0, 8)), [8]);
    assert_eq!(pieces_of(&deal(&mut download, 1, 4)), [9]);
}

#[test]
fn a_suspect_may_retry_when_it_would_be_idle() {
    let mut download = swarm("1111111100", &["1111111101"], 4);
    deal(&mut download, 0, 4);
    fetch(&mut download, 0, 9);
    download.failed(piece(9));
    assert_eq!(deal(&mut download, 0, 8).len(), 4);
}

/// Fails a piece that all of these links sent a block of.
fn spoil(download: &mut DownloadManager, index: u32, from: [usize; 4]) {
    for (number, from) in (0..).zip(from) {
        download.arrived(link(from), block(index, number));
    }
    download.failed(piece(index));
    download.check_invariants();
}

#[test]
fn what_failed_is_fetched_before_anything_else() {
    let mut download = swarm("1111110000", &["1111111111"; 3], 4);
    spoil(&mut download, 9, [0, 0, 1, 1]);
    assert_eq!(pieces_of(&deal(&mut download, 2, 4)), [9]);
}

#[test]
fn after_three_failures_a_piece_has_one_sender() {
    let mut download = swarm("1111111110", &["1111111111"; 3], 4);
    for _ in 0..3 {
        spoil(&mut download, 9, [0, 1, 0, 1]);
    }
    let now = Instant::now();
    let hand = |download: &mut DownloadManager, to: usize, after: u64| {
        let mut out = Vec::new();
        download.deal(now + Duration::from_secs(after), link(to), 2, LinkSpeed::Fast, &mut out);
        download.check_invariants();
        out
    };
    // Link 2 begins and is choked half way through. Others wait: it may go on in a moment.
    for block in hand(&mut download, 2, 0) {
        download.arrived(link(2), block);
    }
    assert_eq!(hand(&mut download, 0, 1), []);
    assert_eq!(hand(&mut download, 1, 50), []);
    assert_eq!(download.take_restarts(), []);
    assert_eq!(hand(&mut download, 0, 61), []);
    assert_eq!(download.take_restarts(), [piece(9)]);
    // Until the disk has dropped what was there nobody gets it.
    for to in 0..3 {
        assert_eq!(hand(&mut download, to, 62), []);
    }
    assert_eq!(download.take_restarts(), []);
    download.restarted(piece(9));
    assert_eq!(hand(&mut download, 0, 63), [block(9, 0), block(9, 1)]);
    // One that is gone is not waited for.
    download.arrived(link(0), block(9, 0));
    download.link_gone(link(0));
    assert_eq!(hand(&mut download, 1, 64), []);
    assert_eq!(download.take_restarts(), [piece(9)]);
}

#[test]
fn what_a_liar_sent_is_missing_again() {
    let mut download = swarm("1111111110", &["1111111111"; 2], 4);
    deal(&mut download, 0, 2);
    download.arrived(link(0), block(9, 0));
    download.arrived(link(0), block(9, 1));
    download.disowned(block(9, 1));
    download.disowned(block(9, 3));
    download.check_invariants();
    assert_eq!(deal(&mut download, 1, 9), [block(9, 1), block(9, 2), block(9, 3)]);
}

#[test]
fn availability_does_not_drift() {
    let mut download = swarm("1100", &["1110", "1000"], 1);
    assert_eq!(download.availability(), 750);
    let all = PeerPieces::All;
    // The same bitfield again, have all in mid-connection, twice, and back to a bitfield.
    for (pieces, want) in [
        (PeerPieces::Some(bits("1110")), 750),
        (all.clone(), 1_500),
        (all.clone(), 1_500),
        (PeerPieces::Some(bits("1111")), 1_500),
        (PeerPieces::Some(bits("0000")), 500),
        (PeerPieces::Some(bits("11111")), 500),
    ] {
        download.link_pieces(link(0), pieces);
        download.check_invariants();
        assert_eq!(download.availability(), want);
    }
    for index in [2, 2, 3, 0, 1, 1] {
        download.link_has(link(0), piece(index));
        download.check_invariants();
    }
    assert!(download.is_seed(link(0)));
    download.link_gone(link(0));
    download.link_gone(link(0));
    download.check_invariants();
    assert_eq!(download.availability(), 500);
    assert_eq!(download.rarest(), Some((0, 2)));
}

#[test]
fn a_check_starts_over() {
    let mut download = swarm("0000", &["1111"], 1);
    deal(&mut download, 0, 6);
    download.reset_have(bits("1010"));
    download.check_invariants();
    assert_eq!(download.assigned(), 0);
    assert_eq!(download.have_bytes(), 8 * u64::from(BLOCK_SIZE));
    assert_eq!(deal(&mut download, 0, 100).len(), 8);
}

#[test]
fn a_shortlist_is_used_up_before_the_next_search() {
    // The rarest pieces are all out of link 0's reach, so it is served from samples.
    let n = 4_000;
    let rare = "1".repeat(n / 2) + &"0".repeat(n / 2);
    let common = "0".repeat(n / 2) + &"1".repeat(n / 2);
    let ours = "0".repeat(n / 2) + "1111" + &"0".repeat(n / 2 - 4);
    let mut download = swarm(&ours, &[&common, &common, &rare], 1);
    let start = Instant::now();
    let mut out = Vec::new();
    let mut looks = Vec::new();
    for at in 0..40 {
        let before = download.looks;
        download.deal(start + Duration::from_millis(at), link(0), 4, LinkSpeed::Fast, &mut out);
        looks.push(download.looks - before);
    }
    assert_eq!(out.len(), 160);
    assert!(looks[0] > 200 && looks[1..30].iter().all(|looks| *looks < 20), "{looks:?}");
}

#[test]
fn a_suggested_piece_is_begun_first_where_it_is_wanted_as_much() {
    let suggest = |download: &mut DownloadManager, index: u32| {
        let mut out = Vec::new();
        download.deal_suggested(Instant::now(), link(0), 1, LinkSpeed::Fast, &[piece(index)], &mut out);
        pieces_of(&out)
    };
    // Piece 5 is the rarest, piece 7 is suggested.
    let ready = || swarm("1111000000", &["1111111111", "0000101111"], 1);
    assert_eq!(suggest(&mut ready(), 7), [7]);
    assert_eq!(suggest(&mut ready(), 0), [5], "what we have is no suggestion");
    let mut download = ready();
    download.set_priorities([(piece(8), Priority::High)]);
    assert_eq!(suggest(&mut download, 7), [8]);
    // What has begun is finished first.
    let mut download = ready();
    assert_eq!(pieces_of(&deal(&mut download, 0, 1)), [5]);
    assert_eq!(suggest(&mut download, 7), [5]);
}

#[test]
fn a_seed_that_loses_a_piece_is_one_no_more_and_may_become_one_again() {
    let mut download = swarm("0000", &["1111", "0011"], 1);
    assert!(download.is_seed(link(0)));
    download.link_lost(link(0), piece(1));
    download.link_lost(link(0), piece(1));
    assert!(!download.is_seed(link(0)) && !download.link_holds(link(0), piece(1)));
    assert_eq!((download.copies(piece(1)), download.copies(piece(2))), (0, 2));
    download.link_has(link(0), piece(1));
    assert!(download.is_seed(link(0)));
    download.check_invariants();
}
