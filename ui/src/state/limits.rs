//! What a person decides for the torrent under the cursor and for all together: the rows of the tab.

use tc_core::settings::{
    ActiveLimits, Encryption, GlobalSetting, GlobalSettings, MaxActive, SeedLimit, Setting,
};
use tc_core::stats::LimitsStats;

use super::table::Row;
use crate::{amount, format};

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// What may come in for this torrent.
    Down,
    /// What may go out for this torrent.
    Up,
    /// Links of this torrent.
    Peers,
    /// Peers of this torrent that are served at once.
    Slots,
    /// At which ratio this torrent stops seeding.
    Ratio,
    /// After which time this torrent stops seeding.
    Time,
    /// Its place among those that wait for their turn as it does.
    Place,
    /// Whether it runs whatever stands before it.
    Force,
    /// Whether pieces come in the order of the content.
    Sequential,
    /// Whether the ends of each file come first.
    EndsFirst,
    /// What may come in for all.
    AllDown,
    /// What may go out for all.
    AllUp,
    /// What may come in by the second set.
    AlternativeDown,
    /// What may go out by the second set.
    AlternativeUp,
    /// Whether the second set holds.
    Alternative,
    /// Links over all torrents.
    AllConnections,
    /// Links of each torrent.
    AllPeers,
    /// Peers that are served at once over all torrents.
    AllSlots,
    /// At which ratio torrents stop seeding.
    AllRatio,
    /// After which time torrents stop seeding.
    AllTime,
    /// How many torrents download at once.
    AllDownloads,
    /// How many torrents seed at once.
    AllSeeds,
    /// Whether links to peers are encrypted.
    Encryption,
}

/// A change that a row asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Of this torrent.
    Torrent(Setting),
    /// Of all together.
    All(GlobalSetting),
    /// Of this torrent's place in the queue.
    Place(u32),
    /// Whether this torrent runs whatever stands before it.
    Force(bool),
}

impl Limit {
    /// All rows, from top to bottom.
    pub const ALL: [Self; 23] = [
        Self::Down,
        Self::Up,
        Self::Peers,
        Self::Slots,
        Self::Ratio,
        Self::Time,
        Self::Place,
        Self::Force,
        Self::Sequential,
        Self::EndsFirst,
        Self::AllDown,
        Self::AllUp,
        Self::AlternativeDown,
        Self::AlternativeUp,
        Self::Alternative,
        Self::AllConnections,
        Self::AllPeers,
        Self::AllSlots,
        Self::AllRatio,
        Self::AllTime,
        Self::AllDownloads,
        Self::AllSeeds,
        Self::Encryption,
    ];

