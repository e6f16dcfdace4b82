//! One actor, driven by hand: inputs and time are the test's, links are mailboxes that nobody empties,
//! trackers and dials never run. Only the disk is real, and waited for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::super::actor::{Actor, Discovery, Doors, Input, Phase};
use super::super::control::{Control, Orders, Wish};
use super::super::links::LinkEntry;
use super::super::{Torrent, new_peer_id, open, over};
use super::*;
use crate::disk::Credit;
use crate::download::PeerPieces;
use crate::event::{EventBus, Subscription};
use crate::net::dial::DialError;
use crate::peer::mailbox::Mail;
use crate::peer::{LinkGauge, Mailbox, PeerReport, Report};
use crate::shared::SharedResources;
use crate::stats::PeerSource;
use crate::storage::{DiskDone, DiskError, Op};
use crate::types::{BLOCK_SIZE, BlockRef, LinkId, PeerId, PieceIndex};

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);
const PIECES: usize = 8;

struct Bench {
    now: Instant,
    actor: Actor,
    /// The actor's senders must find somebody.
    _doors: Doors,
    torrent: Arc<Torrent>,
    shared: Arc<SharedResources>,
    events: Subscription,
    content: Vec<u8>,
    dir: tempfile::TempDir,
    runtime: Runtime,
}

impl Bench {
    /// With all of the content on disk, or none of it.
    fn new(all: bool) -> Self {
        Self::with(all, Some(ResumeRecord::default()))
    }

    fn with(all: bool, record: Option<ResumeRecord>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let content = content(PIECES * PIECE);
        if all {
            lay_out(dir.path(), &content, 100);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut config = Config::new(dir.path());
        config.listen = Vec::new();
        config.runtime = Some(runtime.handle().clone());
        config.state_dir = Some(dir.path().join("state"));
        let shared = SharedResources::start(config).unwrap();
        let metainfo = Arc::new(torrent(&content, 100));
        let torrent = Arc::new(Torrent {
            save_path: dir.path().to_path_buf(),
            bus: EventBus::of_session(shared.hub(), metainfo.info_hash),
            peer_id: new_peer_id(),
            key: 1,
            queue: 0,
            metainfo,
        });
        let events = torrent.bus.subscribe("*").unwrap();
        let (actor, doors) = open::actor(torrent.clone(), shared.clone(), record);
        Self { now: Instant::now(), actor, _doors: doors, torrent, shared, events, content, dir, runtime }
    }

    /// One that has looked at its disk and runs.
    fn running(all: bool) -> Self {
        let mut bench = Self::new(all);
        bench.wish(Wish::Run);
        bench.disk_until(|bench| bench.actor.phase == Phase::Running);
        bench
    }

    fn turn(&mut self, input: Input) {
        self.actor.turn(self.now, input);
    }

    fn wish(&mut self, wish: Wish) {
        self.turn(Input::Orders(Orders { wish, ..Orders::default() }));
    }

    fn report(&mut self, link: LinkId, report: Report) {
        self.turn(Input::Peer(PeerReport { link, reports: vec![report] }));
    }

    /// Takes results of the disk until it is so.
    fn disk_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            match self.actor.storage.try_done() {
                Some(done) => self.turn(Input::Disk(done)),
                None => {
                    assert!(Instant::now() < deadline, "the disk has nothing more to say");
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            }
        }
    }

