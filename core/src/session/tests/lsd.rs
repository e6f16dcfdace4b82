//! Our own network is told of public torrents that run, and of no others.

use super::bench::Bench;
use crate::session::actor::{Input, Phase};
use crate::session::control::Wish;
use crate::stats::PeerSource;

fn found(bench: &mut Bench) {
    bench.turn(Input::Found(PeerSource::Lsd, vec!["10.0.0.7:6881".parse().unwrap()]));
}

#[test]
fn a_public_torrent_is_told_of_while_it_runs() {
    let mut bench = Bench::running(false);
    let hash = bench.torrent.info_hash();
    assert_eq!(bench.shared.lsd().registered(), [hash]);
    found(&mut bench);
    assert_eq!(bench.actor.pool.known(), 1);
    bench.wish(Wish::Pause);
    assert_eq!(bench.shared.lsd().registered(), []);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert_eq!(bench.shared.lsd().registered(), [hash]);
}

#[test]
fn a_private_torrent_is_never_told_of() {
    let mut bench = Bench::with_torrent(|metainfo| metainfo.private = true);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert_eq!(bench.shared.lsd().registered(), []);
    found(&mut bench);
    assert_eq!(bench.actor.pool.known(), 0);
}