    /// What it is about.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Down => "Download limit",
            Self::Up => "Upload limit",
            Self::Peers => "Max peers",
            Self::Slots => "Upload slots",
            Self::AllConnections => "All: max peers together",
            Self::AllPeers => "All: max peers of each",
            Self::AllSlots => "All: upload slots",
            Self::Ratio => "Stop at ratio",
            Self::Time => "Stop after seeding",
            Self::Place => "Queue position",
            Self::Force => "Force start",
            Self::Encryption => "All: encryption",
            Self::AllDownloads => "All: active downloads",
            Self::AllSeeds => "All: active seeds",
            Self::AllRatio => "All: stop at ratio",
            Self::AllTime => "All: stop after seeding",
            Self::Sequential => "Sequential download",
            Self::EndsFirst => "First/last piece first",
            Self::AllDown => "All: download limit",
            Self::AllUp => "All: upload limit",
            Self::AlternativeDown => "All: alternative download",
            Self::AlternativeUp => "All: alternative upload",
            Self::Alternative => "All: alternative limits",
        }
    }

    /// Its value.
    pub fn value(self, limits: &LimitsStats, row: Option<&Row>) -> String {
        match self {
            Self::Place => {
                let place = row.and_then(|row| row.place);
                place.map_or_else(|| "none".to_owned(), |(place, _)| place.to_string())
            }
            Self::Force => on(row.is_some_and(|row| row.stats.forced)),
            Self::Encryption => limits.global.encryption.word().to_owned(),
            Self::AllDownloads => active(limits.global.active.downloads),
            Self::AllSeeds => active(limits.global.active.seeds),
            Self::Down => rate(limits.torrent.speed.down),
            Self::Up => rate(limits.torrent.speed.up),
            Self::Peers => number(limits.torrent.max_peers),
            Self::Slots => number(limits.torrent.upload_slots),
            Self::AllConnections => number(Some(limits.global.max_connections)),
            Self::AllPeers => number(Some(limits.global.max_peers)),
            Self::AllSlots => number(Some(limits.global.upload_slots)),
            Self::Ratio => own(limits.torrent.seed_ratio, ratio),
            Self::Time => own(limits.torrent.seed_time, format::duration),
            Self::AllRatio => limits.global.seed_ratio.map_or_else(never, ratio),
            Self::AllTime => limits.global.seed_time.map_or_else(never, format::duration),
            Self::Sequential => on(limits.torrent.sequential),
            Self::EndsFirst => on(limits.torrent.ends_first),
            Self::AllDown => rate(limits.global.speed.down),
            Self::AllUp => rate(limits.global.speed.up),
            Self::AlternativeDown => rate(limits.global.alternative.down),
            Self::AlternativeUp => rate(limits.global.alternative.up),
            Self::Alternative => on(limits.global.use_alternative),
        }
    }

    /// What there is to say beside the value.
    pub fn remark(self, limits: &LimitsStats, row: Option<&Row>) -> String {
        let global = limits.global.speed_now();
        match self {
            Self::Place => row.map_or_else(String::new, |row| {
                let of = row.place.map_or(0, |(_, of)| of);
                let kin = if row.stats.is_complete() { "seed" } else { "download" };
                format!("of {}", format::plural(of as u64, kin))
            }),
            Self::Force => "whatever stands before it in the queue".to_owned(),
            Self::Encryption => match limits.global.encryption {
                Encryption::Off => "encrypted calls are turned away",
                Encryption::Prefer => "where peers can, at least the greeting",
                Encryption::Require => "all of it, or there is no connection",
            }
            .to_owned(),
            Self::AllDownloads | Self::AllSeeds => "at once; the others wait for their turn".to_owned(),
            Self::Down => format!("all together {}", rate(global.down)),
            Self::Up => format!("all together {}", rate(global.up)),
            Self::AllDown | Self::AllUp if limits.global.use_alternative => {
                "not now: the alternative limits hold".to_owned()
            }
            Self::Alternative => "T switches".to_owned(),
            Self::Sequential => "pieces in order, not the rarest first".to_owned(),
            Self::EndsFirst => "previews work sooner".to_owned(),
            Self::Peers => format!("all {}", number(Some(limits.global.max_peers))),
            Self::Slots => format!("all together {}", number(Some(limits.global.upload_slots))),
            Self::AllConnections => "as far as the system lets us open".to_owned(),
            Self::AllSlots => "peers served at once; 0 serves nobody".to_owned(),
            Self::Ratio => format!("all {}", limits.global.seed_ratio.map_or_else(never, ratio)),
            Self::Time => format!("all {}", limits.global.seed_time.map_or_else(never, format::duration)),
            Self::AllDown
            | Self::AllUp
            | Self::AllPeers
            | Self::AlternativeDown
            | Self::AlternativeUp
            | Self::AllRatio
            | Self::AllTime => String::new(),
        }
    }

    /// What may be typed.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Ratio => "bytes given for each taken, like 1 or 2.5; never; empty: as all",
            Self::Time => "a time with units, like 90m, 12h or 14d; never; empty: as all",
            Self::AllRatio => "bytes given for each taken, like 1 or 2.5; empty or never: no limit",
            Self::AllTime => "a time with units, like 90m, 12h or 14d; empty or never: no limit",
            Self::Place => "a place from 1; a high one is the last",
            Self::AllDownloads => "a number of torrents; none: no limit; empty: 5",
            Self::AllSeeds => "a number of torrents; empty or none: no limit",
            Self::Peers => "a number from 1; empty: as all",
            Self::Slots => "a number, 0 serves nobody; empty: as all",
            Self::AllConnections | Self::AllPeers => "a number from 1; empty: as at first",
            Self::AllSlots => "a number, 0 serves nobody; empty: as at first",
            _ => "bytes a second with a unit: 800K, 2M, 1.5G; empty or none: no limit",
        }
    }

    /// The change to what was typed.
    ///
    /// # Errors
    /// It is no value for this row; what is wanted, in a few words.
    pub fn typed(self, text: &str) -> Result<Change, &'static str> {
        let text = text.trim();
        let is_never = ["none", "never"].iter().any(|word| text.eq_ignore_ascii_case(word));
        let is_none = text.is_empty() || is_never;
        let own = |parse: fn(&str) -> Result<u64, &'static str>| match text {
            "" | "as all" => Ok(SeedLimit::Inherit),
            _ if is_never => Ok(SeedLimit::Never),
            _ => parse(text).map(SeedLimit::At),
        };
        let all = |parse: fn(&str) -> Result<u64, &'static str>| {
            if is_none { Ok(None) } else { parse(text).map(Some) }
        };
        let rate = || all(amount::rate);
        let some = |from: u32| match text {
            "" | "as all" => Ok(None),
            _ => amount::count(text, from).map(Some),
        };
        let first = GlobalSettings::default();
        Ok(match self {
            Self::Peers => Change::Torrent(Setting::MaxPeers(some(1)?)),
            Self::Slots => Change::Torrent(Setting::UploadSlots(some(0)?)),
            Self::AllConnections => {
                Change::All(GlobalSetting::MaxConnections(some(1)?.unwrap_or(first.max_connections)))
            }
            Self::AllPeers => Change::All(GlobalSetting::MaxPeers(some(1)?.unwrap_or(first.max_peers))),
            Self::AllSlots => Change::All(GlobalSetting::UploadSlots(some(0)?.unwrap_or(first.upload_slots))),
            Self::Ratio => Change::Torrent(Setting::SeedRatio(own(amount::ratio)?)),
            Self::Time => Change::Torrent(Setting::SeedTime(own(amount::time)?)),
            Self::AllRatio => Change::All(GlobalSetting::SeedRatio(all(amount::ratio)?)),
            Self::AllTime => Change::All(GlobalSetting::SeedTime(all(amount::time)?)),
            Self::Down => Change::Torrent(Setting::Down(rate()?)),
            Self::Up => Change::Torrent(Setting::Up(rate()?)),
            Self::AllDown => Change::All(GlobalSetting::Down(rate()?)),
            Self::AllUp => Change::All(GlobalSetting::Up(rate()?)),
            Self::AlternativeDown => Change::All(GlobalSetting::AlternativeDown(rate()?)),
            Self::AlternativeUp => Change::All(GlobalSetting::AlternativeUp(rate()?)),
            Self::Place => Change::Place(text.parse().map_err(|_| "a place in the queue is wanted, like 1")?),
            Self::AllDownloads | Self::AllSeeds => {
                let usual = ActiveLimits::default();
                let parse = |usual| if text.is_empty() { Ok(usual) } else { amount::active(text) };
                Change::All(if self == Self::AllSeeds {
                    GlobalSetting::ActiveSeeds(parse(usual.seeds)?)
                } else {
                    GlobalSetting::ActiveDownloads(parse(usual.downloads)?)
                })
            }
            Self::Alternative | Self::Sequential | Self::EndsFirst | Self::Force | Self::Encryption => {
                return Err("Space switches it");
            }
        })
    }

    /// The change that a switch asks for; `None` where there is something to type instead.
    pub fn switched(self, limits: &LimitsStats, row: Option<&Row>) -> Option<Change> {
        let torrent = &limits.torrent;
        match self {
            Self::Force => row.map(|row| Change::Force(!row.stats.forced)),
            Self::Sequential => Some(Change::Torrent(Setting::Sequential(!torrent.sequential))),
            Self::EndsFirst => Some(Change::Torrent(Setting::EndsFirst(!torrent.ends_first))),
            Self::Alternative => {
                Some(Change::All(GlobalSetting::UseAlternative(!limits.global.use_alternative)))
            }
            Self::Encryption => Some(Change::All(GlobalSetting::Encryption(limits.global.encryption.next()))),
            _ => None,
        }
    }

    /// The change to what it is without a person's choice; `None`: there is no such thing.
    pub fn reset(self) -> Option<Change> {
        match self {
            Self::Alternative => Some(Change::All(GlobalSetting::UseAlternative(false))),
            Self::Sequential => Some(Change::Torrent(Setting::Sequential(false))),
            Self::EndsFirst => Some(Change::Torrent(Setting::EndsFirst(false))),
            Self::Force => Some(Change::Force(false)),
            Self::Encryption => Some(Change::All(GlobalSetting::Encryption(Encryption::default()))),
            _ => self.typed("").ok(),
        }
    }
}

fn active(most: MaxActive) -> String {
    most.get().map_or_else(|| "none".to_owned(), |most| most.to_string())
}

fn rate(rate: Option<u64>) -> String {
    rate.map_or_else(|| "none".to_owned(), |rate| format!("{}/s", format::size(rate)))
}

/// A number, or that it is as for all.
fn number(number: Option<u32>) -> String {
    number.map_or_else(|| "as all".to_owned(), |number| format::count(number.into()))
}

/// What one torrent does, or that it does as all.
fn own(limit: SeedLimit, words: fn(u64) -> String) -> String {
    match limit {
        SeedLimit::Inherit => "as all".to_owned(),
        SeedLimit::Never => never(),
        SeedLimit::At(limit) => words(limit),
    }
}

fn never() -> String {
    "never".to_owned()
}

fn ratio(thousandths: u64) -> String {
    format::ratio(thousandths as f64 / 1_000.0)
}

fn on(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}
