//! The routing table (BEP 5): whom we know, in buckets that are finer the nearer to us.
//!
//! Only who answered us is in it. A bucket has one node of each /24 or /64, and those whose id fits their
//! address (BEP 42) go before others, so that nobody fills it with names of his own making. BEP 5 splits
//! the bucket that we are in; here bucket `n` is all that shares exactly `n` bits with us, which comes to the
//! same. The first ones are larger, as in libtorrent: searches begin nearer to their end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rustc_hash::FxHashMap;

use super::K;
use super::bep42;
use super::id::{Contact, NodeId, Seat};

/// After that long in silence a node is questionable, and a bucket is looked after (BEP 5).
const FRESH: Duration = Duration::from_secs(15 * 60);

/// Questions in a row without an answer that make a node bad (BEP 5: try once more).
const BAD: u8 = 2;

/// ... and that end its stay even without another to take its place, while others do answer.
const GONE: u8 = 5;

/// Nodes that wait for a place in a bucket.
const SPARE: usize = K;

/// A node that did not answer is not asked again before.
const AGAIN: Duration = Duration::from_secs(60);

/// What BEP 5 says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It answered or asked within 15 minutes.
    Good,
    /// It did before.
    Questionable,
    /// It does not answer.
    Bad,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    contact: Contact,
    /// Its last answer in this run.
    answered: Option<Instant>,
    /// Its last question to us, if it ever answered.
    asked_us: Option<Instant>,
    /// Our last question to it that went without an answer.
    failed: Option<Instant>,
    failures: u8,
    seat: Seat,
    /// Its id fits its address.
    fits: bool,
}

impl Node {
    fn new(contact: Contact, answered: Option<Instant>) -> Self {
        let fits = bep42::fits(&contact.id, contact.address.ip());
        let seat = Seat::of(&contact.address);
        Self { contact, answered, asked_us: None, failed: None, failures: 0, seat, fits }
    }

    fn health(&self, now: Instant) -> Health {
        let fresh = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < FRESH);
        if self.failures >= BAD {
            Health::Bad
        } else if fresh(self.answered) || fresh(self.asked_us) {
            Health::Good
        } else {
            Health::Questionable
        }
    }

    fn last_seen(&self) -> Option<Instant> {
        self.answered.max(self.asked_us)
    }
}

#[derive(Debug, Default)]
struct Bucket {
    nodes: Vec<Node>,
    /// Who answered and found no place, the newest last.
    spare: Vec<Node>,
    /// When somebody in it last answered or came; `None`: never.
    changed: Option<Instant>,
    /// When a search in it was last begun.
    refreshed: Option<Instant>,
}

/// The table of one family.
#[derive(Debug)]
pub struct Table {
    own: NodeId,
    buckets: Vec<Bucket>,
    addresses: FxHashMap<SocketAddr, NodeId>,
    /// When anybody last answered.
    heard: Option<Instant>,
}

const fn size(bucket: usize) -> usize {
    match bucket {
        0 => 128,
        1 => 64,
        2 => 32,
        3 => 16,
        _ => K,
    }
}

impl Table {
    /// An empty one, around our own id.
    pub fn new(own: NodeId) -> Self {
        let buckets = std::iter::repeat_with(Bucket::default).take(NodeId::BITS).collect();
        Self { own, buckets, addresses: FxHashMap::default(), heard: None }
    }

    /// Our own id.
    pub const fn own(&self) -> &NodeId {
        &self.own
    }

