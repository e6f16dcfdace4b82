//! What a tracker's HTTP answer says: BEP 3, BEP 7 (peers6), BEP 23 (compact), BEP 24, BEP 31.
//!
//! Trackers are written by many hands: a key of the wrong type counts as absent, a peer that cannot be
//! called is left out, and only what is no dictionary at all is an error.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashSet;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_bytes::ByteBuf;

use super::announce::{AnnounceError, AnnounceReply, Retry};
use crate::bencode::{self, Limits};
use crate::net::scope::may_name;
use crate::untrusted::Untrusted;

/// Peers kept of one answer: twice what anybody asks for, and five times a torrent's links.
pub const MAX_PEERS: usize = 1_000;

/// Bytes of a `tracker id` that are sent back; longer ones would not fit into a URL.
pub const MAX_TRACKER_ID: usize = 512;

/// Bytes of a text for a person that are looked at.
const MAX_TEXT: usize = 4_096;

/// Reads an answer that came from `tracker`, which decides which addresses it may name.
/// `allow_inward`: private and loopback addresses too, whoever names them.
pub fn decode(body: &[u8], tracker: IpAddr, allow_inward: bool) -> Result<AnnounceReply, AnnounceError> {
    // Saturated first: serde_bencode gives up on a number beyond 64 bits, and with it on the peers.
    let body = saturated(body);
    let (raw, _) = bencode::decode::<Raw>(&body, &Limits::MESSAGE).map_err(|_| AnnounceError::Malformed)?;
    if let Some(reason) = raw.failure {
        return Err(AnnounceError::Refused { reason, retry: raw.retry });
    }
    // Nothing of an announce in it: some other service's dictionary.
    if raw.interval.is_none() && raw.peers.is_empty() && raw.warning.is_none() && !raw.peers_seen {
        return Err(AnnounceError::Malformed);
    }
    let source = if allow_inward { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { tracker };
    Ok(AnnounceReply {
        peers: usable(raw.peers, source),
        interval: seconds(raw.interval).unwrap_or_default(),
        min_interval: seconds(raw.min_interval),
        seeds: raw.seeds,
        leechers: raw.leechers,
        tracker_id: raw.tracker_id,
        warning: raw.warning,
        external_ip: raw.external_ip,
    })
}

/// The peers that `source` may name, without repeats, and no more than anybody needs.
pub(super) fn usable(peers: impl IntoIterator<Item = SocketAddr>, source: IpAddr) -> Vec<SocketAddr> {
    let mut seen = FxHashSet::default();
    let new = |peer: &SocketAddr| may_name(source, *peer) && seen.insert(*peer);
    peers.into_iter().map(canonical).filter(new).take(MAX_PEERS).collect()
}

/// Peers of both address families as one answer: every address, and the more patient of two wishes.
pub fn merge(mut first: AnnounceReply, second: AnnounceReply) -> AnnounceReply {
    let known: FxHashSet<SocketAddr> = first.peers.iter().copied().collect();
    let room = MAX_PEERS.saturating_sub(first.peers.len());
    first.peers.extend(second.peers.into_iter().filter(|peer| !known.contains(peer)).take(room));
    first.interval = first.interval.max(second.interval);
    first.min_interval = first.min_interval.max(second.min_interval);
    first.seeds = first.seeds.max(second.seeds);
    first.leechers = first.leechers.max(second.leechers);
    first.tracker_id = first.tracker_id.or(second.tracker_id);
    first.warning = first.warning.or(second.warning);
    first.external_ip = first.external_ip.or(second.external_ip);
    first
}

fn seconds(stated: Option<i64>) -> Option<Duration> {
    stated.map(|secs| Duration::from_secs(u64::try_from(secs).unwrap_or(0)))
}

/// An IPv4 peer in IPv6 notation is called over IPv4.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Replaces integers beyond 64 bits by the largest and smallest that fit. Walks tokens only, so it
/// needs no stack; what is not bencode is handed on as it is for the guard to refuse.
pub(super) fn saturated(body: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(byte) = body.get(at) {
        match byte {
            b'i' => {
                let Some(end) = body[at..].iter().take(MAX_TEXT).position(|b| *b == b'e') else { break };
                let digits = &body[at + 1..at + end];
                let (negative, number) = match digits {
                    [b'-', number @ ..] => (true, number),
                    number => (false, number),
                };
                let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
                if is_number && parse_int(digits).is_none() {
                    out.extend_from_slice(&body[copied..=at]);
                    out.extend_from_slice(if negative { i64::MIN } else { i64::MAX }.to_string().as_bytes());
                    copied = at + end;
                }
                at += end + 1;
            }
            b'0'..=b'9' => {
                let Some(colon) = body[at..].iter().take(20).position(|b| *b == b':') else { break };
                let Some(length) = parse_int(&body[at..at + colon]) else { break };
                let Ok(length) = usize::try_from(length) else { break };
                let Some(next) = at.checked_add(colon + 1).and_then(|start| start.checked_add(length)) else {
                    break;
                };
                at = next;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(body);
    }
    out.extend_from_slice(&body[copied..]);
    Cow::Owned(out)
}

fn parse_int(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The keys that we know, of the types that they should have.
#[derive(Default)]
struct Raw {
    failure: Option<Untrusted>,
    retry: Option<Retry>,
    warning: Option<Untrusted>,
    interval: Option<i64>,
    min_interval: Option<i64>,
    seeds: Option<u32>,
    leechers: Option<u32>,
    tracker_id: Option<Bytes>,
    external_ip: Option<IpAddr>,
    peers: Vec<SocketAddr>,
    /// There was a list of peers, were it empty.
    peers_seen: bool,
}

impl Raw {
    fn take(&mut self, key: &[u8], value: Value) {
        match (key, value) {
            (b"failure reason", value) => self.failure = Some(value.into_text()),
            (b"warning message", Value::Bytes(text)) => self.warning = Some(text_of(&text)),
            (b"retry in", value) => self.retry = value.into_retry(),
            (b"interval", Value::Int(secs)) => self.interval = Some(secs),
            (b"min interval", Value::Int(secs)) => self.min_interval = Some(secs),
            (b"complete", Value::Int(count)) => self.seeds = u32::try_from(count).ok(),
            (b"incomplete", Value::Int(count)) => self.leechers = u32::try_from(count).ok(),
            (b"tracker id", Value::Bytes(id)) if id.len() <= MAX_TRACKER_ID => {
                self.tracker_id = Some(id.into());
            }
            (b"external ip", Value::Bytes(ip)) => self.external_ip = packed_ip(&ip),
            (b"peers", Value::Bytes(compact)) => self.take_peers(compact.chunks_exact(6).map(packed_v4)),
            (b"peers6", Value::Bytes(compact)) => self.take_peers(compact.chunks_exact(18).map(packed_v6)),
            (b"peers" | b"peers6", Value::Peers(peers)) => self.take_peers(peers.into_iter()),
            _ => {}
        }
    }

    fn take_peers(&mut self, peers: impl Iterator<Item = SocketAddr>) {
        self.peers_seen = true;
        // Cut before bad ones are dropped: four times as many are looked at as are kept.
        self.peers.extend(peers.take(4 * MAX_PEERS));
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dictionary")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut raw = Raw::default();
                while let Some(key) = map.next_key::<ByteBuf>()? {
                    raw.take(&key, map.next_value()?);
                }
                Ok(raw)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Any bencoded value, as far as a reply has use for it.
enum Value {
    Int(i64),
    Bytes(Vec<u8>),
    /// A list: those of its elements that are peers with an address.
    Peers(Vec<SocketAddr>),
    /// A dictionary, as an element of a list of peers: the peer, if it is one.
    Dict(Option<SocketAddr>),
}

impl Value {
    fn into_text(self) -> Untrusted {
        match self {
            Self::Int(number) => Untrusted::new(number.to_string()),
            Self::Bytes(text) => text_of(&text),
            Self::Peers(_) | Self::Dict(_) => Untrusted::new("no reason given"),
        }
    }

    /// BEP 31: minutes, or the word "never".
    fn into_retry(self) -> Option<Retry> {
        let minutes = match self {
            Self::Int(minutes) => minutes,
            Self::Bytes(word) if word == b"never" => return Some(Retry::Never),
            Self::Bytes(word) => parse_int(&word)?,
            Self::Peers(_) | Self::Dict(_) => return None,
        };
        let minutes = u64::try_from(minutes).ok()?;
        Some(Retry::After(Duration::from_secs(minutes.saturating_mul(60))))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }
            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Value, E> {
                Ok(Value::Bytes(value.to_vec()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut peers = Vec::new();
                while peers.len() < 4 * MAX_PEERS {
                    match seq.next_element::<Value>()? {
                        Some(Value::Dict(Some(peer))) => peers.push(peer),
                        Some(_) => {}
                        None => return Ok(Value::Peers(peers)),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Peers(peers))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let (mut ip, mut port) = (None, None);
                while let Some(key) = map.next_key::<ByteBuf>()? {
                    match (key.as_slice(), map.next_value::<Value>()?) {
                        (b"ip", Value::Bytes(text)) => ip = literal_ip(&text),
                        (b"port", Value::Int(number)) => port = u16::try_from(number).ok(),
                        _ => {}
                    }
                }
                Ok(Value::Dict(ip.zip(port).map(SocketAddr::from)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Host names in peer lists are dropped: a stranger could have us look up any name.
fn literal_ip(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub(super) fn packed_v4(chunk: &[u8]) -> SocketAddr {
    let [a, b, c, d, high, low] = chunk.try_into().expect("chunks of 6");
    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
}

pub(super) fn packed_v6(chunk: &[u8]) -> SocketAddr {
    let (ip, port) = chunk.split_at(16);
    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).expect("chunks of 18"));
    SocketAddr::from((ip, u16::from_be_bytes(port.try_into().expect("chunks of 18"))))
}

/// BEP 24: packed, not in dots.
fn packed_ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn text_of(bytes: &[u8]) -> Untrusted {
    Untrusted::from_bytes(&bytes[..bytes.len().min(MAX_TEXT)])
}

#[cfg(test)]
mod tests;
