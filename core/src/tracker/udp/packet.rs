//! The datagrams of UDP trackers: BEP 15 (connect, announce, scrape, error), BEP 41 (the URL's path).

use std::net::SocketAddr;

use crate::tracker::announce::{AnnounceEvent, AnnounceParams};
use crate::tracker::reply::{packed_v4, packed_v6};
use crate::types::InfoHash;

/// Info-hashes in one scrape (BEP 15: "up to about 74").
pub const MAX_SCRAPE: usize = 74;

/// Says that a connect request is one (BEP 15, `protocol_id`).
const PROTOCOL_ID: u64 = 0x0417_2710_1980;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// BEP 41: an option that holds a part of the URL.
const URL_DATA: u8 = 2;

/// BEP 41: what one option can hold.
const MAX_OPTION: usize = 255;

/// Ours, random: a reply that bears it was sent by somebody who saw the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(pub u32);

/// The tracker's proof that our address is no forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId(pub u64);

/// Figures of one torrent in a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scraped {
    /// Peers that have everything.
    pub seeds: u32,
    /// Downloads that were completed.
    pub completed: u32,
    /// Peers that lack something.
    pub leechers: u32,
}

/// What a tracker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The way is open.
    Connected(ConnectionId),
    /// An announce was heard.
    Announced {
        /// Seconds until the next announce; a negative number counts as 0.
        interval: u32,
        /// Peers that lack something.
        leechers: u32,
        /// Peers that have everything.
        seeds: u32,
        /// Packed addresses: see [`peers_v4`] and [`peers_v6`].
        peers: &'a [u8],
    },
    /// Figures, packed: see [`scraped`].
    Scraped(&'a [u8]),
    /// A refusal, in words.
    Error(&'a [u8]),
}

/// Asks for a connection id.
pub fn connect(transaction: TransactionId) -> Vec<u8> {
    let mut packet = Vec::with_capacity(16);
    packet.extend_from_slice(&PROTOCOL_ID.to_be_bytes());
    packet.extend_from_slice(&CONNECT.to_be_bytes());
    packet.extend_from_slice(&transaction.0.to_be_bytes());
    packet
}

/// Announces. `url_data` is path and query of the tracker's URL as they came; BEP 41 carries them.
pub fn announce(
    connection: ConnectionId,
    transaction: TransactionId,
    params: &AnnounceParams,
    url_data: &[u8],
) -> Vec<u8> {
    let mut packet = request(connection, ANNOUNCE, transaction);
    packet.extend_from_slice(params.info_hash.as_bytes());
    packet.extend_from_slice(params.peer_id.as_bytes());
    packet.extend_from_slice(&params.downloaded.to_be_bytes());
    packet.extend_from_slice(&params.left.to_be_bytes());
    packet.extend_from_slice(&params.uploaded.to_be_bytes());
    packet.extend_from_slice(&event(params.event).to_be_bytes());
    // The address is for the tracker to see; few believe a stated one.
    packet.extend_from_slice(&0_u32.to_be_bytes());
    packet.extend_from_slice(&params.key.to_be_bytes());
    // -1 leaves the number to the tracker, which knows what fits into its datagrams.
    let numwant: i32 = if params.numwant == 0 { 0 } else { -1 };
    packet.extend_from_slice(&numwant.to_be_bytes());
    packet.extend_from_slice(&params.port.to_be_bytes());
    for chunk in url_data.chunks(MAX_OPTION) {
        let length = u8::try_from(chunk.len()).expect("chunks of 255 at most");
        packet.extend_from_slice(&[URL_DATA, length]);
        packet.extend_from_slice(chunk);
    }
    packet
}

/// Asks for the figures of [`MAX_SCRAPE`] torrents at most; more are left out.
pub fn scrape(connection: ConnectionId, transaction: TransactionId, torrents: &[InfoHash]) -> Vec<u8> {
    let mut packet = request(connection, SCRAPE, transaction);
    for info_hash in torrents.iter().take(MAX_SCRAPE) {
        packet.extend_from_slice(info_hash.as_bytes());
    }
    packet
}

fn request(connection: ConnectionId, action: u32, transaction: TransactionId) -> Vec<u8> {
    let mut packet = Vec::with_capacity(128);
    packet.extend_from_slice(&connection.0.to_be_bytes());
    packet.extend_from_slice(&action.to_be_bytes());
    packet.extend_from_slice(&transaction.0.to_be_bytes());
    packet
}

const fn event(event: AnnounceEvent) -> u32 {
    match event {
        // BEP 15 has no number for a partial seed.
        AnnounceEvent::Regular | AnnounceEvent::Paused => 0,
        AnnounceEvent::Completed => 1,
        AnnounceEvent::Started => 2,
        AnnounceEvent::Stopped => 3,
    }
}

/// Reads a reply. `None`: it is none, or too short. What follows the known fields is let be, as BEP 15
/// asks.
pub fn decode(datagram: &[u8]) -> Option<(TransactionId, Reply<'_>)> {
    let (action, rest) = take_u32(datagram)?;
    let (transaction, rest) = take_u32(rest)?;
    let reply = match action {
        CONNECT => {
            let (id, _) = rest.split_first_chunk()?;
            Reply::Connected(ConnectionId(u64::from_be_bytes(*id)))
        }
        ANNOUNCE => {
            let (interval, rest) = take_u32(rest)?;
            let (leechers, rest) = take_u32(rest)?;
            let (seeds, peers) = take_u32(rest)?;
            let interval = if interval > i32::MAX as u32 { 0 } else { interval };
            Reply::Announced { interval, leechers, seeds, peers }
        }
        SCRAPE => Reply::Scraped(rest),
        ERROR => Reply::Error(rest),
        _ => return None,
    };
    Some((TransactionId(transaction), reply))
}

/// IPv4 peers, 6 bytes each; an incomplete last one is left out.
pub fn peers_v4(packed: &[u8]) -> impl Iterator<Item = SocketAddr> {
    packed.chunks_exact(6).map(packed_v4)
}

/// IPv6 peers, 18 bytes each: what comes over an IPv6 socket.
pub fn peers_v6(packed: &[u8]) -> impl Iterator<Item = SocketAddr> {
    packed.chunks_exact(18).map(packed_v6)
}

/// The figures of a scrape, in the order that was asked.
pub fn scraped(packed: &[u8]) -> impl Iterator<Item = Scraped> {
    packed.chunks_exact(12).map(|chunk| {
        let number = |at: usize| u32::from_be_bytes([chunk[at], chunk[at + 1], chunk[at + 2], chunk[at + 3]]);
        Scraped { seeds: number(0), completed: number(4), leechers: number(8) }
    })
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::PeerId;

    fn params() -> AnnounceParams {
        AnnounceParams {
            info_hash: InfoHash::new([0xaa; 20]),
            peer_id: PeerId::new([0xbb; 20]),
            port: 0x1a1b,
            uploaded: 3,
            downloaded: 1,
            corrupt: 0,
            left: 2,
            key: 0x0102_0304,
            numwant: 80,
            event: AnnounceEvent::Started,
        }
    }

    const CONNECTION: ConnectionId = ConnectionId(0x1122_3344_5566_7788);
    const TRANSACTION: TransactionId = TransactionId(0xdead_beef);

    #[test]
    fn requests_byte_by_byte() {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(hex(&connect(TRANSACTION)), "000004172710198000000000deadbeef");
        let want = format!(
            "112233445566778800000001deadbeef{}{}000000000000000100000000000000020000000000000003\
             000000020000000001020304ffffffff1a1b",
            "aa".repeat(20),
            "bb".repeat(20)
        );
        assert_eq!(hex(&announce(CONNECTION, TRANSACTION, &params(), b"")), want);
        let torrents = [InfoHash::new([1; 20]), InfoHash::new([2; 20])];
        let want = format!("112233445566778800000002deadbeef{}{}", "01".repeat(20), "02".repeat(20));
        assert_eq!(hex(&scrape(CONNECTION, TRANSACTION, &torrents)), want);
        assert_eq!(scrape(CONNECTION, TRANSACTION, &[InfoHash::new([1; 20]); 200]).len(), 16 + 74 * 20);
    }

    #[test]
    fn events_and_numwant() {
        for (said, code) in [
            (AnnounceEvent::Regular, 0),
            (AnnounceEvent::Paused, 0),
            (AnnounceEvent::Completed, 1),
            (AnnounceEvent::Started, 2),
            (AnnounceEvent::Stopped, 3),
        ] {
            let packet = announce(CONNECTION, TRANSACTION, &AnnounceParams { event: said, ..params() }, b"");
            assert_eq!(packet[80..84], [0, 0, 0, code]);
        }
        let packet = announce(CONNECTION, TRANSACTION, &AnnounceParams { numwant: 0, ..params() }, b"");
        assert_eq!(packet[92..96], [0; 4]);
    }

    /// What a tracker makes of the options at the end of an announce (BEP 41, "Extension Format").
    fn url_data(mut options: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        while let [kind, rest @ ..] = options {
            match kind {
                0 => break,
                1 => options = rest,
                kind => {
                    let (length, rest) = rest.split_first().unwrap();
                    let (value, rest) = rest.split_at(usize::from(*length));
                    if *kind == 2 {
                        data.extend_from_slice(value);
                    }
                    options = rest;
                }
            }
        }
        data
    }

    #[test]
    fn the_examples_of_bep_41() {
        let packet = announce(CONNECTION, TRANSACTION, &params(), b"/dir?a=b&c=d");
        assert_eq!(&packet[98..], b"\x02\x0c/dir?a=b&c=d");
        for length in [0, 1, 254, 255, 256, 510, 511, 4_000] {
            let url = vec![b'x'; length];
            assert_eq!(url_data(&announce(CONNECTION, TRANSACTION, &params(), &url)[98..]), url);
        }
    }

    fn check(reply: &[u8], want: Option<Reply<'_>>) {
        let packet =
            [reply.get(..4).unwrap_or(reply), &TRANSACTION.0.to_be_bytes(), reply.get(4..).unwrap_or(b"")];
        assert_eq!(decode(&packet.concat()), want.map(|want| (TRANSACTION, want)), "{reply:?}");
    }

    #[test]
    fn replies_good_and_bad() {
        check(b"\0\0\0\0\x11\x22\x33\x44\x55\x66\x77\x88", Some(Reply::Connected(CONNECTION)));
        check(b"\0\0\0\0\x11\x22\x33\x44\x55\x66\x77\x88 more", Some(Reply::Connected(CONNECTION)));
        check(b"\0\0\0\0\x11\x22\x33\x44\x55\x66\x77", None);
        let announced = |interval, peers| Some(Reply::Announced { interval, leechers: 2, seeds: 3, peers });
        check(b"\0\0\0\x01\0\0\x07\x08\0\0\0\x02\0\0\0\x03", announced(1_800, b""));
        check(b"\0\0\0\x01\xff\xff\xff\xff\0\0\0\x02\0\0\0\x03abcdef", announced(0, b"abcdef"));
        check(b"\0\0\0\x01\0\0\x07\x08\0\0\0\x02\0\0\0", None);
        check(b"\0\0\0\x02", Some(Reply::Scraped(b"")));
        check(b"\0\0\0\x03go away", Some(Reply::Error(b"go away")));
        check(b"\0\0\0\x04", None);
        check(b"\0\0\x01\x03", None);
        assert_eq!(decode(b"\0\0\0\x03\0\0\0"), None);
        assert_eq!(decode(b""), None);
    }

    #[test]
    fn packed_lists_drop_an_incomplete_end() {
        let v4: Vec<_> = peers_v4(b"\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x1a").collect();
        assert_eq!(v4, ["1.2.3.4:6881".parse().unwrap()]);
        let v6: Vec<_> = peers_v6(b"\x2a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1\x2a").collect();
        assert_eq!(v6, ["[2a11::1]:6881".parse().unwrap()]);
        let figures: Vec<_> = scraped(b"\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0").collect();
        assert_eq!(figures, [Scraped { seeds: 1, completed: 2, leechers: 3 }]);
    }

    proptest! {
        #[test]
        fn never_panics(action in 0..6_u32, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
            let packet = [&action.to_be_bytes()[..], &body].concat();
            if let Some((_, reply)) = decode(&packet) {
                match reply {
                    Reply::Announced { peers, .. } => {
                        prop_assert_eq!(peers_v4(peers).count(), peers.len() / 6);
                        prop_assert_eq!(peers_v6(peers).count(), peers.len() / 18);
                    }
                    Reply::Scraped(packed) => prop_assert_eq!(scraped(packed).count(), packed.len() / 12),
                    Reply::Connected(_) | Reply::Error(_) => {}
                }
            }
        }

        #[test]
        fn every_url_arrives(url in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let packet = announce(CONNECTION, TRANSACTION, &params(), &url);
            prop_assert_eq!(url_data(&packet[98..]), url);
        }
    }
}
