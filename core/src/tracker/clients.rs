//! The HTTP clients behind announces: one for each address family and reach, set up as trackers like it.

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect, retry};
use rustls::ClientConfig;

use crate::config::CLIENT;
use crate::net::bind::{Binding, Way};
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
    how: How,
    /// A leaf lock, held for a look, and where the way is another one now to set clients up.
    current: Mutex<Current>,
}

/// The clients of one way.
#[derive(Debug)]
struct Current {
    way: Way,
    strict: Set,
    /// Those that take any certificate: most engines never need them.
    lax: Option<Set>,
}

/// Clients by reach and family.
#[derive(Clone, Debug)]
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
    binding: Binding,
}

impl Clients {
    /// Connections leave from `sources`, for IPv4 and IPv6. The first one in a process reads the system's
    /// certificates: see [`tls::config`].
    pub fn new(
        resolver: &Resolver,
        connect_timeout: Duration,
        sources: [Option<IpAddr>; 2],
        binding: Binding,
    ) -> Result<Self, SetupError> {
        let how = How { resolver: resolver.clone(), connect_timeout, sources, binding };
        let way = how.binding.way();
        let strict = Set::new(&how, way, tls::config)?;
        Ok(Self { how, current: Mutex::new(Current { way, strict, lax: None }) })
    }

    /// The client of a family and reach. One that was got before the way changed leaves by the old one, or not
    /// at all.
    ///
    /// # Errors
    /// Nothing may leave over the family now.
    pub fn get(&self, family: Family, reach: Reach, any_certificate: bool) -> io::Result<Client> {
        let way = self.how.binding.way();
        if let Some(nowhere) = way.nowhere() {
            return Err(io::Error::new(io::ErrorKind::NetworkDown, nowhere.to_string()));
        }
        if !way.has(family == Family::V6) {
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no address of this family"));
        }
        // Whole after any panic: it changes in one step.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.way != way {
            // Connections that were kept went by the old one.
            let strict = Set::new(&self.how, way, tls::config).map_err(io::Error::other)?;
            *current = Current { way, strict, lax: None };
        }
        if any_certificate && current.lax.is_none() {
            current.lax = Set::new(&self.how, way, tls::any_certificate).ok();
        }
        let lax = current.lax.as_ref().filter(|_| any_certificate);
        Ok(lax.unwrap_or(&current.strict).get(family, reach).clone())
    }
}

impl Set {
    fn new(how: &How, way: Way, tls: fn() -> ClientConfig) -> Result<Self, reqwest::Error> {
        let pair = |reach| -> Result<_, reqwest::Error> {
            let client = |family: Family, source: Option<IpAddr>| {
                let dns = Within::new(how.resolver.clone(), family, reach);
                let source = way.source(family == Family::V6).or(source);
                let from = source.unwrap_or(family.unspecified());
                let client = base(how.connect_timeout, tls()).local_address(from).dns_resolver(dns);
                through(client, &way).build()
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

/// Connections leave by the interface alone.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn through(client: ClientBuilder, way: &Way) -> ClientBuilder {
    match way.interface() {
        Some(name) => client.interface(&name),
        None => client,
    }
}

/// No way leads through an interface where sockets cannot be bound to one.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn through(client: ClientBuilder, _: &Way) -> ClientBuilder {
    client
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
