//! Which torrents the table shows: words that the name must hold, and what the torrent does.

use tc_core::stats::{SessionState, SessionStats};

use super::table::Row;

/// Only torrents that do this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StatusFilter {
    /// Everything.
    #[default]
    All,
    /// Those that fetch.
    Downloading,
    /// Those that are complete and serve.
    Seeding,
    /// Those that move data right now.
    Active,
    /// Those that a person paused.
    Paused,
    /// Those that wait for their turn.
    Queued,
    /// Those that hash what is on disk.
    Checking,
    /// Those that trouble stopped.
    Error,
}

impl StatusFilter {
    /// All of them, in the order of the sidebar.
    pub const ALL: [Self; 8] = [
        Self::All,
        Self::Downloading,
        Self::Seeding,
        Self::Active,
        Self::Paused,
        Self::Queued,
        Self::Checking,
        Self::Error,
    ];

    /// The word on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Downloading => "Downloading",
            Self::Seeding => "Seeding",
            Self::Active => "Active",
            Self::Paused => "Paused",
            Self::Queued => "Queued",
            Self::Checking => "Checking",
            Self::Error => "Error",
        }
    }

    /// Whether this torrent is one of them.
    pub fn holds(self, stats: &SessionStats) -> bool {
        match self {
            Self::All => true,
            Self::Downloading => {
                matches!(stats.state, SessionState::Downloading | SessionState::Metadata)
            }
            Self::Seeding => stats.state == SessionState::Seeding,
            Self::Active => crate::format::is_rate(stats.rate_down) || crate::format::is_rate(stats.rate_up),
            Self::Paused => stats.state == SessionState::Paused,
            Self::Queued => stats.state == SessionState::Queued,
            Self::Checking => matches!(stats.state, SessionState::Checking | SessionState::Moving),
            Self::Error => stats.state == SessionState::Error,
        }
    }
}

/// One word of a filter: `word`, or `!word` for names without it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    text: String,
    negative: bool,
    /// Smart case: a capital letter in the word makes it matter.
    exact_case: bool,
}

/// Words that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<Word>);

impl Words {
    /// Reads what a person typed; blanks separate.
    pub fn parse(text: &str) -> Self {
        let word = |word: &str| {
            let (negative, text) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
            let exact_case = text.chars().any(char::is_uppercase);
            (!text.is_empty()).then(|| Word { text: text.to_owned(), negative, exact_case })
        };
        Self(text.split_whitespace().filter_map(word).collect())
    }

    /// Whether there is nothing to match.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `text` holds all words; `folded` is the same text in lower case.
    pub fn hold(&self, text: &str, folded: &str) -> bool {
        self.0.iter().all(|word| {
            let found = if word.exact_case { text.contains(&word.text) } else { folded.contains(&word.text) };
            found != word.negative
        })
    }
}

/// What the table shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// As typed.
    pub text: String,
    words: Words,
    /// By what torrents do.
    pub status: StatusFilter,
    /// By the host of the tracker.
    pub tracker: Option<std::sync::Arc<str>>,
}

impl Filter {
    /// Takes new words.
    pub fn set_text(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.words = Words::parse(text);
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.status == StatusFilter::All && self.tracker.is_none()
    }

    /// Whether this row is shown.
    pub fn holds(&self, row: &Row) -> bool {
        #[cfg(test)]
        crate::testing::worked(|work| work.filtered += 1);
        self.status.holds(&row.stats)
            && self.words.hold(&row.name, &row.folded)
            && self.tracker.as_ref().is_none_or(|host| *row.tracker == **host)
    }

    /// The filter in words, for the footer and the table's title.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if self.status != StatusFilter::All {
            parts.push(self.status.word().to_lowercase());
        }
        parts.extend(self.tracker.as_ref().map(ToString::to_string));
        if !self.words.is_empty() {
            parts.push(format!("/{}", self.text));
        }
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, name: &str, holds: bool) {
        assert_eq!(Words::parse(words).hold(name, &name.to_lowercase()), holds, "{words:?} in {name:?}");
    }

    #[test]
    fn words_of_a_filter() {
        check("", "anything", true);
        check("deb", "Debian 13", true);
        check("Deb", "debian 13", false);
        check("deb 13", "Debian 13", true);
        check("deb 14", "Debian 13", false);
        check("!deb", "Debian 13", false);
        check("!suse 13", "Debian 13", true);
        check("!", "Debian 13", true);
        check("音声", "日本語の音声", true);
    }
}
