//! Hostile packets: they change nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::net::{Net, addresses};
use crate::dht::krpc::{self, Answer, Body, Query, Response};
use crate::dht::node::{Event, Node, Options};
use crate::dht::{Contact, NodeId, Saved, Wish, bep42};
use crate::types::InfoHash;

const HASH: InfoHash = InfoHash::new([7; 20]);
const STRANGER: NodeId = NodeId::new([9; 20]);

fn node(now: Instant) -> Node {
    let options = Options { addresses: addresses(0).map(|at| Some(at.ip())), ..Options::default() };
    let mut node = Node::new(now, [1; 32], options, &Saved::default());
    node.open([true; 2], Some(6881));
    node
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What the node answers to a datagram, and nothing else that it sends.
fn answer(node: &mut Node, now: Instant, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
    node.received(now, from, datagram);
    let mut sends = node.take_sends();
    assert!(sends.len() <= 1 && sends.iter().all(|(to, _)| *to == from));
    sends.pop().map(|(_, bytes)| bytes)
}

fn ask(query: &Query<'_>) -> Vec<u8> {
    krpc::ask(b"aa", &STRANGER, query, None, false)
}

fn response(datagram: &[u8]) -> Response<'_> {
    match krpc::decode(datagram).unwrap().body {
        Body::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn d1_odd_packets_get_an_error_or_nothing() {
    let now = Instant::now();
    let mut node = node(now);
    let from = at("11.9.9.9:1");
    let (mut random, ping) = (StdRng::seed_from_u64(2), ask(&Query::Ping));
    for n in 0..3_000_u32 {
        let mut bytes = ping.clone();
        let hit = random.random_range(0..bytes.len());
        bytes[hit] = random.random();
        bytes.truncate(random.random_range(0..=bytes.len() + 20));
        // Each from elsewhere, so that none is dropped for its number.
        let from = SocketAddr::new(std::net::Ipv4Addr::from(0x0b10_0000 + (n << 2)).into(), 1);
        let answer = answer(&mut node, now + Duration::from_millis(n.into()), from, &bytes);
        assert!(answer.is_none_or(|answer| krpc::decode(&answer).is_ok()));
    }
    let error = answer(&mut node, now, from, &ask(&Query::Ping)[..40]);
    assert_eq!(error, None);
    let vote = b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t300:".to_vec();
    let vote = [&vote[..], &[b't'; 300], b"1:y1:qe"].concat();
    let error = answer(&mut node, now + Duration::from_secs(60), from, &vote).unwrap();
    let message = krpc::decode(&error).unwrap();
    assert!(matches!(message.body, Body::Error(204, _)) && message.transaction == [b't'; 300]);
    // An answer that nobody asked for is nothing at all.
    let unasked = Answer::bare(STRANGER).encode(b"abcd", &from, 1_000).unwrap();
    assert_eq!(answer(&mut node, now, from, &unasked), None);
    assert_eq!(node.stats(now).nodes, [0, 0]);
}

#[test]
fn d2_a_foreign_or_old_token_announces_nothing() {
    let now = Instant::now();
    let mut node = node(now);
    let (from, other) = (at("11.9.9.9:1"), at("11.9.8.8:1"));
    let get = ask(&Query::GetPeers(HASH));
    let first = answer(&mut node, now, from, &get).unwrap();
    let token = response(&first).token.unwrap().to_vec();
    let announce =
        |token: &[u8]| ask(&Query::AnnouncePeer { info_hash: HASH, port: 5, implied: false, token });
    let is_refused = |answer: Option<Vec<u8>>| {
        matches!(krpc::decode(&answer.unwrap()).unwrap().body, Body::Error(203, b"bad token"))
    };
    assert!(is_refused(answer(&mut node, now, from, &announce(b""))));
    assert!(is_refused(answer(&mut node, now, from, &announce(b"aoeusnth"))));
    assert!(is_refused(answer(&mut node, now, other, &announce(&token))));
    let late = now + Duration::from_secs(601);
    assert!(is_refused(answer(&mut node, late, from, &announce(&token))));
    assert_eq!(node.stats(late).stored, 0);
    let again = answer(&mut node, late, from, &get).unwrap();
    let token = response(&again).token.unwrap().to_vec();
    let told = answer(&mut node, late, at("11.9.9.9:77"), &announce(&token)).unwrap();
    response(&told);
    let found = answer(&mut node, late, from, &get).unwrap();
    assert_eq!(response(&found).values, [at("11.9.9.9:5")]);
}

#[test]
fn d3_a_flood_is_not_answered_and_a_forged_sender_gets_little() {
    let now = Instant::now();
    let mut node = node(now);
    let mut net = Net::new(1);
    for n in 1..100 {
        net.add(true, &Saved::default());
        let contact = net.contacts(n - 1)[0];
        node.sides[0].table.answered(now, contact);
    }
    let from = at("11.200.9.9:1");
    let find = ask(&Query::FindNode(STRANGER));
    let answers: Vec<_> =
        (0..1_000_u64).map(|n| answer(&mut node, now + Duration::from_millis(n * 10), from, &find)).collect();
    let bytes: Vec<_> = answers.iter().flatten().map(Vec::len).collect();
    assert!(bytes.len() <= 51, "{}", bytes.len());
    let long = bytes.iter().filter(|&&bytes| bytes > find.len()).count();
    assert_eq!(long, 3, "it never answered us");
    // Five minutes later it is heard again.
    let later = now + Duration::from_secs(400);
    assert!(answer(&mut node, later, from, &find).is_some());
    // From everywhere at once: no more than the budget.
    let sent: usize = (0..20_000_u32)
        .filter_map(|n| {
            let from = SocketAddr::new(std::net::Ipv4Addr::from(0x0c00_0000 + (n << 8)).into(), 1);
            answer(&mut node, later + Duration::from_millis(n.into()), from, &find)
        })
        .map(|answer| answer.len())
        .sum();
    assert!(sent <= 80_000 + 20 * 8_000, "{sent} bytes in 20 s");
}

#[test]
fn d4_one_network_does_not_fill_the_table_nor_lead_inward() {
    let mut net = Net::new(1);
    for _ in 0..40 {
        net.add(true, &Saved::default());
    }
    let us = net.add(true, &Saved::default());
    (0..40).for_each(|n| net.introduce(us, n));
    let now = net.now;
    let before = net.nodes[us].stats(now).nodes;
    // Two hundred names in one /24, some of which fit, ask us and would answer.
    for n in 1..=200_u8 {
        let from = SocketAddr::new([11, 77, 7, n].into(), 1);
        let ids = [NodeId::random(&mut net.random), bep42::make(from.ip(), &mut net.random)];
        for id in ids {
            net.nodes[us].received(now, from, &krpc::ask(b"aa", &id, &Query::Ping, None, false));
            net.nodes[us].sides[0].table.answered(now, Contact { id, address: from });
        }
    }
    let after = net.nodes[us].stats(now).nodes;
    assert!(after[0] - before[0] <= 40, "one a bucket: {before:?} {after:?}");
    let buckets: std::collections::HashSet<_> = (net.nodes[us].sides[0].table.to_save())
        .filter(|node| node.address.ip().to_string().starts_with("11.77.7."))
        .map(|node| net.nodes[us].ids()[0].shared_bits(&node.id))
        .collect();
    assert_eq!(buckets.len() as u32, after[0] - before[0]);
    // A liar answers our search with nodes and peers of our own network.
    net.wake(us);
    net.run(Duration::from_secs(20), |net| net.nodes[us].stats(net.now).ready[0]);
    let now = net.now + Duration::from_secs(2);
    net.nodes[us].take_sends();
    net.nodes[us].add(now, HASH, Wish { urgent: true });
    net.nodes[us].timeout(now);
    let inward =
        ["127.0.0.1:1", "10.0.0.1:1", "192.168.1.1:80", "169.254.169.254:80", "0.0.0.0:1", "11.5.5.5:0"];
    let nodes: Vec<_> = inward
        .iter()
        .map(|text| Contact { id: NodeId::random(&mut net.random), address: at(text) })
        .collect();
    let sends = net.nodes[us].take_sends();
    let searches = |(to, question): &&(SocketAddr, Vec<u8>)| {
        let Body::Query { query, .. } = krpc::decode(question).unwrap().body else { return false };
        to.is_ipv4() && query == Query::GetPeers(HASH)
    };
    let (to, question) = sends.iter().find(searches).expect("it searches");
    let transaction = krpc::decode(question).unwrap().transaction.to_vec();
    let values: Vec<_> = inward.iter().map(|text| at(text)).chain([at("11.6.6.6:6")]).collect();
    let id = net.contacts(net_index(*to))[0].id;
    let lie = Answer { id, nodes: Some(nodes), nodes6: None, token: None, values };
    let lie = lie.encode(&transaction, to, 1_000).unwrap();
    net.nodes[us].take_events();
    net.nodes[us].received(now, *to, &lie);
    let peers = vec![at("11.6.6.6:6")];
    assert_eq!(net.nodes[us].take_events(), [Event::Peers { info_hash: HASH, peers }]);
    let asked = net.nodes[us].take_sends();
    assert!(asked.iter().all(|(to, _)| !inward.contains(&to.to_string().as_str())), "{asked:?}");
}

fn net_index(address: SocketAddr) -> usize {
    (0..100).find(|&n| addresses(n).contains(&address)).unwrap()
}

#[test]
fn d4_an_answer_counts_from_where_it_was_asked_for_only() {
    let mut net = Net::new(1);
    let us = net.add(true, &Saved::default());
    let other = net.add(true, &Saved::default());
    net.introduce(us, other);
    let now = net.now;
    net.nodes[us].meet(now, addresses(9)[0]);
    net.nodes[us].timeout(now);
    let sends = net.nodes[us].take_sends();
    let (to, ping) = sends.iter().find(|(to, _)| *to == addresses(9)[0]).unwrap();
    let transaction = krpc::decode(ping).unwrap().transaction;
    let pong = Answer::bare(STRANGER).encode(transaction, to, 1_000).unwrap();
    net.nodes[us].received(now, at("11.66.6.6:6"), &pong);
    assert_eq!(net.nodes[us].stats(now).nodes[0], 1);
    net.nodes[us].received(now, *to, &pong);
    assert_eq!(net.nodes[us].stats(now).nodes[0], 2);
    net.nodes[us].received(now, *to, &pong);
    assert_eq!(net.nodes[us].stats(now).nodes[0], 2, "once");
}

#[test]
fn who_only_asks_is_in_no_table_and_who_only_reads_is_not_even_asked() {
    let now = Instant::now();
    let mut node = node(now);
    let from = at("11.9.9.9:1");
    assert!(answer(&mut node, now, from, &krpc::ask(b"x", &STRANGER, &Query::Ping, None, true)).is_some());
    node.timeout(now);
    assert!(node.take_sends().iter().all(|(to, _)| *to != from), "BEP 43");
    assert!(answer(&mut node, now, from, &ask(&Query::Ping)).is_some());
    node.timeout(now);
    assert_eq!(node.take_sends().iter().filter(|(to, _)| *to == from).count(), 1);
    assert_eq!(node.stats(now).nodes, [0, 0]);
    // One that only reads answers nobody and says so.
    let options = Options { read_only: true, ..Options::default() };
    let mut reader = Node::new(now, [1; 32], options, &Saved::default());
    reader.open([true; 2], None);
    assert_eq!(answer(&mut reader, now, from, &ask(&Query::Ping)), None);
    reader.meet(now, from);
    reader.timeout(now);
    let sends = reader.take_sends();
    let Body::Query { read_only, .. } = krpc::decode(&sends[0].1).unwrap().body else { panic!() };
    assert!(read_only);
}
