//! Announces over HTTP(S): BEP 3, BEP 7 (one per address family), BEP 23.
//!
//! Every hop is checked before it is taken. A URL from a torrent file leads to the
//! internet, or into a private network if it is a plain announce there; a redirect leads no further in
//! than the server that sent it; neither ever leads to a link-local address. Redirects are followed
//! five times, never from https to http, and take no password to another origin.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use url::{Host, Url};

use super::announce::{AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply};
use super::clients::Clients;
pub use super::clients::SetupError;
use super::query::{self, AnnounceUrl};
use super::reply;
use crate::net::reach::{Family, Reach};
use crate::net::resolver::Resolver;
use crate::net::scope::{Scope, may_name};
use crate::untrusted::Untrusted;

#[cfg(test)]
mod tests;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// Bytes of an answer after inflating: a hundred times the largest that a tracker has reason to send.
const MAX_BODY: usize = 1 << 20;

/// Announces on their way over all torrents.
const IN_FLIGHT: usize = 50;

/// Announces on their way to one host and port.
const IN_FLIGHT_PER_HOST: usize = 6;

/// Once one address family brought an answer, how long the other is waited for: a machine with broken
/// IPv6 should not find its peers later than one without.
const OTHER_FAMILY: Duration = Duration::from_secs(3);

/// What an embedder or a test may want otherwise.
#[derive(Clone, Copy, Debug)]
pub struct HttpOptions {
    /// From the first byte sent to the last one read, redirects included.
    pub deadline: Duration,
    /// The same for `stopped`, which somebody at the exit waits for.
    pub stop_deadline: Duration,
    /// For TCP and TLS to be set up, within the deadline.
    pub connect_deadline: Duration,
    /// [`Config::allow_inward_peers`](crate::config::Config::allow_inward_peers)
    pub allow_inward_peers: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            stop_deadline: Duration::from_secs(5),
            connect_deadline: Duration::from_secs(15),
            allow_inward_peers: false,
        }
    }
}

/// Sends announces. Clones share connections and limits.
#[derive(Clone, Debug)]
pub struct HttpTracker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: HttpOptions,
    resolver: Resolver,
    clients: Clients,
    all: Arc<Semaphore>,
    /// Held for one look. Hosts that nobody is waiting for are swept out when the map has doubled.
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl HttpTracker {
    /// Sets up the clients. The first one in a process reads the system's certificates, so it blocks for
    /// some milliseconds.
    pub fn new(resolver: Resolver, options: HttpOptions) -> Result<Self, SetupError> {
        let clients = Clients::new(&resolver, options.connect_deadline)?;
        let all = Arc::new(Semaphore::new(IN_FLIGHT));
        Ok(Self { inner: Arc::new(Inner { options, resolver, clients, all, hosts: Mutex::default() }) })
    }

    /// Announces over each address family that the host has, and merges the answers; one is enough.
    ///
    /// Waits for its turn first: 50 announces are on their way at once, six to one host. The deadline
    /// runs from there. Dropping the future ends the announce.
    pub async fn announce(
        &self,
        url: &Untrusted,
        params: &AnnounceParams,
        tracker_id: Option<&[u8]>,
    ) -> Result<AnnounceReply, AnnounceError> {
        let inner = &self.inner;
        let first = query::announce_url(url, params, tracker_id)?;
        // The host's turn first, so that one slow tracker does not fill the queue of all.
        let _host = turn(inner.host_semaphore(&first.url)).await;
        let _all = turn(inner.all.clone()).await;
        let deadline = match params.event {
            AnnounceEvent::Stopped => inner.options.stop_deadline,
            _ => inner.options.deadline,
        };
        let ips = match timeout(deadline, inner.addresses(&first.url)).await {
            Ok(found) => found?,
            Err(_) => return Err(AnnounceError::Timeout),
        };
        let has = |family| ips.iter().any(|addr| Family::of(addr.ip()) == family);
        match (has(Family::V4), has(Family::V6)) {
            (true, true) => inner.both(&first, deadline).await,
            (true, false) => inner.within(Family::V4, &first, deadline).await,
            (false, _) => inner.within(Family::V6, &first, deadline).await,
        }
    }
}

async fn turn(semaphore: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // An error means closed, and nobody closes these.
    semaphore.acquire_owned().await.ok()
}

impl Inner {
    async fn both(&self, first: &AnnounceUrl, deadline: Duration) -> Result<AnnounceReply, AnnounceError> {
        let mut v4 = std::pin::pin!(self.within(Family::V4, first, deadline));
        let mut v6 = std::pin::pin!(self.within(Family::V6, first, deadline));
        let late = || Err(AnnounceError::Timeout);
        let (v4, v6) = tokio::select! {
            v4 = &mut v4 => {
                let patience = if v4.is_ok() { OTHER_FAMILY } else { deadline };
                let v6 = timeout(patience, v6).await.unwrap_or_else(|_| late());
                (v4, v6)
            }
            v6 = &mut v6 => {
                let patience = if v6.is_ok() { OTHER_FAMILY } else { deadline };
                let v4 = timeout(patience, v4).await.unwrap_or_else(|_| late());
                (v4, v6)
            }
        };
        match (v4, v6) {
            (Ok(v4), Ok(v6)) => Ok(reply::merge(v4, v6)),
            (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only),
            // What the tracker itself says tells more than a network that is not there.
            (Err(_), Err(refusal @ AnnounceError::Refused { .. })) => Err(refusal),
            (Err(v4), Err(_)) => Err(v4),
        }
    }

