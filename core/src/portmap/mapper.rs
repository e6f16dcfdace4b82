//! Decides what the gateway of one family is asked when, and by which protocol.
//!
//! One question is on its way at a time. Whoever asks the gateway for a second thing at once gains nothing,
//! and small routers answer one at a time.

mod outcome;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use self::outcome::{Outcome, SILENT};
use super::line::Line;
use super::pmp::{Client, Epoch, Form, Question};
use super::upnp::Job;
use crate::stats::{Mapping, MappingProtocol};

/// Seconds that are asked for: after a crash a mapping ends within the hour.
pub const LEASE: u32 = 3600;

/// How often the gateway is asked whether it still knows what it gave: so long nobody can call after it
/// restarted.
pub const CHECK: Duration = Duration::from_secs(30);

/// The same while it does not answer.
const CHECK_SOON: Duration = Duration::from_secs(5);

/// Pinholes and mappings that cannot be looked at are renewed so often instead.
const RENEW_BLINDLY: Duration = Duration::from_secs(120);

/// The first pause before a datagram is sent again; it doubles (RFC 6886, section 3.1).
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Datagrams of one question: 3.75 s in all. The RFC's nine take a minute, in which UPnP waits.
const TRIES: u32 = 4;

/// How long all is left alone when no way worked; doubles up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_secs(60);

/// A gateway may be replaced, or its owner may allow it.
const LONGEST_REST: Duration = Duration::from_secs(30 * 60);

/// How long one port is left alone while the way works for the other one.
const REFUSED: Duration = Duration::from_secs(10 * 60);

/// Ports outside that are tried when the one before belongs to another machine.
const MAX_CONFLICTS: u8 = 5;

/// Where other ports are chosen from, as the first one is.
const PORTS: std::ops::RangeInclusive<u16> = 49_160..=65_534;

/// What is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A datagram to the gateway's port for PCP and NAT-PMP.
    Send(Vec<u8>),
    /// A job for UPnP. It is answered, within a bounded time.
    Upnp(Job),
}

/// A question that has no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Find,
    Address,
    Map(usize),
    Check(usize),
    Unmap(usize),
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    op: Op,
    /// The question, tries so far, and when the next one is due. `None`: UPnP answers for itself.
    datagram: Option<(Form, Question, u32, Instant)>,
}

/// The decider of one family.
#[derive(Debug)]
pub struct Mapper {
    v6: bool,
    random: StdRng,
    nonces: [[u8; 12]; 2],
    client: Option<Client>,
    gateway: Option<IpAddr>,
    off: &'static str,
    lines: [Line; 2],
    /// Which of the ways.
    way: usize,
    resting: Option<Instant>,
    rest: Duration,
    found: bool,
    find_at: Instant,
    address: Option<IpAddr>,
    address_due: bool,
    check_at: Instant,
    epoch: Epoch,
    pending: Option<Pending>,
    closing: bool,
    orders: Vec<Order>,
}

impl Mapper {
    /// For IPv4 or IPv6.
    pub fn new(now: Instant, v6: bool, mut random: StdRng) -> Self {
        let nonces = [random.random(), random.random()];
        Self {
            v6,
            random,
            nonces,
            client: None,
            gateway: None,
            off: "no gateway",
            lines: Default::default(),
            way: 0,
            resting: None,
            rest: FIRST_REST,
            found: false,
            find_at: now,
            address: None,
            address_due: true,
            check_at: now + CHECK,
            epoch: Epoch::default(),
            pending: None,
            closing: false,
            orders: Vec::new(),
        }
    }

    /// The gateway, and our address that it knows; or why nothing is asked. When that changes all begins anew,
    /// and the shell forgets what it had on its way.
    pub fn network(&mut self, now: Instant, network: Result<(IpAddr, IpAddr), &'static str>) {
        let (gateway, local) =
            (network.ok().map(|(gateway, _)| gateway), network.ok().map(|(_, local)| local));
        self.off = network.err().unwrap_or_default();
        if (gateway, local) == (self.gateway, self.client.map(|client| client.local)) {
            return;
        }
        self.gateway = gateway;
        self.client = local.map(|local| Client { local, nonces: self.nonces });
        self.lines.iter_mut().for_each(Line::forget);
        (self.pending, self.resting, self.rest) = (None, None, FIRST_REST);
        self.begin_way(now, 0);
        self.step(now);
    }

    /// Our ports for TCP and UDP.
    pub fn want(&mut self, now: Instant, ports: [Option<u16>; 2]) {
        for (line, port) in self.lines.iter_mut().zip(ports) {
            if line.want != port {
                line.want = port;
                (line.outside, line.refused, line.failed, line.conflicts) = (None, None, None, 0);
                self.resting = None;
            }
        }
        self.step(now);
    }

