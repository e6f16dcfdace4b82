//! Behaviour of the whole screen: what must never happen, and what must cost nothing.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use tc_core::stats::{Changes, GlobalStats, SessionState, SessionStats};
use tc_core::types::InfoHash;

use crate::message::{Answer, Effect, Message};
use crate::state::popup::Popup;
use crate::state::sort::SortKey;
use crate::testing::{Stage, deliveries, rows, torrents};

fn hash(at: u8) -> InfoHash {
    InfoHash::new([at; 20])
}

fn stats(stage: &mut Stage, changed: Vec<SessionStats>) {
    let global = stage.state.global.clone();
    let changed = changed.into_iter().map(Arc::new).collect();
    stage.tell(Message::Stats(Changes { seq: 2, changed, removed: Vec::new(), global }));
}

/// Presses keys and lists what was asked of the engine.
fn check(keys: &str, want: &[Effect]) {
    let mut stage = Stage::full((80, 24));
    stage.keys(keys);
    assert_eq!(stage.effects, want, "{keys}");
}

#[test]
fn typed_ahead_keys_remove_nothing() {
    for keys in
        ["d 60000ms", "d d 60000ms", "d Enter 60000ms", "d Space y 60000ms", "d n 60000ms", "d Esc 60000ms"]
    {
        // The first torrent is small: two are much.
        check(&format!("Space Space {keys}"), &[]);
    }
    check("d q 60000ms", &[]);
    check("d \"dyq:quit\" 60000ms", &[]);
}

#[test]
fn one_large_torrent_waits_too() {
    check("j j j j G d Space y 60000ms", &[]);
    check("G d Space 600ms y 16000ms", &[Effect::Remove { torrents: vec![hash(1)], delete_data: true }]);
}

#[test]
fn removal_waits_and_is_taken_back() {
    check("d y 14000ms", &[Effect::Pause(vec![hash(12)])]);
    check(
        "d y 15000ms",
        &[Effect::Pause(vec![hash(12)]), Effect::Remove { torrents: vec![hash(12)], delete_data: false }],
    );
    check("d y 3000ms u 60000ms", &[Effect::Pause(vec![hash(12)]), Effect::Resume(vec![hash(12)])]);
    // One that was paused is not resumed by undoing.
    let mut stage = Stage::full((80, 24));
    stage.keys("j j j j j j j j j d y u 60000ms");
    assert_eq!(stage.effects, []);
    assert_eq!(stage.state.table.cursor(), Some(hash(3)));
    assert_eq!(stage.state.table.len(), 12);
}

#[test]
fn buttons_can_be_reached() {
    check("d Tab Enter", &[Effect::Pause(vec![hash(12)])]);
    check("d Tab Tab Enter", &[]);
}

#[test]
fn leaving_completes_removals_first() {
    check(
        "d y q q",
        &[
            Effect::Pause(vec![hash(12)]),
            Effect::Remove { torrents: vec![hash(12)], delete_data: false },
            Effect::Stop,
        ],
    );
    check("^C ^C", &[Effect::Stop]);
    check("^C 3000ms ^C", &[]);
    check("^C Esc ^C", &[]);
    check("^C ^C ^C", &[Effect::Stop, Effect::Leave(crate::message::Why::Impatient)]);
    let mut stage = Stage::full((80, 24));
    stage.keys("d y");
    stage.effects.clear();
    stage.tell(Message::Hangup);
    assert_eq!(stage.effects[0], Effect::Remove { torrents: vec![hash(12)], delete_data: false });
    assert_eq!(stage.effects[1], Effect::Leave(crate::message::Why::Hangup));
}

#[test]
fn with_nothing_active_q_leaves_at_once() {
    let mut stage = Stage::new((80, 24), Vec::new());
    stage.keys("q");
    assert_eq!(stage.effects, [Effect::Stop]);
    stage.tell(Message::Answer(Answer::Stopped));
    assert_eq!(stage.effects[1], Effect::Leave(crate::message::Why::Asked));
}

#[test]
fn pause_marks_and_all() {
    check("p", &[Effect::Pause(vec![hash(12)])]);
    check("G k k p", &[Effect::Resume(vec![hash(3)])]);
    check("Space Space p", &[Effect::Pause(vec![hash(12), hash(11)])]);
    check("V j j V p", &[Effect::Pause(vec![hash(12), hash(11), hash(10)])]);
    check("* * p", &[Effect::Pause(vec![hash(12)])]);
    let mut stage = Stage::full((80, 24));
    stage.keys("P p");
    let running = torrents().iter().filter(|stats| crate::state::table::runs(stats.state)).count();
    assert!(matches!(&stage.effects[..], [Effect::Pause(all)] if all.len() == running));
    let mut paused = torrents().remove(0);
    paused.state = SessionState::Paused;
    stats(&mut stage, vec![paused]);
    stage.keys("P r");
    assert_eq!(stage.effects[1], Effect::Resume(vec![hash(12)]), "only those that are paused now");
}

