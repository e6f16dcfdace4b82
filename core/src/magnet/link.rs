//! Magnet links (BEP 9): `magnet:?xt=urn:btih:…`, and bare info-hashes.
//!
//! Only the hash is needed. What else a link says is kept within bounds, and what it does not need to be
//! understood is ignored: `xs` and `as` are addresses that somebody else chose, and are never asked.

use std::fmt;
use std::net::SocketAddr;

use data_encoding::{BASE32, HEXLOWER_PERMISSIVE};

use super::select::{FileSelection, digits};
use crate::types::{InfoHash, InfoHashV2};
use crate::untrusted::Untrusted;

/// Bytes of a link: one with a thousand trackers has less.
const MAX_LINK: usize = 1 << 20;

/// Trackers kept of one link; libtorrent keeps 1,000 too.
const MAX_TRACKERS: usize = 1_000;

/// Peers, and web seeds, kept of one link.
const MAX_HINTS: usize = 100;

/// Bytes of a URL that is kept: as in torrent files.
const MAX_URL: usize = 2_048;

/// Bytes kept of a name: a file name has no more, and it is only shown.
const MAX_NAME: usize = 255;

/// Bytes of a host name (RFC 1035).
const MAX_HOST: usize = 253;

/// A multihash says that SHA-256 follows, and that it has 32 bytes.
const SHA256: &str = "1220";

/// A torrent that is known by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// The torrent's name in the engine: the v1 hash, or the first 20 bytes of the v2 hash.
    pub info_hash: InfoHash,
    /// SHA-1 of the info dictionary, where the link has it.
    pub info_hash_v1: Option<InfoHash>,
    /// SHA-256 of the info dictionary, where the link has it.
    pub info_hash_v2: Option<InfoHashV2>,
    /// What the torrent is called, says the link: to be shown, never to be a path.
    pub name: Option<Untrusted>,
    /// Announce URLs in order. Each is a tier of its own, as in libtorrent and transmission.
    pub trackers: Vec<Untrusted>,
    /// Peers with their addresses.
    pub peers: Vec<SocketAddr>,
    /// Peers by the names of their hosts.
    pub named_peers: Vec<(Untrusted, u16)>,
    /// BEP 19 web seeds.
    pub web_seeds: Vec<Untrusted>,
    /// BEP 53: the files that are wanted, by their place in the torrent.
    pub select: Option<FileSelection>,
}

/// Why a text is no magnet link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// It begins with something else.
    #[error("not a magnet link")]
    NotMagnet,
    /// More than 1 MiB.
    #[error("a magnet link of {0} bytes, at most {MAX_LINK} make sense")]
    TooLong(usize),
    /// No `xt` that names a torrent.
    #[error("the magnet link has no info-hash (xt=urn:btih:… or xt=urn:btmh:…)")]
    NoHash,
    /// An `xt` that should name a torrent.
    #[error(
        "the magnet link's info-hash is none: 40 hexadecimal digits, 32 of base32, or 1220 and 64 hexadecimal digits are wanted"
    )]
    BadHash,
    /// Two torrents.
    #[error("the magnet link names two torrents")]
    TwoHashes,
}

impl Magnet {
    /// Reads a magnet link.
    ///
    /// # Errors
    /// It names no torrent, or two.
    pub fn parse(text: &str) -> Result<Self, MagnetError> {
        let text = text.trim();
        let scheme = text.get(..MAGNET.len()).filter(|scheme| scheme.eq_ignore_ascii_case(MAGNET));
        let query =
            scheme.and_then(|_| text[MAGNET.len()..].strip_prefix('?')).ok_or(MagnetError::NotMagnet)?;
        if text.len() > MAX_LINK {
            return Err(MagnetError::TooLong(text.len()));
        }
        let mut link = Parts::default();
        for parameter in query.split('&') {
            // Links that were copied out of a page's source have `&amp;` between their parts.
            let parameter = parameter.strip_prefix("amp;").unwrap_or(parameter);
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            link.take(key, value)?;
        }
        link.end()
    }

