//! Announces to servers in this process: good ones, strange ones, hostile ones. All on loopback.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::types::{InfoHash, PeerId};

/// A server on loopback that ends with the test.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each connection with what `answer` writes after the request's head was read.
    async fn start<F: Future<Output = ()> + Send + 'static>(
        address: &str,
        answer: impl Fn(TcpStream, String) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = head(&mut stream).await;
                seen.lock().unwrap().push(head.clone());
                connections.spawn(answer(stream, head));
            }
        });
        Self { port, requests, task }
    }

    /// Always the same bytes, then the end of the connection.
    async fn fixed(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start("127.0.0.1:0", move |stream, _| send(stream, bytes.clone())).await
    }

    /// A body with status 200.
    async fn body(body: &[u8]) -> Self {
        Self::fixed(http("200 OK", "", body)).await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/announce", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn send(mut stream: TcpStream, bytes: Arc<[u8]>) {
    // The client may have enough before the end.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// Keeps the connection open and says nothing.
async fn silence(_open: TcpStream) {
    std::future::pending().await
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn redirect_to(location: &str) -> Vec<u8> {
    http("302 Found", &format!("Location: {location}\r\n"), b"")
}

fn params(event: AnnounceEvent) -> AnnounceParams {
    AnnounceParams {
        info_hash: InfoHash::new([0xff; 20]),
        peer_id: PeerId::new(*b"-TC0100-abcdefghijkl"),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        corrupt: 0,
        left: 1,
        key: 7,
        numwant: 80,
        event,
    }
}

type Names = &'static [(&'static str, &'static [&'static str])];

/// A client that knows these names and no others.
fn client(ips: Names, options: HttpOptions) -> HttpTracker {
    let resolver = Resolver::with_lookup(1, move |name| {
        let known = ips.iter().find(|(known, _)| *known == name);
        let ips = known.ok_or_else(|| std::io::Error::other("no such name"))?.1;
        Ok(ips.iter().map(|ip| ip.parse().unwrap()).collect())
    });
    HttpTracker::new(resolver.unwrap(), options).unwrap()
}

async fn announce(url: &str) -> Result<AnnounceReply, AnnounceError> {
    client(&[], HttpOptions::default())
        .announce(&url.into(), &params(AnnounceEvent::Started), None, Urgency::Event, Trust::default())
        .await
}

const GOOD: &[u8] = b"d8:completei5e10:incompletei3e8:intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe1e";

fn is_good(reply: &Result<AnnounceReply, AnnounceError>) -> bool {
    reply.as_ref().is_ok_and(|reply| reply.peers == ["1.2.3.4:6881".parse().unwrap()])
}

#[tokio::test]
async fn compact_answer() {
    let server = Server::body(GOOD).await;
    let reply = announce(&server.url()).await.unwrap();
    assert_eq!((reply.seeds, reply.leechers), (Some(5), Some(3)));
    assert_eq!(reply.interval.as_secs(), 900);
    assert_eq!(reply.peers, ["1.2.3.4:6881".parse().unwrap()]);
}

#[tokio::test]
async fn the_request_is_one_that_trackers_like() {
    let server = Server::body(GOOD).await;
    announce(&server.url()).await.unwrap();
    let request = server.requests().remove(0);
    let line = request.lines().next().unwrap();
    assert!(line.starts_with("GET /announce?info_hash=%FF%FF"), "{line}");
    assert!(line.contains("&peer_id=-TC0100-abcdefghijkl&port=6881&"), "{line}");
    assert!(line.ends_with("&event=started HTTP/1.1"), "{line}");
    assert!(request.contains(&format!("\r\nUser-Agent: {}\r\n", crate::config::CLIENT)), "{request}");
    assert!(request.contains("\r\nHost: 127.0.0.1:"), "{request}");
    assert!(request.contains("\r\nAccept-Encoding: gzip\r\n"), "{request}");
    assert!(!request.contains("\r\nReferer"), "{request}");
}