#[test]
fn announce_and_copy() {
    check("R", &[Effect::Announce(vec![hash(12)])]);
    check("G R", &[]);
    check("j y h", &[Effect::Copy(hash(11).to_string())]);
    check("j y p", &[Effect::Copy("/srv/dl/video".into())]);
    check("j y e", &[]);
}

#[test]
fn pastes_are_never_keys() {
    check("\"dyq:quit\"", &[]);
    let mut stage = Stage::full((80, 24));
    stage.keys("\"/a.torrent\"");
    assert_eq!(stage.effects, [Effect::Preview("/a.torrent".into())]);
    stage.tell(Message::Paste("/b.torrent\n/b.torrent".into()));
    assert_eq!(stage.state.popups.len(), 1, "goes into the field of the open dialog");
    assert_eq!(stage.effects.iter().filter(|effect| matches!(effect, Effect::Add(_))).count(), 0);
}

#[test]
fn three_pasted_sources_are_one_dialog() {
    let mut stage = Stage::full((80, 24));
    stage.tell(Message::Paste("/a.torrent\n/b.torrent\n/b.torrent\n/c.torrent\n".into()));
    assert_eq!(stage.state.popups.len(), 1);
    stage.keys("Enter");
    let added: Vec<_> = stage
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Add(request) => Some(request.source.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(added, ["/a.torrent", "/b.torrent", "/c.torrent"]);
    let failed =
        |source: &str| Answer::NotAdded { source: source.into(), why: format!("{source} is no torrent") };
    stage.tell(Message::Answer(Answer::Added { info_hash: hash(1), already_here: false }));
    stage.tell(Message::Answer(failed("/b.torrent")));
    stage.tell(Message::Answer(failed("/c.torrent")));
    let Some(Popup::Add(form)) = stage.state.popups.last() else { panic!("the dialog keeps what failed") };
    assert_eq!((form.source.text(), form.more.as_slice()), ("/b.torrent", &["/c.torrent".to_owned()][..]));
    assert_eq!(form.error.as_deref(), Some("/b.torrent is no torrent"));
}

#[test]
fn enter_with_an_open_list_only_closes_it() {
    let mut stage = Stage::full((80, 24));
    stage.keys("a '/srv/dl/vi' Tab");
    assert_eq!(stage.effects, [Effect::Complete { text: "/srv/dl/vi".into(), folders_only: false }]);
    stage.tell(Message::Answer(Answer::Completions {
        text: "/srv/dl/vi".into(),
        candidates: vec!["/srv/dl/video/".into(), "/srv/dl/virtual/".into()],
        free: None,
    }));
    stage.keys("Tab Tab Enter");
    let Some(Popup::Add(form)) = stage.state.popups.last() else { panic!("the dialog is open") };
    assert_eq!(form.source.text(), "/srv/dl/virtual/");
    assert!(form.candidates.is_none());
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::Add(_))));
}

#[test]
fn an_idle_screen_asks_for_no_frame() {
    for size in [(60, 15), (80, 24), (120, 40), (200, 50)] {
        let mut stage = Stage::full(size);
        stage.state.dirty = false;
        stats(&mut stage, torrents());
        stage.wait(Duration::from_secs(1));
        assert!(!stage.state.dirty, "equal snapshots");
        let mut moved = torrents();
        moved[0].rate_down += 9;
        moved[0].have += 40;
        moved[0].active_seconds += 1;
        stats(&mut stage, moved);
        let before = rows(&stage.buffer());
        assert!(!stage.state.dirty, "numbers that look the same");
        stage.state.dirty = true;
        assert_eq!(rows(&stage.buffer()), before);
        stage.state.dirty = false;
        let mut moved = torrents();
        moved[0].rate_down += 1 << 20;
        stats(&mut stage, moved);
        assert!(stage.state.dirty, "another rate");
    }
}

