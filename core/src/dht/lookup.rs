//! One search (BEP 5): asks whoever is nearest to a point for nearer ones, until the eight nearest have
//! answered.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::id::{Contact, Distance, NodeId, Seat};
use super::{K, table};

/// Questions on their way at once.
const ALPHA: usize = 4;

/// Whoever takes longer is not waited for before another is asked, though its answer still counts.
const SLOW: Duration = Duration::from_millis(1_500);

/// Nodes that are remembered: those farther away do not matter.
const MAX_CANDIDATES: usize = 64;

/// Questions of one search. An honest one takes some twenty; liars could make more.
const MAX_ASKED: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    New,
    Asked(Instant),
    Answered(Option<Vec<u8>>),
    Failed,
}

#[derive(Clone, Debug)]
struct Candidate {
    contact: Contact,
    distance: Distance,
    seat: Seat,
    state: State,
}

/// A search that is under way.
#[derive(Debug)]
pub struct Lookup {
    target: NodeId,
    /// By distance.
    candidates: Vec<Candidate>,
    /// Addresses whose names are not known.
    strangers: VecDeque<SocketAddr>,
    /// Those of them that were asked.
    strange: Vec<SocketAddr>,
    asked: usize,
    answered: usize,
}

impl Lookup {
    /// Begins with these.
    pub fn new(target: NodeId, known: Vec<Contact>, strangers: Vec<SocketAddr>) -> Self {
        let mut lookup = Self {
            target,
            candidates: Vec::new(),
            strangers: strangers.into(),
            strange: Vec::new(),
            asked: 0,
            answered: 0,
        };
        known.into_iter().for_each(|contact| lookup.add(contact));
        lookup
    }

    /// What is searched for.
    pub const fn target(&self) -> &NodeId {
        &self.target
    }

    /// Nodes that have answered.
    pub const fn answers(&self) -> usize {
        self.answered
    }

    /// Whom to ask next, among those that may be asked now. Whoever is returned is to be asked.
    pub fn next(
        &mut self,
        now: Instant,
        mut may_ask: impl FnMut(&SocketAddr) -> bool,
    ) -> Option<(Option<NodeId>, SocketAddr)> {
        let is_slow = |at: &Instant| now.saturating_duration_since(*at) >= SLOW;
        let fresh = |candidate: &&Candidate| matches!(&candidate.state, State::Asked(at) if !is_slow(at));
        let waiting = self.candidates.iter().filter(fresh).count() + self.strange.len();
        if waiting >= ALPHA || self.asked >= MAX_ASKED {
            return None;
        }
        let nearest = self.candidates.iter_mut().filter(|candidate| match &candidate.state {
            State::Failed => false,
            State::Asked(at) => !is_slow(at),
            State::New | State::Answered(_) => true,
        });
        let mut new = nearest.take(K).filter(|candidate| candidate.state == State::New);
        if let Some(next) = new.find(|candidate| may_ask(&candidate.contact.address)) {
            next.state = State::Asked(now);
            self.asked += 1;
            return Some((Some(next.contact.id), next.contact.address));
        }
        let stranger = self.strangers.iter().position(may_ask)?;
        let stranger = self.strangers.remove(stranger)?;
        self.strange.push(stranger);
        self.asked += 1;
        Some((None, stranger))
    }

    /// The one that was to be asked was not: it is asked again later.
    pub fn not_asked(&mut self, address: &SocketAddr) {
        self.asked = self.asked.saturating_sub(1);
        if let Some(candidate) = self.candidates.iter_mut().find(|c| c.contact.address == *address) {
            candidate.state = State::New;
        } else if let Some(at) = self.strange.iter().position(|stranger| stranger == address) {
            self.strangers.push_front(self.strange.swap_remove(at));
        }
    }

    /// A node that was asked has answered.
    pub fn answered(&mut self, from: Contact, token: Option<&[u8]>, nodes: impl Iterator<Item = Contact>) {
        let state = State::Answered(token.map(<[u8]>::to_vec));
        self.strange.retain(|stranger| *stranger != from.address);
        match self.candidates.iter_mut().find(|c| c.contact.address == from.address) {
            // Under another name than we were told: it is not where it was said to be.
            Some(there) if there.contact.id != from.id => {
                there.state = State::Failed;
                self.insert(from, state);
            }
            Some(there) => there.state = state,
            None => self.insert(from, state),
        }
        self.answered += 1;
        nodes.for_each(|contact| self.add(contact));
    }

    /// A node did not answer, or refused.
    pub fn failed(&mut self, address: &SocketAddr) {
        self.strange.retain(|stranger| stranger != address);
        let asked = |c: &&mut Candidate| c.contact.address == *address && matches!(c.state, State::Asked(_));
        if let Some(candidate) = self.candidates.iter_mut().find(asked) {
            candidate.state = State::Failed;
        }
    }

    /// Whether the nearest have answered, and nobody is left who might know nearer ones.
    pub fn is_done(&self) -> bool {
        let over = |candidate: &Candidate| matches!(candidate.state, State::Answered(_));
        let alive = |candidate: &&Candidate| candidate.state != State::Failed;
        if self.asked >= MAX_ASKED {
            return !self.candidates.iter().any(|c| matches!(c.state, State::Asked(_)));
        }
        self.candidates.iter().filter(alive).take(K).all(over)
            && self.strange.is_empty()
            && self.strangers.is_empty()
    }

    /// The eight nearest of those that gave a token.
    pub fn to_announce(&self) -> Vec<(Contact, Vec<u8>)> {
        let with_token = |candidate: &Candidate| match &candidate.state {
            State::Answered(Some(token)) => Some((candidate.contact, token.clone())),
            _ => None,
        };
        self.candidates.iter().filter_map(with_token).take(K).collect()
    }

    fn add(&mut self, contact: Contact) {
        self.insert(contact, State::New);
    }

    fn insert(&mut self, contact: Contact, state: State) {
        let Contact { id, address } = contact;
        let distance = id.distance(&self.target);
        let at = self.candidates.partition_point(|other| other.distance < distance);
        if at >= MAX_CANDIDATES {
            return;
        }
        let seat = Seat::of(&address);
        let taken = |other: &Candidate| {
            other.distance == distance
                || other.state != State::Failed && (other.seat == seat || other.contact.address == address)
        };
        if !self.candidates.iter().any(taken) {
            self.candidates.insert(at, Candidate { contact, distance, seat, state });
            self.candidates.truncate(MAX_CANDIDATES);
        }
    }
}

/// Who a search begins with: good ones and those that may be.
pub(super) const BEGIN_WITH: table::Health = table::Health::Questionable;
