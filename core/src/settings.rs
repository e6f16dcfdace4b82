//! What a person decides for one torrent or for all together: plain data that is kept over restarts and can be sent to
//! an engine in another process.

use serde::{Deserialize, Serialize};

/// How much a file or a piece is wanted; a higher class is dealt out before a lower one, however
/// rare. No BEP: a person's choice, made per file and kept per piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Never asked for. Blocks that are there stay.
    Skip,
    /// After everything else.
    Low,
    /// What every file starts with.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// Whether such a piece is to be fetched at all.
    pub const fn is_wanted(self) -> bool {
        !matches!(self, Self::Skip)
    }

    /// One step up, as far as there is one.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Skip => Self::Low,
            Self::Low => Self::Normal,
            Self::Normal | Self::High => Self::High,
        }
    }

    /// One step down, as far as there is one.
    #[must_use]
    pub const fn lowered(self) -> Self {
        match self {
            Self::High => Self::Normal,
            Self::Normal => Self::Low,
            Self::Low | Self::Skip => Self::Skip,
        }
    }
}

/// A person's choices for one torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentSettings {
    /// How much each file is wanted, in torrent order, pad files counted; those that are not named
    /// are normal. Empty: all are.
    pub files: Vec<Priority>,
    /// Pieces are fetched in the order of the content, not the rarest first.
    pub sequential: bool,
    /// The first and the last piece of each file come before everything else.
    pub ends_first: bool,
    /// How fast it may be, beside what all torrents together may.
    pub speed: SpeedLimits,
    /// At which ratio it stops seeding, in thousandths.
    pub seed_ratio: SeedLimit,
    /// After how many seconds it stops seeding.
    pub seed_time: SeedLimit,
    /// Links at most, from 1; `None`: as many as one torrent may have.
    pub max_peers: Option<u32>,
    /// Peers that are served at once, the optimistic one not counted; 0: nobody is. `None`: as many as one
    /// torrent may have.
    pub upload_slots: Option<u32>,
}

/// When one torrent stops seeding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeedLimit {
    /// As all do.
    #[default]
    Inherit,
    /// Never.
    Never,
    /// Then.
    At(u64),
}

impl SeedLimit {
    /// The limit that holds where all have this one; `None`: none.
    pub const fn or(self, all: Option<u64>) -> Option<u64> {
        match self {
            Self::Inherit => all,
            Self::Never => None,
            Self::At(limit) => Some(limit),
        }
    }
}

/// One change of a torrent's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    /// How much these files are wanted.
    Files {
        /// Their places in torrent order, as [`FileStats::index`](crate::stats::FileStats) has them.
        files: Vec<u32>,
        /// How much.
        priority: Priority,
    },
    /// Whether pieces are fetched in the order of the content.
    Sequential(bool),
    /// Whether the first and the last piece of each file come first.
    EndsFirst(bool),
    /// What may come in, bytes per second; `None`: no limit of its own.
    Down(Option<u64>),
    /// What may go out, bytes per second; `None`: no limit of its own.
    Up(Option<u64>),
    /// At which ratio it stops seeding, in thousandths.
    SeedRatio(SeedLimit),
    /// After how many seconds it stops seeding.
    SeedTime(SeedLimit),
    /// Links at most, from 1; `None`: as many as one torrent may have.
    MaxPeers(Option<u32>),
    /// Peers that are served at once; `None`: as many as one torrent may have.
    UploadSlots(Option<u32>),
}

/// What may pass, bytes per second; `None`: no limit. What crosses the links to peers counts, without
/// the headers of TCP and IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeedLimits {
    /// What may come in.
    pub down: Option<u64>,
    /// What may go out.
    pub up: Option<u64>,
}

/// How many torrents may be active at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaxActive {
    /// All that want to.
    Unlimited,
    /// So many; with 0 only those that a person forces.
    At(u32),
}

impl MaxActive {
    /// The number; `None`: all.
    pub const fn get(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::At(most) => Some(most),
        }
    }
}

