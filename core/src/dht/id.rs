//! Node ids and how far they are from each other (BEP 5), and the addresses of nodes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::net::scope::Scope;
use crate::types::InfoHash;

/// The name of a node, and of any other point in the space of info-hashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId([u8; 20]);

/// How far two points are from each other, by XOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; 20]);

impl NodeId {
    /// Bits of an id.
    pub const BITS: usize = 160;

    /// Wraps the raw bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The raw bytes, as they stand in messages.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Any id.
    pub fn random(random: &mut StdRng) -> Self {
        Self(random.random())
    }

    /// An id that shares exactly the first `bits` bits with this one; all but the last at most.
    pub fn random_beside(&self, bits: usize, random: &mut StdRng) -> Self {
        let bits = bits.min(Self::BITS - 1);
        let mut id: [u8; 20] = random.random();
        let (bytes, rest) = (bits / 8, bits % 8);
        id[..bytes].copy_from_slice(&self.0[..bytes]);
        let kept = !(0xff_u8 >> rest);
        let other = 0x80_u8 >> rest;
        id[bytes] = (self.0[bytes] & kept) | (!self.0[bytes] & other) | (id[bytes] & !(kept | other));
        Self(id)
    }

    /// How far it is.
    pub fn distance(&self, other: &Self) -> Distance {
        Distance(std::array::from_fn(|n| self.0[n] ^ other.0[n]))
    }

    /// How many bits are the same from the first on.
    pub fn shared_bits(&self, other: &Self) -> usize {
        let differing = (0..20).find(|&n| self.0[n] != other.0[n]);
        differing.map_or(Self::BITS, |n| n * 8 + (self.0[n] ^ other.0[n]).leading_zeros() as usize)
    }
}

impl From<InfoHash> for NodeId {
    fn from(hash: InfoHash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl TryFrom<&[u8]> for NodeId {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The two networks, which know nothing of each other (BEP 32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Of an address. One that is mapped into IPv6 belongs to neither, and is not made here.
    pub const fn of(address: &SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// A node: who, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Contact {
    /// Its name.
    pub id: NodeId,
    /// Where it takes datagrams.
    pub address: SocketAddr,
}

/// What one owner can have for the asking: a /24 or a /64. A bucket and a lookup have one node of each, so
/// that nobody fills them. On somebody's own network and machine every address counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat(SocketAddr);

impl Seat {
    /// Where this address sits.
    pub fn of(address: &SocketAddr) -> Self {
        let ip = match address.ip() {
            _ if Scope::of(address.ip()) != Scope::Public => return Self(*address),
            IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) & !0xff).into(),
            IpAddr::V6(ip) => network(ip).into(),
        };
        Self(SocketAddr::new(ip, 0))
    }
}

/// Whose packets are counted together: an IPv4 address or an IPv6 /64, as a host changes what is behind
/// that at will. On somebody's own network and machine every address counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Host(SocketAddr);

impl Host {
    /// Who has this address.
    pub fn of(address: &SocketAddr) -> Self {
        let ip = match address.ip() {
            _ if Scope::of(address.ip()) != Scope::Public => return Self(*address),
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => network(ip).into(),
        };
        Self(SocketAddr::new(ip, 0))
    }
}

fn network(ip: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(ip) & (!0 << 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    proptest! {
        #[test]
        fn an_id_beside_another_shares_that_many_bits(id: [u8; 20], bits in 0..160_usize, seed: u64) {
            let id = NodeId::new(id);
            let beside = id.random_beside(bits, &mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(id.shared_bits(&beside), bits);
        }

        #[test]
        fn who_shares_more_bits_is_nearer(a: [u8; 20], b: [u8; 20], c: [u8; 20]) {
            let (a, b, c) = (NodeId::new(a), NodeId::new(b), NodeId::new(c));
            if a.shared_bits(&b) > a.shared_bits(&c) {
                prop_assert!(a.distance(&b) < a.distance(&c));
            }
            prop_assert_eq!(a.distance(&b), b.distance(&a));
        }
    }

    #[test]
    fn seats_and_hosts() {
        let seat = |a: &str, b: &str| Seat::of(&a.parse().unwrap()) == Seat::of(&b.parse().unwrap());
        assert!(seat("11.1.0.1:1", "11.1.0.200:2") && !seat("11.1.0.1:1", "11.1.1.1:1"));
        assert!(seat("[2a11::1]:1", "[2a11::2:2:2:2]:2") && !seat("[2a11::1]:1", "[2a11:0:0:1::1]:1"));
        assert!(!seat("10.0.0.1:1", "10.0.0.2:1") && !seat("127.0.0.1:1", "127.0.0.1:2"));
        let host = |a: &str, b: &str| Host::of(&a.parse().unwrap()) == Host::of(&b.parse().unwrap());
        assert!(host("11.1.0.1:1", "11.1.0.1:2") && !host("11.1.0.1:1", "11.1.0.2:1"));
        assert!(host("[2a11::1]:1", "[2a11::2:2:2:2]:2") && !host("127.0.0.1:1", "127.0.0.1:2"));
    }
}
