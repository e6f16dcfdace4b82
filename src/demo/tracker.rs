//! A small HTTP tracker in this process: BEP 3, BEP 7 (IPv6), BEP 23 (compact).
//!
//! For the demo's swarm and for tests with other clients. A peer is where its connection comes from;
//! `ip=` is ignored, whoever sends it. It keeps no more than it can count and forgets who stays silent.

mod answer;
mod swarm;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tc_core::InfoHash;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use self::swarm::Swarms;

#[cfg(test)]
mod tests;

/// Connections served at once; more wait in the kernel's backlog.
const CONNECTIONS: usize = 128;

/// Bytes of a request's head. Clients send a few hundred.
const MAX_HEAD: usize = 8 << 10;

/// How long one request may take to come and be answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often peers that stay silent are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// The interval that clients are told unless another is set; the shortest that ours obeys.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// A running tracker. Stops when dropped.
#[derive(Debug)]
pub struct Tracker {
    address: SocketAddr,
    swarms: Arc<Mutex<Swarms>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Tracker {
    /// Listens on `address` (port 0 picks one) and serves from a thread of its own, so that it can be
    /// started and dropped inside and outside of async code.
    pub fn start(address: SocketAddr) -> io::Result<Self> {
        Self::with_interval(address, INTERVAL)
    }

    /// As [`start`](Self::start), with the interval that clients are told.
    pub fn with_interval(address: SocketAddr, interval: Duration) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let swarms = Arc::new(Mutex::new(Swarms::new(interval)));
        let (stop, stopped) = oneshot::channel();
        let state = swarms.clone();
        let thread = std::thread::Builder::new().name("tracker".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, state) => {}
                }
            });
        })?;
        Ok(Self { address, swarms, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its announce URL, for torrent files.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// The addresses of a torrent's peers, in the order they came.
    pub fn list(&self, torrent: &InfoHash) -> Vec<SocketAddr> {
        lock(&self.swarms).list(torrent, Instant::now())
    }

    /// Seeds and leechers of a torrent.
    pub fn counts(&self, torrent: &InfoHash) -> (usize, usize) {
        lock(&self.swarms).counts(torrent, Instant::now())
    }

    /// How many peers said that they completed the download.
    pub fn completed(&self, torrent: &InfoHash) -> usize {
        lock(&self.swarms).completed(torrent)
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only fails where the thread panicked, and a drop is no place to pass that on.
            let _ = thread.join();
        }
    }
}

fn lock(swarms: &Mutex<Swarms>) -> MutexGuard<'_, Swarms> {
    // Held for one announce or one look; a panic in a handler must not take the tracker down.
    swarms.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: std::net::TcpListener, swarms: Arc<Mutex<Swarms>>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the tracker cannot listen"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                lock(&swarms).forget_silent(Instant::now());
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                let swarms = swarms.clone();
                tokio::spawn(async move {
                    // A client that is late or gone is its own problem.
                    let _ = tokio::time::timeout(PATIENCE, converse(stream, peer, &swarms)).await;
                    drop(place);
                });
            }
            // Out of descriptors, as a rule: the next accept would fail at once.
            Err(error) => {
                tracing::warn!(%error, "the tracker cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut stream: TcpStream, peer: SocketAddr, swarms: &Mutex<Swarms>) -> io::Result<()> {
    let head = read_head(&mut stream).await?;
    let answer = answer::to(&head, peer.ip().to_canonical(), swarms);
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

/// Reads up to the empty line.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(1 << 10);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let room = MAX_HEAD.saturating_sub(head.len()) as u64;
        if stream.take(room).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}
