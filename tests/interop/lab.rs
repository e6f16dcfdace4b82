//! What each test begins with: a network, a folder, a tracker, content and its .torrent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::clients::driver;
use crate::clients::make::Make;
use crate::clients::other::{Options, Other};
use crate::clients::ours::Ours;
use crate::clients::tracker::Tracker;
use crate::net::{Family, Host, Net};
use crate::torrent::{self, Content};
use crate::wait::Deadline;
use crate::work::Work;

/// To hash the content, start a client and have its announce, on a busy machine.
const READY_SECONDS: u64 = 120;
/// For 64 MiB between two clients on one machine; transmission begins with up to 20 s of waiting.
const TRANSFER_SECONDS: u64 = 180;

/// The fields are dropped in this order: clients of the test went before, the tracker goes before its network.
#[derive(Debug)]
pub struct Lab {
    pub tracker: Tracker,
    pub net: Net,
    pub work: Work,
    pub family: Family,
    pub torrent: PathBuf,
    pub info_hash: String,
    content: Content,
    sums: BTreeMap<PathBuf, String>,
}

impl Lab {
    /// Sets up for a test with clients of these makes, or says why this machine cannot and returns nothing.
    ///
    /// # Panics
    /// Where `CI` is set, a test that cannot run is a failure.
    pub fn new(test: &str, makes: &[Make], content: Content, family: Family) -> Option<Self> {
        Self::with_tracker(test, makes, content, family, |tracker| tracker.url(family))
    }

