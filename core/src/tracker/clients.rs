//! The HTTP clients behind announces: one for each address family and reach, set up as trackers like it.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect, retry};

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
    outward: [Client; 2],
    inward: [Client; 2],
}

impl Clients {
    /// The first one in a process reads the system's certificates: see [`tls::config`].
    pub fn new(resolver: &Resolver, connect_timeout: Duration) -> Result<Self, SetupError> {
        let pair = |reach| -> Result<_, reqwest::Error> {
            let client = |family| {
                let dns = Within::new(resolver.clone(), family, reach);
                base(connect_timeout).local_address(family.unspecified()).dns_resolver(dns).build()
            };
            Ok([client(Family::V4)?, client(Family::V6)?])
        };
        Ok(Self { outward: pair(Reach::Outward)?, inward: pair(Reach::Inward)? })
    }

    pub fn get(&self, family: Family, reach: Reach) -> &Client {
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

fn base(connect_timeout: Duration) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls::config())
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
