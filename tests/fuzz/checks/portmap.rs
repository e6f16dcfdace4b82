//! What a gateway says by NAT-PMP, PCP, SSDP and UPnP: reading it never panics, and it never leads anywhere but to
//! the gateway.

use std::net::{IpAddr, SocketAddr};

use tc_core::portmap::ssdp::{self, Location};
use tc_core::portmap::upnp::{self, Done, Job};
use tc_core::portmap::{natpmp, pcp};

pub fn check(bytes: &[u8]) {
    let v4: SocketAddr = "192.168.1.1:1900".parse().unwrap();
    let v6: SocketAddr = "[fe80::1%3]:1900".parse().unwrap();
    if let Some(natpmp::Reply { answer: Ok(natpmp::Answer::Mapped { .. }), .. }) = natpmp::decode(bytes) {
        assert_eq!(bytes.len(), 16);
    }
    if let Some(pcp::Reply::Mapped { .. }) = pcp::decode(bytes) {
        assert!(bytes.len() >= 60 && bytes[0] == pcp::VERSION);
    }
    if let Some(Location { address, path }) = ssdp::location(bytes, v4) {
        assert!(address.ip() == v4.ip() && address.port() > 0 && path.starts_with('/'));
    }
    if let Some(Location { address, .. }) = ssdp::location(bytes, v6) {
        assert!(address.is_ipv6() && !address.ip().is_loopback());
    }
    let public: SocketAddr = "[2a11::1]:1900".parse().unwrap();
    if let Some(location) = ssdp::location(bytes, public) {
        assert_eq!(location.address.ip(), public.ip());
        let (gateway, ours) = ("fe80::1".parse().unwrap(), "2a11::9".parse().unwrap());
        assert!(ssdp::is_heard(&location, public.ip(), gateway, ours));
    }
    let Ok(page) = std::str::from_utf8(bytes) else { return };
    let from = Location { address: SocketAddr::new(v4.ip(), 5000), path: "/root.xml".to_owned() };
    if let Ok(service) = upnp::service(page, &from, false) {
        assert_eq!(service.control.address.ip(), v4.ip());
    }
    let ours = IpAddr::from([192, 168, 1, 7]);
    let check = Job::Check { udp: true, inside: 7000, outside: 7001 };
    let open = Job::Open { udp: true, inside: 7000, lease: 3600 };
    for job in [Job::Address, check, open, Job::Unmap { udp: false, outside: 1 }] {
        if let Ok(Done::Address(_)) = job.answer(page, ours) {
            assert_eq!(job, Job::Address);
        }
    }
}