#[tokio::test]
async fn an_answer_as_dictionaries_and_peers6() {
    let body = b"d8:intervali900e5:peersld2:ip7:1.2.3.44:porti6881eee6:peers618:\
        \x2a\x11\0\x01\0\0\0\0\0\0\0\0\0\0\0\x09\0\x50e";
    let server = Server::body(body).await;
    let reply = announce(&server.url()).await.unwrap();
    assert_eq!(reply.peers, ["1.2.3.4:6881".parse().unwrap(), "[2a11:1::9]:80".parse().unwrap()]);
}

#[tokio::test]
async fn refusals_with_any_status() {
    let body = b"d14:failure reason17:unknown info_hashe";
    for status in ["200 OK", "400 Bad Request", "404 Not Found", "503 Service Unavailable"] {
        let server = Server::fixed(http(status, "", body)).await;
        let error = announce(&server.url()).await.unwrap_err();
        assert_eq!(error.to_string(), "unknown info_hash", "{status}");
    }
}

#[tokio::test]
async fn what_is_no_answer() {
    let page = b"<!DOCTYPE html><title>Log in</title>";
    let server = Server::body(page).await;
    assert_eq!(announce(&server.url()).await, Err(AnnounceError::Malformed));
    let server = Server::fixed(http("500 Oops", "", page)).await;
    assert_eq!(announce(&server.url()).await, Err(AnnounceError::Status(500)));
    let server = Server::fixed(http("302 Found", "", page)).await;
    assert_eq!(announce(&server.url()).await, Err(AnnounceError::Status(302)), "no Location");
    let server = Server::fixed("SSH-2.0-OpenSSH_9.9\r\n").await;
    assert!(matches!(announce(&server.url()).await, Err(AnnounceError::Network(_))));
}

#[tokio::test]
async fn nobody_there() {
    let port = Server::body(b"").await.port;
    let error = announce(&format!("http://127.0.0.1:{port}/announce?passkey=x")).await.unwrap_err();
    assert!(matches!(&error, AnnounceError::Scope(_)), "{error}: a query leads inward");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = announce(&format!("http://127.0.0.1:{free}/key0123/announce")).await.unwrap_err();
    assert!(matches!(error, AnnounceError::Network(_)), "{error}");
    assert!(!error.to_string().contains("key0123"), "{error}");
    assert!(!error.to_string().contains("os error"), "{error}");
    let error = announce("http://nowhere.example/announce").await.unwrap_err();
    assert_eq!(error, AnnounceError::Resolve("no such name".into()));
}

#[tokio::test]
async fn gzip() {
    let server = Server::fixed(http("200 OK", "Content-Encoding: gzip\r\n", &gzipped(GOOD))).await;
    assert!(is_good(&announce(&server.url()).await));
}

/// The simplest gzip there is: stored blocks (RFC 1951, 3.2.4), with the checksum of RFC 1952.
fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks = data.chunks(65_535).count();
    for (i, block) in data.chunks(65_535).enumerate() {
        let length = block.len() as u16;
        out.push((i + 1 == blocks) as u8);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    let crc = data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    out.extend_from_slice(&(!crc).to_le_bytes());
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out
}

/// A gzip of endless zeros in fixed Huffman codes (RFC 1951, 3.2.6): one literal 0, then matches of 258
/// bytes at distance 1, at 13 bits each, about 1 : 158.
fn bomb(packed: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0u32, 0);
    let mut put = |out: &mut Vec<u8>, value: u32, width: u32| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    put(&mut out, 0b011, 3); // last block, fixed codes
    put(&mut out, 0b0000_1100, 8); // literal 0, code 0011_0000, most significant bit first
    while out.len() < packed {
        put(&mut out, 0b1010_0011, 8); // length 258, code 1100_0101
        put(&mut out, 0, 5); // distance 1
    }
    out
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_off() {
    let packed = bomb(512 << 10);
    let server = Server::fixed(http("200 OK", "Content-Encoding: gzip\r\n", &packed)).await;
    assert_eq!(announce(&server.url()).await, Err(AnnounceError::TooLarge));
}

