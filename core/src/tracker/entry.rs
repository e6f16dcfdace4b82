//! What is known of one tracker of a torrent: what it was told, when it may be asked, what it said.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::SmallRng;

use super::announce::{AnnounceError, AnnounceEvent, AnnounceReply, Retry, TrackerId};
use super::backoff;
use super::mask::{hide_secrets, mask_url};
use super::scheme::Scheme;
use super::scrape::ScrapeCounts;
use super::trust::Trust;
use crate::stats::{TrackerState, TrackerStats};
use crate::types::UnixTime;
use crate::untrusted::Untrusted;

/// Answers kept for a person to read.
const HISTORY: usize = 3;

/// How long an unanswered `stopped` holds back the `started` of a torrent that is resumed at once: the
/// two must not overtake each other, or the tracker forgets a peer that runs.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Entry {
    pub id: TrackerId,
    pub tier: u32,
    /// As it came: holds the pass-key.
    pub url: Untrusted,
    /// What a person lets it do.
    pub trust: Trust,
    /// For everybody's eyes.
    pub shown: Untrusted,
    /// Whether its scheme is spoken.
    pub supported: bool,
    /// `started` went out in this run of the torrent, so a `stopped` is owed.
    pub told: bool,
    /// `started` was answered.
    pub knows_us: bool,
    pub tracker_id: Option<Bytes>,
    /// The announce that is on its way, and since when.
    pub in_flight: Option<(AnnounceEvent, Instant)>,
    /// When it is asked again; `None`: not before a person says so.
    pub next: Option<Instant>,
    /// Not before this, whoever wants it, `completed` and `stopped` apart.
    pub earliest: Option<Instant>,
    pub failures: u32,
    /// It says that it does not know the torrent, in these words.
    pub unregistered: Option<Untrusted>,
    /// No scrape before this; `None`: none was needed yet.
    scrape: Option<Instant>,
    /// It can be asked for figures.
    scrapes: bool,
    last: Option<Counts>,
    history: VecDeque<(Instant, Untrusted)>,
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    seeds: Option<u32>,
    leechers: Option<u32>,
    /// Addresses in the last answer to an announce.
    peers: Option<u32>,
}

impl Entry {
    pub fn new(id: TrackerId, tier: u32, url: &Untrusted) -> Self {
        Self {
            id,
            tier,
            url: url.clone(),
            trust: Trust::default(),
            shown: mask_url(url),
            supported: Scheme::of(url.raw()).is_some(),
            told: false,
            knows_us: false,
            tracker_id: None,
            in_flight: None,
            next: None,
            earliest: None,
            failures: 0,
            unregistered: None,
            scrape: None,
            scrapes: true,
            last: None,
            history: VecDeque::new(),
        }
    }

    /// Ready for a new run: due at once, whatever went wrong before.
    pub fn begin(&mut self, now: Instant) {
        self.told = false;
        self.knows_us = false;
        self.failures = 0;
        self.unregistered = None;
        self.next = Some(now);
        self.earliest = None;
    }

    /// Whether an announce is on its way, a `stopped` that nobody answers left out.
    pub fn is_busy(&self, now: Instant) -> bool {
        self.free_at().is_some_and(|free| free.is_none_or(|at| at > now))
    }

    /// `None`: nothing is on its way. `Some(None)`: something whose answer must come first.
    fn free_at(&self) -> Option<Option<Instant>> {
        self.in_flight.map(|(event, since)| (event == AnnounceEvent::Stopped).then(|| since + STOP_GRACE))
    }

    /// When it can be asked at the earliest for somebody who is in need of peers; `None`: not at all.
    pub fn due(&self, want_peers: bool) -> Option<Instant> {
        let next = self.next?;
        // What it must be told first does not wait for the min interval, and nobody hurries a tracker
        // that fails.
        let at = match self.earliest {
            Some(earliest) if want_peers && self.knows_us && self.failures == 0 => next.min(earliest),
            _ => next,
        };
        match self.free_at() {
            None => Some(at),
            Some(free) => free.map(|free| free.max(at)),
        }
    }

    /// A person asks for an announce now.
    pub fn hurry(&mut self, now: Instant) {
        let earliest = self.earliest.map_or(now, |earliest| earliest.max(now));
        self.next = Some(self.next.map_or(earliest, |next| next.min(earliest)));
    }

