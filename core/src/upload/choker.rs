//! Who gets an upload slot (BEP 3, "Choking and optimistic unchoking").
//!
//! While downloading, the peers that send us most are unchoked; while seeding, peers take turns.
//! One more, the optimistic one, is unchoked whatever it gave: so newcomers get their first pieces,
//! and we learn who would be better. Sees rates, never sockets.
//!
//! # Invariants
//!
//! - Nobody is unchoked while more than `slots` others are, and with no slots nobody is.
//! - A link's choke state changes at most once in [`ROUND`]: aria2 drops a link that is choked and
//!   unchoked within five seconds. Only where there are no slots any more all are choked at once.
//! - An unchoked peer that has lost interest keeps its place until another peer wants it.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rustc_hash::FxHashMap;

use crate::types::LinkId;

/// Time between two rounds (BEP 3: ten seconds, long enough for TCP to reach its rate).
pub const ROUND: Duration = Duration::from_secs(10);

/// Turn of the optimistic peer: three rounds (BEP 3).
pub const OPTIMISTIC: Duration = Duration::from_secs(30);

/// Rounds that are due at once, because a slot became free, are at least this far apart: links that
/// come and go by the hundred must not cause hundreds of rounds.
const SOON: Duration = Duration::from_secs(1);

/// A peer is new until the optimistic slot has moved twice.
const NEW: Duration = Duration::from_secs(60);

/// Chances of a new peer to be the optimistic one, where another has one (BEP 3).
const NEW_WEIGHT: u32 = 3;

/// While seeding, a turn is over when the peer was given this much and [`TURN_LEAST`] has passed:
/// some pieces of usual size, which it can then pass on.
const TURN_BYTES: u64 = 16 << 20;

/// The shortest turn while seeding: fast peers must not make the slots spin.
const TURN_LEAST: Duration = Duration::from_secs(30);

/// The longest turn while seeding, when others wait: a slow peer must not keep a slot for ever.
const TURN_MOST: Duration = Duration::from_secs(120);

/// One link, as the choker sees it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its name.
    pub link: LinkId,
    /// Whether the peer wants something that we have.
    pub interested: bool,
    /// Bytes per second that it sends us: what it is paid for while we download.
    pub rate_down: u64,
    /// Bytes per second that we send it.
    pub rate_up: u64,
    /// Bytes of payload sent to it since it was unchoked last.
    pub uploaded_since_unchoke: u64,
    /// It owes us blocks for a minute: no more than the optimistic slot for it (BEP 3,
    /// "anti-snubbing").
    pub snubbed: bool,
    /// Whether it is unchoked now.
    pub unchoked: bool,
    /// When it was choked or unchoked last; `None` while it is choked as every link begins.
    pub changed_at: Option<Instant>,
    /// It has said that it downloads nothing (BEP 21): it gets no slot.
    pub upload_only: bool,
    /// When the link was made.
    pub connected_at: Instant,
}

impl Candidate {
    /// Whether a slot would be of use to it.
    pub fn wants_a_slot(&self) -> bool {
        self.interested && !self.upload_only
    }

    /// Whether its state changed so lately that it must stay as it is.
    fn is_settling(&self, now: Instant) -> bool {
        self.changed_at.is_some_and(|at| now.saturating_duration_since(at) < ROUND)
    }

    /// How long it has been choked or unchoked.
    fn in_state_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.changed_at.unwrap_or(self.connected_at))
    }

    fn turn_is_over(&self, now: Instant) -> bool {
        let turn = self.in_state_for(now);
        turn >= TURN_MOST || turn >= TURN_LEAST && self.uploaded_since_unchoke >= TURN_BYTES
    }
}

/// A link to be choked or unchoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub link: LinkId,
    /// `true` to unchoke it, `false` to choke it.
    pub unchoke: bool,
}

/// An unchoked link.
#[derive(Clone, Copy, Debug)]
struct Seat {
    interested: bool,
    since: Option<Instant>,
}

/// Decides which links of one session are unchoked.
#[derive(Debug)]
pub struct Choker {
    slots: usize,
    /// As it was in the last round.
    seeding: bool,
    /// The unchoked links.
    seats: FxHashMap<LinkId, Seat>,
    optimistic: Option<LinkId>,
    optimistic_since: Option<Instant>,
    last_round: Option<Instant>,
    next_round: Option<Instant>,
    rng: SmallRng,
}

