//! The sockets over loopback.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn loopback(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

async fn next(taker: &mut mpsc::Receiver<Datagram>) -> Datagram {
    timeout(PATIENCE, taker.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn both_families_share_a_port_and_a_taker() {
    let (sockets, mut takers) = UdpSockets::new(Handle::current());
    let v4 = sockets.bind(loopback("127.0.0.1:0")).unwrap();
    let v6 = sockets.bind(SocketAddr::new(loopback("[::1]:0").ip(), v4.port())).unwrap();
    assert_eq!(v4.port(), v6.port());
    for (own, at) in [("127.0.0.1:0", v4), ("[::1]:0", v6)] {
        let stranger = UdpSocket::bind(loopback(own)).await.unwrap();
        // What belongs to nobody is dropped on the way.
        stranger.send_to(b"nobody's", at).await.unwrap();
        stranger.send_to(b"\0\0\0\x01 reply", at).await.unwrap();
        let got = next(&mut takers.tracker).await;
        assert_eq!((got.from, &got.bytes[4..]), (stranger.local_addr().unwrap(), &b" reply"[..]));
        assert_eq!(got.to, Some(at.ip()));
        sockets.send(got.from, got.to, b"answer").await.unwrap();
        let mut answer = [0; 16];
        let (length, from) = timeout(PATIENCE, stranger.recv_from(&mut answer)).await.unwrap().unwrap();
        assert_eq!((&answer[..length], from), (&b"answer"[..], at));
    }
}

#[tokio::test]
async fn a_taken_port_is_replaced_and_a_family_without_socket_is_an_error() {
    let taken = UdpSocket::bind(loopback("127.0.0.1:0")).await.unwrap().local_addr().unwrap();
    let holder = UdpSocket::bind(taken).await.unwrap();
    let (sockets, _takers) = UdpSockets::new(Handle::current());
    let bound = sockets.bind(holder.local_addr().unwrap()).unwrap();
    assert_ne!(bound.port(), taken.port());
    assert_eq!(sockets.bind(taken).unwrap(), bound, "one socket per address");
    assert!(sockets.can_reach(&taken) && !sockets.can_reach(&loopback("[::1]:1")));
    let error = sockets.send(loopback("[::1]:1"), None, b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    assert!(sockets.bind(loopback("11.255.255.1:0")).is_err());
}

#[tokio::test]
async fn closing_frees_the_port_and_ends_the_takers() {
    let (sockets, mut takers) = UdpSockets::new(Handle::current());
    let address = sockets.bind(loopback("127.0.0.1:0")).unwrap();
    sockets.close();
    assert!(sockets.bind(loopback("127.0.0.1:0")).is_err(), "closed for good");
    assert!(timeout(PATIENCE, takers.tracker.recv()).await.unwrap().is_none());
    assert!(UdpSocket::bind(address).await.is_ok());
}

/// A uTP packet of this length.
fn packet(number: u32, length: usize) -> Vec<u8> {
    let mut packet = vec![0x01; length];
    packet[16..20].copy_from_slice(&number.to_be_bytes());
    packet
}

#[tokio::test]
async fn an_answer_leaves_from_the_address_that_was_asked() {
    let (sockets, mut takers) = UdpSockets::new(Handle::current());
    let port = sockets.bind(loopback("0.0.0.0:0")).unwrap().port();
    let stranger = UdpSocket::bind(loopback("127.0.0.1:0")).await.unwrap();
    let mut answer = [0; 16];
    for ours in ["127.0.0.2", "127.0.0.3", "127.0.0.1"] {
        let ours: IpAddr = ours.parse().unwrap();
        stranger.send_to(b"d1:q4:ping", (ours, port)).await.unwrap();
        let got = next(&mut takers.dht).await;
        assert_eq!(got.to, Some(ours));
        sockets.send(got.from, got.to, b"answer").await.unwrap();
        let (_, from) = timeout(PATIENCE, stranger.recv_from(&mut answer)).await.unwrap().unwrap();
        assert_eq!(from, SocketAddr::new(ours, port));
    }
    // A segment of many leaves from there too.
    let transmit = Transmit {
        to: stranger.local_addr().unwrap(),
        from: Some("127.0.0.2".parse().unwrap()),
        bytes: b"abcdefgh",
        segment: Some(3),
        may_fragment: false,
    };
    sockets.send_all(&transmit).await.unwrap();
    for part in [&b"abc"[..], b"def", b"gh"] {
        let (length, from) = timeout(PATIENCE, stranger.recv_from(&mut answer)).await.unwrap().unwrap();
        assert_eq!((&answer[..length], from), (part, loopback(&format!("127.0.0.2:{port}"))));
    }
    // An address that is not ours is an error, and many at once go on.
    let lost = Transmit { from: Some("11.255.255.1".parse().unwrap()), segment: None, ..transmit };
    assert!(sockets.send_all(&lost).await.is_err());
    assert_eq!(sockets.try_send(&transmit).unwrap(), 8);
}

#[tokio::test]
async fn of_two_sockets_the_one_that_was_asked_answers() {
    let (sockets, mut takers) = UdpSockets::new(Handle::current());
    let first = sockets.bind(loopback("127.0.0.2:0")).unwrap();
    let second = sockets.bind(loopback("127.0.0.3:0")).unwrap();
    let stranger = UdpSocket::bind(loopback("127.0.0.1:0")).await.unwrap();
    for at in [second, first] {
        stranger.send_to(b"d1:q4:ping", at).await.unwrap();
        let got = next(&mut takers.dht).await;
        sockets.send(got.from, got.to, b"answer").await.unwrap();
        let mut answer = [0; 16];
        let (_, from) = timeout(PATIENCE, stranger.recv_from(&mut answer)).await.unwrap().unwrap();
        assert_eq!(from, at);
    }
}

#[tokio::test]
async fn what_is_too_long_for_the_way_is_not_cut_up() {
    let (sockets, _takers) = UdpSockets::new(Handle::current());
    sockets.bind(loopback("127.0.0.1:0")).unwrap();
    sockets.bind(loopback("[::1]:0")).unwrap();
    for to in ["127.0.0.1:9", "[::1]:9"] {
        let long = vec![1; 65_530];
        let error = sockets.send(loopback(to), None, &long).await.unwrap_err();
        assert!(is_too_long(&error), "{error}");
        sockets.send(loopback(to), None, &long[..1_000]).await.unwrap();
    }
}

#[tokio::test]
async fn packets_come_in_order_whatever_way_they_are_put_together() {
    const LENGTH: usize = 1_400;
    const PACKETS: u32 = 500;
    let (ours, mut takers) = UdpSockets::new(Handle::current());
    let (theirs, _kept) = UdpSockets::new(Handle::current());
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let to = ours.bind(loopback(at)).unwrap();
        let from = theirs.bind(loopback(at)).unwrap();
        let all: Vec<u8> = (0..PACKETS).flat_map(|number| packet(number, LENGTH)).collect();
        let mut expected = 0;
        // No more at once than the kernel keeps under the least of settings.
        for train in all.chunks(100 * LENGTH) {
            let transmit =
                Transmit { to, from: None, bytes: train, segment: Some(LENGTH), may_fragment: false };
            theirs.send_all(&transmit).await.unwrap();
            let until = expected + 100;
            while expected < until {
                let batch = timeout(PATIENCE, takers.utp.recv()).await.unwrap().unwrap();
                for got in batch.datagrams() {
                    assert_eq!((got.from, got.to), (from, Some(to.ip())));
                    assert_eq!(got.bytes, packet(expected, LENGTH));
                    expected += 1;
                }
            }
        }
    }
}
