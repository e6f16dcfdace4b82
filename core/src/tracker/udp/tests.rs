//! Announces and scrapes to a UDP tracker in this process, on loopback.

use std::collections::HashSet;
use std::sync::Mutex;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::*;
use crate::types::PeerId;

/// A tracker that ends with the test. Its connection ids hold the port of who asked.
struct Tracker {
    port: u16,
    /// Every packet that came.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tracker {
    /// `answer` makes the body of the reply to an announce or a scrape; `None`: an error.
    async fn start(address: &str, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let hears = heard.clone();
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let packet = &buffer[..length];
                hears.lock().unwrap().push(packet.to_vec());
                let connection = [b"proof ".as_slice(), &from.port().to_be_bytes()].concat();
                let (action, transaction) = (&packet[8..12], &packet[12..16]);
                let reply = match packet[11] {
                    0 => [action, transaction, &connection].concat(),
                    _ if packet[..8] != connection => [&[0, 0, 0, 3], transaction, b"who are you"].concat(),
                    _ => match answer(packet) {
                        Some(body) => [action, transaction, &body].concat(),
                        None => [&[0, 0, 0, 3], transaction, b"no"].concat(),
                    },
                };
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        Self { port, heard, task }
    }

    /// Names one peer, of the tracker's own family.
    async fn good(address: &str) -> Self {
        let peer: &[u8] = match address.starts_with('[') {
            true => b"\x2a\x11\0\x02\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1",
            false => b"\x0b\x02\0\x01\x1a\xe1",
        };
        let answer = [b"\0\0\x07\x08\0\0\0\x02\0\0\0\x03", peer].concat();
        Self::start(address, move |_| Some(answer.clone())).await
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }
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

/// A client with sockets at these addresses, which knows one name.
fn client(listen: &[&str], options: UdpOptions) -> (UdpTracker, UdpSockets) {
    let resolver = Resolver::with_lookup(1, |name| match name {
        "both.example" => Ok(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]),
        "meta.example" => Ok(vec!["169.254.169.254".parse().unwrap()]),
        _ => Err(std::io::Error::other("no such name")),
    });
    let (sockets, takers) = UdpSockets::new(Handle::current());
    for address in listen {
        sockets.bind(address.parse().unwrap()).unwrap();
    }
    let tracker =
        UdpTracker::start(&Handle::current(), resolver.unwrap(), sockets.clone(), takers.tracker, options);
    (tracker, sockets)
}

const BOTH: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

async fn announce(url: &str) -> Result<AnnounceReply, AnnounceError> {
    let (client, _sockets) = client(&BOTH, UdpOptions::default());
    client.announce(&url.into(), &params(AnnounceEvent::Started), Urgency::Event).await
}

