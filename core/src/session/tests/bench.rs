//! One actor, driven by hand: inputs and time are the test's, links are mailboxes that nobody empties,
//! trackers and dials never run. Only the disk is real, and waited for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::super::actor::{Actor, Doors, Input, Phase};
use super::super::control::{Orders, Wish};
use super::super::links::LinkEntry;
use super::super::on_metadata::Fetching;
use super::super::{Torrent, new_peer_id, open};
use super::*;
use crate::disk::{Backend, Credit, System};
use crate::download::PeerPieces;
use crate::event::{EventBus, Subscription};
use crate::magnet::Magnet;
use crate::peer::mailbox::Mail;
use crate::peer::pex::Named;
use crate::peer::{LinkGauge, Mailbox, PeerReport, Report};
use crate::settings::Setting;
use crate::shared::SharedResources;
use crate::stats::PeerSource;
use crate::storage::{DiskDone, DiskError, Op};
use crate::types::{BLOCK_SIZE, BlockRef, LinkId, PeerId, PieceIndex};

pub const HOUR: Duration = Duration::from_secs(3_600);
pub const SECOND: Duration = Duration::from_secs(1);
pub const PIECES: usize = 8;

pub struct Bench {
    pub now: Instant,
    pub actor: Actor,
    /// The actor's senders must find somebody.
    doors: Doors,
    pub torrent: Arc<Torrent>,
    pub shared: Arc<SharedResources>,
    pub events: Subscription,
    pub content: Vec<u8>,
    pub dir: tempfile::TempDir,
    pub runtime: Runtime,
    /// The far ends of the links: dropping one is what a panic of its task looks like.
    pub far_ends: Vec<Arc<Mailbox>>,
}

impl Bench {
    /// With all of the content on disk, or none of it.
    pub fn new(all: bool) -> Self {
        Self::with(all, |_| (), Arc::new(System), false, None)
    }

    /// The same, with a place in the queue.
    pub fn queued(all: bool) -> Self {
        Self::with(all, |_| (), Arc::new(System), true, None)
    }

    /// With none of the content, on this disk.
    pub fn over(backend: Arc<dyn Backend>) -> Self {
        Self::with(false, |_| (), backend, false, None)
    }

    /// With nothing on disk, of a torrent that the test finishes.
    pub fn with_torrent(finish: impl FnOnce(&mut Metainfo)) -> Self {
        Self::with(false, finish, Arc::new(System), false, None)
    }

    /// A magnet of that torrent, which asks `ask` whether its files are free and has a place in the queue.
    pub fn magnet(ask: mpsc::Sender<Arc<Metainfo>>) -> Self {
        Self::magnet_of(|_| (), ask)
    }

    /// The same, of a torrent of which the link knows what the test leaves.
    pub fn magnet_of(finish: impl FnOnce(&mut Metainfo), ask: mpsc::Sender<Arc<Metainfo>>) -> Self {
        Self::with(false, finish, Arc::new(System), true, Some(ask))
    }