    /// The same with a tracker of the test's choice.
    pub fn with_tracker(
        test: &str,
        makes: &[Make],
        content: Content,
        family: Family,
        url: impl FnOnce(&Tracker) -> String,
    ) -> Option<Self> {
        let mut net = require(programs(makes).and_then(|()| Net::new()), test)?;
        let work = Work::new(test);
        let tracker = Tracker::start(net.host("tracker"), &work);
        let torrent = work.join("test.torrent");
        let info_hash = content.torrent(&[url(&tracker)], &torrent);
        content.write(&work.join("seed"));
        let sums = torrent::sha256(&work.join("seed"));
        Some(Self { tracker, net, work, family, torrent, info_hash, content, sums })
    }

    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        self.content.size()
    }

    /// A folder of the test.
    pub fn dir(&self, name: &str) -> PathBuf {
        let dir = self.work.join(name);
        std::fs::create_dir_all(&dir).expect("the folder is ours");
        dir
    }

    /// The folder or file of the content in the test's folder `name`.
    pub fn content_at(&self, name: &str) -> PathBuf {
        self.work.join(name).join(&self.content.name)
    }

    /// Puts all of the content into a folder.
    pub fn write_content(&self, dir: &Path) {
        self.content.write(dir);
    }

    /// A client of another make with this torrent, its files in the test's folder `name`.
    pub fn other(&mut self, make: Make, name: &str) -> Other {
        self.other_with(make, name, &Options::default())
    }

    /// Where a client of another make is to be.
    pub fn place_of(&mut self, make: Make, name: &str) -> Host {
        let host = self.net.host(name);
        if make == Make::Transmission && self.family == Family::V6 {
            // It opens a UDP socket for IPv6 only where it has an address that a way to the internet begins at.
            let way = ["-6", "route", "add", "2001::/16", "dev", "eth0"];
            assert!(host.command("ip").args(way).status().expect("there is ip").success());
        }
        host
    }

    /// The same with more to say to it.
    pub fn other_with(&mut self, make: Make, name: &str, options: &Options) -> Other {
        let host = self.place_of(make, name);
        self.other_at(make, &host, name, options)
    }

    /// The same at a place that is there already.
    pub fn other_at(&self, make: Make, host: &Host, name: &str, options: &Options) -> Other {
        let mut client = Other::start(make, host, self.family, name, &self.work, options);
        client.add(&self.torrent, &self.dir(name));
        client
    }

    /// `tc-tui get` of this torrent, its files in the test's folder `name`.
    pub fn ours(&mut self, name: &str, more: &[&str]) -> (Host, Ours) {
        let host = self.net.host(name);
        let client = self.ours_again(&host, name, more);
        (host, client)
    }

    /// The same at a place where it has run before, with the files and the state that it left there.
    pub fn ours_again(&self, host: &Host, name: &str, more: &[&str]) -> Ours {
        Ours::get(host, self.family, &self.torrent, &self.dir(name), name, &self.work, more)
    }

    /// A client of another make with all of the content, listed by the tracker.
    pub fn other_seed(&mut self, make: Make, options: &Options) -> Other {
        let mut seed = self.other_with(make, "seed", options);
        seed.wait_seeding(ready());
        self.tracker.wait_seed(&seed.host, ready());
        seed
    }

    /// Ours with all of the content, listed by the tracker.
    pub fn our_seed(&mut self) -> (Host, Ours) {
        self.our_seed_with(&[])
    }

    /// The same with more arguments.
    pub fn our_seed_with(&mut self, more: &[&str]) -> (Host, Ours) {
        let (host, seed) = self.ours("seed", &[&["--seed-after"], more].concat());
        let checked = seed.event("session.checked", ready());
        assert_eq!(checked["bytes_hashed"], self.size(), "{checked}");
        self.tracker.wait_seed(&host, ready());
        (host, seed)
    }

    /// A magnet link to the torrent, with its tracker.
    pub fn magnet(&self) -> PathBuf {
        format!("{}&tr={}", self.bare_magnet().display(), self.tracker.url(self.family)).into()
    }

    /// The same with nothing but the hash.
    pub fn bare_magnet(&self) -> PathBuf {
        format!("magnet:?xt=urn:btih:{}", self.info_hash).into()
    }

    /// From now on the torrent is added by this instead of its file.
    pub fn add_by(&mut self, source: PathBuf) {
        self.torrent = source;
    }

    /// Who is added from now on hears of nobody by a tracker.
    pub fn forget_tracker(&mut self) {
        self.track(&[]);
    }

    /// The same; there is one in the torrent, which rtorrent insists on, and it is nowhere.
    pub fn lose_tracker(&mut self) {
        self.track(&["http://11.99.0.1:9/announce".to_owned()]);
    }

    fn track(&mut self, trackers: &[String]) {
        self.torrent = self.work.join("trackerless.torrent");
        let info_hash = self.content.torrent(trackers, &self.torrent);
        assert_eq!(info_hash, self.info_hash);
    }

    /// Checks that the folder `name` of ours holds the content and nothing else, by SHA-256.
    pub fn assert_same(&self, name: &str) {
        self.compare(name, &self.sums);
    }

    /// The same for a client of another make.
    pub fn assert_same_at(&self, make: Make, name: &str) {
        let mut sums = self.sums.clone();
        if !make.makes_empty_files() {
            for (path, _) in self.content.files.iter().filter(|(_, length)| *length == 0) {
                sums.remove(&Path::new(&self.content.name).join(path));
            }
        }
        self.compare(name, &sums);
    }

    fn compare(&self, name: &str, wanted: &BTreeMap<PathBuf, String>) {
        let got = torrent::sha256(&self.work.join(name));
        let paths: BTreeSet<_> = wanted.keys().chain(got.keys()).collect();
        let wrong: Vec<_> = paths
            .into_iter()
            .filter(|path| wanted.get(*path) != got.get(*path))
            .map(|path| format!("{}: {:?}, not {:?}", path.display(), got.get(path), wanted.get(path)))
            .collect();
        assert!(wrong.is_empty(), "{name} has other content than the seed:\n{}", wrong.join("\n"));
    }
}

/// The end of patience for a client that starts.
pub fn ready() -> Deadline {
    Deadline::seconds(READY_SECONDS)
}

/// The end of patience for a transfer.
pub fn transfer() -> Deadline {
    Deadline::seconds(TRANSFER_SECONDS)
}

/// What the test drives clients with, and the clients.
pub fn programs(makes: &[Make]) -> Result<(), String> {
    let python = driver::python();
    if !python.exists() {
        return Err(format!("{} is missing", python.display()));
    }
    makes.iter().try_for_each(|make| make.program().map(drop))
}

/// Says why a test is skipped, which is a failure where `CI` is set.
pub fn require<T>(found: Result<T, String>, test: &str) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(why) => {
            let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
            assert!(!in_ci, "{test} cannot run: {why}");
            // Past the test runner, which swallows what a passed test prints.
            let _ = writeln!(
                std::io::stderr(),
                "{test} SKIPPED: {why} (tests/run installs and asks for what it needs)"
            );
            None
        }
    }
}
