//! A connection of uTP whose other side does as it likes. The first byte says who called; each step is a kind, and
//! the differences that a packet has from a good one, or what the owner does. It never panics, answers the sender
//! alone, holds no more than it should, and ends when it is left alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tc_core::utp::node::{Event, Node};
use tc_core::utp::packet::{Header, Kind, Packet};
use tc_core::utp::seq::{Micros, Seq};

const KINDS: [Kind; 5] = [Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn];

fn packet(kind: Kind, id: u16, seq: Seq, ack: Seq, window: u32) -> Vec<u8> {
    let mut out = Vec::new();
    Header { kind, id, timestamp: Micros(9), difference: Micros(9), window, seq, ack }.write(&mut out);
    out
}

/// All that goes out: the last packet, and the last number with payload.
fn sends(node: &mut Node, now: Instant, them: SocketAddr) -> Vec<Header> {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while let Some(transmit) = node.poll_transmit(now, &mut out) {
        assert_eq!(transmit.to, them);
        assert!(transmit.segment > 0 && transmit.segment <= 1472);
        let packets = out.chunks(transmit.segment);
        all.extend(packets.map(|packet| Packet::decode(packet).expect("what we write is read").header));
    }
    all
}

pub fn check(bytes: &[u8]) {
    let [called, steps @ ..] = bytes else { return };
    let them: SocketAddr = "11.1.0.1:6881".parse().expect("an address");
    let mut now = Instant::now();
    let mut node = Node::new(now, 1);
    let (handle, id, mut seen) = if called % 2 == 0 {
        let handle = node.connect(now, them).expect("room for one");
        let syn = sends(&mut node, now, them)[0];
        node.handle(now, them, None, &packet(Kind::State, syn.id, Seq(50), syn.seq, 1 << 20));
        (handle, syn.id, syn.seq)
    } else {
        node.handle(now, them, None, &packet(Kind::Syn, 9, Seq(49), Seq(0), 1 << 20));
        let seen = sends(&mut node, now, them)[0].seq.before();
        node.handle(now, them, None, &packet(Kind::Data, 10, Seq(50), seen, 1 << 20));
        let Some(Event::Incoming(handle, _)) = node.poll_event() else { panic!("it has proven its address") };
        (handle, 10, seen)
    };
    let mut theirs = Seq(50);
    for step in steps.chunks_exact(6) {
        let &[what, a, b, c, d, e] = step else { continue };
        match what % 16 {
            0..8 => {
                let header = Header {
                    kind: KINDS[usize::from(what / 16 % 5)],
                    id: id.wrapping_add(u16::from(a % 4)).wrapping_sub(u16::from(a / 4 % 4)),
                    timestamp: Micros(u32::from_be_bytes([a, b, c, d])),
                    difference: Micros(u32::from_be_bytes([e, d, c, b])),
                    window: [0, 100, 1 << 16, u32::MAX][usize::from(a / 16 % 4)],
                    seq: theirs.plus(u16::from(b)).before(),
                    ack: Seq(seen.0.wrapping_sub(u16::from(c % 16)).wrapping_add(u16::from(c / 16))),
                };
                let mut out = Vec::new();
                if d % 2 == 0 {
                    header.write(&mut out);
                } else {
                    header.write_with_sack(&[b, c, d, e], &mut out);
                }
                out.resize(out.len() + usize::from(e), d);
                node.handle(now, them, None, &out);
            }
            8 => node.handle(now, them, None, step),
            9 => drop(node.read(now, handle, &mut vec![0; usize::from(a) * 64])),
            10..12 => drop(node.write(now, handle, &[&vec![a; usize::from(b) * 256], step])),
            12 => node.shutdown(now, handle),
            13 if a == 0 => node.close(now, handle),
            _ => now += Duration::from_micros(u64::from(u16::from_be_bytes([a, b])) * u64::from(c)),
        }
        node.timeout(now);
        for header in sends(&mut node, now, them) {
            if matches!(header.kind, Kind::Data | Kind::Fin) && header.seq.after(seen) > 0 {
                seen = header.seq;
            }
            theirs = header.ack.plus(1);
        }
        assert!(node.next_timeout().is_none_or(|due| due > now), "nothing is overdue after a turn");
        while node.poll_event().is_some() {}
        assert!(node.held() <= 5 << 20);
    }
    node.close(now, handle);
    for _ in 0..2_000 {
        sends(&mut node, now, them);
        let Some(due) = node.next_timeout() else { break };
        now = due;
        node.timeout(now);
    }
    assert!(node.is_empty() && node.held() == 0 && node.half_open() == 0);
}
