//! HTTP trackers of our own: each behaves as the test says, and is gone with it.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

type Behaviour = dyn Fn(TcpStream) + Send + Sync;

/// A tracker of our own. Ends when dropped; what it holds open ends with the program that asked.
pub struct Tracker {
    pub address: SocketAddr,
    ending: Arc<AtomicBool>,
    /// The first lines of all requests.
    pub heard: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Tracker {
    /// Behaves so to whoever asks something.
    pub fn start(behaviour: impl Fn(&str, TcpStream) + Send + Sync + 'static) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        let mut tracker = Self::raw(move |mut stream| {
            if let Some(line) = request_line(&mut stream) {
                log.lock().expect("no test panics with it").push(line.clone());
                behaviour(&line, stream);
            }
        });
        tracker.heard = heard;
        tracker
    }

    /// Behaves so to whoever connects.
    pub fn raw(behaviour: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let ending = Arc::new(AtomicBool::new(false));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let end = ending.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let behaviour = behaviour.clone();
                std::thread::spawn(move || behaviour(stream));
            }
        });
        Self { address, ending, heard: Arc::default(), thread: Some(thread) }
    }

    /// Answers every announce with these bytes.
    pub fn saying(response: Vec<u8>) -> Self {
        Self::start(move |_, mut stream| {
            // Whoever does not want to hear it hangs up.
            let _ = stream.write_all(&response);
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Announces with this event so far.
    pub fn count(&self, event: &str) -> usize {
        let event = format!("event={event}");
        self.heard.lock().expect("no test panics with it").iter().filter(|line| line.contains(&event)).count()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes it up; it is gone where that fails.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The first line of a request, once its head is there.
pub fn request_line(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).lines().next().map(str::to_owned)
}

/// Until the other side is gone.
pub fn hold(mut stream: TcpStream) {
    let _ = stream.read(&mut [0]);
}

pub fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub fn redirect(to: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n");
    [head.as_bytes(), b"Content-Length: 0\r\nConnection: close\r\n\r\n"].concat()
}

/// A good answer that names these peers.
pub fn naming(peers: &[SocketAddr]) -> Vec<u8> {
    let mut packed = Vec::new();
    for peer in peers {
        let SocketAddr::V4(peer) = peer else { panic!("IPv4 only") };
        packed.extend(peer.ip().octets());
        packed.extend(peer.port().to_be_bytes());
    }
    let head = format!("d8:completei1e10:incompletei1e8:intervali1800e5:peers{}:", packed.len());
    ok(&[head.as_bytes(), &packed, b"e"].concat())
}
