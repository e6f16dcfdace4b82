//! Patterns, families and losses of the bus.

use super::*;
use crate::types::PieceIndex;

const HASH: InfoHash = InfoHash::new([7; 20]);

fn piece(index: u32) -> Event {
    Event::PieceCompleted { index: PieceIndex::new(index), size: 1, complete: 1, total: 1 }
}

fn paused() -> Event {
    Event::SessionPaused { state: crate::stats::SessionState::Paused, message: "by a person".into() }
}

/// Publishes one piece event and one session event on a session's bus and lists what came.
fn check(patterns: &str, want: &[&str]) {
    let hub = EventBus::hub();
    let bus = EventBus::of_session(&hub, HASH);
    let mut near = bus.subscribe(patterns).unwrap();
    let mut far = hub.subscribe(patterns).unwrap();
    bus.publish(Kind::PieceCompleted, || piece(1));
    bus.publish(Kind::SessionPaused, paused);
    for subscription in [&mut near, &mut far] {
        let mut got = Vec::new();
        while let Some(Delivery::Event(tagged)) = subscription.try_next() {
            assert_eq!(tagged.info_hash, Some(HASH));
            got.push(tagged.event.kind().name());
        }
        assert_eq!(got, want, "{patterns}");
    }
}

#[test]
fn exact_family_everything() {
    check("piece.completed", &["piece.completed"]);
    check("piece.*", &["piece.completed"]);
    check("session.*", &["session.paused"]);
    check("*", &["piece.completed", "session.paused"]);
    check("piece.* session.paused", &["piece.completed", "session.paused"]);
    check("tracker.*", &[]);
}

#[test]
fn a_misspelt_pattern_is_an_error_at_once() {
    let hub = EventBus::hub();
    for pattern in ["", "  ", "pieces.*", "piece.", "piece*", "piece.complete", "**", "piece.* x"] {
        assert!(hub.subscribe(pattern).is_err(), "{pattern:?}");
    }
}

#[test]
fn who_never_reads_is_told_exactly_how_many_were_missed() {
    let hub = EventBus::hub();
    let mut never = hub.subscribe("*").unwrap();
    for i in 0..1_000_000 {
        hub.publish(Kind::PieceCompleted, || piece(i));
    }
    let mut got = 0;
    let missed = loop {
        match never.try_next() {
            Some(Delivery::Event(_)) => got += 1,
            Some(Delivery::Missed(missed)) => break missed,
            None => panic!("the loss was not told"),
        }
    };
    assert_eq!(got, QUEUE as u64);
    assert_eq!(missed, 1_000_000 - QUEUE as u64);
    assert_eq!(never.try_next(), None);
    hub.publish(Kind::PieceCompleted, || piece(0));
    assert!(matches!(never.try_next(), Some(Delivery::Event(_))));
}

#[test]
fn nothing_is_built_when_nobody_listens() {
    let hub = EventBus::hub();
    let bus = EventBus::of_session(&hub, HASH);
    bus.publish(Kind::PieceCompleted, || panic!("built for nobody"));
    drop(hub.subscribe("piece.*").unwrap());
    let _other = hub.subscribe("session.*").unwrap();
    bus.publish(Kind::PieceCompleted, || piece(0));
    bus.publish(Kind::PieceCompleted, || panic!("the only listener has left"));
}

#[test]
fn the_table_is_well_formed() {
    let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KINDS.len());
    for kind in KINDS {
        assert_eq!(kind.name.split('.').count(), 2, "{}", kind.name);
        assert!(kind.doc.ends_with('.') && !kind.doc.starts_with(' '), "{}", kind.doc);
    }
}

#[tokio::test]
async fn next_wakes_up() {
    let hub = EventBus::hub();
    let mut subscription = hub.subscribe("piece.*").unwrap();
    let publisher = hub.clone();
    let task = tokio::spawn(async move { publisher.publish(Kind::PieceCompleted, || piece(3)) });
    assert!(matches!(subscription.next().await, Delivery::Event(_)));
    task.await.unwrap();
}
