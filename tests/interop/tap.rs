//! A tap between two clients: it passes on what either says, and reads along.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use bytes::BytesMut;
use tc_core::wire::handshake;
use tc_core::wire::message::{Decoder, Message};

use crate::net::Host;
use crate::wait::{Deadline, until};

/// Where it listens.
const PORT: u16 = 7002;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that called the tap.
    Caller,
    /// The one behind it.
    Called,
}

/// The tap: what was heard so far, the data of blocks left out.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Where to call.
    pub at: SocketAddr,
    heard: Arc<Mutex<Vec<(Side, Message)>>>,
}

impl Tap {
    /// Listens at this place and passes callers on to `to`. Ends with the test's process.
    pub fn start(host: &Host, to: SocketAddr) -> Self {
        let tap = Self { at: SocketAddr::from((host.v4, PORT)), heard: Arc::default() };
        // It listens once.
        let (listens, ready) = mpsc::sync_channel(1);
        let own = tap.clone();
        host.spawn(move || {
            let listener = TcpListener::bind(own.at).expect("the place is ours");
            listens.send(()).expect("the test waits");
            while let Ok((caller, _)) = listener.accept() {
                // A client that is not there yet is called again.
                let Ok(called) = TcpStream::connect(to) else { continue };
                own.pass(Side::Caller, &caller, &called);
                own.pass(Side::Called, &called, &caller);
            }
        });
        ready.recv().expect("it listens");
        tap
    }

    fn pass(&self, side: Side, from: &TcpStream, to: &TcpStream) {
        let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor is left");
        let (mut from, mut to, tap) = (clone(from), clone(to), self.clone());
        std::thread::spawn(move || {
            let (mut chunk, mut said) = (vec![0; 64 << 10], BytesMut::new());
            let (mut greeting, decoder) = (handshake::LEN, Decoder::new(None));
            while let Ok(read @ 1..) = from.read(&mut chunk) {
                if to.write_all(&chunk[..read]).is_err() {
                    break;
                }
                let skipped = greeting.min(read);
                greeting -= skipped;
                said.extend_from_slice(&chunk[skipped..read]);
                let mut heard = tap.heard.lock().expect("nobody panics over it");
                while let Some(message) = decoder.decode(&mut said).expect("both make sense") {
                    if !matches!(message, Message::Piece { .. }) {
                        heard.push((side, message));
                    }
                }
            }
            // The other direction ends too.
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }

    /// How many messages of a kind one side has said.
    pub fn count(&self, side: Side, wanted: impl Fn(&Message) -> bool) -> usize {
        let heard = self.heard.lock().expect("nobody panics over it");
        heard.iter().filter(|(who, message)| *who == side && wanted(message)).count()
    }

    /// Waits until one side has said this.
    pub fn wait(&self, what: &str, side: Side, deadline: Deadline, wanted: impl Fn(&Message) -> bool) {
        let what = format!("{side:?} to say {what}");
        until(deadline, &what, || (self.count(side, &wanted) > 0).then_some(()));
    }
}
