//! Trackers that a person changes, what they are told, and whom we call for them.

use super::bench::{Bench, SECOND};
use super::*;
use crate::error::Error;
use crate::session::actor::{Discovery, Input, Phase};
use crate::session::control::{Orders, Wish};
use crate::stats::PeerSource;
use crate::tracker::{AnnounceError, AnnounceEvent, AnnounceReply, TrackerEdit};
use crate::untrusted::Untrusted;

/// As `http://a/announce` in tiers of one each.
fn urls(session: &Session) -> Vec<String> {
    session.trackers().iter().map(|known| format!("{} {}", known.tier, known.url.raw())).collect()
}

fn add(url: &str) -> TrackerEdit {
    TrackerEdit::Add { tier: None, url: url.into() }
}

#[test]
fn what_a_person_lets_a_tracker_do_is_kept_and_lets_no_peers_go() {
    let mut bench = Bench::with_torrent(|metainfo| {
        metainfo.private = true;
        metainfo.trackers = vec![vec!["https://127.0.0.1:1/announce".into()]];
    });
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    let link = bench.link("11.0.0.1:1", false);
    let filed = bench.actor.trackers.list()[0].id;
    let any = |any| TrackerEdit::AnyCertificate { tracker: filed, any };
    bench.actor.edit_trackers(bench.now, vec![any(true)]);
    assert!(bench.actor.links.contains_key(&link), "the trackers are the same");
    let record = || bench.shared.store().unwrap().posted(&bench.torrent.info_hash()).unwrap();
    assert_eq!(record().trust.any_certificate, ["https://127.0.0.1:1/announce".into()]);
    assert!(record().trust.named.is_empty());
    bench.actor.edit_trackers(bench.now, vec![any(false), add("http://127.0.0.1:2/t.php?passkey=x")]);
    let record = || bench.shared.store().unwrap().posted(&bench.torrent.info_hash()).unwrap();
    assert_eq!(record().trust.named, ["http://127.0.0.1:2/t.php?passkey=x".into()]);
    assert!(record().trust.any_certificate.is_empty());
    let stats = bench.actor.trackers.stats(bench.now, crate::types::UnixTime::now());
    assert!(!stats[0].any_certificate);
}

#[test]
fn a_persons_trackers_outlive_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(100_000);
    let first = engine(dir.path(), 31);
    let mut metainfo = torrent(&content, 5);
    metainfo.trackers = vec![vec!["http://127.0.0.1:1/file/announce".into()]];
    let session = first.add_metainfo(metainfo, AddOptions { paused: true, ..AddOptions::default() }).unwrap();
    session.edit_trackers(add("udp://127.0.0.1:2/announce")).unwrap();
    wait("the change", || session.trackers().len() == 2);
    let file = session.trackers()[0].id;
    session.edit_trackers(TrackerEdit::Remove { tracker: file }).unwrap();
    session.edit_trackers(add("http://127.0.0.1:3/0123456789abcdef0123456789abcdef/announce")).unwrap();
    let want =
        ["0 udp://127.0.0.1:2/announce", "1 http://127.0.0.1:3/0123456789abcdef0123456789abcdef/announce"];
    wait("the list", || urls(&session) == want);
    assert!(matches!(session.edit_trackers(add("ftp://t/announce")), Err(Error::Tracker(_))));
    first.shutdown();
    let again = engine(dir.path(), 31);
    assert_eq!(urls(&again.all()[0]), want);
    // What is masked on the screen stays as it is.
    let keyed = again.all()[0].trackers()[1].id;
    let edit = TrackerEdit::Replace { tracker: keyed, url: "https://127.0.0.1:4/…/announce".into() };
    again.all()[0].edit_trackers(edit).unwrap();
    let moved = "1 https://127.0.0.1:4/0123456789abcdef0123456789abcdef/announce";
    wait("the correction", || urls(&again.all()[0])[1] == moved);
    again.shutdown();
}

#[test]
fn trackers_of_a_torrent_that_is_added_again_can_be_merged_unless_it_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 32);
    let content = content(100_000);
    let named = |names: &[&str], private| {
        let mut metainfo = torrent(&content, 5);
        metainfo.private = private;
        metainfo.trackers = names.iter().map(|name| vec![Untrusted::new(*name)]).collect();
        metainfo
    };
    let paused = || AddOptions { paused: true, ..AddOptions::default() };
    let session = manager.add_metainfo(named(&["http://127.0.0.1:1/announce"], false), paused()).unwrap();
    let other = named(&["http://127.0.0.1:1/announce", "nonsense", "udp://127.0.0.1:2"], false);
    assert_eq!(session.new_trackers(&other), [[Untrusted::new("udp://127.0.0.1:2")]]);
    session.edit_trackers(TrackerEdit::Merge { tiers: session.new_trackers(&other) }).unwrap();
    wait("the merge", || urls(&session) == ["0 http://127.0.0.1:1/announce", "1 udp://127.0.0.1:2"]);
    assert!(session.new_trackers(&other).is_empty());
    manager.remove_torrent(&session.info_hash(), RemoveData::Keep).unwrap();
    let session = manager.add_metainfo(named(&["http://127.0.0.1:1/announce"], true), paused()).unwrap();
    assert!(session.new_trackers(&other).is_empty(), "its peers come from its own trackers only");
    manager.shutdown();
}