    /// Lets time pass without any other input; says how often that woke the actor.
    fn sleep(&mut self, span: Duration) -> usize {
        let (until, mut wakes) = (self.now + span, 0);
        while let Some(due) = self.actor.next_timeout(self.now).filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.turn(Input::Timeout);
            wakes += 1;
            assert!(wakes < 100_000, "it spins");
        }
        self.now = until;
        wakes
    }

    /// A peer at this address.
    fn link(&mut self, address: &str, incoming: bool) -> LinkId {
        let (link, address) = (self.shared.new_link(), address.parse::<SocketAddr>().unwrap());
        let source = if incoming { PeerSource::Incoming } else { PeerSource::Tracker };
        self.actor.pool.connected(self.now, address, source, link).unwrap();
        self.actor.download.link_joined(link);
        let entry = LinkEntry {
            address,
            known_as: address,
            peer_id: PeerId::new([link.0 as u8; 20]),
            client: "a client".into(),
            source,
            incoming,
            mailbox: Arc::new(Mailbox::default()),
            gauge: Arc::new(LinkGauge::default()),
            am_interested: false,
            am_unchoked: false,
            choke_changed: None,
            uploaded_at_unchoke: 0,
            peer_interested: false,
            peer_unchoked: false,
            upload_only: false,
            hungry: 0,
            dull_ticks: 0,
            since: self.now,
            counted_down: 0,
            counted_up: 0,
            closing: false,
            _permit: self.shared.connection_permit().unwrap(),
        };
        self.actor.links.insert(link, entry);
        link
    }

    /// A seed that lets us ask, and could take `room` requests.
    fn seed(&mut self, address: &str, room: u32) -> LinkId {
        let link = self.link(address, false);
        self.report(link, Report::Pieces(PeerPieces::All));
        self.report(link, Report::Unchoked(true));
        self.report(link, Report::Hungry(room));
        link
    }

    fn mail(&mut self, link: LinkId) -> Mail {
        let mailbox = self.actor.links[&link].mailbox.clone();
        let take = async { tokio::time::timeout(Duration::ZERO, mailbox.take()).await };
        self.runtime.block_on(take).unwrap_or_default()
    }

    /// Hands all blocks of a piece to the disk.
    fn write(&self, piece: PieceIndex) {
        for block in 0..(PIECE as u32 / BLOCK_SIZE) {
            let credit: Credit = self.shared.disk().try_credit(BLOCK_SIZE).unwrap();
            let at = piece.as_usize() * PIECE + (block * BLOCK_SIZE) as usize;
            let data = self.content[at..at + BLOCK_SIZE as usize].to_vec().into();
            self.shared.disk().write(&self.actor.storage, BlockRef { piece, block }, data, LinkId(9), credit);
        }
    }

    /// The kinds of events since the last look, statistics left out.
    fn events(&mut self) -> Vec<&'static str> {
        let mut kinds = Vec::new();
        while let Some(Delivery::Event(tagged)) = self.events.try_next() {
            kinds.push(tagged.event.kind().name());
        }
        kinds.retain(|kind| *kind != "stats.update");
        kinds
    }
}

fn piece(bench: &Bench, at: u32) -> PieceIndex {
    bench.torrent.metainfo.geometry.piece(at).unwrap()
}

fn error(op: Op, piece: Option<PieceIndex>, error: DiskError) -> Input {
    Input::Disk(DiskDone::Error { op, path: "/d/f".into(), piece, error })
}

const FULL: DiskError = DiskError::Full { needs: 2, free: 1 };

#[test]
fn an_idle_seed_never_wakes() {
    let mut bench = Bench::running(true);
    assert_eq!(bench.events(), ["session.started", "session.checked", "session.completed"]);
    bench.sleep(20 * SECOND);
    bench.disk_until(|bench| bench.actor.storage.synced().is_full());
    assert_eq!(bench.sleep(24 * HOUR), 0);
    bench.wish(Wish::Pause);
    assert_eq!(bench.sleep(24 * HOUR), 0);
}

#[test]
fn a_check_that_waits_its_turn_costs_nothing_and_one_that_runs_is_seen() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.newest.state, SessionState::Checking);
    assert_eq!(bench.sleep(HOUR), 0);
    bench.turn(Input::Disk(DiskDone::CheckProgress { checked: 3, have: 3 }));
    assert_eq!(bench.sleep(2 * SECOND), 1);
    assert_eq!(bench.actor.newest.pieces_checked, 3);
}

#[test]
fn an_idle_link_ticks_but_pins_nothing() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    bench.sleep(2 * SECOND);
    let seq = bench.shared.board().since(0).seq;
    assert!(bench.sleep(30 * SECOND) <= 31);
    assert_eq!(bench.shared.board().since(seq).changed.len(), 0);
    let gauge = bench.actor.links[&link].gauge.clone();
    LinkGauge::set(&gauge.downloaded, 5);
    bench.sleep(2 * SECOND);
    assert_eq!(bench.shared.board().since(seq).changed[0].downloaded, 5);
}

#[test]
fn a_download_that_brings_nothing_is_stalled_after_a_minute_and_sleeps_on() {
    let mut bench = Bench::running(false);
    assert!(!bench.actor.newest.stalled);
    bench.sleep(59 * SECOND);
    assert!(!bench.actor.newest.stalled);
    assert_eq!(bench.sleep(SECOND), 1);
    assert!(bench.actor.newest.stalled);
    assert_eq!(bench.sleep(HOUR), 0);
}

