//! Who may ask now: questions on their way are bounded, over all trackers and for each host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Deals turns. The host's turn comes first, so that one slow tracker does not fill the queue of all.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    per_host: usize,
    /// Held for one look. Hosts that nobody is waiting for are swept out when the map has doubled.
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// The right to ask, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _host: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// This many questions at once over all, and to one host.
    pub fn new(all: usize, per_host: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_host, hosts: Mutex::default() }
    }

    /// Waits for the turn of a question to this host and port.
    pub async fn take(&self, host: &str, port: u16) -> Turn {
        // An error means closed, and nobody closes these.
        let host = self.host(format!("{host}:{port}")).acquire_owned().await.ok();
        Turn { _host: host, _all: self.all.clone().acquire_owned().await.ok() }
    }

    fn host(&self, key: String) -> Arc<Semaphore> {
        // The map is whole after any panic: entries are inserted in one step.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = hosts.get(&key).and_then(Weak::upgrade) {
            return semaphore;
        }
        if hosts.len() == hosts.capacity() {
            hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.per_host));
        hosts.insert(key, Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_that_nobody_asks_are_forgotten() {
        let turns = Turns::new(5, 1);
        for port in 1..1_000 {
            turns.take("t.example", port).await;
        }
        assert!(turns.hosts.lock().unwrap().len() < 10);
    }

    #[tokio::test]
    async fn a_busy_host_leaves_room_for_others() {
        let turns = Turns::new(2, 1);
        let first = turns.take("a", 1).await;
        let mut second = std::pin::pin!(turns.take("a", 1));
        assert!(now(second.as_mut()).is_none());
        // Who waits for its host takes no place of the others.
        let _other = turns.take("b", 1).await;
        drop(first);
        second.await;
    }

    /// The result if it is there without waiting.
    fn now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