/// An actor that runs, with these trackers.
fn tracked(private: bool, trackers: &[&str]) -> Bench {
    let mut bench = Bench::with_torrent(|metainfo| {
        metainfo.private = private;
        metainfo.trackers = trackers.iter().map(|url| vec![Untrusted::new(*url)]).collect();
    });
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    // What is due is sent.
    bench.sleep(SECOND);
    bench
}

/// The tracker answers with these peers.
fn answers(bench: &mut Bench, event: AnnounceEvent, peers: &[&str]) {
    let tracker = bench.actor.trackers.list()[0].id;
    let reply = AnnounceReply {
        peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(),
        interval: Duration::from_secs(1_800),
        external_ip: Some([11, 0, 0, 9].into()),
        ..AnnounceReply::default()
    };
    bench.turn(Input::Discovery(Discovery::Announced { tracker, event, moved: 0, result: Ok(reply) }));
}

#[test]
fn a_private_torrent_lets_the_peers_of_its_old_trackers_go() {
    for private in [true, false] {
        let mut bench = tracked(private, &["http://127.0.0.1:1/announce"]);
        answers(&mut bench, AnnounceEvent::Started, &["11.0.0.1:1", "11.0.0.2:2"]);
        bench.actor.pool.learn(bench.now, "11.0.0.3:3".parse().unwrap(), PeerSource::Manual);
        bench.link("11.0.0.4:4", false);
        let orders = Orders { trackers: vec![add("http://127.0.0.1:2/announce")], ..Orders::default() };
        bench.turn(Input::Orders(orders));
        assert_eq!(bench.actor.links.is_empty(), private);
        bench.sleep(SECOND);
    }
}

#[test]
fn what_this_torrent_was_told_is_told_to_no_other_tracker_than_its_own() {
    let mut bench = tracked(true, &["http://127.0.0.1:1/announce"]);
    let orders = Orders { trackers: vec![add("http://127.0.0.1:2/announce")], ..Orders::default() };
    bench.turn(Input::Orders(orders));
    let urls: Vec<_> = bench.actor.trackers.list().iter().map(|known| known.url.raw().to_owned()).collect();
    assert_eq!(urls, ["http://127.0.0.1:1/announce", "http://127.0.0.1:2/announce"]);
    // One at a time: the second is not asked while the first may answer.
    assert!(bench.actor.trackers.due(bench.now).is_empty());
}

#[test]
fn trackers_that_name_us_do_not_make_us_call_ourselves() {
    let mut bench = tracked(false, &["http://127.0.0.1:1/announce"]);
    bench.shared.pretend_port(6_881);
    answers(&mut bench, AnnounceEvent::Started, &["11.0.0.9:6881", "11.0.0.9:6882", "11.0.0.8:6881"]);
    assert_eq!(bench.actor.pool.known(), 2, "another user of our address is no stranger");
}

#[test]
fn a_torrent_that_starts_again_counts_from_nothing() {
    let mut bench = tracked(false, &["http://127.0.0.1:1/announce"]);
    answers(&mut bench, AnnounceEvent::Started, &[]);
    bench.actor.totals.run_downloaded = 100_000;
    bench.actor.totals.run_corrupt = 30_000;
    let said = |bench: &mut Bench| {
        let params = bench.actor.announce_params(AnnounceEvent::Regular);
        (params.downloaded, params.corrupt)
    };
    assert_eq!(said(&mut bench), (70_000, 30_000));
    bench.actor.totals.run_corrupt = 60_000;
    assert_eq!(said(&mut bench), (70_000, 60_000), "what was said is not taken back");
    bench.wish(Wish::Pause);
    bench.wish(Wish::Run);
    assert_eq!(said(&mut bench), (0, 0));
}

#[test]
fn another_port_is_told() {
    let mut bench = tracked(false, &["http://127.0.0.1:1/announce"]);
    answers(&mut bench, AnnounceEvent::Started, &[]);
    bench.turn(Input::Moved);
    let asking = bench.actor.trackers.stats(bench.now, crate::types::UnixTime(0));
    assert_eq!(asking[0].state, crate::stats::TrackerState::Announcing);
}

#[test]
fn a_torrent_that_its_tracker_does_not_know_says_so() {
    let mut bench = tracked(false, &["http://127.0.0.1:1/0123456789abcdef/announce"]);
    let tracker = bench.actor.trackers.list()[0].id;
    let refused =
        AnnounceError::Refused { reason: "unregistered torrent of 0123456789abcdef".into(), retry: None };
    bench.turn(Input::Discovery(Discovery::Announced {
        tracker,
        event: AnnounceEvent::Started,
        moved: 0,
        result: Err(refused),
    }));
    bench.sleep(SECOND);
    let shown = bench.actor.snapshot(bench.now).unregistered;
    assert_eq!(shown.as_ref().map(Untrusted::raw), Some("unregistered torrent of …"));
}
