//! The client against trackers that are good, silent, forged or new, under a clock of the test's own.

use proptest::prelude::*;
use rand::SeedableRng;

use super::*;
use crate::tracker::AnnounceEvent;
use crate::types::PeerId;

const A: &str = "11.1.0.1:80";
const PATIENCE: Duration = Duration::from_secs(30);

struct Story {
    client: UdpClient,
    began: Instant,
    now: Instant,
}

/// A packet of ours as a tracker reads it.
#[derive(Clone, Debug)]
struct Sent {
    to: SocketAddr,
    connection: [u8; 8],
    action: u32,
    transaction: [u8; 4],
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn params() -> AnnounceParams {
    AnnounceParams {
        info_hash: InfoHash::new([1; 20]),
        peer_id: PeerId::new([2; 20]),
        port: 6_881,
        uploaded: 0,
        downloaded: 0,
        corrupt: 0,
        left: 1,
        key: 1,
        numwant: 80,
        event: AnnounceEvent::Started,
    }
}

impl Story {
    fn new() -> Self {
        let now = Instant::now();
        Self { client: UdpClient::new(StdRng::seed_from_u64(1), false), began: now, now }
    }

    fn ask(&mut self, to: &str, patience: Duration) -> RequestId {
        let to: Vec<_> = to.split_whitespace().map(at).collect();
        self.client.ask(self.now, &to, Question::Announce(params(), Bytes::new()), patience)
    }

    fn sent(&mut self) -> Vec<Sent> {
        let read = |(to, packet): (SocketAddr, Vec<u8>)| Sent {
            to,
            connection: packet[..8].try_into().unwrap(),
            action: u32::from_be_bytes(packet[8..12].try_into().unwrap()),
            transaction: packet[12..16].try_into().unwrap(),
        };
        self.client.take_sends().into_iter().map(read).collect()
    }

    /// Exactly one packet went out.
    fn one(&mut self) -> Sent {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.into_iter().next().unwrap()
    }

    fn reply(&mut self, from: SocketAddr, action: u32, transaction: [u8; 4], body: &[u8]) {
        let packet = [&action.to_be_bytes()[..], &transaction, body].concat();
        self.client.received(self.now, from, &packet);
    }

    /// Answers a packet of ours as a good tracker does.
    fn answer(&mut self, sent: &Sent, body: &[u8]) {
        self.reply(sent.to, sent.action, sent.transaction, body);
    }

    /// What is over: `Ok` with the number of peers, or the error.
    fn over(&mut self) -> Vec<(RequestId, Result<usize, AnnounceError>)> {
        let count = |answer| match answer {
            Answer::Announce(reply) => reply.peers.len(),
            Answer::Scrape(figures) => figures.len(),
        };
        self.client.take_done().into_iter().map(|(id, result)| (id, result.map(count))).collect()
    }

    /// Goes to the next thing that is due; the second of the story that this is.
    fn skip(&mut self) -> Option<u64> {
        self.now = self.now.max(self.client.next_due()?);
        self.client.timeout(self.now);
        Some((self.now - self.began).as_secs())
    }

    fn wait(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        self.client.timeout(self.now);
    }
}

/// Interval 1800, 2 leechers, 3 seeds, one peer.
const ONE_PEER: &[u8] = b"\0\0\x07\x08\0\0\0\x02\0\0\0\x03\x0b\x02\0\x01\x1a\xe1";
const MAGIC: [u8; 8] = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80];

#[test]
fn connect_then_announce() {
    let mut story = Story::new();
    let id = story.ask(A, PATIENCE);
    let connect = story.one();
    assert_eq!((connect.to, connect.connection, connect.action), (at(A), MAGIC, 0));
    story.answer(&connect, b"12345678");
    let announce = story.one();
    assert_eq!((announce.to, announce.connection, announce.action), (at(A), *b"12345678", 1));
    assert_ne!(announce.transaction, connect.transaction);
    story.answer(&announce, ONE_PEER);
    let (over, answer) = story.client.take_done().remove(0);
    let Answer::Announce(reply) = answer.unwrap() else { panic!() };
    assert_eq!(over, id);
    assert_eq!((reply.seeds, reply.leechers, reply.interval.as_secs()), (Some(3), Some(2), 1_800));
    assert_eq!(reply.peers, [at("11.2.0.1:6881")]);
    assert_eq!(story.client.next_due(), None);
    assert!(story.client.transactions.is_empty(), "nothing is left of it");
}