    async fn within(
        &self,
        family: Family,
        first: &AnnounceUrl,
        deadline: Duration,
    ) -> Result<AnnounceReply, AnnounceError> {
        let announce = self.follow(family, first);
        timeout(deadline, announce).await.unwrap_or(Err(AnnounceError::Timeout))
    }

    /// One announce over one address family, through its redirects.
    async fn follow(&self, family: Family, first: &AnnounceUrl) -> Result<AnnounceReply, AnnounceError> {
        let mut url = first.url.clone();
        let mut sent_by: Option<IpAddr> = None;
        for _ in 0..=MAX_REDIRECTS {
            let reach = self.reach(family, &url, sent_by, first.plain).await?;
            let client = self.clients.get(family, reach);
            let response = client.get(url.clone()).send().await.map_err(network)?;
            let Some(from) = response.remote_addr().map(|addr| addr.ip()) else {
                // Who answered decides what it may name.
                return Err(AnnounceError::Network("answer from nowhere".into()));
            };
            match redirect(&url, &response)? {
                Some(next) => (url, sent_by) = (next, Some(from)),
                None => return self.read(response, from).await,
            }
        }
        Err(AnnounceError::Redirects)
    }

    /// Where a hop may connect to, judged by every address of the host in this family.
    async fn reach(
        &self,
        family: Family,
        url: &Url,
        sent_by: Option<IpAddr>,
        plain: bool,
    ) -> Result<Reach, AnnounceError> {
        let mut addresses = self.addresses(url).await?;
        addresses.retain(|addr| Family::of(addr.ip()) == family);
        let Some(innermost) = addresses.iter().find(|addr| Scope::of(addr.ip()) != Scope::Public) else {
            return match addresses.is_empty() {
                true => Err(AnnounceError::Resolve("no address of this family".into())),
                false => Ok(Reach::Outward),
            };
        };
        // A public host with a private address beside it is reached at its public one only.
        if addresses.iter().any(|addr| Scope::of(addr.ip()) == Scope::Public) {
            return Ok(Reach::Outward);
        }
        let allowed = addresses.iter().all(|addr| {
            Reach::Inward.allows(addr.ip()) && sent_by.map_or(plain, |source| may_name(source, *addr))
        });
        if allowed { Ok(Reach::Inward) } else { Err(AnnounceError::Scope(Scope::of(innermost.ip()).name())) }
    }

    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, AnnounceError> {
        let port = url.port_or_known_default().ok_or(AnnounceError::Url("no port"))?;
        match url.host() {
            Some(Host::Ipv4(ip)) => Ok(vec![SocketAddr::from((ip, port))]),
            Some(Host::Ipv6(ip)) => Ok(vec![SocketAddr::from((ip, port))]),
            Some(Host::Domain(name)) => {
                let found = self.resolver.resolve(name, port).await;
                found.map_err(|error| AnnounceError::Resolve(Untrusted::new(error.to_string())))
            }
            None => Err(AnnounceError::Url("no host")),
        }
    }

    async fn read(&self, mut response: Response, from: IpAddr) -> Result<AnnounceReply, AnnounceError> {
        let status = response.status();
        if response.content_length().is_some_and(|length| length > MAX_BODY as u64) {
            return Err(AnnounceError::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(network)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(AnnounceError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        match reply::decode(&body, from, self.options.allow_inward_peers) {
            // Many trackers refuse with 4xx and say why in the body.
            Err(refusal @ AnnounceError::Refused { .. }) => Err(refusal),
            _ if !status.is_success() => Err(AnnounceError::Status(status.as_u16())),
            other => other,
        }
    }

    fn host_semaphore(&self, url: &Url) -> Arc<Semaphore> {
        let key = format!("{}:{}", url.host_str().unwrap_or(""), url.port_or_known_default().unwrap_or(0));
        // The map is whole after any panic: entries are inserted in one step.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = hosts.get(&key).and_then(Weak::upgrade) {
            return semaphore;
        }
        if hosts.len() == hosts.capacity() {
            hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(IN_FLIGHT_PER_HOST));
        hosts.insert(key, Arc::downgrade(&semaphore));
        semaphore
    }
}

/// Where a response sends us; `None`: it is the answer.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, AnnounceError> {
    use StatusCode as S;
    let follow = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT];
    if !follow.contains(&response.status()) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let location = location.to_str().map_err(|_| AnnounceError::Url("redirect leads nowhere"))?;
    target(from, location).map(Some)
}

/// The next hop: relative to the last, with its password as long as the origin stays the same.
fn target(from: &Url, location: &str) -> Result<Url, AnnounceError> {
    let mut to = from.join(location).map_err(|_| AnnounceError::Url("redirect leads nowhere"))?;
    match (from.scheme(), to.scheme()) {
        ("https", "http") => return Err(AnnounceError::Url("redirect from https to http")),
        (_, "http" | "https") => {}
        _ => return Err(AnnounceError::Url("redirect to another scheme")),
    }
    if from.origin() == to.origin() && to.username().is_empty() && to.password().is_none() {
        // Both fail only for URLs without a host, and this one has the same host as the last.
        let _ = to.set_username(from.username());
        let _ = to.set_password(from.password());
    }
    Ok(to)
}

/// The innermost cause, which says what happened, and never the URL, which holds the pass-key.
fn network(error: reqwest::Error) -> AnnounceError {
    if error.is_timeout() {
        return AnnounceError::Timeout;
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    AnnounceError::Network(Untrusted::new(cause.to_string()))
}
