//! `ut_pex`: which peers a peer has met since it told us last, and which it has lost (BEP 11).
//!
//! Reading is tolerant: a key of the wrong type counts as absent, and what is left over at the end of a packed
//! list is no address.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::bencode::{self, Limits, Value};
use crate::wire::WireError;

/// Peers of one kind in one message at most (BEP 11): so many are sent, both families together, and so many are
/// read of each family.
pub const MAX_PEERS: usize = 50;

/// What the sender of a message knows of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PexFlags(u8);

impl PexFlags {
    /// It likes its links encrypted.
    pub const ENCRYPTION: Self = Self(0x01);
    /// It downloads nothing more.
    pub const SEED: Self = Self(0x02);
    /// It speaks uTP.
    pub const UTP: Self = Self(0x04);
    /// It relays for those behind a NAT (BEP 55).
    pub const HOLEPUNCH: Self = Self(0x08);
    /// It was called, and answered.
    pub const REACHABLE: Self = Self(0x10);

    /// The byte as it stands on the wire; bits that mean nothing yet stay.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The byte for the wire.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// With those of another, if that is so.
    #[must_use]
    pub const fn with(self, other: Self, so: bool) -> Self {
        if so { Self(self.0 | other.0) } else { self }
    }

    /// Whether all of another are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A peer that the sender has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PexPeer {
    /// Where it listens, as the sender says.
    pub address: SocketAddr,
    /// What the sender knows of it; nothing where it gives no flags.
    pub flags: PexFlags,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UtPex {
    /// Met since the last message.
    pub added: Vec<PexPeer>,
    /// Lost since.
    pub dropped: Vec<SocketAddr>,
}

impl UtPex {
    /// Reads a payload. Of each list the first [`MAX_PEERS`] count; bytes after the dictionary are ignored.
    ///
    /// # Errors
    /// No dictionary, or one beyond the guard's limits.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let scan = bencode::scan(payload, &Limits::MESSAGE).map_err(|_| WireError::BadPex)?;
        let dict = scan.value;
        dict.dict().ok_or(WireError::BadPex)?;
        let mut message = Self::default();
        for (added, flags, dropped, length) in
            [("added", "added.f", "dropped", 6), ("added6", "added6.f", "dropped6", 18)]
        {
            let flags = bytes(dict, flags);
            let peers = addresses(bytes(dict, added), length).enumerate().map(|(at, address)| PexPeer {
                address,
                flags: PexFlags(flags.get(at).copied().unwrap_or_default()),
            });
            message.added.extend(peers);
            message.dropped.extend(addresses(bytes(dict, dropped), length));
        }
        Ok(message)
    }

    /// The payload: a dictionary with its keys in order. All six stand there, as others send them.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(128 + 19 * self.added.len() + 18 * self.dropped.len());
        let of = |v6| move |address: &&SocketAddr| address.is_ipv6() == v6;
        let dropped = |v6| packed(self.dropped.iter().filter(of(v6)));
        let added = |v6| packed(self.added.iter().map(|peer| &peer.address).filter(of(v6)));
        let flags = |v6| -> Vec<u8> {
            let peers = self.added.iter().filter(|peer| peer.address.is_ipv6() == v6);
            peers.map(|peer| peer.flags.0).collect()
        };
        out.push(b'd');
        for (key, value) in [
            ("added", added(false)),
            ("added.f", flags(false)),
            ("added6", added(true)),
            ("added6.f", flags(true)),
            ("dropped", dropped(false)),
            ("dropped6", dropped(true)),
        ] {
            out.extend_from_slice(format!("{}:{key}{}:", key.len(), value.len()).as_bytes());
            out.extend_from_slice(&value);
        }
        out.push(b'e');
        out.into()
    }

    /// Whether it says nothing.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }
}

fn bytes<'a>(dict: Value<'a>, key: &str) -> &'a [u8] {
    dict.get(key).and_then(|value| value.bytes()).unwrap_or_default()
}

