//! What `u` takes back, and what `y` copies in the tabs.

use tc_core::settings::Setting;

use super::{check, hash};
use crate::message::Effect;
use crate::testing::Stage;

/// Presses keys and lists what was asked of the engine, but for what it is to gather.
fn asked(keys: &str) -> Vec<Effect> {
    let mut stage = Stage::full((80, 24));
    stage.keys(keys);
    stage.effects.retain(|effect| !matches!(effect, Effect::Watch(_)));
    stage.effects.clone()
}

#[test]
fn priorities_pauses_and_moves_are_taken_back_once() {
    // A folder of two files, one of them skipped.
    let mixed = asked("Enter 2 j j j j Space");
    let [Effect::Set(_, Setting::Files { files, .. })] = mixed.as_slice() else { panic!("{mixed:?}") };
    let back = asked("Enter 2 j j j j Space u u");
    assert!(back.len() > 1 && back[0] == mixed[0], "{back:?}");
    let restored = back[1..].iter().flat_map(|effect| match effect {
        Effect::Set(_, Setting::Files { files, .. }) => files.clone(),
        other => panic!("{other:?}"),
    });
    let mut restored: Vec<_> = restored.collect();
    restored.sort_unstable();
    assert_eq!(restored, *files);

    let pause = || Effect::Pause(vec![hash(12)]);
    let resume = || Effect::Resume(vec![hash(12)]);
    check("p u u", &[pause(), resume()]);
    check("p 16000ms u", &[pause()]);
    assert!(
        matches!(asked("P p u P r").as_slice(), [Effect::Pause(all), Effect::Resume(again)] if all == again)
    );
    let moved = asked("m ^U '/there' Enter u");
    let [Effect::Move { to, .. }, Effect::Move { torrents, to: back }] = moved.as_slice() else {
        panic!("{moved:?}")
    };
    assert_eq!((to.as_str(), torrents.as_slice()), ("/there", &[hash(12)][..]));
    assert_ne!(back, "/there");
}

#[test]
fn what_was_done_last_is_taken_back_first() {
    let pause = || Effect::Pause(vec![hash(12)]);
    let resume = || Effect::Resume(vec![hash(12)]);
    // Removing pauses what runs; that is taken back with it.
    check(
        "p 1000ms j d y 1000ms u u",
        &[pause(), Effect::Pause(vec![hash(11)]), Effect::Resume(vec![hash(11)]), resume()],
    );
    check(
        "j d y 1000ms k p u u",
        &[Effect::Pause(vec![hash(11)]), pause(), resume(), Effect::Resume(vec![hash(11)])],
    );
}

#[test]
fn rows_of_tabs_are_copied_at_once() {
    let copied = |keys: &str| {
        let effects = asked(keys);
        let [Effect::Copy(text)] = effects.as_slice() else { panic!("{keys}: {effects:?}") };
        text.clone()
    };
    assert!(copied("Enter 4 y").contains("://"), "a URL");
    assert!(copied("Enter 3 y").parse::<std::net::SocketAddr>().is_ok(), "an address");
    let path = copied("Enter 2 j j y");
    assert!(path.starts_with('/') && path.matches('/').count() > 1, "{path}");
    assert_eq!(asked("Enter 1 y n").len(), 1, "elsewhere a menu asks");
}
