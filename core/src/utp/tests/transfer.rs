//! Bytes arrive whole and in order, as fast as the path allows, and connections end.

use std::time::Duration;

use super::net::{Link, Net, content, transfer};
use crate::utp::UtpError;
use crate::utp::node::Event;

const SECOND: Duration = Duration::from_secs(1);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn received(net: &Net) -> &[u8] {
    &net.seen[net.accepted.last().unwrap()].received
}

/// Megabits a second over the whole of a transfer.
fn rate(net: &Net) -> f64 {
    received(net).len() as f64 * 8.0 / 1e6 / net.elapsed().as_secs_f64()
}

#[test]
fn both_directions_arrive_whole_over_a_bad_path() {
    for seed in 0..4 {
        let bad = Link {
            loss: 0.02,
            duplicate: 0.01,
            reorder: 0.1,
            late: ms(10),
            ..Link::bottleneck(50, ms(200), ms(25))
        };
        let mut net = Net::new(seed, [bad.clone(), bad]);
        let (there, back) = (content(3_000_000, seed), content(1_000_000, seed + 100));
        let handle = net.connect();
        net.to_write.insert((0, handle), (there.clone(), 0));
        assert!(net.run(SECOND * 20, |net| !net.accepted.is_empty()));
        let accepted = net.accepted[0];
        net.to_write.insert(accepted, (back.clone(), 0));
        let both = |net: &mut Net| net.seen[&accepted].ended && net.seen[&(0, handle)].ended;
        assert!(net.run(SECOND * 120, both), "{seed}: {}", received(&net).len());
        assert!(received(&net) == there && net.seen[&(0, handle)].received == back, "{seed}");
        println!("seed {seed}: {:.1} s", net.elapsed().as_secs_f64());
        // Both are forgotten a little later, without a word to anybody.
        net.nodes[0].close(net.now, handle);
        net.nodes[1].close(net.now, accepted.1);
        net.pass(SECOND * 20);
        assert!(net.nodes.iter().all(|node| node.is_empty() && node.held() == 0));
        assert_eq!(net.nodes.each_ref().map(crate::utp::node::Node::next_timeout), [None, None]);
    }
}

#[test]
fn a_long_fat_link_is_filled() {
    let link = Link::bottleneck(100, ms(100), ms(50));
    let mut net = Net::new(7, [link.clone(), Link { rate: None, ..link }]);
    transfer(&mut net, vec![7; 120_000_000], SECOND * 10);
    let rate = rate(&net);
    println!("{rate:.1} Mbit/s of 100 with a round trip of 100 ms, in the first 10 s");
    assert!(rate >= 80.0, "{rate}");
}

#[test]
fn losses_by_chance_do_not_stop_it() {
    let bad = Link { loss: 0.02, reorder: 0.05, late: ms(5), ..Link::bottleneck(100, ms(200), ms(25)) };
    let mut net = Net::new(3, [bad.clone(), Link { rate: None, ..bad }]);
    transfer(&mut net, vec![7; 64_000_000], SECOND * 20);
    let rate = rate(&net);
    println!("{rate:.2} Mbit/s with 2 % loss, 50 ms and reordering");
    // 1.2 packets / sqrt(loss) a round trip is what any window that is halved for each loss comes to.
    assert!(rate >= 1.5, "{rate}");
}

#[test]
fn packets_that_overtake_each_other_are_not_lost() {
    let link = Link { reorder: 0.2, late: ms(8), ..Link::bottleneck(20, ms(200), ms(25)) };
    let mut net = Net::new(4, [link.clone(), Link { rate: None, ..link }]);
    transfer(&mut net, content(20_000_000, 4), SECOND * 10);
    let rate = rate(&net);
    println!("{rate:.1} Mbit/s of 20 with every fifth packet late");
    assert!(rate >= 15.0, "{rate}");
}

#[test]
fn the_path_decides_how_large_packets_are() {
    for mtu in [548, 900, 1400, 1464, 1472] {
        let link = Link { mtu, ..Link::bottleneck(20, ms(200), ms(20)) };
        let mut net = Net::new(5, [link.clone(), link]);
        let bytes = content(4_000_000, 5);
        transfer(&mut net, bytes.clone(), SECOND * 20);
        assert!(received(&net) == bytes, "{mtu}");
        let mean = net.sent[0].1 / net.sent[0].0;
        assert!(mean as usize > mtu * 8 / 10, "{mtu}: {mean}");
    }
}

