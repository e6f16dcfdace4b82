//! One connection: what its packets and the time do to it (BEP 29).

mod timer;
mod transmit;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::UtpError;
use super::incoming::{Incoming, MAX_AHEAD, Took};
use super::ledbat::{Acked, Ledbat};
use super::mtu::Mtu;
use super::outgoing::{Outcome, Outgoing};
use super::packet::{HEADER, Header, Kind, Packet};
use super::rtt::Rtt;
use super::seq::{Clock, Micros, Seq};

/// The most that we hold for one reader: the window that a long fat link needs.
pub const MAX_WINDOW: usize = 4 << 20;

/// The same with what packets cost that wait for others.
const MAX_HELD: usize = MAX_WINDOW + MAX_WINDOW / 8;

/// What a writer may leave with us however small the window is.
const MIN_SEND_BUFFER: usize = 64 << 10;

/// A try at connecting is over after this, so that TCP has its turn (libtorrent: 3 s).
const CONNECT: Duration = Duration::from_secs(3);

/// A caller that does not say anything after our answer.
const HALF_OPEN: Duration = Duration::from_secs(10);

/// How long an acknowledgement waits for a second packet or for company.
const ACK_DELAY: Duration = Duration::from_millis(40);

/// So many timeouts in a row end a connection.
const MAX_BACKOFFS: u32 = 6;

/// Nothing was heard for so long, on a link whose protocol says something every two minutes.
const IDLE: Duration = Duration::from_secs(300);

/// The other side took our end and does not send its own.
const HALF_CLOSED: Duration = Duration::from_secs(60);

/// Nothing was sent for so long: what a NAT has opened stays open (libutp: 29 s).
const KEEP_ALIVE: Duration = Duration::from_secs(29);

/// From the owner's goodbye to the last word: what is buffered, and the end.
const LINGER: Duration = Duration::from_secs(15);

/// After both ends: an acknowledgement of ours may have been lost.
const AFTER_END: Duration = Duration::from_secs(2);

/// A room that was closed is looked at again after this at first, then less and less often.
const MAX_PERSIST: Duration = Duration::from_secs(15);

/// Packets that have to be there behind a probe: their acknowledgements tell that it was lost.
const BEHIND_PROBE: usize = 4;

/// The most bytes of one batch, and packets in it: what the kernel cuts up in one call.
const MAX_BATCH: usize = 64_000;
const MAX_BATCH_PACKETS: usize = 44;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// We called and wait for the answer.
    SynSent,
    /// They called; until they say something the address is not proven.
    SynReceived,
    Connected,
    /// Nothing goes in or out any more.
    Closed,
}

/// One connection. It owns no name; the node knows it by address and id.
#[derive(Debug)]
pub struct Connection {
    pub to: SocketAddr,
    /// The address of ours that their packets come to.
    pub local: Option<IpAddr>,
    /// The id in packets to us, and in packets from us.
    pub receive_id: u16,
    send_id: u16,
    clock: Clock,
    pub state: State,
    pub error: Option<UtpError>,
    rtt: Rtt,
    mtu: Mtu,
    ledbat: Ledbat,
    incoming: Incoming,
    outgoing: Outgoing,
    /// How late their last packet was, for their next.
    difference: Micros,
    room: usize,
    largest_room: usize,
    /// What we said last about our room, and what it is.
    advertised: usize,
    capacity: usize,
    ack_at: Option<Instant>,
    unacked: u32,
    /// The next transmission: an answer to a SYN, or a SYN.
    say_hello: bool,
    say_reset: bool,
    force: bool,
    rto_at: Option<Instant>,
    persist_at: Option<Instant>,
    persists: u32,
    opened: Instant,
    heard: Instant,
    /// When something new came, or arrived.
    moved: Instant,
    sent: Instant,
    /// The owner is gone.
    pub closing: Option<Instant>,
    ended: Option<Instant>,
    mask: Vec<u8>,
    pub readable: bool,
    pub writable: bool,
    /// Somebody knows of it: it was called by us, or its caller has proven the address.
    pub has_owner: bool,
    /// It stands in the node's row of those that may send, and in its calendar at this time.
    pub is_queued: bool,
    pub due: Option<Instant>,
}

