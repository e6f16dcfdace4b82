//! What an engine leaves behind when it has ended: nothing. And what it costs that nobody listens.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::time::Instant;

use tc_core::event::{KINDS, Kind};
use tc_core::stats::SessionState;
use tc_core::{AddOptions, Delivery, Event, Metainfo, SharedResources, TorrentManager};

use crate::alone::{alone, descriptors, memory, threads};
use crate::raw::{Raw, call};
use crate::single;
use crate::swarm::{Engine, PIECE, config, torrent};
use crate::wait::{Deadline, until};

const SIZE: usize = 64 * PIECE as usize;

/// What a process holds: names of threads, and what its descriptors are.
#[derive(Debug, PartialEq)]
struct Holdings {
    threads: Vec<String>,
    descriptors: Vec<String>,
}

impl Holdings {
    /// Before the first engine.
    fn at_first() -> Self {
        // The first runtime of a process makes a pair of sockets for signals that stays for ever.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        drop(runtime.expect("a runtime"));
        Self::now()
    }

    fn now() -> Self {
        Self { threads: threads(), descriptors: descriptors() }
    }

    /// Waits until it is as it was, and the engines are gone.
    fn are_back(&self, engines: &[Weak<SharedResources>]) {
        let deadline = Deadline::seconds(10);
        until(Deadline::seconds(11), "an end", || {
            let borrowers: Vec<_> = engines.iter().map(Weak::strong_count).collect();
            let now = Self::now();
            if now == *self && borrowers.iter().all(|count| *count == 0) {
                return Some(());
            }
            assert!(deadline.left().is_some(), "{self:?} before, {now:?} now, borrowers {borrowers:?}");
            None
        });
    }
}

#[test]
fn a_transfer_leaves_nothing() {
    alone("leaks::a_transfer_leaves_nothing", || {
        let before = Holdings::at_first();
        for _ in 0..3 {
            let seed = Engine::seeding([127, 0, 7, 1], 3, SIZE);
            let leech = Engine::leeching([127, 0, 7, 2], 3, SIZE, vec![seed.address()]);
            leech.completes();
            let engines = [&seed, &leech].map(|engine| Arc::downgrade(engine.manager.shared()));
            leech.manager.shutdown();
            assert_eq!(leech.manager.shared().tasks().alive(), 0);
            seed.manager.shutdown();
            assert_eq!(seed.manager.shared().tasks().alive(), 0);
            drop((seed, leech));
            before.are_back(&engines);
        }
    });
}

#[test]
fn an_engine_in_trouble_leaves_nothing() {
    alone("leaks::an_engine_in_trouble_leaves_nothing", || {
        let before = Holdings::at_first();
        {
            let dir = tempfile::tempdir().unwrap();
            let taken = TcpListener::bind("127.0.7.3:0").unwrap();
            let mut config = config(dir.path(), [127, 0, 7, 3]);
            config.listen.push(taken.local_addr().unwrap());
            let manager = TorrentManager::start(config).unwrap();
            let engine = Arc::downgrade(manager.shared());
            // Its tracker and its peer are nowhere.
            let content = single::content(4, SIZE);
            let nowhere = Some("http://127.0.7.4:9/announce");
            let lonely = Metainfo::parse(single::single("lonely", &content, PIECE, nowhere).into()).unwrap();
            let peers = vec![SocketAddr::from(([127, 0, 7, 4], 9))];
            manager.add_metainfo(lonely, AddOptions { peers, ..AddOptions::default() }).unwrap();
            // Where its file should be is a folder.
            std::fs::create_dir(dir.path().join("it")).unwrap();
            let (_, blocked) = torrent(3, SIZE);
            let seed = Engine::seeding([127, 0, 7, 5], 3, SIZE);
            let seeding = Arc::downgrade(seed.manager.shared());
            let options = AddOptions { peers: vec![seed.address()], ..AddOptions::default() };
            let blocked = manager.add_metainfo(blocked, options).unwrap();
            until(Deadline::seconds(20), "trouble", || {
                blocked.stats().filter(|stats| stats.state == SessionState::Error)
            });
            // Callers in every state: silent, half a handshake, a link.
            let address = manager.shared().listening().addresses[0];
            let silent = call(address);
            let link = Raw::greet(seed.address(), seed.hash(), [7; 20]);
            let start = Instant::now();
            manager.shutdown();
            assert!(start.elapsed() < std::time::Duration::from_secs(5));
            seed.manager.shutdown();
            assert_eq!(manager.shared().tasks().alive() + seed.manager.shared().tasks().alive(), 0);
            drop((manager, seed, blocked, silent, link, taken));
            before.are_back(&[engine, seeding]);
        }
        before.are_back(&[]);
    });
}