#[test]
fn pause_while_checking_goes_on_where_it_stopped() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    bench.wish(Wish::Pause);
    bench.wish(Wish::Run);
    bench.wish(Wish::Pause);
    bench.disk_until(|bench| !bench.actor.check_posted);
    assert_eq!(bench.actor.phase, Phase::Paused);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert!(bench.actor.download.is_complete());
    let mut hashed = Vec::new();
    while let Some(Delivery::Event(tagged)) = bench.events.try_next() {
        if let Event::SessionChecked { bytes_hashed, .. } = &*tagged.event {
            hashed.push(*bytes_hashed);
        }
    }
    assert_eq!(hashed, [bench.content.len() as u64], "each piece once");
}

#[test]
fn a_resume_that_comes_before_the_check_has_stopped_waits_for_it() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    bench.wish(Wish::Pause);
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.phase, Phase::Checking);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert_eq!(
        bench.events(),
        ["session.started", "session.paused", "session.resumed", "session.checked", "session.completed"]
    );
}

#[test]
fn what_rests_goes_on_resting_when_the_disk_fails() {
    let mut bench = Bench::running(true);
    bench.wish(Wish::Pause);
    bench.turn(error(Op::Sync, None, FULL));
    assert_eq!(bench.actor.phase, Phase::Paused);
    bench.sleep(HOUR);
    assert_eq!(bench.actor.phase, Phase::Paused);
    assert!(bench.events().contains(&"storage.full"));
}

#[test]
fn a_full_disk_is_tried_again_and_written_to_while_the_rest_is_served() {
    let mut bench = Bench::running(false);
    let (first, second) = (piece(&bench, 0), piece(&bench, 1));
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.have().get(first));
    let link = bench.seed("11.0.0.1:1", 5);
    bench.events();
    for _ in 0..3 {
        bench.turn(error(Op::Write, Some(second), FULL));
    }
    assert_eq!(bench.events(), ["storage.full", "peer.disconnected"]);
    assert!(!bench.actor.links.contains_key(&link), "it may tell of blocks that were not written");
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    assert!(bench.actor.newest.message.as_ref().is_some_and(|message| message.raw().contains("disk full")));

    let again = bench.seed("11.0.0.2:1", 5);
    bench.report(again, Report::Interested(true));
    let mail = bench.mail(again);
    assert_eq!((mail.choke, mail.interested, mail.hand.len()), (Some(false), None, 0), "served, not asked");
    bench.sleep(29 * SECOND);
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    let mail = bench.mail(again);
    assert_eq!((mail.interested, mail.hand.len()), (Some(true), 5));
    bench.write(second);
    bench.disk_until(|bench| bench.actor.download.have().get(second));
}

#[test]
fn a_person_need_not_wait_for_the_next_try_on_a_full_disk() {
    let mut bench = Bench::running(false);
    let first = piece(&bench, 0);
    bench.turn(error(Op::Write, Some(first), FULL));
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    bench.turn(error(Op::Write, Some(first), FULL));
    bench.wish(Wish::Pause);
    assert_eq!(bench.actor.newest.state, SessionState::Paused);
    bench.sleep(HOUR);
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
}

#[test]
fn a_file_that_vanished_is_fetched_again_after_a_resume() {
    let mut bench = Bench::running(true);
    bench.disk_until(|bench| bench.actor.storage.synced().is_full());
    std::fs::remove_file(bench.dir.path().join("both/sub/b")).unwrap();
    let range = bench.torrent.metainfo.geometry.range(3, 0, BLOCK_SIZE).unwrap();
    let read = bench.shared.disk().read(&bench.actor.storage, range);
    assert_eq!(bench.runtime.block_on(read), Err(DiskError::Vanished));
    bench.disk_until(|bench| bench.actor.download.have().ones() == 0);
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    assert_eq!(bench.sleep(HOUR), 0, "only a person can say that it should be made anew");
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    let third = piece(&bench, 3);
    bench.write(third);
    bench.disk_until(|bench| bench.actor.download.have().get(third));
}

