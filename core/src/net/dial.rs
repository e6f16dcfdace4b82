//! Making a link: connect, exchange handshakes (BEP 3), all within a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use crate::types::{InfoHash, PeerId};
use crate::wire::WireError;
use crate::wire::handshake::{self, Handshake, Reserved};

/// From the first packet to the last byte of the handshake: who needs longer is too far to be of use.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A stream on which both handshakes have been exchanged.
#[derive(Debug)]
pub struct Greeted {
    /// The next byte is the first message.
    pub stream: TcpStream,
    /// Where the peer is.
    pub address: SocketAddr,
    /// What it said.
    pub handshake: Handshake,
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
    /// It answered for another torrent, or asked for one that is not here.
    #[error("another torrent")]
    OtherTorrent,
}

/// Connects to a peer, from `source` if given, and exchanges handshakes; `ours` says which torrent.
///
/// # Errors
/// No connection, no handshake in time, or one for another torrent.
pub async fn dial(
    address: SocketAddr,
    source: Option<IpAddr>,
    ours: Handshake,
) -> Result<Greeted, DialError> {
    let deadline = Instant::now() + DEADLINE;
    let work = async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let mut stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&ours.encode()).await?;
        let (reserved, info_hash) = read_prefix(&mut stream).await?;
        if info_hash != ours.info_hash {
            return Err(DialError::OtherTorrent);
        }
        let peer_id = read_id(&mut stream).await?;
        Ok(Greeted { stream, address, handshake: Handshake { reserved, info_hash, peer_id } })
    };
    timeout_at(deadline, work).await.map_err(|_| DialError::Deadline)?
}

/// Answers a peer that called us. `known` gives what we offer and our peer id for a torrent that is here;
/// nothing is revealed before it did. The answer goes out after 48 bytes: trackers' port checkers never send
/// their id.
///
/// # Errors
/// No handshake in time, or one for a torrent that is not here.
pub async fn answer(
    mut stream: TcpStream,
    address: SocketAddr,
    known: impl Fn(&InfoHash) -> Option<(Reserved, PeerId)> + Send,
) -> Result<Greeted, DialError> {
    let deadline = Instant::now() + DEADLINE;
    let work = async {
        stream.set_nodelay(true)?;
        let (reserved, info_hash) = read_prefix(&mut stream).await?;
        let (reserved_ours, peer_id) = known(&info_hash).ok_or(DialError::OtherTorrent)?;
        let ours = Handshake { reserved: reserved_ours, info_hash, peer_id };
        stream.write_all(&ours.encode()).await?;
        let peer_id = read_id(&mut stream).await?;
        Ok(Greeted { stream, address, handshake: Handshake { reserved, info_hash, peer_id } })
    };
    timeout_at(deadline, work).await.map_err(|_| DialError::Deadline)?
}

async fn read_prefix(stream: &mut TcpStream) -> Result<(Reserved, InfoHash), DialError> {
    let mut prefix = [0; handshake::PREFIX_LEN];
    stream.read_exact(&mut prefix).await?;
    Ok(handshake::prefix(&prefix)?)
}

async fn read_id(stream: &mut TcpStream) -> Result<PeerId, DialError> {
    let mut id = [0; PeerId::LEN];
    stream.read_exact(&mut id).await?;
    Ok(PeerId::new(id))
}
