//! The gateway that may let peers in who call us.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use super::bind::Way;
use super::interfaces::Interface;
use super::scope::Scope;

/// The gateway that stands between us and the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its address; over IPv6 with the interface that it is on.
    pub address: SocketAddr,
    /// Our address there.
    pub local: IpAddr,
    /// The number of the interface.
    pub interface: u32,
}

/// The gateway that can let peers in who call us at `listen`, one address or any of a family.
///
/// # Errors
/// Why there is none that could be asked.
pub fn gateway(
    interfaces: &[Interface],
    listen: IpAddr,
    source_v6: impl FnOnce() -> Option<IpAddr>,
) -> Result<Gateway, &'static str> {
    let v6 = listen.is_ipv6();
    if Scope::of(listen) == Scope::Loopback {
        return Err("only this machine can call");
    }
    let gateway_of = |interface: &Interface| {
        let of_family = |ip: &&IpAddr| ip.is_ipv6() == v6;
        interface.up.then(|| interface.gateways.iter().find(of_family).copied()).flatten()
    };
    let interface = if listen.is_unspecified() {
        let with_gateway = || interfaces.iter().filter(|interface| gateway_of(interface).is_some());
        with_gateway().find(|interface| interface.default).or_else(|| with_gateway().next())
    } else {
        interfaces.iter().find(|interface| interface.addresses.contains(&listen))
    };
    let interface = interface.ok_or("no gateway")?;
    let address = gateway_of(interface).ok_or("no gateway")?;
    // The gateway of a machine that has a public IPv4 address is a provider's, not a person's.
    let public_v4 = |ip: &IpAddr| ip.is_ipv4() && Scope::of(*ip) == Scope::Public;
    if interface.addresses.iter().any(public_v4) {
        return Err("the address is public");
    }
    let local = match (listen.is_unspecified(), v6) {
        (false, _) => Some(listen),
        (true, false) => interface.addresses.iter().find(|ip| ip.is_ipv4()).copied(),
        // Of many addresses that which trackers and peers see.
        (true, true) => source_v6().filter(|ip| interface.addresses.contains(ip)),
    };
    let local = local.filter(|ip| !v6 || Scope::of(*ip) == Scope::Public).ok_or("no public address")?;
    let address = match address {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), 0),
        IpAddr::V6(ip) => {
            let scope = if ip.is_unicast_link_local() { interface.index } else { 0 };
            SocketAddrV6::new(ip, 0, 0, scope).into()
        }
    };
    Ok(Gateway { address, local, interface: interface.index })
}

/// The IPv6 address that the system would call the internet from. Nothing is sent for it.
pub fn source_v6(way: &Way) -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("[::]:0").ok()?;
    way.prepare(&socket, true).ok()?;
    // An address that is nobody's, for documents (RFC 3849): only the route to it counts.
    socket.connect("[2001:db8::1]:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, index: u32, addresses: &str, gateways: &str) -> Interface {
        let ips = |text: &str| text.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
        let (addresses, gateways) = (ips(addresses), ips(gateways));
        Interface { name: name.into(), index, up: true, addresses, gateways, ..Interface::default() }
    }

    fn check(interfaces: &[Interface], listen: &str, want: &str) {
        let source = || Some("2a11::8".parse().unwrap());
        let got = match gateway(interfaces, listen.parse().unwrap(), source) {
            Ok(Gateway { address, local, interface }) => format!("{address} for {local} on {interface}"),
            Err(why) => why.to_owned(),
        };
        assert_eq!(got, want, "{listen}");
    }

    #[test]
    fn who_is_asked_and_who_is_not() {
        let lo = one("lo", 1, "127.0.0.1 ::1", "");
        let home = one("eth0", 2, "192.168.1.7 2a11::7 2a11::8 fe80::7", "192.168.1.1 fe80::1");
        let bridge = one("docker0", 3, "172.17.0.1", "");
        let all = [lo.clone(), home.clone(), bridge];
        check(&all, "0.0.0.0", "192.168.1.1:0 for 192.168.1.7 on 2");
        check(&all, "192.168.1.7", "192.168.1.1:0 for 192.168.1.7 on 2");
        check(&all, "::", "[fe80::1%2]:0 for 2a11::8 on 2");
        check(&all, "2a11::7", "[fe80::1%2]:0 for 2a11::7 on 2");
        check(&all, "127.0.0.1", "only this machine can call");
        check(&all, "::1", "only this machine can call");
        check(&all, "172.17.0.1", "no gateway");
        check(&all, "10.0.0.1", "no gateway");
        check(std::slice::from_ref(&lo), "0.0.0.0", "no gateway");
        // A server's gateway is its provider's.
        let server = one("eth0", 2, "80.1.1.7 2a11::8", "80.1.1.1 fe80::1");
        for listen in ["0.0.0.0", "::", "80.1.1.7"] {
            check(std::slice::from_ref(&server), listen, "the address is public");
        }
        let local = one("eth0", 2, "192.168.1.7 fd00::7", "192.168.1.1 fe80::1");
        check(std::slice::from_ref(&local), "::", "no public address");
        let down = Interface { up: false, ..home.clone() };
        check(&[down], "0.0.0.0", "no gateway");
        // Of two ways out that which the system takes.
        let second = Interface { default: true, ..one("wg0", 4, "10.8.0.2", "10.8.0.1") };
        check(&[home, second], "0.0.0.0", "10.8.0.1:0 for 10.8.0.2 on 4");
    }
}
