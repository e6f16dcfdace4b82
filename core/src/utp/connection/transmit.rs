//! What a connection sends.

use std::time::{Duration, Instant};

use super::super::outgoing::Allowance;
use super::super::packet::{HEADER, Header, Kind};
use super::super::seq::Seq;
use super::{BEHIND_PROBE, Connection, MAX_BATCH, MAX_BATCH_PACKETS, MAX_PERSIST, Packets, State};

impl Connection {
    /// Appends packets that are to go out now; `None`: none.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Packets> {
        let start = out.len();
        let one = |out: &Vec<u8>| Some(Packets { segment: out.len() - start, may_fragment: false });
        if std::mem::take(&mut self.say_reset) {
            let seq = self.outgoing.next_seq();
            self.header(now, Kind::Reset, seq).write(out);
            return one(out);
        }
        match self.state {
            State::Closed => return None,
            State::SynSent => {
                if !std::mem::take(&mut self.say_hello) {
                    return None;
                }
                let seq = self.outgoing.next_seq().before();
                let id = self.receive_id;
                Header { id, ..self.header(now, Kind::Syn, seq) }.write(out);
                self.sent = now;
                self.rto_at = Some(now + self.rtt.rto());
                return one(out);
            }
            State::SynReceived => {
                if !std::mem::take(&mut self.say_hello) {
                    return None;
                }
                self.write_state(now, out);
                return one(out);
            }
            State::Connected => {}
        }
        // Packets with payload acknowledge too, but have no place for the mask.
        let ack_is_due = self.ack_at.is_some_and(|at| at <= now);
        if ack_is_due && self.incoming.has_gap() {
            self.write_state(now, out);
            return one(out);
        }
        let batch = self.write_data(now, out);
        if batch.is_some() {
            return batch;
        }
        if ack_is_due {
            self.write_state(now, out);
            return one(out);
        }
        None
    }

    fn header(&self, now: Instant, kind: Kind, seq: Seq) -> Header {
        Header {
            kind,
            id: self.send_id,
            timestamp: self.clock.at(now),
            difference: self.difference,
            window: u32::try_from(self.our_room()).unwrap_or(u32::MAX),
            seq,
            ack: self.incoming.ack(),
        }
    }

    fn acked_by_packet(&mut self, now: Instant) {
        self.ack_at = None;
        self.unacked = 0;
        self.advertised = self.our_room();
        self.sent = now;
    }

    fn write_state(&mut self, now: Instant, out: &mut Vec<u8>) {
        let header = self.header(now, Kind::State, self.outgoing.next_seq());
        let mut mask = std::mem::take(&mut self.mask);
        self.incoming.mask(&mut mask);
        if mask.is_empty() {
            header.write(out)
        } else {
            header.write_with_sack(&mask, out)
        }
        self.mask = mask;
        self.acked_by_packet(now);
    }

    fn write_data(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Packets> {
        let start = out.len();
        if self.outgoing.unacknowledged() == 0
            && self.outgoing.has_unsent()
            && now.saturating_duration_since(self.sent) > self.rtt.rto().max(Duration::from_secs(1))
        {
            self.ledbat.was_idle();
        }
        let packet = self.mtu.size() - HEADER;
        let (mut segment, mut may_fragment) = (0, false);
        for _ in 0..MAX_BATCH_PACKETS {
            let allowance = Allowance {
                window: self.ledbat.window(),
                room: self.room,
                largest_room: self.largest_room,
                packet,
                force: self.force,
            };
            let Some(next) = self.outgoing.next(&allowance) else { break };
            let length = HEADER + next.length;
            if segment > 0 && (length > segment || out.len() - start + length > MAX_BATCH) {
                break;
            }
            let kind = if next.is_fin { Kind::Fin } else { Kind::Data };
            let has_more = self.outgoing.buffered() > self.outgoing.in_flight() + packet * BEHIND_PROBE;
            // A probe is a batch of its own.
            let can_probe = segment == 0 && next.is_new() && next.length == packet && has_more;
            let probe = can_probe.then(|| self.mtu.probe(now)).flatten().unwrap_or(0);
            let mut header = self.header(now, kind, Seq(0));
            let (seq, payload) = self.outgoing.send(now, next, probe);
            header.seq = seq;
            header.write_with_padding(probe.saturating_sub(length), out);
            for part in payload {
                out.extend_from_slice(part);
            }
            self.force = false;
            if self.rto_at.is_none() {
                self.rto_at = Some(now + self.rtt.rto());
            }
            if probe > 0 {
                self.mtu.sent();
                segment = probe;
                break;
            }
            if segment == 0 {
                segment = length;
                may_fragment = length > HEADER + packet;
            }
            if length < segment {
                break;
            }
        }
        if segment == 0 {
            self.look_at_room(now);
            return None;
        }
        self.acked_by_packet(now);
        Some(Packets { segment, may_fragment })
    }

    /// Nothing may go, and nothing is under way that would bring word of the room: ask for it in a while.
    fn look_at_room(&mut self, now: Instant) {
        let stuck = self.room == 0 && self.outgoing.unacknowledged() == 0 && self.outgoing.has_unsent();
        if stuck && self.persist_at.is_none() && !self.force {
            let wait = (self.rtt.rto() * (1 << self.persists.min(5))).min(MAX_PERSIST);
            self.persists += 1;
            self.persist_at = Some(now + wait);
        }
    }
}
