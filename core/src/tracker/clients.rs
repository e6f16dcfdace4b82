//! The HTTP clients behind announces: one for each address family and reach, set up as trackers like it.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect, retry};
use rustls::ClientConfig;

use crate::config::CLIENT;
use crate::net::reach::{Family, Reach, Within};
use crate::net::resolver::Resolver;
use crate::net::tls;

/// Idle connections kept to one host: as many as ask it at once, so that a thousand announces need six
/// connections.
const IDLE_PER_HOST: usize = super::http::IN_FLIGHT_PER_HOST;

/// How long they are kept; many servers close after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// No client could be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up HTTP: {0}")]
pub struct SetupError(#[from] reqwest::Error);

#[derive(Debug)]
pub(super) struct Clients {
    strict: Set,
    /// Those that take any certificate: most engines never need them.
    lax: OnceLock<Option<Set>>,
    how: How,
}

/// Clients by reach and family.
#[derive(Debug)]
struct Set {
    outward: [Client; 2],
    inward: [Client; 2],
}

/// What all clients have in common.
#[derive(Debug)]
struct How {
    resolver: Resolver,
    connect_timeout: Duration,
    sources: [Option<IpAddr>; 2],
}

impl Clients {
    /// Connections leave from `sources`, for IPv4 and IPv6. The first one in a process reads the system's
    /// certificates: see [`tls::config`].
    pub fn new(
        resolver: &Resolver,
        connect_timeout: Duration,
        sources: [Option<IpAddr>; 2],
    ) -> Result<Self, SetupError> {
        let how = How { resolver: resolver.clone(), connect_timeout, sources };
        Ok(Self { strict: Set::new(&how, tls::config)?, lax: OnceLock::new(), how })
    }

    pub fn get(&self, family: Family, reach: Reach, any_certificate: bool) -> &Client {
        let lax = || Set::new(&self.how, tls::any_certificate).ok();
        let lax = if any_certificate { self.lax.get_or_init(lax).as_ref() } else { None };
        lax.unwrap_or(&self.strict).get(family, reach)
    }
}

impl Set {
    fn new(how: &How, tls: fn() -> ClientConfig) -> Result<Self, reqwest::Error> {
        let pair = |reach| -> Result<_, reqwest::Error> {
            let client = |family: Family, source: Option<IpAddr>| {
                let dns = Within::new(how.resolver.clone(), family, reach);
                let from = source.unwrap_or(family.unspecified());
                base(how.connect_timeout, tls()).local_address(from).dns_resolver(dns).build()
            };
            let [v4, v6] = how.sources;
            Ok([client(Family::V4, v4)?, client(Family::V6, v6)?])
        };
        Ok(Self { outward: pair(Reach::Outward)?, inward: pair(Reach::Inward)? })
    }

    fn get(&self, family: Family, reach: Reach) -> &Client {
        let [v4, v6] = match reach {
            Reach::Outward => &self.outward,
            Reach::Inward => &self.inward,
        };
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }
}

fn base(connect_timeout: Duration, tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(CLIENT)
        .http1_only()
        .http1_title_case_headers()
        .gzip(true)
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE)
        // Redirects are followed by hand: each hop is checked first.
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        // A proxy would connect for us, past resolver and scope rule.
        .no_proxy()
}