#[test]
fn over_ipv6_a_peer_has_eighteen_bytes() {
    let mut story = Story::new();
    story.ask("[2a11::1]:80", PATIENCE);
    let connect = story.one();
    story.answer(&connect, b"12345678");
    let announce = story.one();
    let peer = b"\x2a\x11\0\x02\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1";
    story.answer(&announce, &[&ONE_PEER[..12], peer].concat());
    let Answer::Announce(reply) = story.client.take_done().remove(0).1.unwrap() else { panic!() };
    assert_eq!(reply.peers, [at("[2a11:2::1]:6881")]);
}

#[test]
fn one_connection_serves_all_torrents_for_a_minute() {
    let mut story = Story::new();
    for _ in 0..5 {
        story.ask(A, PATIENCE);
    }
    let connect = story.one();
    story.answer(&connect, b"12345678");
    let announces = story.sent();
    assert_eq!(announces.len(), 5);
    for announce in &announces {
        assert_eq!(announce.connection, *b"12345678");
        story.answer(announce, ONE_PEER);
    }
    assert_eq!(story.over().len(), 5);
    story.wait(59);
    story.ask(A, PATIENCE);
    let announce = story.one();
    assert_eq!(announce.connection, *b"12345678");
    story.answer(&announce, ONE_PEER);
    story.wait(1);
    story.ask(A, PATIENCE);
    assert_eq!(story.one().connection, MAGIC, "a new connection id after 60 s");
    // Another port is another tracker.
    story.ask("11.1.0.1:81", PATIENCE);
    assert_eq!(story.one().connection, MAGIC);
}

#[test]
fn a_silent_tracker_is_asked_twice_and_given_up_after_thirty_seconds() {
    let mut story = Story::new();
    let id = story.ask(A, PATIENCE);
    let first = story.one();
    assert_eq!(story.skip(), Some(15));
    let second = story.one();
    assert_eq!(first.transaction, second.transaction, "an answer to either counts");
    assert_eq!(story.skip(), Some(30));
    assert!(story.sent().is_empty());
    assert_eq!(story.over(), [(id, Err(AnnounceError::Timeout))]);
    assert_eq!(story.client.next_due(), None);
}

#[test]
fn a_thousand_torrents_do_not_hammer_a_dead_tracker() {
    let mut story = Story::new();
    let mut packets = 0;
    for _ in 0..1_000 {
        story.ask(A, PATIENCE);
        story.wait(1);
        packets += story.sent().len();
    }
    // At 0 and 15 s, then every 30 s.
    assert_eq!(packets, 2 + (1_000 - 15) / 30);
    while story.skip().is_some() {}
    let over = story.over();
    assert_eq!(over.len(), 1_000);
    assert!(over.iter().all(|(_, result)| *result == Err(AnnounceError::Timeout)));
}

#[test]
fn a_good_bye_is_repeated_soon() {
    let mut story = Story::new();
    story.ask(A, Duration::from_secs(6));
    story.one();
    assert_eq!(story.skip(), Some(3));
    story.one();
    assert_eq!(story.skip(), Some(6));
    assert!(story.sent().is_empty());
    assert_eq!(story.over()[0].1, Err(AnnounceError::Timeout));
}

#[test]
fn forged_and_broken_replies_are_dropped() {
    let mut story = Story::new();
    let id = story.ask(A, PATIENCE);
    let connect = story.one();
    let wrong = connect.transaction.map(|byte| !byte);
    let forge = |story: &mut Story, sent: &Sent| {
        story.reply(sent.to, sent.action, wrong, ONE_PEER);
        story.reply(at("11.1.0.2:80"), sent.action, sent.transaction, ONE_PEER);
        story.reply(at("11.1.0.1:81"), sent.action, sent.transaction, ONE_PEER);
        story.reply(at("11.1.0.1:81"), 3, sent.transaction, b"forged");
        story.reply(sent.to, 3, wrong, b"forged");
        story.reply(sent.to, sent.action, sent.transaction, b"short");
        story.reply(sent.to, 2, sent.transaction, ONE_PEER);
        story.reply(sent.to, 9, sent.transaction, ONE_PEER);
        story.reply(sent.to, 1 - sent.action, sent.transaction, ONE_PEER);
        for length in 0..16 {
            story.client.received(story.now, sent.to, &[0; 16][..length]);
        }
        assert!(story.sent().is_empty() && story.over().is_empty());
    };
    forge(&mut story, &connect);
    story.answer(&connect, b"12345678");
    let announce = story.one();
    forge(&mut story, &announce);
    story.answer(&connect, b"87654321");
    assert!(story.sent().is_empty(), "a second answer to one question");
    story.answer(&announce, ONE_PEER);
    assert_eq!(story.over(), [(id, Ok(1))]);
    story.answer(&announce, ONE_PEER);
    assert!(story.over().is_empty());
}

