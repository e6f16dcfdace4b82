//! From the head of an HTTP request to the bytes of its answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;
use serde_bytes::ByteBuf;
use tc_core::InfoHash;
use tc_core::types::PeerId;

use super::lock;
use super::swarm::{Said, Swarms, Told, pack};

/// Peers named to a client that does not say how many it wants, as in BEP 3's reference tracker.
const WANTED: usize = 50;

/// Peers named at most: what libtorrent asks for.
const MOST_WANTED: usize = 200;

#[derive(Serialize)]
struct Success {
    complete: usize,
    #[serde(rename = "external ip")]
    external_ip: ByteBuf,
    incomplete: usize,
    interval: u64,
    #[serde(rename = "min interval")]
    min_interval: u64,
    peers: ByteBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    peers6: Option<ByteBuf>,
}

#[derive(Serialize)]
struct Failure {
    #[serde(rename = "failure reason")]
    reason: &'static str,
}

/// The whole answer, status line included. A refusal is status 200 with a `failure reason`, as BEP 3
/// has it; HTTP errors are for requests that are no announces.
pub(super) fn to(head: &[u8], from: IpAddr, swarms: &Mutex<Swarms>) -> Vec<u8> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or(head);
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return http("400 Bad Request", b"not HTTP\n");
    };
    if !version.starts_with(b"HTTP/1.") {
        return http("505 HTTP Version Not Supported", b"HTTP/1.1, please\n");
    }
    if method != b"GET" {
        return http("405 Method Not Allowed", b"GET, please\n");
    }
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    if parts.next() != Some(b"/announce") {
        return http("404 Not Found", b"this tracker knows /announce only\n");
    }
    let body = match said(parts.next().unwrap_or_default(), from) {
        Err(reason) => bencode(&Failure { reason }),
        Ok(said) => match lock(swarms).announce(&said, Instant::now()) {
            None => bencode(&Failure { reason: "this tracker is full" }),
            Some(told) => bencode(&success(told, from)),
        },
    };
    http("200 OK", &body)
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn bencode(answer: &impl Serialize) -> Vec<u8> {
    serde_bencode::to_bytes(answer).expect("strings, numbers and bytes have a bencoding")
}

fn success(told: Told, from: IpAddr) -> Success {
    let (mut peers, mut peers6) = (Vec::new(), Vec::new());
    for address in &told.peers {
        pack(address, if address.is_ipv4() { &mut peers } else { &mut peers6 });
    }
    let external_ip = match from {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let interval = told.interval.as_secs();
    Success {
        complete: told.seeds,
        external_ip: ByteBuf::from(external_ip),
        incomplete: told.leechers,
        interval,
        // Whoever watches a test or the demo may ask by hand.
        min_interval: interval.min(5),
        peers: ByteBuf::from(peers),
        peers6: (!peers6.is_empty()).then(|| ByteBuf::from(peers6)),
    }
}

/// What the query says; the reason of a refusal otherwise.
fn said(query: &[u8], from: IpAddr) -> Result<Said, &'static str> {
    let get = |wanted: &str| {
        query
            .split(|byte| *byte == b'&')
            .filter_map(|pair| {
                let mut halves = pair.splitn(2, |byte| *byte == b'=');
                (halves.next() == Some(wanted.as_bytes()))
                    .then(|| unescape(halves.next().unwrap_or_default()))
            })
            .next()
    };
    let number = |key: &str| std::str::from_utf8(&get(key)?).ok()?.parse::<i64>().ok();
    let torrent = get("info_hash").and_then(|hash| InfoHash::try_from(&*hash).ok());
    let peer_id = get("peer_id").and_then(|id| PeerId::try_from(&*id).ok());
    let port = number("port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    let event = get("event").unwrap_or_default();
    let stopped = event == b"stopped";
    Ok(Said {
        torrent: torrent.ok_or("info_hash is missing or not 20 bytes")?,
        peer_id: peer_id.ok_or("peer_id is missing or not 20 bytes")?,
        address: SocketAddr::new(from, port.ok_or("port is missing or wrong")?),
        // A magnet link without metadata does not know what is left; whoever says nothing lacks
        // something.
        left: number("left").and_then(|left| u64::try_from(left).ok()).unwrap_or(u64::MAX),
        completed: event == b"completed",
        stopped,
        wanted: number("numwant")
            .and_then(|wanted| usize::try_from(wanted).ok())
            .map_or(WANTED, |wanted| wanted.min(MOST_WANTED)),
    })
}

/// Percent-encoded bytes (RFC 3986); what is no escape stands for itself.
fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(unescape(b"%00a%fF+%zz%4"), b"\0a\xff+%zz%4");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(head in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let swarms = Mutex::new(Swarms::new(super::super::INTERVAL));
            to(&head, IpAddr::from([1, 2, 3, 4]), &swarms);
            to(&[b"GET /announce?", &head[..], b" HTTP/1.1\r\n"].concat(), IpAddr::from([1; 4]), &swarms);
        }
    }
}
