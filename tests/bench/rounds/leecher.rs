//! A leecher that keeps many requests on their way and throws away what comes.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::wire::{
    BLOCK, CHOKE, INTERESTED, Messages, PIECE, PIECE_HEADER, REQUEST, UNCHOKE, handshake, hash, message,
    number,
};
use crate::torrent::Content;

/// Requests on their way; below the 500 that every client of today takes.
const PIPELINE: u64 = 400;
/// Many blocks a read.
const BUFFER: usize = 1 << 20;
/// libtorrent unchokes in rounds of 15 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connected and unchoked.
pub struct Leecher {
    link: TcpStream,
    messages: Messages,
}

impl Leecher {
    /// Connects and waits until it may ask.
    pub fn connect(address: SocketAddr, info_hash: &str) -> Self {
        let mut link = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        link.set_nodelay(true).expect("it is TCP");
        link.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        handshake(&link, &hash(info_hash), b"-TB0100-deep-leecher").expect("a seed of this torrent listens");
        link.write_all(&message(INTERESTED, &[])).expect("the seed listens");
        let mut leecher = Self { link, messages: Messages::new(BUFFER) };
        while !leecher.hear(|message| message == [UNCHOKE]) {}
        leecher
    }

    /// Reads once; whether one of the messages pleased.
    fn hear(&mut self, mut pleases: impl FnMut(&[u8]) -> bool) -> bool {
        let open = self.messages.read(&self.link).expect("the seed sends");
        assert!(open, "the seed closed the link");
        let mut pleased = false;
        while let Some(message) = self.messages.next() {
            assert!(message != [CHOKE], "the seed chokes its only peer");
            pleased |= pleases(message);
        }
        pleased
    }

    /// Asks for all blocks in order; from the first request to the last byte.
    ///
    /// Compares the first and the last word of each block, which is as much as a cheap peer can.
    pub fn take_all(mut self, content: &Content) -> Duration {
        let blocks = content.size().div_ceil(BLOCK.into());
        let (mut asked, mut got) = (0, 0);
        let mut requests = Vec::new();
        let start = Instant::now();
        while got < blocks {
            requests.clear();
            while asked < blocks && asked - got < PIPELINE {
                let offset = asked * u64::from(BLOCK);
                let (index, begin) =
                    (offset / u64::from(content.piece_length), offset % u64::from(content.piece_length));
                let length = u64::from(BLOCK).min(content.size() - offset);
                let fields = [index, begin, length].map(|field| (field as u32).to_be_bytes()).concat();
                requests.extend_from_slice(&message(REQUEST, &fields));
                asked += 1;
            }
            self.link.write_all(&requests).expect("the seed listens");
            self.hear(|message| {
                if message.first() == Some(&PIECE) {
                    check(message, content);
                    got += 1;
                }
                false
            });
        }
        start.elapsed()
    }
}

fn check(message: &[u8], content: &Content) {
    // The length is not part of what `Messages` hands out.
    let block = &message[PIECE_HEADER - 4..];
    let offset =
        u64::from(number(message, 1)) * u64::from(content.piece_length) + u64::from(number(message, 5));
    let mut word = [0; 8];
    for at in [0, block.len() - 8] {
        content.fill(offset + at as u64, &mut word);
        assert_eq!(block[at..at + 8], word, "at {offset} + {at}");
    }
}