    /// Goes on around another id; nodes find their places anew.
    pub fn rename(&mut self, own: NodeId) {
        let mut nodes: Vec<_> = std::mem::take(&mut self.buckets).into_iter().flat_map(|b| b.nodes).collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.last_seen()));
        let heard = self.heard;
        *self = Self::new(own);
        self.heard = heard;
        for node in nodes {
            self.place(node);
        }
    }

    /// A node of the last run: questionable until it answers.
    pub fn restore(&mut self, contact: Contact) {
        if !self.addresses.contains_key(&contact.address) {
            self.place(Node::new(contact, None));
        }
    }

    /// A node answered. Whether it is in the table now.
    pub fn answered(&mut self, now: Instant, contact: Contact) -> bool {
        self.heard = Some(now);
        if let Some(before) = self.addresses.get(&contact.address).copied()
            && before != contact.id
        {
            // It began anew under another name, or somebody has taken its place.
            self.remove(&before);
        }
        let bucket = self.bucket_of(&contact.id);
        let known = self.buckets[bucket].nodes.iter_mut().find(|node| node.contact.id == contact.id);
        if let Some(node) = known {
            if node.contact.address == contact.address {
                (node.answered, node.failures) = (Some(now), 0);
                self.buckets[bucket].changed = Some(now);
                return true;
            }
            if node.health(now) == Health::Good {
                // Two with one name: who was there first stays as long as it is well.
                return false;
            }
            self.remove(&contact.id);
        }
        self.place(Node::new(contact, Some(now)))
    }

    /// A node asks us. Whether it would be of use: then it is to be asked whether it answers.
    pub fn asked(&mut self, now: Instant, contact: &Contact) -> bool {
        let bucket = self.bucket_of(&contact.id);
        let known = self.buckets[bucket].nodes.iter_mut().find(|node| node.contact == *contact);
        if let Some(node) = known {
            node.asked_us = Some(now);
        }
        self.lacks(now, contact)
    }

    /// Whether a node would be of use, if it answers.
    pub fn lacks(&self, now: Instant, contact: &Contact) -> bool {
        if contact.id == self.own {
            return false;
        }
        let bucket = self.bucket_of(&contact.id);
        if let Some(node) = self.buckets[bucket].nodes.iter().find(|node| node.contact == *contact) {
            // A node of the last run that never answered in this one still has to.
            return node.answered.is_none();
        }
        let (seat, fits) = (Seat::of(&contact.address), bep42::fits(&contact.id, contact.address.ip()));
        let Bucket { nodes, .. } = &self.buckets[bucket];
        let worse = |node: &&Node| node.health(now) != Health::Good || fits && !node.fits;
        match nodes.iter().find(|node| node.seat == seat) {
            Some(there) => worse(&there),
            None => nodes.len() < size(bucket) || nodes.iter().any(|node| worse(&node)),
        }
    }

    /// A node did not answer.
    pub fn failed(&mut self, now: Instant, address: &SocketAddr) {
        let Some(id) = self.addresses.get(address).copied() else { return };
        let bucket = self.bucket_of(&id);
        // Without any answer lately it is rather our own network that is down.
        let others_answer = self.heard.is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
        let Bucket { nodes, spare, .. } = &mut self.buckets[bucket];
        let Some(node) = nodes.iter_mut().find(|node| node.contact.id == id) else { return };
        node.failures = node.failures.saturating_add(u8::from(others_answer || node.failures < BAD));
        node.failed = Some(now);
        let failures = node.failures;
        let seat = Seat::of(address);
        let successor = spare.iter().rposition(|spare| {
            let other = spare.seat;
            other == seat || !nodes.iter().any(|node| node.seat == other)
        });
        if failures >= BAD
            && let Some(successor) = successor
        {
            let successor = spare.remove(successor);
            self.remove(&id);
            self.place(successor);
        } else if failures >= GONE && others_answer {
            self.remove(&id);
        }
    }

    /// At most `most` nodes that are nearest to a point and not worse than `health`, the nearest first.
    pub fn closest(&self, now: Instant, target: &NodeId, most: usize, health: Health) -> Vec<Contact> {
        let mut found: Vec<Contact> = Vec::new();
        let shared = self.bucket_of(target);
        // What shares `shared` bits with us is nearest, then all that is nearer to us, then farther ones.
        let rest = (0..shared).rev().map(|bucket| bucket..bucket + 1);
        for range in [shared..shared + 1, shared + 1..NodeId::BITS].into_iter().chain(rest) {
            if found.len() >= most {
                break;
            }
            let from = found.len();
            let nodes = self.buckets[range].iter().flat_map(|bucket| &bucket.nodes);
            found.extend(nodes.filter(|node| node.health(now) <= health).map(|node| node.contact));
            found[from..].sort_unstable_by_key(|contact| contact.id.distance(target));
        }
        found.truncate(most);
        found
    }

    /// The node that was silent for longest, if it is questionable and not asked just now: whether it
    /// is still there.
    pub fn to_ping(&self, now: Instant) -> Option<Contact> {
        let rests = |node: &Node| node.failed.is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
        let nodes = self.buckets.iter().flat_map(|bucket| &bucket.nodes);
        let due = nodes.filter(|node| node.health(now) != Health::Good && !rests(node));
        due.min_by_key(|node| (node.failed, node.last_seen())).map(|node| node.contact)
    }

    /// A point in a bucket where nothing happened for 15 minutes; a search there mends it.
    pub fn to_refresh(&mut self, now: Instant, random: &mut StdRng) -> Option<NodeId> {
        let deepest = self.buckets.iter().rposition(|bucket| !bucket.nodes.is_empty())?;
        let stale = |at: Option<Instant>| at.is_none_or(|at| now.saturating_duration_since(at) >= FRESH);
        let bucket = (0..=deepest).find(|&bucket| {
            let Bucket { changed, refreshed, .. } = &self.buckets[bucket];
            stale(*changed) && stale(*refreshed)
        })?;
        self.buckets[bucket].refreshed = Some(now);
        Some(self.own.random_beside(bucket, random))
    }

    /// Whether somebody answers at this address.
    pub fn is_verified(&self, address: &SocketAddr) -> bool {
        let Some(id) = self.addresses.get(address) else { return false };
        let nodes = &self.buckets[self.bucket_of(id)].nodes;
        nodes.iter().any(|node| node.contact.address == *address && node.answered.is_some())
    }

    /// Nodes, and how many of them are good.
    pub fn count(&self, now: Instant) -> (usize, usize) {
        let nodes = self.buckets.iter().flat_map(|bucket| &bucket.nodes);
        let good = nodes.filter(|node| node.health(now) == Health::Good).count();
        (self.addresses.len(), good)
    }

    /// Those that are worth keeping for the next run.
    pub fn to_save(&self) -> impl Iterator<Item = Contact> + '_ {
        let nodes = self.buckets.iter().flat_map(|bucket| &bucket.nodes);
        nodes.filter(|node| node.failures < BAD).map(|node| node.contact)
    }

    fn bucket_of(&self, id: &NodeId) -> usize {
        self.own.shared_bits(id).min(NodeId::BITS - 1)
    }

    fn remove(&mut self, id: &NodeId) {
        let bucket = self.bucket_of(id);
        let nodes = &mut self.buckets[bucket].nodes;
        if let Some(at) = nodes.iter().position(|node| node.contact.id == *id) {
            let gone = nodes.swap_remove(at);
            self.addresses.remove(&gone.contact.address);
        }
    }

    /// Finds a place for a node that is not there; whether there was one.
    fn place(&mut self, node: Node) -> bool {
        if node.contact.id == self.own {
            return false;
        }
        let index = self.bucket_of(&node.contact.id);
        let Bucket { nodes, spare, changed, .. } = &mut self.buckets[index];
        spare.retain(|spare| spare.contact.id != node.contact.id);
        let seat = node.seat;
        let gives_way = |there: &Node| there.failures >= BAD || node.fits && !there.fits;
        let at = match nodes.iter().position(|there| there.seat == seat) {
            Some(at) if gives_way(&nodes[at]) => at,
            Some(_) => return false,
            None if nodes.len() < size(index) => {
                *changed = node.answered.max(*changed);
                self.addresses.insert(node.contact.address, node.contact.id);
                nodes.push(node);
                return true;
            }
            None => match nodes.iter().position(gives_way) {
                Some(at) => at,
                None => {
                    if spare.len() == SPARE {
                        spare.remove(0);
                    }
                    spare.push(node);
                    return false;
                }
            },
        };
        *changed = node.answered.max(*changed);
        self.addresses.remove(&nodes[at].contact.address);
        self.addresses.insert(node.contact.address, node.contact.id);
        nodes[at] = node;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rand::SeedableRng;

    use super::*;

    const OWN: NodeId = NodeId::new([0; 20]);
    const MINUTE: Duration = Duration::from_secs(60);

    /// A node of a /24 of its own that shares `bits` bits with us. Ids fit no address.
    fn contact(bits: usize, n: u32) -> Contact {
        let mut random = StdRng::seed_from_u64(n.into());
        let address = SocketAddr::new(Ipv4Addr::from(0x0b00_0001 + (n << 8)).into(), 1);
        Contact { id: OWN.random_beside(bits, &mut random), address }
    }

    #[test]
    fn good_questionable_and_bad_as_bep_5_has_it() {
        let now = Instant::now();
        let mut table = Table::new(OWN);
        let node = contact(0, 1);
        let health = |table: &Table, now| table.buckets[0].nodes[0].health(now);
        assert!(!table.is_verified(&node.address));
        assert!(table.answered(now, node) && table.is_verified(&node.address));
        assert_eq!(health(&table, now + MINUTE * 14), Health::Good);
        let later = now + MINUTE * 15;
        assert_eq!(health(&table, later), Health::Questionable);
        assert_eq!(table.to_ping(later), Some(node));
        // It ever answered, and asks: good.
        assert!(!table.asked(later, &node));
        assert_eq!(health(&table, later), Health::Good);
        assert_eq!(table.to_ping(later), None);
        table.failed(later, &node.address);
        assert_eq!(health(&table, later), Health::Good, "once is not often");
        table.failed(later, &node.address);
        assert_eq!(health(&table, later), Health::Bad);
        assert_eq!(
            (table.closest(later, &OWN, 8, Health::Questionable), table.count(later)),
            (vec![], (1, 0))
        );
        // Nobody answers us: it may be our network. Once another does, who does not goes.
        for _ in 0..20 {
            table.failed(later, &node.address);
        }
        assert_eq!(table.count(later).0, 1);
        table.answered(later, contact(1, 2));
        for _ in 0..GONE {
            table.failed(later, &node.address);
        }
        assert_eq!(table.count(later).0, 1);
        assert!(!table.addresses.contains_key(&node.address));
    }

    #[test]
    fn a_full_bucket_replaces_the_bad_ones_only() {
        let now = Instant::now();
        let mut table = Table::new(OWN);
        for n in 0..K as u32 {
            assert!(table.answered(now, contact(9, n)));
        }
        let (late, later) = (contact(9, 100), contact(9, 101));
        assert!(!table.asked(now, &late) && !table.answered(now, late) && !table.answered(now, later));
        assert_eq!(table.count(now), (K, K));
        let victim = contact(9, 3);
        table.failed(now, &victim.address);
        table.failed(now, &victim.address);
        assert!(table.is_verified(&later.address), "the newest of those that wait has its place");
        assert!(!table.is_verified(&victim.address));
        assert_eq!(table.count(now), (K, K));
        // After a quarter of an hour in silence newcomers are worth a question.
        assert!(table.asked(now + MINUTE * 20, &contact(9, 200)));
    }

    #[test]
    fn a_bucket_has_one_node_of_a_network_and_prefers_ids_that_fit() {
        let now = Instant::now();
        let mut table = Table::new(OWN);
        let first = contact(0, 1);
        let mut second = contact(0, 2);
        second.address = SocketAddr::new([11, 0, 1, 77].into(), 9);
        assert!(table.answered(now, first) && !table.asked(now, &second) && !table.answered(now, second));
        let mut random = StdRng::seed_from_u64(7);
        let fitting = std::iter::repeat_with(|| bep42::make(second.address.ip(), &mut random));
        let fitting = fitting.take(100).find(|id| OWN.shared_bits(id) == 0);
        let Some(fitting) = fitting.map(|id| Contact { id, ..second }) else {
            return;
        };
        assert!(table.asked(now, &fitting) && table.answered(now, fitting));
        assert_eq!(table.closest(now, &first.id, 8, Health::Good), [fitting]);
    }

    #[test]
    fn names_and_addresses_are_one_to_one() {
        let now = Instant::now();
        let mut table = Table::new(OWN);
        let node = contact(3, 1);
        table.answered(now, node);
        let moved = Contact { address: contact(3, 2).address, ..node };
        assert!(!table.answered(now, moved), "a good node keeps its name");
        let renamed = Contact { id: contact(5, 9).id, ..node };
        assert!(table.answered(now, renamed));
        assert_eq!(table.closest(now, &OWN, 8, Health::Bad), [renamed]);
        assert!(table.answered(now + MINUTE * 20, Contact { address: moved.address, ..renamed }));
        assert_eq!(table.count(now).0, 1);
        assert!(!table.answered(now, Contact { id: OWN, ..moved }), "our own name");
    }

    #[test]
    fn the_closest_are_the_closest() {
        let now = Instant::now();
        let mut random = StdRng::seed_from_u64(3);
        let mut table = Table::new(NodeId::random(&mut random));
        for n in 0..3_000 {
            table.answered(now, Contact { id: NodeId::random(&mut random), ..contact(0, n) });
        }
        let mut all: Vec<_> = table.to_save().collect();
        assert!(all.len() > 250, "{}", all.len());
        for _ in 0..100 {
            let target = NodeId::random(&mut random);
            all.sort_by_key(|contact| contact.id.distance(&target));
            assert_eq!(table.closest(now, &target, 8, Health::Good), all[..8]);
        }
        // Around another name the nearest to it are there still.
        let own = NodeId::random(&mut random);
        all.sort_by_key(|contact| contact.id.distance(&own));
        table.rename(own);
        assert_eq!(table.closest(now, &own, 8, Health::Good), all[..8]);
    }

    #[test]
    fn buckets_in_silence_are_searched_once_in_a_quarter_of_an_hour() {
        let (now, mut random) = (Instant::now(), StdRng::seed_from_u64(3));
        let mut table = Table::new(OWN);
        assert_eq!(table.to_refresh(now, &mut random), None);
        for bits in 0..4 {
            table.answered(now, contact(bits, bits as u32));
        }
        assert_eq!(table.to_refresh(now, &mut random), None);
        let later = now + MINUTE * 15;
        table.answered(later, contact(1, 1));
        let targets = std::iter::from_fn(|| table.to_refresh(later, &mut random));
        let bits: Vec<_> = targets.map(|target| OWN.shared_bits(&target)).collect();
        assert_eq!(bits, [0, 2, 3]);
    }
}