    /// All is to be taken back, for good.
    pub fn close(&mut self, now: Instant) {
        self.closing = true;
        if let Some(Pending { op, datagram: Some(_) }) = self.pending {
            if let Op::Map(i) = op {
                self.lines[i].unsure = true;
            }
            // What is being taken back already goes on.
            if !matches!(op, Op::Unmap(_)) {
                self.pending = None;
            }
        }
        self.step(now);
    }

    /// Nothing is left to be taken back.
    pub fn is_closed(&self) -> bool {
        self.closing && self.pending.is_none()
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        if let Some(Pending { op, datagram: Some((form, question, tries, due)) }) = self.pending
            && due <= now
        {
            if tries >= TRIES {
                return self.finish(now, op, Outcome::Silent(SILENT.into()));
            }
            let due = now + FIRST_PAUSE * 2_u32.pow(tries);
            self.pending = Some(Pending { op, datagram: Some((form, question, tries + 1, due)) });
            self.send(form, question);
        }
        self.step(now);
    }

    /// When [`timeout`](Self::timeout) is to be called.
    pub fn next_due(&self) -> Option<Instant> {
        match self.pending {
            Some(Pending { datagram: Some((.., due)), .. }) => return Some(due),
            // The answer to a job is bounded in time.
            Some(Pending { datagram: None, .. }) => return None,
            None if self.client.is_none() || self.closing => return None,
            None => {}
        }
        if self.resting.is_some() {
            return self.resting;
        }
        let lines = self.lines.iter().filter(|line| line.want.is_some());
        let of_lines = lines.flat_map(|line| {
            let held = line.held.as_ref();
            [line.refused, held.and_then(|held| held.until), held.and_then(|held| held.renew_at)]
        });
        if self.way() == MappingProtocol::Upnp && !self.found {
            // Whatever else is due waits for that.
            return Some(self.find_at);
        }
        of_lines.chain([Some(self.check_at)]).flatten().min()
    }

    /// What is to be carried out now.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// How TCP and UDP are.
    pub fn states(&self) -> [Mapping; 2] {
        [0, 1].map(|i| {
            let line = &self.lines[i];
            match (self.client, line.want) {
                (None, _) => Mapping::Off { why: self.off.into() },
                (_, None) => Mapping::Off { why: "nobody can call".into() },
                // While ways are left the first time it is no failure yet.
                _ if line.held.is_none() && !self.holds() && self.rest == FIRST_REST => Mapping::Searching,
                _ => line.state(self.address),
            }
        })
    }

