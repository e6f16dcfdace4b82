//! The schedule under a clock of the test's own.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::announce::Retry;
use super::super::backoff::{FIRST_RETRY, LAST_RETRY};
use super::*;
use crate::stats::TrackerState;

/// Ten virtual minutes are what most of these stories take; a day is the longest.
const DAY: u64 = 24 * 60 * 60;

struct Story {
    trackers: TrackerCoordinator,
    began: Instant,
    now: Instant,
}

impl Story {
    /// One tier per word; `+` joins trackers of one tier.
    fn new(tiers: &str, private: bool) -> Self {
        let tiers: Vec<Vec<Untrusted>> =
            tiers.split_whitespace().map(|tier| tier.split('+').map(url).collect()).collect();
        let now = Instant::now();
        Self { trackers: TrackerCoordinator::new(&tiers, private, 7), began: now, now }
    }

    fn running(tiers: &str, private: bool) -> Self {
        let mut story = Self::new(tiers, private);
        story.trackers.start(story.now);
        story
    }

    fn wait(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
    }

    /// What is sent now, as `a:started b:regular`.
    fn due(&mut self) -> Vec<Announce> {
        self.trackers.due(self.now)
    }

    fn expect(&mut self, want: &str) -> Vec<Announce> {
        let announces = self.due();
        assert_eq!(shown(&announces), want, "{} s into the story", (self.now - self.began).as_secs());
        announces
    }

    fn answer(&mut self, announce: &Announce, reply: Result<AnnounceReply, AnnounceError>) -> Answered {
        self.trackers.answered(self.now, announce.tracker, announce.event, &reply)
    }

    /// Sends what is due and has everybody answer well.
    fn all_is_well(&mut self, want: &str) {
        for announce in self.expect(want) {
            self.answer(&announce, good(1_800));
        }
    }

    /// Sends what is due and has everybody answer well; who was asked.
    fn expect_any(&mut self) -> (TrackerId, usize) {
        let announces = self.due();
        for announce in &announces {
            self.answer(announce, good(1_800));
        }
        (announces[0].tracker, announces.len())
    }

    /// Goes to the next thing that is due; its distance in seconds.
    fn skip(&mut self) -> Option<u64> {
        let due = self.trackers.next_due()?;
        let ahead = due.saturating_duration_since(self.now);
        self.now = self.now.max(due);
        Some(ahead.as_secs())
    }

    fn stats(&self) -> Vec<TrackerStats> {
        self.trackers.stats(self.now, UnixTime(1_000_000))
    }
}

/// Up to a tenth longer, so that many torrents drift apart.
fn is_about(seconds: Option<u64>, want: u64) -> bool {
    seconds.is_some_and(|seconds| seconds >= want && seconds <= want + want / 9)
}

fn url(name: &str) -> Untrusted {
    if name.contains(':') { name.into() } else { format!("http://{name}/announce").into() }
}

