//! The pipeline against a simulated link, and its bookkeeping.

use super::*;
use crate::types::PieceIndex;

const BLOCK: u64 = BLOCK_SIZE as u64;

fn block(number: u32) -> BlockRef {
    BlockRef { piece: PieceIndex::new(number / 16), block: number % 16 }
}

/// A peer behind a path: it answers in order, at its rate, half a round trip away.
struct Link {
    pipeline: Pipeline,
    now: Instant,
    round_trip: Duration,
    /// Bytes per second.
    rate: u64,
    /// When the peer is done with what it was asked for.
    busy_until: Instant,
    coming: VecDeque<(Instant, BlockRef)>,
    next: u32,
    received: u64,
    most_outstanding: u32,
}

impl Link {
    fn new(rate: u64, round_trip_ms: u64, reqq: u32) -> Self {
        let now = Instant::now();
        Self {
            pipeline: Pipeline::new(reqq),
            now,
            round_trip: Duration::from_millis(round_trip_ms),
            rate,
            busy_until: now,
            coming: VecDeque::new(),
            next: 0,
            received: 0,
            most_outstanding: 0,
        }
    }

    fn ask(&mut self) {
        for _ in 0..self.pipeline.room(self.now) {
            let served = self.busy_until.max(self.now + self.round_trip / 2)
                + Duration::from_nanos(BLOCK * 1_000_000_000 / self.rate);
            self.busy_until = served;
            self.coming.push_back((served + self.round_trip / 2, block(self.next)));
            self.pipeline.sent(self.now, block(self.next));
            self.next += 1;
        }
        self.most_outstanding = self.most_outstanding.max(self.pipeline.outstanding_len());
    }

    /// Runs the link and tells how many bytes per second came.
    fn run(&mut self, seconds: u64) -> u64 {
        let (end, before) = (self.now + Duration::from_secs(seconds), self.received);
        self.most_outstanding = 0;
        self.ask();
        while let Some((at, block)) = self.coming.front().copied().filter(|(at, _)| *at <= end) {
            self.now = at;
            self.coming.pop_front();
            assert_eq!(self.pipeline.arrived(at, block, BLOCK_SIZE), Arrived::Expected);
            self.received += BLOCK;
            assert_eq!(self.pipeline.timed_out(at), []);
            self.ask();
        }
        self.now = end;
        (self.received - before) / seconds
    }
}

/// Runs a link for some seconds to settle; then at least this share of its rate must come, with at
/// most so many requests outstanding.
fn check(rate: u64, round_trip_ms: u64, reqq: u32, settle: u64, percent: u64, most: u32) {
    let mut link = Link::new(rate, round_trip_ms, reqq);
    link.run(settle);
    let got = link.run(10);
    assert!(got * 100 >= rate * percent, "{got} of {rate} B/s at depth {}", link.pipeline.depth());
    assert!(link.most_outstanding <= most, "{} requests outstanding", link.most_outstanding);
}

#[test]
fn a_long_fat_path_is_full_within_two_seconds() {
    check(125_000_000, 100, 2_000, 2, 99, 2_000);
}

#[test]
fn loopback_is_full_at_once() {
    let mut link = Link::new(1_000_000_000, 0, 500);
    assert!(link.run(1) > 990_000_000);
    assert_eq!(link.most_outstanding, 499);
}

#[test]
fn a_slow_peer_holds_a_few_seconds_of_its_rate() {
    check(20_000, 50, 500, 30, 95, 5);
    check(100_000, 50, 500, 30, 95, 23);
    check(4_000, 50, 500, 60, 80, 4);
    check(2_000, 50, 500, 120, 80, 2);
    check(500, 50, 500, 400, 0, 2);
}

#[test]
fn a_slow_start_is_no_flood_for_a_slow_peer() {
    let mut link = Link::new(20_000, 50, 500);
    link.run(10);
    assert!(link.most_outstanding <= 20, "{}", link.most_outstanding);
}

