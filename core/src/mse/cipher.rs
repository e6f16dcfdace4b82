//! RC4 as encrypted links use it: a key for each direction, the first 1,024 bytes thrown away.

use rc4::{KeyInit as _, Rc4, StreamCipher as _};

use super::{KEY_LEN, hash};
use crate::types::InfoHash;

/// Of each key stream; what comes first says something about the key.
const DISCARD: usize = 1_024;

/// One direction.
pub struct KeyStream(Rc4);

impl KeyStream {
    fn new(key: &[u8; 20]) -> Self {
        let mut stream = Rc4::new_from_slice(key).expect("RC4 takes keys of 1 to 256 bytes");
        stream.apply_keystream(&mut [0; DISCARD]);
        Self(stream)
    }

    /// Enciphers or deciphers what comes next, in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }

    /// The next bytes of the key stream itself: what eight zeros become.
    pub(super) fn next_8(&mut self) -> [u8; 8] {
        let mut bytes = [0; 8];
        self.apply(&mut bytes);
        bytes
    }
}

impl std::fmt::Debug for KeyStream {
    /// Without its state.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyStream")
    }
}

/// Both directions of a link.
#[derive(Debug)]
pub struct Cipher {
    /// What we send.
    pub out: KeyStream,
    /// What we receive.
    pub into: KeyStream,
}

impl Cipher {
    /// That of the side that calls, or of the other, for a torrent.
    pub fn of(secret: &[u8; KEY_LEN], torrent: &InfoHash, calls: bool) -> Self {
        let stream = |side: &[u8; 4]| KeyStream::new(&hash(&[side, secret, torrent.as_bytes()]));
        let (ours, theirs) = if calls { (b"keyA", b"keyB") } else { (b"keyB", b"keyA") };
        Self { out: stream(ours), into: stream(theirs) }
    }
}
