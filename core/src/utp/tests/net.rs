//! Two nodes, a link in each direction, and a clock that jumps to whatever happens next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::utp::UtpError;
use crate::utp::node::{Event, Handle, Node};

/// One direction of a path.
#[derive(Clone, Debug)]
pub struct Link {
    /// Bytes a second; `None`: without limit.
    pub rate: Option<u64>,
    /// Bytes that may wait; what comes then is lost.
    pub queue: u64,
    pub delay: Duration,
    /// Parts of 1.
    pub loss: f64,
    pub duplicate: f64,
    pub reorder: f64,
    /// How much later those come that are overtaken, at most.
    pub late: Duration,
    /// The largest datagram that passes.
    pub mtu: usize,
    pub busy_until: Option<Instant>,
    /// Of each of these times at whose end it is, the receiving program does not run for so long: what comes then is
    /// seen at the end of it.
    pub stalls: Option<(Duration, Duration)>,
}

impl Link {
    pub fn new(delay: Duration) -> Self {
        Self {
            rate: None,
            queue: u64::MAX,
            delay,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            late: Duration::ZERO,
            mtu: 1472,
            busy_until: None,
            stalls: None,
        }
    }

    /// A bottleneck of so many bits a second with a queue of so much time.
    pub fn bottleneck(mbits: u64, queue: Duration, delay: Duration) -> Self {
        let rate = mbits * 125_000;
        let queue = (rate as f64 * queue.as_secs_f64()) as u64;
        Self { rate: Some(rate), queue, ..Self::new(delay) }
    }

    /// When a packet with so many bytes on the wire arrives; `None`: it does not.
    pub fn pass(&mut self, now: Instant, bytes: usize, random: &mut StdRng) -> Option<Instant> {
        let mut leaves = now;
        if let Some(rate) = self.rate {
            let free = self.busy_until.map_or(now, |busy| busy.max(now));
            let waiting = (free - now).as_secs_f64() * rate as f64;
            if waiting + bytes as f64 > self.queue as f64 {
                return None;
            }
            leaves = free + Duration::from_secs_f64(bytes as f64 / rate as f64);
            self.busy_until = Some(leaves);
        }
        if random.random_bool(self.loss) {
            return None;
        }
        let late = if random.random_bool(self.reorder) { random.random_range(0.0..1.0) } else { 0.0 };
        Some(leaves + self.delay + self.late.mul_f64(late))
    }
}

/// What comes at some time.
#[derive(Debug)]
pub enum Arrival {
    Datagram {
        to: usize,
        bytes: Vec<u8>,
    },
    /// For a flow that is no uTP.
    Other(u64),
}

/// What the owner of a connection has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub received: Vec<u8>,
    pub ended: bool,
    pub error: Option<UtpError>,
    pub connected: bool,
}

/// The world.
pub struct Net {
    pub now: Instant,
    pub start: Instant,
    pub nodes: [Node; 2],
    pub addresses: [SocketAddr; 2],
    /// `links[n]` leads away from node `n`.
    pub links: [Link; 2],
    pub random: StdRng,
    on_the_way: BinaryHeap<Reverse<(Instant, u64)>>,
    arrivals: BTreeMap<u64, Arrival>,
    next: u64,
    /// What is to be written on a connection, and how much of it was.
    pub to_write: BTreeMap<(usize, Handle), (Vec<u8>, usize)>,
    pub shut_when_written: bool,
    pub seen: BTreeMap<(usize, Handle), Seen>,
    /// Nobody reads at this node.
    pub stalled: [bool; 2],
    pub accepted: Vec<(usize, Handle)>,
    /// Datagrams that each node sent, and their bytes.
    pub sent: [(u64, u64); 2],
    pub largest: usize,
    /// What came of flows that are no uTP, and when.
    pub others: Vec<(Instant, u64)>,
}

