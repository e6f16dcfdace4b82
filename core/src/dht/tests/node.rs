//! Nodes find each other and what is announced.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;

use super::net::{Net, addresses};
use crate::dht::node::Event;
use crate::dht::{Family, Saved, Wish, bep42};
use crate::types::InfoHash;

const MINUTE: Duration = Duration::from_secs(60);

/// So many nodes that began with the first one.
fn net(seed: u64, nodes: usize, lost: u32) -> Net {
    let mut net = Net::new(seed);
    net.lost = lost;
    for n in 0..nodes {
        net.add(false, &Saved::default());
        if n > 0 {
            net.nodes[n].bootstrap(net.now, &addresses(0), false);
        }
        net.wake(n);
    }
    net
}

fn is_ready(net: &Net, n: usize) -> bool {
    [Family::V4, Family::V6].iter().all(|family| net.events[n].contains(&Event::Ready(*family)))
}

fn announced(net: &Net, n: usize, hash: InfoHash) -> bool {
    let told = |event: &Event, of| matches!(event, Event::Announced { info_hash, family, nodes } if *info_hash == hash && *family == of && *nodes > 0);
    Family::ALL.into_iter().all(|family| net.events[n].iter().any(|event| told(event, family)))
}

fn found(net: &Net, n: usize, hash: InfoHash) -> HashSet<SocketAddr> {
    let peers = net.events[n].iter().filter_map(|event| match event {
        Event::Peers { info_hash, peers } if *info_hash == hash => Some(peers.clone()),
        _ => None,
    });
    peers.flatten().collect()
}

#[test]
fn where_the_port_is_implied_peers_are_found_where_datagrams_came_from() {
    let mut net = net(9, 12, 0);
    net.run(MINUTE * 5, |net| (0..12).all(|n| is_ready(net, n)));
    let (now, hash) = (net.now, InfoHash::new([9; 20]));
    // Behind a NAT, which gives it another port.
    net.nodes[3].open([true; 2], Some(1));
    net.nodes[3].imply_port(true);
    for n in [3, 5] {
        net.nodes[n].add(now, hash, Wish { urgent: true });
        net.collect(n);
        net.run(MINUTE * 5, |net| announced(net, n, hash));
        assert!(announced(&net, n, hash));
    }
    let found = found(&net, 5, hash);
    assert!(addresses(3).iter().all(|address| found.contains(address)), "{found:?}");
}

#[test]
fn every_search_finds_what_was_announced_although_packets_are_lost() {
    let nodes = 120;
    let mut net = net(1, nodes, 5);
    net.run(MINUTE * 5, |net| (0..nodes).all(|n| is_ready(net, n)));
    assert!((0..nodes).all(|n| is_ready(&net, n)));
    net.run(MINUTE * 2, |_| false);
    let hashes: Vec<_> = (0..nodes).map(|_| InfoHash::new(net.random.random())).collect();
    let now = net.now;
    for (n, hash) in hashes.iter().enumerate() {
        net.nodes[n].add(now, *hash, Wish { urgent: true });
        net.collect(n);
    }
    net.run(MINUTE * 5, |net| (0..nodes).all(|n| announced(net, n, hashes[n])));
    for (n, hash) in hashes.iter().enumerate() {
        assert!(announced(&net, n, *hash), "{n}");
    }
    let now = net.now;
    let asker = |n: usize| (n + nodes / 2) % nodes;
    for (n, hash) in hashes.iter().enumerate() {
        net.nodes[asker(n)].add(now, *hash, Wish { urgent: true });
        net.collect(asker(n));
    }
    let all_found = |net: &Net| {
        (0..nodes).all(|n| addresses(n).iter().all(|at| found(net, asker(n), hashes[n]).contains(at)))
    };
    net.run(MINUTE * 5, all_found);
    for (n, hash) in hashes.iter().enumerate() {
        let found = found(&net, asker(n), *hash);
        // Itself as well, once it has announced itself; nobody else.
        assert!(addresses(n).iter().all(|at| found.contains(at)), "{n}: {found:?}");
        assert!(found.iter().all(|at| addresses(n).contains(at) || addresses(asker(n)).contains(at)));
    }
}