#[test]
fn a_path_that_takes_less_than_before_is_understood_within_seconds() {
    let mut net = Net::new(11, [Link::bottleneck(20, ms(200), ms(20)), Link::new(ms(20))]);
    let bytes = content(20_000_000, 11);
    let handle = net.connect();
    net.to_write.insert((0, handle), (bytes.clone(), 0));
    net.pass(Duration::from_secs(2));
    net.links[0].mtu = 1_200;
    let before = received(&net).len();
    net.pass(Duration::from_secs(6));
    let rate = (received(&net).len() - before) as f64 * 8.0 / 6e6;
    println!("{rate:.1} Mbit/s of 20 in the six seconds since the path takes less");
    assert!(rate > 5.0, "{rate}");
    let all = |net: &mut Net| received(net).len() == 20_000_000;
    assert!(net.run(Duration::from_secs(30), all) && received(&net) == bytes);
    assert!(net.seen[&(0, handle)].error.is_none());
}

#[test]
fn a_reader_that_stops_stops_the_sender_and_starts_it_again() {
    let link = Link::bottleneck(1000, ms(50), ms(5));
    let mut net = Net::new(8, [link.clone(), link]);
    let bytes = content(24 << 20, 8);
    let handle = net.connect();
    net.to_write.insert((0, handle), (bytes.clone(), 0));
    assert!(net.run(SECOND * 5, |net| !net.accepted.is_empty()));
    net.stalled[1] = true;
    net.pass(SECOND * 90);
    let held = net.nodes[1].held();
    println!("{held} bytes held for a reader that does not read");
    assert!((2 << 20..=(4 << 20) + 4096).contains(&held), "{held}");
    let sent = net.sent[0].0;
    net.pass(SECOND * 60);
    assert!(net.sent[0].0 - sent < 20, "asks for room now and then, not more");
    net.stalled[1] = false;
    assert!(net.run(SECOND * 60, |net| net.seen[&net.accepted[0]].ended));
    assert!(received(&net) == bytes);
}

#[test]
fn small_messages_go_at_once_and_few_packets_acknowledge_many() {
    let mut net = Net::new(9, [Link::new(ms(50)), Link::new(ms(50))]);
    net.shut_when_written = false;
    let handle = net.connect();
    net.to_write.insert((0, handle), (b"hello".to_vec(), 0));
    assert!(net.run(SECOND, |net| net.accepted.last().is_some_and(|it| net.seen[it].received == b"hello")));
    assert_eq!(net.elapsed(), ms(150), "a round trip for the connection and one way for the message");
    net.pass(SECOND);
    let (sent, acks) = (net.sent[0].0, net.sent[1].0);
    net.links[0] = Link::bottleneck(50, ms(500), ms(50));
    net.to_write.insert((0, handle), (content(2_000_000, 9), 0));
    net.pass(SECOND * 5);
    assert_eq!(received(&net).len(), 2_000_005);
    let (sent, acks) = (net.sent[0].0 - sent, net.sent[1].0 - acks);
    println!("{acks} acknowledgements for {sent} packets");
    assert!(acks * 2 <= sent + 4 && acks * 4 > sent, "{acks} for {sent}");
}

#[test]
fn nobody_there_is_known_after_three_seconds() {
    let mut nowhere = Link::new(ms(10));
    nowhere.loss = 1.0;
    let mut net = Net::new(10, [nowhere.clone(), nowhere]);
    let handle = net.connect();
    assert!(net.run(SECOND * 10, |net| net.seen[&(0, handle)].error == Some(UtpError::NoAnswer)));
    assert_eq!(net.elapsed(), SECOND * 3);
    assert_eq!(net.sent[0].0, 2, "the SYN, and once more");
}

#[test]
fn an_answer_that_is_lost_is_given_again() {
    let mut net = Net::new(11, [Link::new(ms(10)), Link { loss: 1.0, ..Link::new(ms(10)) }]);
    let handle = net.connect();
    net.pass(ms(500));
    assert_eq!((net.nodes[1].half_open(), net.accepted.len()), (1, 0));
    net.links[1].loss = 0.0;
    net.to_write.insert((0, handle), (b"x".to_vec(), 0));
    assert!(net.run(SECOND * 2, |net| net.accepted.len() == 1 && net.seen[&net.accepted[0]].ended));
    assert_eq!(net.nodes[1].half_open(), 0);
}

