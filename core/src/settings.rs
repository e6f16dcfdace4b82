//! What a person decides for one torrent: plain data that is kept over restarts and can be sent to
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
        }
    }
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
