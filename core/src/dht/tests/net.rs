//! A net of nodes in one thread, under a virtual clock: every datagram takes its time, and some are lost.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::dht::node::{Event, Node, Options};
use crate::dht::{Contact, Family, Saved};

/// What happens when: a datagram arrives, or something is due.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    number: u64,
    node: usize,
    datagram: Option<(SocketAddr, Vec<u8>)>,
}

/// A datagram that somebody sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub to: SocketAddr,
    pub bytes: usize,
}

pub struct Net {
    pub now: Instant,
    pub nodes: Vec<Node>,
    /// Of one hundred datagrams.
    pub lost: u32,
    /// What each node had to say.
    pub events: Vec<Vec<Event>>,
    /// What this node sent.
    pub watched: Option<usize>,
    pub sent: Vec<Sent>,
    pub random: StdRng,
    addresses: HashMap<SocketAddr, usize>,
    queue: BinaryHeap<Reverse<Due>>,
    number: u64,
    /// When each node is woken next; those that are not woken only answer.
    woken: Vec<Option<Instant>>,
}

/// The addresses of a node, each in a network of its own.
pub fn addresses(n: usize) -> [SocketAddr; 2] {
    let n = n as u32;
    let v4 = Ipv4Addr::from(0x0b00_0001 + (n << 8));
    let v6 = Ipv6Addr::new(0x2a11, (n >> 16) as u16, n as u16, 0, 0, 0, 0, 1);
    [SocketAddr::new(v4.into(), 6881), SocketAddr::new(v6.into(), 6881)]
}

impl Net {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::now(),
            nodes: Vec::new(),
            lost: 0,
            events: Vec::new(),
            watched: None,
            sent: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            addresses: HashMap::new(),
            queue: BinaryHeap::new(),
            number: 0,
            woken: Vec::new(),
        }
    }

    /// Another node, with an id that fits its address if `knows_itself`.
    pub fn add(&mut self, knows_itself: bool, saved: &Saved) -> usize {
        let n = self.nodes.len();
        let at = addresses(n);
        let known = if knows_itself { at.map(|address| Some(address.ip())) } else { [None; 2] };
        let options = Options { addresses: known, ..Options::default() };
        let mut node = Node::new(self.now, self.random.random(), options, saved);
        node.open([true; 2], Some(6881));
        self.nodes.push(node);
        self.events.push(Vec::new());
        self.woken.push(None);
        self.addresses.extend(at.map(|address| (address, n)));
        n
    }

    /// Lets a node do things of its own.
    pub fn wake(&mut self, n: usize) {
        self.woken[n] = Some(self.now);
        self.push(Due { at: self.now, number: 0, node: n, datagram: None });
    }

    pub fn contacts(&self, n: usize) -> [Contact; 2] {
        let (ids, addresses) = (self.nodes[n].ids(), addresses(n));
        [0, 1].map(|side: usize| Contact { id: ids[side], address: addresses[side] })
    }

    /// Makes the first node know the second, as if it had answered.
    pub fn introduce(&mut self, knows: usize, known: usize) {
        for (contact, family) in self.contacts(known).into_iter().zip(Family::ALL) {
            self.nodes[knows].sides[family as usize].table.answered(self.now, contact);
        }
    }

    /// Takes what a node sent since.
    pub fn collect(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let (sends, events) = (node.take_sends(), node.take_events());
        let due = node.next_due();
        self.events[n].extend(events);
        for (to, bytes) in sends {
            if self.watched == Some(n) {
                self.sent.push(Sent { at: self.now, to, bytes: bytes.len() });
            }
            let Some(node) = self.addresses.get(&to).copied() else { continue };
            if self.random.random_range(0..100) < self.lost {
                continue;
            }
            let from = addresses(n)[usize::from(to.is_ipv6())];
            let at = self.now + Duration::from_millis(self.random.random_range(10..60));
            self.push(Due { at, number: 0, node, datagram: Some((from, bytes)) });
        }
        if let Some(woken) = self.woken[n]
            && (woken <= self.now || due < woken)
        {
            let at = due.max(self.now + Duration::from_millis(1));
            self.woken[n] = Some(at);
            self.push(Due { at, number: 0, node: n, datagram: None });
        }
    }

    /// Goes on for that long, or until it is so.
    pub fn run(&mut self, time: Duration, mut until: impl FnMut(&Self) -> bool) {
        let end = self.now + time;
        let mut looked = self.now;
        while let Some(Reverse(due)) = self.queue.peek()
            && due.at <= end
        {
            let Some(Reverse(Due { at, node, datagram, .. })) = self.queue.pop() else { return };
            self.now = at;
            match datagram {
                Some((from, bytes)) => self.nodes[node].received(at, from, &bytes),
                None if self.woken[node] == Some(at) => self.nodes[node].timeout(at),
                None => continue,
            }
            self.collect(node);
            if looked + Duration::from_millis(100) <= at {
                looked = at;
                if until(self) {
                    return;
                }
            }
        }
        self.now = end;
    }

    fn push(&mut self, mut due: Due) {
        due.number = self.number;
        self.number += 1;
        self.queue.push(Reverse(due));
    }
}