impl Net {
    pub fn new(seed: u64, links: [Link; 2]) -> Self {
        let start = Instant::now();
        Self {
            now: start,
            start,
            nodes: [Node::new(start, seed), Node::new(start, seed ^ 0xabcd)],
            addresses: ["192.0.2.1:1000".parse().unwrap(), "198.51.100.2:2000".parse().unwrap()],
            links,
            random: StdRng::seed_from_u64(seed),
            on_the_way: BinaryHeap::new(),
            arrivals: BTreeMap::new(),
            next: 0,
            to_write: BTreeMap::new(),
            shut_when_written: true,
            seen: BTreeMap::new(),
            stalled: [false; 2],
            accepted: Vec::new(),
            sent: [(0, 0); 2],
            largest: 0,
            others: Vec::new(),
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Node 0 calls node 1.
    pub fn connect(&mut self) -> Handle {
        let handle = self.nodes[0].connect(self.now, self.addresses[1]).unwrap();
        self.seen.insert((0, handle), Seen::default());
        handle
    }

    pub fn at(&mut self, when: Instant, arrival: Arrival) {
        self.next += 1;
        self.arrivals.insert(self.next, arrival);
        self.on_the_way.push(Reverse((when, self.next)));
    }

    /// Sends one datagram away from node `from`.
    pub fn send(&mut self, from: usize, bytes: &[u8]) {
        self.sent[from].0 += 1;
        self.sent[from].1 += bytes.len() as u64;
        self.largest = self.largest.max(bytes.len());
        if bytes.len() > self.links[from].mtu {
            return;
        }
        let copies = 1 + u32::from(self.random.random_bool(self.links[from].duplicate));
        for _ in 0..copies {
            if let Some(when) = self.links[from].pass(self.now, bytes.len() + 28, &mut self.random) {
                let when = self.seen_at(from, when);
                self.at(when, Arrival::Datagram { to: 1 - from, bytes: bytes.to_vec() });
            }
        }
    }

    /// When the program at the end of a link sees what arrives at this time.
    fn seen_at(&self, link: usize, arrives: Instant) -> Instant {
        let Some((every, length)) = self.links[link].stalls else { return arrives };
        let since = (arrives - self.start).as_nanos();
        let into = Duration::from_nanos((since % every.as_nanos()) as u64);
        if into + length >= every { arrives + (every - into) } else { arrives }
    }

    fn flush(&mut self) {
        let mut out = Vec::new();
        for from in 0..2 {
            self.work(from);
            while let Some(transmit) = self.nodes[from].poll_transmit(self.now, &mut out) {
                assert_eq!(transmit.to, self.addresses[1 - from]);
                for datagram in out.chunks(transmit.segment) {
                    self.send(from, datagram);
                }
            }
        }
    }

    /// What owners do: they read all there is, and write as much as they may.
    fn work(&mut self, at: usize) {
        let now = self.now;
        while let Some(event) = self.nodes[at].poll_event() {
            if let Event::Incoming(handle, _) = event {
                self.accepted.push((at, handle));
                self.seen.insert((at, handle), Seen::default());
            }
        }
        let mut buffer = [0; 32 << 10];
        for (&(node, handle), seen) in &mut self.seen {
            if node != at || seen.error.is_some() {
                continue;
            }
            seen.connected |= self.nodes[at].is_connected(handle).unwrap_or(false);
            while !seen.ended && !self.stalled[at] {
                match self.nodes[at].read(now, handle, &mut buffer) {
                    Ok(Some(0)) => seen.ended = true,
                    Ok(Some(length)) => seen.received.extend_from_slice(&buffer[..length]),
                    Ok(None) => break,
                    Err(error) => {
                        seen.error = Some(error);
                        break;
                    }
                }
            }
            let Some((bytes, written)) = self.to_write.get_mut(&(node, handle)) else { continue };
            while *written < bytes.len() {
                let Ok(Some(length)) = self.nodes[at].write(now, handle, &[&bytes[*written..]]) else {
                    break;
                };
                *written += length;
                if *written == bytes.len() && self.shut_when_written {
                    self.nodes[at].shutdown(now, handle);
                }
            }
        }
    }

    /// Goes on to the next thing that happens, not beyond `until`; false: there is none before that.
    pub fn step(&mut self, until: Instant) -> bool {
        self.flush();
        let arrival = self.on_the_way.peek().map(|Reverse((when, _))| *when);
        let timeouts = self.nodes.iter().filter_map(Node::next_timeout);
        let next = timeouts.chain(arrival).min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        while let Some(&Reverse((when, n))) = self.on_the_way.peek() {
            if when > self.now {
                break;
            }
            self.on_the_way.pop();
            match self.arrivals.remove(&n) {
                Some(Arrival::Datagram { to, bytes }) => {
                    self.nodes[to].handle(self.now, self.addresses[1 - to], None, &bytes);
                }
                Some(Arrival::Other(n)) => self.others.push((self.now, n)),
                None => {}
            }
        }
        for node in &mut self.nodes {
            node.timeout(self.now);
        }
        self.flush();
        true
    }

    /// Runs until something is so; false: it is not within this time.
    pub fn run(&mut self, within: Duration, mut until: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + within;
        loop {
            if until(self) {
                return true;
            }
            if !self.step(end) {
                return until(self);
            }
        }
    }

    /// Runs for so long.
    pub fn pass(&mut self, time: Duration) {
        self.run(time, |_| false);
    }
}

/// Bytes that are nowhere the same.
pub fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes[..]);
    bytes
}

/// A transfer from node 0 to node 1, and the bytes of it that arrived within this time.
pub fn transfer(net: &mut Net, bytes: Vec<u8>, within: Duration) -> Handle {
    let handle = net.connect();
    net.to_write.insert((0, handle), (bytes, 0));
    net.run(within, |net| net.accepted.last().is_some_and(|accepted| net.seen[accepted].ended));
    handle
}