impl Connection {
    fn new(now: Instant, clock: Clock, to: SocketAddr, ids: [u16; 2], seqs: [Seq; 2], state: State) -> Self {
        let mtu = Mtu::new(&to);
        Self {
            to,
            local: None,
            receive_id: ids[0],
            send_id: ids[1],
            clock,
            state,
            error: None,
            rtt: Rtt::default(),
            ledbat: Ledbat::new(mtu.size() - HEADER),
            mtu,
            incoming: Incoming::new(seqs[0]),
            outgoing: Outgoing::new(seqs[1]),
            difference: Micros(0),
            room: 0,
            largest_room: 0,
            advertised: 0,
            capacity: MAX_WINDOW,
            ack_at: None,
            unacked: 0,
            say_hello: true,
            say_reset: false,
            force: false,
            rto_at: None,
            persist_at: None,
            persists: 0,
            opened: now,
            heard: now,
            moved: now,
            sent: now,
            closing: None,
            ended: None,
            mask: Vec::new(),
            readable: false,
            writable: false,
            has_owner: state == State::SynSent,
            is_queued: false,
            due: None,
        }
    }

    /// A call to `to`, whose SYN has the id `id` and the number `seq`.
    pub fn call(now: Instant, clock: Clock, to: SocketAddr, id: u16, seq: Seq) -> Self {
        let ids = [id, id.wrapping_add(1)];
        Self::new(now, clock, to, ids, [Seq(0), seq.plus(1)], State::SynSent)
    }

    /// The answer to this SYN; our first packet has the number `seq`.
    pub fn answer(now: Instant, clock: Clock, to: SocketAddr, syn: &Header, seq: Seq) -> Self {
        let ids = [syn.id.wrapping_add(1), syn.id];
        let mut connection = Self::new(now, clock, to, ids, [syn.seq, seq], State::SynReceived);
        connection.note(now, syn);
        connection
    }

    /// Whether `reset` names this connection: by our id for it or, as libutp does, by theirs.
    pub const fn is_named(&self, id: u16) -> bool {
        id == self.receive_id || id == self.send_id
    }

    /// Bytes of memory that buffers of the reader hold.
    pub fn held(&self) -> usize {
        self.incoming.held()
    }

    /// Bytes that can be read.
    pub fn ready(&self) -> usize {
        self.incoming.ready()
    }