    fn with(
        all: bool,
        finish: impl FnOnce(&mut Metainfo),
        backend: Arc<dyn Backend>,
        in_queue: bool,
        magnet: Option<mpsc::Sender<Arc<Metainfo>>>,
    ) -> Self {
        let record = Some(ResumeRecord::default());
        let dir = tempfile::tempdir().unwrap();
        let content = content(PIECES * PIECE);
        if all {
            lay_out(dir.path(), &content, 100);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut config = Config::new(dir.path());
        config.listen = Vec::new();
        // There is one, which knows nobody to begin with.
        config.dht = Some(Vec::new());
        // Nobody can call, so nothing is said on any network.
        config.lsd = true;
        config.runtime = Some(runtime.handle().clone());
        config.state_dir = Some(dir.path().join("state"));
        let shared = SharedResources::start_over(config, backend).unwrap();
        let mut metainfo = torrent(&content, 100);
        finish(&mut metainfo);
        let link = Magnet::of(&metainfo);
        let magnet = magnet.map(|ask| Fetching::new(link.clone(), false, ask));
        let metainfo = Arc::new(if magnet.is_some() { Metainfo::of_magnet(&link) } else { metainfo });
        let torrent = Arc::new(Torrent {
            folders: watch::Sender::new(crate::session::Folders {
                save_path: dir.path().to_path_buf(),
                files: metainfo.files.as_slice().into(),
                other: None,
            }),
            bus: EventBus::of_session(shared.hub(), metainfo.info_hash),
            peer_id: new_peer_id(),
            key: 1,
            queue: 0,
            opened_with: metainfo,
            metadata: std::sync::OnceLock::new(),
        });
        let events = torrent.bus.subscribe("*").unwrap();
        let (actor, doors) = open::actor(torrent.clone(), shared.clone(), record, in_queue, magnet);
        Self {
            now: Instant::now(),
            actor,
            far_ends: Vec::new(),
            doors,
            torrent,
            shared,
            events,
            content,
            dir,
            runtime,
        }
    }

    /// One that has looked at its disk and runs.
    pub fn running(all: bool) -> Self {
        let mut bench = Self::new(all);
        bench.wish(Wish::Run);
        bench.disk_until(|bench| bench.actor.phase == Phase::Running);
        bench
    }

    pub fn turn(&mut self, input: Input) {
        self.actor.turn(self.now, input);
    }

    pub fn wish(&mut self, wish: Wish) {
        self.turn(Input::Orders(Orders { wish, ..Orders::default() }));
    }

    /// The person's choices as the handle hands them on.
    pub fn set(&mut self, setting: &Setting) {
        let mut settings = self.actor.settings.clone();
        settings.apply(setting, self.torrent.metainfo().files.len());
        self.turn(Input::Orders(Orders { settings: Some(settings), ..Orders::default() }));
    }

    pub fn report(&mut self, link: LinkId, report: Report) {
        self.turn(Input::Peer(PeerReport { link, reports: vec![report] }));
    }

    /// Takes the next thing that was found out beside the actor.
    pub fn discover(&mut self) {
        let next = async { tokio::time::timeout(PATIENCE, self.doors.discoveries.recv()).await };
        let discovery = self.runtime.block_on(next).expect("something is found out").unwrap();
        self.turn(Input::Discovery(discovery));
    }

    /// Takes results of the disk until it is so.
    pub fn disk_until(&mut self, is_so: impl Fn(&Self) -> bool) {
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
    pub fn sleep(&mut self, span: Duration) -> usize {
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
    pub fn link(&mut self, address: &str, incoming: bool) -> LinkId {
        let (link, address) = (self.shared.new_link(), address.parse::<SocketAddr>().unwrap());
        let source = if incoming { PeerSource::Incoming } else { PeerSource::Tracker };
        self.actor.pool.connected(self.now, address, source, link).unwrap();
        self.actor.download.link_joined(link);
        let mailbox = Arc::new(Mailbox::default());
        self.far_ends.push(mailbox.clone());
        let entry = LinkEntry {
            address,
            known_as: address,
            peer_id: PeerId::new([link.0 as u8; 20]),
            client: "a client".into(),
            source,
            incoming,
            distrusted: incoming && self.shared.distrusts_callers(address),
            mailbox,
            gauge: Arc::new(LinkGauge::default()),
            am_interested: false,
            am_unchoked: false,
            choke_changed: None,
            uploaded_at_unchoke: 0,
            peer_interested: false,
            peer_unchoked: false,
            upload_only: false,
            fast: false,
            transport: crate::stats::Transport::Tcp,
            encryption: crate::stats::LinkEncryption::None,
            takes_dont_have: false,
            sent_metadata: false,
            listens: (!incoming).then_some(address),
            telling: None,
            named: Named::default(),
            allowed_fast: Vec::new(),
            suggested: Vec::new(),
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
    pub fn seed(&mut self, address: &str, room: u32) -> LinkId {
        let link = self.link(address, false);
        self.report(link, Report::Pieces(PeerPieces::All));
        self.report(link, Report::Unchoked(true));
        self.report(link, Report::Hungry(room));
        link
    }

    pub fn mail(&mut self, link: LinkId) -> Mail {
        let mailbox = self.actor.links[&link].mailbox.clone();
        let take = async { tokio::time::timeout(Duration::ZERO, mailbox.take()).await };
        self.runtime.block_on(take).unwrap_or_default()
    }

    /// Hands all blocks of a piece to the disk.
    pub fn write(&self, piece: PieceIndex) {
        for block in 0..(PIECE as u32 / BLOCK_SIZE) {
            let block = BlockRef { piece, block };
            self.write_block(block, self.block(block), LinkId(9));
        }
    }

    pub fn block(&self, block: BlockRef) -> Vec<u8> {
        let at = block.piece.as_usize() * PIECE + block.begin() as usize;
        self.content[at..at + BLOCK_SIZE as usize].to_vec()
    }

    pub fn write_block(&self, block: BlockRef, data: Vec<u8>, from: LinkId) {
        let credit: Credit = self.shared.disk().try_credit(BLOCK_SIZE).unwrap();
        self.shared.disk().write(&self.actor.storage, block, data.into(), from, credit);
    }

    /// The kinds of events since the last look, statistics left out.
    pub fn events(&mut self) -> Vec<&'static str> {
        let mut kinds = Vec::new();
        while let Some(Delivery::Event(tagged)) = self.events.try_next() {
            kinds.push(tagged.event.kind().name());
        }
        kinds.retain(|kind| *kind != "stats.update");
        kinds
    }
}

pub fn piece(bench: &Bench, at: u32) -> PieceIndex {
    bench.torrent.metainfo().geometry.piece(at).unwrap()
}

pub fn error(op: Op, piece: Option<PieceIndex>, error: DiskError) -> Input {
    Input::Disk(DiskDone::Error { op, path: "/d/f".into(), piece, error })
}

pub const FULL: DiskError = DiskError::Full { needs: 2, free: 1 };
