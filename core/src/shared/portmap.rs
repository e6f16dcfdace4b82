//! Our port at the gateway: who is asked, who is told, and which port peers are told to call.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Listening, SharedResources, incoming, totals};
use crate::config::Config;
use crate::event::{Event, Kind};
use crate::net::bind::Way;
use crate::net::gateway::{gateway, source_v6};
use crate::net::interfaces::{Interface, Interfaces};
use crate::net::scope::Scope;
use crate::portmap::ssdp;
use crate::portmap::task::{self, Setup, Wanted};
use crate::stats::Mapping;

/// Asks gateways for as long as the engine runs, if it may.
pub fn start(shared: &Arc<SharedResources>) {
    if !shared.config.portmap || shared.config.listen.is_empty() {
        return;
    }
    let Some(found) = shared.interfaces() else { return };
    let [v4, v6] = [false, true].map(|v6| {
        let wanted =
            wanted(&found.borrow(), &shared.listening(), in_use(&shared.config), shared.binding.way(), v6);
        let (sender, receiver) = watch::channel(wanted);
        start_family(shared, v6, receiver);
        sender
    });
    follow(shared, found, [v4, v6]);
}

/// Keeps what is wanted up to date.
fn follow(
    shared: &Arc<SharedResources>,
    mut found: watch::Receiver<Interfaces>,
    senders: [watch::Sender<Wanted>; 2],
) {
    let mut stopping = shared.stopping();
    let (mut listening, binding) = (shared.listening.subscribe(), shared.binding.clone());
    let used = in_use(&shared.config);
    shared.tasks.spawn(async move {
        loop {
            for (v6, sender) in [false, true].into_iter().zip(&senders) {
                let (found, listening) = (found.borrow_and_update(), listening.borrow_and_update());
                let now = wanted(&found, &listening, used, binding.way(), v6);
                drop((found, listening));
                sender.send_if_modified(|last| {
                    *last != now && {
                        *last = now;
                        true
                    }
                });
            }
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                changed = found.changed() => if changed.is_err() { break },
                changed = listening.changed() => if changed.is_err() { break },
            }
        }
    });
}

/// Whether somebody may call over TCP, and over UDP: UDP trackers answer, and call nobody.
const fn in_use(config: &Config) -> [bool; 2] {
    [config.tcp, config.utp || config.dht.is_some()]
}

/// What there is to do for a family.
fn wanted(interfaces: &[Interface], listening: &Listening, used: [bool; 2], way: Way, v6: bool) -> Wanted {
    let of_way = |interface: &&Interface| way.interface().is_none_or(|name| interface.name == name);
    let interfaces: Vec<_> = interfaces.iter().filter(of_way).cloned().collect();
    let of = |addresses: &[SocketAddr]| {
        let called = |address: &&SocketAddr| address.is_ipv6() == v6;
        addresses.iter().filter(called).find(|address| Scope::of(address.ip()) != Scope::Loopback).copied()
    };
    // Without TCP the sockets of UDP are the listeners too.
    let [tcp, udp] = [(&listening.addresses, used[0]), (&listening.udp, used[1])]
        .map(|(addresses, used)| of(addresses).filter(|_| used));
    let gateway = match tcp.or(udp) {
        Some(at) => gateway(&interfaces, at.ip(), || source_v6(&way)),
        None => Err("only this machine can call"),
    };
    Wanted { gateway, ports: [tcp, udp].map(|address| address.map(|address| address.port())), way }
}

fn start_family(shared: &Arc<SharedResources>, v6: bool, wanted: watch::Receiver<Wanted>) {
    let (telling, ending) = (Arc::downgrade(shared), Arc::downgrade(shared));
    let group = if v6 { ssdp::GROUP_V6 } else { ssdp::GROUP_V4 };
    let setup = Setup {
        v6,
        wanted,
        stopping: shared.stopping(),
        end: Box::new(move || ending.upgrade().map_or_else(Instant::now, |shared| shared.goodbyes_end())),
        tell: Box::new(move |states| tell(&telling, v6, states)),
        group: group.parse().expect("an address with a port"),
    };
    shared.tasks.spawn(task::run(setup));
}

