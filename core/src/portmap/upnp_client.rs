//! Carries UPnP jobs out: SSDP and HTTP with the gateway and nobody else, each within a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use super::ssdp::{self, Location};
use super::upnp::{self, Done, Job, MAX_PAGE, Service, UpnpError};
use crate::net::bind::Way;

/// For one job, a search with all that it asks for included. Slow gateways take seconds for a page.
pub const DEADLINE: Duration = Duration::from_secs(8);

/// How long answers to a search are waited for: gateways take up to a second, and the search is repeated.
const SEARCH: Duration = Duration::from_secs(3);

/// Datagrams may get lost.
const SEARCH_AGAIN: Duration = Duration::from_millis(700);

/// Answers of the gateway that are looked at in one search: a few services, each up to three times.
const MAX_ANSWERS: usize = 16;

/// Bytes of a head that are read.
const MAX_HEAD: usize = 16 << 10;

/// Where the gateway is, and we.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The gateway; over IPv6 with the interface that it is on.
    pub gateway: SocketAddr,
    /// Our address there.
    pub local: IpAddr,
    /// The interface by its number, for IPv6.
    pub interface: u32,
    /// Where searches go: a group of all, or in tests one host.
    pub group: SocketAddr,
    /// What sockets leave by.
    pub way: Way,
}

/// Does the job. A search returns what it found, for the next jobs.
pub async fn perform(
    place: Place,
    service: Option<Service>,
    job: Job,
) -> (Option<Service>, Result<Done, UpnpError>) {
    let mut found = None;
    let work = async {
        match (&job, &service) {
            (Job::Find, _) => {
                found = Some(place.find().await?);
                Ok(Done::Ok)
            }
            (_, Some(service)) => place.call(service, &job).await,
            (_, None) => Err(UpnpError::Silent),
        }
    };
    let result = timeout(DEADLINE, work).await.unwrap_or(Err(UpnpError::Silent));
    // Where nothing was found the old one may still be asked to take something back.
    (found.or(service), result)
}

impl Place {
    async fn find(&self) -> Result<Service, UpnpError> {
        let http = |error: io::Error| UpnpError::Http(error.to_string());
        let socket = self.search_socket().map_err(http)?;
        let end = Instant::now() + SEARCH;
        let mut again = Some(Instant::now());
        let mut seen: Vec<Location> = Vec::new();
        let mut answer = Err(UpnpError::Silent);
        let mut buffer = vec![0; ssdp::MAX_REPLY];
        while seen.len() < MAX_ANSWERS {
            let repeat = async {
                match again {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let received = tokio::select! {
                received = socket.recv_from(&mut buffer) => received,
                () = repeat => {
                    again = seen.is_empty().then(|| Instant::now() + SEARCH_AGAIN);
                    for search in ssdp::searches(self.local.is_ipv6()) {
                        socket.send_to(search.as_bytes(), self.group).await.map_err(http)?;
                    }
                    continue;
                }
                () = tokio::time::sleep_until(end) => break,
            };
            let Ok((length, from)) = received else { continue };
            let location = buffer.get(..length).and_then(|datagram| ssdp::location(datagram, from));
            let Some(location) = location.filter(|location| {
                !seen.contains(location) && ssdp::is_heard(location, from.ip(), self.gateway.ip(), self.local)
            }) else {
                continue;
            };
            seen.push(location.clone());
            let page = timeout_at(end + SEARCH, self.page(&location, None)).await;
            let found = match page {
                Ok(page) => page.and_then(|page| upnp::service(&page, &location, self.local.is_ipv6())),
                Err(_) => Err(UpnpError::Silent),
            };
            match found {
                Ok(service) => return Ok(service),
                Err(error) => answer = Err(error),
            }
        }
        answer
    }

    fn search_socket(&self) -> io::Result<UdpSocket> {
        let local = SocketAddr::new(self.local, 0);
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, None)?;
        self.way.prepare(&socket, local.is_ipv6())?;
        socket.set_nonblocking(true)?;
        match self.local {
            IpAddr::V4(local) => {
                socket.set_multicast_if_v4(&local)?;
                // As far as the specification lets it go; gateways are one hop away.
                socket.set_multicast_ttl_v4(2)?;
            }
            IpAddr::V6(_) => {
                socket.set_only_v6(true)?;
                socket.set_multicast_if_v6(self.interface)?;
            }
        }
        socket.bind(&local.into())?;
        UdpSocket::from_std(socket.into())
    }

    async fn call(&self, service: &Service, job: &Job) -> Result<Done, UpnpError> {
        let request = job.request(service.kind, self.local).ok_or(UpnpError::Garbage)?;
        let action = format!("\"{}#{}\"", service.kind, request.action);
        let page = self.page(&service.control, Some((action, request.body))).await?;
        job.answer(&page, self.local)
    }

    /// Gets a page, or posts a request. Redirects are pages like any other: they lead nowhere.
    async fn page(&self, at: &Location, post: Option<(String, String)>) -> Result<String, UpnpError> {
        let failed = |error: &dyn std::fmt::Display| UpnpError::Http(error.to_string());
        let socket = if at.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(|error| failed(&error))?;
        self.way.prepare(&socket, at.address.is_ipv6()).map_err(|error| failed(&error))?;
        socket.bind(SocketAddr::new(self.local, 0)).map_err(|error| failed(&error))?;
        let stream = socket.connect(at.address).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        let request = Request::builder()
            .uri(at.path.as_str())
            .header(HOST, upnp::without_scope(at.address).to_string())
            .header(CONNECTION, "close");
        let request = match post {
            None => request.body(Full::new(Bytes::new())),
            Some((action, body)) => request
                .method("POST")
                .header("SOAPAction", action)
                .header(CONTENT_TYPE, "text/xml; charset=\"utf-8\"")
                .body(Full::new(body.into())),
        };
        let request = request.map_err(|error| failed(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
            let body = Limited::new(response.into_body(), MAX_PAGE).collect().await;
            let body = body.map_err(|error| failed(&error))?.to_bytes();
            String::from_utf8(body.into()).map_err(|_| UpnpError::Garbage)
        };
        let driven = async {
            // Its errors are the exchange's too.
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            page = exchange => page,
            never = driven => never,
        }
    }
}
