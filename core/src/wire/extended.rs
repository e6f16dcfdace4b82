//! The handshake of the extension protocol (BEP 10), with the keys of BEP 9, 11, 21, 54 and 55.
//!
//! Reading is tolerant: a key of the wrong type or out of range counts as absent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

use bytes::Bytes;

use crate::bencode::{self, Limits, Value};
use crate::config::CLIENT;
use crate::untrusted::Untrusted;
use crate::wire::WireError;

/// Id of the extension handshake among extended messages.
pub const HANDSHAKE_ID: u8 = 0;

/// Requests that we take before we answer one: what fills 1 Gbit/s over 100 ms is 763 blocks.
/// libtorrent grants 2,000, transmission 512.
pub const OUR_REQQ: u32 = 1_000;

/// Requests that a peer takes which names no `reqq` (BEP 10).
pub const DEFAULT_REQQ: u32 = 250;

/// Characters kept of a client's name; a row of the peer table shows some twenty.
const MAX_NAME: usize = 100;

/// Extensions that peers offer and that the engine knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extension {
    /// Exchange of the info dictionary (BEP 9).
    UtMetadata,
    /// Exchange of peers (BEP 11).
    UtPex,
    /// A relay for those behind NAT (BEP 55).
    UtHolepunch,
    /// Takes a `have` back (BEP 54).
    LtDontHave,
    /// Says in mid-connection what the key `upload_only` says here (libtorrent).
    UploadOnly,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::UtMetadata, Self::UtPex, Self::UtHolepunch, Self::LtDontHave, Self::UploadOnly];

    /// Those that the engine takes, in the order of their names, as a dictionary wants them.
    const OURS: [Self; 4] = [Self::LtDontHave, Self::UploadOnly, Self::UtMetadata, Self::UtPex];

    /// Whether a private torrent goes without it (BEP 27).
    const fn is_for_public_only(self) -> bool {
        matches!(self, Self::UtMetadata | Self::UtPex)
    }

    /// The id under which we receive it. A peer may use it whether or not it has named one of its own.
    pub const fn our_id(self) -> u8 {
        self as u8 + 1
    }

    /// The extension that a message to us with this id belongs to; `None`: we have offered none such.
    pub fn received(id: u8) -> Option<Self> {
        Self::OURS.into_iter().find(|extension| extension.our_id() == id)
    }

    /// Key in the dictionary `m`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UtMetadata => "ut_metadata",
            Self::UtPex => "ut_pex",
            Self::UtHolepunch => "ut_holepunch",
            Self::LtDontHave => "lt_donthave",
            Self::UploadOnly => "upload_only",
        }
    }
}

/// The dictionary `m`: the numbers under which the sender of a handshake wants to receive extension
/// messages. Those to it carry these; those from it carry ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds([Option<u8>; Extension::ALL.len()]);

impl ExtensionIds {
    /// The id to send with; `None` when the peer does not take this extension.
    pub fn get(&self, extension: Extension) -> Option<NonZeroU8> {
        self.0[extension as usize].and_then(NonZeroU8::new)
    }

    /// Takes over what a later handshake changes: what it does not name stays, 0 switches off.
    pub fn update(&mut self, newer: &Self) {
        for (old, new) in self.0.iter_mut().zip(newer.0) {
            *old = new.or(*old);
        }
    }

    fn read(m: Value<'_>) -> Self {
        let claimed = Extension::ALL.map(|extension| {
            let id = m.get(extension.name())?.int()?;
            u8::try_from(id).ok()
        });
        // An id that stands for two extensions says nothing: neither can be sent.
        let is_shared = |id: u8| id != 0 && claimed.iter().filter(|other| **other == Some(id)).count() > 1;
        Self(claimed.map(|id| id.filter(|id| !is_shared(*id))))
    }
}

/// What a peer says about itself. Every key is optional, and a later handshake changes only what it
/// names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedHandshake {
    /// How to send extension messages to it.
    pub m: ExtensionIds,
    /// Name and version of its client, cut to 100 characters.
    pub v: Option<Untrusted>,
    /// TCP port it listens on, never 0: how an incoming peer becomes one that can be dialled.
    pub p: Option<u16>,
    /// Requests it takes before it answers one, never 0.
    pub reqq: Option<u32>,
    /// Our address as it sees us.
    pub yourip: Option<IpAddr>,
    /// Bytes of the info dictionary, never 0 (BEP 9). A claim: memory is for real pieces only.
    pub metadata_size: Option<u32>,
    /// Whether it downloads nothing more (BEP 21).
    pub upload_only: Option<bool>,
    /// Seconds since it became a seed (libtorrent).
    pub complete_ago: Option<u32>,
}

