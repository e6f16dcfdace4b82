//! Where we are: by what all leaves, and where peers can call.

use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;

use tokio::sync::watch;

use super::{Listening, SharedResources};
use crate::net::bind::Binding;
use crate::stats::MappingStats;

impl SharedResources {
    /// The address to dial from: the one that is listened on, if a particular one was asked for.
    pub fn source_for(&self, target: &SocketAddr) -> Option<IpAddr> {
        let v6 = target.is_ipv6();
        self.binding.way().source(v6).or_else(|| self.config.source(v6))
    }

    /// The port that peers can call: that at the gateway, where it lets them in; `None` while none can.
    pub fn port(&self) -> Option<u16> {
        *self.port.borrow()
    }

    /// Peers can call at this port, as far as sessions know.
    #[cfg(test)]
    pub(crate) fn pretend_port(&self, port: u16) {
        self.port.send_replace(Some(port));
    }

    /// Tells when peers can call at another port.
    pub fn port_changes(&self) -> watch::Receiver<Option<u16>> {
        self.port.subscribe()
    }

    /// Whether this is our own address, as far as it is known.
    pub fn is_us(&self, address: &SocketAddr) -> bool {
        let listens = self.listening.borrow().addresses.iter().any(|own| own.port() == address.port());
        if self.port() != Some(address.port()) && !listens {
            return false;
        }
        let ip = address.ip().to_canonical();
        self.outside(ip.is_ipv6()) == Some(ip) || self.config.listen.iter().any(|listens| listens.ip() == ip)
    }

    /// What all that leaves is bound to.
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// What gateways let in.
    pub fn mapping(&self) -> MappingStats {
        self.mapping.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where peers can call.
    pub fn listening(&self) -> Listening {
        self.listening.borrow().clone()
    }
}
