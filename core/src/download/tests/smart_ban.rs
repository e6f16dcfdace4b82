//! Smart ban: whoever spoilt a piece that is good in the end is found, and nobody else.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::link;
use crate::download::{Claim, Print, SmartBan};
use crate::types::LinkId;

const BLOCKS: u32 = 4;
const LINKS: usize = 6;

/// What a block is; 0 is good.
fn claim(block: u32, from: usize, lie: u64) -> Claim {
    Claim { block, from: link(from), print: [u64::from(block), lie] }
}

fn good() -> Box<[Print]> {
    (0..BLOCKS).map(|block| claim(block, 0, 0).print).collect()
}

fn names(lies: &[Claim]) -> BTreeSet<LinkId> {
    lies.iter().map(|claim| claim.from).collect()
}

/// A try of a piece: who sends each block, and with which lie, if that link lies.
type Try = [(usize, u64); BLOCKS as usize];

type Copy = (u32, usize, u64);

#[derive(Clone, Debug)]
struct Story {
    /// A bit per link.
    liars: u8,
    /// Tries of each, and copies of blocks: which, from whom, and with which lie.
    pieces: Vec<(Vec<Try>, Vec<Copy>)>,
}

fn stories() -> impl Strategy<Value = Story> {
    let sender = || (0..LINKS, 0..4_u64);
    let one_try = [sender(), sender(), sender(), sender()];
    let tries = proptest::collection::vec(one_try, 0..5);
    let others = proptest::collection::vec((0..BLOCKS, 0..LINKS, 0..4_u64), 0..5);
    let pieces = proptest::collection::vec((tries, others), 1..6);
    (any::<u8>(), pieces).prop_map(|(liars, pieces)| Story { liars, pieces })
}

fn run(story: &Story) {
    let lie = |from: usize, lie: u64| if story.liars >> from & 1 == 1 { lie } else { 0 };
    let mut memory = SmartBan::default();
    for (piece, (tries, others)) in story.pieces.iter().enumerate() {
        let mut spoilt = BTreeSet::new();
        for one_try in tries {
            let claims = (0..).zip(one_try).map(|(block, (from, n))| claim(block, *from, lie(*from, *n)));
            let claims: Vec<Claim> = claims.collect();
            let bad: BTreeSet<LinkId> =
                claims.iter().filter(|claim| claim.print[1] != 0).map(|claim| claim.from).collect();
            if !bad.is_empty() {
                spoilt.extend(bad);
                memory.failed(piece, claims);
            }
        }
        // Copies that came for the last try, or after it.
        let (during, after) = others.split_at(others.len() / 2);
        let during: Vec<Claim> =
            during.iter().map(|(block, from, n)| claim(*block, *from, lie(*from, *n))).collect();
        spoilt.extend(during.iter().filter(|claim| claim.print[1] != 0).map(|claim| claim.from));
        let lies = memory.verified(piece, good(), during);
        assert_eq!(names(&lies), spoilt);
        assert_eq!(lies.len(), spoilt.len(), "each once");
        for (block, from, n) in after {
            let claim = claim(*block, *from, lie(*from, *n));
            assert_eq!(memory.late(piece, claim), claim.print[1] != 0);
        }
    }
}

proptest! {
    #[test]
    fn liars_are_named_and_honest_links_never(story in stories()) {
        run(&story);
    }
}

#[test]
fn two_liars_in_one_piece_and_one_that_is_good_at_times() {
    let mut memory = SmartBan::default();
    memory.failed(7, [claim(0, 1, 9), claim(1, 2, 0), claim(2, 3, 9), claim(3, 1, 0)]);
    memory.failed(7, [claim(0, 1, 0), claim(1, 2, 0), claim(2, 3, 0), claim(3, 1, 8)]);
    let lies = memory.verified(7, good(), []);
    assert_eq!(lies, [claim(0, 1, 9), claim(2, 3, 9)]);
    assert_eq!(memory.verified(7, good(), []), [], "each lie is told once");
}

#[test]
fn a_copy_that_comes_after_the_failure_counts_as_well() {
    let mut memory = SmartBan::default();
    memory.failed(7, [claim(0, 1, 9)]);
    assert!(!memory.late(7, claim(1, 2, 9)), "who lies is not known yet");
    assert!(!memory.late(8, claim(1, 3, 9)), "nothing is known of that piece");
    assert_eq!(names(&memory.verified(7, good(), [])), [link(1), link(2)].into());
}

#[test]
fn memory_is_bounded_and_the_oldest_failure_goes_first() {
    let mut memory = SmartBan::default();
    for piece in 0..50_000_u32 {
        memory.failed(piece, (0..BLOCKS).map(|block| claim(block, 1, 9)));
    }
    assert_eq!(memory.claims, 65_536);
    assert_eq!(memory.verified(0, good(), []), []);
    assert_eq!(names(&memory.verified(49_999, good(), [])), [link(1)].into());
    for piece in 0..10_000 {
        memory.verified(piece, good(), []);
    }
    assert!(memory.good_blocks <= 4_096);
    memory.forget(|_| true);
    assert_eq!((memory.claims, memory.good_blocks), (0, 0));
}
