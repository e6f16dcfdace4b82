//! The ring, storms, losses and the anchor of a paused view.

use tc_core::types::PieceIndex;

use super::*;

const HASH: InfoHash = InfoHash::new([1; 20]);

fn at(seconds: u64, event: Event) -> Delivery {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Delivery::Event(Tagged { time, info_hash: Some(HASH), event: Arc::new(event) })
}

fn warning(seconds: u64, text: &str) -> Delivery {
    at(seconds, Event::TrackerWarning { url: "http://t/".into(), warning: text.into() })
}

fn texts(log: &Log, height: usize) -> Vec<String> {
    let text = |entry: &&Entry| match &entry.what {
        What::Event(event) => format!("{}×{}", summary(event), entry.times),
        What::Missed(count) => format!("missed {count}"),
    };
    log.lines(None, height).iter().map(text).collect()
}

#[test]
fn storms_are_one_line() {
    let mut log = Log::default();
    log.filter.set_text("piece.* tracker.*").unwrap();
    let piece =
        |index| Event::PieceCompleted { index: PieceIndex::new(index), size: 1, complete: 1, total: 9 };
    log.take((0..37).map(|i| at(5, piece(i))).collect(), |_| None);
    log.take(vec![warning(5, "a"), at(5, piece(37)), at(9, piece(38))], |_| None);
    assert_eq!(texts(&log, 9), ["#37 1B, 1 of 9×38", "t: a×1", "#38 1B, 1 of 9×1"]);
}

#[test]
fn losses_are_lines_and_are_counted() {
    let mut log = Log::default();
    log.take(vec![warning(1, "a"), Delivery::Missed(312), warning(2, "b")], |_| None);
    assert_eq!(texts(&log, 9), ["t: a×1", "missed 312", "t: b×1"]);
    assert_eq!(log.missed, 312);
}

#[test]
fn a_paused_view_stands_still_while_100_000_events_arrive() {
    let mut log = Log::default();
    let many = |from: u64, count: u64| (from..from + count).map(|i| warning(i * 2, &i.to_string())).collect();
    log.take(many(0, 9_000), |_| None);
    log.step(Step::Up, None, 5);
    log.step(Step::Up, None, 5);
    let before = texts(&log, 5);
    assert_eq!(before.last().unwrap(), "t: 8999×1");
    log.take(many(9_000, 1_000), |_| None);
    assert_eq!(texts(&log, 5), before);
    assert_eq!(log.new_below(None), 1_000);
    log.take(many(10_000, 5_000), |_| None);
    assert_eq!(texts(&log, 5), before, "the ring turns below the lines that are read");
    assert_eq!(log.new_below(None), 6_000);
    log.filter.set_level(false);
    log.filter.set_level(true);
    assert_eq!(texts(&log, 5), before, "toggles keep the anchor");
    log.take(many(15_000, 100_000), |_| None);
    assert_eq!(log.kept(), KEPT);
    assert_eq!(log.lines(None, 5).len(), 5, "what was read has left the ring: the oldest that is kept");
    log.step(Step::Bottom, None, 5);
    assert!(log.all.follows());
    assert_eq!(texts(&log, 1), ["t: 114999×1"]);
}

#[test]
fn steps_pause_and_the_end_follows() {
    let mut log = Log::default();
    log.take((0..20).map(|i| warning(i * 2, &i.to_string())).collect(), |_| None);
    log.step(Step::Down, None, 5);
    assert!(log.all.follows());
    log.step(Step::Up, None, 5);
    assert_eq!(log.current(None).unwrap().seq, 19);
    log.step(Step::Top, None, 5);
    assert_eq!(texts(&log, 2), ["t: 0×1", "t: 1×1"]);
    log.toggle_follow(None, 5);
    assert!(log.all.follows());
    log.toggle_follow(None, 5);
    assert_eq!(log.current(None).unwrap().seq, 20);
    assert_eq!(log.neighbour(20, true, None), None);
    assert_eq!(log.neighbour(20, false, None), Some(19));
}

#[test]
fn a_storm_does_not_change_lines_that_are_read() {
    let mut log = Log::default();
    log.take(vec![warning(1, "a"), warning(1, "b")], |_| None);
    log.step(Step::Up, None, 5);
    log.take(vec![warning(1, "c"), warning(1, "d")], |_| None);
    assert_eq!(texts(&log, 5), ["t: b×2", "t: d×2"]);
}
