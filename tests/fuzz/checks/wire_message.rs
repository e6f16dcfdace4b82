//! Messages of a link in pieces of any size: the reader is told how much it needs, and what was read
//! is written and read again alike. The first byte is the size of the pieces.

use bytes::BytesMut;
use tc_core::wire::message::{Decoder, encode};

const PIECES: Option<u32> = Some(1_000);

pub fn check(bytes: &[u8]) {
    let Some((size, stream)) = bytes.split_first() else { return };
    let decoder = Decoder::new(PIECES);
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    'stream: for chunk in stream.chunks(usize::from(*size).max(1)) {
        buffer.extend_from_slice(chunk);
        loop {
            let needed = decoder.needed(&buffer);
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => {
                    assert_eq!(needed, 0, "{message:?} was there");
                    messages.push(message);
                }
                Ok(None) => {
                    assert_ne!(needed, 0, "it waits for nothing");
                    break;
                }
                Err(_) => {
                    assert_eq!(needed, 0, "an error was there");
                    break 'stream;
                }
            }
        }
    }
    let mut written = BytesMut::new();
    messages.iter().for_each(|message| encode(message, &mut written));
    let decoder = Decoder::new(PIECES);
    for message in messages {
        assert_eq!(decoder.decode(&mut written), Ok(Some(message)));
    }
    assert!(written.is_empty());
}
