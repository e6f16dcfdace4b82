//! The one node of the DHT (BEP 5) for all torrents: started with the engine, and what it knows kept at the
//! end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::SharedResources;
use crate::dht::task::{self, Setup};
use crate::dht::{Family, Options};
use crate::event::{Event, Kind};
use crate::net::scope::Scope;
use crate::net::udp::Datagram;

/// Runs it for as long as the engine runs, unless there is none.
pub fn start(shared: &Arc<SharedResources>, datagrams: mpsc::Receiver<Datagram>) {
    let Some(bootstrap) = shared.config.dht.clone() else { return };
    let listen = &shared.config.listen;
    let public = |v6| {
        let of = |address: &&SocketAddr| address.is_ipv6() == v6 && Scope::of(address.ip()) == Scope::Public;
        listen.iter().find(of).map(|address: &SocketAddr| -> IpAddr { address.ip() })
    };
    let options = Options {
        allow_inward: shared.config.allow_inward_peers,
        read_only: listen.is_empty(),
        addresses: [public(false), public(true)],
    };
    let (keeper, hub) = (Arc::downgrade(shared), shared.hub.clone());
    let setup = Setup {
        datagrams,
        resolver: shared.resolver.clone(),
        bootstrap,
        options,
        saved: shared.store.as_ref().and_then(|store| store.kept_dht()).cloned().unwrap_or_default(),
        utp: shared.config.utp,
        port: shared.port_changes(),
        stopping: shared.stopping(),
        keep: Box::new(move |saved| {
            if let Some(shared) = keeper.upgrade()
                && let Some(store) = &shared.store
            {
                store.put_dht(saved);
            }
        }),
        ready: Box::new(move |family, nodes| {
            let family = match family {
                Family::V4 => "IPv4",
                Family::V6 => "IPv6",
            };
            hub.publish(Kind::DhtReady, || Event::DhtReady { family: family.into(), nodes });
        }),
    };
    shared.tasks.spawn(task::run(shared.dht.clone(), setup));
}