/// How many torrents run at once, slow and forced ones not counted; the others wait for their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveLimits {
    /// Of those that lack something.
    pub downloads: MaxActive,
    /// Of those that have all that is wanted.
    pub seeds: MaxActive,
}

impl Default for ActiveLimits {
    /// Five downloads: few enough that each comes to its end soon. A seed that nobody asks costs nothing.
    fn default() -> Self {
        Self { downloads: MaxActive::At(5), seeds: MaxActive::Unlimited }
    }
}

/// Whether links are encrypted (MSE, also called PE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// Never: encrypted calls are turned away.
    Off,
    /// The greeting is, where the other side knows how; what follows it is plain unless the other side wants
    /// it otherwise. Plain calls are taken too. Most peers of public swarms speak it, some nothing else.
    #[default]
    Prefer,
    /// Everything is, or there is no link.
    Require,
}

impl Encryption {
    /// The word of the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }

    /// The next one, round and round.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Off => Self::Prefer,
            Self::Prefer => Self::Require,
            Self::Require => Self::Off,
        }
    }
}

/// A person's choices for all torrents together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalSettings {
    /// How fast all torrents together may be.
    pub speed: SpeedLimits,
    /// A second set of limits, for hours in which others need the line.
    pub alternative: SpeedLimits,
    /// The second set holds now.
    pub use_alternative: bool,
    /// At which ratio a torrent stops seeding, in thousandths; `None`: at none.
    pub seed_ratio: Option<u64>,
    /// After how many seconds a torrent stops seeding; `None`: never.
    pub seed_time: Option<u64>,
    /// Links over all torrents, from 1. The descriptors that the system grants may allow fewer.
    pub max_connections: u32,
    /// Links of one torrent, from 1, unless it has a limit of its own.
    pub max_peers: u32,
    /// Peers that are served at once over all torrents, the optimistic ones not counted. Where it is short,
    /// torrents take turns.
    pub upload_slots: u32,
    /// How many torrents run at once. Since version 2.
    pub active: ActiveLimits,
    /// Whether links to peers are encrypted. Since version 3.
    pub encryption: Encryption,
}

/// One change of the settings of all torrents together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GlobalSetting {
    /// What may come in, bytes per second; `None`: no limit.
    Down(Option<u64>),
    /// What may go out, bytes per second; `None`: no limit.
    Up(Option<u64>),
    /// What may come in by the second set, bytes per second; `None`: no limit.
    AlternativeDown(Option<u64>),
    /// What may go out by the second set, bytes per second; `None`: no limit.
    AlternativeUp(Option<u64>),
    /// Which set holds.
    UseAlternative(bool),
    /// At which ratio a torrent stops seeding, in thousandths; `None`: at none.
    SeedRatio(Option<u64>),
    /// After how many seconds a torrent stops seeding; `None`: never.
    SeedTime(Option<u64>),
    /// Links over all torrents, from 1.
    MaxConnections(u32),
    /// Links of one torrent, from 1.
    MaxPeers(u32),
    /// Peers that are served at once over all torrents.
    UploadSlots(u32),
    /// How many torrents download at once.
    ActiveDownloads(MaxActive),
    /// How many torrents seed at once.
    ActiveSeeds(MaxActive),
    /// Whether links to peers are encrypted. New links follow it; those that do less than it requires end.
    Encryption(Encryption),
}

impl Default for GlobalSettings {
    /// No limits; the second set is that of a line of some Mbit/s that others use too.
    fn default() -> Self {
        Self {
            speed: SpeedLimits::default(),
            alternative: SpeedLimits { down: Some(1 << 20), up: Some(128 << 10) },
            use_alternative: false,
            seed_ratio: None,
            seed_time: None,
            // As transmission's and libtorrent's defaults for a server.
            max_connections: 500,
            max_peers: 100,
            // At 10 MB/s some 100 kB/s for each, which is worth a peer's while.
            upload_slots: 100,
            active: ActiveLimits::default(),
            encryption: Encryption::default(),
        }
    }
}