/// Packed addresses of this length each.
fn addresses(packed: &[u8], length: usize) -> impl Iterator<Item = SocketAddr> {
    packed.chunks_exact(length).take(MAX_PEERS).filter_map(|chunk| {
        let (ip, port) = chunk.split_last_chunk::<2>()?;
        let ip = match <[u8; 4]>::try_from(ip) {
            Ok(v4) => IpAddr::from(v4),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
    })
}

fn packed<'a>(addresses: impl Iterator<Item = &'a SocketAddr>) -> Vec<u8> {
    let mut out = Vec::new();
    for address in addresses {
        match address.ip() {
            IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
        out.extend_from_slice(&address.port().to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(address: &str, bits: u8) -> PexPeer {
        PexPeer { address: address.parse().unwrap(), flags: PexFlags(bits) }
    }

    #[test]
    fn the_bytes_of_a_message() {
        let message = UtPex {
            added: vec![peer("11.0.0.1:258", 0x12), peer("[2a11::1]:2", 1), peer("11.0.0.2:3", 0)],
            dropped: vec!["[2a11::2]:4".parse().unwrap()],
        };
        let mut want = b"d5:added12:\x0b\0\0\x01\x01\x02\x0b\0\0\x02\0\x037:added.f2:\x12\0".to_vec();
        want.extend_from_slice(b"6:added618:\x2a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x028:added6.f1:\x01");
        want.extend_from_slice(b"7:dropped0:8:dropped618:\x2a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\x04e");
        assert_eq!(message.encode(), want);
        let read = UtPex::parse(&want).unwrap();
        assert_eq!(read.added, [message.added[0], message.added[2], message.added[1]]);
        assert_eq!(read.dropped, message.dropped);
    }

    #[test]
    fn what_does_not_fit_counts_as_absent() {
        let check = |payload: &[u8], want: &[PexPeer]| {
            let read = UtPex::parse(payload).unwrap();
            assert_eq!((&read.added[..], read.dropped.len()), (want, 0), "{}", payload.escape_ascii());
        };
        let one = peer("1.2.3.4:5", 0);
        check(b"de", &[]);
        check(b"d5:addedi7e7:droppedlee", &[]);
        check(b"d5:added5:\x01\x02\x03\x04\0e", &[]);
        check(b"d5:added9:\x01\x02\x03\x04\0\x05\x01\x02\x03e and more", &[one]);
        check(b"d5:added6:\x01\x02\x03\x04\0\x057:added.fi3ee", &[one]);
        check(b"d5:added6:\x01\x02\x03\x04\0\x057:added.f3:\x02\x02\x02e", &[peer("1.2.3.4:5", 2)]);
        for payload in [&b""[..], b"le", b"i1e", b"d5:added"] {
            assert_eq!(UtPex::parse(payload), Err(WireError::BadPex));
        }
    }

    #[test]
    fn a_million_peers_are_fifty() {
        let mut payload = b"d5:added600000:".to_vec();
        payload.resize(payload.len() + 600_000, 7);
        payload.extend_from_slice(b"7:dropped6000:");
        payload.resize(payload.len() + 6_000, 7);
        payload.push(b'e');
        let read = UtPex::parse(&payload).unwrap();
        assert_eq!((read.added.len(), read.dropped.len()), (MAX_PEERS, MAX_PEERS));
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        prop_oneof![
            (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from),
            (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            added in prop::collection::vec((address(), any::<u8>()), 0..MAX_PEERS),
            dropped in prop::collection::vec(address(), 0..MAX_PEERS),
        ) {
            let peer = |(address, bits)| PexPeer { address, flags: PexFlags(bits) };
            let mut message = UtPex { added: added.into_iter().map(peer).collect(), dropped };
            let read = UtPex::parse(&message.encode()).unwrap();
            // IPv4 comes first.
            message.added.sort_by_key(|peer| peer.address.is_ipv6());
            message.dropped.sort_by_key(SocketAddr::is_ipv6);
            prop_assert_eq!(read, message);
        }

        #[test]
        fn any_bytes_are_a_short_list_or_an_error(payload in prop::collection::vec(any::<u8>(), 0..2_000)) {
            if let Ok(read) = UtPex::parse(&payload) {
                prop_assert!(read.added.len() <= 2 * MAX_PEERS && read.dropped.len() <= 2 * MAX_PEERS);
            }
        }
    }
}
