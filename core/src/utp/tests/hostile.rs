//! What strangers send: floods, forged packets, garbage.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::net::{Link, Net, Seen, content};
use crate::utp::node::{Event, MAX_HALF_OPEN, MAX_HALF_OPEN_OF_ONE, Node};
use crate::utp::packet::{HEADER, Header, Kind, Packet};
use crate::utp::seq::{Micros, Seq};

const SECOND: Duration = Duration::from_secs(1);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn packet(kind: Kind, id: u16, seq: u16, ack: u16, payload: &[u8]) -> Vec<u8> {
    let (timestamp, difference) = (Micros(1), Micros(0));
    let mut out = Vec::new();
    Header { kind, id, timestamp, difference, window: 1 << 20, seq: Seq(seq), ack: Seq(ack) }.write(&mut out);
    out.extend_from_slice(payload);
    out
}

fn stranger(n: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0x0b00_0000 + n * 256).into(), 6881)
}

/// All that the node sends now: how many packets to how many bytes.
fn sends(node: &mut Node, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while let Some(transmit) = node.poll_transmit(now, &mut out) {
        all.extend(out.chunks(transmit.segment).map(|packet| (transmit.to, packet.to_vec())));
    }
    all
}

#[test]
fn a_flood_of_syns_costs_little_and_gains_one_small_answer_each() {
    let now = Instant::now();
    let mut node = Node::new(now, 1);
    for n in 0..20_000 {
        node.handle(now, stranger(n), None, &packet(Kind::Syn, n as u16, 1, 0, b""));
        let answers = sends(&mut node, now);
        assert_eq!(answers.len(), 1);
        assert_eq!((answers[0].0, answers[0].1.len()), (stranger(n), HEADER));
    }
    assert_eq!((node.half_open(), node.len()), (MAX_HALF_OPEN, MAX_HALF_OPEN));
    assert_eq!(node.poll_event(), None, "nobody has proven an address");
    // One address cannot push the others out.
    let mut node = Node::new(now, 1);
    node.handle(now, stranger(1), None, &packet(Kind::Syn, 7, 1, 0, b""));
    for id in 0..10_000 {
        node.handle(now, stranger(2), None, &packet(Kind::Syn, id * 3, 1, 0, b""));
    }
    assert_eq!(node.half_open(), MAX_HALF_OPEN_OF_ONE + 1);
    let later = now + SECOND * 11;
    node.timeout(later);
    sends(&mut node, later);
    assert_eq!((node.half_open(), node.len(), node.next_timeout()), (0, 0, None));
}

#[test]
fn a_syn_that_comes_again_gets_the_same_answer() {
    let now = Instant::now();
    let mut node = Node::new(now, 2);
    let syn = packet(Kind::Syn, 100, 5, 0, b"");
    node.handle(now, stranger(1), None, &syn);
    let first = sends(&mut node, now);
    node.handle(now, stranger(1), None, &syn);
    assert_eq!(sends(&mut node, now), first);
    assert_eq!(node.len(), 1);
    let answer = Packet::decode(&first[0].1).unwrap().header;
    assert_eq!((answer.kind, answer.id, answer.ack), (Kind::State, 100, Seq(5)));
    // Who guesses the number of the answer, or sends from elsewhere, is not let in.
    for (from, ack) in [(stranger(1), answer.seq), (stranger(2), answer.seq.before())] {
        node.handle(now, from, None, &packet(Kind::Data, 101, 6, ack.0, b"x"));
        assert_eq!(node.poll_event(), None);
    }
    node.handle(now, stranger(1), None, &packet(Kind::Data, 101, 6, answer.seq.before().0, b"x"));
    assert!(matches!(node.poll_event(), Some(Event::Incoming(_, from)) if from == stranger(1)));
}

#[test]
fn resets_answer_nothing_but_payload_and_not_without_end() {
    let now = Instant::now();
    let mut node = Node::new(now, 3);
    node.handle(now, stranger(1), None, &packet(Kind::Reset, 1, 1, 1, b""));
    node.handle(now, stranger(1), None, &packet(Kind::State, 1, 1, 1, b""));
    assert!(sends(&mut node, now).is_empty());
    for n in 0..1000 {
        node.handle(now, stranger(n), None, &packet(Kind::Data, 1, 77, 1, &[0; 400]));
    }
    let answers = sends(&mut node, now);
    assert!((1..=100).contains(&answers.len()), "{}", answers.len());
    let reset = Packet::decode(&answers[0].1).unwrap().header;
    assert_eq!((reset.kind, reset.id, reset.ack), (Kind::Reset, 1, Seq(77)));
    assert!(node.is_empty());
}

