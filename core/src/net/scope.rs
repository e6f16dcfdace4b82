//! Where an address lies, and who may send us there: the one rule against being sent inward.
//!
//! Addresses that third parties name (trackers, redirects, peers) are followed only as far out as the
//! one who names them: loopback only from loopback, private only from private. A person's own word is
//! not judged here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far out an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// This machine.
    Loopback,
    /// Somebody's own network: RFC 1918, RFC 4193, and carriers' RFC 6598.
    Private,
    /// One cable: RFC 3927, and where clouds keep their secrets (169.254.169.254).
    LinkLocal,
    /// The internet.
    Public,
    /// No host at all: unspecified, broadcast, multicast, reserved.
    Never,
}

impl Scope {
    /// Where this address lies. An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) counts as
    /// itself, so that no notation leads past the rule.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    /// In words, to complete "leads to a ... address".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Public => "public",
            Self::Never => "reserved",
        }
    }

    fn of_v4(v4: Ipv4Addr) -> Self {
        match v4.octets() {
            [127, ..] => Self::Loopback,
            [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Self::Private,
            [169, 254, ..] => Self::LinkLocal,
            // 0/8 "this network" (RFC 1122), 224/4 multicast, 240/4 reserved with the broadcast address.
            [0, ..] | [224..=255, ..] => Self::Never,
            _ => Self::Public,
        }
    }

    fn of_v6(v6: Ipv6Addr) -> Self {
        match v6.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Never,
            // ::a.b.c.d (RFC 4291, out of use), ::ffff:a.b.c.d (mapped), 64:ff9b::a.b.c.d (RFC 6052).
            [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                Self::of_v4(embedded(high, low))
            }
            // 2002:aabb:ccdd:: (RFC 3056).
            [0x2002, high, low, ..] => Self::of_v4(embedded(high, low)),
            // fc00::/7, and fec0::/10 that came before it (RFC 3879).
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Self::Private,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xff00..=0xffff, ..] => Self::Never,
            _ => Self::Public,
        }
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// Whether we follow when the host at `source` names `target`. A host on this machine may name
/// addresses of our own network: it is there already.
pub fn may_name(source: IpAddr, target: SocketAddr) -> bool {
    if target.port() == 0 {
        return false;
    }
    let source = Scope::of(source);
    match Scope::of(target.ip()) {
        Scope::Public => true,
        Scope::Loopback => source == Scope::Loopback,
        Scope::Private => matches!(source, Scope::Private | Scope::Loopback),
        Scope::LinkLocal => source == Scope::LinkLocal,
        Scope::Never => false,
    }
}

/// What one person can have all of for the asking: a /24, or a /48.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & 0xffff_ff00).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & !0 << 80).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &str, want: Scope) {
        for address in addresses.split_whitespace() {
            assert_eq!(Scope::of(address.parse().unwrap()), want, "{address}");
        }
    }

    #[test]
    fn addresses_by_range() {
        check("127.0.0.1 127.255.0.9 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::", Scope::Loopback);
        check("10.0.0.1 192.168.1.1 172.16.0.1 172.31.255.255 100.64.0.1 ::ffff:10.0.0.1", Scope::Private);
        check("fc00::1 fd12::1 fec0::1 2002:c0a8:101::", Scope::Private);
        check("169.254.169.254 fe80::1 febf::1 ::ffff:169.254.169.254", Scope::LinkLocal);
        check("0.0.0.0 0.1.2.3 255.255.255.255 224.0.0.1 239.1.2.3 240.0.0.1 :: ff02::1", Scope::Never);
        check("::ffff:0.0.0.0 ::ffff:255.255.255.255", Scope::Never);
        check("1.1.1.1 11.1.0.1 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 2a11:1::1", Scope::Public);
    }

    #[test]
    fn nobody_sends_us_further_in_than_they_are() {
        let ips = ["127.0.0.1", "10.0.0.1", "169.254.0.1", "1.1.1.1"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let table =
            ips.map(|source| ips.map(|target| may_name(source, (target, 6881).into()) as u8).to_vec());
        assert_eq!(table, [vec![1, 1, 0, 1], vec![0, 1, 0, 1], vec![0, 0, 1, 1], vec![0, 0, 0, 1]]);
    }

    #[test]
    fn no_host_no_port() {
        let tracker = "127.0.0.1".parse().unwrap();
        for target in ["1.1.1.1:0", "0.0.0.0:1", "255.255.255.255:1", "224.0.0.1:1", "[ff02::1]:1"] {
            assert!(!may_name(tracker, target.parse().unwrap()), "{target}");
        }
    }
}