    /// A good answer to anything but `stopped`. Returns the pause until the next announce.
    pub fn succeeded(
        &mut self,
        now: Instant,
        event: AnnounceEvent,
        reply: &AnnounceReply,
        random: &mut SmallRng,
    ) -> Duration {
        self.knows_us |= event == AnnounceEvent::Started;
        self.failures = 0;
        self.unregistered = None;
        if reply.tracker_id.is_some() {
            self.tracker_id.clone_from(&reply.tracker_id);
        }
        self.last = Some(Counts {
            seeds: reply.seeds,
            leechers: reply.leechers,
            peers: Some(u32::try_from(reply.peers.len()).unwrap_or(u32::MAX)),
        });
        let interval = backoff::clamp(reply.interval);
        let (pause, min) = match reply.min_interval.map(backoff::clamp) {
            Some(min) => (interval.max(min), min),
            None => (interval, interval.min(backoff::MIN_INTERVAL)),
        };
        let pause = backoff::spread(pause, random);
        self.next = Some(now + pause);
        self.earliest = Some(now + min);
        self.note(now, summary(reply));
        pause
    }

    /// No good answer to anything but `stopped`. Returns the pause until the next try; `None`: never.
    pub fn failed(&mut self, now: Instant, error: &AnnounceError, random: &mut SmallRng) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let pause = backoff::after_failure(self.failures, error.retry(), random);
        self.next = pause.map(|pause| now + pause);
        self.earliest = Some(now + backoff::FIRST_RETRY);
        let said = hide_secrets(&self.url, &error.to_string());
        self.unregistered = error.is_unregistered().then(|| said.clone());
        self.note(now, said);
        pause
    }

    /// Whether a scrape may be sent now; the next one not before `pause` has passed.
    pub fn begin_scrape(&mut self, now: Instant, pause: Duration) -> bool {
        let may = self.supported && self.scrapes && self.scrape.is_none_or(|not_before| not_before <= now);
        if may {
            self.scrape = Some(now + pause);
        }
        may
    }

    /// Whether its last answer to an announce left out how many peers there are.
    pub fn lacks_counts(&self) -> bool {
        self.knows_us && self.last.is_some_and(|last| last.seeds.is_none() || last.leechers.is_none())
    }

    /// What a scrape brought. Figures only: an announce that came meanwhile keeps its number of peers.
    pub fn scraped(&mut self, result: &Result<ScrapeCounts, AnnounceError>) {
        match result {
            Ok(counts) => {
                let peers = self.last.and_then(|last| last.peers);
                self.last = Some(Counts { seeds: counts.seeds, leechers: counts.leechers, peers });
            }
            // The URL will not change.
            Err(error) => self.scrapes &= error.retry() != Some(Retry::Never),
        }
    }

    /// Whether its last answer was good.
    pub fn is_working(&self) -> bool {
        self.supported && self.failures == 0 && self.last.is_some()
    }

    fn note(&mut self, now: Instant, what: Untrusted) {
        self.history.truncate(HISTORY - 1);
        self.history.push_front((now, what));
    }

    /// For the screen. `due` is when it is asked next, where that is known.
    pub fn stats(&self, now: Instant, wall: UnixTime, due: Option<Instant>) -> TrackerStats {
        let ago = |at: Instant| UnixTime(wall.0.saturating_sub(now.saturating_duration_since(at).as_secs()));
        TrackerStats {
            id: self.id,
            tier: self.tier,
            url: self.shown.clone(),
            state: self.state(),
            seeds: self.last.and_then(|last| last.seeds),
            leechers: self.last.and_then(|last| last.leechers),
            peers: self.last.and_then(|last| last.peers),
            any_certificate: self.trust.any_certificate,
            next_announce: due.map(|at| at.saturating_duration_since(now).as_secs()),
            failures: self.failures,
            history: self.history.iter().map(|(at, what)| (ago(*at), what.clone())).collect(),
        }
    }

    fn state(&self) -> TrackerState {
        match (self.supported, &self.in_flight) {
            (false, _) => TrackerState::Unsupported,
            (true, Some(_)) => TrackerState::Announcing,
            (true, None) if self.unregistered.is_some() => TrackerState::Unregistered,
            (true, None) if self.failures > 0 => TrackerState::Failing,
            (true, None) if self.is_working() => TrackerState::Working,
            (true, None) => TrackerState::Idle,
        }
    }
}

fn summary(reply: &AnnounceReply) -> Untrusted {
    if let Some(warning) = &reply.warning {
        return Untrusted::new(format!("warning: {}", warning.raw()));
    }
    let mut text = format!("{} peers", reply.peers.len());
    for (count, word) in [(reply.seeds, "seeds"), (reply.leechers, "leechers")] {
        if let Some(count) = count {
            text += &format!(", {count} {word}");
        }
    }
    Untrusted::new(text)
}
