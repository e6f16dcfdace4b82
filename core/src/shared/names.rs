//! Names that somebody else chose, as addresses that may be followed.

use std::net::SocketAddr;

use super::SharedResources;
use crate::net::scope::Scope;

impl SharedResources {
    /// The addresses of a host that a link names: none in a private network, unless the embedder allows that.
    pub(crate) async fn resolve_public(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        let mut found = self.resolver.resolve(host, port).await.unwrap_or_default();
        found.retain(|address| self.config.allow_inward_peers || Scope::of(address.ip()) == Scope::Public);
        found
    }
}
