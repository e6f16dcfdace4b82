//! The tracker against the engine's own announces, and against bytes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use tc_core::net::resolver::Resolver;
use tc_core::tracker::{AnnounceEvent, AnnounceParams, AnnounceReply, HttpOptions, HttpTracker, Urgency};
use tc_core::types::PeerId;

use super::*;

const TORRENT: InfoHash = InfoHash::new([0xfe; 20]);

struct Client(HttpTracker);

impl Client {
    fn new() -> Self {
        let resolver = Resolver::start(1, None).unwrap();
        Self(HttpTracker::new(resolver, HttpOptions::default()).unwrap())
    }

    async fn say(&self, tracker: &Tracker, name: u8, left: u64, event: AnnounceEvent) -> AnnounceReply {
        let params = AnnounceParams {
            info_hash: TORRENT,
            peer_id: PeerId::new([name; 20]),
            port: 7_000 + u16::from(name),
            uploaded: 0,
            downloaded: 0,
            corrupt: 0,
            left,
            key: 1,
            numwant: 80,
            event,
        };
        self.0
            .announce(
                &tracker.url().as_str().into(),
                &params,
                None,
                Urgency::Event,
                tc_core::tracker::Trust::default(),
            )
            .await
            .unwrap()
    }
}

fn local() -> Tracker {
    Tracker::start("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn ask(tracker: &Tracker, request: &str) -> String {
    let mut stream = TcpStream::connect(tracker.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_swarm_comes_and_goes() {
    use AnnounceEvent::{Completed, Regular, Started, Stopped};
    let (tracker, client) = (local(), Client::new());
    let first = client.say(&tracker, 1, 0, Started).await;
    assert!(first.peers.is_empty(), "nobody is told of itself");
    assert_eq!((first.seeds, first.leechers), (Some(1), Some(0)));
    assert_eq!(first.interval, INTERVAL);
    assert_eq!(first.external_ip, Some([127, 0, 0, 1].into()));

    let second = client.say(&tracker, 2, 100, Started).await;
    assert_eq!(second.peers, addresses(&["127.0.0.1:7001"]));
    assert_eq!(tracker.counts(&TORRENT), (1, 1));
    assert_eq!(tracker.list(&TORRENT), addresses(&["127.0.0.1:7001", "127.0.0.1:7002"]));

    client.say(&tracker, 2, 0, Completed).await;
    assert_eq!((tracker.counts(&TORRENT), tracker.completed(&TORRENT)), ((2, 0), 1));

    assert!(client.say(&tracker, 1, 0, Stopped).await.peers.is_empty());
    assert_eq!(tracker.list(&TORRENT), addresses(&["127.0.0.1:7002"]));
    let alone = client.say(&tracker, 2, 0, Regular).await;
    assert!(alone.peers.is_empty());
    assert_eq!(tracker.counts(&InfoHash::new([0; 20])), (0, 0));
}

#[tokio::test]
async fn ipv6_peers_come_in_peers6() {
    let tracker = Tracker::start("[::1]:0".parse().unwrap()).unwrap();
    let client = Client::new();
    client.say(&tracker, 1, 0, AnnounceEvent::Started).await;
    let reply = client.say(&tracker, 2, 1, AnnounceEvent::Started).await;
    assert_eq!(reply.peers, addresses(&["[::1]:7001"]));
}

#[test]
fn what_is_no_announce_is_refused() {
    let tracker = local();
    let id = "peer_id=aaaaaaaaaaaaaaaaaaaa&port=1";
    for (request, want) in [
        ("GET / HTTP/1.1".to_owned(), "HTTP/1.1 404 "),
        ("GET /scrape HTTP/1.1".to_owned(), "HTTP/1.1 404 "),
        ("POST /announce HTTP/1.1".to_owned(), "HTTP/1.1 405 "),
        ("GET /announce HTTP/2".to_owned(), "HTTP/1.1 505 "),
        ("hello".to_owned(), "HTTP/1.1 400 "),
        ("GET /announce HTTP/1.1".to_owned(), "failure reason36:info_hash is missing"),
        (format!("GET /announce?info_hash=short&{id} HTTP/1.1"), "info_hash is missing or not 20 bytes"),
        (format!("GET /announce?info_hash={}&{id}x HTTP/1.1", "a".repeat(20)), "port is missing or wrong"),
        (format!("GET /announce?info_hash={}&{id} HTTP/1.0", "a".repeat(20)), "8:completei0e"),
    ] {
        let answer = ask(&tracker, &format!("{request}\r\nHost: x\r\n\r\n"));
        assert!(answer.contains(want), "{request}: {answer}");
    }
}

#[test]
fn numwant_is_obeyed() {
    let mut swarms = Swarms::new(INTERVAL);
    let now = Instant::now();
    let mut say = |name: u16, wanted: usize| {
        let mut id = [0; 20];
        id[..2].copy_from_slice(&name.to_be_bytes());
        let said = swarm::Said {
            torrent: TORRENT,
            peer_id: PeerId::new(id),
            address: ([127, 0, 0, 1], name).into(),
            left: 1,
            completed: false,
            stopped: false,
            wanted,
        };
        swarms.announce(&said, now).map(|told| told.peers)
    };
    for name in 1..=2_000 {
        say(name, 0).unwrap();
    }
    assert!(say(2_001, 10).is_none(), "full");
    let (first, second) = (say(1, 10).unwrap(), say(1, 10).unwrap());
    assert_eq!((first.len(), second.len()), (10, 10));
    assert_ne!(first, second, "others come up each time");
    assert_eq!(say(1, 0).unwrap(), []);
}

#[test]
fn who_stays_silent_is_forgotten() {
    let mut swarms = Swarms::new(INTERVAL);
    let now = Instant::now();
    let said = swarm::Said {
        torrent: TORRENT,
        peer_id: PeerId::new([1; 20]),
        address: ([127, 0, 0, 1], 1).into(),
        left: 0,
        completed: false,
        stopped: false,
        wanted: 1,
    };
    swarms.announce(&said, now).unwrap();
    let later = now + INTERVAL * 2;
    assert_eq!(swarms.counts(&TORRENT, later), (1, 0));
    let much_later = now + INTERVAL * 3;
    assert_eq!(swarms.counts(&TORRENT, much_later), (0, 0));
    assert_eq!(swarms.list(&TORRENT, much_later), []);
}

#[test]
fn dropped_is_stopped() {
    let tracker = local();
    let address = tracker.address();
    drop(tracker);
    assert!(TcpStream::connect(address).is_err());
    drop(Tracker::start(address).unwrap());
}
