//! Announces and scrapes over HTTP(S): BEP 3, BEP 7 (one per address family), BEP 23, BEP 48.
//!
//! Every hop is checked before it is taken. A URL from a torrent file leads to the
//! internet, or into a private network if it is a plain announce there; a redirect leads no further in
//! than the server that sent it; neither ever leads to a link-local address. Redirects are followed
//! five times, never from https to http, and take no password to another origin.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::{Host, Url};

pub use self::torrent::{AtUrl, FetchError};
use super::announce::{AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply, Urgency};
use super::clients::Clients;
pub use super::clients::SetupError;
use super::families::both;
use super::query::{self, AnnounceUrl};
use super::reply;
use super::scrape::{self, ScrapeCounts};
use super::trust::Trust;
use super::turns::{Turn, Turns};
use crate::net::bind::Binding;
use crate::net::reach::{Family, Reach};
use crate::net::resolver::Resolver;
use crate::net::scope::{Scope, may_name};
use crate::types::InfoHash;
use crate::untrusted::Untrusted;

mod torrent;

#[cfg(test)]
mod tests;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// Bytes of an answer after inflating: a hundred times the largest that a tracker has reason to send.
const MAX_BODY: usize = 1 << 20;

/// Announces on their way over all torrents.
const IN_FLIGHT: usize = 50;

/// Announces on their way to one host and port.
pub(super) const IN_FLIGHT_PER_HOST: usize = 6;

/// What an embedder or a test may want otherwise.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// From the first byte sent to the last one read, redirects included.
    pub deadline: Duration,
    /// The same for `stopped`, which somebody at the exit waits for.
    pub stop_deadline: Duration,
    /// For TCP and TLS to be set up, within the deadline.
    pub connect_deadline: Duration,
    /// [`Config::allow_inward_peers`](crate::config::Config::allow_inward_peers)
    pub allow_inward_peers: bool,
    /// Where connections leave from, for IPv4 and IPv6; `None`: where the system likes.
    pub sources: [Option<IpAddr>; 2],
    /// What they must leave by.
    pub binding: Binding,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            stop_deadline: Duration::from_secs(5),
            connect_deadline: Duration::from_secs(15),
            allow_inward_peers: false,
            sources: [None; 2],
            binding: Binding::default(),
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
    turns: Turns,
}

impl HttpTracker {
    /// Sets up the clients. The first one in a process reads the system's certificates, so it blocks for
    /// some milliseconds.
    pub fn new(resolver: Resolver, options: HttpOptions) -> Result<Self, SetupError> {
        let clients =
            Clients::new(&resolver, options.connect_deadline, options.sources, options.binding.clone())?;
        let turns = Turns::new(IN_FLIGHT, IN_FLIGHT_PER_HOST);
        Ok(Self { inner: Arc::new(Inner { options, resolver, clients, turns }) })
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
        urgency: Urgency,
        trust: Trust,
    ) -> Result<AnnounceReply, AnnounceError> {
        let mut first = query::announce_url(url, params, tracker_id)?;
        // A person may send us into a private network by any URL, a torrent file by few.
        first.plain |= trust.named;
        let turn = self.inner.turn(&first.url, urgency).await?;
        // In a box: those who wait for their turn, of whom there may be tens of thousands, stay small.
        let result = Box::pin(self.inner.announce(&first, params, trust.any_certificate)).await;
        turn.ended(&result);
        result
    }

    /// The figures of these torrents, sixty in one request. A tracker that refuses so many at once is
    /// asked for fewer, down to one.
    ///
    /// # Errors
    /// The URL has no scrape, or the tracker refuses or fails for a single torrent too.
    pub async fn scrape(
        &self,
        tracker: &Untrusted,
        torrents: &[InfoHash],
    ) -> Result<Vec<ScrapeCounts>, AnnounceError> {
        let turn = self.inner.turn(&scrape::scrape_url(tracker, &[])?.url, Urgency::Regular).await?;
        let result = Box::pin(self.inner.scrape_all(tracker, torrents)).await;
        turn.ended(&result);
        result
    }
}