fn shown(announces: &[Announce]) -> String {
    let name = |url: &Untrusted| url.raw().trim_start_matches("http://").replace("/announce", "");
    let word = |a: &Announce| format!("{}:{}", name(&a.url), a.event.name().unwrap_or("regular"));
    announces.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn good(interval: u64) -> Result<AnnounceReply, AnnounceError> {
    Ok(AnnounceReply { interval: Duration::from_secs(interval), ..AnnounceReply::default() })
}

fn bad() -> Result<AnnounceReply, AnnounceError> {
    Err(AnnounceError::Timeout)
}

fn refused(retry: Option<Retry>) -> Result<AnnounceReply, AnnounceError> {
    Err(AnnounceError::Refused { reason: "no".into(), retry })
}

#[test]
fn a_run_says_started_regular_completed_stopped() {
    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    assert!(is_about(story.skip(), 1_800));
    story.all_is_well("a:regular");
    story.wait(10);
    story.trackers.completed(story.now);
    story.all_is_well("a:completed");
    assert!(is_about(story.skip(), 1_800));
    story.all_is_well("a:regular");
    let stopped = story.trackers.pause(story.now);
    assert_eq!(shown(&stopped), "a:stopped");
    assert_eq!(story.trackers.next_due(), None);
    story.wait(DAY);
    story.expect("");
}

#[test]
fn nothing_is_said_before_the_torrent_runs() {
    let mut story = Story::new("a b", false);
    assert_eq!(story.trackers.next_due(), None);
    story.expect("");
    story.trackers.completed(story.now);
    story.trackers.reannounce(story.now);
    story.trackers.want_peers(story.now, true);
    story.expect("");
    assert!(story.trackers.pause(story.now).is_empty());
}

#[test]
fn a_completed_that_is_owed_goes_out_before_stopped() {
    let mut story = Story::running("a", false);
    story.expect("a:started");
    story.trackers.completed(story.now);
    assert_eq!(shown(&story.trackers.pause(story.now)), "a:completed a:stopped");

    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    story.trackers.completed(story.now);
    story.expect("a:completed");
    assert_eq!(shown(&story.trackers.pause(story.now)), "a:stopped", "it is on its way");
}

#[test]
fn stopped_goes_only_where_started_went() {
    let mut story = Story::running("a+b", false);
    let first = story.due();
    assert_eq!(first.len(), 1);
    assert_eq!(story.trackers.pause(story.now)[0].tracker, first[0].tracker);
    assert!(story.trackers.pause(story.now).is_empty(), "and only once");
}

#[test]
fn resume_says_started_again_after_stopped_was_answered() {
    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    let stopped = story.trackers.pause(story.now);
    story.trackers.start(story.now);
    story.expect("");
    story.wait(1);
    story.answer(&stopped[0], good(1_800));
    story.all_is_well("a:started");
}

#[test]
fn a_stopped_that_nobody_answers_holds_a_resume_back_for_ten_seconds() {
    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    story.trackers.pause(story.now);
    story.trackers.start(story.now);
    assert_eq!(story.skip(), Some(10));
    story.all_is_well("a:started");
}

#[test]
fn answers_from_before_a_pause_change_nothing() {
    let mut story = Story::running("a", false);
    let started = story.due();
    let stopped = story.trackers.pause(story.now);
    assert_eq!(story.answer(&started[0], bad()).next, None);
    assert_eq!(story.stats()[0].failures, 0);
    story.trackers.start(story.now);
    story.answer(&stopped[0], bad());
    assert_eq!(story.stats()[0].failures, 0, "nobody waits for a stopped");
    story.all_is_well("a:started");
}

#[test]
fn start_twice_is_start_once() {
    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    story.trackers.start(story.now);
    story.expect("");
}

#[test]
fn public_torrents_ask_each_tier_and_private_ones_a_single_tracker() {
    Story::running("a b c", false).expect("a:started b:started c:started");
    let mut story = Story::running("a b c", true);
    let first = story.expect("a:started");
    story.expect("");
    story.answer(&first[0], bad());
    let second = story.expect("b:started");
    story.answer(&second[0], good(1_800));
    story.wait(FIRST_RETRY.as_secs() * 2);
    story.expect("");
}

#[test]
fn a_private_torrent_that_changes_its_tracker_is_told_so() {
    let mut story = Story::running("a b", true);
    let first = story.expect("a:started");
    assert!(!story.answer(&first[0], good(1_800)).switched);
    story.skip();
    let again = story.expect("a:regular");
    story.answer(&again[0], bad());
    let other = story.expect("b:started");
    assert!(story.answer(&other[0], good(1_800)).switched);
    story.skip();
    let stays = story.expect("b:regular");
    assert!(!story.answer(&stays[0], good(1_800)).switched);
}

#[test]
fn a_tier_is_shuffled_and_who_answers_comes_first() {
    let mut story = Story::running("a+b+c+d", false);
    let mut asked = Vec::new();
    for _ in 0..3 {
        let announce = story.due().remove(0);
        story.answer(&announce, bad());
        asked.push(announce.tracker);
    }
    let lucky = story.due().remove(0);
    assert!(!asked.contains(&lucky.tracker));
    story.answer(&lucky, good(60));
    story.skip();
    let again = story.due().remove(0);
    assert_eq!(again.tracker, lucky.tracker, "the line stays with who answers");
    story.trackers.pause(story.now);
    story.wait(60);
    story.trackers.start(story.now);
    assert_eq!(story.due().remove(0).tracker, lucky.tracker, "also in the next run");

    let orders: HashSet<_> = (0..50)
        .map(|seed| {
            let tier: Vec<_> = ["a", "b", "c", "d"].map(url).to_vec();
            let trackers = TrackerCoordinator::new(&[tier], false, seed);
            trackers.entries.iter().map(|entry| entry.url.raw().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert!(orders.len() > 10, "{} of 24 orders", orders.len());
}

#[test]
fn a_failing_tracker_is_left_alone_for_longer_and_longer() {
    let mut story = Story::running("a", false);
    let mut last = 0;
    for failure in 1..=40 {
        let announce = story.expect("a:started");
        let answered = story.answer(&announce[0], bad());
        let pause = answered.next.unwrap();
        assert!(pause >= FIRST_RETRY && pause <= LAST_RETRY, "failure {failure}: {pause:?}");
        story.wait(pause.as_secs() - 1);
        story.expect("");
        story.wait(2);
        assert_eq!(story.stats()[0].failures, failure);
        last = pause.as_secs();
    }
    assert_eq!(last, LAST_RETRY.as_secs());
    story.all_is_well("a:started");
    assert_eq!(story.stats()[0].failures, 0);
}

#[test]
fn ten_thousand_torrents_do_not_come_back_in_one_second() {
    let mut seconds = HashSet::new();
    for seed in 0..1_000 {
        let mut trackers = TrackerCoordinator::new(&[vec![url("a")]], false, seed);
        let now = Instant::now();
        trackers.start(now);
        for announce in trackers.due(now) {
            trackers.answered(now, announce.tracker, announce.event, &bad());
        }
        let due = trackers.next_due().unwrap() - now;
        seconds.insert(due.as_millis() / 100);
    }
    assert!(seconds.len() >= 10, "{} tenths of a second", seconds.len());
}

#[test]
fn a_tier_that_fails_does_not_hurry() {
    let mut story = Story::running("a+b", false);
    let mut announces = 0;
    let end = story.began + Duration::from_secs(DAY);
    while story.now < end {
        for announce in story.due() {
            announces += 1;
            story.answer(&announce, bad());
        }
        story.skip();
    }
    // Two trackers, each about 26 tries until the back-off is an hour, then one an hour.
    assert!((40..120).contains(&announces), "{announces} announces in a day");
}

#[test]
fn intervals_are_within_reason() {
    for (stated, min, want) in [
        (0, None, 60),
        (1, None, 60),
        (900, None, 900),
        (900, Some(1_200), 1_200),
        (900, Some(0), 900),
        (u64::MAX, None, DAY),
        (900, Some(u64::MAX), DAY),
    ] {
        let mut story = Story::running("a", false);
        let announce = story.due();
        let reply = AnnounceReply {
            interval: Duration::from_secs(stated),
            min_interval: min.map(Duration::from_secs),
            ..AnnounceReply::default()
        };
        let answered = story.answer(&announce[0], Ok(reply));
        assert!(is_about(answered.next.map(|next| next.as_secs()), want), "{stated} {min:?}");
        assert!(is_about(story.skip(), want), "{stated} {min:?}");
    }
}

#[test]
fn a_dry_pool_asks_early_but_not_before_the_min_interval() {
    for (interval, min, want) in [(1_800, Some(600), 600), (1_800, None, 300), (120, None, 120)] {
        let mut story = Story::running("a", false);
        let announce = story.due();
        let min_interval = min.map(Duration::from_secs);
        let interval = Duration::from_secs(interval);
        story.answer(&announce[0], Ok(AnnounceReply { interval, min_interval, ..AnnounceReply::default() }));
        story.trackers.want_peers(story.now, true);
        assert_eq!(story.skip(), Some(want));
        story.expect("a:regular");
    }
    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    story.trackers.want_peers(story.now, true);
    story.trackers.want_peers(story.now, false);
    assert!(is_about(story.skip(), 1_800));
}

#[test]
fn a_dry_pool_does_not_hurry_a_failing_tracker() {
    let mut story = Story::running("a", false);
    for _ in 0..10 {
        story.skip();
        let announce = story.due();
        story.answer(&announce[0], bad());
    }
    story.trackers.want_peers(story.now, true);
    assert!(story.skip() >= Some(500));
}

#[test]
fn reannounce_by_hand_respects_the_min_interval() {
    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    story.wait(100);
    story.trackers.reannounce(story.now);
    story.expect("");
    assert_eq!(story.skip(), Some(200));
    story.all_is_well("a:regular");
    story.wait(1_000);
    story.trackers.reannounce(story.now);
    story.all_is_well("a:regular");
}

#[test]
fn reannounce_by_hand_tries_a_failing_tracker_again() {
    for retry in [None, Some(Retry::Never), Some(Retry::After(Duration::from_secs(DAY)))] {
        let mut story = Story::running("a", false);
        let announce = story.due();
        story.answer(&announce[0], refused(retry));
        story.wait(1);
        story.trackers.reannounce(story.now);
        assert_eq!(story.skip(), Some(FIRST_RETRY.as_secs() - 1));
        story.all_is_well("a:started");
    }
}

#[test]
fn who_says_never_is_not_asked_again_in_this_run() {
    let mut story = Story::running("a+b", false);
    for _ in 0..2 {
        let announce = story.due();
        assert_eq!(story.answer(&announce[0], refused(Some(Retry::Never))).next, None);
    }
    assert_eq!(story.trackers.next_due(), None);
    story.trackers.pause(story.now);
    story.wait(60);
    story.trackers.start(story.now);
    assert_eq!(story.due().len(), 1);
}

#[test]
fn completed_reaches_a_tracker_that_was_not_told_of_the_start_yet() {
    let mut story = Story::running("a", false);
    let announce = story.due();
    story.trackers.completed(story.now);
    story.expect("");
    story.answer(&announce[0], good(1_800));
    story.all_is_well("a:completed");
    assert!(is_about(story.skip(), 1_800));
    story.all_is_well("a:regular");
}

#[test]
fn completed_is_tried_until_it_is_heard_and_then_never_again() {
    let mut story = Story::running("a", false);
    story.all_is_well("a:started");
    story.trackers.completed(story.now);
    for _ in 0..3 {
        let announce = story.expect("a:completed");
        story.answer(&announce[0], bad());
        story.skip();
    }
    story.all_is_well("a:completed");
    story.skip();
    story.all_is_well("a:regular");
    let stopped = story.trackers.pause(story.now);
    story.answer(&stopped[0], good(1));
    story.trackers.start(story.now);
    story.all_is_well("a:started");
    story.skip();
    story.all_is_well("a:regular");
}

#[test]
fn schemes_that_are_not_spoken_are_shown_and_not_tried() {
    let mut story = Story::running("udp://t:1 wss://t.example ftp://t a HTTPS://b/announce", false);
    story.all_is_well("udp://t:1:started a:started HTTPS://b:started");
    let states: Vec<_> = story.stats().iter().map(|tracker| tracker.state).collect();
    use TrackerState::{Unsupported, Working};
    assert_eq!(states, [Working, Unsupported, Unsupported, Working, Working]);
    let mut story = Story::running("wss://t.example:1/announce", false);
    assert_eq!(story.trackers.next_due(), None);
    story.expect("");
    assert!(story.trackers.pause(story.now).is_empty());
}

/// Names of the trackers that are asked for figures now.
fn scrapes(story: &mut Story, watched: bool) -> Vec<TrackerId> {
    story.trackers.scrapes(story.now, watched).into_iter().map(|(id, _)| id).collect()
}

const FIGURES: ScrapeCounts = ScrapeCounts {
    info_hash: crate::types::InfoHash::new([1; 20]),
    seeds: Some(4),
    leechers: Some(5),
    completed: None,
};

#[test]
fn a_tracker_without_figures_is_scraped_every_half_hour() {
    let mut story = Story::running("a", false);
    assert_eq!(scrapes(&mut story, true), [], "not before it has answered");
    story.all_is_well("a:started");
    assert_eq!(scrapes(&mut story, false), [TrackerId(0)]);
    story.trackers.scraped(TrackerId(0), &Ok(FIGURES));
    let stats = story.stats().remove(0);
    assert_eq!((stats.seeds, stats.leechers, stats.peers), (Some(4), Some(5), Some(0)));
    story.skip();
    story.all_is_well("a:regular");
    story.wait(SCRAPE.as_secs() / 4 + 1);
    assert_eq!(scrapes(&mut story, false), [TrackerId(0)]);
    story.wait(SCRAPE.as_secs() - 1);
    assert_eq!(scrapes(&mut story, true), []);
}

#[test]
fn a_tracker_with_figures_is_not_scraped() {
    let mut story = Story::running("a", false);
    let announce = story.due();
    let reply = AnnounceReply { seeds: Some(0), leechers: Some(1), ..AnnounceReply::default() };
    story.answer(&announce[0], Ok(reply));
    assert_eq!(scrapes(&mut story, true), []);
}

#[test]
fn a_paused_torrent_is_scraped_while_somebody_looks() {
    let mut story = Story::new("a b+c wss://d", false);
    assert_eq!(scrapes(&mut story, false), []);
    assert_eq!(scrapes(&mut story, true).len(), 2, "one of each tier");
    story.wait(SCRAPE_WATCHED.as_secs() - 1);
    assert_eq!(scrapes(&mut story, true), []);
    story.wait(SCRAPE_WATCHED.as_secs() / 4 + 1);
    assert_eq!(scrapes(&mut story, true).len(), 2);
    // One without a scrape is not asked again; one that did not answer is.
    story.trackers.scraped(TrackerId(0), &Err(AnnounceError::Url("this tracker has no scrape")));
    story.trackers.scraped(TrackerId(1), &Err(AnnounceError::Timeout));
    story.wait(DAY);
    assert_eq!(scrapes(&mut story, true), [TrackerId(1)]);
    assert_eq!(story.stats()[1].failures, 0, "a scrape is no announce");
}

#[test]
fn a_tracker_id_is_sent_back() {
    let mut story = Story::running("a", false);
    let announce = story.due();
    assert_eq!(announce[0].tracker_id, None);
    let id = Some(Bytes::from_static(b"\xffx"));
    story.answer(&announce[0], Ok(AnnounceReply { tracker_id: id.clone(), ..AnnounceReply::default() }));
    story.skip();
    let announce = story.due();
    assert_eq!(announce[0].tracker_id, id);
    story.answer(&announce[0], good(60));
    assert_eq!(story.trackers.pause(story.now)[0].tracker_id, id, "an answer without one keeps it");
}

#[test]
fn the_screen_sees_masked_urls_and_the_last_three_answers() {
    let mut story = Story::new("a", false);
    let secret = Untrusted::new("http://t.example/0123456789abcdef0123456789abcdef/announce");
    story.trackers = TrackerCoordinator::new(&[vec![secret]], true, 1);
    assert_eq!(story.stats()[0].state, TrackerState::Idle);
    story.trackers.start(story.now);
    for (leechers, pause) in [(1, 60), (2, 60), (3, 60)] {
        let announce = story.due();
        assert_eq!(story.stats()[0].state, TrackerState::Announcing);
        let interval = Duration::from_secs(pause);
        let (seeds, leechers) = (Some(7), Some(leechers));
        story.answer(
            &announce[0],
            Ok(AnnounceReply { seeds, leechers, interval, ..AnnounceReply::default() }),
        );
        story.skip();
    }
    let announce = story.due();
    let answered = story.answer(&announce[0], refused(None));
    assert_eq!(answered.url.raw(), "http://t.example/…/announce");
    let stats = story.stats().remove(0);
    assert_eq!(stats.url.raw(), "http://t.example/…/announce");
    assert_eq!((stats.state, stats.failures), (TrackerState::Failing, 1));
    assert_eq!((stats.seeds, stats.leechers, stats.peers), (Some(7), Some(3), Some(0)));
    assert!(stats.next_announce.is_some_and(|secs| (5..=7).contains(&secs)));
    let words: Vec<_> = stats.history.iter().map(|(_, what)| what.to_string()).collect();
    assert_eq!(words, ["no", "0 peers, 7 seeds, 3 leechers", "0 peers, 7 seeds, 2 leechers"]);
    let ago: Vec<_> = stats.history.iter().map(|(at, _)| 1_000_000 - at.0).collect();
    assert!(ago[0] == 0 && is_about(Some(ago[1]), 60) && is_about(Some(ago[2]), 120), "{ago:?}");
}

#[test]
fn many_trackers_and_repeats() {
    let tiers: Vec<Vec<_>> = (0..10_000).map(|i| vec![url(&format!("t{i}")), url("same")]).collect();
    let now = Instant::now();
    let mut trackers = TrackerCoordinator::new(&tiers, false, 1);
    trackers.start(now);
    assert_eq!(trackers.stats(now, UnixTime(0)).len(), MAX_TRACKERS);
    let urls: Vec<_> = trackers.due(now).iter().map(|announce| announce.url.raw().to_owned()).collect();
    assert!(urls.iter().filter(|url| url.contains("same")).count() <= 1);
    assert!(TrackerCoordinator::new(&[], false, 1).next_due().is_none());
    assert!(TrackerCoordinator::new(&[vec![]], true, 1).next_due().is_none());
}

#[test]
fn a_clock_that_stands_still_or_jumps_ahead_makes_no_storm() {
    let mut story = Story::running("a b c", false);
    story.all_is_well("a:started b:started c:started");
    for _ in 0..100 {
        story.expect("");
    }
    story.wait(30 * DAY);
    story.all_is_well("a:regular b:regular c:regular");
    story.expect("");
}

/// What may happen to a torrent, in any order.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Start,
    Pause,
    Completed,
    Reannounce,
    WantPeers(bool),
    Answer { which: usize, interval: Option<u64>, min: Option<u64> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seconds = prop_oneof![Just(0), 1..10u64, 10..4_000u64, Just(u64::MAX)];
    let step = prop_oneof![
        4 => (0..2_000u64).prop_map(Step::Wait),
        2 => Just(Step::Start),
        1 => Just(Step::Pause),
        1 => Just(Step::Completed),
        1 => Just(Step::Reannounce),
        1 => any::<bool>().prop_map(Step::WantPeers),
        6 => (0..8usize, prop::option::of(seconds.clone()), prop::option::of(seconds))
            .prop_map(|(which, interval, min)| Step::Answer { which, interval, min }),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn whatever_happens_trackers_are_told_in_order_and_never_hurried(
        steps in steps(),
        private: bool,
    ) {
        let mut story = Story::new("a+b wss://c d e+f", private);
        let lines = if private { 1 } else { 3 };
        let mut waiting: Vec<Announce> = Vec::new();
        let mut told = HashSet::new();
        let mut regular = std::collections::HashMap::new();
        for step in steps {
            match step {
                Step::Wait(secs) => story.wait(secs),
                Step::Start => story.trackers.start(story.now),
                Step::Completed => story.trackers.completed(story.now),
                Step::Reannounce => story.trackers.reannounce(story.now),
                Step::WantPeers(want) => story.trackers.want_peers(story.now, want),
                Step::Pause => {
                    let mut stopped = story.trackers.pause(story.now);
                    let told = std::mem::take(&mut told);
                    let last = stopped.iter().rposition(|a| a.event == AnnounceEvent::Completed);
                    let first = stopped.iter().position(|a| a.event == AnnounceEvent::Stopped);
                    prop_assert!(last.is_none() || last < first, "completed comes before stopped");
                    stopped.retain(|a| a.event == AnnounceEvent::Stopped);
                    prop_assert_eq!(stopped.iter().map(|a| a.tracker).collect::<HashSet<_>>(), told);
                    waiting = stopped;
                }
                Step::Answer { which, interval, min } => {
                    if !waiting.is_empty() {
                        let announce = waiting.remove(which % waiting.len());
                        let min_interval = min.map(Duration::from_secs);
                        let reply = interval.map(Duration::from_secs).map(|interval| AnnounceReply {
                            interval,
                            min_interval,
                            ..AnnounceReply::default()
                        });
                        story.answer(&announce, reply.ok_or(AnnounceError::Timeout));
                    }
                }
            }
            let is_due = story.trackers.next_due().is_some_and(|due| due <= story.now);
            let announces = story.due();
            prop_assert_eq!(is_due, !announces.is_empty(), "a due time that brings nothing is a spin");
            prop_assert!(story.due().is_empty());
            for announce in announces {
                let first = told.insert(announce.tracker);
                prop_assert!(!first || announce.event == AnnounceEvent::Started, "{:?}", announce);
                if announce.event == AnnounceEvent::Regular {
                    let last = regular.insert(announce.tracker, story.now);
                    let pause = last.map_or(Duration::MAX, |last| story.now - last);
                    prop_assert!(pause >= FIRST_RETRY, "{pause:?}");
                }
                // One that was `stopped` without an answer may be on its way a second time.
                waiting.retain(|other| other.tracker != announce.tracker);
                waiting.push(announce);
            }
            let on_the_way = waiting.iter().filter(|a| a.event != AnnounceEvent::Stopped).count();
            prop_assert!(on_the_way <= lines, "{on_the_way} at once");
        }
    }
}

fn tiers(list: &str) -> Vec<Vec<Untrusted>> {
    list.split_whitespace().map(|tier| tier.split('+').map(url).collect()).collect()
}

/// The list as `a+b c`.
fn listed(story: &Story) -> String {
    let mut text = String::new();
    let mut last = 0;
    for known in story.trackers.list() {
        let joint = if text.is_empty() {
            ""
        } else if known.tier == last {
            "+"
        } else {
            " "
        };
        last = known.tier;
        text += joint;
        text += known.url.raw().trim_start_matches("http://").trim_end_matches("/announce");
    }
    text
}

#[test]
fn trackers_that_stay_in_a_changed_list_go_on_and_those_that_go_are_told() {
    let mut story = Story::running("a b", false);
    story.all_is_well("a:started b:started");
    story.wait(60);
    let change = |story: &mut Story, list: &str| {
        let now = story.now;
        story.trackers.change(now, &tiers(list)).map(|stopped| shown(&stopped))
    };
    assert_eq!(change(&mut story, "a b"), None);
    assert_eq!(change(&mut story, "c a").as_deref(), Some("b:stopped"));
    assert_eq!(listed(&story), "c a");
    story.all_is_well("c:started");
    assert!(is_about(story.skip(), 1_740), "a keeps to its interval");
    story.all_is_well("a:regular");
    // A new one that was never told is not said good-bye to.
    assert_eq!(change(&mut story, "c a d").as_deref(), Some(""));
    assert_eq!(change(&mut story, "c a").as_deref(), Some(""));
    assert_eq!(shown(&story.trackers.pause(story.now)), "c:stopped a:stopped");
    assert_eq!(change(&mut story, "").as_deref(), Some(""));
    assert_eq!((listed(&story), story.trackers.next_due()), (String::new(), None));
}

#[test]
fn an_answer_of_a_tracker_that_is_gone_is_of_no_account() {
    let mut story = Story::running("a", false);
    let announce = story.expect("a:started").remove(0);
    let stopped = story.trackers.change(story.now, &tiers("b")).unwrap();
    assert_eq!(shown(&stopped), "a:stopped", "it may have heard");
    assert_eq!(story.answer(&announce, good(60)).next, None);
    story.all_is_well("b:started");
}

#[test]
fn a_completed_that_is_owed_survives_a_change_of_the_list() {
    let mut story = Story::running("a", true);
    story.all_is_well("a:started");
    story.trackers.completed(story.now);
    story.trackers.change(story.now, &tiers("a b")).unwrap();
    story.all_is_well("a:completed");
}

#[test]
fn a_private_torrent_asks_one_tracker_of_a_changed_list() {
    let mut story = Story::running("a b", true);
    story.all_is_well("a:started");
    story.trackers.change(story.now, &tiers("c+d b")).unwrap();
    story.all_is_well("c:started");
    assert!(is_about(story.skip(), 1_800));
}

#[test]
fn another_port_is_told_at_once_but_not_to_those_that_fail() {
    let mut story = Story::running("a b", false);
    for announce in story.expect("a:started b:started") {
        let reply = if announce.url.raw().contains("//a/") { good(1_800) } else { bad() };
        story.answer(&announce, reply);
    }
    story.trackers.moved(story.now);
    story.all_is_well("a:regular");
    assert!(story.skip().is_some_and(|secs| (4..7).contains(&secs)));
    story.all_is_well("b:started");
}

#[test]
fn a_single_tracker_is_asked_by_hand() {
    let mut story = Story::running("a+b c", false);
    let first = story.expect_any().0;
    let other = story.trackers.list().into_iter().find(|known| known.tier == 0 && known.id != first).unwrap();
    story.wait(60);
    story.trackers.reannounce_to(story.now, other.id);
    let announces = story.due();
    assert_eq!(announces.iter().map(|announce| announce.tracker).collect::<Vec<_>>(), [other.id]);
    // A private torrent stays with the one that knows it.
    let mut story = Story::running("a b", true);
    story.all_is_well("a:started");
    let b = story.trackers.list()[1].id;
    story.trackers.reannounce_to(story.now, b);
    story.expect("");
}

#[test]
fn a_torrent_that_no_tracker_knows_any_more_is_told_apart_from_trouble() {
    let mut story = Story::running("a b", false);
    let announces = story.expect("a:started b:started");
    story.answer(
        &announces[0],
        Err(AnnounceError::Refused { reason: "unregistered torrent".into(), retry: None }),
    );
    story.answer(&announces[1], bad());
    let states: Vec<_> = story.stats().iter().map(|tracker| tracker.state).collect();
    assert_eq!(states, [TrackerState::Unregistered, TrackerState::Failing]);
    assert_eq!(story.trackers.unregistered().as_ref().map(Untrusted::raw), Some("unregistered torrent"));
    // One that takes it is enough.
    story.wait(10);
    let again = story.due();
    story.answer(&again[1], good(1_800));
    assert_eq!(story.trackers.unregistered(), None);
    // ... and where it was a mistake it is over.
    story.answer(&again[0], good(1_800));
    assert_eq!(story.stats()[0].state, TrackerState::Working);
}
