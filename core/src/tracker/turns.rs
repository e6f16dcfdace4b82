//! Who may ask now: questions on their way are bounded, over all trackers and for each host.
//!
//! A host that does not answer must hold up nobody but those who need that very host, and even them not
//! for long. So a host that has not answered yet, or did not the last time, is asked few questions at
//! once, and such hosts together get half of all turns at most; and when it has failed twice in a row,
//! whoever waits for it is told so at once instead of finding out one after the other: a thousand
//! torrents on one dead tracker go on to their next tracker after two time-outs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::announce::{AnnounceError, Urgency};

/// Questions at once to a host that has not answered yet or did not the last time.
const DOUBTFUL: usize = 2;

/// Questions in a row that came to nothing, after which all who wait are told so.
const GIVE_UP: u32 = 2;

/// Hosts whose manners are remembered while nobody asks them: as many as the resolver knows names.
const HOSTS: usize = 512;

/// Questions to one host that may wait without a look for those whose asker gave up.
const FEW: usize = 64;

/// Deals turns: the most urgent question first, then the oldest.
#[derive(Clone, Debug)]
pub struct Turns {
    queue: Arc<Mutex<Queue>>,
}

/// The right to ask, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    host: String,
    doubtful: bool,
}

type Granted = oneshot::Sender<Result<Turn, AnnounceError>>;

/// A lock stands around it, held for a look or a change, never while anybody asks or is told.
#[derive(Debug)]
struct Queue {
    all: usize,
    per_host: usize,
    asking: usize,
    /// How many of them ask a doubtful host.
    doubtful: usize,
    next: u64,
    hosts: HashMap<String, Host>,
    /// Number of hosts at which those that nobody asks are looked for.
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Host {
    asking: usize,
    /// It has answered, whatever it said, and did so the last time.
    answers: bool,
    failures: u32,
    /// Bounded by the trackers of all torrents: each has one announce and one scrape on its way.
    waiting: BTreeMap<(Urgency, u64), Granted>,
    /// Number of questions at which those whose asker gave up are looked for: each costs one look on
    /// average, however many wait.
    sweep_at: usize,
}

impl Turns {
    /// This many questions at once over all, and to one host.
    pub fn new(all: usize, per_host: usize) -> Self {
        let queue =
            Queue { all, per_host, asking: 0, doubtful: 0, next: 0, hosts: HashMap::new(), sweep_at: HOSTS };
        Self { queue: Arc::new(Mutex::new(queue)) }
    }

    /// Waits for the turn of a question to this host and port.
    ///
    /// # Errors
    /// The host does not answer: what those found out who asked before.
    pub async fn take(&self, host: &str, port: u16, urgency: Urgency) -> Result<Turn, AnnounceError> {
        let (granted, turn) = oneshot::channel();
        {
            let mut queue = self.lock();
            let number = queue.next;
            queue.next += 1;
            queue.sweep();
            let host = queue.hosts.entry(format!("{host}:{port}")).or_default();
            host.sweep();
            host.waiting.insert((urgency, number), granted);
        }
        self.grant();
        // It is only dropped unsent with the queue itself.
        turn.await.unwrap_or_else(|_| Err(AnnounceError::Network("shutting down".into())))
    }

    /// Hands out the turns that are free.
    fn grant(&self) {
        loop {
            let next = self.lock().next(self);
            let Some((granted, turn)) = next else { return };
            // Whoever gave up meanwhile lets go of the turn here, outside of the lock.
            drop(granted.send(Ok(turn)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Every change is made in one step, so the queue is whole after any panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Tells what came of the question, for those who ask the same host after this one.
    pub fn ended<T>(self, result: &Result<T, AnnounceError>) {
        let silent = match result {
            // Nobody was asked.
            Err(AnnounceError::Url(_) | AnnounceError::Scope(_)) => return,
            Err(error @ (AnnounceError::Network(_) | AnnounceError::Timeout | AnnounceError::Resolve(_))) => {
                Some(error)
            }
            _ => None,
        };
        let told = self.turns.lock().heard(&self.host, silent.is_none());
        for granted in told {
            let error = silent.cloned().unwrap_or(AnnounceError::Timeout);
            // Whoever gave up meanwhile does not need to know.
            let _ = granted.send(Err(error));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().over(&self.host, self.doubtful);
        self.turns.grant();
    }
}

impl Queue {
    /// The next question whose turn it is.
    fn next(&mut self, turns: &Turns) -> Option<(Granted, Turn)> {
        if self.asking >= self.all {
            return None;
        }
        let doubtful_full = self.doubtful >= (self.all / 2).max(1);
        let per_host = self.per_host;
        let mut first: Option<((Urgency, u64), &str)> = None;
        for (name, host) in &mut self.hosts {
            let room = match host.answers {
                true => host.asking < per_host,
                false => host.asking < DOUBTFUL.min(per_host) && !doubtful_full,
            };
            if room
                && let Some(place) = host.first()
                && first.is_none_or(|(best, _)| place < best)
            {
                first = Some((place, name));
            }
        }
        let (place, name) = first?;
        let name = name.to_owned();
        let host = self.hosts.get_mut(&name)?;
        let granted = host.waiting.remove(&place)?;
        host.asking += 1;
        self.asking += 1;
        let doubtful = !host.answers;
        self.doubtful += usize::from(doubtful);
        Some((granted, Turn { turns: turns.clone(), host: name, doubtful }))
    }

    /// A host answered, or did not. Returns those who need not wait for it any longer.
    fn heard(&mut self, host: &str, answers: bool) -> Vec<Granted> {
        let Some(host) = self.hosts.get_mut(host) else { return Vec::new() };
        host.answers = answers;
        host.failures = if answers { 0 } else { host.failures.saturating_add(1) };
        match host.failures >= GIVE_UP {
            true => std::mem::take(&mut host.waiting).into_values().collect(),
            false => Vec::new(),
        }
    }

    fn over(&mut self, host: &str, doubtful: bool) {
        self.asking -= 1;
        self.doubtful -= usize::from(doubtful);
        if let Some(host) = self.hosts.get_mut(host) {
            host.asking -= 1;
        }
    }

    /// Forgets hosts that nobody asks.
    fn sweep(&mut self) {
        if self.hosts.len() >= self.sweep_at {
            self.hosts.retain(|_, host| host.asking > 0 || !host.waiting.is_empty());
            self.sweep_at = HOSTS.max(2 * self.hosts.len());
        }
    }
}

impl Host {
    /// The question that comes first, of those whose asker still waits.
    fn first(&mut self) -> Option<(Urgency, u64)> {
        while let Some(first) = self.waiting.first_entry() {
            if !first.get().is_closed() {
                return Some(*first.key());
            }
            first.remove();
        }
        None
    }

    /// Forgets questions whose asker gave up.
    fn sweep(&mut self) {
        if self.waiting.len() >= self.sweep_at {
            self.waiting.retain(|_, granted| !granted.is_closed());
            self.sweep_at = FEW.max(2 * self.waiting.len());
        }
    }
}

#[cfg(test)]
mod tests;
