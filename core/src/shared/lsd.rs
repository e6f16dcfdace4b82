//! Torrents on our own network (BEP 14): one task for all of them, started with the engine.

use std::sync::Arc;

use super::SharedResources;
use crate::lsd::task::{self, Setup};

/// Runs it for as long as the engine runs, if it may.
pub fn start(shared: &Arc<SharedResources>) {
    if !shared.lsd.is_on() {
        return;
    }
    let Some(interfaces) = shared.interfaces() else { return };
    let keeper = Arc::downgrade(shared);
    let setup = Setup {
        interfaces,
        binding: shared.binding.clone(),
        listen: shared.config.listen.clone(),
        port: Box::new(move |v6| {
            let listening = keeper.upgrade()?.listening();
            // Not the port that a router gives to callers from outside.
            let at = listening.addresses.iter().find(|address| address.is_ipv6() == v6)?;
            Some(at.port())
        }),
        moved: shared.port_changes(),
        stopping: shared.stopping(),
    };
    shared.tasks.spawn(task::run(shared.lsd.clone(), setup));
}
