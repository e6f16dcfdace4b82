//! Who is worth a connection more, as both ends see it (BEP 40, canonical peer priority).
//!
//! All peers of a swarm agree on it, so the connections that are left at full peers are the same seen
//! from both sides, and a newcomer finds its place at some of them. Used within one torrent only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What is kept of an octet that two addresses need not share.
const MASK: u8 = 0x55;

/// The priority of a link between us and a peer: the higher, the rather it is made and kept.
pub fn priority(ours: SocketAddr, theirs: SocketAddr) -> u32 {
    match (ours.ip().to_canonical(), theirs.ip().to_canonical()) {
        (a, b) if a == b => {
            let (a, b) = (ours.port().to_be_bytes(), theirs.port().to_be_bytes());
            sorted(&a, &b)
        }
        (IpAddr::V4(a), IpAddr::V4(b)) => masked(a.octets(), b.octets(), 2),
        (IpAddr::V6(a), IpAddr::V6(b)) => masked(a.octets(), b.octets(), 6),
        // Never seen by any peer: an address of ours in their family is not known.
        (IpAddr::V4(_), IpAddr::V6(b)) => masked(Ipv6Addr::UNSPECIFIED.octets(), b.octets(), 6),
        (IpAddr::V6(_), IpAddr::V4(b)) => masked(Ipv4Addr::UNSPECIFIED.octets(), b.octets(), 2),
    }
}

/// The first `whole` octets count in full, and one more for each that the addresses share from there.
fn masked<const N: usize>(a: [u8; N], b: [u8; N], mut whole: usize) -> u32 {
    while whole < N && a[..whole] == b[..whole] {
        whole += 1;
    }
    let mask = |octets: [u8; N]| {
        let mut octets = octets;
        octets[whole..].iter_mut().for_each(|octet| *octet &= MASK);
        octets
    };
    sorted(&mask(a), &mask(b))
}

fn sorted(a: &[u8], b: &[u8]) -> u32 {
    let mut digest = CRC32C.digest();
    digest.update(a.min(b));
    digest.update(a.max(b));
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(ours: &str, theirs: &str) -> u32 {
        priority(ours.parse().unwrap(), theirs.parse().unwrap())
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(of("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(of("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
    }

    #[test]
    fn the_nearer_two_addresses_are_the_more_of_them_counts() {
        // The last octet counts in part only, until the /24 is the same.
        assert_eq!(of("11.1.0.1:1", "11.2.0.8:1"), of("11.1.0.1:1", "11.2.0.10:1"));
        assert_ne!(of("11.2.0.1:1", "11.2.0.8:1"), of("11.2.0.1:1", "11.2.0.10:1"));
        let (near, far) = ("[2a11:1:2:3::1]:1", "[2a11:1:9:3::1]:1");
        assert_eq!(of(far, "[2a11:1:2:8::2]:1"), of(far, "[2a11:1:2:a::8]:1"));
        assert_ne!(of(near, "[2a11:1:2:8::2]:1"), of(near, "[2a11:1:2:a::8]:1"));
        // On one address it is the port that tells peers apart.
        assert_ne!(of("127.0.0.1:1", "127.0.0.1:2"), of("127.0.0.1:1", "127.0.0.1:3"));
        assert_eq!(of("11.1.0.1:1", "[::ffff:11.2.0.1]:1"), of("11.1.0.1:1", "11.2.0.1:1"));
    }

    proptest! {
        #[test]
        fn both_ends_agree(a: SocketAddr, b: SocketAddr) {
            let same_family = a.ip().to_canonical().is_ipv4() == b.ip().to_canonical().is_ipv4();
            if same_family {
                prop_assert_eq!(priority(a, b), priority(b, a));
            }
        }
    }
}
