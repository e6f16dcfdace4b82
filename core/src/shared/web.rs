//! What is asked of the web beside trackers: torrent files at URLs, and addresses of hosts that links name.

use std::net::SocketAddr;

use super::SharedResources;
use crate::net::scope::Scope;
use crate::tracker::{AtUrl, FetchError};

impl SharedResources {
    /// The torrent file at a URL that a person named, or the magnet link that it leads to: at most 64 MiB, within
    /// a minute, over five redirects; unchecked. Blocks: not for async code.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn fetch(&self, url: &str) -> Result<AtUrl, FetchError> {
        let mut stopping = self.stopping();
        // The runtime may be gone by now.
        if *stopping.borrow() {
            return Err(FetchError::Stopping);
        }
        self.tasks.runtime().block_on(async {
            tokio::select! {
                // In this order: at the end connections break, which is no news of the server.
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => Err(FetchError::Stopping),
                fetched = self.trackers.fetch(url) => fetched,
            }
        })
    }

    /// The addresses of a host that a link names: none in a private network, unless the embedder allows that.
    pub(crate) async fn resolve_public(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        let mut found = self.resolver.resolve(host, port).await.unwrap_or_default();
        found.retain(|address| self.config.allow_inward_peers || Scope::of(address.ip()) == Scope::Public);
        found
    }
}
