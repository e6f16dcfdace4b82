//! What is only gathered while somebody looks: files, peers, trackers, overview.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::actor::Actor;
use crate::peer::LinkGauge;
use crate::settings::TorrentSettings;
use crate::stats::{
    Detail, DetailKind, FileStats, LimitsStats, OverviewStats, PIECE_MAP_CELLS, PeerSource, PeerStats, Way,
    WayState, WayStats,
};
use crate::types::{PieceIndex, UnixTime};
use crate::untrusted::Untrusted;

impl Actor {
    /// Brings the open panes up to date, and forgets those that were closed.
    pub(super) fn show_details(&mut self, now: Instant) {
        self.watches.retain(|(_, pane)| pane.receiver_count() > 0);
        for (kind, pane) in &self.watches {
            let detail = self.detail(now, *kind);
            pane.send_if_modified(|shown| {
                let changed = shown.as_deref() != Some(&detail);
                if changed {
                    *shown = Some(Arc::new(detail));
                }
                changed
            });
        }
    }

    fn detail(&self, now: Instant, kind: DetailKind) -> Detail {
        match kind {
            DetailKind::Files => Detail::Files(self.file_stats()),
            DetailKind::Peers => Detail::Peers(self.peer_stats()),
            DetailKind::Trackers => Detail::Trackers(self.trackers.stats(now, UnixTime::now()), self.ways()),
            DetailKind::Overview => Detail::Overview(self.overview()),
            DetailKind::Limits => Detail::Limits(self.limits()),
            DetailKind::Pieces => Detail::Pieces(self.download.piece_map()),
            DetailKind::Bans => Detail::Bans(self.shared.bans()),
        }
    }

    fn file_stats(&self) -> Vec<FileStats> {
        let named = self.torrent.files();
        let files = named.iter().enumerate().filter(|(_, file)| !file.pad);
        files
            .map(|(at, file)| FileStats {
                index: at as u32,
                path: file.path.iter().map(|part| Untrusted::new(part.to_string_lossy())).collect(),
                size: file.length,
                have: self.files.have(at),
                priority: self.settings.file(at),
            })
            .collect()
    }

    fn limits(&self) -> LimitsStats {
        let torrent = TorrentSettings { files: Vec::new(), ..self.settings.clone() };
        LimitsStats { torrent, global: self.shared.settings() }
    }

    fn peer_stats(&self) -> Vec<PeerStats> {
        let optimistic = self.upload.optimistic();
        let mut peers: Vec<_> = self
            .links
            .iter()
            .map(|(link, entry)| PeerStats {
                link: *link,
                address: entry.address,
                client: entry.client.clone(),
                source: entry.source,
                incoming: entry.incoming,
                progress: self.download.link_progress(*link),
                rate_down: LinkGauge::get(&entry.gauge.rate_down),
                rate_up: LinkGauge::get(&entry.gauge.rate_up),
                downloaded: LinkGauge::get(&entry.gauge.downloaded),
                uploaded: LinkGauge::get(&entry.gauge.uploaded),
                am_interested: entry.am_interested,
                peer_unchoked: entry.peer_unchoked,
                peer_interested: entry.peer_interested,
                am_unchoked: entry.am_unchoked,
                optimistic: optimistic == Some(*link),
                snubbed: entry.snubbed(),
                fast: entry.fast,
                transport: entry.transport,
                encryption: entry.encryption,
                requests: entry.gauge.requests.load(Ordering::Relaxed),
            })
            .collect();
        peers.sort_unstable_by_key(|peer| peer.link);
        peers
    }

    /// The ways to peers beside trackers.
    fn ways(&self) -> Vec<WayStats> {
        let reach = self.reach();
        let state = |on: bool, works: bool| match (on, self.in_swarm.is_some(), works) {
            _ if self.is_private() => WayState::Private,
            (false, ..) => WayState::Off,
            (true, false, _) => WayState::Resting,
            (true, true, false) => WayState::Waiting,
            (true, true, true) => WayState::Working,
        };
        let searched = self.shared.dht().stats().ready.contains(&true);
        let told = self.links.values().any(|entry| entry.telling.is_some());
        let said = self.shared.lsd().has_network();
        [
            (Way::Dht, state(reach.dht, searched), PeerSource::Dht),
            (Way::Pex, state(reach.pex, told), PeerSource::Pex),
            (Way::Lsd, state(reach.lsd, said), PeerSource::Lsd),
        ]
        .map(|(way, state, source)| WayStats { way, state, peers: self.pool.named_by(source) })
        .to_vec()
    }

    fn overview(&self) -> OverviewStats {
        let metainfo = self.torrent.metainfo();
        OverviewStats {
            created_by: metainfo.created_by.clone(),
            comment: metainfo.comment.clone(),
            creation_date: metainfo.creation_date,
            files: metainfo.files.iter().filter(|file| !file.pad).count() as u32,
            version: metainfo.version().name().into(),
            piece_map: self.piece_map(),
        }
    }

    fn piece_map(&self) -> Vec<u8> {
        let have = self.download.have();
        let pieces = have.len() as usize;
        let cells = pieces.min(PIECE_MAP_CELLS);
        let bound = |cell: usize| (cell * pieces / cells) as u32;
        let share = |cell: usize| {
            let (from, to) = (bound(cell), bound(cell + 1));
            let there = (from..to).filter(|piece| have.get(PieceIndex::new(*piece))).count();
            (there * 255 / (to - from) as usize) as u8
        };
        (0..cells).map(share).collect()
    }
}
