//! Making a link: connect, encrypt (MSE) as far as that is wanted, exchange handshakes (BEP 3), all within
//! a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout_at};

use super::bind::Way;
use super::greeting::Greeting;
use super::link::Stream;
use super::race::Ways;
use crate::mse::cipher::Cipher;
use crate::mse::{Methods, MseError};
use crate::settings::Encryption;
use crate::stats::{LinkEncryption, Transport};
use crate::types::InfoHash;
use crate::wire::WireError;
use crate::wire::handshake::Handshake;

/// From the first packet to the last byte of the handshake: who needs longer is too far to be of use.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A stream on which both handshakes have been exchanged.
#[derive(Debug)]
pub struct Greeted {
    /// The next bytes are messages, after those in `early`.
    pub stream: Stream,
    /// Where the peer is.
    pub address: SocketAddr,
    /// What it said.
    pub handshake: Handshake,
    /// The beginning of its first message, deciphered, where that came along.
    pub early: BytesMut,
    /// What the stream is enciphered with; `None`: with nothing.
    pub cipher: Option<Box<Cipher>>,
    /// What of the link is hidden.
    pub encryption: LinkEncryption,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// It does not speak the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It does not speak it encrypted, or not as we want it.
    #[error(transparent)]
    Mse(#[from] MseError),
    /// It is not encrypted, and has to be.
    #[error("not encrypted")]
    NotEncrypted,
    /// It answered for another torrent, or asked for one that is not here.
    #[error("another torrent")]
    OtherTorrent,
}

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct Call {
    /// Where the peer is.
    pub address: SocketAddr,
    /// Where we call from; `None`: the system chooses.
    pub source: Option<IpAddr>,
    /// What it must leave by.
    pub bound: Way,
    /// What we say: the torrent, our name in its swarm, and what we offer.
    pub ours: Handshake,
    /// Whether the link is encrypted.
    pub encryption: Encryption,
    /// How the peer can be reached.
    pub ways: Ways,
}

/// Connects to a peer and exchanges handshakes. One that hangs up is called once more: over the other way first,
/// because some listen over TCP and talk over uTP alone, and without encryption where that is only preferred.
///
/// # Errors
/// No connection, no handshake in time, or one for another torrent.
pub async fn dial(call: Call) -> Result<Greeted, DialError> {
    let deadline = Instant::now() + DEADLINE;
    let work = async {
        let (methods, then) = match call.encryption {
            Encryption::Off => (None, None),
            Encryption::Prefer => (Some(Methods::ANY), None),
            Encryption::Require => (Some(Methods::RC4), Some(Methods::RC4)),
        };
        let Failed { hung_up, why } = match call.greet(methods).await {
            Ok(greeted) => return Ok(greeted),
            Err(failed) => failed,
        };
        let (Some(over), again) = (hung_up, call.encryption == Encryption::Prefer) else { return Err(why) };
        let Some(ways) = call.ways.after(over, &call.address, again) else { return Err(why) };
        Call { ways, ..call }.greet(then).await.map_err(|failed| failed.why)
    };
    timeout_at(deadline, work).await.map_err(|_| DialError::Deadline)?
}

/// A call that failed.
struct Failed {
    /// There was a connection, over this, and the other side ended it before it said anything that we know.
    hung_up: Option<Transport>,
    why: DialError,
}

impl<E: Into<DialError>> From<E> for Failed {
    fn from(why: E) -> Self {
        Self { hung_up: None, why: why.into() }
    }
}

impl Call {
    async fn connect(&self) -> io::Result<Stream> {
        self.ways.connect(self.address, self.over_tcp()).await
    }

    async fn over_tcp(&self) -> io::Result<Stream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        self.bound.prepare(&socket, self.address.is_ipv6())?;
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        Ok(socket.connect(self.address).await?.into())
    }

    /// Connects and exchanges handshakes once, encrypted by one of these methods or plain.
    async fn greet(&self, methods: Option<Methods>) -> Result<Greeted, Failed> {
        let (address, ours) = (self.address, self.ours);
        let info_hash = ours.info_hash;
        let stream = self.connect().await?;
        stream.set_nodelay()?;
        let hung_up = Some(stream.transport());
        let mut greeting = Greeting::new(stream);
        let begun = async {
            match methods {
                Some(methods) => greeting.call(info_hash, methods, &ours.encode()).await?,
                None => greeting.say(ours).await?,
            }
            greeting.prefix().await
        };
        let (reserved, theirs) = begun.await.map_err(|why| Failed { hung_up, why })?;
        if theirs != info_hash {
            return Err(DialError::OtherTorrent.into());
        }
        let peer_id = greeting.id().await?;
        Ok(greeting.greeted(address, Handshake { reserved, info_hash, peer_id }))
    }
}

/// The torrents that are here, for those who call.
pub trait Here: Send + Sync {
    /// What we say to those who call for a torrent that is here.
    fn ours(&self, info_hash: &InfoHash) -> Option<Handshake>;

    /// The torrent of an encrypted call, by its [`call_sign`](crate::mse::call_sign).
    fn by_sign(&self, sign: &[u8; 20]) -> Option<InfoHash>;
}

/// Answers a peer that called us, encrypted or not: the first bytes tell. Nothing is revealed before it is
/// known that its torrent is here. The answer goes out after 48 bytes: trackers' port checkers never send
/// their id.
///
/// # Errors
/// No handshake in time, or one for a torrent that is not here, or not as hidden as it has to be.
pub async fn answer(
    stream: Stream,
    address: SocketAddr,
    here: &impl Here,
    encryption: Encryption,
) -> Result<Greeted, DialError> {
    let deadline = Instant::now() + DEADLINE;
    let work = async {
        stream.set_nodelay()?;
        let mut greeting = Greeting::new(stream);
        let called_for = match (greeting.is_plain().await?, encryption) {
            (true, Encryption::Require) => return Err(DialError::NotEncrypted),
            (true, Encryption::Off | Encryption::Prefer) => None,
            (false, Encryption::Off) => return Err(WireError::NotBitTorrent.into()),
            (false, Encryption::Prefer) => Some(Methods::ANY),
            (false, Encryption::Require) => Some(Methods::RC4),
        };
        let called_for = match called_for {
            Some(methods) => Some(greeting.be_called(methods, |sign| here.by_sign(sign)).await?),
            None => None,
        };
        let (reserved, info_hash) = greeting.prefix().await?;
        if called_for.is_some_and(|torrent| torrent != info_hash) {
            return Err(DialError::OtherTorrent);
        }
        let ours = here.ours(&info_hash).ok_or(DialError::OtherTorrent)?;
        greeting.say(ours).await?;
        let peer_id = greeting.id().await?;
        Ok(greeting.greeted(address, Handshake { reserved, info_hash, peer_id }))
    };
    timeout_at(deadline, work).await.map_err(|_| DialError::Deadline)?
}

#[cfg(test)]
mod tests;
