//! Behaviour of the whole screen: what must never happen, and what must cost nothing.

mod corpus;
mod fetches;
mod magnets;
mod queue;
mod run;
mod undo;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::style::Color;
use tc_core::event::{Delivery, Event, Tagged};
use tc_core::settings::{Encryption, GlobalSetting, Priority, SeedLimit, Setting};
use tc_core::stats::{Changes, Detail, DetailKind, GlobalStats, SessionState, SessionStats};
use tc_core::types::InfoHash;

use crate::message::{Answer, Effect, Message};
use crate::state::popup::Popup;
use crate::state::sort::SortKey;
use crate::testing::{Stage, Work, deliveries, rows, torrents, work};
use crate::theme::{Background, Depth, Theme};

fn hash(at: u8) -> InfoHash {
    InfoHash::new([at; 20])
}

fn stats(stage: &mut Stage, changed: Vec<SessionStats>) {
    let global = stage.state.global.clone();
    let changed = changed.into_iter().map(Arc::new).collect();
    stage.tell(Message::Stats(Changes { seq: 2, changed, global, ..Changes::default() }));
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
fn a_check_asks_where_it_stops_a_transfer() {
    check("c", &[]);
    check("c n", &[]);
    check("c Enter", &[]);
    check("c y", &[Effect::Recheck(vec![hash(12)])]);
    check("Space Space c y", &[Effect::Recheck(vec![hash(12), hash(11)])]);
    check("G k k c", &[Effect::Recheck(vec![hash(3)])]);
}

#[test]
fn data_is_moved_where_the_dialog_says() {
    let to = |torrents: &[u8], to: &str| Effect::Move {
        torrents: torrents.iter().map(|at| hash(*at)).collect(),
        to: to.to_owned(),
    };
    check("m Esc", &[]);
    check("m Enter", &[to(&[12], "/srv/dl/video")]);
    check("Space Space m '/new' Enter", &[to(&[12, 11], "/srv/dl/video/new")]);
    check("m ^U Enter Esc", &[]);
    let ask = |text: &str| Effect::Complete { text: text.to_owned(), folders_only: true };
    let mut stage = Stage::full((80, 24));
    stage.keys("m ^U '/srv/' Tab");
    assert_eq!(stage.effects, [ask("/srv/")]);
    let candidates = ["/srv/dla/", "/srv/dlb/"].map(str::to_owned).to_vec();
    let answer = Answer::Completions { text: "/srv/".into(), candidates, free: Some(7) };
    stage.tell(Message::Answer(answer));
    // The first Enter takes what is chosen in the list, the second one moves.
    stage.keys("Tab Down Enter");
    assert_eq!(stage.effects.len(), 1);
    stage.keys("Enter");
    assert_eq!(stage.effects[1], to(&[12], "/srv/dlb/"));
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
fn a_bell_rings_once_for_what_ends_before_the_eyes() {
    let bells = |stage: &Stage| stage.effects.iter().filter(|effect| **effect == Effect::Bell).count();
    let ends = |stats: &SessionStats| {
        let mut ended = stats.clone();
        (ended.have, ended.state) = (ended.wanted, SessionState::Seeding);
        ended
    };
    let list = torrents();
    let mut stage = Stage::full((80, 24));
    assert_eq!(bells(&stage), 0, "what is there from the start is no news");
    let checked = list.iter().find(|stats| stats.state == SessionState::Checking).unwrap();
    stats(&mut stage, vec![ends(checked)]);
    assert_eq!(bells(&stage), 0, "found complete");
    stats(&mut stage, vec![ends(&list[0]), ends(&list[1])]);
    assert_eq!(bells(&stage), 1, "two together");
    stats(&mut stage, vec![ends(&list[2])]);
    assert_eq!(bells(&stage), 1, "soon after");
    stage.wait(Duration::from_secs(3));
    stats(&mut stage, vec![ends(&list[0])]);
    assert_eq!(bells(&stage), 1, "the same again");
    let mut failed = list[3].clone();
    failed.state = SessionState::Error;
    stats(&mut stage, vec![failed]);
    assert_eq!(bells(&stage), 2, "a bad end");
    assert!(stage.state.dirty, "it goes out with a frame");
}

#[test]
fn ctrl_z_asks_before_it_stops_the_transfers() {
    check("^Z Esc", &[]);
    check("^Z y ^Z j", &[]);
    check("^Z z", &[Effect::Suspend]);
    check("d ^Z z Esc", &[Effect::Suspend]);
    let mut stage = Stage::full((80, 24));
    stage.state.job_control = false;
    stage.keys("^Z z");
    assert_eq!(stage.effects, [], "nobody would bring it back");
}

/// What the footer says after these keys.
fn check_says(stage: &mut Stage, keys: &str, want: &str) {
    stage.keys(keys);
    let last = stage.rows().pop().unwrap();
    assert!(last.starts_with(want), "{keys}: {last}");
}

#[test]
fn trackers_are_asked_added_edited_moved_and_removed() {
    use tc_core::tracker::TrackerEdit as E;
    let ids: Vec<_> = match crate::testing::detail(DetailKind::Trackers) {
        Detail::Trackers(trackers, _) => trackers.iter().map(|tracker| tracker.id).collect(),
        _ => unreachable!("trackers were asked for"),
    };
    let asked = |keys: &str, private: bool| {
        let mut list = torrents();
        list[0].private = private;
        let mut stage = Stage::new((80, 24), list);
        stage.keys(&format!("Enter 4 {keys}"));
        stage.effects
    };
    let edits = |keys: &str, want: Option<E>| {
        let want: Vec<_> = want.into_iter().map(|edit| Effect::EditTrackers(hash(12), edit)).collect();
        assert_eq!(asked(keys, false), want, "{keys}");
        // A private torrent asks before each change.
        if !keys.contains('d') {
            assert_eq!(asked(keys, true), [], "{keys}");
            assert_eq!(asked(&format!("{keys} n"), true), [], "{keys}");
            assert_eq!(asked(&format!("{keys} y"), true), want, "{keys}");
        }
    };
    let certificate = |any| Effect::EditTrackers(hash(12), E::AnyCertificate { tracker: ids[2], any });
    assert_eq!(asked("C", false), [], "it has none");
    assert_eq!(asked("G C", false), [certificate(false)], "a person let it have any");
    assert_eq!(asked("R", false), [Effect::AnnounceTo(hash(12), ids[0])]);
    assert_eq!(asked("j R", false), [], "it is of a kind that is not asked");
    edits("a 'udp://t:1/a' Enter", Some(E::Add { tier: None, url: "udp://t:1/a".into() }));
    edits("a 'udp://t/a' Enter", None);
    edits("a 'udp://t:1/a' Esc", None);
    edits(
        "j j e '?x=…' Enter",
        Some(E::Replace { tracker: ids[2], url: "https://old.example.net/announce?x=…".into() }),
    );
    edits("j j J", Some(E::Later { tracker: ids[2] }));
    edits("j K", Some(E::Earlier { tracker: ids[1] }));
    edits("j d", None);
    edits("j d Esc", None);
    edits("j d Enter", None);
    edits("j d y", Some(E::Remove { tracker: ids[1] }));
    // One that is added again from a file that names more is asked about.
    let mut stage = Stage::full((80, 24));
    let tiers = vec![vec!["udp://t:1".into(), "udp://t:2".into()]];
    let answer = Answer::Added { info_hash: hash(12), already_here: true, more_trackers: tiers.clone() };
    stage.tell(Message::Answer(answer));
    assert!(stage.rows().iter().any(|row| row.contains("Already here: add 2 trackers?")));
    stage.keys("y");
    assert_eq!(stage.effects, [Effect::EditTrackers(hash(12), E::Merge { tiers })]);
    // In the other tabs the same keys do what they do everywhere.
    let mut stage = Stage::full((80, 24));
    stage.keys("Enter 3 R");
    assert_eq!(stage.effects, [Effect::Announce(vec![hash(12)])]);
}

#[test]
fn files_are_wanted_and_skipped_one_by_one_and_by_folder() {
    let check = |keys: &str, files: &[u32], priority: Priority| {
        let mut stage = Stage::full((80, 24));
        stage.keys(&format!("Enter 2 {keys}"));
        let torrent = stage.state.table.cursor().expect("a torrent");
        let set = Effect::Set(vec![torrent], Setting::Files { files: files.to_vec(), priority });
        assert!(stage.effects.contains(&set), "{keys}: {:?}", stage.effects);
    };
    // The root, Subtitles, two in it, Making of, two in it, then three files.
    check("Space", &[0, 1, 2, 3, 4, 5, 6], Priority::Skip);
    check("j Space", &[0, 1], Priority::Skip);
    check("j j j j Space", &[2, 3], Priority::Normal);
    check("j j +", &[0], Priority::High);
    check("j j -", &[0], Priority::Low);
    check("G -", &[6], Priority::Skip);
    check("G k k -", &[4], Priority::Normal);
    // Each by one step; what is skipped stays so, unless all is.
    check("+", &[0, 1, 5], Priority::High);
    check("+", &[6], Priority::Normal);
    check("-", &[4], Priority::Normal);
    check("j j j j +", &[2, 3], Priority::Low);
    check("*", &[0, 1, 2, 3, 4, 5, 6], Priority::Normal);
    // Folders are shut and opened.
    check("H j j Space", &[2, 3], Priority::Normal);
    check("H E j j Space", &[0], Priority::Skip);
}

#[test]
fn e_beside_the_list_goes_to_the_limits_and_there_edits() {
    let mut stage = Stage::new((100, 30), torrents());
    stage.keys("e e '2M' Enter");
    assert!(
        matches!(stage.effects.last(), Some(Effect::Set(_, Setting::Down(Some(2_097_152))))),
        "{:?}",
        stage.effects
    );
}

#[test]
fn limits_are_typed_switched_and_reset() {
    let check = |keys: &str, want: Effect| {
        let mut stage = Stage::full((80, 24));
        stage.keys(&format!("e {keys}"));
        stage.effects.retain(|effect| matches!(effect, Effect::Set(..) | Effect::SetAll(_)));
        assert_eq!(stage.effects, [want], "{keys}");
    };
    let torrent = || vec![hash(12)];
    let all = |setting| Effect::SetAll(setting);
    check("Enter '2.5M' Enter", Effect::Set(torrent(), Setting::Down(Some(5 << 19))));
    check("e 'none' Enter", Effect::Set(torrent(), Setting::Down(None)));
    // What is there can be changed, and a wrong value is not taken until it is right.
    check("j Enter ^U '3M' Enter", Effect::Set(torrent(), Setting::Up(Some(3 << 20))));
    check("Enter 'x' Enter Backspace '1K' Enter", Effect::Set(torrent(), Setting::Down(Some(1_024))));
    check("j Backspace", Effect::Set(torrent(), Setting::Up(None)));
    check("j j Enter '80' Enter", Effect::Set(torrent(), Setting::MaxPeers(Some(80))));
    check("j j j Enter '0' Enter", Effect::Set(torrent(), Setting::UploadSlots(Some(0))));
    check("j j Backspace", Effect::Set(torrent(), Setting::MaxPeers(None)));
    check("j j j j Enter '1.5' Enter", Effect::Set(torrent(), Setting::SeedRatio(SeedLimit::At(1_500))));
    check("j j j j j Enter 'never' Enter", Effect::Set(torrent(), Setting::SeedTime(SeedLimit::Never)));
    check("j j j j Backspace", Effect::Set(torrent(), Setting::SeedRatio(SeedLimit::Inherit)));
    check("G k k k Enter '1d12h' Enter", all(GlobalSetting::SeedTime(Some(129_600))));
    check("j j j j j j j j Space", Effect::Set(torrent(), Setting::Sequential(true)));
    check("j j j j j j j j j Enter", Effect::Set(torrent(), Setting::EndsFirst(true)));
    check("j j j j j j j j j j Backspace", all(GlobalSetting::Down(None)));
    check("j j j j j j j j j j j Enter ^U '7M' Enter", all(GlobalSetting::Up(Some(7 << 20))));
    check("G k k k k k k k k Space", all(GlobalSetting::UseAlternative(true)));
    check("G k k k k k Enter ^U '40' Enter", all(GlobalSetting::UploadSlots(40)));
    check("G k k k k k k Enter ^U '0' Enter ^U '9' Enter", all(GlobalSetting::MaxPeers(9)));
    check("G k k k k k k k Backspace", all(GlobalSetting::MaxConnections(500)));
    check("T", all(GlobalSetting::UseAlternative(true)));
    let mut stage = Stage::full((80, 24));
    stage.keys("e Enter '5M' Esc");
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::Set(..))), "Esc takes nothing");
    // Three words, one after the other; what none was chosen for is `prefer`.
    check("G Space", Effect::SetAll(GlobalSetting::Encryption(Encryption::Require)));
    check("G Backspace", Effect::SetAll(GlobalSetting::Encryption(Encryption::Prefer)));
}