#[test]
fn an_engine_that_is_dropped_without_a_word_leaves_nothing() {
    alone("leaks::an_engine_that_is_dropped_without_a_word_leaves_nothing", || {
        let before = Holdings::at_first();
        let seed = Engine::seeding([127, 0, 7, 6], 3, SIZE);
        let engine = Arc::downgrade(seed.manager.shared());
        seed.session.stop();
        until(Deadline::seconds(10), "the session to end", || {
            (seed.manager.shared().registry().find(&seed.hash()).is_none()).then_some(())
        });
        drop(seed);
        before.are_back(&[engine]);
    });
}

#[test]
fn a_million_events_that_nobody_reads_cost_one_queue() {
    alone("leaks::a_million_events_that_nobody_reads_cost_one_queue", || {
        const PUBLISHED: u64 = 1_000_000;
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path(), [127, 0, 7, 7]);
        config.listen.clear();
        let manager = TorrentManager::start(config).unwrap();
        let mut deaf = manager.subscribe_all("session.*").unwrap();
        let before = memory();
        for n in 0..PUBLISHED {
            manager
                .shared()
                .hub()
                .publish(Kind::SessionAdded, || Event::SessionAdded { name: "x".into(), size: n });
        }
        let after = memory();
        assert!(after < before + (16 << 20), "{before} bytes before, {after} after");
        let (mut read, mut missed) = (0, 0);
        while let Some(delivery) = deaf.try_next() {
            match delivery {
                Delivery::Event(tagged) => {
                    assert_eq!(*tagged.event, Event::SessionAdded { name: "x".into(), size: read });
                    read += 1;
                }
                Delivery::Missed(count) => missed += count,
            }
        }
        assert_eq!(read + missed, PUBLISHED);
        assert!(read >= 1_000, "{read} events were kept");
        manager.shutdown();
    });
}

#[test]
fn patterns_deliver_what_they_name() {
    alone("leaks::patterns_deliver_what_they_name", || {
        let seed = Engine::seeding([127, 0, 7, 8], 3, SIZE);
        let dir = tempfile::tempdir().unwrap();
        let manager = TorrentManager::start(config(dir.path(), [127, 0, 7, 9])).unwrap();
        let mut everything = manager.subscribe_all("*").unwrap();
        let mut pieces = manager.subscribe_all("piece.*").unwrap();
        let (_, metainfo) = torrent(3, SIZE);
        let (hash, total) = (metainfo.info_hash, metainfo.geometry.pieces());
        let options = AddOptions { peers: vec![seed.address()], ..AddOptions::default() };
        let session = manager.add_metainfo(metainfo, options).unwrap();
        let mut named = session.subscribe("session.completed").unwrap();
        until(Deadline::seconds(40), "session.completed", || named.try_next());
        manager.shutdown();

        let mut complete = Vec::new();
        while let Some(Delivery::Event(tagged)) = pieces.try_next() {
            assert_eq!(tagged.info_hash, Some(hash));
            let Event::PieceCompleted { index, size, complete: count, total: of } = *tagged.event else {
                panic!("{tagged:?} is no piece.completed");
            };
            assert_eq!((size, of), (PIECE, total));
            assert_eq!(count as usize, complete.len() + 1);
            complete.push(index.get());
        }
        complete.sort_unstable();
        assert!(complete.into_iter().eq(0..total), "each piece once");

        let mut kinds = Vec::new();
        while let Some(Delivery::Event(tagged)) = everything.try_next() {
            kinds.push(KINDS[tagged.event.kind() as usize].name);
        }
        assert_eq!(kinds.iter().filter(|kind| **kind == "piece.completed").count() as u32, total);
        let order =
            ["session.added", "session.started", "peer.connected", "piece.completed", "session.completed"];
        let firsts = order.map(|kind| {
            kinds.iter().position(|said| *said == kind).unwrap_or_else(|| panic!("no {kind} among {kinds:?}"))
        });
        assert!(firsts.is_sorted(), "{kinds:?}");
        for kind in ["session.checked", "file.completed", "peer.disconnected", "session.stopped"] {
            assert!(kinds.contains(&kind), "no {kind} among {kinds:?}");
        }
        seed.manager.shutdown();
    });
}
