//! A peer made of a socket and a thread: it says what a test wants it to say.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{Domain, Socket, Type};
use tc_core::InfoHash;
use tc_core::types::PeerId;
use tc_core::wire::handshake::{self, Handshake, Reserved};
use tc_core::wire::message::{self, Decoder, Message};

/// Longer than any deadline of the engine that a test here waits for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One link, from the other side.
pub struct Raw {
    pub stream: TcpStream,
    /// The engine's name for itself.
    pub theirs: PeerId,
    inbox: BytesMut,
    decoder: Decoder,
}

/// A connection that nothing was said on yet.
pub fn call(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the engine listens");
    prepare(&stream);
    stream
}

/// The same from this address of ours.
pub fn call_from(from: SocketAddr, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("it is not bound yet");
    socket.bind(&from.into()).expect("the address is free");
    socket.connect_timeout(&address.into(), PATIENCE).expect("the engine listens");
    let stream = socket.into();
    prepare(&stream);
    stream
}

fn prepare(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_nodelay(true).expect("TCP has it");
}

/// What was read until the other side closed. Fails if it does not within [`PATIENCE`].
pub fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    match stream.read_to_end(&mut read) {
        Ok(_) => {}
        Err(error) if is_gone(&error) => {}
        Err(error) => panic!("it is still open: {error}"),
    }
    read
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof)
}

impl Raw {
    /// Calls and exchanges handshakes, as a peer that takes extended messages.
    pub fn greet(address: SocketAddr, info_hash: InfoHash, peer_id: [u8; 20]) -> Self {
        Self::try_greet(address, info_hash, peer_id).expect("a handshake in answer")
    }

    /// The same, where the engine may refuse.
    pub fn try_greet(address: SocketAddr, info_hash: InfoHash, peer_id: [u8; 20]) -> io::Result<Self> {
        Self::greet_on(call(address), info_hash, peer_id)
    }

    /// The same on a connection that is there.
    pub fn greet_on(mut stream: TcpStream, info_hash: InfoHash, peer_id: [u8; 20]) -> io::Result<Self> {
        let ours = Handshake { reserved: Reserved::OURS, info_hash, peer_id: PeerId::new(peer_id) };
        stream.write_all(&ours.encode())?;
        let mut theirs = [0; handshake::LEN];
        stream.read_exact(&mut theirs)?;
        let theirs = Handshake::decode(&theirs).expect("the engine speaks BitTorrent");
        assert_eq!(theirs.info_hash, info_hash);
        Ok(Self { stream, theirs: theirs.peer_id, inbox: BytesMut::new(), decoder: Decoder::new(None) })
    }

    /// Answers the engine that has called. One that would rather have its greeting encrypted is hung up on, as
    /// a peer without encryption does; it calls again.
    pub fn answer(mut stream: TcpStream, info_hash: InfoHash, peer_id: [u8; 20]) -> io::Result<Self> {
        prepare(&stream);
        let mut theirs = [0; handshake::LEN];
        stream.read_exact(&mut theirs)?;
        let theirs = Handshake::decode(&theirs).map_err(io::Error::other)?;
        let ours = Handshake { reserved: Reserved::OURS, info_hash, peer_id: PeerId::new(peer_id) };
        stream.write_all(&ours.encode())?;
        Ok(Self { stream, theirs: theirs.peer_id, inbox: BytesMut::new(), decoder: Decoder::new(None) })
    }

    /// Sends messages; an engine that has closed is no failure here.
    pub fn say(&mut self, messages: &[Message]) {
        let mut frames = BytesMut::new();
        messages.iter().for_each(|each| message::encode(each, &mut frames));
        self.write(&frames);
    }

    /// Sends bytes; an engine that has closed is no failure here.
    pub fn write(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if !is_gone(&error) => panic!("the engine does not read: {error}"),
            _ => {}
        }
    }

    /// The next message; `None` when the engine has closed.
    pub fn hear(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.decoder.decode(&mut self.inbox).expect("the engine makes sense") {
                return Some(message);
            }
            let mut chunk = [0; 32 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(read) => self.inbox.extend_from_slice(&chunk[..read]),
                Err(error) if is_gone(&error) => return None,
                Err(error) => panic!("the engine says nothing: {error}"),
            }
        }
    }

    /// Reads up to a message.
    pub fn until(&mut self, mut wanted: impl FnMut(&Message) -> bool) -> Message {
        loop {
            let message = self.hear().expect("the engine keeps the link");
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Reads until the engine closes.
    pub fn closes(mut self) {
        while self.hear().is_some() {}
    }

    /// Asks for a block and gets it: the link is alive.
    pub fn fetches(&mut self, content: &[u8], piece_length: u32) {
        self.say(&[Message::Interested]);
        self.until(|message| *message == Message::Unchoke);
        self.say(&[Message::Request { index: 1, begin: 0, length: 16_384 }]);
        let got = self.until(|message| matches!(message, Message::Piece { .. }));
        let start = piece_length as usize;
        let data = content[start..start + 16_384].to_vec().into();
        assert!(got == Message::Piece { index: 1, begin: 0, data }, "the wrong block");
    }

    /// Seeds `content` until the engine closes; `answer` may change what goes out, or keep it back.
    pub fn seed(
        &mut self,
        content: &[u8],
        piece_length: u32,
        mut answer: impl FnMut(u32, u32, Vec<u8>) -> Option<Vec<u8>>,
    ) {
        self.say(&[Message::HaveAll, Message::Unchoke]);
        while let Some(message) = self.hear() {
            let Message::Request { index, begin, length } = message else { continue };
            let start = index as usize * piece_length as usize + begin as usize;
            let data = content[start..start + length as usize].to_vec();
            if let Some(data) = answer(index, begin, data) {
                self.say(&[Message::Piece { index, begin, data: data.into() }]);
            }
        }
    }
}
