//! What `get` shows a person: one line that changes on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tc_core::event::{Event, Tagged};
use tc_core::stats::{SessionState, SessionStats};
use tc_ui::format;
use unicode_width::UnicodeWidthChar as _;

/// How often a line about progress appears where it cannot be overwritten.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Where the lines go.
#[derive(Debug)]
pub struct Progress {
    /// Standard output is a terminal that can erase a line.
    live: bool,
    /// What stands on the terminal's last line.
    shown: String,
    last: Option<Instant>,
    /// It was said that trackers are left.
    leaves: bool,
}

impl Progress {
    /// For standard output as it is.
    pub fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { live: io::stdout().is_terminal() && !dumb, shown: String::new(), last: None, leaves: false }
    }

    /// Prints a line that stays.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.live && !std::mem::take(&mut self.shown).is_empty() {
            write!(out, "\r\x1b[K")?;
        }
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// Shows how far the torrents are.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub fn show(&mut self, all: &[Arc<SessionStats>], now: Instant) -> io::Result<()> {
        self.say(&words(all), now)
    }

    /// Shows a name and figures; where a line cannot be overwritten, every ten seconds.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub fn say(&mut self, words: &(String, String), now: Instant) -> io::Result<()> {
        if !self.live {
            if self.last.is_some_and(|last| now.duration_since(last) < PLAIN_EVERY) {
                return Ok(());
            }
            self.last = Some(now);
            let (name, figures) = words;
            return self.line(&format!("{name}  {figures}"));
        }
        let text = fit(words, columns());
        if text != self.shown {
            let mut out = io::stdout().lock();
            write!(out, "\r{text}\x1b[K")?;
            out.flush()?;
            self.shown = text;
        }
        Ok(())
    }

    /// Shows how many trackers have yet to hear that we leave; where a line cannot be overwritten, once.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub fn leaving(&mut self, left: u32) -> io::Result<()> {
        let words =
            ("leaving".to_owned(), format!("{} left to tell", format::plural(left.into(), "tracker")));
        if !self.live {
            return if std::mem::replace(&mut self.leaves, true) {
                Ok(())
            } else {
                self.line(&format!("{}  {}", words.0, words.1))
            };
        }
        self.say(&words, Instant::now())
    }

    /// Takes back what stands on the terminal's last line.
    pub fn clear(&mut self) {
        if !std::mem::take(&mut self.shown).is_empty() {
            let mut out = io::stdout().lock();
            // Whoever writes next finds out if nobody reads.
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }

    /// Leaves the terminal's last line to whoever comes next.
    pub fn end(&mut self) {
        if !std::mem::take(&mut self.shown).is_empty() {
            // The run is over either way.
            let _ = writeln!(io::stdout());
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    // The last column stays free: terminals differ on what follows it.
    size.map_or(79, |size| usize::from(size.ws_col).saturating_sub(1))
}

/// A name for all of them, and their figures.
fn words(all: &[Arc<SessionStats>]) -> (String, String) {
    let sum = |field: fn(&SessionStats) -> u64| all.iter().map(|stats| field(stats)).sum::<u64>();
    let (have, wanted) = (sum(|stats| stats.have), sum(|stats| stats.wanted));
    let peers = sum(|stats| (stats.seeds + stats.leechers).into());
    let name = match all {
        [one] => one.name.to_string(),
        many => {
            let complete = many.iter().filter(|stats| stats.is_complete()).count();
            format!("{complete} of {} complete", many.len())
        }
    };
    let checking =
        all.iter().any(|stats| matches!(stats.state, SessionState::Checking | SessionState::Moving));
    if let Some(figures) = fetching(all) {
        return (name, format!("{figures}, {}", format::plural(peers, "peer")));
    }
    let mut figures =
        format!("{}  {} of {}", format::percent(have, wanted), format::size(have), format::size(wanted));
    if checking {
        figures += "  checking";
    } else {
        for (rate, word) in [(sum(|stats| stats.rate_down), "down"), (sum(|stats| stats.rate_up), "up")] {
            if format::is_rate(rate) {
                figures += &format!("  {}/s {word}", format::rate(rate));
            }
        }
        figures += &format!("  {}", format::plural(peers, "peer"));
    }
    // All are there when the last one is.
    let eta =
        all.iter().filter(|stats| !stats.is_complete()).map(|stats| stats.eta).collect::<Option<Vec<_>>>();
    if let Some(eta) = eta.and_then(|all| all.into_iter().max()) {
        figures += &format!("  {} left", format::duration(eta));
    }
    (name, figures)
}

/// What there is of metadata, where nothing else can be told of any of them.
fn fetching(all: &[Arc<SessionStats>]) -> Option<String> {
    let metadata = all.iter().map(|stats| stats.metadata).collect::<Option<Vec<_>>>()?;
    Some(match metadata[..] {
        [one] if one.pieces > 0 => {
            format!("fetching metadata  {} of {}", one.have, format::plural(one.pieces.into(), "piece"))
        }
        _ => "fetching metadata".to_owned(),
    })
}

/// The name gives way first.
fn fit((name, figures): &(String, String), columns: usize) -> String {
    let room = columns.saturating_sub(figures.chars().count() + 2);
    if room < 4 { cut(figures, columns) } else { format!("{}  {figures}", cut(name, room)) }
}

/// The start of a text that fills at most this many columns.
fn cut(text: &str, columns: usize) -> String {
    let width = |c: char| c.width().unwrap_or(0);
    if text.chars().map(width).sum::<usize>() <= columns {
        return text.to_owned();
    }
    let mut filled = 0;
    let fits = |c: &char| {
        filled += width(*c);
        filled < columns
    };
    let mut start: String = text.chars().take_while(fits).collect();
    if columns > 0 {
        start.push('…');
    }
    start
}

/// An event as a line for a person; `None` for what only scripts want.
pub fn plain(tagged: &Tagged, name: &str) -> Option<String> {
    let text = match &*tagged.event {
        Event::SessionChecked { bytes_hashed, pieces_have, pieces } if *bytes_hashed > 0 => {
            let hashed = format::size(*bytes_hashed);
            format!("checked {hashed}, {pieces_have} of {pieces} pieces are here")
        }
        Event::MetadataReceived { size, files, .. } => {
            let files = format::plural((*files).into(), "file");
            format!("the metadata is here: {} in {files}", format::size(*size))
        }
        Event::SessionMoved { to, .. } => format!("moved to {to}"),
        Event::SessionCompleted { size, .. } => format!("complete, {}", format::size(*size)),
        Event::LimitReached { message, .. } => format!("stops seeding: it {message}"),
        Event::SessionError { message, .. }
        | Event::StorageError { message, .. }
        | Event::StorageFull { message, .. } => format!("error: {message}"),
        Event::TrackerFailed { url, error, .. } => format!("tracker {url}: {error}"),
        Event::TrackerWarning { url, warning } => format!("tracker {url}: {warning}"),
        Event::PeerBanned { address, why } => format!("peer {address} is banned: {why}"),
        Event::ListenFailed { address, error } => {
            return Some(format!("cannot listen on {address}: {error}"));
        }
        _ => return None,
    };
    Some(format!("{name}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_gives_way_to_the_figures() {
        let check = |name: &str, columns, want: &str| {
            assert_eq!(fit(&(name.to_owned(), "50.0%  1 peer".to_owned()), columns), want);
        };
        check("debian.iso", 79, "debian.iso  50.0%  1 peer");
        check("debian-13.iso", 25, "debian-13…  50.0%  1 peer");
        check("日本語の音声", 24, "日本語の…  50.0%  1 peer");
        check("debian.iso", 16, "50.0%  1 peer");
        check("debian.iso", 6, "50.0%…");
        check("debian.iso", 0, "");
    }
}