fn peers(reply: &AnnounceReply) -> HashSet<String> {
    reply.peers.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_announce_with_the_pass_key_of_its_url() {
    let tracker = Tracker::good("127.0.0.1:0").await;
    let key = "x".repeat(300);
    let url = format!("udp://127.0.0.1:{}/{key}/announce?a=%62#no", tracker.port);
    let reply = announce(&url).await.unwrap();
    assert_eq!((reply.seeds, reply.leechers, reply.interval.as_secs()), (Some(3), Some(2), 1_800));
    let heard = tracker.heard();
    assert_eq!(heard.iter().map(|packet| packet[11]).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(heard[0].len(), 16);
    let data = format!("/{key}/announce?a=%62");
    let (first, second) = data.as_bytes().split_at(255);
    let options = [&[2, 255], first, &[2, second.len() as u8], second].concat();
    assert_eq!(heard[1][98..], options);
}

#[tokio::test]
async fn both_families_are_asked_and_merged() {
    let v4 = Tracker::good("127.0.0.1:0").await;
    let v6 = Tracker::good(&format!("[::1]:{}", v4.port)).await;
    let url = format!("udp://both.example:{}/announce", v4.port);
    let reply = announce(&url).await.unwrap();
    assert_eq!(peers(&reply), HashSet::from(["11.2.0.1:6881".into(), "[2a11:2::1]:6881".into()]));
    assert_eq!((v4.heard().len(), v6.heard().len()), (2, 2));
    // Who has a socket of one family only asks over that one.
    let (narrow, _sockets) = client(&BOTH[1..], UdpOptions::default());
    let reply =
        narrow.announce(&url.as_str().into(), &params(AnnounceEvent::Regular), Urgency::Event).await.unwrap();
    assert_eq!(peers(&reply), HashSet::from(["[2a11:2::1]:6881".into()]));
    let url = format!("udp://127.0.0.1:{}/announce", v4.port);
    let none = narrow.announce(&url.as_str().into(), &params(AnnounceEvent::Regular), Urgency::Event).await;
    assert!(matches!(none, Err(AnnounceError::Network(_))), "{none:?}");
}

#[tokio::test]
async fn a_dead_family_delays_the_other_by_little() {
    let v4 = Tracker::good("127.0.0.1:0").await;
    let _silent = UdpSocket::bind(format!("[::1]:{}", v4.port)).await.unwrap();
    let began = Instant::now();
    let reply = announce(&format!("udp://both.example:{}/announce", v4.port)).await.unwrap();
    assert_eq!(peers(&reply), HashSet::from(["11.2.0.1:6881".into()]));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn silence_ends_with_the_deadline_and_a_good_bye_sooner() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("udp://127.0.0.1:{}/announce", silent.local_addr().unwrap().port());
    let options = UdpOptions {
        deadline: Duration::from_secs(2),
        stop_deadline: Duration::from_millis(300),
        ..UdpOptions::default()
    };
    let (client, _sockets) = client(&BOTH, options);
    for (event, least, most) in [(AnnounceEvent::Stopped, 300, 1_900), (AnnounceEvent::Started, 2_000, 9_000)]
    {
        let began = Instant::now();
        let result = client.announce(&url.as_str().into(), &params(event), Urgency::Event).await;
        assert_eq!(result, Err(AnnounceError::Timeout));
        let took = began.elapsed().as_millis();
        assert!((least..most).contains(&took), "{event:?}: {took} ms");
    }
}

#[tokio::test]
async fn a_hundred_announces_at_once_share_a_connection() {
    let tracker = Tracker::good("127.0.0.1:0").await;
    let url: Untrusted = format!("udp://127.0.0.1:{}/announce", tracker.port).into();
    let (client, _sockets) = client(&BOTH, UdpOptions::default());
    let mut announces = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (client, url) = (client.clone(), url.clone());
        announces.spawn(async move {
            let params =
                AnnounceParams { info_hash: InfoHash::new([n; 20]), ..params(AnnounceEvent::Started) };
            client.announce(&url, &params, Urgency::Event).await.unwrap().peers.len()
        });
    }
    assert_eq!(announces.join_all().await, vec![1; 100]);
    let connects = tracker.heard().iter().filter(|packet| packet[11] == 0).count();
    assert_eq!(connects, 1);
}

#[tokio::test]
async fn a_scrape_of_many_goes_in_packets_of_seventy_four() {
    let tracker = Tracker::start("127.0.0.1:0", |packet| {
        // The first byte of each hash as its number of seeds.
        let figures = packet[16..].chunks(20).flat_map(|hash| [0, 0, 0, hash[0], 0, 0, 0, 2, 0, 0, 0, 3]);
        Some(figures.collect())
    });
    let tracker = tracker.await;
    let torrents: Vec<_> = (0..150).map(|n| InfoHash::new([n; 20])).collect();
    let (client, _sockets) = client(&BOTH, UdpOptions::default());
    let url = format!("udp://127.0.0.1:{}", tracker.port);
    let counts = client.scrape(&url.as_str().into(), &torrents).await.unwrap();
    assert_eq!(counts.len(), 150);
    for (count, n) in counts.iter().zip(0..) {
        let want = (Some(n), Some(2), Some(3));
        assert_eq!((count.seeds, count.completed, count.leechers), want);
        assert_eq!(count.info_hash, InfoHash::new([n as u8; 20]));
    }
    let sizes: Vec<_> = tracker.heard().iter().map(|packet| (packet.len() - 16) / 20).collect();
    assert_eq!(sizes, [0, 74, 74, 2]);
}

#[tokio::test]
async fn refusals_and_addresses_that_are_out_of_bounds() {
    let tracker = Tracker::start("127.0.0.1:0", |_| None).await;
    let refused = announce(&format!("udp://127.0.0.1:{}", tracker.port)).await;
    assert_eq!(refused, Err(AnnounceError::Refused { reason: "no".into(), retry: None }));
    let inward = announce("udp://meta.example:80/announce").await;
    assert_eq!(inward, Err(AnnounceError::Scope("link-local")));
    for literal in ["169.254.169.254", "224.0.0.1", "0.0.0.0", "[ff02::1]", "[::]"] {
        let result = announce(&format!("udp://{literal}:80/announce")).await;
        assert!(matches!(result, Err(AnnounceError::Scope(_))), "{literal}: {result:?}");
    }
    assert!(matches!(announce("udp://no.example:80").await, Err(AnnounceError::Resolve(_))));
    // From a loopback address there is no way to the internet, and the system says so at once.
    let nowhere = announce("udp://11.1.0.1:80").await;
    assert!(matches!(nowhere, Err(AnnounceError::Network(_))), "{nowhere:?}");
    // IPv4 in IPv6 notation.
    let tracker = Tracker::good("127.0.0.1:0").await;
    assert!(announce(&format!("udp://[::ffff:127.0.0.1]:{}", tracker.port)).await.is_ok());
}

#[tokio::test]
async fn closed_sockets_end_who_waits() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url: Untrusted = format!("udp://127.0.0.1:{}", silent.local_addr().unwrap().port()).into();
    let (client, sockets) = client(&BOTH, UdpOptions::default());
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.announce(&url, &params(AnnounceEvent::Started), Urgency::Event).await }
    });
    let mut packet = [0; 16];
    silent.recv_from(&mut packet).await.unwrap();
    sockets.close();
    let result = timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert!(matches!(result, Err(AnnounceError::Network(_))), "{result:?}");
}

