//! Encrypted links: Message Stream Encryption, also called Protocol Encryption (no BEP; the page "Message
//! Stream Encryption" of the Vuze wiki is what all clients follow).
//!
//! It hides what a link is from those between its ends; it does not say who the ends are. Both agree on a
//! key (Diffie-Hellman, 768 bits), the info-hash makes it theirs, and then the link goes on in RC4 or plain.
//! Sans-io: [`Caller`] and [`Callee`] take the bytes that came in and say what goes out.

mod callee;
mod caller;
pub mod cipher;
mod dh;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

pub use self::callee::{Accepted, Callee};
pub use self::caller::Caller;
use self::cipher::Cipher;
pub use self::dh::{KEY_LEN, KeyPair};
use crate::types::InfoHash;

/// Random bytes at most between a key and what follows it.
pub const MAX_PAD: usize = 512;

/// Eight zeros: by them both ends see that they have the same key.
const VC: [u8; 8] = [0; 8];

/// The chance of one side: drawn by the shell, an argument here.
#[derive(Debug)]
pub struct Dice {
    /// The secret.
    pub keys: KeyPair,
    /// Goes out after the key, at most [`MAX_PAD`] bytes, so that packets have no known length.
    pub pad: Vec<u8>,
}

/// How a link goes on after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As if there had been no handshake.
    Plain,
    /// In RC4.
    Rc4,
}

/// Which methods one side takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u32);

impl Methods {
    /// Both.
    pub const ANY: Self = Self(PLAIN | RC4);
    /// Only what hides the content too.
    pub const RC4: Self = Self(RC4);

    /// The bits of `crypto_provide`.
    const fn bits(self) -> u32 {
        self.0
    }

    /// What is chosen of an offer: plain where both take it, which costs neither side anything.
    const fn choose(self, offer: u32) -> Option<Method> {
        match self.0 & offer {
            both if both & PLAIN != 0 => Some(Method::Plain),
            both if both & RC4 != 0 => Some(Method::Rc4),
            _ => None,
        }
    }

    /// What was chosen of ours, if it is one.
    const fn chosen(self, select: u32) -> Option<Method> {
        match select {
            PLAIN if self.0 & PLAIN != 0 => Some(Method::Plain),
            RC4 if self.0 & RC4 != 0 => Some(Method::Rc4),
            _ => None,
        }
    }
}

const PLAIN: u32 = 1;
const RC4: u32 = 2;

impl Method {
    const fn bit(self) -> u32 {
        match self {
            Self::Plain => PLAIN,
            Self::Rc4 => RC4,
        }
    }
}

/// What goes on.
#[derive(Debug)]
pub enum Step<T> {
    /// More bytes are awaited.
    More,
    /// This goes out, and more is awaited.
    Send(Vec<u8>),
    /// Both ends are in agreement. What is left in the input, deciphered, is the beginning of the link.
    Done(T),
}

/// How a link goes on.
#[derive(Debug)]
pub struct Agreed {
    /// In this.
    pub method: Method,
    /// Enciphers what follows; `None`: it is plain.
    pub cipher: Option<Cipher>,
}

/// Why there is no encrypted link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MseError {
    /// A public key by which the secret would be known to all.
    #[error("a public key that is none")]
    WeakKey,
    /// It answers a key with a plain handshake.
    #[error("an answer without encryption")]
    Plain,
    /// The bytes that both ends can compute did not come.
    #[error("no encrypted handshake")]
    NoSync,
    /// It is for a torrent that is not here.
    #[error("an encrypted link for another torrent")]
    OtherTorrent,
    /// The check bytes are wrong: one of both has another key.
    #[error("the check bytes of the encryption are wrong")]
    WrongCheck,
    /// More padding than there may be.
    #[error("{0} bytes of padding, {MAX_PAD} at most make sense")]
    Padding(usize),
    /// No method that both ends take.
    #[error("no way of encryption that both ends take")]
    NoMethod,
}

/// By this a callee finds the torrent of a call: `HASH('req2', SKEY)`.
pub fn call_sign(torrent: &InfoHash) -> [u8; 20] {
    hash(&[b"req2", torrent.as_bytes()])
}

fn hash(parts: &[&[u8]]) -> [u8; 20] {
    use sha1::{Digest as _, Sha1};
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// Drops everything up to and with `mark`, which begins within the first `pad` bytes; `false`: it is not
/// there yet.
///
/// # Errors
/// It cannot come any more.
fn skip_to(input: &mut BytesMut, mark: &[u8], pad: usize) -> Result<bool, MseError> {
    let end = input.len().min(pad + mark.len());
    match input[..end].windows(mark.len()).position(|window| window == mark) {
        Some(at) => {
            let _ = input.split_to(at + mark.len());
            Ok(true)
        }
        None if input.len() >= pad + mark.len() => Err(MseError::NoSync),
        None => Ok(false),
    }
}

/// Four bytes as a number, most significant first.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