#[tokio::test]
async fn bodies_without_end() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nd8:interval";
    let server = Server::fixed(length).await;
    assert_eq!(announce(&server.url()).await, Err(AnnounceError::TooLarge));
    let endless = async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
        while stream.write_all(&[b'd'; 4_096]).await.is_ok() {}
    };
    let server = Server::start("127.0.0.1:0", move |stream, _| endless(stream)).await;
    assert_eq!(announce(&server.url()).await, Err(AnnounceError::TooLarge));
    let server = Server::fixed("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd8:interval").await;
    assert!(matches!(announce(&server.url()).await, Err(AnnounceError::Network(_))), "a length that lies");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n";
    let server = Server::fixed(chunked).await;
    assert!(matches!(announce(&server.url()).await, Err(AnnounceError::Network(_))), "a negative chunk");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nhello\r\n";
    let server = Server::fixed(chunked).await;
    assert!(
        matches!(announce(&server.url()).await, Err(AnnounceError::Network(_))),
        "a chunk beyond 64 bits"
    );
}

#[tokio::test]
async fn headers_without_end() {
    let endless = async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(&b"X-Header: and another\r\n".repeat(100)).await.is_ok() {}
    };
    let server = Server::start("127.0.0.1:0", move |stream, _| endless(stream)).await;
    assert!(matches!(announce(&server.url()).await, Err(AnnounceError::Network(_))));
}

#[tokio::test]
async fn a_byte_at_a_time_ends_at_the_deadline() {
    let slow = async |mut stream: TcpStream| {
        for byte in http("200 OK", "", GOOD) {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if stream.write_u8(byte).await.is_err() {
                return;
            }
        }
    };
    let server = Server::start("127.0.0.1:0", move |stream, _| slow(stream)).await;
    // The whole answer would take half a minute.
    let tracker = client(&[], HttpOptions { deadline: Duration::from_secs(1), ..HttpOptions::default() });
    let result = tracker
        .announce(
            &server.url().into(),
            &params(AnnounceEvent::Started),
            None,
            Urgency::Event,
            Trust::default(),
        )
        .await;
    assert_eq!(result, Err(AnnounceError::Timeout));
}

#[tokio::test]
async fn a_stopped_has_a_deadline_of_its_own() {
    let server = Server::start("127.0.0.1:0", |stream, _| silence(stream)).await;
    let options = HttpOptions { stop_deadline: Duration::from_millis(300), ..HttpOptions::default() };
    let begin = Instant::now();
    let stopped = params(AnnounceEvent::Stopped);
    let result = client(&[], options)
        .announce(&server.url().into(), &stopped, None, Urgency::Event, Trust::default())
        .await;
    assert_eq!(result, Err(AnnounceError::Timeout));
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn redirects_are_followed_five_times() {
    for (hops, good) in [(1, true), (5, true), (6, false), (1_000, false)] {
        let counter = Arc::new(AtomicUsize::new(0));
        let server = Server::start("127.0.0.1:0", move |stream, _| {
            let hop = counter.fetch_add(1, Ordering::SeqCst);
            let bytes =
                if hop < hops { redirect_to(&format!("/hop{hop}")) } else { http("200 OK", "", GOOD) };
            send(stream, bytes.into())
        })
        .await;
        let result = announce(&server.url()).await;
        assert_eq!(is_good(&result), good, "{hops} hops: {result:?}");
        assert!(good || result == Err(AnnounceError::Redirects));
        assert!(server.requests().len() <= MAX_REDIRECTS + 1);
    }
}

#[tokio::test]
async fn redirects_lead_to_http_hosts_only() {
    for location in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://", "//", "http://169.254.169.254/x"] {
        let server = Server::fixed(redirect_to(location)).await;
        let error = announce(&server.url()).await.unwrap_err();
        assert!(matches!(error, AnnounceError::Url(_) | AnnounceError::Scope(_)), "{location}: {error}");
    }
}

