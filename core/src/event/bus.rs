//! Publish and subscribe by kind: exact (`piece.completed`), by family (`piece.*`), everything (`*`).
//!
//! The contract: events may be missed under load, and say that something happened. On
//! [`Delivery::Missed`] look again at the snapshots, which are the truth. `publish` never waits,
//! never runs foreign code, and builds the event only if someone listens. Each subscription has one
//! bounded queue; a subscriber that does not read loses the newest events and is told how many.
//!
//! A session's bus forwards to the hub of its `SharedResources`, so one subscription there hears
//! all torrents.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use tokio::sync::Notify;

use super::{Event, KINDS, Kind, Tagged};
use crate::types::InfoHash;

/// Events kept for one subscriber. A screen drains at 30 frames a second; the storms that real
/// swarms make stay below a hundred events a frame.
pub const QUEUE: usize = 4_096;

const _: () = assert!(KINDS.len() <= 64, "the set of kinds is one word");

/// A set of kinds as one bit each.
type Mask = u64;

/// A pattern that no kind matches: most likely misspelt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no event is called {pattern:?}; there are {known}", known = known_patterns())]
pub struct PatternError {
    /// The pattern as it was given.
    pub pattern: String,
}

fn known_patterns() -> String {
    let mut families: Vec<_> = KINDS.iter().filter_map(|kind| kind.name.split('.').next()).collect();
    families.dedup();
    families.iter().map(|family| format!("{family}.*")).collect::<Vec<_>>().join(" ") + " and *"
}

/// What a subscriber receives.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Something happened.
    Event(Tagged),
    /// This many events did not fit the queue since the last delivery.
    Missed(u64),
}

/// A place to publish. Cheap to make and to keep: an unused one holds no queue.
#[derive(Debug)]
pub struct EventBus {
    about: Option<InfoHash>,
    parent: Option<Arc<Self>>,
    /// What the subscribers of this bus want; the parent has a set of its own.
    wanted: AtomicU64,
    /// Held to copy or change the list, and while events are put into queues, which never waits.
    subscribers: Mutex<Vec<Weak<Queue>>>,
}

#[derive(Debug)]
struct Queue {
    mask: Mask,
    inner: Mutex<Inner>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Tagged>,
    missed: u64,
}

impl EventBus {
    /// A bus of its own: the hub.
    pub fn hub() -> Arc<Self> {
        Arc::new(Self { about: None, parent: None, wanted: AtomicU64::new(0), subscribers: Mutex::default() })
    }

    /// The bus of one session, which forwards to `hub`.
    pub fn of_session(hub: &Arc<Self>, info_hash: InfoHash) -> Arc<Self> {
        Arc::new(Self {
            about: Some(info_hash),
            parent: Some(hub.clone()),
            wanted: AtomicU64::new(0),
            subscribers: Mutex::default(),
        })
    }

    /// Subscribes to one or more patterns, separated by white space.
    ///
    /// # Errors
    /// A pattern that no kind matches, or none at all.
    pub fn subscribe(&self, patterns: &str) -> Result<Subscription, PatternError> {
        let mask = mask_of(patterns)?;
        let queue = Arc::new(Queue { mask, inner: Mutex::default(), ready: Notify::new() });
        let mut list = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(Arc::downgrade(&queue));
        self.wanted.fetch_or(mask, Ordering::Release);
        Ok(Subscription { queue })
    }

    /// Whether anybody would hear this kind; for work that is only done to fill an event.
    pub fn is_wanted(&self, kind: Kind) -> bool {
        let bit = 1 << kind as u8;
        self.wanted.load(Ordering::Acquire) & bit != 0
            || self.parent.as_ref().is_some_and(|parent| parent.is_wanted(kind))
    }

    /// Publishes what `build` makes, if anybody listens. Never waits.
    pub fn publish(&self, kind: Kind, build: impl FnOnce() -> Event) {
        if !self.is_wanted(kind) {
            return;
        }
        let event = build();
        debug_assert_eq!(event.kind(), kind);
        let tagged = Tagged { time: SystemTime::now(), info_hash: self.about, event: Arc::new(event) };
        self.deliver(kind, &tagged);
        if let Some(parent) = &self.parent {
            parent.deliver(kind, &tagged);
        }
    }

    fn deliver(&self, kind: Kind, tagged: &Tagged) {
        let bit = 1 << kind as u8;
        if self.wanted.load(Ordering::Acquire) & bit == 0 {
            return;
        }
        let mut list = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = false;
        for queue in list.iter() {
            match queue.upgrade() {
                Some(queue) if queue.mask & bit != 0 => queue.push(tagged),
                Some(_) => {}
                None => gone = true,
            }
        }
        if gone {
            list.retain(|queue| queue.strong_count() > 0);
            let mask = list.iter().filter_map(Weak::upgrade).fold(0, |mask, queue| mask | queue.mask);
            self.wanted.store(mask, Ordering::Release);
        }
    }
}

fn mask_of(patterns: &str) -> Result<Mask, PatternError> {
    let mut mask = 0;
    let mut words = patterns.split_whitespace().peekable();
    if words.peek().is_none() {
        return Err(PatternError { pattern: patterns.to_owned() });
    }
    for pattern in words {
        let family = pattern.strip_suffix('*');
        let found = KINDS.iter().enumerate().filter(|(_, kind)| match family {
            Some("") => true,
            Some(family) => family.ends_with('.') && kind.name.starts_with(family),
            None => kind.name == pattern,
        });
        let bits = found.fold(0, |mask, (at, _)| mask | 1 << at);
        if bits == 0 {
            return Err(PatternError { pattern: pattern.to_owned() });
        }
        mask |= bits;
    }
    Ok(mask)
}

impl Queue {
    fn push(&self, tagged: &Tagged) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Once something was lost, all is lost until the reader has been told where the gap is.
        if inner.missed > 0 || inner.events.len() >= QUEUE {
            inner.missed += 1;
        } else {
            inner.events.push_back(tagged.clone());
        }
        drop(inner);
        self.ready.notify_one();
    }

    fn pop(&self) -> Option<Delivery> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = inner.events.pop_front() {
            return Some(Delivery::Event(event));
        }
        let missed = std::mem::take(&mut inner.missed);
        (missed > 0).then_some(Delivery::Missed(missed))
    }
}

/// One subscriber's end. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    /// The next delivery, if one is there. Never waits.
    pub fn try_next(&mut self) -> Option<Delivery> {
        self.queue.pop()
    }

    /// Waits for the next delivery. May be cancelled without loss.
    pub async fn next(&mut self) -> Delivery {
        loop {
            let ready = self.queue.ready.notified();
            if let Some(delivery) = self.queue.pop() {
                return delivery;
            }
            ready.await;
        }
    }
}

#[cfg(test)]
mod tests;
