//! Node ids that fit their address (BEP 42): nobody chooses a place in the DHT at will.

use std::net::IpAddr;

use crc::{CRC_32_ISCSI, Crc};
use rand::RngExt;
use rand::rngs::StdRng;

use super::id::NodeId;
use crate::net::scope::Scope;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Bits of an IPv4 address that count.
const MASK_V4: u32 = 0x030f_3fff;

/// Bits of the first half of an IPv6 address that count.
const MASK_V6: u64 = 0x0103_070f_1f3f_7fff;

/// An id for a node with this address.
pub fn make(ip: IpAddr, random: &mut StdRng) -> NodeId {
    let mut id: [u8; 20] = random.random();
    let [a, b, c] = prefix(ip, id[19]);
    id[0] = a;
    id[1] = b;
    id[2] = c & 0xf8 | id[2] & 0x07;
    NodeId::new(id)
}

/// Whether a node at this address may have this id. Any may on somebody's own network and machine.
pub fn fits(id: &NodeId, ip: IpAddr) -> bool {
    if Scope::of(ip) != Scope::Public {
        return true;
    }
    let id = id.as_bytes();
    let [a, b, c] = prefix(ip, id[19]);
    id[0] == a && id[1] == b && (id[2] ^ c) & 0xf8 == 0
}

fn prefix(ip: IpAddr, last: u8) -> [u8; 3] {
    let seed = u32::from(last & 0x07);
    let crc = match ip {
        IpAddr::V4(ip) => CRC32C.checksum(&((u32::from(ip) & MASK_V4) | seed << 29).to_be_bytes()),
        IpAddr::V6(ip) => {
            let high = (u128::from(ip) >> 64) as u64;
            CRC32C.checksum(&((high & MASK_V6) | u64::from(seed) << 61).to_be_bytes())
        }
    };
    let [a, b, c, _] = crc.to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_examples_of_bep_42() {
        for (ip, last, first) in [
            ("124.31.75.21", 1, [0x5f, 0xbf, 0xbf]),
            ("21.75.31.124", 86, [0x5a, 0x3c, 0xe9]),
            ("65.23.51.170", 22, [0xa5, 0xd4, 0x32]),
            ("84.124.73.14", 65, [0x1b, 0x03, 0x21]),
            ("43.213.53.83", 90, [0xe5, 0x6f, 0x6c]),
        ] {
            let ip = ip.parse().unwrap();
            let mut id = [7; 20];
            id[..3].copy_from_slice(&first);
            id[19] = last;
            assert!(fits(&NodeId::new(id), ip), "{ip}");
            id[1] ^= 1;
            assert!(!fits(&NodeId::new(id), ip), "{ip}");
        }
        assert!(fits(&NodeId::new([0; 20]), [192, 168, 0, 1].into()), "no address of the internet");
    }

    proptest! {
        #[test]
        fn an_id_that_is_made_fits(ip: IpAddr, seed: u64) {
            let mut random = StdRng::seed_from_u64(seed);
            prop_assert!(fits(&make(ip, &mut random), ip));
            if Scope::of(ip) == Scope::Public {
                // One of 2^18 fits by chance.
                let by_chance = (0..20).filter(|_| fits(&NodeId::random(&mut random), ip)).count();
                prop_assert!(by_chance < 3);
            }
        }
    }
}
