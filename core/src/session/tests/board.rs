//! The board against a slow obvious one: a viewer that looks now and then ends up with what is there.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::bench::Bench;
use crate::InfoHash;
use crate::stats::{Place, SessionStats, StatsBoard};

fn hash(n: u8) -> InfoHash {
    InfoHash::new([n; 20])
}

#[test]
fn who_looks_now_and_then_sees_what_is_there() {
    let template = Bench::running(false).actor.newest.clone();
    let stats = |n: u8, downloaded| SessionStats {
        info_hash: hash(n),
        rate_down: downloaded,
        rate_up: downloaded * u64::from(n),
        seeds: u32::from(n),
        leechers: downloaded as u32,
        ..template.clone()
    };
    let steps = proptest::collection::vec((0..4_u8, 0..6_u8, 0..3_u64), 1..80);
    proptest!(|(steps in steps)| {
        let board = Arc::new(StatsBoard::default());
        let mut places: HashMap<u8, Place> = HashMap::new();
        let (mut seen, mut seq) = (HashMap::new(), 0);
        for (what, n, value) in steps {
            match what {
                0 => _ = places.insert(n, board.claim(stats(n, value))),
                1 => places.get(&n).into_iter().for_each(|place| place.pin(stats(n, value))),
                2 => places.remove(&n).into_iter().for_each(|place| place.leave()),
                _ => {
                    let changes = board.since(seq);
                    seq = changes.seq;
                    seen.extend(changes.changed.into_iter().map(|stats| (stats.info_hash, stats)));
                    changes.removed.iter().for_each(|hash| _ = seen.remove(hash));
                    let there: HashMap<_, _> =
                        places.keys().filter_map(|n| Some((hash(*n), board.get(&hash(*n))?))).collect();
                    prop_assert_eq!(&seen, &there);
                    prop_assert!(board.since(seq).changed.is_empty());
                    let sum = |what: fn(&SessionStats) -> u64| there.values().map(|stats| what(stats)).sum::<u64>();
                    prop_assert_eq!(changes.global.rate_down, sum(|stats| stats.rate_down));
                    prop_assert_eq!(changes.global.rate_up, sum(|stats| stats.rate_up));
                    prop_assert_eq!(u64::from(changes.global.peers), sum(|stats| (stats.seeds + stats.leechers).into()));
                    // From the beginning, each is told once.
                    prop_assert_eq!(board.since(0).changed.len(), there.len());
                }
            }
        }
    });
}
