//! Answers of HTTP trackers: what is kept is bounded, and names nobody that must not be called. The
//! first byte says where the tracker is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tc_core::tracker::reply::{MAX_PEERS, MAX_TRACKER_ID, decode};

pub fn check(bytes: &[u8]) {
    let Some((place, body)) = bytes.split_first() else { return };
    let tracker = match place % 4 {
        0 => IpAddr::V4(Ipv4Addr::new(11, 1, 0, 1)),
        1 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        2 => IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)),
        _ => IpAddr::V6(Ipv6Addr::new(0x2a11, 0, 0, 0, 0, 0, 0, 1)),
    };
    let Ok(reply) = decode(body, tracker, false) else { return };
    assert!(reply.peers.len() <= MAX_PEERS);
    assert!(reply.tracker_id.is_none_or(|id| id.len() <= MAX_TRACKER_ID));
    let public = place % 4 == 0 || place % 4 == 3;
    for (at, peer) in reply.peers.iter().enumerate() {
        assert!(peer.port() != 0 && !peer.ip().is_unspecified() && !peer.ip().is_multicast());
        assert!(!public || !peer.ip().is_loopback());
        assert!(at > 20 || !reply.peers[..at].contains(peer), "{peer} twice");
    }
}
