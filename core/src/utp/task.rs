//! The task between the UDP sockets and the owners of connections: carries out what the node decides.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::node::{self, Event, Handle, Node};
use super::stream::{UtpStream, to_io};
use crate::net::link::Stream;
use crate::net::udp::{self, Batch, Transmit, UdpSockets};

/// Batches of packets that are taken before anything is sent: acknowledgements go out for all of them
/// together.
const BATCHES: usize = 8;

/// How long the last words may take when the engine stops.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// The door to the node. Clones share it. One that was switched off calls nobody.
#[derive(Clone, Debug, Default)]
pub struct Utp {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) sockets: UdpSockets,
    /// A leaf lock, held while packets or bytes go in or out.
    state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) node: Node,
    /// Who waits to read, and who to write. Bounded by the connections that have an owner.
    waiting: FxHashMap<Handle, [Option<Waker>; 2]>,
    /// There is no network any more.
    is_over: bool,
}

/// What the task needs.
pub struct Setup {
    /// Packets for it.
    pub packets: mpsc::Receiver<Batch>,
    /// Takes those who call; one that has no place there is turned away.
    pub callers: mpsc::Sender<(Stream, SocketAddr)>,
    /// The engine is shutting down.
    pub stopping: watch::Receiver<bool>,
}

/// The time, for the node.
pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Utp {
    /// The door to a node that [`run`] is to be called for.
    pub fn new(sockets: UdpSockets) -> Self {
        let node = Node::new(now(), rand::random());
        let state = Mutex::new(State { node, waiting: FxHashMap::default(), is_over: false });
        Self { inner: Some(Arc::new(Inner { sockets, state, changed: Notify::new() })) }
    }

    /// Whether there is a node.
    pub const fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Whether callers are answered, from now on.
    pub fn set_accepts(&self, accepts: bool) {
        if let Some(inner) = &self.inner {
            inner.lock().node.set_accepts(accepts);
        }
    }

    /// Whether somebody at this address can be called.
    pub fn can_reach(&self, to: &SocketAddr) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.sockets.can_reach(to))
    }

    /// Calls a peer: the connection, once it has answered.
    ///
    /// # Errors
    /// No answer within three seconds, no socket of the family, or too many connections.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<UtpStream> {
        let inner = self.inner.clone().ok_or(io::ErrorKind::Unsupported)?;
        if !inner.sockets.can_reach(&to) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let handle = {
            let mut state = inner.lock();
            if state.is_over {
                return Err(io::ErrorKind::NotConnected.into());
            }
            state.node.connect(now(), to).map_err(to_io)?
        };
        inner.changed.notify_one();
        UtpStream::new(inner, handle, to).connected().await
    }
}

impl State {
    /// Remembers who waits to read.
    pub(super) fn wait_to_read<T>(&mut self, handle: Handle, context: &Context<'_>) -> Poll<T> {
        self.wait(handle, 0, context)
    }

    /// Remembers who waits to write, or for an answer.
    pub(super) fn wait_to_write<T>(&mut self, handle: Handle, context: &Context<'_>) -> Poll<T> {
        self.wait(handle, 1, context)
    }

    fn wait<T>(&mut self, handle: Handle, side: usize, context: &Context<'_>) -> Poll<T> {
        let waiting = &mut self.waiting.entry(handle).or_default()[side];
        match waiting {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waiting = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// The owner goes.
    pub(super) fn close(&mut self, handle: Handle) {
        self.waiting.remove(&handle);
        self.node.close(now(), handle);
    }
}

/// What is done after the lock is given back.
#[derive(Default)]
struct News {
    wake: Vec<Waker>,
    callers: Vec<(Handle, SocketAddr)>,
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // The node has no half of a step in which others' code runs, so a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, batches: &[Batch]) {
        let now = now();
        let mut state = self.lock();
        for packet in batches.iter().flat_map(Batch::datagrams) {
            state.node.handle(now, packet.from, packet.to, &packet.bytes);
        }
    }

    fn timeout(&self) {
        self.lock().node.timeout(now());
    }

    fn news(&self) -> News {
        let mut news = News::default();
        let mut state = self.lock();
        while let Some(event) = state.node.poll_event() {
            let (handle, side) = match event {
                Event::Readable(handle) => (handle, 0),
                Event::Writable(handle) => (handle, 1),
                Event::Incoming(handle, from) => {
                    news.callers.push((handle, from));
                    continue;
                }
            };
            if let Some(waiting) = state.waiting.get_mut(&handle) {
                news.wake.extend(waiting[side].take());
            }
        }
        news
    }

    fn tell(self: &Arc<Self>, callers: &mpsc::Sender<(Stream, SocketAddr)>) {
        let news = self.news();
        for (handle, from) in news.callers {
            // Dropped where there is no place for it, and thereby ended.
            let _ = callers.try_send((UtpStream::new(self.clone(), handle, from).into(), from));
        }
        news.wake.into_iter().for_each(Waker::wake);
    }

    /// Sends all that may go.
    async fn send(&self, out: &mut Vec<u8>) {
        loop {
            let transmit = self.lock().node.poll_transmit(now(), out);
            let Some(transmit) = transmit else { return };
            let segment = (transmit.segment < out.len()).then_some(transmit.segment);
            let node::Transmit { to, from, may_fragment, .. } = transmit;
            let mut rest = Transmit { to, from, bytes: out, segment, may_fragment };
            let sent = match self.sockets.try_send(&rest) {
                Ok(sent) if sent == rest.bytes.len() => continue,
                Ok(sent) => {
                    rest.bytes = &rest.bytes[sent..];
                    self.sockets.send_all(&rest).await
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.sockets.send_all(&rest).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                if udp::is_too_long(&error) {
                    self.lock().node.too_large(now(), &transmit.to, transmit.segment);
                }
                // Taken for a loss.
                tracing::trace!(to = %transmit.to, %error, "not sent");
            }
        }
    }

    /// There is no network any more: whoever waits hears of it.
    fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.node.end(now());
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().flatten().flatten().for_each(Waker::wake);
    }
}

/// Runs the node until the engine stops and all is said, or there is no network any more.
pub async fn run(utp: Utp, setup: Setup) {
    let Some(inner) = utp.inner else { return };
    let Setup { mut packets, callers, mut stopping } = setup;
    let (mut out, mut batches) = (Vec::new(), Vec::new());
    let mut end: Option<Instant> = None;
    loop {
        inner.send(&mut out).await;
        inner.tell(&callers);
        let due = {
            let state = inner.lock();
            if state.node.is_ready() {
                // Somebody wrote meanwhile.
                Some(Instant::now())
            } else if end.is_some_and(|end| state.node.is_said() || end <= Instant::now()) {
                break;
            } else {
                state.node.next_timeout().map(Instant::from_std)
            }
        };
        let due = due.into_iter().chain(end).min();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping), if end.is_none() => {
                end = Some(Instant::now() + LAST_WORDS);
                inner.lock().node.set_accepts(false);
            }
            count = packets.recv_many(&mut batches, BATCHES) => {
                if count == 0 {
                    break;
                }
                inner.take(&batches);
                batches.clear();
            }
            () = inner.changed.notified() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        // Also where packets come without a pause.
        inner.timeout();
    }
    inner.end();
}

#[cfg(test)]
mod tests;