#[test]
fn what_is_out_of_sight_asks_for_no_frame() {
    let mut list = torrents();
    list.extend((0..200u8).map(|at| {
        let mut stats = torrents().remove(5);
        stats.info_hash = InfoHash::new([at, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        stats.added.0 -= 1_000_000;
        stats
    }));
    let mut stage = Stage::new((80, 24), list.clone());
    stage.state.dirty = false;
    let mut last = list.pop().unwrap();
    last.rate_up += 1 << 20;
    stats(&mut stage, vec![last]);
    assert!(!stage.state.dirty);
}

#[test]
fn rows_keep_still_under_a_finger_and_the_cursor_stays_on_its_torrent() {
    let mut stage = Stage::full((80, 24));
    stage.keys("s d j");
    assert_eq!(stage.state.table.sort().key, SortKey::Down);
    assert_eq!(stage.state.table.cursor(), Some(hash(11)));
    let mut fast = torrents().remove(2);
    fast.rate_down = 1 << 30;
    stats(&mut stage, vec![fast]);
    let first = |stage: &Stage| stage.state.table.visible().next().unwrap().stats.info_hash;
    assert_eq!(first(&stage), hash(12), "within a second of a key nothing moves");
    stage.wait(Duration::from_millis(1_100));
    assert_eq!(first(&stage), hash(10));
    assert_eq!(stage.state.table.cursor(), Some(hash(11)));
    assert_eq!(stage.state.table.position(), Some(2));
}

#[test]
fn the_cursor_takes_the_row_that_came_into_its_place() {
    let mut stage = Stage::full((80, 24));
    stage.keys("j j");
    let global = Arc::new(GlobalStats::default());
    stage.tell(Message::Stats(Changes { seq: 3, changed: vec![], removed: vec![hash(10)], global }));
    assert_eq!(stage.state.table.cursor(), Some(hash(9)));
}

#[test]
fn the_log_asks_only_for_what_it_shows() {
    let mut stage = Stage::full((80, 24));
    stage.keys("L / 'piece.*' Enter");
    assert_eq!(stage.effects.last(), Some(&Effect::Subscribe("piece.*".into())));
    stage.keys("/ Esc -");
    assert!(matches!(stage.effects.last(), Some(Effect::Subscribe(all)) if all.contains("peer.connected")));
}

#[test]
fn an_event_leads_to_its_torrent() {
    let mut stage = Stage::full((80, 24));
    stage.keys("/ 'debian' Enter L k k Enter .");
    assert_eq!(stage.state.table.cursor(), Some(hash(11)), "a filter that hides it gives way");
    assert!(stage.state.popups.is_empty());
}

#[test]
fn esc_peels_one_layer_and_never_leaves() {
    let mut stage = Stage::full((80, 24));
    stage.keys("Space / 'a' Enter Enter");
    stage.keys("Esc");
    assert!(!stage.state.table.filter().is_empty());
    stage.keys("Esc");
    assert!(stage.state.table.filter().is_empty() && stage.state.table.marked() == 1);
    stage.keys("Esc");
    assert_eq!(stage.state.table.marked(), 0);
    stage.keys("Esc Esc Esc");
    assert_eq!(stage.effects, []);
}

#[test]
fn ten_thousand_torrents_are_sorted_filtered_and_drawn_quickly() {
    let many = (0..10_000u32).map(|at| {
        let mut stats = torrents().remove(at as usize % 12);
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&at.to_be_bytes());
        stats.info_hash = InfoHash::new(bytes);
        stats
    });
    let mut stage = Stage::new((200, 50), many.collect());
    let start = std::time::Instant::now();
    stage.keys("s n G gg / 'iso' Enter");
    for _ in 0..20 {
        stage.rows();
    }
    // Generous, for debug builds on a busy machine; a quadratic step would take minutes.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let letters = "abcdefghjklnpqrstuvwxyzGLPRSVF123456789[]*?/. +-";
    let code = prop_oneof![
        6 => prop::sample::select(letters.chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        1 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up,
            KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Home, KeyCode::End, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Delete, KeyCode::Backspace, KeyCode::F(1),
        ]),
        1 => any::<char>().prop_map(KeyCode::Char),
    ];
    let modifiers = prop_oneof![
        9 => Just(KeyModifiers::NONE),
        1 => Just(KeyModifiers::CONTROL),
    ];
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn no_keys_at_any_size_panic_or_leave_the_screen(
        sizes in prop::collection::vec((1u16..=500, 1u16..=200), 1..3),
        keys in prop::collection::vec(any_key(), 0..40),
        ascii in any::<bool>(),
        empty in any::<bool>(),
        pasted in ".{0,40}",
    ) {
        let list = if empty { Vec::new() } else { torrents() };
        let mut stage = Stage::new(sizes[0], list);
        stage.state.look.ascii = ascii;
        stage.tell(Message::Deliveries(deliveries()));
        for (at, key) in keys.iter().enumerate() {
            stage.press(*key);
            if at % 10 == 9 {
                stage.tell(Message::Paste(pasted.clone()));
                stage.tell(Message::Deliveries(deliveries()));
                stage.wait(Duration::from_millis(400));
                stage.rows();
            }
        }
        for (columns, height) in sizes {
            stage.tell(Message::Resize(columns, height));
            let drawn = stage.rows();
            prop_assert!(!ascii || drawn.iter().all(|row| row.is_ascii()));
        }
    }

    #[test]
    fn every_small_size_is_drawn(columns in 1u16..90, height in 1u16..26, keys in prop::collection::vec(any_key(), 0..6)) {
        let mut stage = Stage::full((columns, height));
        for key in keys {
            stage.press(key);
        }
        stage.rows();
    }
}