#[test]
fn where_a_redirect_leads() {
    let from = Url::parse("https://me:word@t.example/key/announce?x=1").unwrap();
    let to = |location: &str| target(&from, location).map(String::from);
    assert_eq!(to("http://t.example/a"), Err(AnnounceError::Url("redirect from https to http")));
    assert_eq!(to("udp://t.example/a"), Err(AnnounceError::Url("redirect to another scheme")));
    assert_eq!(to("other?y=2"), Ok("https://me:word@t.example/key/other?y=2".into()));
    assert_eq!(to("https://t.example:8443/a"), Ok("https://t.example:8443/a".into()));
    assert_eq!(to("//other.example/a"), Ok("https://other.example/a".into()));
}

#[tokio::test]
async fn a_password_stays_with_its_origin() {
    let other = Server::body(GOOD).await;
    let elsewhere = other.url();
    let hop = Arc::new(AtomicUsize::new(0));
    let server = Server::start("127.0.0.1:0", move |stream, _| {
        let here = hop.fetch_add(1, Ordering::SeqCst) == 0;
        send(stream, redirect_to(if here { "/announce2" } else { &elsewhere }).into())
    })
    .await;
    let url = format!("http://me:secret@127.0.0.1:{}/announce", server.port);
    assert!(is_good(&announce(&url).await));
    let basic = "\r\nAuthorization: Basic bWU6c2VjcmV0\r\n";
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.contains(basic)), "{requests:?}");
    assert_eq!(requests.len(), 2);
    assert!(!other.requests()[0].contains("Authorization"), "{:?}", other.requests());
}

#[tokio::test]
async fn what_a_person_typed_leads_into_private_networks_and_never_to_link_local() {
    let server = Server::body(GOOD).await;
    let names: Names = &[("lan.example", &["127.0.0.1"]), ("meta.example", &["169.254.169.254"])];
    let tracker = client(names, HttpOptions::default());
    for (host, trust, good) in [
        ("lan.example", Trust::default(), false),
        ("lan.example", Trust { named: true, ..Trust::default() }, true),
        ("127.0.0.1", Trust { named: true, ..Trust::default() }, true),
        ("meta.example", Trust { named: true, ..Trust::default() }, false),
    ] {
        let url = Untrusted::new(format!("http://{host}:{}/t.php?passkey=x", server.port));
        let result =
            tracker.announce(&url, &params(AnnounceEvent::Regular), None, Urgency::Event, trust).await;
        assert_eq!(is_good(&result), good, "{host} {trust:?}: {result:?}");
    }
}

#[tokio::test]
async fn announces_leave_from_the_address_that_peers_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Untrusted::new(format!("http://{}/announce", listener.local_addr().unwrap()));
    let options = HttpOptions { sources: [Some([127, 0, 0, 9].into()), None], ..HttpOptions::default() };
    let tracker = client(&[], options);
    let params = params(AnnounceEvent::Started);
    let asked = tracker.announce(&url, &params, None, Urgency::Event, Trust::default());
    let caller = tokio::select! {
        caller = listener.accept() => caller.unwrap().1,
        reply = asked => panic!("{reply:?}"),
    };
    assert_eq!(caller.ip().to_string(), "127.0.0.9");
}

#[tokio::test]
async fn names_and_literals_lead_inward_only_as_plain_announces() {
    let server = Server::body(GOOD).await;
    let names: Names = &[("lan.example", &["127.0.0.1"]), ("meta.example", &["169.254.169.254"])];
    let tracker = client(names, HttpOptions::default());
    for (host, path, good) in [
        ("lan.example", "announce", true),
        ("lan.example", "key/announce.php", true),
        ("lan.example", "admin?reboot", false),
        ("lan.example", "announce?x=1", false),
        ("127.0.0.1", "admin", false),
        ("[::ffff:127.0.0.1]", "admin", false),
        ("0x7f.1", "admin", false),
        ("meta.example", "announce", false),
        ("169.254.169.254", "announce", false),
        ("0.0.0.0", "announce", false),
        ("[fe80::1]", "announce", false),
    ] {
        let url = Untrusted::new(format!("http://{host}:{}/{path}", server.port));
        let before = server.requests().len();
        let result = tracker
            .announce(&url, &params(AnnounceEvent::Regular), None, Urgency::Event, Trust::default())
            .await;
        assert_eq!(is_good(&result), good, "{url}: {result:?}");
        assert!(good || matches!(result, Err(AnnounceError::Scope(_))), "{url}: {result:?}");
        assert_eq!(server.requests().len() - before, usize::from(good), "{url}");
    }
}

