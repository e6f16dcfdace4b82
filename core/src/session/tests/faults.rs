//! A disk that fails under one of two torrents: that one stops and says why, the other goes on, nothing
//! that is not right is served or claimed, and who resumes it has it mended. Whole engines on loopback.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::*;
use crate::disk::{Backend, OpenFile, System};
use crate::event::Subscription;
use crate::{InfoHash, SharedResources};

const EIO: i32 = 5;

/// Fails below one folder with these error numbers; 0: works.
#[derive(Debug, Default)]
struct Faulty {
    below: PathBuf,
    read: AtomicI32,
    write: AtomicI32,
    sync: AtomicI32,
    /// Writes do not return while it is set.
    hangs: AtomicI32,
}

impl Faulty {
    fn fail(&self, file: &OpenFile, error: &AtomicI32) -> io::Result<()> {
        match error.load(Ordering::SeqCst) {
            error if error != 0 && file.path.starts_with(&self.below) => {
                Err(io::Error::from_raw_os_error(error))
            }
            _ => Ok(()),
        }
    }
}

impl Backend for Faulty {
    fn pread(&self, file: &OpenFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fail(file, &self.read)?;
        System.pread(file, buffer, offset)
    }

    fn pwritev(&self, file: &OpenFile, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.fail(file, &self.write)?;
        while self.hangs.load(Ordering::SeqCst) != 0 {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        System.pwritev(file, buffers, offset)
    }

    fn fdatasync(&self, file: &OpenFile) -> io::Result<()> {
        self.fail(file, &self.sync)?;
        System.fdatasync(file)
    }
}

/// An engine over a faulty disk with two torrents, and one over a good disk that has or wants them.
struct Two {
    disk: Arc<Faulty>,
    manager: TorrentManager,
    events: Subscription,
    /// The one whose folder is faulty.
    bad: Session,
    good: Session,
    other: TorrentManager,
    content: [Vec<u8>; 2],
    dirs: [tempfile::TempDir; 2],
}

impl Two {
    /// `seeds`: the engine over the faulty disk has all and the other one nothing; else the other way round.
    /// `fault` breaks the disk before anything flows.
    fn new(hosts: [u8; 2], seeds: bool, fault: impl FnOnce(&Faulty)) -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut content = [content(1_000_000), content(1_000_000)];
        content[1][0] ^= 1;
        let has = dirs[usize::from(!seeds)].path();
        lay_out(&has.join("bad"), &content[0], SPLIT);
        lay_out(&has.join("good"), &content[1], SPLIT);
        let disk = Arc::new(Faulty { below: dirs[0].path().join("bad"), ..Faulty::default() });
        let mut config = Config::new(dirs[0].path());
        config.listen = vec![SocketAddr::from(([127, 0, 9, hosts[0]], 0))];
        config.state_dir = Some(dirs[0].path().join("state"));
        // Long enough that pieces have been hashed before the first sync, on a busy machine too: before that it
        // would take nothing back.
        config.sync_interval = Duration::from_secs(3);
        config.stop_timeout = Duration::from_millis(500);
        let shared = SharedResources::start_over(config, disk.clone()).unwrap();
        let events = shared.hub().subscribe("session.* storage.*").unwrap();
        let manager = TorrentManager::over(shared);
        let other = engine(dirs[1].path(), hosts[1]);
        let add = |manager: &TorrentManager, dir: &Path, peers: Vec<SocketAddr>| {
            ["bad", "good"].map(|name| {
                let metainfo = torrent(&content[usize::from(name == "good")], SPLIT);
                let download_dir = Some(dir.join(name));
                let options = AddOptions { download_dir, peers: peers.clone(), ..AddOptions::default() };
                manager.add_metainfo(metainfo, options).unwrap()
            })
        };
        let faulty = |peers| add(&manager, dirs[0].path(), peers);
        let sound = |peers| add(&other, dirs[1].path(), peers);
        let begin = |having: &[Session; 2]| {
            having.iter().for_each(|session| wait_for(session, SessionState::Seeding));
            fault(&disk);
        };
        let [bad, good] = if seeds {
            let having = faulty(Vec::new());
            begin(&having);
            sound(vec![address(&manager)]);
            having
        } else {
            begin(&sound(Vec::new()));
            faulty(vec![address(&other)])
        };
        Self { disk, manager, events, bad, good, other, content, dirs }
    }

    fn of_other(&self, session: &Session) -> Session {
        self.other.get(&session.info_hash()).unwrap()
    }

