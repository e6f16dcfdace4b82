//! All connections of an engine: which packet belongs to which, who may call, whose turn it is to send.
//!
//! Whoever calls is answered with one packet of twenty bytes, and costs some hundred bytes until it has proven
//! its address; of those there are at most [`MAX_HALF_OPEN`]. A packet that belongs to no connection is
//! answered with a RESET, at most so many a second, and never a RESET with anything.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustc_hash::FxHashMap;

use super::UtpError;
use super::connection::{Connection, MAX_WINDOW, Packets, State};
use super::packet::{Header, Kind, Packet};
use super::seq::{Clock, Micros, Seq};

/// Callers that have not proven their address. The oldest makes room for the next.
pub const MAX_HALF_OPEN: usize = 256;

/// Of these, from one address (an IPv6 /64 counts as one): others have a chance beside a flood.
pub const MAX_HALF_OPEN_OF_ONE: usize = 32;

/// All connections together; whatever limits there are above, the ids of a hostile caller end here.
pub const MAX_CONNECTIONS: usize = 8192;

/// Bytes that all readers together may leave with us.
const BUFFERS: usize = 96 << 20;

/// What one reader may, when there is little left.
const LEAST_BUFFER: usize = 64 << 10;

/// RESETs for packets of nobody, in a second.
const RESETS: u32 = 64;

/// A connection, as its owner names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u64);

/// What an owner wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody called, and has proven its address.
    Incoming(Handle, SocketAddr),
    /// There is something to read, or an end.
    Readable(Handle),
    /// The call was answered, or there is room to write, or an end.
    Writable(Handle),
}

/// Packets to send, all to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// The address of ours that it leaves from: where their packets come to; `None`: not known.
    pub from: Option<IpAddr>,
    /// Bytes of each packet but the last, which may be shorter.
    pub segment: usize,
    /// Those on the way may cut them up.
    pub may_fragment: bool,
}

/// The node.
#[derive(Debug)]
pub struct Node {
    clock: Clock,
    random: StdRng,
    connections: FxHashMap<Handle, Connection>,
    by_id: FxHashMap<(SocketAddr, u16), Handle>,
    next: u64,
    /// In the order in which they called.
    half_open: VecDeque<Handle>,
    /// When to look at whom. An entry may be too early, never too late.
    due: BTreeSet<(Instant, Handle)>,
    /// Those that may have something to send, each once.
    ready: VecDeque<Handle>,
    events: VecDeque<Event>,
    /// Answers to packets of nobody: RESETs.
    resets: VecDeque<(SocketAddr, Option<IpAddr>, Header)>,
    resets_left: u32,
    resets_since: Instant,
    /// Bytes that readers have left with us.
    held: usize,
    accepts: bool,
}

impl Node {
    /// A node without connections; `seed` must not be foreseen by others.
    pub fn new(now: Instant, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Self {
            clock: Clock::new(now, random.random()),
            random,
            connections: FxHashMap::default(),
            by_id: FxHashMap::default(),
            next: 0,
            half_open: VecDeque::new(),
            due: BTreeSet::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            resets: VecDeque::new(),
            resets_left: RESETS,
            resets_since: now,
            held: 0,
            accepts: true,
        }
    }

    /// Whether callers are answered.
    pub const fn set_accepts(&mut self, accepts: bool) {
        self.accepts = accepts;
    }

