//! A magnet whose metadata is fetched runs like any other torrent.

use std::sync::Arc;

use tc_core::stats::Detail;

use crate::message::{Effect, Message};
use crate::testing::{Stage, magnets};

#[test]
fn a_magnet_is_paused_and_its_trackers_are_asked() {
    let (all, first) = (magnets(), magnets()[0].info_hash);
    let asked = |keys: &str| {
        let mut stage = Stage::new((80, 24), all.clone());
        stage.keys(keys);
        stage.effects
    };
    assert_eq!(asked("p"), [Effect::Pause(vec![first])]);
    assert_eq!(asked("R"), [Effect::Announce(vec![first])]);
    let mut fetched = vec![first, all[1].info_hash];
    fetched.sort_unstable();
    assert_eq!(asked("P p"), [Effect::Pause(fetched)]);
    assert_eq!(asked("c"), [], "it has no data yet");
    assert_eq!(asked("* c"), [Effect::Recheck(vec![all[2].info_hash])]);
}

#[test]
fn a_magnet_without_peers_is_not_said_to_rest() {
    let mut all = magnets();
    (all[0].leechers, all[0].known_peers, all[0].connecting_peers) = (0, 0, 0);
    let first = all[0].info_hash;
    let mut stage = Stage::new((80, 24), all);
    stage.keys("Enter 3");
    stage.tell(Message::Detail(first, Arc::new(Detail::Peers(Vec::new()))));
    let rows = stage.rows();
    assert!(rows.iter().any(|row| row.contains("No peers are known yet")), "{rows:#?}");
}