    /// The next event of this kind.
    fn event(&mut self, kind: &str) -> (Option<InfoHash>, Event) {
        let mut found = None;
        wait(kind, || {
            while let Some(delivery) = self.events.try_next() {
                let Delivery::Event(tagged) = delivery else { panic!("{delivery:?}") };
                if tagged.event.kind().name() == kind {
                    found = Some((tagged.info_hash, (*tagged.event).clone()));
                    return true;
                }
            }
            false
        });
        found.unwrap()
    }

    /// The bad torrent is in error and says of which file; nobody else is.
    #[track_caller]
    fn is_told(&mut self) {
        let (of, event) = self.event("storage.error");
        let Event::StorageError { message, code } = event else { unreachable!() };
        let (message, code) = (message.to_string(), code.to_string());
        assert_eq!((of, code.as_str()), (Some(self.bad.info_hash()), "io"), "{message}");
        assert!(message.contains("bad/both/") && message.contains("Input/output error"), "{message}");
        wait_for(&self.bad, SessionState::Error);
        let shown = self.bad.stats().unwrap().message.clone().unwrap().to_string();
        assert!(shown.contains("Input/output error"), "{shown}");
    }

    /// How much was hashed when the bad torrent was looked at next.
    fn is_checked(&mut self) -> u64 {
        loop {
            let (of, event) = self.event("session.checked");
            let Event::SessionChecked { bytes_hashed, .. } = event else { unreachable!() };
            // Both were looked at when they were added.
            if of == Some(self.bad.info_hash()) && bytes_hashed > 0 {
                return bytes_hashed;
            }
        }
    }

    #[track_caller]
    fn ends_right(self) {
        for (name, content) in ["bad", "good"].iter().zip(&self.content) {
            for dir in &self.dirs {
                assert!(read_back(&dir.path().join(name)) == *content, "{name}");
            }
        }
        self.manager.shutdown();
        self.other.shutdown();
    }
}

#[test]
fn a_read_that_fails_stops_one_torrent_and_serves_nothing_of_it() {
    let mut two = Two::new([51, 52], true, |disk| disk.read.store(EIO, Ordering::SeqCst));
    two.is_told();
    wait_for(&two.of_other(&two.good), SessionState::Seeding);
    assert_eq!(two.of_other(&two.bad).stats().unwrap().downloaded, 0, "nothing of it was served");
    two.disk.read.store(0, Ordering::SeqCst);
    two.bad.resume();
    // What could not be read is hashed before it is served again, and nothing else.
    let hashed = two.is_checked();
    assert!(hashed > 0 && hashed < 1_000_000, "{hashed}");
    wait_for(&two.of_other(&two.bad), SessionState::Seeding);
    two.ends_right();
}

#[test]
fn a_write_that_fails_stops_one_torrent_until_it_is_resumed() {
    let mut two = Two::new([53, 54], false, |disk| disk.write.store(EIO, Ordering::SeqCst));
    two.is_told();
    wait_for(&two.good, SessionState::Seeding);
    two.disk.write.store(0, Ordering::SeqCst);
    two.bad.resume();
    wait_for(&two.bad, SessionState::Seeding);
    two.ends_right();
}

#[test]
fn a_sync_that_fails_makes_all_since_the_last_good_one_be_hashed_again() {
    let mut two = Two::new([55, 56], false, |disk| disk.sync.store(EIO, Ordering::SeqCst));
    two.is_told();
    wait_for(&two.good, SessionState::Seeding);
    let posted = two.manager.shared().store().unwrap().posted(&two.bad.info_hash());
    assert!(posted.is_none_or(|record| record.have.iter().all(|byte| *byte == 0)), "nothing is claimed");
    two.disk.sync.store(0, Ordering::SeqCst);
    two.bad.resume();
    assert!(two.is_checked() > 0, "what was written since is looked at");
    wait_for(&two.bad, SessionState::Seeding);
    two.ends_right();
}

#[test]
fn a_disk_that_hangs_does_not_hold_up_the_exit() {
    let two = Two::new([57, 58], false, |disk| disk.hangs.store(1, Ordering::SeqCst));
    wait("blocks to be on their way to the disk", || {
        two.bad.stats().is_some_and(|stats| stats.downloaded > 0)
    });
    let began = Instant::now();
    two.manager.shutdown();
    let took = began.elapsed();
    // Half a second for trackers, two for the disk.
    assert!(took < Duration::from_secs(5), "{took:?}");
    two.disk.hangs.store(0, Ordering::SeqCst);
    two.other.shutdown();
}