#[test]
fn a_late_connect_reply_serves_the_next_question() {
    let mut story = Story::new();
    story.ask(A, PATIENCE);
    let connect = story.one();
    while story.skip().is_some() {}
    assert_eq!((story.over().len(), story.sent().len()), (1, 1));
    story.answer(&connect, b"12345678");
    story.ask(A, PATIENCE);
    assert_eq!(story.one().connection, *b"12345678");
}

#[test]
fn refusals_are_told_in_the_trackers_words() {
    let mut story = Story::new();
    let ids = [story.ask(A, PATIENCE), story.ask(A, PATIENCE)];
    let connect = story.one();
    story.reply(connect.to, 3, connect.transaction, b"go away\0\0");
    let refused = |reason: &str| Err(AnnounceError::Refused { reason: reason.into(), retry: None });
    assert_eq!(story.over(), ids.map(|id| (id, refused("go away"))));
    let id = story.ask(A, PATIENCE);
    assert!(story.sent().is_empty(), "who refused is not asked again at once");
    story.wait(15);
    let connect = story.one();
    story.answer(&connect, b"12345678");
    let announce = story.one();
    story.reply(announce.to, 3, announce.transaction, b"");
    assert_eq!(story.over(), [(id, refused("no reason given"))]);
}

#[test]
fn a_tracker_that_was_started_anew_is_connected_to_again() {
    for loud in [true, false] {
        let mut story = Story::new();
        story.ask(A, PATIENCE);
        let connect = story.one();
        story.answer(&connect, b"12345678");
        let announce = story.one();
        story.answer(&announce, ONE_PEER);
        story.over();
        let id = story.ask(A, PATIENCE);
        let announce = story.one();
        if loud {
            story.reply(announce.to, 3, announce.transaction, b"Connection ID missmatch.\0");
        } else {
            assert_eq!(story.skip(), Some(15));
        }
        let connect = story.one();
        assert_eq!(connect.connection, MAGIC);
        story.answer(&connect, b"abcdefgh");
        let again = story.one();
        assert_eq!((again.connection, again.transaction), (*b"abcdefgh", announce.transaction));
        if loud {
            story.reply(again.to, 3, again.transaction, b"Connection ID missmatch.\0");
            assert!(matches!(story.over()[..], [(_, Err(AnnounceError::Refused { .. }))]), "only once");
        } else {
            story.answer(&again, ONE_PEER);
            assert_eq!(story.over(), [(id, Ok(1))]);
        }
    }
}

#[test]
fn unreachable_fails_at_once_and_the_next_address_is_tried_next() {
    let mut story = Story::new();
    let both = "11.1.0.1:80 11.1.0.2:80";
    let id = story.ask(both, PATIENCE);
    assert_eq!(story.one().to, at("11.1.0.1:80"));
    story.client.unreachable(at("11.1.0.1:80"), "Connection refused");
    assert_eq!(story.over(), [(id, Err(AnnounceError::Network("Connection refused".into())))]);
    story.ask(both, PATIENCE);
    assert_eq!(story.one().to, at("11.1.0.2:80"));
}

