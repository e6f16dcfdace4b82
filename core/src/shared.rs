//! What all sessions borrow and none owns.

use std::sync::Arc;

use crate::config::Config;
use crate::error::Error;
use crate::event::EventBus;
use crate::stats::StatsBoard;

/// The common parts of one engine.
#[derive(Debug)]
pub struct SharedResources {}

impl SharedResources {
    /// Starts threads, runtime and listeners.
    pub fn start(_config: Config) -> Result<Arc<Self>, Error> {
        unimplemented!()
    }
    /// Ends everything in order, within a bounded time. Blocks: not for async code.
    pub fn shutdown(&self) {}
    /// All sessions' events.
    pub fn hub(&self) -> &Arc<EventBus> {
        unimplemented!()
    }
    /// All sessions' snapshots.
    pub fn board(&self) -> &Arc<StatsBoard> {
        unimplemented!()
    }
}