#[tokio::test]
async fn a_redirect_leads_no_further_in_than_its_sender() {
    let inner = client(&[("lan.example", &["127.0.0.1"])], HttpOptions::default()).inner;
    let url = |text: &str| Url::parse(text).unwrap();
    for (sent_by, to, want) in [
        ("11.0.0.1", "http://lan.example/announce", Err(AnnounceError::Scope("loopback"))),
        ("11.0.0.1", "http://127.0.0.1/announce", Err(AnnounceError::Scope("loopback"))),
        ("11.0.0.1", "http://10.0.0.1/announce", Err(AnnounceError::Scope("private"))),
        ("11.0.0.1", "http://169.254.169.254/announce", Err(AnnounceError::Scope("link-local"))),
        ("10.0.0.1", "http://127.0.0.1/announce", Err(AnnounceError::Scope("loopback"))),
        ("169.254.0.1", "http://169.254.169.254/announce", Err(AnnounceError::Scope("link-local"))),
        ("10.0.0.1", "http://10.0.0.2/x?y", Ok(Reach::Inward)),
        ("127.0.0.1", "http://127.0.0.1/x?y", Ok(Reach::Inward)),
        ("127.0.0.1", "http://11.0.0.1/x?y", Ok(Reach::Outward)),
    ] {
        let reach = inner.reach(Family::V4, &url(to), Some(sent_by.parse().unwrap()), true).await;
        assert_eq!(reach, want, "{sent_by} -> {to}");
    }
}

#[tokio::test]
async fn one_announce_per_address_family_and_one_answer_is_enough() {
    let v4 = Server::body(GOOD).await;
    let body = b"d8:intervali1800e6:peers618:\x2a\x11\0\x01\0\0\0\0\0\0\0\0\0\0\0\x09\0\x50e";
    let bytes: Arc<[u8]> = http("200 OK", "", body).into();
    let v6 = Server::start(&format!("[::1]:{}", v4.port), move |stream, _| send(stream, bytes.clone())).await;
    let names: Names = &[("both.example", &["127.0.0.1", "::1"])];
    let tracker = client(names, HttpOptions::default());
    let url = Untrusted::new(format!("http://both.example:{}/announce", v4.port));
    let reply = tracker
        .announce(&url, &params(AnnounceEvent::Started), None, Urgency::Event, Trust::default())
        .await
        .unwrap();
    assert_eq!(reply.peers, ["1.2.3.4:6881".parse().unwrap(), "[2a11:1::9]:80".parse().unwrap()]);
    assert_eq!(reply.interval.as_secs(), 1_800, "the more patient of two");
    assert_eq!((v4.requests().len(), v6.requests().len()), (1, 1));
    drop(v6);
    let tracker = client(names, HttpOptions::default());
    let reply =
        tracker.announce(&url, &params(AnnounceEvent::Started), None, Urgency::Event, Trust::default()).await;
    assert!(is_good(&reply), "{reply:?}");
}