    /// Reads a bare info-hash: 40 hexadecimal digits or 32 of base32 (v1), or 64 hexadecimal digits (v2).
    pub fn of_hash(text: &str) -> Option<Self> {
        let text = text.trim();
        let v1 = hash_v1(text);
        let v2 = text.parse().ok().filter(|_| v1.is_none());
        Parts { v1, v2, ..Parts::default() }.end().ok()
    }

    /// The link of a torrent that is there.
    pub fn of(metainfo: &crate::metainfo::Metainfo) -> Self {
        Self {
            info_hash: metainfo.info_hash,
            info_hash_v1: metainfo.info_hash_v1,
            info_hash_v2: metainfo.info_hash_v2,
            name: Some(metainfo.name.clone()),
            trackers: metainfo.trackers.iter().flatten().take(MAX_TRACKERS).cloned().collect(),
            peers: Vec::new(),
            named_peers: Vec::new(),
            web_seeds: metainfo.web_seeds.iter().take(MAX_HINTS).cloned().collect(),
            select: None,
        }
    }

    /// Its trackers, each a tier of its own.
    pub fn tiers(&self) -> Vec<Vec<Untrusted>> {
        self.trackers.iter().map(|tracker| vec![tracker.clone()]).collect()
    }

    /// What to call it: the link's name, or its hash.
    pub fn shown_name(&self) -> Untrusted {
        self.name.clone().unwrap_or_else(|| self.info_hash.to_string().into())
    }

    /// Takes over what another link to the same torrent says beyond this one.
    pub fn merge(&mut self, other: &Self) {
        self.info_hash_v2 = self.info_hash_v2.or(other.info_hash_v2);
        self.name = self.name.take().or_else(|| other.name.clone());
        extend(&mut self.trackers, &other.trackers, MAX_TRACKERS);
        extend(&mut self.peers, &other.peers, MAX_HINTS);
        extend(&mut self.named_peers, &other.named_peers, MAX_HINTS);
        extend(&mut self.web_seeds, &other.web_seeds, MAX_HINTS);
    }
}

const MAGNET: &str = "magnet:";

fn extend<T: Clone + PartialEq>(known: &mut Vec<T>, more: &[T], most: usize) {
    for item in more {
        if known.len() < most && !known.contains(item) {
            known.push(item.clone());
        }
    }
}

/// A link that is being read.
#[derive(Default)]
struct Parts {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
    name: Option<Untrusted>,
    trackers: Vec<Untrusted>,
    peers: Vec<SocketAddr>,
    named_peers: Vec<(Untrusted, u16)>,
    web_seeds: Vec<Untrusted>,
    select: Option<FileSelection>,
}

impl Parts {
    fn take(&mut self, key: &str, value: &str) -> Result<(), MagnetError> {
        match unnumbered(key).to_ascii_lowercase().as_str() {
            "xt" => return self.hash(value),
            "dn" if self.name.is_none() => {
                let name = decoded(&value.replace('+', " ")).unwrap_or_else(|| value.as_bytes().to_vec());
                let name = String::from_utf8_lossy(&name);
                let name = &name[..name.floor_char_boundary(MAX_NAME)];
                self.name = Some(name.trim().into()).filter(|name: &Untrusted| !name.is_empty());
            }
            "tr" => extend(&mut self.trackers, url(value).as_slice(), MAX_TRACKERS),
            "ws" => extend(&mut self.web_seeds, url(value).as_slice(), MAX_HINTS),
            "x.pe" => self.peer(value),
            "so" if self.select.is_none() => {
                let value = decoded(value).and_then(|value| String::from_utf8(value).ok());
                self.select = value.and_then(|value| FileSelection::parse(&value));
            }
            _ => {}
        }
        Ok(())
    }

    /// An `xt`. Those of other networks say nothing here.
    fn hash(&mut self, value: &str) -> Result<(), MagnetError> {
        let value =
            decoded(value).and_then(|value| String::from_utf8(value).ok()).ok_or(MagnetError::BadHash)?;
        let after = |urn: &str| {
            value
                .get(..urn.len())
                .filter(|start| start.eq_ignore_ascii_case(urn))
                .map(|_| &value[urn.len()..])
        };
        if let Some(hash) = after("urn:btih:") {
            // Some sites put the v2 hash here.
            match (hash_v1(hash), hash.parse::<InfoHashV2>()) {
                (Some(hash), _) => set(&mut self.v1, hash),
                (None, Ok(hash)) => set(&mut self.v2, hash),
                (None, Err(_)) => Err(MagnetError::BadHash),
            }
        } else if let Some(hash) = after("urn:btmh:") {
            let hash = hash.strip_prefix(SHA256).and_then(|hash| hash.parse().ok());
            set(&mut self.v2, hash.ok_or(MagnetError::BadHash)?)
        } else {
            Ok(())
        }
    }