#[test]
fn a_key_that_can_do_nothing_says_why() {
    let full = || Stage::full((80, 24));
    check_says(&mut full(), "x", "x does nothing here; ? shows the keys");
    check_says(&mut full(), "L p", "p: pause or resume, in the torrent pane");
    check_says(&mut full(), "u", "u: nothing to undo");
    check_says(&mut full(), "Esc", "nothing is open; q quits");
    check_says(&mut full(), "G R", "R: nothing to announce");
    check_says(&mut full(), "Enter 2 j j j l", "only folders open and shut");
    check_says(&mut full(), "Enter 2 G k k +", "it is high already");
    check_says(&mut Stage::full((60, 15)), "Tab", "there is no other pane");
    check_says(&mut Stage::full((60, 15)), "z", "z: the list is alone already");
    let empty = || Stage::new((80, 24), Vec::new());
    check_says(&mut empty(), "Space", "there is no torrent to mark");
    check_says(&mut empty(), "p", "p: there is no torrent to pause");
    check_says(&mut empty(), "d", "d: there is no torrent to remove");
    check_says(&mut empty(), "Enter", "Enter: there is no torrent to open");
    check_says(&mut empty(), "L .", ".: there is no event");
    check_says(&mut empty(), "y n", "y: nothing to copy");
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
    stage.tell(Message::Answer(Answer::Added {
        info_hash: hash(1),
        already_here: false,
        more_trackers: Vec::new(),
    }));
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
        // The graphs have reached the other end: nothing more comes in on their right than leaves.
        (0..61).for_each(|_| stage.wait(Duration::from_secs(5)));
        stage.state.dirty = false;
        stats(&mut stage, torrents());
        stage.wait(Duration::from_secs(60));
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
fn an_idle_engine_asks_for_no_frame_from_the_start() {
    let mut quiet = torrents();
    for stats in &mut quiet {
        (stats.rate_down, stats.rate_up) = (0, 0);
    }
    for size in [(60, 15), (80, 24), (120, 40), (200, 50)] {
        let mut stage = Stage::new(size, quiet.clone());
        stage.state.global = Arc::default();
        stage.state.dirty = false;
        for _ in 0..120 {
            stats(&mut stage, quiet.clone());
            stage.wait(Duration::from_millis(500));
        }
        assert!(!stage.state.dirty, "{size:?}");
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
fn what_was_added_gets_the_cursor() {
    let mut stage = Stage::new((80, 24), torrents().into_iter().skip(1).collect());
    stage.keys("a '/a.torrent' Enter");
    stage.tell(Message::Answer(Answer::Added {
        info_hash: hash(12),
        already_here: false,
        more_trackers: Vec::new(),
    }));
    assert!(stage.state.popups.is_empty());
    stats(&mut stage, vec![torrents().remove(0)]);
    assert_eq!(stage.state.table.cursor(), Some(hash(12)));
    stage.wait(Duration::from_secs(2));
    assert_eq!(stage.state.table.position(), Some(0));
}

#[test]
fn a_refused_removal_comes_back() {
    let mut stage = Stage::full((80, 24));
    stage.keys("d y 15000ms");
    assert_eq!(stage.state.table.len(), 11);
    let why = "the engine is shutting down".to_owned();
    stage.tell(Message::Answer(Answer::NotRemoved { torrents: vec![hash(12)], why }));
    assert_eq!(stage.state.table.len(), 12);
}

#[test]
fn colours_mean_what_the_glyphs_say() {
    let mut stage = Stage::full((80, 24));
    stage.state.look.theme = Theme::new(Depth::Ansi256, Background::Dark);
    stage.keys("j");
    let buffer = stage.buffer();
    // Header and heading, then the rows: the cursor is on the second, the error is the twelfth.
    assert!((0..80).all(|x| buffer[(x, 3)].bg == Color::Indexed(237)), "the whole row of the cursor");
    assert_eq!(buffer[(0, 3)].symbol(), ">");
    assert!((0..80).all(|x| buffer[(x, 2)].bg == Color::Reset), "no other background");
    assert_eq!((buffer[(1, 13)].symbol(), buffer[(1, 13)].fg), ("!", Color::Indexed(210)));
    assert_eq!((buffer[(1, 2)].symbol(), buffer[(1, 2)].fg), ("↓", Color::Indexed(75)));
    assert_eq!((buffer[(1, 7)].symbol(), buffer[(1, 7)].fg), ("↑", Color::Indexed(179)));
}

#[test]
fn the_cursor_takes_the_row_that_came_into_its_place() {
    let mut stage = Stage::full((80, 24));
    stage.keys("j j");
    let global = Arc::new(GlobalStats::default());
    stage.tell(Message::Stats(Changes { seq: 3, removed: vec![hash(10)], global, ..Changes::default() }));
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
fn the_event_strip_says_a_word_once() {
    let mut stage = Stage::new((200, 50), torrents());
    let event = Event::SessionStarted { state: SessionState::Downloading, message: "started".into() };
    let tagged = Tagged { time: SystemTime::UNIX_EPOCH, info_hash: Some(hash(10)), event: Arc::new(event) };
    stage.tell(Message::Deliveries(vec![Delivery::Event(tagged)]));
    let screen = stage.rows().join("\n");
    assert!(screen.contains("started") && !screen.contains("started: started"), "{screen}");
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
fn ten_thousand_torrents_cost_no_more_than_what_is_seen() {
    const MANY: u32 = 10_000;
    let list: Vec<_> = (0..MANY)
        .map(|at| {
            let mut stats = torrents().remove(at as usize % 12);
            let mut bytes = [0; 20];
            bytes[..4].copy_from_slice(&at.to_be_bytes());
            stats.info_hash = InfoHash::new(bytes);
            stats
        })
        .collect();
    let mut stage = Stage::new((200, 50), list.clone());
    let seen = stage.state.panes.areas().table_rows();
    work();
    stage.rows();
    assert_eq!(work(), Work { rows: seen, compared: 0, filtered: 0 }, "a frame");
    // Moving, marking and looking touch no row that is not seen.
    for keys in ["j", "^D", "G", "k", "gg", "Space", "2", "Tab", "BackTab", "d Esc", "? Esc", "p"] {
        stage.keys(keys);
        let did = work();
        assert_eq!((did.compared, did.filtered), (0, 0), "{keys}");
    }
    // Nothing new, nothing to do.
    stats(&mut stage, Vec::new());
    stage.wait(Duration::from_millis(500));
    assert_eq!(work(), Work::default());
    // Each of these goes over the list once.
    let once = MANY as usize;
    stage.keys("/ 'iso'");
    let did = work();
    assert!(did.filtered <= 3 * once, "once for each letter: {did:?}");
    stage.keys("Esc");
    work();
    stage.wait(Duration::from_secs(2));
    let mut moved = list[7].clone();
    moved.rate_up += 1 << 20;
    stats(&mut stage, vec![moved]);
    let did = work();
    assert!(did.filtered <= once, "{did:?}");
    // A sort of what is in order already takes one look at each pair of neighbours, and few more.
    assert!(did.compared <= once * 16, "{did:?}");
}

#[test]
fn hostile_text_reaches_no_cell() {
    const HOSTILE: &str = "a\u{1b}]52;c;x\u{7}\u{9b}2J\u{202e}b\u{200b}\r\n\u{e0041}";
    let list = torrents().into_iter().map(|mut stats| {
        stats.name = HOSTILE.into();
        stats.message = Some(HOSTILE.into());
        stats.tracker = Some(HOSTILE.into());
        stats.save_path = HOSTILE.into();
        stats
    });
    for size in [(60, 15), (80, 24), (200, 50)] {
        let mut stage = Stage::new(size, list.clone().collect());
        let global = GlobalStats { listen_error: Some(HOSTILE.into()), ..GlobalStats::default() };
        stage.state.global = Arc::new(global);
        stage.tell(Message::Deliveries(deliveries()));
        let told = |answer| Message::Answer(answer);
        for keys in ["", "Enter 1", "2", "3", "4", "5", "Esc L", "k Enter", "Esc Esc L d", "Esc a"] {
            stage.keys(keys);
            if let Some((torrent, kind)) = stage.state.detail.watched {
                stage.tell(Message::Detail(torrent, Arc::new(crate::testing::hostile(kind, HOSTILE))));
            }
            stage.tell(told(Answer::Failed(HOSTILE.into())));
            check_harmless(&stage);
        }
        stage.tell(Message::Paste(HOSTILE.into()));
        let free = None;
        let candidates = vec![HOSTILE.into(), format!("{HOSTILE}{HOSTILE}")];
        stage.keys("Tab");
        let text = match stage.state.popups.last() {
            Some(Popup::Add(form)) => form.source.text().to_owned(),
            _ => panic!("the dialog is open"),
        };
        stage.tell(told(Answer::Completions { text, candidates, free }));
        check_harmless(&stage);
    }
}

fn check_harmless(stage: &Stage) {
    for row in stage.rows() {
        assert!(!row.contains(tc_core::untrusted::is_harmful), "{row:?}");
    }
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
