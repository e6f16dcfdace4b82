//! What the tests of the screen share: keys by name, torrents by description.

mod replay;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tc_core::event::{Delivery, Event, Tagged};
use tc_core::settings::{GlobalSettings, Priority, SpeedLimits, TorrentSettings};
use tc_core::stats::{
    BanStats, Changes, Detail, DetailKind, FileStats, GlobalStats, LimitsStats, LinkEncryption,
    OverviewStats, PartialStats, PeerSource, PeerStats, PieceCell, PieceMapStats, QueueStats, SessionState,
    SessionStats, TrackerState, TrackerStats,
};
use tc_core::types::{BanReason, BanTarget, InfoHash, LinkId, PieceIndex, TrackerId, UnixTime};

pub use self::replay::replay;
use crate::message::{Effect, Message};
use crate::state::{AppState, Look};
use crate::theme::Theme;
use crate::update::update;
use crate::view;
use crate::widget::paint;

/// Work whose amount tells whether a screen stays cheap, whatever the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows of the table that were put into words.
    pub rows: usize,
    /// Pairs of rows that were compared to sort them.
    pub compared: usize,
    /// Rows that a filter looked at.
    pub filtered: usize,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { rows: 0, compared: 0, filtered: 0 }) };
}

/// Takes note of work on this thread.
pub fn worked(add: impl FnOnce(&mut Work)) {
    let mut work = WORK.get();
    add(&mut work);
    WORK.set(work);
}

/// The work on this thread since it was last asked for.
pub fn work() -> Work {
    WORK.take()
}