    fn peer(&mut self, value: &str) {
        let Some(text) = decoded(value).and_then(|value| String::from_utf8(value).ok()) else { return };
        let text = text.trim();
        if let Ok(address) = text.parse::<SocketAddr>() {
            if address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast() {
                extend(&mut self.peers, &[address], MAX_HINTS);
            }
        } else if let Some((host, port)) = text.rsplit_once(':')
            && let Some(port) = digits(port).filter(|port| *port != 0)
            && (1..=MAX_HOST).contains(&host.len())
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        {
            extend(&mut self.named_peers, &[(host.into(), port)], MAX_HINTS);
        }
    }

    fn end(self) -> Result<Magnet, MagnetError> {
        let short = |hash: InfoHashV2| {
            let mut first = [0; InfoHash::LEN];
            first.copy_from_slice(&hash.as_bytes()[..InfoHash::LEN]);
            InfoHash::new(first)
        };
        Ok(Magnet {
            info_hash: self.v1.or(self.v2.map(short)).ok_or(MagnetError::NoHash)?,
            info_hash_v1: self.v1,
            info_hash_v2: self.v2,
            name: self.name,
            trackers: self.trackers,
            peers: self.peers,
            named_peers: self.named_peers,
            web_seeds: self.web_seeds,
            select: self.select,
        })
    }
}

fn set<T: PartialEq>(place: &mut Option<T>, hash: T) -> Result<(), MagnetError> {
    match place {
        Some(known) if *known != hash => Err(MagnetError::TwoHashes),
        _ => {
            *place = Some(hash);
            Ok(())
        }
    }
}

/// Several parameters of one kind may be numbered: `tr.1=`.
fn unnumbered(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            name
        }
        _ => key,
    }
}

fn hash_v1(text: &str) -> Option<InfoHash> {
    let bytes = match text.len() {
        40 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?,
        32 => BASE32.decode(text.to_ascii_uppercase().as_bytes()).ok()?,
        _ => return None,
    };
    InfoHash::try_from(bytes.as_slice()).ok()
}

/// A URL of a kind that is spoken here, or may be some day; what is none is dropped.
fn url(value: &str) -> Option<Untrusted> {
    let text = String::from_utf8(decoded(value)?).ok()?;
    let text = text.trim();
    let known = ["http", "https", "udp", "ws", "wss"];
    let (scheme, rest) = text.split_once("://")?;
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let is_url = !rest.is_empty() && known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (clean && is_url && text.len() <= MAX_URL).then(|| text.into())
}

/// Undoes the percent encoding; `None`: it is none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        out.push(if byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { byte });
    }
    Some(out)
}

/// Text as the value of a parameter: what has no meaning in a query stands as it is.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

/// The link: plain characters only.
impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MAGNET}?")?;
        let mut and = "";
        if let Some(hash) = self.info_hash_v1 {
            write!(f, "xt=urn:btih:{hash}")?;
            and = "&";
        }
        if let Some(hash) = self.info_hash_v2 {
            write!(f, "{and}xt=urn:btmh:{SHA256}{hash}")?;
        }
        if let Some(name) = &self.name {
            write!(f, "&dn={}", Encoded(name.raw()))?;
        }
        for tracker in &self.trackers {
            write!(f, "&tr={}", Encoded(tracker.raw()))?;
        }
        for seed in &self.web_seeds {
            write!(f, "&ws={}", Encoded(seed.raw()))?;
        }
        for peer in &self.peers {
            write!(f, "&x.pe={peer}")?;
        }
        for (host, port) in &self.named_peers {
            write!(f, "&x.pe={}:{port}", host.raw())?;
        }
        if let Some(select) = &self.select {
            write!(f, "&so={select}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
