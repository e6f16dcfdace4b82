//! A session in the making: what its actor starts from, and what viewers see before its first turn.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, watch};

use super::actor::{self, Actor, Doors, Phase};
use super::on_metadata::Fetching;
use super::on_move::Moving;
use super::on_settings::{priorities, unwanted};
use super::save::Saving;
use super::totals::Totals;
use super::{Torrent, files};
use crate::download::DownloadManager;
use crate::peer::PeerPool;
use crate::queue::{Report, Stage, Turn};
use crate::resume::ResumeRecord;
use crate::settings::TorrentSettings;
use crate::shared::{Seat, SharedResources};
use crate::stats::{MetadataStats, SessionState, SessionStats};
use crate::storage::Storage;
use crate::tracker::TrackerCoordinator;
use crate::tracker::trust::host_of;
use crate::types::UnixTime;
use crate::untrusted::Untrusted;
use crate::upload::UploadManager;

/// An actor at rest, and the doors to it. A paused torrent shows what its record claims.
pub fn actor(
    torrent: Arc<Torrent>,
    shared: Arc<SharedResources>,
    record: Option<ResumeRecord>,
    in_queue: bool,
    magnet: Option<Fetching>,
) -> (Actor, Doors) {
    let geometry = torrent.metainfo().geometry;
    let (to_reports, reports) = mpsc::channel(actor::REPORTS);
    let (to_discoveries, discoveries) = mpsc::channel(actor::DISCOVERIES);
    let (to_door, incoming) = mpsc::channel(actor::INCOMING);
    let (to_found, found) = mpsc::channel(crate::registrations::FOUND);
    let kept = record.clone().unwrap_or_default();
    // For viewers of a torrent that rests; what counts is what a check finds.
    let claimed = kept.claimed(geometry.pieces());
    let mut totals = Totals::resume(kept.downloaded, kept.uploaded, kept.wasted, kept.active_seconds);
    if record.is_some() {
        if kept.added != UnixTime::default() {
            totals.added = kept.added;
        }
        totals.completed = kept.completed;
        totals.seeded = std::time::Duration::from_secs(kept.seeding_seconds);
    }
    let mut download = DownloadManager::new(geometry, claimed.clone(), actor::seed());
    download.set_priorities(priorities(&torrent, &kept.settings));
    let storage = storage(&torrent, &shared, &kept.settings);
    let moving = kept.moving.as_ref();
    // It will want to run soon, unless a person paused it: until it says otherwise it keeps its place.
    let reported_stage = Report {
        stage: if kept.paused { Stage::Rest } else { Stage::Busy },
        complete: magnet.is_none() && download.is_finished(),
        forced: kept.forced,
        ..Report::default()
    };
    let seat = in_queue.then(|| shared.turns().enter(torrent.info_hash(), reported_stage));
    let turn = seat.as_ref().map_or_else(|| watch::channel(Turn::Runs).1, Seat::changes);
    download.set_sequential(kept.settings.sequential);
    let own_trackers = kept.trackers.clone();
    let tiers = own_trackers.as_ref().unwrap_or(&torrent.metainfo().trackers);
    let mut trackers = TrackerCoordinator::new(tiers, torrent.metainfo().private, actor::seed());
    let trust = kept.trust.clone();
    trackers.trust(|url| trust.of(url, &shared.config().any_certificate));
    let newest = first_snapshot(&torrent, &totals, &download, &kept, tiers);
    let newest_host = newest.tracker.clone();
    let actor = Actor {
        place: Arc::new(shared.board().claim(newest.clone())),
        newest,
        removed: None,
        way: shared.binding().way(),
        cut_off: false,
        magnet,
        awaits_choice: false,
        phase: if kept.paused { Phase::Paused } else { Phase::Idle },
        storage_seen: watch::Sender::new(storage.clone()),
        storage,
        moving: moving.map(|note| Moving::noted(&torrent.folders.borrow(), note, kept.paused)),
        incomplete: kept.incomplete,
        notice: None,
        download,
        upload: UploadManager::new(shared.first_slots(kept.settings.upload_slots), actor::seed()),
        pool: PeerPool::default(),
        turns: FxHashMap::default(),
        to_list: watch::Sender::new(trackers.list().into()),
        trackers,
        own_trackers,
        trust,
        reported: 0,
        fetched_last: false,
        files: files::FileProgress::new(geometry, &torrent.metainfo().files, &claimed),
        settings: kept.settings,
        links: FxHashMap::default(),
        parting: FxHashMap::default(),
        met_changes: 0,
        gone: super::links::Gone::default(),
        bans_seen: 0,
        slots_seen: (0, None),
        turnover: None,
        watches: Vec::new(),
        up: shared.up().child(),
        down: shared.down().child(),
        to_reports,
        to_discoveries,
        door: None,
        dht: None,
        lsd: None,
        to_found,
        in_swarm: None,
        to_door,
        seat,
        reported_stage,
        waits: false,
        tick: None,
        feed: false,
        upload_only: false,
        checked: false,
        full: None,
        full_told: false,
        completed: false,
        whole: false,
        limited: false,
        beyond: false,
        check_posted: false,
        rest_after_check: None,
        bytes_hashed: 0,
        pieces_known: 0,
        pieces_checked: 0,
        saving: Saving::new(record, geometry.pieces(), kept.paused, shared.config().sync_interval),
        swarm: None,
        tracker_host: newest_host,
        last_payload: None,
        totals,
        torrent,
        shared: shared.clone(),
    };
    actor.limit();
    (
        actor,
        Doors {
            reports,
            discoveries,
            incoming,
            found,
            port: shared.port_changes(),
            stopping: shared.stopping(),
            told: false,
            settings: shared.watch_settings(),
            turn,
        },
    )
}

