//! A link under any sequence of messages, mail and time: it keeps its bounds and never panics. Each
//! byte is a step, some of which take the bytes behind it.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tc_core::bitfield::Bitfield;
use tc_core::geometry::Geometry;
use tc_core::peer::conn::Opening;
use tc_core::peer::{Conn, Mail};
use tc_core::types::{BlockRef, PieceIndex};
use tc_core::wire::message::Decoder;

/// Five pieces of four blocks and a short one.
const TOTAL: u64 = 5 * 65_536 + 20_000;

pub fn check(bytes: &[u8]) {
    let Some((&first, mut rest)) = bytes.split_first() else { return };
    let geometry = Geometry::new(TOTAL, 65_536).expect("a shape");
    let mut have = Bitfield::new(geometry.pieces());
    geometry.all_pieces().filter(|piece| first >> piece.get() & 1 == 1).for_each(|piece| {
        have.set(piece);
    });
    let mut now = Instant::now();
    let your_ip = Ipv4Addr::LOCALHOST.into();
    let opening = Opening { have: &have, extensions: first & 0x80 != 0, listen_port: Some(1), your_ip };
    let mut conn = Conn::open(now, geometry, &opening);
    let (mut theirs, mut ours) =
        (Decoder::new(Some(geometry.pieces())), Decoder::new(Some(geometry.pieces())));
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
                    if conn.on_message(now, message, |piece| have.get(piece)).is_err() {
                        return;
                    }
                }
            }
            200..=203 => mail.choke = Some(step % 2 == 0),
            204..=207 => mail.interested = Some(step % 2 == 0),
            208..=227 => mail.deal(rest.iter().take(usize::from(step) - 207).map(|byte| block(*byte))),
            228..=235 => mail.cancel(block(rest.first().copied().unwrap_or_default())),
            236..=239 => mail.have.push(block(step).piece),
            _ => {
                now += Duration::from_millis(1 << (step - 240));
                if conn.on_timeout(now).is_err() {
                    return;
                }
            }
        }
        conn.on_mail(now, mail);
        conn.play(now);
        assert!(conn.outstanding() <= 2_000);
        assert!(conn.next_timeout() <= now + Duration::from_secs(240));
        while ours.decode(&mut conn.out.frames).expect("we make sense").is_some() {}
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
        }
    }
}
