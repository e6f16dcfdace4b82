//! What of the log is shown, and what the engine is asked to tell for it.

use tc_core::event::{Event, KINDS, Level};

use super::{Entry, words};
use crate::state::filter::Words;

/// Families that a log without patterns hears: what a person should know of, without the running
/// of things.
const USUAL: [&str; 4] = ["session", "tracker", "storage", "listen"];

/// Published every second by every busy torrent; on screen as numbers anyway.
const FIGURES: &str = "stats.update";

/// Patterns, words and a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    /// As typed.
    pub text: String,
    patterns: Vec<String>,
    words: Words,
    /// Events that matter less are not shown.
    pub level: Level,
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { text: String::new(), patterns: Vec::new(), words: Words::default(), level: Level::Info }
    }
}

impl LogFilter {
    /// Takes what a person typed: `piece.* peer.banned debian !fedora`. Tokens that look like a
    /// pattern are patterns, the others are words.
    ///
    /// # Errors
    /// A pattern that matches no kind, in one line; nothing has changed then.
    pub fn set_text(&mut self, text: &str) -> Result<(), String> {
        let looks_like = |token: &&str| *token == "*" || token.ends_with(".*") || is_kind(token);
        let (patterns, rest): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(looks_like);
        if let Some(wrong) = patterns.iter().find(|pattern| !KINDS.iter().any(|k| matches(pattern, k.name))) {
            return Err(format!("no event is called {wrong}; there are {}", families().join(".* ") + ".*"));
        }
        text.clone_into(&mut self.text);
        self.patterns = patterns.into_iter().map(str::to_owned).collect();
        self.words = Words::parse(&rest.join(" "));
        Ok(())
    }

    /// Shows less, or more, important events.
    pub const fn set_level(&mut self, down: bool) {
        self.level = match (self.level, down) {
            (Level::Error, true) => Level::Warn,
            (Level::Warn, true) => Level::Info,
            (Level::Info | Level::Debug, true) => Level::Debug,
            (Level::Debug, false) => Level::Info,
            (Level::Info, false) => Level::Warn,
            (Level::Warn | Level::Error, false) => Level::Error,
        };
    }

    /// What to ask the event bus for.
    pub fn subscription(&self) -> String {
        if !self.patterns.is_empty() {
            return self.patterns.join(" ");
        }
        let usual = USUAL.iter().filter(|usual| families().contains(usual)).map(|usual| format!("{usual}.*"));
        let by_level = KINDS
            .iter()
            .filter(|kind| kind.level >= self.level && kind.name != FIGURES)
            .filter(|kind| !USUAL.contains(&family(kind.name)))
            .map(|kind| kind.name.to_owned());
        usual.chain(by_level).collect::<Vec<_>>().join(" ")
    }

    /// The filter in words, for the title of the log.
    pub fn describe(&self) -> String {
        let mut shown: Vec<_> = self.text.split_whitespace().collect();
        if self.patterns.is_empty() {
            shown.insert(0, "all");
        }
        format!("{}  ≥{}", shown.join("  "), word(self.level))
    }

    pub(super) fn holds(&self, entry: &Entry, event: &Event) -> bool {
        let kind = event.kind().info();
        // Who names a kind wants to see it, whatever its level.
        let named = self.patterns.iter().any(|pattern| matches(pattern, kind.name));
        let wanted = if self.patterns.is_empty() { kind.level >= self.level } else { named };
        if !wanted || self.words.is_empty() {
            return wanted;
        }
        let name = entry.torrent.as_ref().map_or("", |(_, name)| name);
        let line = format!("{} {name} {}", kind.name, words::summary(event));
        self.words.hold(&line, &line.to_lowercase())
    }
}

/// The word for a level: five letters at most.
pub const fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn matches(pattern: &str, kind: &str) -> bool {
    pattern == "*"
        || pattern.strip_suffix(".*").map_or(pattern == kind, |family_wanted| family_wanted == family(kind))
}

/// Whether a token is meant as the name of a kind: a known family, then a dot.
fn is_kind(token: &str) -> bool {
    token.split_once('.').is_some_and(|(head, word)| !word.is_empty() && families().contains(&head))
}

fn family(kind: &str) -> &str {
    kind.split_once('.').map_or(kind, |(family, _)| family)
}

fn families() -> Vec<&'static str> {
    let mut families: Vec<_> = KINDS.iter().map(|kind| family(kind.name)).collect();
    families.dedup();
    families
}

#[cfg(test)]
mod tests {
    use tc_core::event::EventBus;

    use super::*;

    fn subscription(text: &str) -> String {
        let mut filter = LogFilter::default();
        filter.set_text(text).unwrap();
        filter.subscription()
    }

    #[test]
    fn every_subscription_is_one_the_bus_takes() {
        let hub = EventBus::hub();
        let mut filter = LogFilter::default();
        for down in [true, false, false, false, true] {
            hub.subscribe(&filter.subscription()).unwrap();
            filter.set_level(down);
        }
        hub.subscribe(&subscription("piece.* peer.banned debian")).unwrap();
        assert_eq!(subscription("piece.* peer.banned debian"), "piece.* peer.banned");
        assert_eq!(subscription("*"), "*");
        assert!(!LogFilter::default().subscription().contains("stats"));
    }

    #[test]
    fn misspelt_patterns_are_told() {
        let mut filter = LogFilter::default();
        for wrong in ["pieces.*", "piece.complete", "peer.x"] {
            let told = filter.set_text(wrong).unwrap_err();
            assert!(told.contains(wrong), "{told}");
        }
        filter.set_text("debian-13.1.0").unwrap();
    }
}
