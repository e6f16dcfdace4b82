//! What the tests of the screen share: keys by name, torrents by description.

mod replay;
mod samples;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tc_core::settings::SpeedLimits;
use tc_core::stats::{Changes, GlobalStats, QueueStats, SessionStats};

pub use self::replay::replay;
pub use self::samples::{deliveries, detail, hostile, magnets, torrents};
use crate::keymap;
use crate::message::{Effect, Message};
use crate::state::{AppState, Look};
use crate::theme::Theme;
use crate::update::update;
use crate::view;
use crate::widget::paint;

/// Work whose amount tells whether a screen stays cheap, whatever the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows of the table that were put into words.
    pub rows: usize,
    /// Pairs of rows that were compared to sort them.
    pub compared: usize,
    /// Rows that a filter looked at.
    pub filtered: usize,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { rows: 0, compared: 0, filtered: 0 }) };
}

/// Takes note of work on this thread.
pub fn worked(add: impl FnOnce(&mut Work)) {
    let mut work = WORK.get();
    add(&mut work);
    WORK.set(work);
}

/// The work on this thread since it was last asked for.
pub fn work() -> Work {
    WORK.take()
}

/// The key with this name, as the keymap writes it.
pub fn key(name: &str) -> KeyEvent {
    let code = keymap::named(name);
    let letter = name.chars().next_back().expect("a key has a name");
    if code.is_none() && name.len() > 1 && name.starts_with('^') {
        return KeyEvent::new(KeyCode::Char(letter.to_ascii_lowercase()), KeyModifiers::CONTROL);
    }
    KeyEvent::new(code.unwrap_or(KeyCode::Char(letter)), KeyModifiers::NONE)
}

/// A screen with a pretended engine: it answers what is watched, and keeps what is asked of it.
pub struct Stage {
    pub state: AppState,
    pub effects: Vec<Effect>,
    pub now: Instant,
}

impl Stage {
    /// A screen of this size with these torrents.
    pub fn new(size: (u16, u16), torrents: Vec<SessionStats>) -> Self {
        let look = Look { theme: Theme::MONO, ascii: false, zone: TimeZone::UTC };
        let mut stage = Self { state: AppState::new(size, look), effects: Vec::new(), now: Instant::now() };
        let (mut seeds, mut downloads): (Vec<_>, Vec<_>) =
            torrents.iter().partition(|stats| stats.is_complete());
        for kin in [&mut downloads, &mut seeds] {
            kin.sort_by_key(|stats| stats.added);
        }
        let hashes = |kin: Vec<&SessionStats>| kin.into_iter().map(|stats| stats.info_hash).collect();
        let queue = QueueStats { downloads: hashes(downloads), seeds: hashes(seeds) };
        let changes = Changes {
            seq: 1,
            queue: Some(Arc::new(queue)),
            changed: torrents.into_iter().map(Arc::new).collect(),
            removed: Vec::new(),
            global: Arc::new(GlobalStats {
                rate_down: 25_795_000,
                rate_up: 3_250_000,
                peers: 186,
                download_dir: "/srv/dl".into(),
                free_space: Some(412 << 30),
                listening: vec!["0.0.0.0:51413".parse().expect("an address")],
                incoming_seen: true,
                limits: SpeedLimits { down: Some(50 << 20), up: Some(10 << 20) },
                ..GlobalStats::default()
            }),
        };
        stage.tell(Message::Stats(changes));
        stage.effects.retain(|effect| !matches!(effect, Effect::Subscribe(_)));
        stage
    }

    /// The dozen torrents, and some events.
    pub fn full(size: (u16, u16)) -> Self {
        let mut stage = Self::new(size, torrents());
        stage.tell(Message::Deliveries(deliveries()));
        stage
    }

    /// A minute and a half of data that comes in waves.
    pub fn with_history(mut self) -> Self {
        let rows: Vec<_> = self.state.table.all().cloned().collect();
        for at in 0..18u64 {
            let rate = 1_000_000 + at * (at % 7) * 100_000;
            let mut rows = rows.clone();
            for row in &mut rows {
                let mut stats = (*row.stats).clone();
                stats.rate_down = stats.rate_down / 9 * (at % 9);
                row.stats = Arc::new(stats);
            }
            self.now += Duration::from_secs(5);
            self.state.history.tick(self.now, rate, rows.iter());
        }
        self
    }

    /// News comes.
    pub fn tell(&mut self, message: Message) {
        for effect in update(&mut self.state, message, self.now) {
            match effect {
                Effect::Watch(Some((torrent, kind))) => {
                    self.tell(Message::Detail(torrent, Arc::new(detail(kind))));
                }
                Effect::Watch(None) => {}
                effect => self.effects.push(effect),
            }
        }
    }

    /// Time passes.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.tell(Message::Tick(self.now));
    }

    /// Keys by name, separated by blanks, 10 ms apart; `'text'` is typed, `"text"` is pasted,
    /// `700ms` passes.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        for name in keys.split_whitespace() {
            if let Some(text) = name.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                text.chars().for_each(|c| self.press(KeyCode::Char(c).into()));
            } else if let Some(text) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                self.tell(Message::Paste(text.to_owned()));
            } else if let Some(millis) = name.strip_suffix("ms").and_then(|digits| digits.parse().ok()) {
                self.wait(Duration::from_millis(millis));
            } else if name == "gg" {
                self.press(key("g"));
                self.press(key("g"));
            } else {
                self.press(key(name));
            }
        }
        self
    }

    pub fn press(&mut self, key: KeyEvent) {
        self.now += Duration::from_millis(10);
        self.tell(Message::Key(key));
    }

    /// The drawn screen.
    pub fn buffer(&self) -> Buffer {
        let (width, height) = self.state.panes.size;
        let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
        terminal.draw(|frame| view::draw(&self.state, frame)).expect("a test terminal draws");
        terminal.backend().buffer().clone()
    }

    /// The rows of the screen as text; checks that each is exactly as wide as the screen.
    pub fn rows(&self) -> Vec<String> {
        let buffer = self.buffer();
        rows(&buffer)
    }
}

/// The rows of a buffer as a terminal shows them: what a wide character covers is left out.
pub fn rows(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let row = |y: u16| {
        let mut text = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += paint::width(symbol).max(1) as u16;
        }
        assert_eq!(x, area.width, "row {y} leaves the screen: {text:?}");
        text
    };
    (0..area.height).map(row).collect()
}
