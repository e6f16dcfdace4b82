//! A TCP flow between two places, which takes what it can get.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::net::Host;

/// Where the far end listens.
const PORT: u16 = 9_000;
/// Bytes handed to the system at once.
const CHUNK: usize = 64 << 10;

/// A flow. Dropping it ends it.
#[derive(Debug)]
pub struct Flow {
    stream: TcpStream,
    arrived: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Flow {
    /// From one place to another.
    pub fn start(from: &Host, to: &Host) -> Self {
        let at = SocketAddr::new(to.v4.into(), PORT);
        let listener = to.spawn(move || TcpListener::bind(at)).join().expect("it cannot panic");
        let listener = listener.expect("the port is free");
        let stream = from.spawn(move || TcpStream::connect(at)).join().expect("it cannot panic");
        let stream = stream.expect("there is a way");
        let (mut far, _) = listener.accept().expect("it has connected");
        let arrived = Arc::<AtomicU64>::default();
        let counter = arrived.clone();
        let reading = std::thread::spawn(move || {
            let mut buffer = vec![0; CHUNK];
            while let Ok(read) = far.read(&mut buffer)
                && read > 0
            {
                counter.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
        let mut near = stream.try_clone().expect("a descriptor is left");
        let writing = std::thread::spawn(move || while near.write_all(&[7; CHUNK]).is_ok() {});
        Self { stream, arrived, threads: vec![reading, writing] }
    }

    /// Payload that has arrived, bytes.
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // One that the system has closed is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}
