//! Which of a name's addresses an HTTP client may connect to: the scope rule at the last moment.
//!
//! The rule holds on the addresses that are connected to, not on those of an earlier look-up, so a name
//! that changes in between (DNS rebinding) leads nowhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::resolver::{ResolveError, Resolver};
use super::scope::Scope;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// The family of an address; IPv4 in IPv6 notation is IPv4.
    pub fn of(ip: IpAddr) -> Self {
        if ip.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Any address of this machine: what a socket of the family is bound to.
    pub const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// How far in a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Hosts on the internet.
    Outward,
    /// This machine and private networks, and nothing else.
    Inward,
}

impl Reach {
    /// Whether an address lies within.
    pub fn allows(self, ip: IpAddr) -> bool {
        match self {
            Self::Outward => Scope::of(ip) == Scope::Public,
            // Link-local is out of bounds for HTTP: no tracker is there, and in clouds a service is that
            // tells secrets to whoever asks.
            Self::Inward => matches!(Scope::of(ip), Scope::Loopback | Scope::Private),
        }
    }
}

/// A resolver that tells only the addresses of one family and reach.
#[derive(Clone, Debug)]
pub struct Within {
    resolver: Resolver,
    family: Family,
    reach: Reach,
}

impl Within {
    /// Narrows `resolver`.
    pub const fn new(resolver: Resolver, family: Family, reach: Reach) -> Self {
        Self { resolver, family, reach }
    }

    async fn resolve(self, host: String) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut addresses = self.resolver.resolve(&host, 0).await?;
        addresses.retain(|addr| Family::of(addr.ip()) == self.family && self.reach.allows(addr.ip()));
        if addresses.is_empty() {
            return Err(ResolveError::Failed("no address that may be connected to".into()));
        }
        Ok(addresses)
    }
}

impl reqwest::dns::Resolve for Within {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let within = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(within, name.as_str().to_owned()).await?;
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_with_addresses_of_all_kinds_leads_only_where_it_may() {
        let resolver = Resolver::with_lookup(1, |_| {
            let all = ["11.0.0.1", "127.0.0.1", "10.0.0.1", "169.254.169.254", "2a11::1", "::1", "fd00::1"];
            Ok(all.map(|ip| ip.parse().unwrap()).to_vec())
        })
        .unwrap();
        let of = async |family, reach| {
            let within = Within::new(resolver.clone(), family, reach);
            let found = within.resolve("mixed.example".into()).await.unwrap();
            found.iter().map(|addr| addr.ip().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(Family::V4, Reach::Outward).await, ["11.0.0.1"]);
        assert_eq!(of(Family::V6, Reach::Outward).await, ["2a11::1"]);
        assert_eq!(of(Family::V4, Reach::Inward).await, ["127.0.0.1", "10.0.0.1"]);
        assert_eq!(of(Family::V6, Reach::Inward).await, ["::1", "fd00::1"]);
    }

    #[tokio::test]
    async fn nothing_left_is_an_error() {
        let resolver = Resolver::with_lookup(1, |_| Ok(vec![[169, 254, 169, 254].into()])).unwrap();
        for reach in [Reach::Inward, Reach::Outward] {
            let within = Within::new(resolver.clone(), Family::V4, reach);
            assert!(matches!(within.resolve("meta.example".into()).await, Err(ResolveError::Failed(_))));
        }
    }
}
