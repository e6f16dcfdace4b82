//! Peers tell each other of peers (BEP 11), and a private torrent's never do (BEP 27).

use std::net::SocketAddr;

use super::bench::{Bench, SECOND};
use crate::download::PeerPieces;
use crate::peer::Report;
use crate::session::actor::Phase;
use crate::session::control::Wish;
use crate::stats::Transport;
use crate::types::LinkId;
use crate::wire::extended::Sharing;
use crate::wire::ut_pex::{PexFlags, PexPeer, UtPex};

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// A peer that takes lists introduces itself.
fn introduce(bench: &mut Bench, link: LinkId, listen_port: Option<u16>) {
    bench.report(
        link,
        Report::Introduced {
            client: None,
            listen_port,
            your_ip: None,
            upload_only: None,
            takes_dont_have: false,
            takes_pex: true,
            metadata_size: None,
        },
    );
}

fn added(peers: &[(&str, PexFlags)]) -> Report {
    let peer = |(address, flags): &(&str, PexFlags)| PexPeer { address: at(address), flags: *flags };
    Report::Pex(UtPex { added: peers.iter().map(peer).collect(), dropped: Vec::new() })
}

fn told(bench: &mut Bench, link: LinkId) -> UtPex {
    let mut list = bench.mail(link).pex.unwrap_or_default();
    list.added.sort_by_key(|peer| peer.address);
    list
}

fn private() -> Bench {
    let mut bench = Bench::with_torrent(|metainfo| metainfo.private = true);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    bench
}

#[test]
fn peers_hear_of_those_we_met_with_what_we_know_of_them() {
    let mut bench = Bench::running(false);
    let one = bench.link("11.1.0.1:6881", false);
    let seed = bench.link("11.2.0.1:6881", false);
    bench.report(seed, Report::Pieces(PeerPieces::All));
    let caller = bench.link("11.3.0.1:40000", true);
    let silent = bench.link("11.4.0.1:40000", true);
    introduce(&mut bench, one, None);
    introduce(&mut bench, caller, Some(7000));
    bench.sleep(6 * SECOND);
    let list = told(&mut bench, one);
    let reachable_seed = PexFlags::REACHABLE.with(PexFlags::SEED, true);
    assert_eq!(
        list.added,
        [("11.2.0.1:6881", reachable_seed), ("11.3.0.1:7000", PexFlags::default())]
            .map(|(address, flags)| PexPeer { address: at(address), flags })
    );
    let list = told(&mut bench, caller);
    assert_eq!(
        list.added.iter().map(|peer| peer.address).collect::<Vec<_>>(),
        [at("11.1.0.1:6881"), at("11.2.0.1:6881"),]
    );
    assert_eq!(bench.mail(silent).pex, None, "it takes no lists");
    // The seed goes; all who were told hear of it, not before a minute is over.
    bench.report(seed, Report::Closed { why: "closed by the peer".into(), fault: false });
    bench.sleep(50 * SECOND);
    assert_eq!(told(&mut bench, one), UtPex::default());
    bench.sleep(50 * SECOND);
    assert_eq!(told(&mut bench, one).dropped, [at("11.2.0.1:6881")]);
    // Nothing changes: nothing is said.
    bench.sleep(300 * SECOND);
    assert_eq!([one, caller].map(|link| told(&mut bench, link).added.len()), [0, 0]);
}

#[test]
fn those_that_a_peer_names_are_called() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.1.0.1:6881", false);
    assert!(bench.shared.ban(at("11.9.0.1:1")));
    bench.report(
        link,
        added(&[
            ("11.2.0.1:1", PexFlags::UTP),
            ("11.3.0.1:1", PexFlags::SEED),
            ("11.9.0.1:1", PexFlags::default()),
            ("10.0.0.1:1", PexFlags::default()),
            ("127.0.0.1:1", PexFlags::default()),
        ]),
    );
    assert_eq!(bench.actor.pool.known(), 3, "the peer itself and two more");
    let first = ["11.2.0.1:1", "11.3.0.1:1"].map(|peer| bench.actor.pool.first_over(&at(peer)));
    assert_eq!(first, [Transport::Utp, Transport::Tcp]);
    // A seed would not call the one that has all.
    bench.actor.pool.set_seeding(true);
    let choice = crate::peer::pool::Choice::ANY;
    bench.actor.pool.put_back(at("11.2.0.1:1"));
    bench.actor.pool.put_back(at("11.3.0.1:1"));
    assert_eq!(bench.actor.pool.dial(bench.now, 9, &choice), [at("11.2.0.1:1")]);
}

#[test]
fn peers_of_a_private_torrent_tell_each_other_nothing() {
    let mut bench = private();
    assert_eq!((bench.actor.reach().pex, bench.actor.reach().sharing), (false, Sharing::Private));
    let links = ["11.1.0.1:1", "11.2.0.1:2"].map(|address| bench.link(address, false));
    links.iter().for_each(|link| introduce(&mut bench, *link, None));
    bench.report(links[0], added(&[("11.3.0.1:1", PexFlags::default())]));
    bench.sleep(100 * SECOND);
    assert_eq!(links.map(|link| bench.mail(link).pex), [None, None]);
    assert_eq!(bench.actor.pool.known(), 2);
}
