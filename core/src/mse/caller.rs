//! The side that calls (in the specification A).

use bytes::{Buf as _, BytesMut};

use super::cipher::Cipher;
use super::{
    Agreed, Dice, KEY_LEN, MAX_PAD, Method, Methods, MseError, Step, VC, call_sign, hash, number, skip_to,
};
use crate::types::InfoHash;
use crate::wire::handshake::{PROTOCOL_LEN, may_be_handshake};

/// A call under way.
#[derive(Debug)]
pub struct Caller {
    dice: Dice,
    torrent: InfoHash,
    methods: Methods,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Their key is awaited.
    Key,
    /// Their check bytes are awaited, which look so.
    Sync { cipher: Cipher, mark: [u8; 8] },
    /// What they chose is awaited.
    Select { cipher: Cipher },
    /// So much padding is awaited.
    Pad { cipher: Cipher, method: Method, left: usize },
    /// It is over.
    Over,
}

impl Caller {
    /// Begins a call for a torrent; returns what goes out first.
    pub fn begin(dice: Dice, torrent: InfoHash, methods: Methods) -> (Self, Vec<u8>) {
        let first = [&dice.keys.public[..], &dice.pad].concat();
        (Self { dice, torrent, methods, state: State::Key }, first)
    }

    /// Takes what came in. `greeting` goes out with the second message; no more may follow before this is
    /// [`Done`](Step::Done): rtorrent takes nothing between its two messages.
    ///
    /// # Errors
    /// The other side does not speak this, or not so that we would take it.
    pub fn feed(&mut self, input: &mut BytesMut, greeting: &[u8]) -> Result<Step<Agreed>, MseError> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Key => {
                    // No key begins so but one in 2^160: it says who it is to whatever comes.
                    if input.len() >= PROTOCOL_LEN && may_be_handshake(&input[..PROTOCOL_LEN]) {
                        return Err(MseError::Plain);
                    }
                    let Some(key) = input.first_chunk::<KEY_LEN>() else {
                        self.state = State::Key;
                        return Ok(Step::More);
                    };
                    let secret = self.dice.keys.secret(key)?;
                    input.advance(KEY_LEN);
                    let mut cipher = Cipher::of(&secret, &self.torrent, true);
                    let mark = cipher.into.next_8();
                    let out = self.call(&secret, &mut cipher, greeting);
                    self.state = State::Sync { cipher, mark };
                    return Ok(Step::Send(out));
                }
                State::Sync { cipher, mark } => {
                    if !skip_to(input, &mark, MAX_PAD)? {
                        self.state = State::Sync { cipher, mark };
                        return Ok(Step::More);
                    }
                    self.state = State::Select { cipher };
                }
                State::Select { mut cipher } => {
                    let Some(mut head) = input.first_chunk::<6>().copied() else {
                        self.state = State::Select { cipher };
                        return Ok(Step::More);
                    };
                    input.advance(head.len());
                    cipher.into.apply(&mut head);
                    let method = self.methods.chosen(number(&head[..4])).ok_or(MseError::NoMethod)?;
                    let left = number(&head[4..]) as usize;
                    if left > MAX_PAD {
                        return Err(MseError::Padding(left));
                    }
                    self.state = State::Pad { cipher, method, left };
                }
                State::Pad { mut cipher, method, left } => {
                    if input.len() < left {
                        self.state = State::Pad { cipher, method, left };
                        return Ok(Step::More);
                    }
                    cipher.into.apply(&mut input[..left]);
                    input.advance(left);
                    let cipher = (method == Method::Rc4).then_some(cipher).map(|mut cipher| {
                        cipher.into.apply(input);
                        cipher
                    });
                    return Ok(Step::Done(Agreed { method, cipher }));
                }
                State::Over => return Err(MseError::NoSync),
            }
        }
    }

    /// What stands before the part that is enciphered: that we have the secret, and which torrent it is about.
    pub fn introduction(secret: &[u8; KEY_LEN], torrent: &InfoHash) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..20].copy_from_slice(&hash(&[b"req1", secret]));
        let veil = hash(&[b"req3", secret]);
        let veiled = call_sign(torrent).into_iter().zip(veil).map(|(sign, veil)| sign ^ veil);
        bytes[20..].iter_mut().zip(veiled).for_each(|(byte, veiled)| *byte = veiled);
        bytes
    }

    /// The second message: which torrent, what we take, and the greeting.
    fn call(&self, secret: &[u8; KEY_LEN], cipher: &mut Cipher, greeting: &[u8]) -> Vec<u8> {
        let mut out = Self::introduction(secret, &self.torrent).to_vec();
        let sealed = out.len();
        out.extend(VC);
        out.extend(self.methods.bits().to_be_bytes());
        // No padding: the greeting is of any length already by what may follow it.
        out.extend([0, 0]);
        out.extend((greeting.len() as u16).to_be_bytes());
        out.extend(greeting);
        cipher.out.apply(&mut out[sealed..]);
        out
    }
}