#[tokio::test]
async fn a_silent_family_does_not_hold_the_other_back_for_long() {
    let v4 = Server::body(GOOD).await;
    let address = format!("[::1]:{}", v4.port);
    let _v6 = Server::start(&address, |stream, _| silence(stream)).await;
    let tracker = client(&[("both.example", &["127.0.0.1", "::1"])], HttpOptions::default());
    let url = Untrusted::new(format!("http://both.example:{}/announce", v4.port));
    let begin = Instant::now();
    assert!(is_good(
        &tracker
            .announce(&url, &params(AnnounceEvent::Started), None, Urgency::Event, Trust::default())
            .await
    ));
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn one_host_is_asked_six_times_at_once() {
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    // Answers come by sixes: with fewer allowed nobody would get one, with more they would be seen.
    let six = Arc::new(tokio::sync::Barrier::new(IN_FLIGHT_PER_HOST));
    let (count, peak) = (now.clone(), most.clone());
    let first = Arc::new(AtomicBool::new(true));
    let server = Server::start("127.0.0.1:0", move |stream, _| {
        let (count, peak, six) = (count.clone(), peak.clone(), six.clone());
        let first = first.swap(false, Ordering::SeqCst);
        async move {
            if first {
                return send(stream, http("200 OK", "", GOOD).into()).await;
            }
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            six.wait().await;
            count.fetch_sub(1, Ordering::SeqCst);
            send(stream, http("200 OK", "", GOOD).into()).await;
        }
    })
    .await;
    let tracker = client(&[], HttpOptions::default());
    // Until it has answered once it is asked by two only.
    let url = Untrusted::new(server.url());
    assert!(is_good(
        &tracker
            .announce(&url, &params(AnnounceEvent::Started), None, Urgency::Event, Trust::default())
            .await
    ));
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let (tracker, url) = (tracker.clone(), Untrusted::new(server.url()));
            tokio::spawn(async move {
                tracker
                    .announce(&url, &params(AnnounceEvent::Regular), None, Urgency::Event, Trust::default())
                    .await
            })
        })
        .collect();
    for task in tasks {
        assert!(is_good(&task.await.unwrap()));
    }
    assert_eq!(most.load(Ordering::SeqCst), IN_FLIGHT_PER_HOST);
    assert_eq!(now.load(Ordering::SeqCst), 0);
}

/// A scrape of these torrents at a server that takes at most `most` hashes at once; the numbers of hashes
/// in its requests.
async fn scraped(most: usize, torrents: usize) -> (Result<usize, AnnounceError>, Vec<usize>) {
    let server = Server::start("127.0.0.1:0", move |stream, head| async move {
        let asked = head.matches("info_hash=").count();
        let answer = if asked > most {
            http("414 URI Too Long", "", b"")
        } else {
            let hashes = head.split("info_hash=").skip(1).map(|hash| &hash[..20]);
            let files: String =
                hashes.map(|hash| format!("20:{hash}d8:completei1e10:incompletei2ee")).collect();
            http("200 OK", "", format!("d5:filesd{files}ee").as_bytes())
        };
        send(stream, answer.into()).await;
    })
    .await;
    let hash = |n| InfoHash::try_from(format!("{n:020}").as_bytes()).unwrap();
    let torrents: Vec<_> = (0..torrents).map(hash).collect();
    let counts = client(&[], HttpOptions::default()).scrape(&server.url().into(), &torrents).await;
    let asked = server.requests().iter().map(|head| head.matches("info_hash=").count()).collect();
    (counts.map(|counts| counts.len()), asked)
}

#[tokio::test]
async fn a_scrape_of_many_is_cut_to_what_the_tracker_takes() {
    assert_eq!(scraped(60, 130).await, (Ok(130), vec![60, 60, 10]));
    assert_eq!(scraped(20, 70).await, (Ok(70), vec![60, 30, 15, 15, 15, 15, 10]));
    assert_eq!(scraped(1, 2).await, (Ok(2), vec![2, 1, 1]));
    let (refused, asked) = scraped(0, 9).await;
    assert_eq!((refused, asked), (Err(AnnounceError::Status(414)), vec![9, 4, 2, 1]));
}

#[tokio::test]
async fn what_has_no_scrape_is_not_asked() {
    let server = Server::body(GOOD).await;
    let url = format!("http://127.0.0.1:{}/a", server.port);
    let result = client(&[], HttpOptions::default()).scrape(&url.into(), &[InfoHash::new([1; 20])]).await;
    assert!(matches!(result, Err(AnnounceError::Url(_))), "{result:?}");
    assert!(server.requests().is_empty());
}

