//! The order in which torrents have their turn, as the screen shows and changes it.

use tc_core::queue::Shift;
use tc_core::settings::MaxActive;
use tc_core::stats::QueueStats;

use super::*;
use crate::message::AddStart;

#[test]
fn keys_move_the_selection_and_force_it() {
    check("J", &[Effect::Shift(vec![hash(12)], Shift::Down)]);
    check("j Space Space K", &[Effect::Shift(vec![hash(11), hash(10)], Shift::Up)]);
    check("Q t", &[Effect::Shift(vec![hash(12)], Shift::Top)]);
    check(
        "Q b J",
        &[Effect::Shift(vec![hash(12)], Shift::Bottom), Effect::Shift(vec![hash(12)], Shift::Down)],
    );
    check("Q k", &[Effect::Shift(vec![hash(12)], Shift::Up)]);
    check("Q j", &[Effect::Shift(vec![hash(12)], Shift::Down)]);
    check("Q Esc Q q J", &[Effect::Shift(vec![hash(12)], Shift::Down)]);
    check("F", &[Effect::Force(vec![hash(12)], true)]);
    check("Q f", &[Effect::Force(vec![hash(12)], true)]);
    let mut stage = Stage::full((80, 24));
    let mut forced = torrents().remove(0);
    forced.forced = true;
    stats(&mut stage, vec![forced]);
    stage.keys("F Space Space F");
    assert_eq!(
        stage.effects[0],
        Effect::Force(vec![hash(12)], false),
        "it was forced: back among the others"
    );
    assert_eq!(stage.effects[1], Effect::Force(vec![hash(12), hash(11)], true), "not all were");
    let mut none = Stage::new((80, 24), Vec::new());
    none.keys("J F Q t");
    assert_eq!(none.effects, []);
}

#[test]
fn the_tab_of_limits_has_place_force_and_numbers() {
    let mut stage = Stage::full((80, 24));
    stage.keys("e z j j j j j j");
    assert!(
        stage.rows().join("\n").contains("Queue position             8           of 8 downloads"),
        "{}",
        stage.rows().join("\n")
    );
    stage.keys("Enter Backspace '2' Enter j Space");
    assert_eq!(
        stage.effects[stage.effects.len() - 2..],
        [Effect::Shift(vec![hash(12)], Shift::To(2)), Effect::Force(vec![hash(12)], true),]
    );
    stage.keys("G k k Enter Backspace '3' Enter j Enter '0' Enter Backspace k Backspace k");
    let active = |seeds: bool, most| {
        Effect::SetAll(if seeds {
            GlobalSetting::ActiveSeeds(most)
        } else {
            GlobalSetting::ActiveDownloads(most)
        })
    };
    assert_eq!(
        stage.effects[stage.effects.len() - 4..],
        [
            active(false, MaxActive::At(3)),
            active(true, MaxActive::At(0)),
            active(true, MaxActive::Unlimited),
            active(false, MaxActive::At(5)),
        ]
    );
    stage.keys("gg j j j j j j Backspace");
    assert!(stage.rows().join("\n").contains("nothing to reset"), "{}", stage.rows().join("\n"));
}

#[test]
fn a_new_order_is_seen_where_it_shows() {
    let mut stage = Stage::full((80, 24));
    stage.keys("s o 1100ms gg");
    assert_eq!(
        stage.state.table.shown().next().unwrap().stats.info_hash,
        hash(1),
        "the first to have its turn"
    );
    let order = |first: u8| {
        let others = [1, 2, 3, 8, 9, 10, 11, 12].into_iter().filter(|at| *at != first);
        QueueStats { downloads: std::iter::once(first).chain(others).map(hash).collect(), seeds: Vec::new() }
    };
    let tell = |stage: &mut Stage, first| {
        let (global, queue) = (stage.state.global.clone(), Some(Arc::new(order(first))));
        stage.state.dirty = false;
        stage.tell(Message::Stats(Changes { seq: 3, queue, global, ..Changes::default() }));
        stage.state.dirty
    };
    stage.keys("1100ms");
    assert!(tell(&mut stage, 8));
    assert_eq!(stage.state.table.shown().next().unwrap().stats.info_hash, hash(8));
    assert!(!tell(&mut stage, 8), "nothing has changed");
    // Sorted by something else it shows at the torrent under the cursor alone.
    stage.keys("s n gg 1100ms");
    let current = stage.state.table.current().unwrap().place;
    assert!(tell(&mut stage, 12));
    assert_ne!(stage.state.table.current().unwrap().place, current);
}

#[test]
fn the_add_dialog_says_when_it_starts() {
    for (keys, start) in [
        ("", AddStart::Queue),
        ("Space", AddStart::Now),
        ("Space Space", AddStart::Paused),
        ("Left", AddStart::Paused),
        ("Right Left", AddStart::Queue),
    ] {
        let mut stage = Stage::full((80, 24));
        stage.keys(&format!("a '/a.torrent' Down Down {keys} Enter"));
        let added = stage.effects.iter().find_map(|effect| match effect {
            Effect::Add(request) => Some(request.start),
            _ => None,
        });
        assert_eq!(added, Some(start), "{keys}");
    }
}