    fn ways(&self) -> &'static [MappingProtocol] {
        use MappingProtocol::{NatPmp, Pcp, Upnp};
        if self.v6 { &[Pcp, Upnp] } else { &[Pcp, NatPmp, Upnp] }
    }

    fn way(&self) -> MappingProtocol {
        self.ways()[self.way]
    }

    fn holds(&self) -> bool {
        self.lines.iter().any(|line| line.held.is_some())
    }

    fn begin_way(&mut self, now: Instant, way: usize) {
        self.way = way;
        (self.found, self.find_at) = (false, now);
        (self.address, self.epoch) = (None, Epoch::default());
        self.address_due = !self.v6 && self.way() != MappingProtocol::Pcp;
        self.check_at = now + CHECK;
        for line in &mut self.lines {
            (line.refused, line.permanent, line.same_port) = (None, false, false);
        }
    }

    fn step(&mut self, now: Instant) {
        if self.client.is_none() || self.pending.is_some() {
            return;
        }
        if self.closing {
            let given = (0..2).find(|i| self.lines[*i].held.is_some() || self.lines[*i].unsure);
            return given.map(Op::Unmap).into_iter().for_each(|op| self.begin(now, op));
        }
        self.look_at_clock(now);
        if let Some(op) = self.next_op(now) {
            self.begin(now, op);
        }
    }

    /// What has ended or begun by itself.
    fn look_at_clock(&mut self, now: Instant) {
        let mut lost = false;
        for line in &mut self.lines {
            if line.held.and_then(|held| held.until).is_some_and(|until| until <= now) {
                (line.held, lost) = (None, true);
            }
            if line.refused.is_some_and(|until| until <= now) {
                line.refused = None;
            }
        }
        if self.resting.is_some_and(|until| until <= now) {
            self.resting = None;
            self.begin_way(now, 0);
        } else if lost && !self.holds() {
            self.begin_way(now, 0);
        }
        if self.resting.is_none() && self.check_at <= now {
            self.check_at = now + CHECK;
            let (way, v6) = (self.way(), self.v6);
            self.address_due = !v6 && way != MappingProtocol::Pcp;
            for (i, line) in self.lines.iter_mut().enumerate() {
                let Some(held) = &mut line.held else { continue };
                match way {
                    MappingProtocol::Upnp => line.check_due = !v6,
                    // One tells the epoch, and the address if that is another now.
                    MappingProtocol::Pcp if i == 0 || self.v6 => held.renew_at = Some(now),
                    MappingProtocol::Pcp | MappingProtocol::NatPmp => {}
                }
            }
        }
    }

    fn next_op(&mut self, now: Instant) -> Option<Op> {
        if self.resting.is_some() {
            return None;
        }
        let find = |lines: &[Line; 2], is: &dyn Fn(&Line) -> bool| (0..2).find(|i| is(&lines[*i]));
        loop {
            if self.lines.iter().all(|line| line.want.is_none() && line.held.is_none()) {
                return None;
            }
            let open = self.lines.iter().any(|line| line.is_open() || line.held.is_some());
            if open && self.way() == MappingProtocol::Upnp && !self.found {
                return (self.find_at <= now).then_some(Op::Find);
            }
            let moved = |line: &Line| line.held.is_some_and(|held| line.want != Some(held.inside));
            if let Some(i) = find(&self.lines, &moved) {
                return Some(Op::Unmap(i));
            }
            if open && self.address_due {
                return Some(Op::Address);
            }
            let due = |line: &Line| {
                let renew = line.held.and_then(|held| held.renew_at).is_some_and(|at| at <= now);
                line.is_open() || renew
            };
            if let Some(i) = find(&self.lines, &due) {
                return Some(Op::Map(i));
            }
            if let Some(i) = find(&self.lines, &|line| line.check_due && line.held.is_some()) {
                return Some(Op::Check(i));
            }
            if self.holds() {
                return None;
            }
            if self.way + 1 == self.ways().len() {
                self.resting = Some(now + self.rest);
                self.rest = (self.rest * 2).min(LONGEST_REST);
                return None;
            }
            self.begin_way(now, self.way + 1);
        }
    }

    fn begin(&mut self, now: Instant, op: Op) {
        let by = match op {
            Op::Unmap(i) => self.lines[i].held.map_or(self.way(), |held| held.by),
            _ => self.way(),
        };
        let form = match by {
            MappingProtocol::Upnp => {
                self.pending = Some(Pending { op, datagram: None });
                let job = self.job(op);
                return self.orders.push(Order::Upnp(job));
            }
            MappingProtocol::Pcp => Form::Pcp,
            MappingProtocol::NatPmp => Form::NatPmp,
        };
        let question = match op {
            Op::Map(i) | Op::Unmap(i) => {
                let line = &self.lines[i];
                let inside = line.held.map(|held| held.inside).or(line.want).unwrap_or_default();
                let outside = line.held.map_or(line.wish(), |held| held.outside);
                let lifetime = if matches!(op, Op::Map(_)) { LEASE } else { 0 };
                Question::Map { udp: i == 1, inside, outside, lifetime }
            }
            Op::Find | Op::Address | Op::Check(_) => Question::Address,
        };
        self.pending = Some(Pending { op, datagram: Some((form, question, 1, now + FIRST_PAUSE)) });
        self.send(form, question);
    }

    fn job(&self, op: Op) -> Job {
        let of = |i: usize| {
            let line = &self.lines[i];
            let held = line.held;
            let inside = held.map(|held| held.inside).or(line.want).unwrap_or_default();
            (
                i == 1,
                inside,
                held.map_or(line.wish(), |held| held.outside),
                held.and_then(|held| held.pinhole),
            )
        };
        match op {
            Op::Find => Job::Find,
            Op::Address => Job::Address,
            Op::Map(i) => match of(i) {
                (.., Some(pinhole)) => Job::Keep { pinhole, lease: LEASE },
                (udp, inside, ..) if self.v6 => Job::Open { udp, inside, lease: LEASE },
                (udp, inside, outside, _) => {
                    let lease = if self.lines[i].permanent { 0 } else { LEASE };
                    Job::Map { udp, inside, outside, lease }
                }
            },
            Op::Check(i) => {
                let (udp, inside, outside, _) = of(i);
                Job::Check { udp, inside, outside }
            }
            Op::Unmap(i) => match of(i) {
                (.., Some(pinhole)) => Job::Close { pinhole },
                (udp, _, outside, _) => Job::Unmap { udp, outside },
            },
        }
    }

    fn send(&mut self, form: Form, question: Question) {
        if let Some(client) = self.client {
            self.orders.push(Order::Send(question.encode(form, client)));
        }
    }
}
