//! The cheapest seeder there is: blocks go from the file to the socket inside the kernel.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::fs::sendfile;
use rustix::net::sockopt::set_tcp_cork;
use rustix::net::{SendFlags, send};

use super::wire::{
    BITFIELD, BLOCK, INTERESTED, Messages, PIECE, PIECE_HEADER, REQUEST, UNCHOKE, handshake, hash, message,
    number,
};

/// Room for thousands of requests of 17 bytes.
const BUFFER: usize = 64 << 10;

/// Listens until it is dropped.
pub struct Seeder {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    file: File,
    info_hash: [u8; 20],
    piece_length: u32,
    leaving: AtomicBool,
    /// To end them. Held to add one and at the end.
    links: Mutex<Vec<TcpStream>>,
}

impl Seeder {
    /// Serves a torrent of this one file.
    pub fn start(address: Ipv4Addr, info_hash: &str, file: &Path, piece_length: u32) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port of loopback is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            file: File::open(file).expect("the content is there"),
            info_hash: hash(info_hash),
            piece_length,
            leaving: AtomicBool::new(false),
            links: Mutex::default(),
        });
        let for_links = shared.clone();
        let acceptor = std::thread::spawn(move || accept(&listener, &for_links));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        self.shared.leaving.store(true, Ordering::Release);
        for link in self.shared.links.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // The client may have closed it.
            let _ = link.shutdown(Shutdown::Both);
        }
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for link in listener.incoming().map_while(Result::ok) {
        if shared.leaving.load(Ordering::Acquire) {
            return;
        }
        let kept = link.try_clone().expect("descriptors are left");
        shared.links.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let shared = shared.clone();
        std::thread::spawn(move || {
            if let Err(error) = serve(&link, &shared) {
                // A client that leaves resets the link; what else it is shows in the client's time.
                eprintln!("seeder: {error}");
            }
        });
    }
}

fn serve(mut link: &TcpStream, shared: &Shared) -> io::Result<()> {
    let size = shared.file.metadata()?.len();
    let pieces = size.div_ceil(shared.piece_length.into()) as usize;
    handshake(link, &shared.info_hash, b"-TB0100-cheap-seeder")?;
    let mut bitfield = vec![0xff; pieces.div_ceil(8)];
    if !pieces.is_multiple_of(8) {
        *bitfield.last_mut().expect("there are pieces") = 0xff << (8 - pieces % 8);
    }
    link.write_all(&message(BITFIELD, &bitfield))?;

    let mut messages = Messages::new(BUFFER);
    while messages.read(link)? {
        // What was asked for together is sent together: full segments, and fewer wake-ups there.
        set_tcp_cork(link, true)?;
        while let Some(message) = messages.next() {
            match message.first() {
                Some(&INTERESTED) => link.write_all(&self::message(UNCHOKE, &[]))?,
                Some(&REQUEST) => {
                    let (index, begin, length) = (number(message, 1), number(message, 5), number(message, 9));
                    let offset = u64::from(index) * u64::from(shared.piece_length) + u64::from(begin);
                    if length > BLOCK || offset + u64::from(length) > size {
                        return Err(io::Error::other(format!("request {index} {begin} {length}")));
                    }
                    send_block(link, &shared.file, message, offset, length as usize)?;
                }
                _ => {}
            }
        }
        set_tcp_cork(link, false)?;
    }
    Ok(())
}

/// Answers one request message.
fn send_block(
    link: &TcpStream,
    file: &File,
    request: &[u8],
    mut offset: u64,
    length: usize,
) -> io::Result<()> {
    let mut header = [0; PIECE_HEADER];
    header[..4].copy_from_slice(&(9 + length as u32).to_be_bytes());
    header[4] = PIECE;
    header[5..].copy_from_slice(&request[1..9]);
    let mut unsent = header.as_slice();
    while !unsent.is_empty() {
        // Waits in the kernel for the block that follows.
        let sent = send(link, unsent, SendFlags::MORE | SendFlags::NOSIGNAL)?;
        unsent = &unsent[sent..];
    }
    let mut left = length;
    while left > 0 {
        match sendfile(link, file, Some(&mut offset), left)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            sent => left -= sent,
        }
    }
    Ok(())
}