/// A connection that has moved some bytes, and a copy of the last packet to node 0.
fn established(seed: u64) -> (Net, crate::utp::node::Handle) {
    let link = Link::new(ms(10));
    let mut net = Net::new(seed, [link.clone(), link]);
    net.shut_when_written = false;
    let handle = net.connect();
    net.to_write.insert((0, handle), (content(10_000, seed), 0));
    net.pass(SECOND);
    (net, handle)
}

#[test]
fn resets_from_outside_the_window_change_nothing() {
    let (mut net, handle) = established(4);
    let other = net.addresses[1];
    // All ids, with one number: whoever has not seen our packets has one chance in some thousand.
    let mut ended = 0;
    for guess in (0..u16::MAX).step_by(997) {
        let (mut fresh, handle) = established(4);
        for id in 0..=u16::MAX {
            fresh.nodes[0].handle(fresh.now, other, None, &packet(Kind::Reset, id, 0, guess, b""));
        }
        ended += u32::from(fresh.nodes[0].is_connected(handle).is_err());
    }
    assert!(ended <= 1, "{ended} of 66 guesses");
    // From another address no number is right.
    for id in 0..=u16::MAX {
        for ack in [0, 1, 1000] {
            net.nodes[0].handle(net.now, stranger(1), None, &packet(Kind::Reset, id, 0, ack, b""));
        }
    }
    assert_eq!(net.nodes[0].is_connected(handle), Ok(true));
}

#[test]
fn bytes_one_by_one_out_of_order_are_bounded() {
    let (mut net, handle) = established(5);
    let (accepted, other) = (net.accepted[0].1, net.addresses[0]);
    // What the packets of node 0 look like.
    net.to_write.insert((0, handle), (b"look".to_vec(), 0));
    net.step(net.now);
    let mut out = Vec::new();
    net.nodes[0].write(net.now, handle, &[b"at this"]).unwrap();
    net.pass(SECOND);
    net.nodes[0].write(net.now, handle, &[b"and this"]).unwrap();
    net.nodes[0].poll_transmit(net.now, &mut out).unwrap();
    let real = Packet::decode(&out).unwrap().header;
    for n in 1..60_000_u16 {
        let forged = packet(Kind::Data, real.id, real.seq.plus(n).0, real.ack.0, &[1; 500]);
        net.nodes[1].handle(net.now, other, None, &forged);
    }
    let held = net.nodes[1].held();
    println!("{held} bytes held");
    assert!(held <= (9 << 19) + 4096, "{held}");
    // A mask of acknowledgements for what was never sent, and numbers from far away.
    let mut sack = Vec::new();
    Header { kind: Kind::State, ack: real.ack, ..real }.write_with_sack(&[0xff; 252], &mut sack);
    net.nodes[1].handle(net.now, other, None, &sack);
    net.nodes[1].handle(net.now, other, None, &packet(Kind::State, real.id, 0, real.ack.plus(500).0, b""));
    assert_eq!(net.nodes[1].is_connected(accepted), Ok(true));
    // What is missing has a place whatever waits for it.
    let before = net.nodes[1].readable(accepted);
    net.nodes[1].handle(net.now, other, None, &out);
    assert!(net.nodes[1].readable(accepted) > before + (3 << 20), "{before}");
    net.nodes[1].close(net.now, accepted);
    net.pass(SECOND * 20);
    assert_eq!(net.nodes[1].held(), 0);
}

#[test]
fn games_with_timestamps_and_windows_stop_nobody_else() {
    let (mut net, handle) = established(6);
    let other = net.addresses[1];
    let bytes = content(500_000, 6);
    net.shut_when_written = true;
    net.to_write.insert((0, handle), (bytes.clone(), 0));
    net.run(ms(15), |_| false);
    // Whoever knows all numbers can hurt its own connection, and no more.
    let mut clean = net.nodes[0].connect(net.now, other).unwrap();
    net.seen.insert((0, clean), Seen::default());
    for timestamp in [0, 1, u32::MAX, 1 << 31] {
        for difference in [0, 1, u32::MAX, 1 << 31] {
            for id in (0..=u16::MAX).step_by(7) {
                let header = Header {
                    kind: Kind::State,
                    id,
                    timestamp: Micros(timestamp),
                    difference: Micros(difference),
                    window: 0,
                    seq: Seq(0),
                    ack: Seq(0),
                };
                let mut out = Vec::new();
                header.write(&mut out);
                net.nodes[0].handle(net.now, other, None, &out);
            }
        }
    }
    net.to_write.insert((0, clean), (bytes.clone(), 0));
    let whole =
        |net: &mut Net| net.seen.iter().filter(|(_, seen)| seen.received.ends_with(&bytes)).count() == 2;
    assert!(net.run(SECOND * 60, whole));
    clean = handle;
    assert!(net.nodes[0].is_connected(clean).is_ok());
}