#[test]
fn the_id_follows_the_address_that_others_see() {
    let nodes = 12;
    let mut net = net(2, nodes, 0);
    net.run(MINUTE * 3, |_| false);
    for n in 0..nodes {
        let ids = net.nodes[n].ids();
        assert!(ids.iter().zip(addresses(n)).all(|(id, at)| bep42::fits(id, at.ip())), "{n}");
        let stats = net.nodes[n].stats(net.now);
        assert_eq!(stats.outside, addresses(n).map(|at| Some(at.ip())));
        assert!(stats.good.iter().all(|&good| good as usize >= nodes / 2), "{stats:?}");
    }
}

#[test]
fn names_and_nodes_outlive_a_restart() {
    let nodes = 30;
    let mut net = net(3, nodes, 0);
    net.run(MINUTE * 3, |_| false);
    let saved = net.nodes[7].save();
    assert!(saved.nodes.len() > nodes, "{}", saved.nodes.len());
    let again = net.add(false, &saved);
    let ids = net.nodes[7].ids();
    assert_eq!(net.nodes[again].ids(), ids);
    let stats = net.nodes[again].stats(net.now);
    let before = net.nodes[7].stats(net.now);
    assert_eq!(stats.nodes, before.nodes, "before the first question");
    // It has another address now, and finds out.
    net.wake(again);
    net.run(MINUTE, |net| is_ready(net, again));
    assert!(is_ready(&net, again));
    net.run(MINUTE * 2, |_| false);
    let new = net.nodes[again].ids();
    assert!(new.iter().zip(ids).all(|(new, old)| *new != old));
    assert!(net.nodes[again].stats(net.now).good.iter().all(|&good| good >= 8));
}

#[test]
fn a_node_whose_neighbours_are_gone_says_so_and_finds_new_ones() {
    let mut net = net(4, 3, 0);
    net.run(MINUTE, |_| false);
    let saved = net.nodes[1].save();
    let mut other = Net::new(5);
    let lonely = other.add(false, &Saved::default());
    other.wake(lonely);
    other.run(MINUTE, |_| false);
    assert!(other.events[lonely].contains(&Event::Lonely) && !is_ready(&other, lonely));
    for _ in 0..9 {
        other.add(true, &Saved::default());
    }
    // Nobody of the last run is there any more but the first two addresses, under other names.
    let restarted = other.add(false, &saved);
    (1..=restarted).for_each(|n| other.wake(n));
    other.run(MINUTE * 3, |net| is_ready(net, restarted));
    assert!(is_ready(&other, restarted));
}

#[test]
fn a_torrent_that_is_taken_back_is_not_searched_for() {
    let mut net = net(6, 20, 0);
    net.run(MINUTE * 2, |_| false);
    let hash = InfoHash::new([9; 20]);
    let now = net.now;
    net.nodes[3].add(now, hash, Wish { urgent: true });
    net.nodes[3].timeout(now);
    assert_eq!(net.nodes[3].stats(now).searches, 2);
    net.nodes[3].remove(&hash);
    net.collect(3);
    assert_eq!(net.nodes[3].stats(now).searches, 0);
    net.run(MINUTE, |_| false);
    assert!(!announced(&net, 3, hash));
    assert!(net.nodes.iter().all(|node| node.stats(net.now).stored == 0));
}

#[test]
fn who_searches_a_moment_too_early_finds_the_other_soon_after() {
    let mut net = net(7, 30, 0);
    net.run(MINUTE * 2, |_| false);
    let hash = InfoHash::new([9; 20]);
    let now = net.now;
    net.nodes[3].add(now, hash, Wish { urgent: true });
    net.collect(3);
    net.run(MINUTE, |net| announced(net, 3, hash));
    assert!(found(&net, 3, hash).is_empty());
    // It comes when the search is over.
    let now = net.now;
    net.nodes[8].add(now, hash, Wish { urgent: false });
    net.collect(8);
    net.run(MINUTE * 2, |net| found(net, 3, hash).contains(&addresses(8)[0]));
    assert!(found(&net, 3, hash).contains(&addresses(8)[0]));
}