/// What is at a URL, as a text.
async fn at(url: &str) -> Result<String, String> {
    match client(&[("inside.example", &["127.0.0.1"])], HttpOptions::default()).fetch(url).await {
        Ok(AtUrl::File(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Ok(AtUrl::Magnet(magnet)) => Ok(magnet.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn a_torrent_file_at_a_url_is_fetched_over_redirects() {
    let server = Server::start("127.0.0.1:0", |stream, head| {
        let last = head.starts_with("GET /3.torrent?key=k");
        let hop = head["GET /".len()..].chars().next().and_then(|c| c.to_digit(10)).unwrap_or(0);
        let next = redirect_to(&format!("/{}.torrent?key=k", hop + 1));
        send(stream, if last { http("200 OK", "", b"d4:infodee") } else { next }.into())
    })
    .await;
    let url = format!(" http://127.0.0.1:{}/0.torrent\n", server.port);
    assert_eq!(at(&url).await, Ok("d4:infodee".to_owned()));
    assert_eq!(server.requests().len(), 4);
    assert!(server.requests()[0].contains("User-Agent: "));
    // A name that a person typed may lead into their own network.
    let url = format!("http://inside.example:{}/3.torrent?key=k", server.port);
    assert_eq!(at(&url).await, Ok("d4:infodee".to_owned()));
}

#[tokio::test]
async fn a_url_may_lead_to_a_magnet_link() {
    let link = "magnet:?xt=urn:btih:3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6";
    let server = Server::fixed(redirect_to(link)).await;
    assert_eq!(at(&server.url()).await, Ok(link.to_owned()));
    let server = Server::fixed(redirect_to("MAGNET:?xt=urn:btih:00")).await;
    let error = at(&server.url()).await.unwrap_err();
    assert!(error.starts_with("it leads to a magnet link: "), "{error}");
    // Not a tracker's.
    let server = Server::fixed(redirect_to(link)).await;
    assert_eq!(announce(&server.url()).await, Err(AnnounceError::Url("redirect to another scheme")));
}

#[tokio::test]
async fn nothing_comes_of_a_url_without_an_end_or_a_right() {
    for url in ["", "ftp://127.0.0.1/x", "file:///etc/passwd", "not a url"] {
        assert_eq!(at(url).await, Err("not an http or https URL".to_owned()), "{url}");
    }
    let check = async |answer: Vec<u8>, want: &str| {
        let server = Server::fixed(answer).await;
        assert_eq!(at(&server.url()).await, Err(want.to_owned()));
    };
    check(http("404 Not Found", "", b"<html>"), "HTTP 404").await;
    check(redirect_to("http://169.254.169.254/latest"), "refused: leads to a link-local address").await;
    check(redirect_to("file:///etc/passwd"), "unusable URL: redirect to another scheme").await;
    check(redirect_to("/announce"), "redirected too often").await;
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\nd".to_vec();
    check(huge, "more than 64 MiB, no torrent file is as large").await;
    let http = HttpOptions { deadline: Duration::from_millis(200), ..HttpOptions::default() };
    let server = Server::start("127.0.0.1:0", |stream, _| silence(stream)).await;
    let error = client(&[], http).fetch(&server.url()).await.unwrap_err();
    assert_eq!(error.to_string(), "timed out");
}

#[tokio::test]
async fn who_waits_for_a_turn_is_small() {
    let client = client(&[], HttpOptions::default());
    let (url, params) = ("http://t.example/announce".into(), params(AnnounceEvent::Started));
    let announce = client.announce(&url, &params, None, Urgency::Event, Trust::default());
    let (announce, scrape) = (size_of_val(&announce), size_of_val(&client.scrape(&url, &[])));
    assert!(announce.max(scrape) <= 768, "{announce} and {scrape} bytes");
}
