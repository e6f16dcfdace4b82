//! What others get of us: answers to their questions (BEP 5), within limits for each of them and for all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rustc_hash::FxHashMap;

use super::K;
use super::id::{Family, Host};
use super::krpc::{self, Answer, Query, Refusal, Want};
use super::pace::Budget;
use super::store::PeerStore;
use super::table::{Health, Table};
use super::token::Tokens;

/// Bytes of answers per second, to all together (as libtorrent's `dht_upload_rate_limit`), and
/// what may be saved up: ten seconds' worth, as searches come in bursts.
const RATE: u64 = 8_000;
const BURST: u64 = 10 * RATE;

/// Questions of one host within [`SPAN`] that are answered: five a second; libtorrent bears as many.
const PER_HOST: u32 = 50;
const SPAN: Duration = Duration::from_secs(10);

/// Who asks more than that is not heard for as long.
const BLOCKED: Duration = Duration::from_secs(5 * 60);

/// Hosts that are counted. With more of them the bound on all answers holds.
const MAX_HOSTS: usize = 4_096;

/// Answers longer than their question for a host that has not proven its address, within [`FORGET`]: it may
/// be forged, and the answer hits somebody else. Enough for one who searches and is gone; who asks more is
/// asked whether it is there.
const FULL_ANSWERS: u32 = 3;
const FORGET: Duration = Duration::from_secs(60);

/// How long a proof holds: an answer to a question of ours, or a token.
const PROVEN: Duration = Duration::from_secs(30 * 60);

/// Peers in one answer: what fits a datagram.
const MAX_VALUES: usize = 100;

#[derive(Clone, Copy, Debug)]
struct Asker {
    since: Instant,
    questions: u32,
    blocked: Option<Instant>,
    first: Instant,
    full: u32,
    proven: Option<Instant>,
}

impl Asker {
    const fn new(now: Instant) -> Self {
        Self { since: now, questions: 0, blocked: None, first: now, full: 0, proven: None }
    }

    fn is_proven(&self, now: Instant) -> bool {
        self.proven.is_some_and(|at| now.saturating_duration_since(at) < PROVEN)
    }
}

/// The part of the node that answers.
#[derive(Debug)]
pub struct Server {
    tokens: Tokens,
    store: PeerStore,
    askers: FxHashMap<Host, Asker>,
    budget: Budget,
}

/// A question, and who asks it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where the answer goes.
    pub from: SocketAddr,
    /// To be echoed.
    pub transaction: &'a [u8],
    /// What is asked.
    pub query: Query<'a>,
    /// Of which families contacts are wanted.
    pub want: Option<Want>,
    /// Bytes of the question.
    pub length: usize,
}

impl Server {
    /// With an empty store.
    pub fn new(now: Instant, random: &mut StdRng) -> Self {
        Self {
            tokens: Tokens::new(now, random),
            store: PeerStore::default(),
            askers: FxHashMap::default(),
            budget: Budget::new(now, RATE, BURST),
        }
    }

    /// Whether this one is answered at all. Counts its question.
    pub fn hears(&mut self, now: Instant, from: &SocketAddr) -> bool {
        let host = Host::of(from);
        if !self.askers.contains_key(&host) && self.askers.len() >= MAX_HOSTS {
            self.forget(now);
            if self.askers.len() >= MAX_HOSTS {
                return true;
            }
        }
        let asker = self.askers.entry(host).or_insert(Asker::new(now));
        if let Some(until) = asker.blocked {
            if now < until {
                return false;
            }
            asker.blocked = None;
        }
        if now.saturating_duration_since(asker.since) >= SPAN {
            (asker.since, asker.questions) = (now, 0);
        }
        asker.questions += 1;
        if asker.questions > PER_HOST {
            asker.blocked = Some(now + BLOCKED);
        }
        asker.questions <= PER_HOST
    }

    /// This one has its address: it has answered us.
    pub fn proven(&mut self, now: Instant, from: &SocketAddr) {
        // Those who never asked need no proof.
        if let Some(asker) = self.askers.get_mut(&Host::of(from)) {
            asker.proven = Some(now);
        }
    }

