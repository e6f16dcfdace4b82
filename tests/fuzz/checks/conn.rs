//! A link under any sequence of messages, mail and time: it keeps its bounds, answers each request of
//! a fast peer once at most, and never panics. Each byte is a step, some of which take the bytes behind it.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tc_core::bitfield::Bitfield;
use tc_core::geometry::Geometry;
use tc_core::peer::conn::{Opening, Shape};
use tc_core::peer::{Conn, Mail};
use tc_core::types::{BlockRef, InfoHash, PieceIndex};
use tc_core::wire::extended::{OurHandshake, Sharing};
use tc_core::wire::handshake::Reserved;
use tc_core::wire::message::{Decoder, Message};

/// Five pieces of four blocks and a short one.
const TOTAL: u64 = 5 * 65_536 + 20_000;

/// Three pieces.
const METADATA: usize = 40_000;

/// What a step makes us say at most: pieces of metadata up to a bound, and an answer for each of some messages.
const MOST_AT_ONCE: usize = (64 + 16 + 64) << 10;

pub fn check(bytes: &[u8]) {
    let Some((&first, mut rest)) = bytes.split_first() else { return };
    let geometry = Geometry::new(TOTAL, 65_536).expect("a shape");
    let mut have = Bitfield::new(geometry.pieces());
    geometry.all_pieces().filter(|piece| first >> piece.get() & 1 == 1).for_each(|piece| {
        have.set(piece);
    });
    let mut now = Instant::now();
    let (extensions, fast) = (first & 0x80 != 0, first & 0x40 != 0);
    let opening = Opening {
        have: &have,
        agreed: Reserved::new([0, 0, 0, 0, 0, u8::from(extensions) << 4, 0, u8::from(fast) << 2]),
        info_hash: InfoHash::new([7; 20]),
        peer_ip: Ipv4Addr::LOCALHOST.into(),
        ours: OurHandshake { takes_pex: true, ..OurHandshake::default() },
        dht_port: None,
        allows_fast: true,
        metadata: (first & 0x20 == 0).then(|| vec![1; METADATA].into()),
    };
    // Of every other torrent the shape is not known at first.
    let mut unknown = first & 1 == 1;
    let mut conn =
        if unknown { Conn::open_unknown(now, &opening) } else { Conn::open(now, geometry, &opening) };
    let (theirs, ours) = (Decoder::new(Some(geometry.pieces())), Decoder::new(Some(geometry.pieces())));
    let (mut asked, mut answered) = (0_usize, 0_usize);
    let mut inbox = BytesMut::new();
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        let mut mail = Mail::default();
        let block = |byte: u8| {
            let piece = PieceIndex::new(u32::from(byte >> 4) % geometry.pieces());
            BlockRef { piece, block: u32::from(byte & 0x0f) % geometry.blocks_in(piece) }
        };
        match step {
            // What the peer says: so many bytes.
            0..=199 => {
                let said;
                (said, rest) = rest.split_at(rest.len().min(usize::from(step)));
                inbox.extend_from_slice(said);
                loop {
                    let Ok(message) = theirs.decode(&mut inbox) else { return };
                    let Some(message) = message else { break };
                    asked += usize::from(matches!(message, Message::Request { .. }));
                    if conn.on_message(now, message, |piece| have.get(piece)).is_err() {
                        return;
                    }
                }
            }
            200..=203 => mail.choke = Some(step % 2 == 0),
            204..=207 => mail.interested = Some(step % 2 == 0),
            208..=227 => mail.deal(rest.iter().take(usize::from(step) - 207).map(|byte| block(*byte))),
            228..=235 => mail.cancel(block(rest.first().copied().unwrap_or_default())),
            236..=237 => mail.have.push(block(step).piece),
            238 if !unknown => mail.lose(block(rest.first().copied().unwrap_or_default()).piece),
            238 if std::mem::take(&mut unknown) => {
                let shape =
                    Shape { geometry, metadata: Some(vec![1; METADATA].into()), sharing: Sharing::Public };
                if conn.learn(now, shape, |piece| have.get(piece)).is_err() {
                    return;
                }
            }
            239 => {
                mail.upload_only = Some(rest.len() % 2 == 0);
                mail.metadata.push(rest.len() as u32 % 5);
            }
            _ => {
                now += Duration::from_millis(1 << (step - 240));
                if conn.on_timeout(now).is_err() {
                    return;
                }
            }
        }
        conn.on_mail(now, mail);
        conn.play(now);
        conn.give_metadata(now, 0);
        assert!(conn.out.frames.len() < MOST_AT_ONCE, "{} bytes at once", conn.out.frames.len());
        assert!(conn.outstanding() <= 2_000);
        assert!(conn.next_timeout() <= now + Duration::from_secs(240));
        while let Some(message) = ours.decode(&mut conn.out.frames).expect("we make sense") {
            let is_reject = matches!(message, Message::Reject { .. });
            assert!(fast || !is_reject && !matches!(message, Message::HaveNone | Message::HaveAll));
            answered += usize::from(is_reject);
        }
        assert!(conn.out.frames.is_empty(), "half a message");
        for (block, data) in conn.blocks.drain(..) {
            assert_eq!(data.len(), geometry.block_size(block) as usize);
        }
        conn.reports.clear();
        if step % 3 == 0 {
            while let Some(range) = conn.next_upload() {
                assert!(have.get(range.piece) && range.length > 0);
                assert!(range.begin + range.length <= geometry.piece_size(range.piece));
            }
            answered += conn.uploaded().len();
        }
        assert!(answered <= asked, "{answered} answers to {asked} requests");
        if step % 7 == 0 && conn.next_upload().is_some() {
            conn.upload_failed(now);
        }
    }
}
