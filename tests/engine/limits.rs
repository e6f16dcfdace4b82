//! Limits in real time: what a torrent, and all of them together, may move in ten seconds, five percent
//! up or down, and how evenly they share it. Measured once: a busy machine makes bytes late, and the limiter
//! makes up for that (`core/src/bandwidth/tests.rs` has the same under a virtual clock).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tc_core::event::{Delivery, Event};
use tc_core::settings::{GlobalSetting, MaxActive, Setting};
use tc_core::{AddOptions, InfoHash, Metainfo, Subscription, TorrentManager};
use tempfile::TempDir;

use crate::single;
use crate::swarm::config;
use crate::wait::{Deadline, until};

/// Bytes per piece: small ones, because their events are what is measured.
const PIECE: u32 = 16_384;

const KIB: u64 = 1 << 10;

/// Long enough for links, slots and buffers to be as they stay.
const WARM_UP: Duration = Duration::from_secs(3);

const SPAN: Duration = Duration::from_secs(10);

/// A seed and a leecher of the same torrents.
struct Pair {
    seeder: TorrentManager,
    leecher: TorrentManager,
    torrents: Vec<InfoHash>,
    events: Subscription,
    _folders: [TempDir; 2],
}

/// What came between two pieces.
#[derive(Debug, Default)]
struct Count {
    /// When the first and the last one came.
    ends: Option<(SystemTime, SystemTime)>,
    /// Bytes after the first.
    bytes: u64,
}

impl Count {
    fn piece(&mut self, at: SystemTime, size: u32) {
        match &mut self.ends {
            None => self.ends = Some((at, at)),
            Some((_, last)) => {
                *last = at;
                self.bytes += u64::from(size);
            }
        }
    }

    fn span(&self) -> Duration {
        self.ends.and_then(|(first, last)| last.duration_since(first).ok()).unwrap_or_default()
    }

    fn rate(&self) -> f64 {
        self.bytes as f64 / self.span().as_secs_f64()
    }
}

/// A folder in memory where there is one: a disk that others keep busy is not what is measured.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

impl Pair {
    /// `set` is told both engines before anything flows.
    fn new(
        hosts: [u8; 2],
        torrents: usize,
        size: usize,
        set: impl Fn(&TorrentManager, &TorrentManager),
    ) -> Self {
        let folders = [(); 2].map(|()| in_memory());
        let engine = |at: usize| {
            let mut config = config(folders[at].path(), [127, 0, 31, hosts[at]]);
            config.max_active_downloads = Some(MaxActive::Unlimited);
            TorrentManager::start(config).expect("an engine")
        };
        let (seeder, leecher) = (engine(0), engine(1));
        set(&seeder, &leecher);
        let events = leecher.subscribe_all("piece.completed").expect("a pattern");
        let address = seeder.shared().listening().addresses[0];
        let contents = (0..torrents).map(|at| (format!("it-{at}"), single::content(at as u64 + 1, size)));
        let metainfos: Vec<Metainfo> = contents
            .map(|(name, content)| {
                std::fs::write(folders[0].path().join(&name), &content).expect("room on the disk");
                Metainfo::parse(single::single(&name, &content, PIECE, None).into()).expect("a torrent")
            })
            .collect();
        let hashes = metainfos.iter().map(|metainfo| metainfo.info_hash).collect();
        for metainfo in &metainfos {
            seeder.add_metainfo(metainfo.clone(), AddOptions::default()).expect("it is new");
        }
        until(Deadline::seconds(60), "all to seed", || {
            let all = seeder.all();
            all.iter().all(|session| session.stats().is_some_and(|stats| stats.is_complete())).then_some(())
        });
        for metainfo in metainfos {
            let options = AddOptions { peers: vec![address], ..AddOptions::default() };
            leecher.add_metainfo(metainfo, options).expect("it is new");
        }
        Self { seeder, leecher, torrents: hashes, events, _folders: folders }
    }

    fn set(&self, torrent: usize, setting: &Setting) {
        for manager in [&self.seeder, &self.leecher] {
            manager.get(&self.torrents[torrent]).expect("it is there").set(setting);
        }
    }

