//! The dashboard of tc-tui. Elm-like: [`message::Message`] is news, [`message::Action`] what the
//! person wants, [`message::Effect`] what is asked of the engine or the system.
//!
//! ```text
//! key -> keymap -> Action -> act (&mut AppState) -> Effect -> effect -> engine
//!                    engine -> feed -> Message -> update (&mut AppState) -> view (&AppState)
//! ```
//!
//! `update` is pure and `view` only reads; `feed` is the only listener and `effect` the only caller,
//! and neither waits. The loop has the main thread. A slow terminal cannot slow a download, and a
//! busy engine cannot freeze a key.

pub mod act;
pub mod amount;
pub mod effect;
mod feed;
pub mod format;
#[cfg(test)]
mod golden;
pub mod input;
pub mod keymap;
pub mod message;
pub mod state;
pub mod terminal;
// For the fuzzer, which comes from outside.
#[cfg(fuzzing)]
#[expect(missing_docs, reason = "it is documented as far as tests need it")]
pub mod testing;
#[cfg(all(test, not(fuzzing)))]
mod testing;
#[cfg(test)]
mod tests;
pub mod theme;
pub mod update;
pub mod view;
pub mod widget;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use ratatui::Frame;
use tc_core::event::Subscription;
use tc_core::manager::TorrentManager;

use crate::effect::Hands;
pub use crate::effect::{Fetch, Found, System};
use crate::feed::Feed;
use crate::message::{AddRequest, Answer, Effect, Message, Why};
use crate::state::log::LogFilter;
use crate::state::{AppState, Look};
use crate::theme::Theme;
use crate::update::update;

/// At most 30 frames a second: faster is not seen, and costs bytes.
const FRAME: Duration = Duration::from_millis(33);

/// A title that changes more often is only restless, and costs bytes.
const TITLE: Duration = Duration::from_secs(2);

/// Messages taken before a frame: key repeat and resizes of a busy second make one frame.
const AT_ONCE: usize = 256;

/// What the dashboard draws on.
pub trait Screen {
    /// Draws a frame at the size the screen has now.
    ///
    /// # Errors
    /// The screen is gone.
    fn draw(&mut self, render: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()>;

    /// The next frame repaints everything.
    ///
    /// # Errors
    /// The screen is gone.
    fn repaint(&mut self) -> io::Result<()>;

    /// Puts a text on the clipboard, with the next frame.
    fn copy(&mut self, text: &str);

    /// Names the window, with the next frame.
    fn set_title(&mut self, title: &str);

    /// Rings, with the next frame.
    fn bell(&mut self);

    /// Gives the screen back and stops the program; returns when it goes on.
    ///
    /// # Errors
    /// The program cannot be stopped.
    fn suspend(&mut self) -> io::Result<()>;
}

/// The doors of the dashboard.
pub struct Ports {
    /// The engine.
    pub manager: TorrentManager,
    /// What happened before the dashboard was there: a subscription to [`first_events`].
    pub events: Subscription,
    /// What is needed of the system.
    pub system: Arc<dyn System>,
    /// News: terminal, signals, answers.
    pub inbox: Receiver<Message>,
    /// The other end of the inbox, for answers.
    pub outbox: SyncSender<Message>,
    /// What is to be added at once, as if a person had asked for it.
    pub to_add: Vec<AddRequest>,
}

/// The patterns that a dashboard listens to at first. Who subscribes to them before torrents are added shows
/// all that becomes of these in the log.
pub fn first_events() -> String {
    LogFilter::default().subscription()
}

/// How the dashboard behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Colours.
    pub theme: Theme,
    /// Signs of ASCII only.
    pub ascii: bool,
    /// For times of day.
    pub zone: TimeZone,
    /// A shell waits for the program and can go on with it after Ctrl-Z.
    pub job_control: bool,
    /// How often numbers change; 500 ms suits a local terminal, a second a remote one.
    pub tick: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::MONO,
            ascii: false,
            zone: TimeZone::UTC,
            job_control: false,
            tick: Duration::from_millis(500),
        }
    }
}

/// How the dashboard ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// Why.
    pub why: Why,
    /// For the shell: what was completed on the way out.
    pub last_words: Option<String>,
}

