//! How a UPnP gateway is found: SSDP (UPnP Device Architecture 1.1, section 1.3).

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

/// Where it is asked for over IPv4.
pub const GROUP_V4: &str = "239.255.255.250:1900";

/// Where it is asked for over IPv6: those on our cable.
pub const GROUP_V6: &str = "[ff02::c]:1900";

/// Bytes of an answer that are read; more is none.
pub const MAX_REPLY: usize = 2048;

/// What can map ports, oldest first. Those of version 2 answer for version 1 too.
const TARGETS: [&str; 2] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
];

/// The questions, for one family. Gateways spread their answers over one second.
pub fn searches(v6: bool) -> [String; TARGETS.len()] {
    let host = if v6 { GROUP_V6 } else { GROUP_V4 };
    TARGETS.map(|target| {
        format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: {host}\r\nST: {target}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\r\n"
        )
    })
}

/// Where the description of a gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The gateway.
    pub address: SocketAddr,
    /// What to ask it for: path and query.
    pub path: String,
}

/// What a datagram from `from` says about the gateway; `None`: nothing that may be followed.
///
/// A gateway names a place on itself: over IPv4 the very address that answered; over IPv6, where that is
/// link-local, one that is not further in than it.
pub fn location(datagram: &[u8], from: SocketAddr) -> Option<Location> {
    let text = std::str::from_utf8(datagram).ok()?;
    let mut lines = text.lines();
    if !lines.next()?.starts_with("HTTP/1.1 200") {
        return None;
    }
    let url = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then_some(value.trim())
    })?;
    at(&Url::parse(url).ok()?, from)
}

/// Whether what came from there is the gateway's word on where it is. Anybody on the network may answer.
///
/// Over IPv4 the gateway answers from the address that we know it by. Over IPv6 we know its link-local one, and it
/// answers from that or from a public one (miniupnpd: the one that is next to ours): whoever is on our cable is
/// heard there, and of itself alone.
pub fn is_heard(location: &Location, from: IpAddr, gateway: IpAddr, local: IpAddr) -> bool {
    let of_itself = || location.address.ip() == from;
    match (from, local) {
        _ if from == gateway => true,
        (IpAddr::V6(from), IpAddr::V6(local)) => {
            // A cable has a /64 (RFC 7421).
            let on_cable = from.is_unicast_link_local() || from.segments()[..4] == local.segments()[..4];
            on_cable && of_itself()
        }
        _ => false,
    }
}

/// The place of an absolute URL on the gateway that answered from `from`.
pub fn at(url: &Url, from: SocketAddr) -> Option<Location> {
    if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let port = url.port_or_known_default().filter(|port| *port != 0)?;
    // Never a name: looking it up would ask somebody else where our gateway is.
    let address = match (url.host()?, from) {
        (Host::Ipv4(ip), SocketAddr::V4(_)) if IpAddr::V4(ip) == from.ip() => {
            SocketAddr::new(ip.into(), port)
        }
        (Host::Ipv6(ip), SocketAddr::V6(mut from)) => {
            let on_cable = ip == *from.ip();
            let public = !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast();
            let scoped = ip.is_unicast_link_local();
            let further_in = scoped || !public || ip.to_ipv4_mapped().is_some();
            if !on_cable && (further_in || !from.ip().is_unicast_link_local()) {
                return None;
            }
            from.set_ip(ip);
            from.set_port(port);
            if !scoped {
                from.set_scope_id(0);
            }
            from.into()
        }
        _ => return None,
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Some(Location { address, path })
}