    /// Bytes per second of all and of each torrent over ten seconds, once it runs evenly. Each is measured
    /// from one piece of its own to another, so that no part of a piece is left over.
    fn measure(&mut self) -> (f64, BTreeMap<InfoHash, f64>) {
        let patience = Deadline::seconds(60);
        let from = SystemTime::now() + WARM_UP;
        let (mut all, mut each) = (Count::default(), BTreeMap::<InfoHash, Count>::new());
        until(patience, "ten seconds of pieces", || {
            while let Some(delivery) = self.events.try_next() {
                // The queue holds many seconds of pieces.
                let Delivery::Event(tagged) = delivery else { panic!("{delivery:?}") };
                let Event::PieceCompleted { size, .. } = &*tagged.event else { continue };
                if tagged.time >= from && all.span() < SPAN {
                    all.piece(tagged.time, *size);
                    let hash = tagged.info_hash.expect("a torrent's event");
                    each.entry(hash).or_default().piece(tagged.time, *size);
                }
            }
            (all.span() >= SPAN).then_some(())
        });
        (all.rate(), each.into_iter().map(|(hash, count)| (hash, count.rate())).collect())
    }

    /// Checks what all move, and what each of the torrents does, in KiB a second.
    fn check(&mut self, what: &str, all: u64, each: &[u64]) {
        let (sum, rates) = self.measure();
        let within = |what: &str, rate: f64, want: u64| {
            let off = rate / (want * KIB) as f64;
            let kib = rate / KIB as f64;
            assert!((0.95..=1.05).contains(&off), "{what}: {kib:.1} of {want} KiB/s; {rates:?}");
        };
        within(what, sum, all);
        for (at, want) in each.iter().enumerate() {
            let rate = rates.get(&self.torrents[at]).copied().unwrap_or_default();
            within(&format!("{what}, torrent {at}"), rate, *want);
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.leecher.shutdown();
        self.seeder.shutdown();
    }
}

#[test]
fn one_torrent_keeps_to_the_download_limit_and_its_changes() {
    let mut pair = Pair::new([1, 2], 1, 48 << 20, |_, leecher| {
        leecher.shared().set(GlobalSetting::Down(Some(600 * KIB)));
    });
    pair.check("for all", 600, &[]);
    pair.set(0, &Setting::Down(Some(300 * KIB)));
    pair.check("of its own", 300, &[]);
}

#[test]
fn one_torrent_keeps_to_the_upload_limit_and_its_changes() {
    let mut pair = Pair::new([3, 4], 1, 48 << 20, |seeder, _| {
        seeder.shared().set(GlobalSetting::Up(Some(600 * KIB)));
    });
    pair.check("for all", 600, &[]);
    pair.seeder.shared().set(GlobalSetting::AlternativeUp(Some(200 * KIB)));
    pair.seeder.shared().set(GlobalSetting::UseAlternative(true));
    pair.check("by the second set", 200, &[]);
}

/// The first four have a limit of their own, the others share what is left.
fn shares(all: u64, own: u64) -> Vec<u64> {
    let rest = (all - 4 * own) / 16;
    (0..20).map(|torrent| if torrent < 4 { own } else { rest }).collect()
}

#[test]
fn twenty_torrents_share_a_download_limit_and_keep_their_own() {
    let mut pair = Pair::new([5, 6], 20, 6 << 20, |_, leecher| {
        leecher.shared().set(GlobalSetting::Down(Some(1_600 * KIB)));
    });
    for torrent in 0..4 {
        pair.set(torrent, &Setting::Down(Some(40 * KIB)));
    }
    pair.check("for all", 1_600, &shares(1_600, 40));
    pair.leecher.shared().set(GlobalSetting::Down(Some(1_000 * KIB)));
    for torrent in 0..4 {
        pair.set(torrent, &Setting::Down(None));
    }
    pair.check("after a change", 1_000, &[50; 20]);
}

#[test]
fn twenty_torrents_share_an_upload_limit_and_keep_their_own() {
    let mut pair = Pair::new([7, 8], 20, 6 << 20, |seeder, _| {
        seeder.shared().set(GlobalSetting::Up(Some(1_600 * KIB)));
    });
    for torrent in 0..4 {
        pair.set(torrent, &Setting::Up(Some(40 * KIB)));
    }
    pair.check("for all", 1_600, &shares(1_600, 40));
    pair.seeder.shared().set(GlobalSetting::Up(Some(1_000 * KIB)));
    pair.check("after a change", 1_000, &shares(1_000, 40));
}