impl ExtendedHandshake {
    /// Reads the payload of extended message 0. Bytes after the dictionary are ignored.
    ///
    /// # Errors
    /// No dictionary, or one beyond the guard's limits.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let scan = bencode::scan(payload, &Limits::MESSAGE).map_err(|_| WireError::BadExtendedHandshake)?;
        let dict = scan.value;
        dict.dict().ok_or(WireError::BadExtendedHandshake)?;
        let bytes = |key: &str| dict.get(key)?.bytes();
        let number = |key: &str| dict.get(key)?.int();
        let positive = |key: &str| number(key).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        Ok(Self {
            m: dict.get("m").map(ExtensionIds::read).unwrap_or_default(),
            v: bytes("v").map(client_name).filter(|name| !name.is_empty()),
            p: number("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0),
            reqq: positive("reqq"),
            yourip: bytes("yourip").and_then(address),
            metadata_size: positive("metadata_size"),
            upload_only: number("upload_only").map(|flag| flag != 0),
            complete_ago: number("complete_ago").and_then(|seconds| u32::try_from(seconds).ok()),
        })
    }
}

fn client_name(raw: &[u8]) -> Untrusted {
    // Four bytes hold any character, so this cut loses none of those that are kept.
    let text = String::from_utf8_lossy(&raw[..raw.len().min(4 * MAX_NAME)]);
    Untrusted::new(text.chars().take(MAX_NAME).collect::<String>())
}

fn address(compact: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(compact) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = <[u8; 16]>::try_from(compact).ok()?;
    Some(IpAddr::from(Ipv6Addr::from(v6)).to_canonical())
}

/// Whether peers may have of us what makes a torrent known to others: its metadata, and other peers (BEP 27).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// They may.
    #[default]
    Public,
    /// They may not.
    Private,
    /// They may not any more: a magnet turned out to be private, and the first handshake said otherwise.
    NoLonger,
}

/// What we say about ourselves on one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OurHandshake {
    /// TCP port on which we can be called; `None` when we cannot.
    pub port: Option<u16>,
    /// The address from which the peer's packets come.
    pub yourip: Option<IpAddr>,
    /// Whether we download nothing more (BEP 21).
    pub upload_only: bool,
    /// Seconds since we became a seed.
    pub complete_ago: Option<u32>,
    /// Bytes of the info dictionary, if we have it (BEP 9).
    pub metadata_size: Option<u32>,
    /// Whether the peer may ask for metadata and for peers.
    pub sharing: Sharing,
    /// Whether we take lists of peers of a public torrent (BEP 11).
    pub takes_pex: bool,
}

impl OurHandshake {
    /// Whether this extension is on offer.
    pub fn offers(&self, extension: Extension) -> bool {
        Extension::OURS.contains(&extension)
            && (self.sharing == Sharing::Public || !extension.is_for_public_only())
            && (self.takes_pex || extension != Extension::UtPex)
    }

    /// The payload of extended message 0: a dictionary with its keys in order. It stays below 500
    /// bytes, because rtorrent reads the first messages into a buffer of about 1 KiB.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(160);
        out.push(b'd');
        if let Some(seconds) = self.complete_ago {
            out.extend_from_slice(format!("12:complete_agoi{seconds}e").as_bytes());
        }
        out.extend_from_slice(b"1:md");
        for extension in Extension::OURS {
            let (name, id) = match (self.offers(extension), self.sharing) {
                (true, _) => (extension.name(), extension.our_id()),
                (false, Sharing::NoLonger) => (extension.name(), 0),
                (false, _) => continue,
            };
            out.extend_from_slice(format!("{}:{name}i{id}e", name.len()).as_bytes());
        }
        out.push(b'e');
        if let Some(size) = self.metadata_size.filter(|_| self.sharing == Sharing::Public) {
            out.extend_from_slice(format!("13:metadata_sizei{size}e").as_bytes());
        }
        if let Some(port) = self.port.filter(|port| *port > 0) {
            out.extend_from_slice(format!("1:pi{port}e").as_bytes());
        }
        out.extend_from_slice(format!("4:reqqi{OUR_REQQ}e").as_bytes());
        // Also where it is not so: a second handshake takes the first one's word back.
        out.extend_from_slice(format!("11:upload_onlyi{}e", u8::from(self.upload_only)).as_bytes());
        out.extend_from_slice(format!("1:v{}:{CLIENT}", CLIENT.len()).as_bytes());
        match self.yourip.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => {
                out.extend_from_slice(b"6:yourip4:");
                out.extend_from_slice(&address.octets());
            }
            Some(IpAddr::V6(address)) => {
                out.extend_from_slice(b"6:yourip16:");
                out.extend_from_slice(&address.octets());
            }
            None => {}
        }
        out.push(b'e');
        out.into()
    }
}

#[cfg(test)]
mod tests;
