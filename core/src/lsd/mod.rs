//! Local Service Discovery (BEP 14): who else on our own network has the same torrents. What is said, when,
//! and how much is heard; the shell `task` lends it sockets and clock.

mod hearing;
mod schedule;
pub mod task;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub use self::hearing::Hearing;
pub use self::schedule::Schedule;
use crate::types::InfoHash;

/// Where it is said over IPv4.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);

/// Where it is said over IPv6.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);

/// The port of both.
pub const PORT: u16 = 6771;

/// The longest message (BEP 14): what is longer is none.
pub const MAX_MESSAGE: usize = 1_400;

/// Bytes kept of a cookie; ours has 8.
const MAX_COOKIE: usize = 64;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Where the sender takes connections, never 0.
    pub port: u16,
    /// What it has or wants; at least one, in as many lines as fit.
    pub info_hashes: Vec<InfoHash>,
    /// What it knows its own messages by.
    pub cookie: Option<Vec<u8>>,
}

impl Search {
    /// Reads a datagram; `None`: it is no such message, or names no torrent or no port.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        if datagram.len() > MAX_MESSAGE {
            return None;
        }
        let mut lines = datagram.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.next()?;
        if !first.eq_ignore_ascii_case(b"BT-SEARCH * HTTP/1.1") {
            return None;
        }
        let (mut port, mut info_hashes, mut cookie) = (None, Vec::new(), None);
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"Port") {
                port = std::str::from_utf8(value).ok()?.parse().ok().filter(|port: &u16| *port > 0);
            } else if name.eq_ignore_ascii_case(b"Infohash") {
                let hash = data_encoding::HEXLOWER_PERMISSIVE.decode(value).ok();
                let hash = hash.and_then(|hash| <[u8; 20]>::try_from(hash).ok()).map(InfoHash::new);
                info_hashes.extend(hash.filter(|hash| !info_hashes.contains(hash)));
            } else if name.eq_ignore_ascii_case(b"cookie") {
                cookie = Some(value[..value.len().min(MAX_COOKIE)].to_vec());
            }
        }
        (!info_hashes.is_empty()).then_some(Self { port: port?, info_hashes, cookie })
    }

    /// The datagram, to be sent over IPv4 or IPv6.
    pub fn encode(&self, v6: bool) -> Vec<u8> {
        use std::fmt::Write as _;
        let mut text = format!("BT-SEARCH * HTTP/1.1\r\nHost: {}\r\nPort: {}\r\n", group(v6), self.port);
        for info_hash in &self.info_hashes {
            // Writing to a string does not fail.
            let _ = write!(text, "Infohash: {info_hash}\r\n");
        }
        if let Some(cookie) = &self.cookie {
            let _ = write!(text, "cookie: {}\r\n", String::from_utf8_lossy(cookie));
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }
}

/// Where a family's messages go.
pub const fn group(v6: bool) -> SocketAddr {
    let group = if v6 { IpAddr::V6(GROUP_V6) } else { IpAddr::V4(GROUP_V4) };
    SocketAddr::new(group, PORT)
}

#[cfg(test)]
mod tests;
