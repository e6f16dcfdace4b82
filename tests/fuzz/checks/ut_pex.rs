//! Lists of peers: reading them never panics, what is read is short and can be written and read again, and of
//! what a stranger names nothing leads inward.

use std::net::Ipv4Addr;

use tc_core::peer::pex::Named;
use tc_core::wire::ut_pex::{MAX_PEERS, UtPex};

pub fn check(bytes: &[u8]) {
    let Ok(read) = UtPex::parse(bytes) else { return };
    assert!(read.added.len() <= 2 * MAX_PEERS && read.dropped.len() <= 2 * MAX_PEERS);
    assert_eq!(UtPex::parse(&read.encode()).as_ref(), Ok(&read));
    let mut named = Named::default();
    let stranger = Ipv4Addr::new(11, 1, 0, 1).into();
    for peer in named.take(stranger, false, read.clone()) {
        let ip = peer.address.ip();
        assert!(!ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && peer.address.port() != 0);
        assert!(read.added.contains(&peer));
    }
    assert!(named.take(stranger, true, UtPex { dropped: Vec::new(), ..read }).len() <= 2 * MAX_PEERS);
}
