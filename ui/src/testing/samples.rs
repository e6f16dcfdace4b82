//! What a pretended engine tells: torrents, their details, events.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tc_core::event::{Delivery, Event, Tagged};
use tc_core::settings::{GlobalSettings, Priority, SpeedLimits, TorrentSettings};
use tc_core::stats::{
    BanStats, Detail, DetailKind, FileStats, LimitsStats, LinkEncryption, MetadataStats, OverviewStats,
    PartialStats, PeerSource, PeerStats, PieceCell, PieceMapStats, SessionState, SessionStats, TrackerState,
    TrackerStats, Transport, Way, WayState, WayStats,
};
use tc_core::types::{BanReason, BanTarget, InfoHash, LinkId, PieceIndex, TrackerId, UnixTime};

/// Magnets: one of which nothing is known, one whose metadata comes, one that waits for a choice of files, one that
/// has none that can be transferred.
pub fn magnets() -> Vec<SessionStats> {
    let mut all = torrents();
    all.truncate(4);
    let states = [SessionState::Metadata, SessionState::Metadata, SessionState::Paused, SessionState::Error];
    let names = ["3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6", "Sprite Fright 4K", "chosen from", "v2 only"];
    for (magnet, (state, name)) in all.iter_mut().zip(states.into_iter().zip(names)) {
        *magnet = SessionStats {
            name: name.into(),
            state,
            leechers: if state == SessionState::Metadata { 3 } else { 0 },
            metadata: Some(MetadataStats::default()),
            total_size: 0,
            wanted: 0,
            have: 0,
            pieces: 0,
            pieces_have: 0,
            piece_length: 1,
            rate_down: 0,
            rate_up: 0,
            downloaded: 0,
            uploaded: 0,
            seeds: 0,
            availability: 0,
            eta: None,
            ..magnet.clone()
        };
    }
    all[1].metadata = Some(MetadataStats { have: 2, pieces: 5, sources: 2 });
    let known = SessionStats {
        total_size: 3 << 30,
        wanted: 3 << 30,
        pieces: 768,
        piece_length: 4 << 20,
        ..all[2].clone()
    };
    let message = Some("its files are known: choose some, and resume it".into());
    all[2] = SessionStats { metadata: None, message, ..known };
    all[3].metadata = Some(MetadataStats { have: 1, pieces: 1, sources: 0 });
    all[3].total_size = 5 << 20;
    all[3].message = Some("a v2-only torrent: its transfer is not there yet".into());
    all
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
                metadata: None,
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
                source: [PeerSource::Manual, PeerSource::Tracker, PeerSource::Pex, PeerSource::Dht]
                    [link as usize % 4],
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
                transport: if link == 4 { Transport::Utp } else { Transport::Tcp },
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
            let trackers = vec![
                tracker(
                    0,
                    "http://tracker.blender.example:6969/announce",
                    TrackerState::Working,
                    Some(1_330),
                ),
                tracker(0, "udp://tracker.example.org:1337/announce", TrackerState::Unsupported, None),
                tracker(1, "https://old.example.net/announce", TrackerState::Failing, Some(870)),
            ];
            let ways = [
                (Way::Dht, WayState::Working, 21),
                (Way::Pex, WayState::Working, 12),
                (Way::Lsd, WayState::Off, 0),
            ];
            let ways = ways.map(|(way, state, peers)| WayStats { way, state, peers });
            Detail::Trackers(trackers, ways.to_vec())
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
        Detail::Trackers(trackers, _) => {
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
