//! What a person decides for the torrent under the cursor and for all together: the rows of the tab.

use tc_core::settings::{GlobalSetting, Setting};
use tc_core::stats::LimitsStats;

use crate::{amount, format};

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// What may come in for this torrent.
    Down,
    /// What may go out for this torrent.
    Up,
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
}

/// A change that a row asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Of this torrent.
    Torrent(Setting),
    /// Of all together.
    All(GlobalSetting),
}

impl Limit {
    /// All rows, from top to bottom.
    pub const ALL: [Self; 9] = [
        Self::Down,
        Self::Up,
        Self::Sequential,
        Self::EndsFirst,
        Self::AllDown,
        Self::AllUp,
        Self::AlternativeDown,
        Self::AlternativeUp,
        Self::Alternative,
    ];

    /// What it is about.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Down => "Download limit",
            Self::Up => "Upload limit",
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
    pub fn value(self, limits: &LimitsStats) -> String {
        match self {
            Self::Down => rate(limits.torrent.speed.down),
            Self::Up => rate(limits.torrent.speed.up),
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
    pub fn remark(self, limits: &LimitsStats) -> String {
        let global = limits.global.speed_now();
        match self {
            Self::Down => format!("all together {}", rate(global.down)),
            Self::Up => format!("all together {}", rate(global.up)),
            Self::AllDown | Self::AllUp if limits.global.use_alternative => {
                "not now: the alternative limits hold".to_owned()
            }
            Self::Alternative => "T switches".to_owned(),
            Self::Sequential => "pieces in order, not the rarest first".to_owned(),
            Self::EndsFirst => "previews work sooner".to_owned(),
            Self::AllDown | Self::AllUp | Self::AlternativeDown | Self::AlternativeUp => String::new(),
        }
    }

    /// What may be typed.
    pub const fn hint(self) -> &'static str {
        "bytes a second with a unit: 800K, 2M, 1.5G; empty or none: no limit"
    }

    /// The change to what was typed.
    ///
    /// # Errors
    /// It is no value for this row; what is wanted, in a few words.
    pub fn typed(self, text: &str) -> Result<Change, &'static str> {
        let text = text.trim();
        let is_none = text.is_empty() || text.eq_ignore_ascii_case("none");
        let rate = || if is_none { Ok(None) } else { amount::rate(text).map(Some) };
        Ok(match self {
            Self::Down => Change::Torrent(Setting::Down(rate()?)),
            Self::Up => Change::Torrent(Setting::Up(rate()?)),
            Self::AllDown => Change::All(GlobalSetting::Down(rate()?)),
            Self::AllUp => Change::All(GlobalSetting::Up(rate()?)),
            Self::AlternativeDown => Change::All(GlobalSetting::AlternativeDown(rate()?)),
            Self::AlternativeUp => Change::All(GlobalSetting::AlternativeUp(rate()?)),
            Self::Alternative | Self::Sequential | Self::EndsFirst => return Err("Space switches it"),
        })
    }

    /// The change that a switch asks for; `None` where there is something to type instead.
    pub const fn switched(self, limits: &LimitsStats) -> Option<Change> {
        let torrent = &limits.torrent;
        match self {
            Self::Sequential => Some(Change::Torrent(Setting::Sequential(!torrent.sequential))),
            Self::EndsFirst => Some(Change::Torrent(Setting::EndsFirst(!torrent.ends_first))),
            Self::Alternative => {
                Some(Change::All(GlobalSetting::UseAlternative(!limits.global.use_alternative)))
            }
            _ => None,
        }
    }

    /// The change to what it is without a person's choice.
    pub fn reset(self) -> Change {
        match self {
            Self::Alternative => Change::All(GlobalSetting::UseAlternative(false)),
            Self::Sequential => Change::Torrent(Setting::Sequential(false)),
            Self::EndsFirst => Change::Torrent(Setting::EndsFirst(false)),
            _ => self.typed("").unwrap_or(Change::All(GlobalSetting::UseAlternative(false))),
        }
    }
}

fn rate(rate: Option<u64>) -> String {
    rate.map_or_else(|| "none".to_owned(), |rate| format!("{}/s", format::size(rate)))
}

fn on(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}
