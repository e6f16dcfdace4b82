//! Addresses and contacts as BEP 5 and BEP 32 pack them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::id::{Contact, Family, NodeId};

/// Bytes of an address with its port.
pub const fn address_len(family: Family) -> usize {
    match family {
        Family::V4 => 6,
        Family::V6 => 18,
    }
}

/// Appends an address and its port.
pub fn put_address(out: &mut Vec<u8>, address: &SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

/// Appends a contact.
pub fn put_contact(out: &mut Vec<u8>, contact: &Contact) {
    out.extend_from_slice(contact.id.as_bytes());
    put_address(out, &contact.address);
}

/// An address with its port, of either family; `None` for any other length.
pub fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = if let Ok(v4) = <[u8; 4]>::try_from(ip) {
        IpAddr::V4(Ipv4Addr::from(v4))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?))
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Packed contacts of one family; what is left over at the end is none.
pub fn contacts(bytes: &[u8], family: Family) -> impl Iterator<Item = Contact> {
    bytes.chunks_exact(20 + address_len(family)).filter_map(|chunk| {
        let (id, place) = chunk.split_first_chunk::<20>()?;
        Some(Contact { id: NodeId::new(*id), address: address(place)? })
    })
}