#[test]
fn silence_ends_a_connection_and_so_does_half_an_end() {
    // An end that the other side does not answer with its own.
    let link = Link::new(ms(10));
    let mut net = Net::new(12, [link.clone(), link]);
    let handle = net.connect();
    net.to_write.insert((0, handle), (b"x".to_vec(), 0));
    assert!(net.run(SECOND * 90, |net| net.seen[&(0, handle)].error.is_some()));
    assert_eq!(net.seen[&(0, handle)].error, Some(UtpError::TimedOut));
    assert!((60..=90).contains(&net.elapsed().as_secs()), "{:?}", net.elapsed());

    // Nobody says anything: what keeps a NAT open keeps the connection. Then the path breaks.
    let link = Link::new(ms(10));
    let mut net = Net::new(13, [link.clone(), link]);
    net.shut_when_written = false;
    let handle = net.connect();
    net.to_write.insert((0, handle), (b"x".to_vec(), 0));
    net.pass(SECOND * 1000);
    assert_eq!(net.seen[&(0, handle)].error, None);
    net.links[0].loss = 1.0;
    net.links[1].loss = 1.0;
    net.pass(SECOND * 400);
    assert_eq!(net.seen[&(0, handle)].error, Some(UtpError::TimedOut));
    assert_eq!(net.seen[&net.accepted[0]].error, Some(UtpError::TimedOut));
}

#[test]
fn what_is_not_acknowledged_ends_it_within_two_minutes() {
    let link = Link::new(ms(10));
    let mut net = Net::new(14, [link.clone(), link]);
    net.shut_when_written = false;
    let handle = net.connect();
    net.to_write.insert((0, handle), (b"x".to_vec(), 0));
    net.pass(SECOND);
    net.links[0].loss = 1.0;
    net.to_write.insert((0, handle), (b"y".to_vec(), 0));
    let started = net.elapsed();
    assert!(net.run(SECOND * 300, |net| net.seen[&(0, handle)].error.is_some()));
    let took = net.elapsed() - started;
    assert!((20..120).contains(&took.as_secs()), "{took:?}");
    assert!(net.sent[0].0 < 20, "waits twice as long each time");
}

#[test]
fn what_was_written_arrives_though_its_owner_has_gone() {
    let link = Link { loss: 0.05, ..Link::bottleneck(10, ms(100), ms(20)) };
    let mut net = Net::new(15, [link.clone(), link]);
    net.shut_when_written = false;
    let handle = net.connect();
    let bytes = content(60_000, 15);
    net.to_write.insert((0, handle), (bytes.clone(), 0));
    assert!(net.run(SECOND * 5, |net| net.to_write[&(0, handle)].1 == bytes.len()));
    net.seen.remove(&(0, handle));
    net.nodes[0].close(net.now, handle);
    assert!(net.run(SECOND * 15, |net| net.accepted.last().is_some_and(|it| net.seen[it].ended)));
    assert!(received(&net) == bytes);
    let accepted = net.accepted[0].1;
    net.nodes[1].close(net.now, accepted);
    net.seen.clear();
    net.pass(SECOND * 20);
    assert!(net.nodes.iter().all(crate::utp::node::Node::is_empty));
}

#[test]
fn whoever_has_forgotten_a_connection_says_so() {
    let link = Link::new(ms(10));
    let mut net = Net::new(16, [link.clone(), link]);
    net.shut_when_written = false;
    let handle = net.connect();
    net.to_write.insert((0, handle), (b"x".to_vec(), 0));
    net.pass(SECOND);
    net.nodes[1] = crate::utp::node::Node::new(net.now, 99);
    net.seen.retain(|(node, _), _| *node == 0);
    net.to_write.insert((0, handle), (b"y".to_vec(), 0));
    net.pass(SECOND);
    assert_eq!(net.seen[&(0, handle)].error, Some(UtpError::Reset));
    while let Some(event) = net.nodes[0].poll_event() {
        assert!(matches!(event, Event::Readable(_) | Event::Writable(_)));
    }
}