/// TCP and UDP of a family are now like this.
fn tell(shared: &Weak<SharedResources>, v6: bool, states: [Mapping; 2]) {
    let Some(shared) = shared.upgrade() else { return };
    let family = usize::from(v6);
    let before = {
        // A leaf lock, held for a swap.
        let mut mapping = shared.mapping.lock().unwrap_or_else(PoisonError::into_inner);
        let [tcp, udp] = states.clone();
        [std::mem::replace(&mut mapping.tcp[family], tcp), std::mem::replace(&mut mapping.udp[family], udp)]
    };
    publish(&shared, v6, &before, &states);
    let address = states.iter().find_map(|state| match state {
        Mapping::Mapped { outside, .. } => *outside,
        _ => None,
    });
    shared.mapped_at(v6, address.filter(|ip| Scope::of(*ip) == Scope::Public));
    incoming::tell_port(&shared);
    totals::refresh(&shared);
}

fn publish(shared: &SharedResources, v6: bool, before: &[Mapping; 2], now: &[Mapping; 2]) {
    let family = if v6 { "IPv6" } else { "IPv4" };
    let names = ["TCP", "UDP"];
    let failed = |state: &Mapping| match state {
        Mapping::Failed { why } => Some(why.clone()),
        _ => None,
    };
    // Most often both have the same reason.
    let both = failed(&now[0]).is_some() && now[0] == now[1];
    for (i, name) in names.into_iter().enumerate() {
        if before[i] == now[i] {
            continue;
        }
        if let Mapping::Mapped { by, outside, port } = &now[i] {
            let (by, outside, port) = (*by, *outside, *port);
            let (family, transport) = (family.into(), name.into());
            shared.hub.publish(Kind::PortmapOk, || Event::PortmapOk { family, transport, by, outside, port });
        }
        if let Some(error) = failed(&now[i])
            && !(both && i == 1)
        {
            let (family, transport) = (family.into(), if both { "TCP and UDP" } else { name }.into());
            shared.hub.publish(Kind::PortmapFailed, || Event::PortmapFailed { family, transport, error });
        }
    }
}

/// The port that peers can call: that at the gateway, else the one that is listened on. Trackers and the DHT
/// take one port for both families; behind IPv4's NAT it can be another one than ours.
pub fn outside_port(shared: &SharedResources, listening: &Listening) -> Option<u16> {
    let own = listening.addresses.first()?.port();
    let mapping = shared.mapping.lock().unwrap_or_else(PoisonError::into_inner);
    let [tcp, udp] = [&mapping.tcp[0], &mapping.udp[0]].map(Mapping::port);
    Some(if shared.config.tcp { tcp } else { udp }.unwrap_or(own))
}

impl SharedResources {
    /// Our address as the gateway knows it.
    fn mapped_at(&self, v6: bool, ours: Option<IpAddr>) {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner).mapped(v6, ours);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--no-tcp`, and `--no-utp --no-dht`.
    #[test]
    fn only_ports_that_somebody_may_call_are_mapped() {
        let at: SocketAddr = "192.168.1.2:7000".parse().unwrap();
        let listening = Listening { addresses: vec![at], udp: vec![at], ..Listening::default() };
        let ports = |change: fn(&mut Config)| {
            let mut config = Config::new("/");
            config.dht = Some(Vec::new());
            change(&mut config);
            wanted(&[], &listening, in_use(&config), Way::Any, false).ports
        };
        assert_eq!(ports(|_| ()), [Some(7000), Some(7000)]);
        assert_eq!(ports(|config| config.tcp = false), [None, Some(7000)]);
        assert_eq!(ports(|config| config.utp = false), [Some(7000), Some(7000)]);
        assert_eq!(ports(|config| (config.utp, config.dht) = (false, None)), [Some(7000), None]);
    }
}
