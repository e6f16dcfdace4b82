//! What goes out: a stream of bytes into packets, which of them arrived and which are lost (BEP 29,
//! "packet loss"; RFC 8985 for packets that overtake each other).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::rtt::Rtt;
use super::seq::Seq;

/// Packets that were sent later and have arrived, until one is taken for lost (BEP 29: three duplicates).
const LATER: usize = 3;

/// libtorrent drops what is so many packets ahead of one that it misses.
const AHEAD_OF_GAP: usize = 512;

/// Packets under way; those who offer a window of more than [`LARGE_WINDOW`] have room for more.
const UNDER_WAY: usize = 1024;
const UNDER_WAY_LARGE: usize = 4096;

/// Nobody else offers more than this: our own kind has no fixed number of places.
pub const LARGE_WINDOW: usize = 1 << 20;

/// A buffer of less is kept when it is empty.
const KEPT: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    Lost,
    Arrived,
}

/// A packet that was sent, until everything before it has arrived too.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Where its payload is in the stream.
    start: u64,
    length: u16,
    /// The size that was probed with its first transmission; 0: none.
    probe: u16,
    is_fin: bool,
    fate: Fate,
    transmissions: u8,
    /// The order of transmissions.
    stamp: u64,
    at: Instant,
}

impl Sent {
    /// Whether what was sent last was larger than it had to be.
    const fn is_probe(&self) -> bool {
        self.probe > 0 && self.transmissions == 1
    }
}

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The place among those that were sent; `None`: it is new.
    again: Option<usize>,
    /// Payload bytes.
    pub length: usize,
    /// It is the last one.
    pub is_fin: bool,
}

impl Next {
    /// Whether it was never sent before.
    pub const fn is_new(&self) -> bool {
        self.again.is_none()
    }
}

/// What may be sent.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The congestion window.
    pub window: usize,
    /// The other side's room.
    pub room: usize,
    /// The largest room it ever had.
    pub largest_room: usize,
    /// The payload of a full packet.
    pub packet: usize,
    /// One packet goes whatever the other side's room is.
    pub force: bool,
}

/// What an acknowledgement, or time, has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes that arrived for the first time.
    pub bytes: usize,
    /// Something arrived.
    pub progress: bool,
    /// The round trip of the last packet that arrived and was sent once.
    pub rtt: Option<Duration>,
    /// Packets are lost for the first time since the window was made smaller.
    pub congestion: bool,
    /// What the window was made smaller for was no loss.
    pub false_alarm: bool,
    /// A probe of this size arrived.
    pub probe_arrived: Option<usize>,
    /// A probe of this size is lost.
    pub probe_lost: Option<usize>,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Bytes from the first that has not arrived. The caller bounds it.
    buffer: VecDeque<u8>,
    /// Where that is in the stream.
    base: u64,
    /// The first byte that was never sent.
    next: u64,
    /// The number of the first in `sent`, or of the next packet.
    first: Seq,
    /// Bounded by [`UNDER_WAY_LARGE`].
    sent: VecDeque<Sent>,
    in_flight: usize,
    /// Packets in `sent` that are lost, have arrived, were sent again.
    lost: usize,
    arrived: usize,
    again: usize,
    stamp: u64,
    /// The latest transmissions that arrived, the latest first.
    latest: [u64; LATER],
    /// Packets sent before this one are of the last loss.
    recovery: u64,
    /// How many were taken for lost in it, less those that arrived after all, ...
    suspects: usize,
    /// ... and whether one was lost indeed.
    is_real: bool,
    duplicates: usize,
    /// Packets overtake each other on this path.
    reorders: bool,
    /// When what may only have been overtaken is lost.
    pub overtaken_until: Option<Instant>,
    wants_fin: bool,
    fin_sent: bool,
}

impl Outgoing {
    /// A direction whose first packet has this number.
    pub const fn new(first: Seq) -> Self {
        Self {
            buffer: VecDeque::new(),
            base: 0,
            next: 0,
            first,
            sent: VecDeque::new(),
            in_flight: 0,
            lost: 0,
            arrived: 0,
            again: 0,
            // Zero is below all.
            stamp: 1,
            latest: [0; LATER],
            recovery: 0,
            suspects: 0,
            is_real: false,
            duplicates: 0,
            reorders: false,
            overtaken_until: None,
            wants_fin: false,
            fin_sent: false,
        }
    }

    /// The number of the next new packet.
    pub fn next_seq(&self) -> Seq {
        self.first.plus(self.sent.len() as u16)
    }

    /// Packets that are not acknowledged in order yet.
    pub fn unacknowledged(&self) -> usize {
        self.sent.len()
    }

    /// How many of them `ack` acknowledges; negative: it is an old one; `None`: none that was sent.
    pub fn acknowledges(&self, ack: Seq) -> Option<i32> {
        let packets = ack.after(self.first.before());
        (packets <= self.sent.len() as i32).then_some(packets)
    }