impl Inner {
    async fn announce(
        &self,
        first: &AnnounceUrl,
        params: &AnnounceParams,
        any_certificate: bool,
    ) -> Result<AnnounceReply, AnnounceError> {
        let deadline = match params.event {
            AnnounceEvent::Stopped => self.options.stop_deadline,
            _ => self.options.deadline,
        };
        let ips = match timeout(deadline, self.addresses(&first.url)).await {
            Ok(found) => found?,
            Err(_) => return Err(AnnounceError::Timeout),
        };
        let within = |family| self.announce_within(family, first, deadline, any_certificate);
        let has = |family| ips.iter().any(|addr| Family::of(addr.ip()) == family);
        match (has(Family::V4), has(Family::V6)) {
            (true, true) => {
                let v4 = within(Family::V4);
                let v6 = within(Family::V6);
                both(v4, v6, deadline).await
            }
            (true, false) => within(Family::V4).await,
            (false, _) => within(Family::V6).await,
        }
    }

    async fn scrape_all(
        &self,
        tracker: &Untrusted,
        torrents: &[InfoHash],
    ) -> Result<Vec<ScrapeCounts>, AnnounceError> {
        let mut counts = Vec::with_capacity(torrents.len());
        let (mut rest, mut at_once) = (torrents, scrape::MAX_SCRAPE);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(at_once.min(rest.len()));
            match self.scrape(tracker, now).await {
                Ok(found) => {
                    counts.extend(found);
                    rest = later;
                }
                Err(AnnounceError::Refused { .. } | AnnounceError::Status(_)) if now.len() > 1 => {
                    at_once = now.len() / 2;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(counts)
    }

    /// Over one address family: the figures are the same over the other, which is tried if this fails.
    async fn scrape(
        &self,
        tracker: &Untrusted,
        torrents: &[InfoHash],
    ) -> Result<Vec<ScrapeCounts>, AnnounceError> {
        let first = scrape::scrape_url(tracker, torrents)?;
        let deadline = self.options.deadline;
        let page = match self.page(Family::V4, &first, deadline, false, MAX_BODY).await {
            Ok(page) => page,
            // The second error tells of a tracker that has no IPv4 address.
            Err(AnnounceError::Resolve(_)) => {
                self.page(Family::V6, &first, deadline, false, MAX_BODY).await?
            }
            Err(v4) => self.page(Family::V6, &first, deadline, false, MAX_BODY).await.map_err(|_| v4)?,
        };
        page.judge(|body| scrape::decode(body, torrents))
    }

    async fn turn(&self, url: &Url, urgency: Urgency) -> Result<Turn, AnnounceError> {
        let (host, port) = (url.host_str().unwrap_or(""), url.port_or_known_default().unwrap_or(0));
        self.turns.take(host, port, urgency).await
    }

    async fn announce_within(
        &self,
        family: Family,
        first: &AnnounceUrl,
        deadline: Duration,
        any_certificate: bool,
    ) -> Result<AnnounceReply, AnnounceError> {
        let page = self.page(family, first, deadline, any_certificate, MAX_BODY).await?;
        let allow_inward = self.options.allow_inward_peers;
        page.judge(|body| reply::decode(body, page.from, allow_inward))
    }

    /// What is at a URL, over one address family.
    async fn page(
        &self,
        family: Family,
        first: &AnnounceUrl,
        deadline: Duration,
        any_certificate: bool,
        most: usize,
    ) -> Result<Page, AnnounceError> {
        timeout(deadline, self.follow(family, first, any_certificate, most))
            .await
            .unwrap_or(Err(AnnounceError::Timeout))
    }

    /// One request over one address family, through its redirects.
    async fn follow(
        &self,
        family: Family,
        first: &AnnounceUrl,
        any_certificate: bool,
        most: usize,
    ) -> Result<Page, AnnounceError> {
        let mut url = first.url.clone();
        let mut sent_by: Option<IpAddr> = None;
        for _ in 0..=MAX_REDIRECTS {
            let reach = self.reach(family, &url, sent_by, first.plain).await?;
            // What a person lets this tracker do nobody else may whom it sends us to.
            let any_certificate = any_certificate && url.host() == first.url.host();
            let client = self.clients.get(family, reach, any_certificate);
            let client = client.map_err(|error| AnnounceError::Network(error.to_string().into()))?;
            let response = client.get(url.clone()).send().await.map_err(network)?;
            let Some(from) = response.remote_addr().map(|addr| addr.ip()) else {
                // Who answered decides what it may name.
                return Err(AnnounceError::Network("answer from nowhere".into()));
            };
            if let Some(link) = magnet(&response) {
                return Ok(Page { status: response.status(), from, body: link.into(), is_magnet: true });
            }
            match redirect(&url, &response)? {
                Some(next) => (url, sent_by) = (next, Some(from)),
                None => return Page::read(response, from, most).await,
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
}

/// A server's answer, whole.
#[derive(Debug)]
struct Page {
    status: StatusCode,
    from: IpAddr,
    body: Vec<u8>,
    /// A redirect led to a magnet link, which is the body.
    is_magnet: bool,
}

impl Page {
    async fn read(mut response: Response, from: IpAddr, most: usize) -> Result<Self, AnnounceError> {
        let status = response.status();
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(AnnounceError::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(network)? {
            if body.len() + chunk.len() > most {
                return Err(AnnounceError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, from, body, is_magnet: false })
    }

    fn judge<T>(&self, decode: impl FnOnce(&[u8]) -> Result<T, AnnounceError>) -> Result<T, AnnounceError> {
        if self.is_magnet {
            return Err(AnnounceError::Url("redirect to another scheme"));
        }
        match decode(&self.body) {
            // Many trackers refuse with 4xx and say why in the body.
            Err(refusal @ AnnounceError::Refused { .. }) => Err(refusal),
            _ if !self.status.is_success() => Err(AnnounceError::Status(self.status.as_u16())),
            other => other,
        }
    }
}

/// The magnet link that a response sends us to.
fn magnet(response: &Response) -> Option<&str> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    let location = location.to_str().ok()?;
    location.get(..7)?.eq_ignore_ascii_case("magnet:").then_some(location)
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
///
/// # Errors
/// It is no URL of HTTP, or it leads from https to http.
pub fn target(from: &Url, location: &str) -> Result<Url, AnnounceError> {
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
    loop {
        if let Some(why) = certificate(cause) {
            return AnnounceError::Certificate(why);
        }
        let Some(inner) = cause.source() else { break };
        cause = inner;
    }
    // The system's number for what it says in words helps nobody.
    let why = cause.to_string();
    let why = why.split_once(" (os error ").map_or(why.as_str(), |(words, _)| words);
    AnnounceError::Network(Untrusted::new(why.to_owned()))
}

/// What is wrong with the server's certificate, where that is the cause. An error of the system may hold
/// the one of TLS, and another of the system in between, without naming it as its source.
fn certificate(cause: &(dyn std::error::Error + 'static)) -> Option<Untrusted> {
    use rustls::CertificateError as C;
    let mut held = cause;
    while let Some(error) = held.downcast_ref::<std::io::Error>() {
        held = error.get_ref()?;
    }
    let rustls::Error::InvalidCertificate(error) = held.downcast_ref::<rustls::Error>()? else { return None };
    Some(match error {
        C::UnknownIssuer => "nobody whom this system trusts vouches for it".into(),
        C::Expired | C::ExpiredContext { .. } => "it has expired".into(),
        C::NotValidYet | C::NotValidYetContext { .. } => "it is not valid yet".into(),
        C::NotValidForName | C::NotValidForNameContext { .. } => "it is for another host".into(),
        C::Revoked => "it was revoked".into(),
        other => Untrusted::new(other.to_string()),
    })
}