    /// Connections, those that are only closing included.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Callers that have not proven their address.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Bytes that came in and were not read.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// There are too many connections.
    pub fn connect(&mut self, now: Instant, to: SocketAddr) -> Result<Handle, UtpError> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return Err(UtpError::TooMany);
        }
        // Both ids are free: a RESET may name either.
        let by_id = &self.by_id;
        let is_free = |id: u16| !by_id.contains_key(&(to, id));
        let mut ids = (0..64).map(|_| self.random.random::<u16>());
        let id = ids.find(|id| is_free(*id) && is_free(id.wrapping_add(1))).ok_or(UtpError::TooMany)?;
        let seq = Seq(self.random.random());
        Ok(self.insert(now, Connection::call(now, self.clock, to, id, seq)))
    }

    fn insert(&mut self, now: Instant, connection: Connection) -> Handle {
        let handle = Handle(self.next);
        self.next += 1;
        self.by_id.insert((connection.to, connection.receive_id), handle);
        self.connections.insert(handle, connection);
        self.touched(now, handle);
        handle
    }

    /// A datagram came, to this address of ours if that is known. What is no packet, or of no connection,
    /// changes nothing.
    pub fn handle(&mut self, now: Instant, from: SocketAddr, to: Option<IpAddr>, datagram: &[u8]) {
        let Some(packet) = Packet::decode(datagram) else { return };
        let header = packet.header;
        let id = match header.kind {
            Kind::Syn => header.id.wrapping_add(1),
            _ => header.id,
        };
        let known = self.by_id.get(&(from, id)).copied();
        let known = known.or_else(|| self.named_by_reset(from, &header));
        let Some(handle) = known else { return self.stranger(now, from, to, &header) };
        let room = BUFFERS.saturating_sub(self.held);
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        let (held, was_half_open) = (connection.held(), connection.state == State::SynReceived);
        connection.local = connection.local.or(to);
        connection.handle(now, &packet, room);
        self.held = self.held + connection.held() - held;
        if was_half_open && connection.state == State::Connected {
            connection.has_owner = true;
            self.half_open.retain(|other| *other != handle);
            self.events.push_back(Event::Incoming(handle, from));
        }
        self.touched(now, handle);
    }

    /// libutp answers with the id that our packets have.
    fn named_by_reset(&self, from: SocketAddr, header: &Header) -> Option<Handle> {
        if header.kind != Kind::Reset {
            return None;
        }
        let ids = [header.id.wrapping_sub(1), header.id.wrapping_add(1)];
        let mut handles = ids.into_iter().filter_map(|id| self.by_id.get(&(from, id)).copied());
        handles.find(|handle| self.connections.get(handle).is_some_and(|it| it.is_named(header.id)))
    }

    fn stranger(&mut self, now: Instant, from: SocketAddr, to: Option<IpAddr>, header: &Header) {
        match header.kind {
            Kind::Syn if self.accepts && from.port() != 0 => self.called(now, from, to, header),
            // A RESET is never answered, and an acknowledgement has nobody who waits.
            Kind::Reset | Kind::State | Kind::Syn => {}
            Kind::Data | Kind::Fin => self.refuse(now, from, to, header),
        }
    }

    fn refuse(&mut self, now: Instant, from: SocketAddr, to: Option<IpAddr>, header: &Header) {
        if now.saturating_duration_since(self.resets_since) >= Duration::from_secs(1) {
            (self.resets_since, self.resets_left) = (now, RESETS);
        }
        if self.resets_left == 0 {
            return;
        }
        self.resets_left -= 1;
        let difference = Micros(self.clock.at(now).since(header.timestamp));
        let seq = Seq(self.random.random());
        let reset = Header { kind: Kind::Reset, difference, window: 0, seq, ack: header.seq, ..*header };
        self.resets.push_back((from, to, reset));
    }

    fn called(&mut self, now: Instant, from: SocketAddr, to: Option<IpAddr>, syn: &Header) {
        let of_one = |handle: &&Handle| {
            self.connections.get(handle).is_some_and(|other| neighbourhood(&other.to) == neighbourhood(&from))
        };
        let mut theirs = self.half_open.iter().filter(of_one);
        let first = theirs.next().copied();
        let over = match first {
            Some(first) if theirs.count() + 1 >= MAX_HALF_OPEN_OF_ONE => Some(first),
            _ if self.half_open.len() >= MAX_HALF_OPEN => self.half_open.front().copied(),
            _ => None,
        };
        if let Some(over) = over {
            self.forget(over);
        }
        // Our ids for them are theirs plus one; one that we call with would be mixed up.
        if self.connections.len() >= MAX_CONNECTIONS || self.by_id.contains_key(&(from, syn.id)) {
            return self.refuse(now, from, to, syn);
        }
        let seq = Seq(self.random.random());
        let mut answer = Connection::answer(now, self.clock, from, syn, seq);
        answer.local = to;
        let handle = self.insert(now, answer);
        self.half_open.push_back(handle);
    }

    /// When [`timeout`](Self::timeout) is to be called, at the latest.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Does what the time has come for.
    pub fn timeout(&mut self, now: Instant) {
        // Each once: what stays due waits for something to be sent.
        let due: Vec<_> = self.due.range(..=(now, Handle(u64::MAX))).copied().collect();
        for (due, handle) in due {
            self.due.remove(&(due, handle));
            let Some(connection) = self.connections.get_mut(&handle) else { continue };
            connection.due = None;
            if connection.next_timeout().is_some_and(|due| due <= now) {
                connection.timeout(now);
            }
            self.touched(now, handle);
        }
    }

    /// Something happened to a connection: it may have something to send too.
    fn touched(&mut self, now: Instant, handle: Handle) {
        self.settle(now, handle);
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        if !std::mem::replace(&mut connection.is_queued, true) {
            self.ready.push_back(handle);
        }
    }

    /// It may have something to say, to wait for, or be over.
    fn settle(&mut self, now: Instant, handle: Handle) {
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        let left = BUFFERS.saturating_sub(self.held);
        connection.set_capacity((left / 8).clamp(LEAST_BUFFER, MAX_WINDOW));
        let is_heard = connection.has_owner && connection.closing.is_none();
        if std::mem::take(&mut connection.readable) && is_heard {
            self.events.push_back(Event::Readable(handle));
        }
        if connection.writable && is_heard && (connection.error.is_some() || connection.has_room_to_write()) {
            connection.writable = false;
            self.events.push_back(Event::Writable(handle));
        }
        if connection.is_over() {
            let id = (connection.to, connection.receive_id);
            if self.by_id.get(&id) == Some(&handle) {
                self.by_id.remove(&id);
            }
            // An owner is told why before a connection is forgotten.
            if !is_heard {
                return self.forget(handle);
            }
        }
        // Not before `now`: what is overdue is done by the next call.
        let due = connection.next_timeout().map(|due| due.max(now));
        let is_news = |due: &Instant| connection.due.is_none_or(|before| *due < before || before <= now);
        let Some(due) = due.filter(is_news) else { return };
        if let Some(before) = connection.due.replace(due) {
            self.due.remove(&(before, handle));
        }
        self.due.insert((due, handle));
    }

    fn forget(&mut self, handle: Handle) {
        let Some(connection) = self.connections.remove(&handle) else { return };
        self.held -= connection.held();
        let id = (connection.to, connection.receive_id);
        if self.by_id.get(&id) == Some(&handle) {
            self.by_id.remove(&id);
        }
        if let Some(due) = connection.due {
            self.due.remove(&(due, handle));
        }
        self.half_open.retain(|other| *other != handle);
    }

    /// Fills `out` with packets that are to go out now; `None`: there are none. Connections take turns.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        out.clear();
        if let Some((to, from, reset)) = self.resets.pop_front() {
            Header { timestamp: self.clock.at(now), ..reset }.write(out);
            return Some(Transmit { to, from, segment: out.len(), may_fragment: false });
        }
        while let Some(handle) = self.ready.pop_front() {
            let Some(connection) = self.connections.get_mut(&handle) else { continue };
            connection.is_queued = false;
            let packets = connection.poll_transmit(now, out);
            let (to, from) = (connection.to, connection.local);
            let Some(Packets { segment, may_fragment }) = packets else {
                // What to wait for may be another thing than before.
                self.settle(now, handle);
                continue;
            };
            self.touched(now, handle);
            return Some(Transmit { to, from, segment, may_fragment });
        }
        None
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) may have something.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty() || !self.resets.is_empty()
    }

    /// The address of ours that the other side's packets come to.
    pub fn local(&self, handle: Handle) -> Option<IpAddr> {
        self.connections.get(&handle)?.local
    }

    /// Whether all that owners wrote has arrived, with the end of those that have gone.
    pub fn is_said(&self) -> bool {
        self.connections.values().all(|connection| !connection.has_owner || connection.is_said())
    }

    /// Ends all connections: there is no network any more.
    pub fn end(&mut self, now: Instant) {
        let mut all: Vec<_> = self.connections.keys().copied().collect();
        all.sort_unstable();
        for handle in all {
            if let Some(connection) = self.connections.get_mut(&handle) {
                connection.reset();
                self.touched(now, handle);
            }
        }
    }

    /// The next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes that can be read from a connection at once.
    pub fn readable(&self, handle: Handle) -> usize {
        self.connections.get(&handle).map_or(0, Connection::ready)
    }

    /// Moves what came on a connection into `out`: how much, 0 at its end; `None`: nothing yet.
    ///
    /// # Errors
    /// Why nothing comes any more.
    pub fn read(&mut self, now: Instant, handle: Handle, out: &mut [u8]) -> Result<Option<usize>, UtpError> {
        let connection = self.connections.get_mut(&handle).ok_or(UtpError::Closed)?;
        let held = connection.held();
        let read = connection.read(now, out);
        self.held = self.held + connection.held() - held;
        if connection.has_word(now) {
            self.touched(now, handle);
        }
        read
    }

    /// Takes as much of the parts as there is room for: how much; `None`: none now.
    ///
    /// # Errors
    /// Why nothing goes out any more.
    pub fn write(
        &mut self,
        now: Instant,
        handle: Handle,
        parts: &[&[u8]],
    ) -> Result<Option<usize>, UtpError> {
        let connection = self.connections.get_mut(&handle).ok_or(UtpError::Closed)?;
        let written = connection.write(parts)?;
        match written {
            Some(_) => self.touched(now, handle),
            // Whoever waits is told once.
            None => connection.writable = false,
        }
        Ok(written)
    }

    /// Whether a call was answered.
    ///
    /// # Errors
    /// It was not, and will not be.
    pub fn is_connected(&self, handle: Handle) -> Result<bool, UtpError> {
        let connection = self.connections.get(&handle).ok_or(UtpError::Closed)?;
        connection.error.map_or(Ok(connection.state == State::Connected), Err)
    }

    /// Nothing more is written; what was, goes out, and then the end.
    pub fn shutdown(&mut self, now: Instant, handle: Handle) {
        if let Some(connection) = self.connections.get_mut(&handle) {
            connection.shutdown();
            self.touched(now, handle);
        }
    }

    /// The owner goes; what it wrote still goes out, for a while, and nothing is said about it any more.
    pub fn close(&mut self, now: Instant, handle: Handle) {
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        let held = connection.held();
        connection.close(now);
        self.held = self.held + connection.held() - held;
        self.touched(now, handle);
    }

    /// The system cannot send packets of `size` bytes to this address.
    pub fn too_large(&mut self, now: Instant, to: &SocketAddr, size: usize) {
        for connection in self.connections.values_mut().filter(|connection| connection.to == *to) {
            connection.too_large(now, size);
        }
    }
}

/// Those who are one for the purpose of counting: an address, or what one customer gets of IPv6.
fn neighbourhood(address: &SocketAddr) -> u128 {
    match address {
        SocketAddr::V4(v4) => u128::from(v4.ip().to_bits()),
        SocketAddr::V6(v6) => v6.ip().to_bits() >> 64 | 1 << 127,
    }
}