    /// Bytes under way.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Bytes that have not arrived, sent or not.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Payload bytes of the first packet that has not arrived; 0: there is none.
    pub fn first_length(&self) -> usize {
        self.sent.front().map_or(0, |sent| sent.length.into())
    }

    /// Whether there are bytes that were never sent.
    pub fn has_unsent(&self) -> bool {
        self.base + self.buffer.len() as u64 > self.next || self.wants_fin && !self.fin_sent
    }

    /// Appends to the stream.
    pub fn write(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// Nothing is written after this.
    pub const fn finish(&mut self) {
        self.wants_fin = true;
    }

    /// Whether nothing more may be written.
    pub const fn is_finished(&self) -> bool {
        self.wants_fin
    }

    /// Whether all of it has arrived, its end too.
    pub fn is_done(&self) -> bool {
        self.fin_sent && self.sent.is_empty()
    }

    /// What to send next.
    pub fn next(&self, allowance: &Allowance) -> Option<Next> {
        let Allowance { window, room, largest_room, packet, force } = *allowance;
        let fits = |length: usize| self.in_flight == 0 || self.in_flight + length <= window;
        if self.lost > 0 {
            let place = self.sent.iter().position(|sent| sent.fate == Fate::Lost)?;
            let sent = &self.sent[place];
            let length = usize::from(sent.length);
            return fits(length).then_some(Next { again: Some(place), length, is_fin: sent.is_fin });
        }
        let under_way = match (largest_room > LARGE_WINDOW, self.arrived > 0) {
            (true, _) => UNDER_WAY_LARGE,
            (false, true) => AHEAD_OF_GAP,
            (false, false) => UNDER_WAY,
        };
        if self.sent.len() >= under_way || self.fin_sent {
            return None;
        }
        let outstanding = (self.next - self.base) as usize;
        let unsent = self.buffer.len() - outstanding;
        if unsent == 0 {
            return self.wants_fin.then_some(Next { again: None, length: 0, is_fin: true });
        }
        let mut length = unsent.min(packet);
        let nothing_under_way = self.sent.is_empty();
        if outstanding + length > room && !(force && nothing_under_way) {
            // A small room is worth a packet only when there is nothing to wait for.
            length = if nothing_under_way { room.min(length) } else { 0 };
        }
        // Nagle: a part of a packet waits for the rest while anything is under way.
        let waits = length < packet && !nothing_under_way && !self.wants_fin;
        (length > 0 && !waits && fits(length)).then_some(Next { again: None, length, is_fin: false })
    }

    /// The packet goes out now, filled up to `probe` bytes if that is not 0: its number, and its payload in
    /// two parts.
    pub fn send(&mut self, now: Instant, next: Next, probe: usize) -> (Seq, [&[u8]; 2]) {
        let stamp = self.stamp;
        self.stamp += 1;
        let place = match next.again {
            Some(place) => {
                let sent = &mut self.sent[place];
                self.again += usize::from(sent.transmissions == 1);
                *sent = Sent {
                    fate: Fate::InFlight,
                    transmissions: sent.transmissions.saturating_add(1),
                    stamp,
                    at: now,
                    ..*sent
                };
                self.lost -= 1;
                place
            }
            None => {
                self.sent.push_back(Sent {
                    start: self.next,
                    length: next.length as u16,
                    probe: probe as u16,
                    is_fin: next.is_fin,
                    fate: Fate::InFlight,
                    transmissions: 1,
                    stamp,
                    at: now,
                });
                self.next += next.length as u64;
                self.fin_sent |= next.is_fin;
                self.sent.len() - 1
            }
        };
        self.in_flight += next.length;
        let start = (self.sent[place].start - self.base) as usize;
        let (front, back) = self.buffer.as_slices();
        let (from, to) = (start, start + next.length);
        let first = &front[from.min(front.len())..to.min(front.len())];
        let second = &back[from.saturating_sub(front.len())..to.saturating_sub(front.len())];
        (self.first.plus(place as u16), [first, second])
    }

    /// `ack` came, which [`acknowledges`](Self::acknowledges) packets that are here, with this mask;
    /// `is_duplicate`: it said nothing else than the one before.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        ack: Seq,
        mask: &[u8],
        is_duplicate: bool,
        rtt: &Rtt,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut newest = 0;
        let packets = self.acknowledges(ack).unwrap_or(0).max(0) as usize;
        for place in 0..packets {
            self.arrive(now, place, rtt, &mut newest, &mut outcome);
        }
        for sent in self.sent.drain(..packets) {
            self.arrived -= 1;
            self.again -= usize::from(sent.transmissions > 1);
        }
        self.first = self.first.plus(packets as u16);
        let base = self.sent.front().map_or(self.next, |sent| sent.start);
        self.buffer.drain(..(base - self.base) as usize);
        self.base = base;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = VecDeque::new();
        }
        // Bit i is number `ack + 2 + i`, and the first in `sent` is `ack + 1`.
        for (byte, bits) in mask.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let place = 1 + byte * 8 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if place < self.sent.len() {
                    self.arrive(now, place, rtt, &mut newest, &mut outcome);
                }
            }
        }
        self.duplicates = if outcome.progress { 0 } else { self.duplicates + usize::from(is_duplicate) };
        if self.duplicates == LATER && self.sent.front().is_some_and(|sent| sent.fate == Fate::InFlight) {
            self.lose(0, &mut outcome);
        }
        self.find_lost(now, rtt, &mut outcome);
        outcome
    }

    /// Looks for packets that others have overtaken for too long.
    pub fn look_for_lost(&mut self, now: Instant, rtt: &Rtt) -> Outcome {
        let mut outcome = Outcome::default();
        self.find_lost(now, rtt, &mut outcome);
        outcome
    }

    /// Nothing arrived for too long: all that is under way is lost. Unless that is nothing but a probe, it is
    /// congestion.
    pub fn time_out(&mut self) -> Outcome {
        let in_flight = |sent: &Sent| sent.fate == Fate::InFlight;
        let congestion = self.sent.iter().any(|sent| in_flight(sent) && !sent.is_probe());
        let mut outcome = Outcome::default();
        for place in 0..self.sent.len() {
            if in_flight(&self.sent[place]) {
                self.lose(place, &mut outcome);
            }
        }
        self.recovery = self.stamp;
        self.is_real = true;
        Outcome { congestion, ..outcome }
    }

    fn arrive(&mut self, now: Instant, place: usize, rtt: &Rtt, newest: &mut u64, outcome: &mut Outcome) {
        let Some(sent) = self.sent.get_mut(place) else { return };
        let fate = std::mem::replace(&mut sent.fate, Fate::Arrived);
        let was_taken_for_lost = match fate {
            Fate::Arrived => return,
            Fate::Lost => {
                self.lost -= 1;
                true
            }
            Fate::InFlight => {
                self.in_flight -= usize::from(sent.length);
                // Faster than anything ever was: it is the first transmission that arrived.
                sent.transmissions > 1 && now.saturating_duration_since(sent.at) < rtt.min() / 2
            }
        };
        self.arrived += 1;
        outcome.progress = true;
        outcome.bytes += usize::from(sent.length);
        if sent.transmissions == 1 {
            if sent.stamp > *newest {
                *newest = sent.stamp;
                outcome.rtt = Some(now.saturating_duration_since(sent.at));
            }
            self.reorders |= sent.stamp < self.latest[0];
            if sent.probe > 0 {
                outcome.probe_arrived = Some(usize::from(sent.probe));
            }
        }
        let (stamp, was_sent_again) = (sent.stamp, sent.transmissions > 1);
        if was_taken_for_lost {
            self.reorders = true;
            self.suspects = self.suspects.saturating_sub(1);
            outcome.false_alarm |= self.suspects == 0 && !std::mem::replace(&mut self.is_real, true);
        } else {
            self.is_real |= was_sent_again;
        }
        let later = self.latest.iter().position(|latest| *latest < stamp);
        if let Some(later) = later {
            self.latest[later..].rotate_right(1);
            self.latest[later] = stamp;
        }
    }

    /// Those after which [`LATER`] others were sent that have arrived, are lost. Where packets overtake each
    /// other they get a quarter of a round trip more.
    fn find_lost(&mut self, now: Instant, rtt: &Rtt, outcome: &mut Outcome) {
        self.overtaken_until = None;
        let limit = self.latest[LATER - 1];
        if limit == 0 {
            return;
        }
        let patience =
            if self.reorders { rtt.latest().max(rtt.smoothed()) + rtt.min() / 4 } else { Duration::ZERO };
        for place in 0..self.sent.len() {
            let sent = &self.sent[place];
            if sent.stamp >= limit {
                if self.again == 0 {
                    // All that follow were sent later still.
                    break;
                }
                continue;
            }
            if sent.fate != Fate::InFlight {
                continue;
            }
            let until = sent.at + patience;
            if until <= now {
                self.lose(place, outcome);
            } else {
                self.overtaken_until = Some(self.overtaken_until.map_or(until, |other| other.min(until)));
            }
        }
    }

    fn lose(&mut self, place: usize, outcome: &mut Outcome) {
        let sent = &mut self.sent[place];
        sent.fate = Fate::Lost;
        self.lost += 1;
        self.in_flight -= usize::from(sent.length);
        if sent.is_probe() {
            outcome.probe_lost = Some(usize::from(sent.probe));
            return;
        }
        if sent.stamp >= self.recovery {
            outcome.congestion = true;
            self.recovery = self.stamp;
            self.suspects = 0;
            self.is_real = false;
        }
        self.suspects += 1;
    }
}
