//! What waits to be sent on one link: control frames and blocks, in order, without copying blocks.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::mse::cipher::KeyStream;

/// Slices offered to one vectored write.
const SLICES: usize = 32;

/// Chunks in the order they go out. A chunk is payload or not, so that payload is counted when it
/// has really left.
#[derive(Debug, Default)]
pub struct SendQueue {
    chunks: VecDeque<Chunk>,
    /// Enciphers what is put in: it goes out in that order, all of it.
    cipher: Option<KeyStream>,
    payload: usize,
    control: usize,
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    payload: bool,
}

impl SendQueue {
    /// Nothing waits.
    pub fn new(cipher: Option<KeyStream>) -> Self {
        Self { cipher, ..Self::default() }
    }

    /// Takes control frames over; `frames` is empty afterwards.
    pub fn control(&mut self, frames: &mut BytesMut) {
        let mut frames = frames.split();
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(&mut frames);
        }
        self.push(frames.freeze(), false);
    }

    /// Queues one piece message.
    pub fn block(&mut self, header: &[u8], block: Bytes) {
        self.control(&mut BytesMut::from(header));
        let block = match &mut self.cipher {
            // What was read is in its place, if nobody else has a part of it.
            Some(cipher) => {
                let mut block = BytesMut::from(block);
                cipher.apply(&mut block);
                block.freeze()
            }
            None => block,
        };
        self.push(block, true);
    }

    /// Bytes of blocks that wait.
    pub const fn payload(&self) -> usize {
        self.payload
    }

    /// Bytes of all else that wait.
    pub const fn control_bytes(&self) -> usize {
        self.control
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The first chunks, for one vectored write.
    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        self.chunks.iter().take(SLICES).map(|chunk| IoSlice::new(&chunk.bytes)).collect()
    }

    /// Drops what was written; returns how much of it was payload.
    pub fn advance(&mut self, mut written: usize) -> u64 {
        let (mut payload, mut control) = (0, 0);
        while written > 0
            && let Some(chunk) = self.chunks.front_mut()
        {
            let part = written.min(chunk.bytes.len());
            chunk.bytes.advance(part);
            written -= part;
            if chunk.payload {
                payload += part;
            } else {
                control += part;
            }
            if chunk.bytes.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.payload -= payload;
        self.control -= control;
        payload as u64
    }

    fn push(&mut self, bytes: Bytes, payload: bool) {
        *(if payload { &mut self.payload } else { &mut self.control }) += bytes.len();
        if !bytes.is_empty() {
            self.chunks.push_back(Chunk { bytes, payload });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_counted_when_it_has_left() {
        let mut queue = SendQueue::default();
        queue.control(&mut BytesMut::from(&b"abc"[..]));
        queue.block(b"head", Bytes::from_static(b"0123456789"));
        assert_eq!((queue.payload(), queue.control_bytes()), (10, 7));
        assert_eq!(queue.advance(3 + 4 + 4), 4);
        assert_eq!((queue.payload(), queue.control_bytes()), (6, 0));
        assert_eq!(queue.slices()[0].as_ref(), b"456789");
        assert_eq!(queue.advance(6), 6);
        assert!(queue.is_empty());
    }
}