    /// Whether a proof is wanted of this one: it was given as much as those get who have none.
    pub fn wants_proof(&self, now: Instant, from: &SocketAddr) -> bool {
        let asker = self.askers.get(&Host::of(from));
        asker.is_some_and(|asker| !asker.is_proven(now) && asker.full == FULL_ANSWERS)
    }

    /// Answers a question of somebody who is heard; `None`: in silence. Tables are those of IPv4 and IPv6.
    pub fn answer(
        &mut self,
        now: Instant,
        random: &mut StdRng,
        question: &Question<'_>,
        tables: [&Table; 2],
    ) -> Option<Vec<u8>> {
        let Question { from, transaction, query, want, length } = question;
        let family = Family::of(from);
        let own = *tables[family as usize].own();
        if tables[family as usize].is_verified(from) {
            self.proven(now, from);
        }
        let mut answer = Answer::bare(own);
        let contacts = |answer: &mut Answer, target| {
            let want = want.unwrap_or(Want::only(family));
            // Where too few are known to be good, those that were help more than nobody.
            let near = |table: &Table| {
                let good = table.closest(now, &target, K, Health::Good);
                if good.len() < K { table.closest(now, &target, K, Health::Questionable) } else { good }
            };
            answer.nodes = want.v4.then(|| near(tables[0]));
            answer.nodes6 = want.v6.then(|| near(tables[1]));
        };
        match query {
            Query::Ping => {}
            Query::FindNode(target) => contacts(&mut answer, *target),
            Query::GetPeers(hash) => {
                contacts(&mut answer, (*hash).into());
                answer.token = Some(self.tokens.issue(now, random, from.ip()));
                answer.values = self.store.get(now, random, family, *hash, MAX_VALUES);
            }
            Query::AnnouncePeer { info_hash, port, implied, token } => {
                if !self.tokens.accepts(now, random, from.ip(), token) {
                    return self.send(now, krpc::refuse(transaction, Refusal::Argument("bad token")));
                }
                self.proven(now, from);
                let peer = SocketAddr::new(from.ip(), if *implied { from.port() } else { *port });
                self.store.put(now, &own, *info_hash, peer);
            }
        }
        let full = self.may_be_full(now, from);
        let most = if full { krpc::MAX_SENT } else { (*length).min(krpc::MAX_SENT) };
        let answer = answer.encode(transaction, from, most)?;
        self.send(now, answer)
    }

    /// Says that a question is none, in no more bytes than it had.
    pub fn refuse(
        &mut self,
        now: Instant,
        transaction: &[u8],
        refusal: Refusal,
        length: usize,
    ) -> Option<Vec<u8>> {
        let answer = krpc::refuse(transaction, refusal);
        (answer.len() <= length.min(krpc::MAX_SENT)).then_some(())?;
        self.send(now, answer)
    }

    /// Forgets what is out of date. To be called now and then.
    pub fn forget(&mut self, now: Instant) {
        self.store.expire(now);
        self.askers.retain(|_, asker| {
            asker.blocked.is_some_and(|until| now < until)
                || now.saturating_duration_since(asker.since) < SPAN
                || now.saturating_duration_since(asker.first) < FORGET
                || asker.is_proven(now)
        });
    }

    /// Torrents that others announced to us.
    pub fn torrents(&self) -> usize {
        self.store.torrents()
    }

    fn send(&mut self, now: Instant, answer: Vec<u8>) -> Option<Vec<u8>> {
        self.budget.take(now, answer.len()).then_some(answer)
    }

    fn may_be_full(&mut self, now: Instant, from: &SocketAddr) -> bool {
        let Some(asker) = self.askers.get_mut(&Host::of(from)) else { return false };
        if now.saturating_duration_since(asker.first) >= FORGET {
            (asker.first, asker.full) = (now, 0);
        }
        if asker.is_proven(now) {
            return true;
        }
        asker.full += 1;
        asker.full <= FULL_ANSWERS
    }
}
