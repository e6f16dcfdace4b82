//! What an answer of the gateway changes.

use std::net::IpAddr;
use std::time::Instant;

use rand::RngExt;

use super::{
    CHECK_SOON, FIRST_REST, LEASE, MAX_CONFLICTS, Mapper, Op, PORTS, Pending, REFUSED, RENEW_BLINDLY,
};
use crate::portmap::line::Held;
use crate::portmap::pmp::Reply;
use crate::portmap::upnp::{Done, UpnpError};
use crate::stats::MappingProtocol;

/// Nothing came back.
pub(super) const SILENT: &str = "no answer";

/// The gateway speaks another protocol.
const OTHER_VERSION: &str = "does not speak it";

/// What an answer says, whichever way it came.
pub(super) enum Outcome {
    Address(IpAddr),
    Mapped {
        outside: Option<u16>,
        address: Option<IpAddr>,
        lease: u32,
        pinhole: Option<u16>,
    },
    Ok,
    /// Somebody else has the port.
    Foreign,
    /// UPnP error 718.
    Conflict,
    /// UPnP error 725.
    PermanentOnly,
    /// UPnP error 724.
    SamePortOnly,
    /// What was given is not there any more.
    Gone,
    /// Nothing, or nothing of use.
    Silent(String),
    /// Another version is spoken there.
    Version,
    Refused(String),
}