#[test]
fn an_unreadable_file_is_looked_at_again_by_the_next_start() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    let eio = DiskError::Io { kind: std::io::ErrorKind::Other, message: "EIO".into() };
    bench.turn(error(Op::Check, None, eio));
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    bench.disk_until(|bench| !bench.actor.check_posted);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert!(bench.actor.download.is_complete());
}

#[test]
fn a_hungry_link_is_fed_when_blocks_come_back() {
    let mut bench = Bench::running(false);
    let first = bench.seed("11.0.0.1:1", 1_000);
    let hand = bench.mail(first).hand;
    assert_eq!(hand.len(), PIECES * PIECE / BLOCK_SIZE as usize, "all there is");
    let second = bench.seed("11.0.0.2:1", 1_000);
    // One block of the endgame, which both are asked for.
    let mut fed = bench.mail(second).hand;
    bench.report(second, Report::Hungry(1_000));
    assert_eq!(bench.mail(second).hand.len(), 0);
    bench.report(first, Report::Returned(hand[..5].to_vec()));
    fed.extend(bench.mail(second).hand);
    assert!(hand[..5].iter().all(|block| fed.contains(block)), "{fed:?}");
    bench.report(second, Report::Hungry(1_000));
    bench.report(first, Report::Closed { why: "gone".into(), fault: false });
    assert!(bench.mail(second).hand.len() > 10, "what a link held that has gone");
}

#[test]
fn a_link_that_was_hungry_before_we_lost_interest_is_fed_when_we_find_it() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    bench.report(link, Report::Unchoked(true));
    bench.report(link, Report::Hungry(4));
    assert_eq!(bench.mail(link).hand.len(), 0);
    let first = piece(&bench, 0);
    bench.report(link, Report::Has(first));
    let mail = bench.mail(link);
    assert_eq!((mail.interested, mail.hand.len()), (Some(true), 4));
}

#[test]
fn nobody_holds_a_round_for_each_report() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    bench.report(link, Report::Interested(true));
    assert_eq!(bench.mail(link).choke, Some(false));
    bench.report(link, Report::Interested(false));
    bench.sleep(HOUR);
    let round = bench.actor.upload.next_round();
    bench.report(link, Report::Hungry(1));
    assert_eq!((round, bench.actor.upload.next_round()), (None, None));
}

#[test]
fn what_a_link_moved_after_it_was_let_go_counts_and_is_told() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    let gauge = bench.actor.links[&link].gauge.clone();
    LinkGauge::set(&gauge.downloaded, 1_000);
    LinkGauge::set(&gauge.rate_down, 1_000);
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.rate_down, 1_000);
    bench.wish(Wish::Pause);
    assert_eq!((bench.actor.newest.downloaded, bench.actor.newest.rate_down), (1_000, 0));
    LinkGauge::set(&gauge.downloaded, 1_500);
    bench.report(link, Report::Closed { why: "paused".into(), fault: false });
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.downloaded, 1_500);
    assert_eq!(bench.sleep(HOUR), 0);
}

#[test]
fn a_seed_that_hangs_up_on_a_seed_is_not_called_again_soon() {
    let mut bench = Bench::running(true);
    let link = bench.link("11.0.0.1:1", false);
    bench.report(link, Report::Pieces(PeerPieces::All));
    bench.report(link, Report::Closed { why: "closed by the peer".into(), fault: false });
    let due = bench.actor.pool.next_due(bench.now).unwrap();
    assert!(due >= bench.now + Duration::from_secs(30 * 60));
}

#[test]
fn who_lets_us_go_without_a_byte_is_called_less_and_less_often() {
    let mut bench = Bench::running(false);
    let address: SocketAddr = "11.0.0.1:1".parse().unwrap();
    let mut waits = Vec::new();
    bench.actor.pool.learn(bench.now, address, PeerSource::Manual);
    for _ in 0..4 {
        let link = bench.link("11.0.0.1:1", false);
        bench.report(link, Report::Closed { why: "closed by the peer".into(), fault: false });
        waits.push(bench.actor.pool.next_due(bench.now).unwrap() - bench.now);
    }
    assert_eq!(waits, [2, 4, 8, 16].map(Duration::from_secs));
}

