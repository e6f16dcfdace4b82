//! What time does to a connection.

use std::time::Instant;

use super::super::UtpError;
use super::super::outgoing::Outcome;
use super::super::packet::HEADER;
use super::{
    AFTER_END, BLACK_HOLE, CONNECT, Connection, HALF_CLOSED, HALF_OPEN, IDLE, KEEP_ALIVE, LINGER,
    MAX_BACKOFFS, State,
};

impl Connection {
    /// When [`timeout`](Self::timeout) is to be called, at the latest.
    pub fn next_timeout(&self) -> Option<Instant> {
        let end = match (self.state, self.closing, self.ended) {
            (State::Closed, ..) => return None,
            (State::SynSent, ..) => self.opened + CONNECT,
            (State::SynReceived, ..) => self.opened + HALF_OPEN,
            (State::Connected, _, Some(ended)) => ended + AFTER_END,
            (State::Connected, Some(closing), None) => closing + LINGER,
            (State::Connected, None, None) if self.outgoing.is_done() => self.moved + HALF_CLOSED,
            (State::Connected, None, None) => self.heard + IDLE,
        };
        let keep_alive = (self.state == State::Connected).then_some(self.sent + KEEP_ALIVE);
        let overtaken = self.outgoing.overtaken_until;
        let others = [self.ack_at, self.rto_at, self.persist_at, keep_alive, overtaken];
        others.into_iter().flatten().chain([end]).min()
    }

    /// The time has come for something, or not.
    pub fn timeout(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.state {
            State::Closed => return,
            State::SynSent => {
                if self.opened + CONNECT <= now {
                    self.fail(UtpError::NoAnswer);
                } else if is_due(self.rto_at) {
                    self.rtt.expired();
                    self.rto_at = None;
                    self.say_hello = true;
                }
                return;
            }
            State::SynReceived => {
                if self.opened + HALF_OPEN <= now {
                    self.fail(UtpError::TimedOut);
                }
                return;
            }
            State::Connected => {}
        }
        let silent = if self.outgoing.is_done() { self.moved + HALF_CLOSED } else { self.heard + IDLE };
        let ended = self.ended.map(|ended| ended + AFTER_END);
        if is_due(ended) {
            self.state = State::Closed;
            return;
        }
        if is_due(self.closing.map(|closing| closing + LINGER)) || (silent <= now && ended.is_none()) {
            self.reset();
            self.error = Some(UtpError::TimedOut);
            return;
        }
        if is_due(self.rto_at) {
            self.expire(now);
        }
        if is_due(self.outgoing.overtaken_until) {
            let outcome = self.outgoing.look_for_lost(now, &self.rtt);
            self.conclude(now, outcome);
        }
        if is_due(self.persist_at) {
            self.persist_at = None;
            self.force = true;
        }
        if self.sent + KEEP_ALIVE <= now {
            self.ack_at = Some(now);
        }
    }

    fn expire(&mut self, now: Instant) {
        let in_flight = self.outgoing.in_flight();
        let outcome = self.outgoing.time_out();
        self.rto_at = Some(now + self.rtt.rto());
        if outcome.congestion {
            self.rtt.expired();
            // Who has no room takes nothing, and says so; that is not the path.
            let has_room = self.room > 0;
            let is_heard = now < self.heard + self.rtt.rto();
            if self.rtt.backoffs() > MAX_BACKOFFS && (has_room || !is_heard) {
                self.reset();
                self.error = Some(UtpError::TimedOut);
                return;
            }
            if has_room {
                self.ledbat.timed_out(in_flight, self.rtt.backoffs() > 1);
            }
            let is_stuck = has_room && self.rtt.backoffs() >= BLACK_HOLE;
            if is_stuck && self.mtu.black_hole(HEADER + self.outgoing.first_length()) {
                self.ledbat.set_packet(self.mtu.size() - HEADER);
            }
            self.rto_at = Some(now + self.rtt.rto());
        }
        // A lost probe is no congestion: its payload goes again, and that is all.
        self.conclude(now, Outcome { congestion: false, ..outcome });
    }
}