    /// The reader may leave so much with us; said to the other side with the next packet.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.min(MAX_WINDOW);
    }

    fn our_room(&self) -> usize {
        self.capacity.saturating_sub(self.incoming.ready())
    }

    /// What any packet tells: how late it is, and what room there is.
    fn note(&mut self, now: Instant, header: &Header) {
        self.heard = now;
        if header.timestamp.0 != 0 {
            let late = self.clock.at(now).since(header.timestamp);
            // Zero would say that nothing ever came.
            self.difference = Micros(late.max(1));
            self.ledbat.their_delay(now, self.difference);
        }
        self.room = header.window as usize;
        self.largest_room = self.largest_room.max(self.room);
    }

    /// A packet with one of our ids came from the other side. `room`: bytes that all readers together may
    /// still leave with us.
    pub fn handle(&mut self, now: Instant, packet: &Packet<'_>, room: usize) {
        let header = &packet.header;
        match (self.state, header.kind) {
            (State::Closed, _) => {}
            // The answer was lost, or late: the same again.
            (State::SynReceived, Kind::Syn) if header.seq == self.incoming.ack() => self.say_hello = true,
            (_, Kind::Syn) => {}
            (_, Kind::Reset) => {
                // Only who has seen our packets can know their numbers.
                let ago = self.outgoing.next_seq().after(header.ack);
                if (0..=self.outgoing.unacknowledged() as i32 + 1).contains(&ago) {
                    self.fail(UtpError::Reset);
                }
            }
            (State::SynSent, Kind::State) => {
                if header.ack == self.outgoing.next_seq().before() {
                    // It names the number of their next packet.
                    self.incoming = Incoming::new(header.seq.before());
                    self.note(now, header);
                    if self.rtt.backoffs() == 0 {
                        self.rtt.sample(now.saturating_duration_since(self.sent));
                    }
                    self.rtt.progress();
                    self.state = State::Connected;
                    self.rto_at = None;
                    self.writable = true;
                }
            }
            // What overtook the answer comes again.
            (State::SynSent, _) => {}
            (State::SynReceived | State::Connected, _) => self.take(now, packet, room),
        }
    }

    fn take(&mut self, now: Instant, packet: &Packet<'_>, room: usize) {
        let header = &packet.header;
        let Some(acknowledged) = self.outgoing.acknowledges(header.ack) else { return };
        let ahead = header.seq.after(self.incoming.ack());
        if acknowledged < -MAX_AHEAD || ahead.abs() > MAX_AHEAD {
            return;
        }
        if self.state == State::SynReceived {
            if header.kind == Kind::State || acknowledged != 0 {
                return;
            }
            // Whoever knows the number of our answer has got it.
            self.state = State::Connected;
            self.rtt.sample(now.saturating_duration_since(self.sent));
        }
        if acknowledged >= 0 {
            let same_room = self.room == header.window as usize;
            let is_pure = header.kind == Kind::State && packet.sack.is_empty();
            let is_duplicate = acknowledged == 0 && is_pure && same_room;
            self.note(now, header);
            self.acknowledge(now, packet, is_duplicate);
        }
        if matches!(header.kind, Kind::Data | Kind::Fin) {
            let is_fin = header.kind == Kind::Fin;
            let (ready, held) = (self.incoming.ready(), self.incoming.held());
            let limit = if ahead != 1 {
                (held + room).min(MAX_HELD)
            } else if ready < MIN_SEND_BUFFER || (room > 0 && ready <= MAX_WINDOW) {
                // What waits for it holds no room against it: nothing would ever move again.
                usize::MAX
            } else {
                0
            };
            let took = self.incoming.take(header.seq, packet.payload, is_fin, limit);
            self.unacked += 1;
            let at_once = took != (Took::InOrder { filled: false }) || self.unacked >= 2 || is_fin;
            let due = if at_once { now } else { now + ACK_DELAY };
            self.ack_at = Some(self.ack_at.map_or(due, |at| at.min(due)));
            if matches!(took, Took::InOrder { .. }) {
                self.readable = true;
                self.moved = now;
                if self.closing.is_some() {
                    self.incoming.discard();
                }
            }
        }
        self.look_for_end(now);
    }

    fn acknowledge(&mut self, now: Instant, packet: &Packet<'_>, is_duplicate: bool) {
        let in_flight = self.outgoing.in_flight();
        let mask = if self.outgoing.unacknowledged() > 1 { packet.sack } else { &[] };
        let outcome = self.outgoing.acknowledge(now, packet.header.ack, mask, is_duplicate, &self.rtt);
        if let Some(rtt) = outcome.rtt {
            self.rtt.sample(rtt);
        }
        if packet.header.difference.0 != 0 {
            self.ledbat.our_delay(now, packet.header.difference);
        }
        if outcome.bytes > 0 {
            self.ledbat.acked(
                now,
                Acked { bytes: outcome.bytes, in_flight, rtt: outcome.rtt.unwrap_or(self.rtt.latest()) },
            );
        }
        if outcome.progress {
            self.moved = now;
            self.rtt.progress();
            self.persists = 0;
            self.writable = true;
            let waiting = self.outgoing.unacknowledged() > 0;
            self.rto_at = waiting.then(|| now + self.rtt.rto());
        }
        if self.room > 0 {
            self.persist_at = None;
        }
        self.conclude(now, outcome);
    }

    fn conclude(&mut self, now: Instant, outcome: Outcome) {
        if outcome.congestion {
            self.ledbat.lost();
        }
        if outcome.false_alarm {
            self.ledbat.not_lost();
        }
        if let Some(size) = outcome.probe_arrived {
            self.mtu.arrived(now, size);
            self.ledbat.set_packet(self.mtu.size() - HEADER);
        }
        if let Some(size) = outcome.probe_lost {
            self.mtu.lost(now, size);
        }
    }

    fn look_for_end(&mut self, now: Instant) {
        if self.outgoing.is_done() && (self.incoming.has_ended()) {
            self.ended.get_or_insert(now);
        }
    }

    fn fail(&mut self, error: UtpError) {
        self.state = State::Closed;
        self.error.get_or_insert(error);
        self.readable = true;
        self.writable = true;
        self.rto_at = None;
        self.ack_at = None;
        self.persist_at = None;
    }

    /// Ends it and says so.
    pub fn reset(&mut self) {
        self.say_reset = self.state != State::Closed;
        self.fail(UtpError::Reset);
    }

    /// The system cannot send packets of this size there.
    pub fn too_large(&mut self, now: Instant, size: usize) {
        self.mtu.too_large(now, size);
    }

    /// Whether it has been let down, and nothing has to be said any more.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Closed) && !self.say_reset
    }

    /// Whether the other side knows that nothing comes any more.
    pub fn is_said(&self) -> bool {
        self.is_over() || self.outgoing.is_done()
    }

    /// Moves what came in order into `out`.
    ///
    /// # Errors
    /// Why nothing comes any more, if that is not the other side's end.
    pub fn read(&mut self, now: Instant, out: &mut [u8]) -> Result<Option<usize>, UtpError> {
        let length = self.incoming.read(out);
        if length > 0 || out.is_empty() {
            // Who was told of little room hears when there is much again.
            let room = self.our_room();
            if self.advertised < self.capacity / 2 && room - self.advertised.min(room) >= self.capacity / 4 {
                self.ack_at = Some(now);
            }
            return Ok(Some(length));
        }
        match self.error {
            Some(error) => Err(error),
            None if self.incoming.has_ended() || self.state == State::Closed => Ok(Some(0)),
            None => Ok(None),
        }
    }

    /// Whether the other side has to hear something now.
    pub fn has_word(&self, now: Instant) -> bool {
        self.ack_at.is_some_and(|at| at <= now)
    }

    /// Takes as much of `bytes` as there is room for; `None`: there is none.
    ///
    /// # Errors
    /// Nothing goes out any more.
    pub fn write(&mut self, bytes: &[&[u8]]) -> Result<Option<usize>, UtpError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.outgoing.is_finished() || self.state == State::Closed {
            return Err(UtpError::Closed);
        }
        // Twice the window: what is under way, and as much to send while acknowledgements come.
        let limit = (self.ledbat.window() * 2).clamp(MIN_SEND_BUFFER, MAX_WINDOW);
        let mut free = limit.saturating_sub(self.outgoing.buffered());
        if free == 0 || self.state != State::Connected {
            return Ok(None);
        }
        let mut written = 0;
        for part in bytes {
            let part = &part[..part.len().min(free)];
            self.outgoing.write(part);
            written += part.len();
            free -= part.len();
        }
        Ok(Some(written))
    }

    /// Whether a writer would be let in.
    pub fn has_room_to_write(&self) -> bool {
        let limit = (self.ledbat.window() * 2).clamp(MIN_SEND_BUFFER, MAX_WINDOW);
        // Not for each packet that arrived: a quarter of it is worth waking somebody.
        self.outgoing.buffered() <= limit - limit / 4
    }

    /// Nothing is written any more; what was, goes out, and then the end.
    pub const fn shutdown(&mut self) {
        self.outgoing.finish();
    }

    /// The owner goes. What it wrote still goes out, for a while.
    pub fn close(&mut self, now: Instant) {
        self.closing = Some(now);
        self.incoming.discard();
        match self.state {
            State::SynSent | State::SynReceived => self.reset(),
            State::Connected => {
                self.outgoing.finish();
                self.look_for_end(now);
            }
            State::Closed => {}
        }
    }
}