#[derive(Clone, Debug)]
enum Do {
    Packet { kind: u8, id: u8, seq: i8, ack: i8, window: u32, sack: Vec<u8>, payload: u8 },
    Bytes(Vec<u8>),
    Read,
    Write(u16),
    Shutdown,
    Close,
    Wait(u16),
}

fn anything() -> impl Strategy<Value = Do> {
    let sack = prop::collection::vec(any::<u8>(), 0..12).prop_map(|mut mask| {
        mask.truncate(mask.len() / 4 * 4);
        mask
    });
    prop_oneof![
        8 => (0..5_u8, 0..4_u8, any::<(i8, i8)>(), prop_oneof![Just(0), Just(100), Just(1 << 20)], sack, any::<u8>())
            .prop_map(|(kind, id, (seq, ack), window, sack, payload)|
                Do::Packet { kind, id, seq: seq / 16, ack: ack / 16, window, sack, payload }),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Do::Bytes),
        2 => Just(Do::Read),
        2 => any::<u16>().prop_map(Do::Write),
        1 => Just(Do::Shutdown),
        1 => Just(Do::Close),
        3 => any::<u16>().prop_map(Do::Wait),
    ]
}

proptest! {
    #[test]
    fn a_connection_survives_anything(called: bool, steps in prop::collection::vec(anything(), 0..80)) {
        let mut now = Instant::now();
        let (mut node, them) = (Node::new(now, 7), stranger(1));
        // Their side: an id, and what of ours they have seen.
        let (handle, id, mut seen) = if called {
            let handle = node.connect(now, them).unwrap();
            let syn = sends(&mut node, now).remove(0).1;
            let syn = Packet::decode(&syn).unwrap().header;
            node.handle(now, them, None, &packet(Kind::State, syn.id, 50, syn.seq.0, b""));
            (handle, syn.id, syn.seq)
        } else {
            node.handle(now, them, None, &packet(Kind::Syn, 9, 49, 0, b""));
            let answer = sends(&mut node, now).remove(0).1;
            let seen = Packet::decode(&answer).unwrap().header.seq.before();
            node.handle(now, them, None, &packet(Kind::Data, 10, 50, seen.0, b"x"));
            let Some(Event::Incoming(handle, _)) = node.poll_event() else { panic!("not let in") };
            (handle, 10, seen)
        };
        let mut theirs = Seq(50);
        for step in steps {
            match step {
                Do::Packet { kind, id: guess, seq, ack, window, sack, payload } => {
                    let kinds = [Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn];
                    let header = Header {
                        kind: kinds[usize::from(kind)],
                        id: id.wrapping_add(u16::from(guess)).wrapping_sub(1),
                        timestamp: Micros(now.elapsed().as_micros() as u32),
                        difference: Micros(u32::from(payload) << 20),
                        window,
                        seq: theirs.plus(seq as u16),
                        ack: seen.plus(ack as u16),
                    };
                    let mut out = Vec::new();
                    if sack.is_empty() { header.write(&mut out) } else { header.write_with_sack(&sack, &mut out) }
                    out.extend(vec![payload; usize::from(payload)]);
                    node.handle(now, them, None, &out);
                }
                Do::Bytes(bytes) => node.handle(now, them, None, &bytes),
                Do::Read => drop(node.read(now, handle, &mut [0; 100])),
                Do::Write(length) => drop(node.write(now, handle, &[&vec![1; usize::from(length)]])),
                Do::Shutdown => node.shutdown(now, handle),
                Do::Close => node.close(now, handle),
                Do::Wait(milliseconds) => now += ms(milliseconds.into()),
            }
            node.timeout(now);
            for (to, packet) in sends(&mut node, now) {
                prop_assert_eq!(to, them);
                let header = Packet::decode(&packet).unwrap().header;
                if matches!(header.kind, Kind::Data | Kind::Fin) && header.seq.after(seen) > 0 {
                    seen = header.seq;
                }
                theirs = header.ack.plus(1);
            }
            prop_assert!(node.next_timeout().is_none_or(|due| due > now), "nothing is overdue after a turn");
            while node.poll_event().is_some() {}
            prop_assert!(node.held() <= 5 << 20);
        }
        // Left alone it ends.
        node.close(now, handle);
        for _ in 0..2_000 {
            sends(&mut node, now);
            let Some(due) = node.next_timeout() else { break };
            now = due;
            node.timeout(now);
        }
        prop_assert!(node.is_empty());
        prop_assert_eq!((node.held(), node.half_open()), (0, 0));
    }
}