/// The files where the torrent says they are.
pub fn storage(torrent: &Torrent, shared: &SharedResources, settings: &TorrentSettings) -> Arc<Storage> {
    let journal = shared.store().map(|store| store.journal(torrent.info_hash()));
    let storage = shared.disk().open(torrent.layout().noting(journal));
    shared.disk().set_unwanted(&storage, &unwanted(torrent, settings));
    storage
}

/// What viewers see before the actor has had its first turn.
fn first_snapshot(
    torrent: &Torrent,
    totals: &Totals,
    download: &DownloadManager,
    kept: &ResumeRecord,
    tiers: &[Vec<Untrusted>],
) -> SessionStats {
    let metainfo = torrent.metainfo();
    SessionStats {
        info_hash: metainfo.info_hash,
        name: metainfo.name.clone(),
        state: if kept.paused { SessionState::Paused } else { SessionState::Queued },
        message: None,
        total_size: metainfo.total_size(),
        wanted: download.wanted_bytes(),
        have: download.wanted_bytes() - download.missing_bytes(),
        pieces: metainfo.geometry.pieces(),
        pieces_have: download.have().ones(),
        piece_length: metainfo.geometry.piece_length(),
        pieces_checked: 0,
        rate_down: 0,
        rate_up: 0,
        downloaded: totals.downloaded,
        uploaded: totals.uploaded,
        wasted: totals.wasted,
        seeds: 0,
        leechers: 0,
        swarm: None,
        known_peers: 0,
        connecting_peers: 0,
        availability: 0,
        eta: None,
        active_seconds: totals.kept_seconds(),
        added: totals.added,
        completed: totals.completed,
        save_path: torrent.save_path(),
        move_done: 0,
        move_total: 0,
        pieces_assumed: 0,
        destination: None,
        notice: None,
        tracker: tiers.iter().flatten().find_map(host_of),
        unregistered: None,
        private: metainfo.private,
        stalled: false,
        retries: false,
        forced: kept.forced,
        metadata: (!metainfo.is_known()).then(MetadataStats::default),
    }
}
