//! Whole downloads: links of all speeds, one that sends nothing, one that sends rubbish.

use std::collections::BTreeSet;

use rand::RngExt;

use super::*;

const PIECES: u32 = 80;
const STUCK: usize = 1;
const LIAR: usize = 2;
/// Ticks after which a block that has not come is given back.
const PATIENCE: u32 = 40;

struct Outcome {
    ticks: u32,
    wasted: u32,
    banned: BTreeSet<LinkId>,
}

fn download(seed: u64, links: usize) -> Outcome {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut download = swarm(&"0".repeat(PIECES as usize), &[], seed);
    let mut alive: BTreeSet<usize> = (0..links).collect();
    for n in 0..links {
        download.link_joined(link(n));
        // Link 0 is an honest seed, so that it can be done.
        let pieces = if n < 3 || rng.random_bool(0.2) {
            PeerPieces::All
        } else {
            let have: String = (0..PIECES).map(|_| if rng.random_bool(0.5) { '1' } else { '0' }).collect();
            PeerPieces::Some(bits(&have))
        };
        download.link_pieces(link(n), pieces);
    }
    let mut queues: Vec<std::collections::VecDeque<(u32, BlockRef)>> = vec![Default::default(); links];
    let mut spoilt = BTreeSet::new();
    let mut outcome = Outcome { ticks: 0, wasted: 0, banned: BTreeSet::new() };
    let start = Instant::now();
    while !download.is_complete() {
        outcome.ticks += 1;
        assert!(outcome.ticks < 2_000, "stuck at {:?}, {} assigned", download.have(), download.assigned());
        for n in alive.clone() {
            let rate = if n == STUCK { 0 } else { [1, 2, 4][n % 3] };
            let speed = [LinkSpeed::Slow, LinkSpeed::Medium, LinkSpeed::Fast][n % 3];
            while let Some((_, block)) = queues[n].pop_front_if(|(at, _)| *at + PATIENCE < outcome.ticks) {
                download.returned(link(n), block);
            }
            let mut out = Vec::new();
            let room = 8u32.saturating_sub(download.assigned_to(link(n)) as u32);
            let now = start + Duration::from_secs(u64::from(outcome.ticks));
            download.deal(now, link(n), room, speed, &mut out);
            queues[n].extend(out.into_iter().map(|block| (outcome.ticks, block)));
            for _ in 0..rate {
                let Some((_, block)) = queues[n].pop_front() else { break };
                match download.arrived(link(n), block) {
                    Arrived::Duplicate => outcome.wasted += 1,
                    Arrived::Fresh { cancel, piece_full } => {
                        // A cancel is on time for every other one.
                        for other in cancel.into_iter().filter(|_| rng.random_bool(0.5)) {
                            queues[other.0 as usize].retain(|(_, queued)| *queued != block);
                        }
                        if n == LIAR {
                            spoilt.insert(block);
                        }
                        if piece_full && spoilt.iter().any(|bad| bad.piece == block.piece) {
                            spoilt.retain(|bad| bad.piece != block.piece);
                            let blame = download.failed(block.piece);
                            assert!(blame.suspects.contains(&link(LIAR)));
                            if let Some(sole) = blame.sole {
                                outcome.banned.insert(sole);
                                download.link_gone(sole);
                                alive.remove(&(sole.0 as usize));
                                break;
                            }
                        } else if piece_full {
                            assert!(download.verified(block.piece).is_some());
                        }
                    }
                }
            }
        }
        if outcome.ticks.is_multiple_of(16) {
            download.check_invariants();
        }
    }
    outcome
}

#[test]
fn downloads_end_whoever_stalls_or_lies() {
    let mut bans = 0;
    for seed in 0..40 {
        let links = 4 + seed as usize % 12;
        let outcome = download(seed, links);
        let blocks = PIECES * 4;
        assert!(outcome.wasted <= blocks / 5, "seed {seed}: {} of {blocks} wasted", outcome.wasted);
        assert!(
            outcome.banned.iter().all(|banned| *banned == link(LIAR)),
            "seed {seed}: {:?}",
            outcome.banned
        );
        // The honest seed alone would need 320 ticks; nobody waits for the one that sends nothing.
        assert!(outcome.ticks < 400, "seed {seed}: {} ticks", outcome.ticks);
        bans += outcome.banned.len();
    }
    assert!(bans >= 30, "the liar was found in {bans} of 40");
}