#[test]
fn a_caller_names_one_port_and_no_more() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:40000", true);
    for port in 1_000..1_100 {
        let introduced =
            Report::Introduced { client: None, listen_port: Some(port), your_ip: None, upload_only: false };
        bench.report(link, introduced);
    }
    assert_eq!(bench.actor.pool.known(), 1);
    assert_eq!(bench.actor.pool.link_to(&"11.0.0.1:1000".parse().unwrap()), Some(link));
}

#[test]
fn a_dial_that_crosses_a_call_leaves_the_link_as_it_is() {
    let mut bench = Bench::running(false);
    let listens: SocketAddr = "11.0.0.1:1000".parse().unwrap();
    bench.actor.pool.learn(bench.now, listens, PeerSource::Tracker);
    bench.turn(Input::Timeout);
    assert_eq!(bench.actor.pool.dialling(), 1);
    let link = bench.link("11.0.0.1:40000", true);
    let introduced =
        Report::Introduced { client: None, listen_port: Some(1_000), your_ip: None, upload_only: false };
    bench.report(link, introduced);
    let permit = bench.shared.connection_permit().unwrap();
    let result = Err(DialError::Deadline);
    bench.turn(Input::Discovery(Discovery::Dialled { address: listens, result, permit }));
    assert_eq!(bench.actor.pool.link_to(&listens), Some(link));
    assert_eq!(bench.actor.pool.busy(), 1);
}

#[test]
fn a_dial_that_was_given_up_is_no_failure() {
    let mut bench = Bench::running(false);
    let address: SocketAddr = "11.0.0.1:1000".parse().unwrap();
    bench.actor.pool.learn(bench.now, address, PeerSource::Tracker);
    bench.turn(Input::Timeout);
    bench.wish(Wish::Pause);
    bench.turn(Input::Discovery(Discovery::NotDialled { address }));
    assert_eq!((bench.actor.pool.busy(), bench.actor.pool.known()), (0, 1));
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.pool.dialling(), 1);
}

#[test]
fn the_end_waits_for_the_sync_and_for_nothing_else() {
    let mut bench = Bench::running(false);
    let first = piece(&bench, 0);
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.have().get(first));
    bench.sleep(9 * SECOND);
    bench.turn(Input::Stopping);
    assert!(matches!(bench.actor.phase, Phase::Stopping(_)));
    assert_eq!(bench.sleep(SECOND), 0, "the save that was due does not wake it");
    bench.disk_until(|bench| bench.actor.phase == Phase::Stopped);
    assert!(bench.actor.storage.synced().get(first));
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_hangs() {
    let mut bench = Bench::running(false);
    let first = piece(&bench, 0);
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.have().get(first));
    bench.turn(Input::Stopping);
    bench.sleep(2 * SECOND);
    assert_eq!(bench.actor.phase, Phase::Stopped);
}

#[test]
fn a_download_is_completed_once_in_a_run() {
    let mut bench = Bench::running(false);
    for at in 0..PIECES as u32 {
        bench.write(piece(&bench, at));
    }
    bench.disk_until(|bench| bench.actor.download.is_complete());
    bench.wish(Wish::Pause);
    bench.wish(Wish::Run);
    let events = bench.events();
    let count = |kind| events.iter().filter(|event| **event == kind).count();
    assert_eq!(
        (count("session.completed"), count("file.completed"), count("piece.completed")),
        (1, 2, PIECES)
    );
    assert_eq!(bench.actor.newest.state, SessionState::Seeding);
}

#[test]
fn a_panic_shows_as_an_error_and_nobody_waits_for_the_dead() {
    let mut bench = Bench::running(true);
    let control = Arc::new(Control::default());
    let ended = watch::Sender::new(false);
    let guard = over::Guard {
        torrent: bench.torrent.clone(),
        shared: bench.shared.clone(),
        control: control.clone(),
        storage: bench.actor.storage.clone(),
        place: bench.actor.place.clone(),
        ended: ended.clone(),
    };
    bench.events();
    let task = bench.runtime.spawn(async move {
        let _guard = guard;
        panic!("a test of what happens then");
    });
    assert!(bench.runtime.block_on(task).unwrap_err().is_panic());
    let shown = bench.shared.board().get(&bench.torrent.info_hash()).unwrap();
    assert_eq!(shown.state, SessionState::Error);
    assert!(shown.message.is_some());
    assert_eq!(bench.events(), ["session.error"]);
    assert!(!control.order(|orders| orders.wish = Wish::Run));
    assert!(*ended.borrow());
}
