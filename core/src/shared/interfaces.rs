//! One look at the interfaces of this machine, for all who want to know of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::SharedResources;
use crate::net::interfaces::{Interfaces, Watcher};

/// How often it is looked whether there is another interface, or another address or gateway.
const LOOK: Duration = Duration::from_secs(10);

/// Looks once somebody wants to know.
#[derive(Debug, Default)]
pub struct Lookout(
    /// Its lock is held to start it or to end it.
    Mutex<Option<Watcher>>,
);

impl Lookout {
    /// One that looks already.
    pub const fn over(watcher: Watcher) -> Self {
        Self(Mutex::new(Some(watcher)))
    }

    /// The thread that looks ends.
    pub fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl SharedResources {
    /// The interfaces of this machine, as they change; `None`: they cannot be looked at. The first call may
    /// block for some milliseconds.
    pub fn interfaces(&self) -> Option<watch::Receiver<Interfaces>> {
        let mut watcher = self.interfaces.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watcher.is_none() && !self.is_stopping() {
            match Watcher::start(LOOK) {
                Ok(started) => *watcher = Some(started),
                Err(error) => tracing::warn!(%error, "the interfaces are not looked at"),
            }
        }
        watcher.as_ref().map(Watcher::watch)
    }
}
