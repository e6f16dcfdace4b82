//! A peer that lies about content beside libtorrent, which does not: it is banned by its address, over
//! calls from other ports and over restarts of the real program, and libtorrent never is.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tc_core::InfoHash;

use crate::clients::make::Make::Libtorrent;
use crate::clients::other::Options;
use crate::clients::ours::PORT;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::raw::Raw;
use crate::torrent::Content;
use crate::transfer::of_kind;
use crate::wait::{Deadline, until};

const SIZE: usize = 24 << 20;
const PIECE: u32 = 256 << 10;
/// What libtorrent may send a second: slow enough that the liar is asked too.
const LIMIT: u64 = 1 << 20;

const LIAR: &[u8; 20] = b"-XX0001-............";

fn content(lab: &Lab) -> Arc<Vec<u8>> {
    let mut files: Vec<_> = std::fs::read_dir(lab.work.join("seed")).expect("it was written").collect();
    assert_eq!(files.len(), 1);
    let path = files.remove(0).expect("it can be listed").path();
    Arc::new(std::fs::read(path).expect("it can be read"))
}

/// Takes one call in `host` and serves it, every other block wrong. Counts calls and lies.
fn lie(host: &Host, info_hash: InfoHash, content: Arc<Vec<u8>>) -> Arc<AtomicUsize> {
    let lies = Arc::new(AtomicUsize::new(0));
    let (counted, at) = (lies.clone(), SocketAddr::from((host.v4, 7001)));
    let listening = Arc::new(AtomicUsize::new(0));
    let ready = listening.clone();
    // It ends with the test's process.
    host.spawn(move || {
        let listener = TcpListener::bind(at).expect("the place is ours");
        ready.store(1, Ordering::Release);
        while let Ok((stream, _)) = listener.accept() {
            let Ok(mut raw) = Raw::answer(stream, info_hash, *LIAR) else { continue };
            let mut turn = 0;
            raw.seed(&content, PIECE, |_, _, mut data| {
                turn += 1;
                if turn % 2 == 0 {
                    data[9] ^= 1;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Some(data)
            });
        }
    });
    until(Deadline::seconds(20), "the liar to listen", || {
        (listening.load(Ordering::Acquire) == 1).then_some(())
    });
    lies
}

/// The addresses that these lines say were banned.
fn banned(lines: &[Value]) -> Vec<String> {
    of_kind(lines, "peer.banned").map(|line| line["address"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_liar_beside_libtorrent_is_banned_over_calls_and_restarts() {
    let content_of = Content::single(SIZE as u64, PIECE, 33);
    let Some(mut lab) = Lab::new("a_liar_beside_libtorrent", &[Libtorrent], content_of, Family::V4) else {
        return;
    };
    let info_hash: InfoHash = lab.info_hash.parse().expect("a hash");
    let options = Options { upload_limit: LIMIT, ..Options::default() };
    let seed = lab.other_seed(Libtorrent, &options);
    let liar_host = lab.net.host("liar");
    let bytes = content(&lab);
    assert_eq!(bytes.len(), SIZE);
    let lies = lie(&liar_host, info_hash, bytes.clone());
    let liar_at = format!("{}:7001", liar_host.v4);

    // It is banned while libtorrent goes on.
    let (host, mut first) = lab.ours("leech", &["--peer", &liar_at]);
    let said = first.event("peer.banned", lab::transfer());
    assert_eq!(said["address"], liar_at, "{said}");
    assert!(said["why"].as_str().is_some_and(|why| why.contains("bad")), "{said}");

    // From another port it is turned away: nobody answers its handshake.
    let ours = SocketAddr::from((host.v4, PORT));
    let greeted = liar_host.spawn(move || Raw::try_greet(ours, info_hash, *LIAR).is_ok());
    assert!(!greeted.join().expect("no panic"), "a liar was let in again");
    let (status, lines) = first.interrupt();
    assert_eq!(status.code(), Some(143), "{status}");
    assert_eq!(banned(&lines), [liar_at.as_str()], "only the liar");
    let told = lies.load(Ordering::Relaxed);
    assert!(told > 0);

    // The next run knows it, though it is named by hand, and completes from libtorrent alone.
    let mut second = lab.ours_again(&host, "leech", &["--peer", &liar_at]);
    second.event("session.checked", lab::ready());
    let greeted = liar_host.spawn(move || Raw::try_greet(ours, info_hash, *LIAR).is_ok());
    assert!(!greeted.join().expect("no panic"), "a liar was let in after the restart");
    let (status, lines) = second.wait_exit(lab::transfer());
    assert!(status.success(), "{status}");
    lab.assert_same("leech");
    assert_eq!(banned(&lines), [""; 0]);
    let connected: Vec<_> = of_kind(&lines, "peer.connected").collect();
    let from = |host: &Host| {
        let ip = format!("{}:", host.v4);
        connected.iter().filter(|line| line["address"].as_str().is_some_and(|at| at.starts_with(&ip))).count()
    };
    assert_eq!(from(&liar_host), 0, "the second run talked to the liar");
    assert!(from(&seed.host) > 0);
    assert_eq!(lies.load(Ordering::Relaxed), told, "it was asked for more");
}
