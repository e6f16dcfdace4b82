//! The detail of the torrent under the cursor: which tab, and what the engine told for it.

use std::sync::Arc;

use tc_core::stats::{
    BanStats, Detail, DetailKind, LimitsStats, OverviewStats, PeerStats, TrackerStats, WayStats,
};
use tc_core::types::InfoHash;

use super::files::FileTree;
use super::limits::Limit;
use super::pieces::PieceMap;
use super::scroll::Scroll;
use crate::format;

/// A tab of the detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tab {
    /// The torrent in a few lines.
    #[default]
    Overview,
    /// Its files.
    Files,
    /// The connected peers.
    Peers,
    /// Its trackers and what they said.
    Trackers,
    /// Its pieces.
    Pieces,
    /// Its events.
    Log,
    /// What a person decided for it.
    Limits,
}

impl Tab {
    /// All tabs, from left to right.
    pub const ALL: [Self; 7] =
        [Self::Overview, Self::Files, Self::Peers, Self::Trackers, Self::Pieces, Self::Log, Self::Limits];

    /// The word in the rule of tabs.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Files => "Files",
            Self::Peers => "Peers",
            Self::Trackers => "Trackers",
            Self::Pieces => "Pieces",
            Self::Log => "Log",
            Self::Limits => "Limits",
        }
    }

    /// What the engine has to gather for it.
    pub const fn needs(self) -> Option<DetailKind> {
        match self {
            Self::Overview => Some(DetailKind::Overview),
            Self::Files => Some(DetailKind::Files),
            Self::Peers => Some(DetailKind::Peers),
            Self::Trackers => Some(DetailKind::Trackers),
            Self::Pieces => Some(DetailKind::Pieces),
            Self::Log => None,
            Self::Limits => Some(DetailKind::Limits),
        }
    }

    /// The tab `by` places to the right, round the ends.
    pub fn beside(self, by: isize) -> Self {
        let at = (self as isize + by).rem_euclid(Self::ALL.len() as isize);
        Self::ALL[at as usize]
    }
}

/// What is known of the torrent under the cursor beyond its row.
#[derive(Clone, Debug, Default)]
pub struct DetailPane {
    /// The open tab.
    pub tab: Tab,
    /// Whose content this is.
    pub torrent: Option<InfoHash>,
    /// What the engine was asked to gather.
    pub watched: Option<(InfoHash, DetailKind)>,
    /// For [`Tab::Overview`].
    pub overview: Option<Arc<OverviewStats>>,
    /// For [`Tab::Files`].
    pub files: Option<FileTree>,
    /// For [`Tab::Peers`]: fastest first.
    pub peers: Option<Vec<PeerStats>>,
    /// For [`Tab::Trackers`].
    pub trackers: Option<Vec<TrackerStats>>,
    /// For the same.
    pub ways: Vec<WayStats>,
    /// For [`Tab::Limits`].
    pub limits: Option<LimitsStats>,
    /// For [`Tab::Pieces`].
    pub pieces: Option<PieceMap>,
    /// For the list of bans.
    pub bans: Option<Vec<BanStats>>,
    /// Where the cursors of the lists are, by tab.
    pub scroll: [Scroll; Tab::ALL.len()],
}

impl DetailPane {
    /// Turns to a torrent; says whether it is another one, of which nothing is known yet.
    pub fn turn_to(&mut self, torrent: Option<InfoHash>) -> bool {
        let another = self.torrent != torrent;
        if another {
            *self = Self { tab: self.tab, torrent, watched: self.watched, ..Self::default() };
        }
        another
    }

    /// Takes news of a torrent; says whether what is shown changed.
    pub fn take(&mut self, torrent: InfoHash, detail: &Detail) -> bool {
        if self.torrent != Some(torrent) {
            return false;
        }
        match detail {
            Detail::Overview(overview) => {
                let changed = self.overview.as_deref() != Some(overview);
                self.overview = Some(Arc::new(overview.clone()));
                changed
            }
            Detail::Files(files) => match &mut self.files {
                Some(tree) => tree.update(files),
                none => {
                    *none = Some(FileTree::new(files));
                    true
                }
            },
            Detail::Peers(peers) => {
                let mut peers = peers.clone();
                peers.sort_by(|a, b| {
                    let (x, y) = ((a.rate_down, a.rate_up), (b.rate_down, b.rate_up));
                    y.cmp(&x).then_with(|| a.link.cmp(&b.link))
                });
                let same = |old: &Vec<PeerStats>| {
                    old.len() == peers.len() && old.iter().zip(&peers).all(|(a, b)| peer_looks_same(a, b))
                };
                let changed = !self.peers.as_ref().is_some_and(same);
                self.peers = Some(peers);
                changed
            }
            Detail::Limits(limits) => {
                let changed = self.limits.as_ref() != Some(limits);
                self.limits = Some(limits.clone());
                changed
            }
            Detail::Trackers(trackers, ways) => {
                let changed = self.trackers.as_ref() != Some(trackers) || self.ways != *ways;
                // The cursor stays on its tracker, wherever that has moved.
                let scroll = &mut self.scroll[Tab::Trackers as usize];
                let on = self.trackers.as_ref().and_then(|old| old.get(scroll.cursor)).map(|old| old.id);
                let at = on.and_then(|id| trackers.iter().position(|tracker| tracker.id == id));
                scroll.cursor = at.unwrap_or(scroll.cursor.min(trackers.len().saturating_sub(1)));
                self.trackers = Some(trackers.clone());
                self.ways.clone_from(ways);
                changed
            }
            Detail::Pieces(pieces) => match &mut self.pieces {
                Some(map) => map.update(pieces),
                none => {
                    *none = Some(PieceMap::new(pieces.clone()));
                    true
                }
            },
            Detail::Bans(bans) => {
                let changed = self.bans.as_ref() != Some(bans);
                self.bans = Some(bans.clone());
                changed
            }
        }
    }

    /// Rows of the open tab's list.
    pub fn len(&self) -> usize {
        match self.tab {
            Tab::Overview | Tab::Pieces | Tab::Log => 0,
            Tab::Limits => self.limits.as_ref().map_or(0, |_| Limit::ALL.len()),
            Tab::Files => self.files.as_ref().map_or(0, |tree| tree.visible().count()),
            Tab::Peers => self.peers.as_ref().map_or(0, Vec::len),
            Tab::Trackers => self.trackers.as_ref().map_or(0, Vec::len),
        }
    }

    /// Whether the open tab has no list, or an empty one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cursor of the open tab's list.
    pub fn scroll(&self) -> Scroll {
        self.scroll[self.tab as usize]
    }

    /// The cursor of the open tab's list, to move it.
    pub fn scroll_mut(&mut self) -> &mut Scroll {
        &mut self.scroll[self.tab as usize]
    }
}

/// Whether a peer would be drawn alike.
fn peer_looks_same(a: &PeerStats, b: &PeerStats) -> bool {
    let flags = |peer: &PeerStats| {
        [
            peer.am_interested,
            peer.peer_unchoked,
            peer.peer_interested,
            peer.am_unchoked,
            peer.optimistic,
            peer.snubbed,
            peer.incoming,
            peer.fast,
        ]
    };
    let numbers = |peer: &PeerStats| (format::rate(peer.rate_down), format::rate(peer.rate_up));
    a.address == b.address
        && a.client == b.client
        && a.progress == b.progress
        && flags(a) == flags(b)
        && numbers(a) == numbers(b)
}
