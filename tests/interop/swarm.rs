//! A swarm that shares: five of ours and a libtorrent around a seed that is slower than all of them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;
use crate::transfer::of_kind;
use crate::wait::Deadline;

const SIZE: u64 = 32 << 20;
const PIECE: u32 = 256 << 10;
/// What the seed may send: all at once, each leecher fetching all for itself, it would be six.
const COPIES: u64 = 3;
/// The seed's limit, bytes per second.
const LIMIT: u64 = 1 << 20;
/// Three copies at the limit take 96 s.
const SWARM_SECONDS: u64 = 240;

#[test]
fn five_of_ours_share_what_one_slow_seed_sends() {
    let content = Content::single(SIZE, PIECE, 21);
    let Some(mut lab) = Lab::new("five_of_ours_share", content, Family::V4) else { return };

    let mut ours: Vec<_> = (1..=5)
        .map(|number| {
            let name = format!("ours{number}");
            let (host, client) = lab.ours(&name, &["--seed-after"]);
            (name, host, client)
        })
        .collect();
    let (other_host, mut other) = lab.libtorrent("other", lab::defaults());
    for host in ours.iter().map(|(_, host, _)| host).chain([&other_host]) {
        lab.tracker.wait(host, lab::ready(), |announce| announce.left == SIZE);
    }

    // The seed comes last. It dials the six that the tracker names.
    let start = Instant::now();
    let (_, mut seed) = lab.libtorrent_seed(json!({"upload_rate_limit": LIMIT}));
    let deadline = Deadline::seconds(SWARM_SECONDS);
    for (name, _, client) in &ours {
        client.event("session.completed", deadline);
        lab.assert_same(name);
    }
    other.wait_seeding(&lab.info_hash, deadline);
    lab.assert_same("other");

    let least = Duration::from_secs(SIZE / LIMIT * 3 / 4);
    assert!(start.elapsed() > least, "done after {:?}: the seed's limit did not hold", start.elapsed());
    let sent = seed.status(&lab.info_hash).uploaded;
    assert!(sent <= COPIES * SIZE, "the seed sent {:.2} copies", sent as f64 / SIZE as f64);
    for (name, _, client) in &mut ours {
        let (status, lines) = client.interrupt();
        assert!(status.success(), "{name}: {status}");
        let last = of_kind(&lines, "stats.update").last().expect("one comes at the end");
        let uploaded = last["uploaded"].as_u64().expect("a number");
        assert!(uploaded >= PIECE.into(), "{name} sent {uploaded} bytes");
    }
}