#[test]
fn urls_taken_apart() {
    let check = |text: &str, want: Option<(&str, u16, &str)>| {
        let url = UdpUrl::parse(&text.into()).ok();
        let want = want.map(|(host, port, data)| UdpUrl {
            host: host.into(),
            port,
            data: Bytes::copy_from_slice(data.as_bytes()),
        });
        assert_eq!(url, want, "{text}");
    };
    check("udp://t.example:80/dir?a=b&c=d", Some(("t.example", 80, "/dir?a=b&c=d")));
    check("UDP://t.example:80", Some(("t.example", 80, "")));
    check("udp://t.example:80?k=/1#x", Some(("t.example", 80, "?k=/1")));
    check("udp://t.example:80/a/../%2f", Some(("t.example", 80, "/a/../%2f")));
    check("udp://[2a11::1]:80/", Some(("[2a11::1]", 80, "/")));
    let long = format!("udp://t:1/{}", "x".repeat(5_000));
    for bad in [
        "udp://t.example/a",
        "udp://t:0/",
        "udp://:80/",
        "http://t:80/",
        "udp://a@b@t:1",
        "udp://t:1/\n",
        "",
        &long,
    ] {
        check(bad, None);
    }
}

#[tokio::test]
async fn who_waits_for_a_turn_is_small() {
    let (client, _sockets) = client(&BOTH, UdpOptions::default());
    let (url, params) = ("udp://t.example:80".into(), params(AnnounceEvent::Started));
    let announce = size_of_val(&client.announce(&url, &params, Urgency::Event));
    let scrape = size_of_val(&client.scrape(&url, &[]));
    assert!(announce.max(scrape) <= 512, "{announce} and {scrape} bytes");
}
