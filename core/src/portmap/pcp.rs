//! Messages of PCP (RFC 6887): MAP, and answers to it.

use std::net::{IpAddr, Ipv6Addr};

/// The version in each message.
pub const VERSION: u8 = 2;

/// The code of a gateway that speaks another version.
pub const UNSUPPORTED_VERSION: u8 = 1;

/// Bytes of the header (section 7.1).
const HEADER: usize = 24;

/// What makes a mapping ours: who renews or deletes it says the same.
pub type Nonce = [u8; 12];

/// A request for a mapping; with a lifetime of 0 seconds it takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Our address, which the request must come from.
    pub client: IpAddr,
    /// Seconds.
    pub lifetime: u32,
    /// Who asks.
    pub nonce: Nonce,
    /// For UDP, not TCP.
    pub udp: bool,
    /// Our port.
    pub inside: u16,
    /// The wish for the one outside.
    pub outside: u16,
}

/// IPv4 addresses are written as those that are mapped into IPv6 (section 5).
fn wide(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Protocol numbers of IANA.
const fn protocol(udp: bool) -> u8 {
    if udp { 17 } else { 6 }
}

impl Map {
    /// The bytes of the request (sections 7.1 and 11.1).
    pub fn encode(&self) -> [u8; 60] {
        let mut bytes = [0; 60];
        bytes[0] = VERSION;
        bytes[1] = 1;
        bytes[4..8].copy_from_slice(&self.lifetime.to_be_bytes());
        bytes[8..24].copy_from_slice(&wide(self.client));
        bytes[24..36].copy_from_slice(&self.nonce);
        bytes[36] = protocol(self.udp);
        bytes[40..42].copy_from_slice(&self.inside.to_be_bytes());
        bytes[42..44].copy_from_slice(&self.outside.to_be_bytes());
        // No wish for an address, of the family of ours.
        if self.client.is_ipv4() {
            bytes[54..56].copy_from_slice(&[0xff; 2]);
        }
        bytes
    }
}

/// What a gateway answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It speaks another version, this one at most. NAT-PMP alone is 0.
    Version(u8),
    /// It says no.
    Refused {
        /// Section 7.4.
        code: u8,
        /// Seconds since it lost its mappings.
        epoch: u32,
    },
    /// A mapping, or the end of one where `lifetime` is 0.
    Mapped {
        /// Seconds since it lost its mappings.
        epoch: u32,
        /// Whose it is.
        nonce: Nonce,
        /// For UDP, not TCP.
        udp: bool,
        /// Our port.
        inside: u16,
        /// The one outside.
        outside: u16,
        /// The address outside.
        address: IpAddr,
        /// Seconds that it lasts.
        lifetime: u32,
    },
}

/// Reads an answer; `None`: it is none.
pub fn decode(bytes: &[u8]) -> Option<Reply> {
    // Servers of NAT-PMP answer in their own form, and those of later versions in theirs.
    let [version, op, _, code, ..] = *bytes else { return None };
    if op < 128 {
        return None;
    }
    if version != VERSION {
        return Some(Reply::Version(version));
    }
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let port = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (lifetime, epoch) = (word(4)?, word(8)?);
    if bytes.len() < HEADER {
        return None;
    }
    if code == UNSUPPORTED_VERSION {
        return Some(Reply::Version(version));
    }
    if code != 0 {
        return Some(Reply::Refused { code, epoch });
    }
    if op != 129 {
        return None;
    }
    let udp = match bytes.get(36)? {
        17 => true,
        6 => false,
        _ => return None,
    };
    let address: [u8; 16] = bytes.get(44..60)?.try_into().ok()?;
    Some(Reply::Mapped {
        epoch,
        nonce: bytes.get(24..36)?.try_into().ok()?,
        udp,
        inside: port(40)?,
        outside: port(42)?,
        address: IpAddr::V6(Ipv6Addr::from(address)).to_canonical(),
        lifetime,
    })
}

/// An error in words.
pub fn describe(code: u8) -> String {
    let known = match code {
        2 => "does not allow it",
        3 => "does not understand the request",
        4 | 5 => "does not know the request",
        7 => "has no network itself",
        8 => "has no room left",
        9 => "does not map this protocol",
        10 => "lets us have no more ports",
        11 => "cannot give this port",
        12 => "sees us at another address: there is another router in between",
        _ => return format!("error {code}"),
    };
    known.to_owned()
}
