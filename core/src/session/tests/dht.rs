//! Turns in the DHT: of public torrents that run, and of no others.

use super::bench::Bench;
use crate::session::actor::{Input, Phase};
use crate::session::control::Wish;
use crate::stats::PeerSource;

const PEERS: [&str; 2] = ["11.0.0.1:1", "11.0.0.2:2"];

fn found(bench: &mut Bench) {
    let peers = PEERS.iter().map(|peer| peer.parse().unwrap()).collect();
    bench.turn(Input::Found(PeerSource::Dht, peers));
}

fn run(mut bench: Bench) -> Bench {
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    bench
}

#[test]
fn a_public_torrent_has_its_turns_while_it_runs() {
    let mut bench = Bench::new(false);
    assert_eq!(bench.shared.dht().registered(), []);
    found(&mut bench);
    assert_eq!(bench.actor.pool.known(), 0, "it does not run");
    let mut bench = run(bench);
    let hash = bench.torrent.info_hash();
    assert_eq!(bench.shared.dht().registered(), [(hash, true)], "it lacks peers");
    assert!(bench.actor.reserved().dht());
    found(&mut bench);
    assert_eq!(bench.actor.pool.known(), 2);
    bench.wish(Wish::Pause);
    assert_eq!(bench.shared.dht().registered(), []);
    let bench = run(bench);
    assert_eq!(bench.shared.dht().registered(), [(hash, true)]);
    drop(bench);
    // All is there: it only wants to be found.
    let bench = Bench::running(true);
    assert_eq!(bench.shared.dht().registered(), [(hash, false)]);
}

#[test]
fn a_private_torrent_never_meets_the_dht() {
    let mut bench = run(Bench::with_torrent(|metainfo| metainfo.private = true));
    assert_eq!(bench.shared.dht().registered(), []);
    assert!(!bench.actor.reserved().dht());
    let peer = PEERS[0].parse().unwrap();
    assert_eq!(bench.actor.dht_port(&peer), None);
    found(&mut bench);
    assert_eq!(bench.actor.pool.known(), 0);
}