impl GlobalSettings {
    /// The limits that hold now.
    pub const fn speed_now(&self) -> SpeedLimits {
        if self.use_alternative { self.alternative } else { self.speed }
    }

    /// Makes one change.
    pub const fn apply(&mut self, setting: GlobalSetting) {
        match setting {
            GlobalSetting::Down(rate) => self.speed.down = rate,
            GlobalSetting::Up(rate) => self.speed.up = rate,
            GlobalSetting::AlternativeDown(rate) => self.alternative.down = rate,
            GlobalSetting::AlternativeUp(rate) => self.alternative.up = rate,
            GlobalSetting::UseAlternative(is_used) => self.use_alternative = is_used,
            GlobalSetting::SeedRatio(ratio) => self.seed_ratio = ratio,
            GlobalSetting::SeedTime(seconds) => self.seed_time = seconds,
            GlobalSetting::MaxConnections(links) => self.max_connections = if links == 0 { 1 } else { links },
            GlobalSetting::MaxPeers(links) => self.max_peers = if links == 0 { 1 } else { links },
            GlobalSetting::UploadSlots(slots) => self.upload_slots = slots,
            GlobalSetting::ActiveDownloads(most) => self.active.downloads = most,
            GlobalSetting::ActiveSeeds(most) => self.active.seeds = most,
            GlobalSetting::Encryption(encryption) => self.encryption = encryption,
        }
    }
}

impl TorrentSettings {
    /// How much this file is wanted.
    pub fn file(&self, index: usize) -> Priority {
        self.files.get(index).copied().unwrap_or_default()
    }

    /// Makes one change. Files that a torrent of `files` files does not have are left out.
    pub fn apply(&mut self, setting: &Setting, files: usize) {
        match setting {
            Setting::Files { files: changed, priority } => {
                self.files.resize(files, Priority::default());
                for at in changed {
                    if let Some(place) = self.files.get_mut(*at as usize) {
                        *place = *priority;
                    }
                }
                if self.files.iter().all(|priority| *priority == Priority::default()) {
                    self.files.clear();
                }
            }
            Setting::Sequential(sequential) => self.sequential = *sequential,
            Setting::EndsFirst(ends_first) => self.ends_first = *ends_first,
            Setting::Down(rate) => self.speed.down = *rate,
            Setting::Up(rate) => self.speed.up = *rate,
            Setting::SeedRatio(limit) => self.seed_ratio = *limit,
            Setting::SeedTime(limit) => self.seed_time = *limit,
            Setting::MaxPeers(links) => self.max_peers = links.map(|links| links.max(1)),
            Setting::UploadSlots(slots) => self.upload_slots = *slots,
        }
    }
}

/// What a person decided for a torrent, and for all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitsStats {
    /// For this torrent, its files left out.
    pub torrent: TorrentSettings,
    /// For all together.
    pub global: GlobalSettings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_changed_one_by_one_and_what_is_normal_takes_no_room() {
        let mut settings = TorrentSettings::default();
        let set = |settings: &mut TorrentSettings, files: &[u32], priority| {
            settings.apply(&Setting::Files { files: files.to_vec(), priority }, 3);
        };
        set(&mut settings, &[1, 7], Priority::Skip);
        assert_eq!([0, 1, 2, 7].map(|at| settings.file(at).is_wanted()), [true, false, true, true]);
        assert_eq!(settings.files.len(), 3);
        set(&mut settings, &[1], Priority::Normal);
        assert_eq!(settings, TorrentSettings::default());
    }

    #[test]
    fn steps_end_at_both_ends() {
        let all = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
        assert_eq!(all.map(Priority::raised), [all[1], all[2], all[3], all[3]]);
        assert_eq!(all.map(Priority::lowered), [all[0], all[0], all[1], all[2]]);
    }
}
