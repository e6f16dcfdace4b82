//! The link in user space is as slow, late and lossy as it is told: what is measured through it counts.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::lab::require;
use crate::link::{Link, Way};
use crate::net::{Family, Host, Net};

/// Longer than any way, also on a busy machine: who hears nothing for so long has heard all.
const QUIET: Duration = Duration::from_secs(2);
/// Between two tries to be heard at all.
const HELLO: Duration = Duration::from_millis(300);
/// What is in front of a datagram's payload: Ethernet, IPv4, UDP.
const HEADERS: usize = 14 + 20 + 8;

fn places(test: &str) -> Option<(Net, Host, Host)> {
    let mut net = require(Net::new(), test)?;
    let (a, b) = (net.host("a"), net.host("b"));
    Some((net, a, b))
}

/// Sends datagrams at once; the number, the time of sending and of arrival of those that arrive.
fn train(a: &Host, b: &Host, family: Family, count: u32, length: usize) -> Vec<(u32, Instant, Instant)> {
    let to = SocketAddr::new(b.address(family), 9_000);
    let taker =
        b.spawn(move || UdpSocket::bind(to)).join().expect("it cannot panic").expect("the port is free");
    let from = SocketAddr::new(a.address(family), 0);
    let sender =
        a.spawn(move || UdpSocket::bind(from)).join().expect("it cannot panic").expect("it has the address");
    let mut buffer = [0; 2_000];
    // Until the two know each other's hardware: what is sent before that waits, and not for long.
    taker.set_read_timeout(Some(HELLO)).expect("it is not zero");
    while taker.recv(&mut buffer).is_err() {
        sender.send_to(b"hello", to).expect("there is a way");
    }
    taker.set_read_timeout(Some(QUIET)).expect("it is not zero");
    let reading = std::thread::spawn(move || {
        let mut got = Vec::new();
        while let Ok(read) = taker.recv(&mut buffer) {
            if read != length {
                continue;
            }
            let number = buffer.first_chunk().expect("it is longer");
            got.push((u32::from_be_bytes(*number), Instant::now()));
        }
        got
    });
    let mut packet = vec![0; length];
    let mut sent = Vec::new();
    for number in 0..count {
        packet[..4].copy_from_slice(&number.to_be_bytes());
        sent.push(Instant::now());
        sender.send_to(&packet, to).expect("there is a way");
    }
    let got = reading.join().expect("it said why");
    got.into_iter().map(|(number, at)| (number, sent[number as usize], at)).collect()
}

#[test]
fn a_slow_link_is_never_faster_than_it_is_told() {
    let Some((net, a, b)) = places("a_slow_link_is_never_faster_than_it_is_told") else { return };
    // A packet of 1,000 bytes each millisecond, a hundred of them wait.
    let way = Way {
        rate: 8_000_000,
        queue: Duration::from_millis(100),
        delay: Duration::from_millis(30),
        ..Way::default()
    };
    let link = Link::alike(&net, &b, 1, way);
    let got = train(&a, &b, Family::V4, 500, 1_000 - HEADERS);
    let (there, _) = link.counts();
    assert!(got.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
    assert!(there.dropped > 0 && there.lost == 0, "{there:?}");
    assert!(got.len() >= 101 && got.len() as u64 <= there.arrived, "{}, {there:?}", got.len());
    for (number, sent, arrived) in &got {
        assert!(*arrived - *sent >= way.delay + Duration::from_millis(1), "{number}");
    }
    // The last waited for all before it.
    let passed = got.len() as u32 * Duration::from_millis(1);
    let last = got[got.len() - 1].2;
    assert!(last - got[0].1 >= way.delay + passed, "{:?} for {}", last - got[0].1, got.len());
}

#[test]
fn a_lossy_link_loses_and_reorders_as_often_as_it_is_told() {
    let Some((net, a, b)) = places("a_lossy_link_loses_and_reorders_as_often_as_it_is_told") else { return };
    let way = Way {
        delay: Duration::from_millis(20),
        detour: Duration::from_millis(10),
        lost: 1_000,
        late: 500,
        ..Way::default()
    };
    let link = Link::alike(&net, &b, 3, way);
    let got = train(&a, &b, Family::V6, 2_000, 500);
    let (there, _) = link.counts();
    assert_eq!(there.dropped, 0);
    assert!((there.came / 10).abs_diff(there.lost) < there.came / 40, "{there:?}");
    assert!((there.came / 20).abs_diff(there.late) < there.came / 40, "{there:?}");
    assert!(got.windows(2).any(|pair| pair[0].0 > pair[1].0), "some are overtaken");
    for (number, sent, arrived) in &got {
        assert!(*arrived - *sent >= way.delay, "{number}");
    }
}

#[test]
fn a_fast_link_carries_a_tcp_flow_whole() {
    const BYTES: usize = 64 << 20;
    let Some((net, a, b)) = places("a_fast_link_carries_a_tcp_flow_whole") else { return };
    let way = Way { delay: Duration::from_millis(1), ..Way::default() };
    let link = Link::alike(&net, &b, 5, way);
    let at = SocketAddr::new(b.v4.into(), 9_000);
    let listener = b.spawn(move || TcpListener::bind(at).unwrap()).join().unwrap();
    let reading = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.len()
    });
    let start = Instant::now();
    let sending = a.spawn(move || {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(&vec![7; BYTES]).unwrap();
    });
    sending.join().unwrap();
    assert_eq!(reading.join().unwrap(), BYTES);
    let rate = BYTES as f64 * 8.0 / start.elapsed().as_secs_f64() / 1e6;
    let (there, back) = link.counts();
    assert!(there.bytes > BYTES as u64 && back.arrived > 0, "it went by the link: {there:?}");
    println!("{rate:.0} Mbit/s of one TCP flow");
}
