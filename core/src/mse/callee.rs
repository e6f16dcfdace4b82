//! The side that is called (in the specification B).

use bytes::{Buf as _, BytesMut};

use super::cipher::Cipher;
use super::{Agreed, Dice, KEY_LEN, MAX_PAD, Method, Methods, MseError, Step, VC, hash, number, skip_to};
use crate::types::InfoHash;

/// A call that was taken.
#[derive(Debug)]
pub struct Accepted {
    /// Which torrent it is for.
    pub torrent: InfoHash,
    /// Goes out before anything else, as it is.
    pub reply: Vec<u8>,
    /// What the link goes on in. What is left in the input, deciphered, is its beginning.
    pub agreed: Agreed,
}

/// A call that is being answered.
#[derive(Debug)]
pub struct Callee {
    dice: Dice,
    methods: Methods,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Their key is awaited.
    Key,
    /// The hash of the secret is awaited.
    Sync { secret: Box<[u8; KEY_LEN]> },
    /// The torrent is awaited.
    Torrent { secret: Box<[u8; KEY_LEN]> },
    /// What they take is awaited.
    Provide { torrent: InfoHash, cipher: Cipher },
    /// So much padding, and the length of the greeting, are awaited.
    Pad { torrent: InfoHash, cipher: Cipher, method: Method, left: usize },
    /// So much of the greeting is awaited: it is enciphered, whatever follows it.
    Greeting { torrent: InfoHash, cipher: Cipher, method: Method, left: usize },
    /// It is over.
    Over,
}

impl Callee {
    /// Answers a call, taking these methods.
    pub const fn new(dice: Dice, methods: Methods) -> Self {
        Self { dice, methods, state: State::Key }
    }

    /// Takes what came in. `known` finds a torrent by its [`call_sign`](super::call_sign).
    ///
    /// # Errors
    /// It is no such call, or none that we take.
    pub fn feed(
        &mut self,
        input: &mut BytesMut,
        known: impl Fn(&[u8; 20]) -> Option<InfoHash>,
    ) -> Result<Step<Accepted>, MseError> {
        loop {
            let wanted = match &self.state {
                State::Key => KEY_LEN,
                State::Sync { .. } => 1,
                State::Torrent { .. } => 20,
                State::Provide { .. } => VC.len() + 6,
                State::Pad { left, .. } => left + 2,
                State::Greeting { left, .. } => *left,
                State::Over => return Err(MseError::NoSync),
            };
            if input.len() < wanted {
                return Ok(Step::More);
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Key => {
                    let key = input.first_chunk().ok_or(MseError::NoSync)?;
                    let secret = Box::new(self.dice.keys.secret(key)?);
                    input.advance(KEY_LEN);
                    self.state = State::Sync { secret };
                    return Ok(Step::Send([&self.dice.keys.public[..], &self.dice.pad].concat()));
                }
                State::Sync { secret } => {
                    let is_there = skip_to(input, &hash(&[b"req1", &*secret]), MAX_PAD)?;
                    if !is_there {
                        self.state = State::Sync { secret };
                        return Ok(Step::More);
                    }
                    self.state = State::Torrent { secret };
                }
                State::Torrent { secret } => {
                    let mut sign = hash(&[b"req3", &*secret]);
                    sign.iter_mut().zip(input.iter()).for_each(|(veil, byte)| *veil ^= byte);
                    input.advance(sign.len());
                    let torrent = known(&sign).ok_or(MseError::OtherTorrent)?;
                    let cipher = Cipher::of(&secret, &torrent, false);
                    self.state = State::Provide { torrent, cipher };
                }
                State::Provide { torrent, mut cipher } => {
                    cipher.into.apply(&mut input[..wanted]);
                    if input[..VC.len()] != VC {
                        return Err(MseError::WrongCheck);
                    }
                    let offer = number(&input[VC.len()..VC.len() + 4]);
                    let left = number(&input[VC.len() + 4..wanted]) as usize;
                    input.advance(wanted);
                    if left > MAX_PAD {
                        return Err(MseError::Padding(left));
                    }
                    let method = self.methods.choose(offer).ok_or(MseError::NoMethod)?;
                    self.state = State::Pad { torrent, cipher, method, left };
                }
                State::Pad { torrent, mut cipher, method, left } => {
                    cipher.into.apply(&mut input[..wanted]);
                    let greeting = number(&input[left..wanted]) as usize;
                    input.advance(wanted);
                    self.state = State::Greeting { torrent, cipher, method, left: greeting };
                }
                State::Greeting { torrent, mut cipher, method, left } => {
                    let open = if method == Method::Rc4 { input.len() } else { left };
                    cipher.into.apply(&mut input[..open]);
                    let mut reply = [&VC[..], &method.bit().to_be_bytes(), &[0, 0]].concat();
                    cipher.out.apply(&mut reply);
                    let cipher = (method == Method::Rc4).then_some(cipher);
                    return Ok(Step::Done(Accepted { torrent, reply, agreed: Agreed { method, cipher } }));
                }
                State::Over => return Err(MseError::NoSync),
            }
        }
    }
}
