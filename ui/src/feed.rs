//! The only listener: what the board, the event bus and a watched detail have to say. Drains, and
//! never waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tc_core::event::{Delivery, Subscription};
use tc_core::manager::TorrentManager;
use tc_core::stats::{Detail, DetailKind};
use tc_core::types::InfoHash;

use crate::message::{Answer, Message};

/// Events taken at once; more wait for the next time, so that a storm does not hold up a key.
const AT_ONCE: usize = 8_192;

/// The cursor rests so long on a torrent before its detail is gathered: running through a list does
/// not wake every torrent in it.
const REST: Duration = Duration::from_millis(80);

/// How often, and for how long, the first content of a detail is looked for: it comes at once from a
/// session that is awake.
const EAGER: Duration = Duration::from_millis(40);
const EAGER_FOR: Duration = Duration::from_secs(1);

/// Asks for the newest detail, if it changed since it was last asked for.
type Newest = Box<dyn FnMut() -> Option<Arc<Detail>>>;

/// Listens to an engine.
pub(crate) struct Feed {
    manager: TorrentManager,
    seq: Option<u64>,
    events: Subscription,
    detail: Option<(InfoHash, Newest)>,
    /// What to gather when the cursor has rested until then.
    wanted: Option<((InfoHash, DetailKind), Instant)>,
    /// Until then the first content is looked for.
    eager_until: Option<Instant>,
}

impl Feed {
    /// Listens from the beginning: all that is there is news.
    pub(crate) fn new(manager: TorrentManager, events: Subscription) -> Self {
        Self { manager, seq: None, events, detail: None, wanted: None, eager_until: None }
    }

    /// Gathers this detail instead of the one before, as soon as the cursor rests.
    pub(crate) fn watch(&mut self, wanted: Option<(InfoHash, DetailKind)>, now: Instant) {
        self.detail = None;
        self.eager_until = None;
        self.wanted = wanted.map(|wanted| (wanted, now + REST));
    }

    /// When [`detail`](Self::detail) has something to do, other than at the tick.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let eager = self.eager_until.map(|_| now + EAGER);
        self.wanted.map(|(_, at)| at).or(eager)
    }

    fn attach(&mut self, (info_hash, kind): (InfoHash, DetailKind), now: Instant) {
        let Some(session) = self.manager.get(&info_hash) else { return };
        let mut receiver = session.watch(kind);
        // Another viewer may have had it gathered already.
        let mut first = true;
        let newest: Newest = Box::new(move || {
            let news = std::mem::take(&mut first) || receiver.has_changed().unwrap_or(false);
            if news { receiver.borrow_and_update().clone() } else { None }
        });
        self.detail = Some((info_hash, newest));
        self.eager_until = Some(now + EAGER_FOR);
    }

    /// Hears these events from now on. What the old subscription still holds is not lost.
    pub(crate) fn subscribe(&mut self, patterns: &str) -> Option<Message> {
        let held = self.deliveries();
        match self.manager.subscribe_all(patterns) {
            Ok(events) => self.events = events,
            Err(error) => return Some(Message::Answer(Answer::Failed(error.to_string()))),
        }
        held
    }

    /// Everything that is new.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<Message> {
        let mut news = Vec::new();
        let changes = self.manager.board().since(self.seq.unwrap_or(0));
        if self.seq != Some(changes.seq) {
            self.seq = Some(changes.seq);
            news.push(Message::Stats(changes));
        }
        news.extend(self.deliveries());
        news.extend(self.detail(now));
        news
    }

    /// The watched detail, if it is new.
    pub(crate) fn detail(&mut self, now: Instant) -> Option<Message> {
        if let Some((wanted, _)) = self.wanted.take_if(|(_, at)| *at <= now) {
            self.attach(wanted, now);
        }
        let (info_hash, newest) = self.detail.as_mut()?;
        let news = newest().map(|detail| Message::Detail(*info_hash, detail));
        if news.is_some() || self.eager_until.is_some_and(|until| until <= now) {
            self.eager_until = None;
        }
        news
    }

    fn deliveries(&mut self) -> Option<Message> {
        let came: Vec<Delivery> = std::iter::from_fn(|| self.events.try_next()).take(AT_ONCE).collect();
        (!came.is_empty()).then_some(Message::Deliveries(came))
    }
}
