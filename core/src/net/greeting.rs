//! A connection while both ends greet each other: what came in and is not used yet, and the cipher as soon
//! as there is one.

use std::io;
use std::net::SocketAddr;

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::dial::{DialError, Greeted};
use super::link::Stream;
use crate::mse::cipher::Cipher;
use crate::mse::{Agreed, Callee, Caller, Dice, KeyPair, MAX_PAD, Method, Methods, Step};
use crate::stats::LinkEncryption;
use crate::types::{InfoHash, PeerId};
use crate::wire::handshake::{self, Handshake, Reserved};

/// Bytes read at once: all that a greeting has to say.
const CHUNK: usize = 1_024;

/// A connection that begins.
pub(super) struct Greeting {
    stream: Stream,
    /// Deciphered, as far as there is a cipher.
    input: BytesMut,
    cipher: Option<Box<Cipher>>,
    encryption: LinkEncryption,
}

impl Greeting {
    /// Nothing has been said.
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, input: BytesMut::new(), cipher: None, encryption: LinkEncryption::None }
    }

    /// Whether the first bytes are those of a plain handshake; the first that is not decides.
    pub(super) async fn is_plain(&mut self) -> io::Result<bool> {
        while handshake::may_be_handshake(&self.input) {
            if self.input.len() >= handshake::PROTOCOL_LEN {
                return Ok(true);
            }
            self.fill().await?;
        }
        Ok(false)
    }

    /// Calls for a torrent, encrypted; `greeting` is our handshake, which has gone out at the end.
    pub(super) async fn call(
        &mut self,
        torrent: InfoHash,
        methods: Methods,
        greeting: &[u8],
    ) -> Result<(), DialError> {
        let (mut caller, first) = Caller::begin(dice(), torrent, methods);
        self.stream.write_all(&first).await?;
        loop {
            match caller.feed(&mut self.input, greeting)? {
                Step::More => self.fill().await?,
                Step::Send(bytes) => self.stream.write_all(&bytes).await?,
                Step::Done(agreed) => {
                    self.agree(agreed);
                    return Ok(());
                }
            }
        }
    }

    /// Answers an encrypted call; returns the torrent that it is for.
    pub(super) async fn be_called(
        &mut self,
        methods: Methods,
        known: impl Fn(&[u8; 20]) -> Option<InfoHash>,
    ) -> Result<InfoHash, DialError> {
        let mut callee = Callee::new(dice(), methods);
        loop {
            match callee.feed(&mut self.input, &known)? {
                Step::More => self.fill().await?,
                Step::Send(bytes) => self.stream.write_all(&bytes).await?,
                Step::Done(accepted) => {
                    self.stream.write_all(&accepted.reply).await?;
                    self.agree(accepted.agreed);
                    return Ok(accepted.torrent);
                }
            }
        }
    }

    fn agree(&mut self, agreed: Agreed) {
        self.cipher = agreed.cipher.map(Box::new);
        self.encryption = match agreed.method {
            Method::Plain => LinkEncryption::Handshake,
            Method::Rc4 => LinkEncryption::All,
        };
    }

    /// All of their handshake but the peer id, which may come later or never.
    pub(super) async fn prefix(&mut self) -> Result<(Reserved, InfoHash), DialError> {
        while self.input.len() < handshake::PREFIX_LEN {
            self.fill().await?;
        }
        let mut prefix = [0; handshake::PREFIX_LEN];
        prefix.copy_from_slice(&self.input.split_to(handshake::PREFIX_LEN));
        Ok(handshake::prefix(&prefix)?)
    }

    /// Their peer id.
    pub(super) async fn id(&mut self) -> io::Result<PeerId> {
        while self.input.len() < PeerId::LEN {
            self.fill().await?;
        }
        let mut id = [0; PeerId::LEN];
        id.copy_from_slice(&self.input.split_to(PeerId::LEN));
        Ok(PeerId::new(id))
    }

    /// Says our handshake.
    pub(super) async fn say(&mut self, ours: Handshake) -> io::Result<()> {
        let mut bytes = ours.encode();
        if let Some(cipher) = &mut self.cipher {
            cipher.out.apply(&mut bytes);
        }
        self.stream.write_all(&bytes).await
    }

    /// Both have greeted.
    pub(super) fn greeted(self, address: SocketAddr, handshake: Handshake) -> Greeted {
        let Self { stream, input: early, cipher, encryption } = self;
        Greeted { stream, address, handshake, early, cipher, encryption }
    }

    async fn fill(&mut self) -> io::Result<()> {
        let there = self.input.len();
        self.input.reserve(CHUNK);
        if self.stream.read_buf(&mut (&mut self.input).limit(CHUNK)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(cipher) = &mut self.cipher {
            cipher.into.apply(&mut self.input[there..]);
        }
        Ok(())
    }
}

fn dice() -> Dice {
    let mut pad = vec![0; rand::random_range(0..=MAX_PAD)];
    rand::fill(&mut pad[..]);
    Dice { keys: KeyPair::new(&rand::random()), pad }
}