#[test]
fn peers_that_the_tracker_may_not_name_are_dropped() {
    for (allow, want) in [(false, 1), (true, 3)] {
        let mut story = Story::new();
        story.client = UdpClient::new(StdRng::seed_from_u64(1), allow);
        story.ask(A, PATIENCE);
        let connect = story.one();
        story.answer(&connect, b"12345678");
        let announce = story.one();
        // Public, twice; loopback; private; port 0; broadcast; an incomplete one.
        let peers = b"\x0b\x02\0\x01\x1a\xe1\x0b\x02\0\x01\x1a\xe1\x7f\0\0\x01\x1a\xe1\x0a\0\0\x01\x1a\xe1\
                      \x0b\x03\0\x01\0\0\xff\xff\xff\xff\x1a\xe1\x0b\x04";
        story.answer(&announce, &[&ONE_PEER[..12], peers].concat());
        assert_eq!(story.over()[0].1, Ok(want));
    }
}

#[test]
fn the_largest_datagram_brings_no_more_peers_than_anybody_needs() {
    let mut story = Story::new();
    story.ask(A, PATIENCE);
    let connect = story.one();
    story.answer(&connect, b"12345678");
    let announce = story.one();
    let peers: Vec<u8> = (0..10_000_u32).flat_map(|n| [11, 1, (n >> 8) as u8, n as u8, 0x1a, 0xe1]).collect();
    story.answer(&announce, &[&ONE_PEER[..12], &peers].concat());
    assert_eq!(story.over()[0].1, Ok(crate::tracker::reply::MAX_PEERS));
}

#[test]
fn a_scrape_brings_no_more_than_was_asked() {
    let mut story = Story::new();
    let torrents = vec![InfoHash::new([1; 20]); 2];
    story.client.ask(story.now, &[at(A)], Question::Scrape(torrents), PATIENCE);
    let connect = story.one();
    story.answer(&connect, b"12345678");
    let scrape = story.one();
    assert_eq!(scrape.action, 2);
    story.answer(&scrape, &[1; 12 * 5]);
    assert_eq!(story.over()[0].1, Ok(2));
}

#[test]
fn what_is_cancelled_is_over() {
    let mut story = Story::new();
    let id = story.ask(A, PATIENCE);
    let connect = story.one();
    story.answer(&connect, b"12345678");
    let announce = story.one();
    story.client.cancel(id);
    story.answer(&announce, ONE_PEER);
    assert!(story.over().is_empty() && story.client.next_due().is_none());
    assert!(story.client.transactions.is_empty());
}

#[test]
fn idle_addresses_are_forgotten() {
    let mut story = Story::new();
    for n in 0..2_000_u32 {
        let to = SocketAddr::from(([11, 9, (n >> 8) as u8, n as u8], 80));
        let id = story.client.ask(story.now, &[to], Question::Scrape(Vec::new()), PATIENCE);
        story.client.cancel(id);
        story.wait(1);
    }
    assert!(story.client.endpoints.len() <= ENDPOINTS, "{}", story.client.endpoints.len());
    assert_eq!(story.client.transactions.len(), story.client.endpoints.len());
}

proptest! {
    /// Whatever comes, every question gets exactly one answer by its deadline.
    #[test]
    fn every_question_is_answered_once(steps in proptest::collection::vec((0..6_u8, 0..3_u8, 0..40_u64), 0..80)) {
        let mut story = Story::new();
        let (mut asked, mut over, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        for (step, tracker, secs) in steps {
            match step {
                0 | 1 => asked.push((story.ask(&format!("11.1.0.{tracker}:80"), PATIENCE), story.now)),
                2 => story.wait(secs),
                3 if !sent.is_empty() => {
                    let packet: Sent = sent.swap_remove(usize::from(tracker) % sent.len());
                    story.answer(&packet, ONE_PEER);
                }
                4 if !sent.is_empty() => {
                    let packet: &Sent = &sent[usize::from(tracker) % sent.len()];
                    let (to, transaction) = (packet.to, packet.transaction);
                    story.reply(to, 3, transaction, b"connection");
                }
                5 => story.client.unreachable(at(&format!("11.1.0.{tracker}:80")), "no"),
                _ => {}
            }
            sent.extend(story.sent());
            over.extend(story.over().into_iter().map(|(id, _)| id));
            for (id, when) in &asked {
                prop_assert!(over.contains(id) || story.now < *when + PATIENCE);
            }
        }
        while story.skip().is_some() {}
        over.extend(story.over().into_iter().map(|(id, _)| id));
        over.sort_unstable();
        let asked: Vec<_> = asked.into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(over, asked);
    }
}
