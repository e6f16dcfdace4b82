//! Ten thousand torrents in a net of two thousand nodes: an even trickle. Where `CI` is not set, a third of them
//! in a third of the time, which is the same pace.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rand::RngExt;

use super::net::Net;
use crate::dht::node::{Event, RATE};
use crate::dht::{Family, Saved, Wish};
use crate::types::InfoHash;

/// Nodes, torrents and minutes.
fn size() -> (usize, usize, u64) {
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    if in_ci { (2_000, 10_000, 30) } else { (700, 3_300, 10) }
}

/// Nodes that know their neighbours and some others; only the last one does things of its own.
fn net(nodes: usize) -> Net {
    let mut net = Net::new(11);
    for _ in 0..=nodes {
        net.add(true, &Saved::default());
    }
    for side in 0..2 {
        let mut order: Vec<usize> = (0..=nodes).collect();
        order.sort_by_key(|&n| net.contacts(n)[side].id);
        for at in 0..order.len() {
            // Who is beside another in this order is near it.
            for near in (at.saturating_sub(12)..at + 12).filter(|&near| near < order.len()) {
                net.introduce(order[at], order[near]);
            }
        }
    }
    for n in 0..=nodes {
        for _ in 0..60 {
            let other = net.random.random_range(0..nodes);
            net.introduce(n, other);
        }
    }
    net
}

#[test]
fn ten_thousand_torrents_are_announced_within_30_minutes_and_the_limits() {
    let (nodes, torrents, minutes) = size();
    let (mut net, busy) = (net(nodes), nodes);
    net.watched = Some(busy);
    net.lost = 1;
    let start = net.now;
    for _ in 0..torrents {
        let hash = InfoHash::new(net.random.random());
        net.nodes[busy].add(start, hash, Wish { urgent: false });
    }
    net.wake(busy);
    let mut told: HashMap<Family, HashSet<InfoHash>> = HashMap::new();
    for _ in 0..minutes {
        net.run(Duration::from_secs(60), |_| false);
        for event in std::mem::take(&mut net.events[busy]) {
            if let Event::Announced { info_hash, family, nodes } = event
                && nodes >= 6
            {
                told.entry(family).or_default().insert(info_hash);
            }
        }
        if Family::ALL.iter().all(|family| told.get(family).is_some_and(|told| told.len() == torrents)) {
            break;
        }
    }
    let told = Family::ALL.map(|family| told.get(&family).map_or(0, HashSet::len));
    assert_eq!(told, [torrents; 2], "after {:?}", net.now - start);
    within_limits(&net, start);
}

fn within_limits(net: &Net, start: Instant) {
    let mut seconds: HashMap<u64, u64> = HashMap::new();
    let mut hosts: HashMap<_, Vec<Instant>> = HashMap::new();
    for sent in &net.sent {
        *seconds.entry((sent.at - start).as_secs()).or_default() += sent.bytes as u64;
        hosts.entry(sent.to).or_default().push(sent.at);
    }
    let total: u64 = seconds.values().sum();
    let time = (net.now - start).as_secs();
    assert!(total <= RATE * time, "{total} bytes in {time} s");
    let most = seconds.values().max().copied().unwrap_or_default();
    assert!(most <= RATE + RATE / 4, "{most} bytes in one second");
    for (to, times) in hosts {
        let five = times.windows(5).map(|window| window[4] - window[0]).min();
        assert!(five.is_none_or(|span| span >= Duration::from_secs(1)), "{to}: five within {five:?}");
    }
}