impl Mapper {
    /// A datagram from the gateway's port for PCP and NAT-PMP.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) {
        let (Some(client), Some(Pending { op, datagram: Some((form, question, ..)) })) =
            (self.client, self.pending)
        else {
            return;
        };
        let Some((epoch, reply)) = question.decode(form, client, bytes) else { return };
        if epoch.is_some_and(|epoch| self.epoch.hear(now, epoch)) {
            // Both are gone; that which was just renewed is not asked for twice.
            self.lines.iter_mut().filter_map(|line| line.held.as_mut()).for_each(|held| {
                held.renew_at = Some(now);
            });
        }
        let outcome = match reply {
            Reply::Address(address) => Outcome::Address(address),
            Reply::Mapped { outside: 0, lifetime: 1.., .. } => Outcome::Refused("gives no port".into()),
            Reply::Mapped { outside, address, lifetime } => {
                Outcome::Mapped { outside: Some(outside), address, lease: lifetime, pinhole: None }
            }
            Reply::Version => Outcome::Version,
            Reply::Refused(why) => Outcome::Refused(why),
        };
        self.finish(now, op, outcome);
    }

    /// The gateway's machine says that nobody takes such datagrams there.
    pub fn unreachable(&mut self, now: Instant) {
        if let Some(Pending { op, datagram: Some(_) }) = self.pending {
            self.finish(now, op, Outcome::Silent(SILENT.into()));
        }
    }

    /// How the UPnP job ended.
    pub fn upnp_ended(&mut self, now: Instant, result: Result<Done, UpnpError>) {
        let Some(Pending { op, datagram: None }) = self.pending else { return };
        let lease = match op {
            Op::Map(i) if self.lines[i].permanent => 0,
            _ => LEASE,
        };
        let refused = |code, error: &UpnpError| match (code, op) {
            (718, Op::Map(_)) => Outcome::Conflict,
            (724, Op::Map(_)) => Outcome::SamePortOnly,
            // Some gateways answer a lease that they do not take with "invalid arguments".
            (725, Op::Map(_)) => Outcome::PermanentOnly,
            (402, Op::Map(_)) if lease != 0 && !self.v6 => Outcome::PermanentOnly,
            (704 | 714, Op::Map(i) | Op::Check(i)) if self.lines[i].held.is_some() => Outcome::Gone,
            _ => Outcome::Refused(error.to_string()),
        };
        let outcome = match (result, op) {
            (Ok(Done::Address(address)), _) => Outcome::Address(address),
            (Ok(Done::Opened(pinhole)), _) => {
                Outcome::Mapped { outside: None, address: None, lease, pinhole: Some(pinhole) }
            }
            (Ok(Done::Ok), Op::Map(i)) if self.lines[i].held.is_none_or(|held| held.pinhole.is_none()) => {
                Outcome::Mapped { outside: None, address: None, lease, pinhole: None }
            }
            (Ok(Done::Ok), _) => Outcome::Ok,
            (Ok(Done::Foreign), _) => Outcome::Foreign,
            (Err(ref error @ UpnpError::Refused { code, .. }), _) => refused(code, error),
            (Err(error @ (UpnpError::Silent | UpnpError::Http(_))), _) => Outcome::Silent(error.to_string()),
            (Err(error @ (UpnpError::Garbage | UpnpError::NoService)), _) => {
                Outcome::Refused(error.to_string())
            }
        };
        self.finish(now, op, outcome);
    }

    pub(super) fn finish(&mut self, now: Instant, op: Op, outcome: Outcome) {
        self.pending = None;
        match op {
            Op::Unmap(i) => {
                // Whatever came back: what is left of it ends with its lease.
                (self.lines[i].held, self.lines[i].unsure) = (None, false);
            }
            _ if self.closing => self.ended_late(op, &outcome),
            Op::Find => self.searched(now, outcome),
            Op::Address => self.addressed(now, outcome),
            Op::Map(i) => self.mapped(now, i, outcome),
            Op::Check(i) => self.checked(now, i, outcome),
        }
        self.step(now);
    }

    /// A job that was on its way when all was to be taken back.
    fn ended_late(&mut self, op: Op, outcome: &Outcome) {
        let Op::Map(i) = op else { return };
        let line = &mut self.lines[i];
        if let Outcome::Mapped { pinhole: Some(pinhole), .. } = outcome {
            let inside = line.want.unwrap_or_default();
            let (by, pinhole) = (MappingProtocol::Upnp, Some(*pinhole));
            let (address, until, renew_at) = (None, None, None);
            line.held = Some(Held { by, inside, outside: inside, address, pinhole, until, renew_at });
        }
        // Who was refused has nothing there; what is there may be another machine's.
        line.unsure = !self.v6 && matches!(outcome, Outcome::Mapped { .. } | Outcome::Silent(_));
    }

    fn searched(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.found = true,
            // It gave us something: it is restarting, and comes back.
            _ if self.holds() => self.find_at = now + CHECK_SOON,
            Outcome::Silent(why) | Outcome::Refused(why) => self.give_up(now, &why),
            _ => self.give_up(now, SILENT),
        }
    }

    fn addressed(&mut self, now: Instant, outcome: Outcome) {
        self.address_due = false;
        match (outcome, self.way()) {
            (Outcome::Address(address), _) => self.address = Some(address),
            (Outcome::Silent(_), MappingProtocol::Upnp) => self.lose(now),
            // Some gateways do not say; they map all the same.
            (_, MappingProtocol::Upnp) => {}
            (Outcome::Silent(_), _) if self.holds() => self.check_at = now + CHECK_SOON,
            (Outcome::Silent(why) | Outcome::Refused(why), _) => self.give_up(now, &why),
            _ => self.give_up(now, OTHER_VERSION),
        }
    }

    fn mapped(&mut self, now: Instant, i: usize, outcome: Outcome) {
        let (by, holds) = (self.way(), self.holds());
        let line = &mut self.lines[i];
        match outcome {
            Outcome::Mapped { outside, address, lease, pinhole } => {
                let (inside, wish) = (line.want.unwrap_or_default(), line.wish());
                let outside = outside.unwrap_or(if self.v6 { inside } else { wish });
                let mut held = Held { by, inside, outside, address, pinhole, until: None, renew_at: None };
                if lease > 0 {
                    held.last(now, lease);
                }
                if pinhole.is_some() {
                    held.renew_at = Some(now + RENEW_BLINDLY);
                }
                (line.held, line.outside, line.failed, line.unsure) =
                    (Some(held), Some(outside), None, false);
                // Port and address outside are announced as one: UDP had better be where TCP is.
                if i == 0 && self.lines[1].held.is_none() {
                    self.lines[1].outside = Some(outside);
                }
                self.rest = FIRST_REST;
            }
            // A pinhole that was kept.
            Outcome::Ok => {
                if let Some(held) = &mut line.held {
                    held.last(now, LEASE);
                    held.renew_at = Some(now + RENEW_BLINDLY);
                }
            }
            Outcome::Conflict | Outcome::Foreign => self.conflict(now, i),
            Outcome::PermanentOnly if !line.permanent => line.permanent = true,
            Outcome::SamePortOnly if !line.same_port => line.same_port = true,
            Outcome::Gone => line.held = None,
            Outcome::Silent(why) => match (&mut line.held, by) {
                (Some(held), MappingProtocol::Upnp) => {
                    held.renew_later(now, CHECK_SOON);
                    self.lose(now);
                }
                (Some(held), _) => held.renew_later(now, CHECK_SOON),
                (None, _) if holds => line.refuse(now + REFUSED, &why),
                (None, _) => self.give_up(now, &why),
            },
            Outcome::Version => {
                line.held = None;
                self.give_up(now, OTHER_VERSION);
            }
            Outcome::Refused(why) => line.refuse(now + REFUSED, &format!("{}: the router {why}", by.name())),
            Outcome::PermanentOnly | Outcome::SamePortOnly | Outcome::Address(_) => {
                line.refuse(now + REFUSED, &format!("{}: the router contradicts itself", by.name()));
            }
        }
    }

    fn checked(&mut self, now: Instant, i: usize, outcome: Outcome) {
        self.lines[i].check_due = false;
        match outcome {
            Outcome::Gone => self.lines[i].held = None,
            Outcome::Foreign => self.conflict(now, i),
            Outcome::Silent(_) => self.lose(now),
            // It does not let us look.
            Outcome::Refused(_) => {
                if let Some(held) = &mut self.lines[i].held {
                    held.renew_at = Some(now + RENEW_BLINDLY);
                }
            }
            _ => {}
        }
    }

    /// Another machine has the port outside: another one is tried, if the gateway allows that.
    fn conflict(&mut self, now: Instant, i: usize) {
        let (by, other) = (self.way(), self.random.random_range(PORTS));
        let line = &mut self.lines[i];
        line.held = None;
        line.conflicts += 1;
        if line.same_port || line.conflicts > MAX_CONFLICTS {
            line.conflicts = 0;
            let why = format!("{}: the router has given the port to another machine", by.name());
            return line.refuse(now + REFUSED, &why);
        }
        line.outside = Some(other);
    }

    /// UPnP does not answer any more where it was found: after a restart it may be at another port.
    fn lose(&mut self, now: Instant) {
        self.found = false;
        self.find_at = if self.holds() { now + CHECK_SOON } else { now };
        self.lines.iter_mut().for_each(|line| line.check_due = line.held.is_some() && !self.v6);
        if !self.holds() {
            self.give_up(now, SILENT);
        }
    }

    /// The way does not work for what is not there yet.
    fn give_up(&mut self, now: Instant, why: &str) {
        let nothing = why == SILENT || why == OTHER_VERSION;
        let told = match (nothing, self.v6) {
            (true, false) => "the router answers neither PCP, NAT-PMP nor UPnP".to_owned(),
            (true, true) => "the router answers neither PCP nor UPnP".to_owned(),
            (false, _) => format!("{}: {why}", self.way().name()),
        };
        self.address_due = false;
        for line in self.lines.iter_mut().filter(|line| line.held.is_none()) {
            // Where one way had a reason, and the next is only not there, the reason is worth more.
            let told = line.failed.take().filter(|_| nothing).unwrap_or_else(|| told.clone());
            line.refuse(now + REFUSED, &told);
        }
    }
}