/// The key with this name, as the keymap writes it.
pub fn key(name: &str) -> KeyEvent {
    let code = match name {
        "Space" => KeyCode::Char(' '),
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "BackTab" => KeyCode::BackTab,
        "Del" => KeyCode::Delete,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Backspace" => KeyCode::Backspace,
        "F1" => KeyCode::F(1),
        name => {
            let letter = name.chars().next_back().expect("a key has a name");
            if name.len() > 1 && name.starts_with('^') {
                return KeyEvent::new(KeyCode::Char(letter.to_ascii_lowercase()), KeyModifiers::CONTROL);
            }
            KeyCode::Char(letter)
        }
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// A dozen torrents in every state, with names that are hard to draw.
pub fn torrents() -> Vec<SessionStats> {
    use SessionState as S;
    let gib = |n: f64| (n * f64::from(1 << 30)) as u64;
    let kib = |n: u64| n << 10;
    let row =
        |at: u8, name: &str, size: f64, permille: u64, state: S, down: u64, up: u64, eta: Option<u64>| {
            let total = gib(size);
            let have = if permille == 1000 { total } else { total / 1000 * permille };
            SessionStats {
                info_hash: InfoHash::new([at; 20]),
                name: name.into(),
                state,
                message: None,
                total_size: total,
                wanted: total,
                have,
                pieces: 2_281,
                pieces_have: (2_281 * permille / 1000) as u32,
                piece_length: 4 << 20,
                pieces_checked: if state == S::Checking { 1_530 } else { 0 },
                rate_down: down,
                rate_up: up,
                downloaded: have,
                uploaded: have / 3,
                wasted: 0,
                seeds: u32::from(at),
                leechers: u32::from(at / 2),
                swarm: Some((u32::from(at) * 9, u32::from(at) * 4)),
                known_peers: u32::from(at) * 5,
                connecting_peers: u32::from(at) % 4,
                availability: 4_100,
                eta,
                active_seconds: 4_320,
                // The highest number is the newest, and so the first row.
                added: UnixTime(1_789_851_840 - 86_400 * u64::from(13 - at)),
                completed: (permille == 1000).then_some(UnixTime(1_789_851_840)),
                save_path: "/srv/dl/video".into(),
                move_done: 0,
                move_total: 0,
                pieces_assumed: 0,
                destination: None,
                notice: None,
                tracker: Some(
                    if at.is_multiple_of(3) { "tracker.example.org" } else { "bttracker.distro.example" }
                        .into(),
                ),
                unregistered: None,
                private: false,
                stalled: false,
                retries: false,
                forced: false,
            }
        };
    let mut list = vec![
        row(12, "debian-13.1.0-amd64-DVD-1.iso", 3.72, 413, S::Downloading, kib(12_700), kib(310), Some(180)),
        row(
            11,
            "Blender Open Movie - Sprite Fright 4K HDR",
            8.91,
            786,
            S::Downloading,
            kib(7_793),
            kib(1_147),
            Some(256),
        ),
        row(10, "archlinux-2026.09.01-x86_64.iso", 1.21, 992, S::Downloading, kib(4_628), kib(88), Some(2)),
        row(9, "日本語の無料音声コーパス 2026 (FLAC)", 21.4, 57, S::Downloading, 0, 0, None),
        row(8, "wikipedia_en_all_maxi_2026-08.zim", 111.0, 0, S::Queued, 0, 0, None),
        row(7, "fedora-workstation-live-43.iso", 2.41, 1000, S::Seeding, 0, kib(842), None),
        row(6, "LibreOffice_26.2_Linux_x86-64_deb", 0.209, 1000, S::Seeding, 0, kib(96), None),
        row(5, "ubuntu-25.10-desktop-amd64.iso", 5.92, 1000, S::Seeding, 0, 0, None),
        row(
            4,
            "e\u{301}mojis \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} and \u{1b}]0;x\u{7} of a\u{202e}b",
            4.61,
            1000,
            S::Seeding,
            0,
            12,
            None,
        ),
        row(3, "Tears of Steel (2012) 4K DCP", 48.2, 334, S::Paused, 0, 0, None),
        row(2, "raspios-bookworm-arm64-lite.img.xz", 0.49, 671, S::Checking, 0, 0, None),
        row(1, "openstreetmap-planet-260907.osm.pbf", 82.6, 204, S::Error, 0, 0, None),
    ];
    list[3].stalled = true;
    list[11].message = Some("the disk is full: needs 65.7G, 412M are free".into());
    list
}

/// What the engine would tell of a torrent.
pub fn detail(kind: DetailKind) -> Detail {
    match kind {
        DetailKind::Overview => Detail::Overview(OverviewStats {
            created_by: Some("mktorrent 1.1".into()),
            comment: Some("shared under CC BY 4.0".into()),
            creation_date: Some(1_789_000_000),
            files: 7,
            version: "v1".into(),
            piece_map: (0..240).map(|at: u32| (255 - (at * at * 7 % 256).min(at)) as u8).collect(),
        }),
        DetailKind::Files => {
            let file = |index: u32, path: &str, size: u64, have: u64, priority: Priority| FileStats {
                index,
                path: path.split('/').map(Into::into).collect(),
                size,
                have,
                priority,
            };
            Detail::Files(vec![
                file(0, "Sprite Fright/Subtitles/en.srt", 98 << 10, 98 << 10, Priority::Normal),
                file(1, "Sprite Fright/Subtitles/ja - 日本語字幕.srt", 88 << 10, 88 << 10, Priority::Normal),
                file(2, "Sprite Fright/Making of/one.mkv", 700 << 20, 0, Priority::Skip),
                file(3, "Sprite Fright/Making of/two.mkv", 700 << 20, 0, Priority::Skip),
                file(4, "Sprite Fright/sprite-fright-2160p-hdr.mkv", 7 << 30, 6 << 30, Priority::High),
                file(5, "Sprite Fright/poster.jpg", 4 << 20, 4 << 20, Priority::Normal),
                file(6, "Sprite Fright/README.txt", 3 << 10, 3 << 10, Priority::Low),
            ])
        }
        DetailKind::Limits => {
            let mut limits =
                LimitsStats { torrent: TorrentSettings::default(), global: GlobalSettings::default() };
            limits.torrent.speed.up = Some(2 << 20);
            limits.global.speed = SpeedLimits { down: Some(50 << 20), up: Some(10 << 20) };
            Detail::Limits(limits)
        }
        DetailKind::Peers => {
            let peer = |link: u64, address: &str, client: &str, down: u64, up: u64| PeerStats {
                link: LinkId(link),
                address: address.parse().expect("an address"),
                client: client.into(),
                source: [PeerSource::Manual, PeerSource::Tracker][usize::from(link > 1)],
                incoming: link.is_multiple_of(3),
                progress: 1000 - 97 * link as u32,
                rate_down: down << 10,
                rate_up: up << 10,
                downloaded: 0,
                uploaded: 0,
                am_interested: link != 4,
                peer_unchoked: link < 3,
                peer_interested: link != 2,
                am_unchoked: link == 1,
                optimistic: link == 3,
                snubbed: link == 4,
                fast: link < 4,
                encryption: match link {
                    1 => LinkEncryption::All,
                    2 => LinkEncryption::Handshake,
                    _ => LinkEncryption::None,
                },
                requests: 5,
            };
            Detail::Peers(vec![
                peer(2, "[2a02:8108::9f]:6881", "Transmission/4.1", 2_068, 88),
                peer(1, "185.21.217.9:51413", "qBittorrent/5.1", 3_174, 120),
                peer(3, "91.4.77.2:6889", "libtorrent/2.0", 1_474, 310),
                peer(4, "203.0.113.40:6881", "rTorrent/0.15", 0, 0),
            ])
        }
        DetailKind::Trackers => {
            let tracker = |tier: u32, url: &str, state: TrackerState, next: Option<u64>| TrackerStats {
                id: TrackerId(url.len() as u32),
                tier,
                url: url.into(),
                state,
                seeds: (state == TrackerState::Working).then_some(18),
                leechers: (state == TrackerState::Working).then_some(44),
                peers: None,
                any_certificate: url.contains("old.example"),
                next_announce: next,
                failures: 0,
                history: vec![
                    (UnixTime(1_789_851_840), "HTTP 503".into()),
                    (UnixTime(1_789_850_000), "timed out after 15 s".into()),
                ],
            };
            Detail::Trackers(vec![
                tracker(
                    0,
                    "http://tracker.blender.example:6969/announce",
                    TrackerState::Working,
                    Some(1_330),
                ),
                tracker(0, "udp://tracker.example.org:1337/announce", TrackerState::Unsupported, None),
                tracker(1, "https://old.example.net/announce", TrackerState::Failing, Some(870)),
            ])
        }
        DetailKind::Pieces => {
            let cell = |at: u32| {
                let wave = (at * 37 + at * at / 11) % 256;
                let there = at < 1_400 && !(800..806).contains(&at);
                PieceCell {
                    have: if there { 255 } else { [0, 0, 90, 0, 200, 30][at as usize % 6] },
                    copies: if (2_271..2_275).contains(&at) { 0 } else { (wave % 9 + 1) as u8 },
                    unseen: (2_271..2_275).contains(&at),
                    coming: (800..803).contains(&at),
                }
            };
            let partial = |piece: u32, received: u32, asked: u32| PartialStats {
                piece: PieceIndex::new(piece),
                blocks: 256,
                received,
                asked,
                peers: asked.min(2),
            };
            Detail::Pieces(PieceMapStats {
                pieces: 2_281,
                piece_length: 4 << 20,
                have: 1_394,
                partial: 11,
                fewest: 0,
                fewest_from: PieceIndex::new(2_271),
                fewest_to: PieceIndex::new(2_274),
                median: 4,
                cells: (0..2_281).map(cell).collect(),
                partials: vec![partial(800, 12, 8), partial(801, 250, 6), partial(802, 1, 0)],
            })
        }
        DetailKind::Bans => {
            let ban = |address: &str, reason: BanReason, left: u64| BanStats {
                target: BanTarget::of(address.parse().expect("an address")),
                reason,
                left,
            };
            let (bad, piece) = (PieceIndex::new(1_207), PieceIndex::new(88));
            Detail::Bans(vec![
                ban("198.51.100.7:49001", BanReason::BadBlock { piece: bad, block: 12 }, 86_000),
                ban("[2a02:8109::7]:6881", BanReason::BadPiece(piece), 41_000),
                ban("192.168.1.9:6881", BanReason::ByHand, 125),
            ])
        }
    }
}

/// The same with other people's words replaced.
pub fn hostile(kind: DetailKind, words: &str) -> Detail {
    let mut detail = detail(kind);
    match &mut detail {
        Detail::Overview(overview) => {
            overview.comment = Some(words.into());
            overview.created_by = Some(words.into());
        }
        Detail::Files(files) => {
            files.iter_mut().for_each(|file| file.path = vec![words.into(), words.into()])
        }
        Detail::Limits(_) => {}
        Detail::Peers(peers) => peers.iter_mut().for_each(|peer| peer.client = words.into()),
        Detail::Trackers(trackers) => {
            for tracker in trackers {
                tracker.url = words.into();
                tracker.history = vec![(UnixTime(0), words.into())];
            }
        }
        // The engine's own words.
        Detail::Bans(_) | Detail::Pieces(_) => {}
    }
    detail
}

/// Events of some kinds, a storm and a loss among them.
pub fn deliveries() -> Vec<Delivery> {
    // 2026-09-19 14:32:00 UTC
    let tagged = |seconds: u64, torrent: Option<u8>, event: Event| {
        Delivery::Event(Tagged {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_789_828_320 + seconds),
            info_hash: torrent.map(|at| InfoHash::new([at; 20])),
            event: Arc::new(event),
        })
    };
    let url = || "https://old.example.net/announce".into();
    let mut list = vec![
        tagged(0, None, Event::ListenOk { address: "0.0.0.0:51413".parse().expect("an address") }),
        tagged(
            1,
            Some(12),
            Event::SessionAdded { name: "debian-13.1.0-amd64-DVD-1.iso".into(), size: 3 << 30 },
        ),
        tagged(
            4,
            Some(1),
            Event::StorageFull { message: "needs 65.7G, 412M are free".into(), code: "full".into() },
        ),
        tagged(
            6,
            Some(10),
            Event::TrackerSuccess {
                url: url(),
                peers: 95,
                seeds: Some(42),
                leechers: Some(53),
                interval: 1_740,
            },
        ),
        tagged(
            8,
            Some(11),
            Event::TrackerFailed { url: url(), error: "HTTP 503".into(), retry_in: Some(900) },
        ),
        Delivery::Missed(312),
    ];
    list.extend((0..37).map(|index| {
        tagged(
            9,
            Some(11),
            Event::PieceHashFailed {
                index: PieceIndex::new(index),
                size: 4 << 20,
                from: vec!["203.0.113.9:1".parse().expect("an address")],
            },
        )
    }));
    list
}

/// A screen with a pretended engine: it answers what is watched, and keeps what is asked of it.
pub struct Stage {
    pub state: AppState,
    pub effects: Vec<Effect>,
    pub now: Instant,
}

impl Stage {
    /// A screen of this size with these torrents.
    pub fn new(size: (u16, u16), torrents: Vec<SessionStats>) -> Self {
        let look = Look { theme: Theme::MONO, ascii: false, zone: TimeZone::UTC };
        let mut stage = Self { state: AppState::new(size, look), effects: Vec::new(), now: Instant::now() };
        let (mut seeds, mut downloads): (Vec<_>, Vec<_>) =
            torrents.iter().partition(|stats| stats.is_complete());
        for kin in [&mut downloads, &mut seeds] {
            kin.sort_by_key(|stats| stats.added);
        }
        let hashes = |kin: Vec<&SessionStats>| kin.into_iter().map(|stats| stats.info_hash).collect();
        let queue = QueueStats { downloads: hashes(downloads), seeds: hashes(seeds) };
        let changes = Changes {
            seq: 1,
            queue: Some(Arc::new(queue)),
            changed: torrents.into_iter().map(Arc::new).collect(),
            removed: Vec::new(),
            global: Arc::new(GlobalStats {
                rate_down: 25_795_000,
                rate_up: 3_250_000,
                peers: 186,
                free_space: Some(412 << 30),
                limits: SpeedLimits { down: Some(50 << 20), up: Some(10 << 20) },
                ..GlobalStats::default()
            }),
        };
        stage.tell(Message::Stats(changes));
        stage.effects.retain(|effect| !matches!(effect, Effect::Subscribe(_)));
        stage
    }

    /// The dozen torrents, and some events.
    pub fn full(size: (u16, u16)) -> Self {
        let mut stage = Self::new(size, torrents());
        stage.tell(Message::Deliveries(deliveries()));
        stage
    }

    /// A minute and a half of data that comes in waves.
    pub fn with_history(mut self) -> Self {
        let rows: Vec<_> = self.state.table.all().cloned().collect();
        for at in 0..18u64 {
            let rate = 1_000_000 + at * (at % 7) * 100_000;
            let mut rows = rows.clone();
            for row in &mut rows {
                let mut stats = (*row.stats).clone();
                stats.rate_down = stats.rate_down / 9 * (at % 9);
                row.stats = Arc::new(stats);
            }
            self.now += Duration::from_secs(5);
            self.state.history.tick(self.now, rate, rows.iter());
        }
        self
    }

    /// News comes.
    pub fn tell(&mut self, message: Message) {
        for effect in update(&mut self.state, message, self.now) {
            match effect {
                Effect::Watch(Some((torrent, kind))) => {
                    self.tell(Message::Detail(torrent, Arc::new(detail(kind))));
                }
                Effect::Watch(None) => {}
                effect => self.effects.push(effect),
            }
        }
    }

    /// Time passes.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.tell(Message::Tick(self.now));
    }

    /// Keys by name, separated by blanks, 10 ms apart; `'text'` is typed, `"text"` is pasted,
    /// `700ms` passes.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        for name in keys.split_whitespace() {
            if let Some(text) = name.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                text.chars().for_each(|c| self.press(KeyCode::Char(c).into()));
            } else if let Some(text) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                self.tell(Message::Paste(text.to_owned()));
            } else if let Some(millis) = name.strip_suffix("ms").and_then(|digits| digits.parse().ok()) {
                self.wait(Duration::from_millis(millis));
            } else if name == "gg" {
                self.press(key("g"));
                self.press(key("g"));
            } else {
                self.press(key(name));
            }
        }
        self
    }

    pub fn press(&mut self, key: KeyEvent) {
        self.now += Duration::from_millis(10);
        self.tell(Message::Key(key));
    }

    /// The drawn screen.
    pub fn buffer(&self) -> Buffer {
        let (width, height) = self.state.panes.size;
        let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
        terminal.draw(|frame| view::draw(&self.state, frame)).expect("a test terminal draws");
        terminal.backend().buffer().clone()
    }

    /// The rows of the screen as text; checks that each is exactly as wide as the screen.
    pub fn rows(&self) -> Vec<String> {
        let buffer = self.buffer();
        rows(&buffer)
    }
}

/// The rows of a buffer as a terminal shows them: what a wide character covers is left out.
pub fn rows(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let row = |y: u16| {
        let mut text = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += paint::width(symbol).max(1) as u16;
        }
        assert_eq!(x, area.width, "row {y} leaves the screen: {text:?}");
        text
    };
    (0..area.height).map(row).collect()
}