impl Choker {
    /// Nobody is unchoked. `slots` are the regular ones, the optimistic one comes on top; with 0
    /// nobody is ever unchoked. Equal seeds give equal decisions.
    pub fn new(slots: usize, seed: u64) -> Self {
        Self {
            slots,
            seeding: false,
            seats: FxHashMap::default(),
            optimistic: None,
            optimistic_since: None,
            last_round: None,
            next_round: None,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// Changes the number of regular slots; a round is due soon.
    pub fn set_slots(&mut self, now: Instant, slots: usize) {
        if self.slots != slots {
            self.slots = slots;
            self.round_soon(now);
        }
    }

    /// A round is due soon, if anybody has a slot or wants one.
    pub fn hurry(&mut self, now: Instant) {
        if self.next_round.is_some() || !self.seats.is_empty() {
            self.round_soon(now);
        }
    }

    /// When [`round`](Self::round) is due; `None` while nobody wants a slot and nobody has one.
    pub fn next_round(&self) -> Option<Instant> {
        self.next_round
    }

    /// The link that is unchoked whatever it gave.
    pub fn optimistic(&self) -> Option<LinkId> {
        self.optimistic
    }

    /// Decides anew. `peers` are all links of the session, as they are now; what comes back are
    /// the differences, chokes first, and the caller carries all of them out.
    pub fn round(&mut self, now: Instant, seeding: bool, peers: &[Candidate]) -> Vec<Change> {
        self.last_round = Some(now);
        self.seeding = seeding;
        if self.slots == 0 {
            return self.choke_all(now, peers);
        }
        // Places are taken first by those that must stay, then by rank, then by the optimistic one;
        // what is left over stays with unchoked peers that want nothing now.
        let places = self.slots + 1;
        let (eligible, idle): (Vec<&Candidate>, Vec<&Candidate>) =
            peers.iter().partition(|peer| peer.wants_a_slot());
        let mut idle: Vec<&Candidate> = idle.into_iter().filter(|peer| peer.unchoked).collect();
        let stuck = idle.iter().filter(|peer| peer.is_settling(now)).count();
        let places = places.saturating_sub(stuck);
        self.next_round = (!eligible.is_empty() || stuck > 0).then(|| now + ROUND);

        let moves = self.optimistic_moves(now, &eligible);
        let mut chosen = self.rank(now, moves, &eligible);
        let must = chosen.iter().filter(|peer| peer.unchoked && peer.is_settling(now)).count();
        let regular = if moves { places } else { places.saturating_sub(1) };
        chosen.truncate(self.slots.min(regular).max(must));
        self.choose_optimistic(now, moves, &eligible, &mut chosen, places);

        idle.sort_by_key(|peer| (!peer.is_settling(now), peer.in_state_for(now)));
        idle.truncate(stuck + places.saturating_sub(chosen.len()));
        self.seats = chosen
            .iter()
            .chain(&idle)
            .map(|peer| {
                let since = if peer.unchoked { peer.changed_at } else { Some(now) };
                (peer.link, Seat { interested: peer.wants_a_slot(), since })
            })
            .collect();
        let mut changes: Vec<Change> = peers
            .iter()
            .filter(|peer| self.seats.contains_key(&peer.link) != peer.unchoked)
            .map(|peer| Change { link: peer.link, unchoke: !peer.unchoked })
            .collect();
        changes.sort_by_key(|change| change.unchoke);
        changes
    }

    /// Nobody is to be sent anything: also those that were unchoked a moment ago.
    fn choke_all(&mut self, now: Instant, peers: &[Candidate]) -> Vec<Change> {
        self.seats.clear();
        (self.optimistic, self.optimistic_since) = (None, None);
        // Slots may be dealt to us again.
        self.next_round = peers.iter().any(Candidate::wants_a_slot).then(|| now + ROUND);
        let unchoked = peers.iter().filter(|peer| peer.unchoked);
        unchoked.map(|peer| Change { link: peer.link, unchoke: false }).collect()
    }

    /// The peer has become interested, or was so when it came. A free slot is given at once, and
    /// one whose peer wants nothing is passed on; else the peer waits for the round. The caller
    /// carries out what comes back.
    pub fn interested(&mut self, now: Instant, peer: &Candidate) -> Vec<Change> {
        if self.next_round.is_none() {
            self.next_round = Some(now + ROUND);
        }
        if let Some(seat) = self.seats.get_mut(&peer.link) {
            seat.interested = peer.wants_a_slot();
            return Vec::new();
        }
        let busy = self.seats.values().filter(|seat| seat.interested).count();
        let optimistic = self.optimistic.is_some_and(|link| self.seats.contains_key(&link));
        let regular_is_free = busy - usize::from(optimistic && busy > 0) < self.slots;
        let owes = peer.snubbed && !self.seeding;
        let refused = !peer.wants_a_slot() || owes || peer.unchoked || peer.is_settling(now);
        if self.slots == 0 || refused || (!regular_is_free && optimistic) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if self.seats.len() > self.slots {
            let settled = |seat: &Seat| {
                !seat.interested && seat.since.is_none_or(|at| now.saturating_duration_since(at) >= ROUND)
            };
            let Some(idle) = self.seats.iter().filter(|(_, seat)| settled(seat)).map(|(link, _)| *link).min()
            else {
                return Vec::new();
            };
            self.seats.remove(&idle);
            changes.push(Change { link: idle, unchoke: false });
        }
        if !regular_is_free {
            self.optimistic = Some(peer.link);
            self.optimistic_since = Some(now);
        }
        self.seats.insert(peer.link, Seat { interested: true, since: Some(now) });
        changes.push(Change { link: peer.link, unchoke: true });
        changes
    }

    /// The peer wants nothing any more. It stays unchoked, but its place is anybody's.
    pub fn uninterested(&mut self, now: Instant, link: LinkId) {
        if let Some(seat) = self.seats.get_mut(&link) {
            seat.interested = false;
            self.slot_freed(now, link);
        }
    }

    /// The link is gone, and its slot is free.
    pub fn gone(&mut self, now: Instant, link: LinkId) {
        if self.seats.remove(&link).is_some() {
            self.slot_freed(now, link);
        }
    }

    fn slot_freed(&mut self, now: Instant, link: LinkId) {
        if self.optimistic == Some(link) {
            self.optimistic = None;
        }
        self.round_soon(now);
    }

    fn round_soon(&mut self, now: Instant) {
        let soon = self.last_round.map_or(now, |last| now.max(last + SOON));
        self.next_round = Some(self.next_round.map_or(soon, |due| due.min(soon)));
    }

    /// Whether the optimistic slot goes to another peer in this round.
    fn optimistic_moves(&self, now: Instant, eligible: &[&Candidate]) -> bool {
        let current = eligible.iter().find(|peer| Some(peer.link) == self.optimistic && peer.unchoked);
        let turn_over =
            self.optimistic_since.is_none_or(|since| now.saturating_duration_since(since) >= OPTIMISTIC);
        current.is_none_or(|current| turn_over && !current.is_settling(now))
    }

    fn choose_optimistic<'a>(
        &mut self,
        now: Instant,
        moves: bool,
        eligible: &[&'a Candidate],
        chosen: &mut Vec<&'a Candidate>,
        places: usize,
    ) {
        let has_slot = |peer: &Candidate| chosen.iter().any(|other| other.link == peer.link);
        let current = eligible.iter().find(|peer| Some(peer.link) == self.optimistic).copied();
        let promoted = current.is_some_and(has_slot);
        if !moves && !promoted {
            // A place was kept for it, unless there are fewer slots than before.
            chosen.extend(current.filter(|current| places > 0 || current.is_settling(now)));
            return;
        }
        let ready: Vec<&Candidate> = eligible
            .iter()
            .copied()
            .filter(|peer| !has_slot(peer) && (peer.unchoked || !peer.is_settling(now)))
            .collect();
        let others: Vec<&Candidate> =
            ready.iter().copied().filter(|peer| Some(peer.link) != self.optimistic).collect();
        // With nobody else to give it to, it stays.
        let others = if others.is_empty() { ready } else { others };
        self.optimistic = None;
        if chosen.len() >= places || others.is_empty() {
            return;
        }
        let weight = |peer: &Candidate| {
            let is_new = now.saturating_duration_since(peer.connected_at) < NEW;
            if is_new { NEW_WEIGHT } else { 1 }
        };
        let mut at = self.rng.random_range(0..others.iter().map(|peer| weight(peer)).sum::<u32>());
        let lucky = others.into_iter().find(|peer| {
            let here = at < weight(peer);
            at = at.saturating_sub(weight(peer));
            here
        });
        if let Some(lucky) = lucky {
            self.optimistic = Some(lucky.link);
            self.optimistic_since = Some(now);
            chosen.push(lucky);
        }
    }
    /// Those that may have a regular slot, the first the most: those unchoked less than a round
    /// ago, then by what they give us, or, while seeding, by turns.
    fn rank<'a>(&self, now: Instant, moves: bool, eligible: &[&'a Candidate]) -> Vec<&'a Candidate> {
        let seeding = self.seeding;
        let is_optimistic = |peer: &Candidate| Some(peer.link) == self.optimistic;
        let must = |peer: &Candidate| peer.unchoked && peer.is_settling(now);
        let mut ranked: Vec<&Candidate> = eligible
            .iter()
            .copied()
            .filter(|peer| match (must(peer), is_optimistic(peer) && !moves) {
                (must, false) => must || (!peer.is_settling(now) && (seeding || !peer.snubbed)),
                // It has a slot already, and moves to a regular one only when it has earned it.
                (must, true) => !must && !seeding && !peer.snubbed && peer.rate_down > 0,
            })
            .collect();
        ranked.sort_by_key(|peer| {
            let state = peer.in_state_for(now);
            // While seeding: turns that run; then those that wait, the longest first; then turns
            // that are over, the one that uses its slot best first. While downloading, between
            // equals an unchoked one stays, and the one that waits longest comes.
            let (stage, rate) = match (seeding, peer.unchoked) {
                (true, true) if peer.turn_is_over(now) => (2, peer.rate_up),
                (true, unchoked) => (u8::from(!unchoked), 0),
                (false, _) => (0, peer.rate_down),
            };
            (
                !must(peer),
                stage,
                Reverse(rate),
                is_optimistic(peer),
                !peer.unchoked,
                Reverse(state),
                peer.link,
            )
        });
        ranked
    }
}
