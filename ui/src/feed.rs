//! The only listener: what the board, the event bus and a watched detail have to say. Drains, and
//! never waits.

use std::sync::Arc;

use tc_core::event::{Delivery, Subscription};
use tc_core::manager::TorrentManager;
use tc_core::stats::{Detail, DetailKind};
use tc_core::types::InfoHash;

use crate::message::{Answer, Message};

/// Events taken at once; more wait for the next time, so that a storm does not hold up a key.
const AT_ONCE: usize = 8_192;

/// Asks for the newest detail, if it changed since it was last asked for.
type Newest = Box<dyn FnMut() -> Option<Arc<Detail>>>;

/// Listens to an engine.
pub(crate) struct Feed {
    manager: TorrentManager,
    seq: Option<u64>,
    events: Option<Subscription>,
    detail: Option<(InfoHash, Newest)>,
}

impl Feed {
    /// Listens from the beginning: all that is there is news.
    pub(crate) fn new(manager: TorrentManager) -> Self {
        Self { manager, seq: None, events: None, detail: None }
    }

    /// Gathers this detail from now on.
    pub(crate) fn watch(&mut self, wanted: Option<(InfoHash, DetailKind)>) {
        self.detail = wanted.and_then(|(info_hash, kind)| {
            let mut receiver = self.manager.get(&info_hash)?.watch(kind);
            // Another viewer may have had it gathered already.
            let mut first = true;
            let newest: Newest = Box::new(move || {
                let news = std::mem::take(&mut first) || receiver.has_changed().unwrap_or(false);
                if news { receiver.borrow_and_update().clone() } else { None }
            });
            Some((info_hash, newest))
        });
    }

    /// Hears these events from now on. What the old subscription still holds is not lost.
    pub(crate) fn subscribe(&mut self, patterns: &str) -> Vec<Message> {
        let held = self.deliveries();
        match self.manager.subscribe_all(patterns) {
            Ok(events) => self.events = Some(events),
            Err(error) => return vec![Message::Answer(Answer::Failed(error.to_string()))],
        }
        held.into_iter().collect()
    }

    /// Everything that is new.
    pub(crate) fn poll(&mut self) -> Vec<Message> {
        let mut news = Vec::new();
        let changes = self.manager.board().since(self.seq.unwrap_or(0));
        if self.seq != Some(changes.seq) {
            self.seq = Some(changes.seq);
            news.push(Message::Stats(changes));
        }
        news.extend(self.deliveries());
        news.extend(self.detail());
        news
    }

    /// The watched detail, if it is new.
    pub(crate) fn detail(&mut self) -> Option<Message> {
        let (info_hash, newest) = self.detail.as_mut()?;
        newest().map(|detail| Message::Detail(*info_hash, detail))
    }

    fn deliveries(&mut self) -> Option<Message> {
        let events = self.events.as_mut()?;
        let came: Vec<Delivery> = std::iter::from_fn(|| events.try_next()).take(AT_ONCE).collect();
        (!came.is_empty()).then_some(Message::Deliveries(came))
    }
}