#[test]
fn what_the_peer_takes_is_the_limit() {
    check(125_000_000, 100, 64, 2, 0, 64);
    let mut small = Pipeline::new(0);
    assert_eq!(small.depth(), 1);
    small.set_reqq(u32::MAX);
    assert_eq!(small.depth(), START);
}

/// transmission drops the request that would fill its queue: 511 of the 512 that it grants are taken.
#[test]
fn the_last_place_of_what_a_peer_grants_stays_free() {
    let mut link = Link::new(1_000_000_000, 0, 512);
    link.run(2);
    assert_eq!(link.most_outstanding, 511);
}

#[test]
fn a_peer_that_speeds_up_is_followed() {
    let mut link = Link::new(50_000, 80, 500);
    link.run(30);
    link.rate = 5_000_000;
    link.run(10);
    assert!(link.run(5) > 4_900_000);
}

#[test]
fn a_peer_that_slows_down_is_let_go() {
    let mut link = Link::new(5_000_000, 80, 500);
    link.run(30);
    link.rate = 50_000;
    link.busy_until = link.now;
    link.run(240);
    link.run(5);
    assert!(link.most_outstanding <= 12, "{}", link.most_outstanding);
}

#[test]
fn a_path_longer_than_the_queue_time_keeps_its_depth() {
    check(500_000, 5_000, 500, 60, 90, 500);
}

/// A pipeline with the first `count` blocks under way since `now`.
fn waiting(now: Instant, count: u32) -> Pipeline {
    let mut pipeline = Pipeline::new(500);
    (0..count).for_each(|number| pipeline.sent(now, block(number)));
    pipeline
}

#[test]
fn a_block_is_expected_once() {
    let now = Instant::now();
    let mut pipeline = waiting(now, 3);
    assert_eq!(pipeline.arrived(now, block(1), BLOCK_SIZE), Arrived::Expected);
    assert_eq!(pipeline.arrived(now, block(1), BLOCK_SIZE), Arrived::Unrequested);
    assert_eq!(pipeline.arrived(now, block(7), BLOCK_SIZE), Arrived::Unrequested);
    assert_eq!(pipeline.outstanding().collect::<Vec<_>>(), [block(0), block(2)]);
}

#[test]
fn what_was_given_up_is_late_and_never_a_fault() {
    let now = Instant::now();
    let mut pipeline = waiting(now, 3);
    pipeline.cancelled(block(0));
    assert_eq!(pipeline.arrived(now, block(0), BLOCK_SIZE), Arrived::Late);
    assert_eq!(pipeline.choked(), [block(1), block(2)]);
    assert_eq!(pipeline.arrived(now, block(2), BLOCK_SIZE), Arrived::Late);
    pipeline.sent(now, block(1));
    assert_eq!(pipeline.arrived(now, block(1), BLOCK_SIZE), Arrived::Expected);
    // The answer to the request before the choke.
    assert_eq!(pipeline.arrived(now, block(1), BLOCK_SIZE), Arrived::Late);
    assert_eq!(pipeline.arrived(now, block(1), BLOCK_SIZE), Arrived::Unrequested);
    // A block that was never under way cannot be taken back.
    pipeline.cancelled(block(9));
    assert_eq!(pipeline.arrived(now, block(9), BLOCK_SIZE), Arrived::Unrequested);
}

#[test]
fn a_reject_is_the_last_word() {
    let now = Instant::now();
    let mut pipeline = waiting(now, 2);
    pipeline.cancelled(block(1));
    assert_eq!(pipeline.rejected(block(0)), Arrived::Expected);
    assert_eq!(pipeline.rejected(block(1)), Arrived::Late);
    assert_eq!(pipeline.rejected(block(1)), Arrived::Unrequested);
    assert_eq!(pipeline.arrived(now, block(0), BLOCK_SIZE), Arrived::Unrequested);
}

