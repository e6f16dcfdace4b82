//! Where a peer was found, as the Peers tab says it.

use std::net::{SocketAddr, TcpListener};

use tc_core::stats::{Detail, DetailKind, PeerSource, PeerStats};

use crate::alone::alone;
use crate::raw::{Raw, call, call_from};
use crate::swarm::{Engine, PIECE};
use crate::wait::{Deadline, until};

const SIZE: usize = 4 * PIECE as usize;

fn row(engine: &Engine, address: SocketAddr) -> PeerStats {
    let panes = engine.session.watch(DetailKind::Peers);
    until(Deadline::seconds(20), "the peer to be listed", || match panes.borrow().as_deref() {
        Some(Detail::Peers(peers)) => peers.iter().find(|peer| peer.address == address).cloned(),
        _ => None,
    })
}

#[test]
fn whoever_was_named_and_calls_was_found_by_who_named_it() {
    alone("sources::whoever_was_named_and_calls_was_found_by_who_named_it", || {
        let engine = Engine::seeding([127, 0, 8, 1], 1, SIZE);
        let listener = TcpListener::bind("127.0.0.9:0").expect("loopback");
        let named = listener.local_addr().expect("it is bound");
        engine.session.add_peer(named);
        let known = || engine.session.stats().filter(|stats| stats.known_peers == 1);
        until(Deadline::seconds(20), "the figures of a torrent without a link", known);
        // It is known, for it is called; in vain.
        drop(listener.accept().expect("a call"));
        drop(listener);
        let stream = call_from(named, engine.address());
        let _named = Raw::greet_on(stream, engine.hash(), *b"-XX0000-............").expect("a handshake");
        let met = row(&engine, named);
        assert_eq!((met.source, met.incoming), (PeerSource::Manual, true), "{met:?}");
        let stream = call(engine.address());
        let unnamed = stream.local_addr().expect("it is connected");
        let _unnamed = Raw::greet_on(stream, engine.hash(), *b"-XX0000-...........2").expect("a handshake");
        let met = row(&engine, unnamed);
        assert_eq!((met.source, met.incoming), (PeerSource::Incoming, true), "{met:?}");
        engine.manager.shutdown();
    });
}
