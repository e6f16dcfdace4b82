//! Downloads that are killed at any moment, again and again: nothing that was there is lost, nothing is
//! claimed that is not there, and little is looked at or fetched twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::process::Signal;
use serde_json::Value;

use crate::claimed;
use crate::run::{self, Run, of_kind};
use crate::torrent::{self, Content};
use crate::work::Work;

/// Bytes a second: some runs of a second or two to one download.
const RATE: u64 = 4_000_000;

/// Pieces that may have begun when the program is killed: what is asked of one peer at this rate.
const IN_PROGRESS: u64 = 32;

/// Numbers that are the same for the same seed: splitmix64.
struct Dice(u64);

impl Dice {
    /// The seed is in the output of a test that fails.
    fn new() -> Self {
        let seed = std::env::var("TC_TUI_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(rand_seed);
        println!("TC_TUI_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(())
}

/// A moment of the test's choosing: this is no waiting for something.
fn let_pass(millis: u64) {
    let time = Duration::from_millis(millis);
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    // Interrupted is as good as over.
    let _ = rustix::event::poll(&mut [], Some(&time));
}

/// What the killed run leaves to be found by the next.
struct Left {
    have: BTreeSet<u64>,
    maybe: BTreeSet<u64>,
    /// There is a record: not everything has to be looked at.
    record: bool,
}

struct Download {
    work: Work,
    content: Content,
    torrent: PathBuf,
    seeder: Run,
    address: String,
    /// Bytes that completed downloads had to fetch, and pieces that were told of since the last began.
    needed: u64,
    /// Bytes that the seeder had sent after the last kill.
    sent: u64,
    told: BTreeSet<u64>,
    left: Option<Left>,
    whole: u32,
    /// More arguments of each run.
    more: &'static [&'static str],
    /// Kills that left files behind that are called `NAME.part`.
    suffixed: u32,
}

impl Download {
    fn new(name: &str, more: &'static [&'static str]) -> Self {
        let work = Work::new(name);
        let files = [("a", 3_000_001), ("b/c", 1), ("b/empty", 0), ("d", 9_999_990), ("e", 5_000_000)];
        let files = files.map(|(path, length)| (path.into(), length)).to_vec();
        let content = Content::folder("killed".to_owned(), files, 65_536, 11);
        let torrent = work.join("killed.torrent");
        content.torrent(&[], &torrent);
        content.write(&work.join("seed"));
        let address = run::free_address(2).to_string();
        let mut command = run::get(&torrent, &work.join("seed"), &work.join("seed-state"));
        let seeder = Run::start(command.args(["--seed-after", "--listen", &address]));
        seeder.event("session.completed");
        let (told, left) = (BTreeSet::new(), None);
        Self {
            work,
            content,
            torrent,
            seeder,
            address,
            needed: 0,
            sent: 0,
            told,
            left,
            whole: 0,
            more,
            suffixed: 0,
        }
    }

    fn start(&self, sync_millis: u64) -> Run {
        let mut command = run::get(&self.torrent, &self.work.join("out"), &self.work.join("state"));
        command.args(["--listen", "127.0.0.3:0", "--peer", &self.address, "--down-limit", &RATE.to_string()]);
        command.args(self.more);
        Run::start(command.env("TC_TUI_TEST_SYNC_MS", sync_millis.to_string()))
    }

    /// One run from its start to its violent end, and what must be true then.
    fn kill_once(&mut self, dice: &mut Dice) {
        // Often enough that there are kills before, during and after a sync.
        let run = self.start([100, 700, 10_000][dice.below(3) as usize]);
        if dice.below(6) == 0 {
            let_pass(dice.below(150));
        } else {
            run.event("session.checked");
            let_pass(dice.below(1_500));
        }
        if dice.below(6) == 0 {
            run.signal(Signal::TERM);
            let_pass(dice.below(60));
        }
        let (status, lines) = run.kill();
        let checked = of_kind(&lines, "session.checked").next();
        if let (Some(checked), Some(left)) = (checked, &self.left) {
            let claimed = left.have.union(&left.maybe).count() as u64;
            let most = claimed::bytes(&self.content, &left.maybe);
            let hashed = checked["bytes_hashed"].as_u64().unwrap();
            assert!(hashed <= most || !left.record, "{hashed} bytes hashed, {most} were in doubt");
            assert_eq!(checked["pieces_have"], claimed, "nothing that was there is lost");
        }
        for event in of_kind(&lines, "piece.completed") {
            let piece = event["index"].as_u64().unwrap();
            assert!(self.told.insert(piece), "piece {piece} was fetched again");
        }
        let linked = of_kind(&lines, "peer.connected").count() > 0;
        let sent = if linked { self.sent_since() } else { 0 };
        if status.success() {
            self.start_over();
        } else {
            let names = ["a", "d", "e"].map(|name| self.work.join("out/killed").join(format!("{name}.part")));
            self.suffixed += u32::from(names.iter().any(|name| name.exists()));
            let before = self.claimed();
            self.look();
            let kept = claimed::bytes(&self.content, &self.claimed().difference(&before).copied().collect());
            let again = sent.saturating_sub(kept);
            let most = 2 * RATE + IN_PROGRESS * u64::from(self.content.piece_length);
            assert!(again <= most, "{sent} bytes were sent, and {kept} of them kept");
        }
    }

    /// What the last look found claimed or noted.
    fn claimed(&self) -> BTreeSet<u64> {
        self.left.iter().flat_map(|left| left.have.union(&left.maybe).copied()).collect()
    }

    /// What the seeder has sent since the last call. Its figures come once a second while they change: the
    /// last ones have no peer.
    fn sent_since(&mut self) -> u64 {
        let before = self.sent;
        let uploaded = |line: &Value| {
            line["uploaded"].as_u64().filter(|sent| line["kind"] == "stats.update" && *sent > before)
        };
        let last = |line: &Value| uploaded(line).is_some() && line["peers"] == 0;
        let mut newest = self.seeder.find_within(3, last).as_ref().and_then(uploaded).unwrap_or(before);
        while let Some(line) =
            self.seeder.find_within(0, |line| uploaded(line).is_some_and(|sent| sent > newest))
        {
            newest = uploaded(&line).unwrap_or(newest);
        }
        self.sent = newest;
        newest - before
    }

    /// What the state claims is there, and holds all that was told.
    fn look(&mut self) {
        let listed = self.left.is_some();
        let record = claimed::record(&self.work.join("state"), &self.work.join("look"), listed);
        let valid = claimed::valid(&self.content, &self.work.join("out"));
        let Some(record) = record else {
            assert!(self.left.as_ref().is_none_or(|left| !left.record), "the record is lost");
            return;
        };
        let (have, maybe) = (claimed::pieces(&record.have), claimed::pieces(&record.maybe));
        assert!(have.is_subset(&valid), "claimed and wrong: {:?}", have.difference(&valid));
        assert!(maybe.is_subset(&valid), "noted and wrong: {:?}", maybe.difference(&valid));
        let all = have.union(&maybe).copied().collect();
        assert!(self.told.is_subset(&all), "told and lost: {:?}", self.told.difference(&all));
        if let Some(left) = &self.left {
            assert!(left.have.is_subset(&have), "claimed before and not any more");
        }
        // Until the first look at the disk was saved, the record knows no pieces.
        self.left = Some(Left { have, maybe, record: !record.files.is_empty() });
    }

    /// The download is complete: it is right, and the next begins.
    fn start_over(&mut self) {
        let (out, seed) = (self.work.join("out"), self.work.join("seed"));
        assert!(torrent::sha256(&out) == torrent::sha256(&seed), "what is complete is right");
        fs::remove_dir_all(out).unwrap();
        fs::remove_dir_all(self.work.join("state")).unwrap();
        self.needed += self.content.size();
        (self.told, self.left) = (BTreeSet::new(), None);
        self.whole += 1;
    }

    /// Kills it so often, lets the last one finish, and counts what the seeder had to send.
    fn run(mut self, kills: u64) {
        let mut dice = Dice::new();
        for _ in 0..kills {
            self.kill_once(&mut dice);
        }
        let run = self.start(10_000);
        run.event("session.completed");
        assert!(run.end().0.success());
        self.start_over();
        assert_eq!(self.suffixed > 0, self.more.contains(&"--part-names"));
        let (_, lines) = self.seeder.interrupt();
        let sent = of_kind(&lines, "stats.update").filter_map(|stats| stats["uploaded"].as_u64()).max();
        let again = sent.unwrap().saturating_sub(self.needed);
        let most = 2 * RATE + IN_PROGRESS * u64::from(self.content.piece_length);
        println!("{kills} kills, {} downloads, {again} bytes sent again", self.whole);
        assert!(again <= kills * most, "{again} bytes were sent again");
    }
}

/// Fifty kills; `TC_TUI_KILLS=200` for more, and `TC_TUI_SEED` for the same ones again.
#[test]
fn killed_downloads_lose_nothing() {
    let kills = std::env::var("TC_TUI_KILLS").ok().and_then(|kills| kills.parse().ok());
    Download::new("kills", &[]).run(kills.unwrap_or(50));
}

/// The same where files are called `NAME.part` until they are complete: of those nothing is left at the end.
#[test]
fn killed_downloads_with_part_names_lose_nothing() {
    Download::new("part-names", &["--part-names"]).run(12);
}

/// Killed while it makes its state folder, at every third millisecond: the next start finds nothing broken.
#[test]
fn a_kill_at_the_first_start_leaves_no_half_a_store() {
    let mut download = Download::new("first-start", &[]);
    for millis in (0..90).step_by(3) {
        let run = download.start(10_000);
        let_pass(millis);
        let (status, _) = run.kill();
        assert!(!status.success());
        download.look();
        fs::remove_dir_all(download.work.join("state")).unwrap_or_default();
        download.left = None;
    }
}