#[test]
fn what_is_remembered_is_bounded() {
    let now = Instant::now();
    let mut pipeline = Pipeline::new(500);
    for number in 0..REMEMBERED as u32 + 1 {
        pipeline.sent(now, block(number));
        pipeline.cancelled(block(number));
    }
    assert_eq!(pipeline.late.len(), REMEMBERED);
    assert_eq!(pipeline.arrived(now, block(0), BLOCK_SIZE), Arrived::Unrequested);
    assert_eq!(pipeline.arrived(now, block(1), BLOCK_SIZE), Arrived::Late);
}

#[test]
fn silence_times_out_and_snubs_after_a_minute() {
    let now = Instant::now();
    let mut pipeline = waiting(now, 3);
    assert_eq!(pipeline.next_timeout(), Some(now + TIMEOUT));
    let early = now + Duration::from_secs(59);
    assert_eq!(pipeline.timed_out(early), []);
    assert!(!pipeline.snubbed(early));
    let due = now + TIMEOUT;
    assert_eq!(pipeline.timed_out(due), [block(0), block(1), block(2)]);
    assert!(pipeline.snubbed(due));
    assert_eq!((pipeline.room(due), pipeline.next_timeout()), (1, None));
    // One block, however late, and it is trusted again.
    assert_eq!(pipeline.arrived(due, block(0), BLOCK_SIZE), Arrived::Late);
    assert!(!pipeline.snubbed(due) && pipeline.room(due) > 1);
}

#[test]
fn a_snubbed_peer_stays_so_while_it_is_probed() {
    let now = Instant::now();
    let mut pipeline = waiting(now, 1);
    let due = now + TIMEOUT;
    pipeline.timed_out(due);
    pipeline.sent(due, block(5));
    assert!(pipeline.snubbed(due) && pipeline.room(due) == 0);
    pipeline.choked();
    assert!(pipeline.snubbed(due));
}

#[test]
fn a_peer_that_owes_nothing_is_not_snubbed() {
    let now = Instant::now();
    let mut pipeline = waiting(now, 1);
    pipeline.arrived(now, block(0), BLOCK_SIZE);
    let later = now + Duration::from_secs(600);
    assert!(!pipeline.snubbed(later));
    let mut choked = waiting(now, 1);
    choked.choked();
    assert!(!choked.snubbed(later));
}

#[test]
fn a_slow_peer_that_answers_in_order_does_not_time_out() {
    let start = Instant::now();
    let mut pipeline = waiting(start, 6);
    for number in 0..6 {
        let now = start + Duration::from_secs(50 * u64::from(number + 1));
        assert_eq!(pipeline.timed_out(now), [], "block {number}");
        assert_eq!(pipeline.arrived(now, block(number), BLOCK_SIZE), Arrived::Expected);
    }
}

#[test]
fn a_request_that_was_lost_times_out_while_others_are_answered() {
    let start = Instant::now();
    let mut pipeline = waiting(start, 1);
    for number in 1..=60 {
        let now = start + Duration::from_secs(u64::from(number));
        pipeline.sent(now, block(number));
        pipeline.arrived(now, block(number), BLOCK_SIZE);
        let lost = if number == 60 { vec![block(0)] } else { vec![] };
        assert_eq!(pipeline.timed_out(now), lost);
    }
}

#[test]
fn the_delay_stretches_the_deadline_within_bounds() {
    let deadline = |delay: u64| {
        let start = Instant::now();
        let mut pipeline = waiting(start, 1);
        let now = start + Duration::from_secs(delay);
        pipeline.arrived(now, block(0), BLOCK_SIZE);
        pipeline.sent(now, block(1));
        pipeline.next_timeout().unwrap() - now
    };
    assert_eq!(deadline(1), TIMEOUT);
    assert_eq!(deadline(30), Duration::from_secs(120));
    assert_eq!(deadline(3_000), LONGEST_TIMEOUT);
}