/// Runs the dashboard until it is left. What the person sees is drawn on `screen`; everything else
/// comes and goes through `ports`.
///
/// # Errors
/// The thread for errands cannot be had. A screen that is gone is no error but [`Why::Hangup`].
pub fn run(screen: &mut impl Screen, ports: Ports, settings: Settings) -> io::Result<Leave> {
    let Ports { manager, events, system, inbox, outbox, to_add } = ports;
    let look = Look { theme: settings.theme, ascii: settings.ascii, zone: settings.zone };
    let mut dashboard = Dashboard {
        state: AppState::new((80, 24), look),
        feed: Feed::new(manager.clone(), events),
        hands: Hands::start(manager, system, outbox)?,
        last_words: None,
        titled: None,
    };
    dashboard.state.job_control = settings.job_control;
    if !to_add.is_empty() {
        dashboard.state.say(format!("fetching {}", format::plural(to_add.len() as u64, "torrent")));
    }
    let refused = to_add.into_iter().filter_map(|request| dashboard.hands.perform(Effect::Add(request)));
    let refused: Vec<_> = refused.map(Message::Answer).collect();
    dashboard.take(refused, Instant::now(), screen);
    let mut next_tick = Instant::now();
    let mut drawn: Option<Instant> = None;
    loop {
        let frame_due = drawn.map_or_else(Instant::now, |at| at + FRAME);
        let before = Instant::now();
        let mut due = dashboard.feed.due(before).map_or(next_tick, |at| at.min(next_tick));
        if dashboard.state.dirty {
            due = due.min(frame_due);
        }
        let first = match inbox.recv_timeout(due.saturating_duration_since(before)) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Message::Hangup),
        };
        let now = Instant::now();
        let mut news: Vec<Message> = first.into_iter().chain(inbox.try_iter().take(AT_ONCE)).collect();
        if now >= next_tick {
            news.extend(dashboard.feed.poll(now));
            news.push(Message::Tick(now));
            next_tick = now + settings.tick;
        } else {
            news.extend(dashboard.feed.detail(now));
        }
        if let Some(why) = dashboard.take(news, now, screen) {
            return Ok(Leave { why, last_words: dashboard.last_words });
        }
        if dashboard.state.dirty && drawn.is_none_or(|at| now >= at + FRAME) {
            drawn = Some(now);
            if dashboard.draw(screen, now).is_err() {
                let why = dashboard.take(vec![Message::Hangup], now, screen).unwrap_or(Why::Hangup);
                return Ok(Leave { why, last_words: dashboard.last_words });
            }
        }
    }
}

/// State and the two that touch the engine.
struct Dashboard {
    state: AppState,
    feed: Feed,
    hands: Hands,
    last_words: Option<String>,
    /// When the title was last set.
    titled: Option<Instant>,
}

impl Dashboard {
    /// Takes news in and carries out what follows; says why to leave, if so.
    fn take(&mut self, news: Vec<Message>, now: Instant, screen: &mut impl Screen) -> Option<Why> {
        let mut news = VecDeque::from(news);
        while let Some(message) = news.pop_front() {
            let effects = update(&mut self.state, message, now);
            self.remember_last_words(&effects);
            for effect in effects {
                match effect {
                    Effect::Leave(why) => return Some(why),
                    Effect::Watch(wanted) => self.feed.watch(wanted, now),
                    Effect::Subscribe(patterns) => news.extend(self.feed.subscribe(&patterns)),
                    Effect::Copy(text) => screen.copy(&text),
                    Effect::Bell => screen.bell(),
                    Effect::Suspend => news.push_back(match screen.suspend() {
                        Ok(()) => Message::Woken,
                        Err(error) => Message::Answer(Answer::Failed(format!("^Z: {error}"))),
                    }),
                    Effect::Repaint => {
                        if screen.repaint().is_err() {
                            news.push_back(Message::Hangup);
                        }
                    }
                    other => news.extend(self.hands.perform(other).map(Message::Answer)),
                }
            }
        }
        None
    }

    fn draw(&mut self, screen: &mut impl Screen, now: Instant) -> io::Result<()> {
        if self.titled.is_none_or(|at| now >= at + TITLE) {
            self.titled = Some(now);
            let global = &self.state.global;
            let (down, up) = (format::size(global.rate_down), format::size(global.rate_up));
            screen.set_title(&format!("↓{down} ↑{up} tc"));
        }
        let Self { state, feed, .. } = self;
        screen.draw(&mut |frame| {
            let area = frame.area();
            if (area.width, area.height) != state.panes.size {
                for effect in update(state, Message::Resize(area.width, area.height), now) {
                    // Another size can only change which detail is seen.
                    if let Effect::Watch(wanted) = effect {
                        feed.watch(wanted, now);
                    }
                }
            }
            view::draw(state, frame);
        })?;
        self.state.dirty = false;
        Ok(())
    }

    /// Removals that leaving completes are told to the shell, where they can still be read.
    fn remember_last_words(&mut self, effects: &[Effect]) {
        if !effects.iter().any(|effect| matches!(effect, Effect::Stop | Effect::Leave(_))) {
            return;
        }
        for effect in effects {
            if let Effect::Remove { torrents, delete_data } = effect {
                let what = format::plural(torrents.len() as u64, "torrent");
                let files = if *delete_data { "with its files" } else { "files kept" };
                let words = format!("removed {what}, {files}");
                self.last_words = Some(match self.last_words.take() {
                    Some(before) => format!("{before}; {words}"),
                    None => words,
                });
            }
        }
    }
}
