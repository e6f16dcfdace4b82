//! Room for links and for uploads, when there is too little of it; and links that hear of losses.

use std::sync::atomic::Ordering;

use super::bench::{Bench, SECOND, piece};
use super::*;
use crate::download::PeerPieces;
use crate::peer::{LinkGauge, Report};
use crate::settings::{Encryption, GlobalSetting, Setting};
use crate::stats::{LinkEncryption, PeerSource};
use crate::types::{BanReason, InfoHash, LinkId};
use crate::upload::ROUND;

fn caller(n: u8) -> SocketAddr {
    SocketAddr::from(([11, n, 0, 1], 1_000))
}

/// Links to so many peers, the one that is worth least first.
fn crowd(bench: &mut Bench, links: u8) -> Vec<LinkId> {
    let rank = bench.actor.rank();
    let mut all: Vec<_> = (0..links).map(|n| (rank(caller(n)), caller(n))).collect();
    all.sort_unstable();
    all.iter().map(|(_, address)| bench.link(&address.to_string(), false)).collect()
}

fn is_here(bench: &Bench, link: LinkId) -> bool {
    bench.actor.links.contains_key(&link)
}

fn unchoked(bench: &Bench) -> usize {
    bench.actor.links.values().filter(|entry| entry.am_unchoked).count()
}

/// A seed with eight peers, all of which are served.
fn served() -> Bench {
    let mut bench = Bench::running(true);
    let links: Vec<_> = (0..8).map(|n| bench.link(&caller(n).to_string(), false)).collect();
    for link in &links {
        bench.report(*link, Report::Interested(true));
    }
    bench.sleep(3 * ROUND);
    assert_eq!(unchoked(&bench), 8);
    bench
}

#[test]
fn a_caller_that_is_worth_more_takes_the_place_of_the_least() {
    let mut bench = Bench::running(false);
    let links = crowd(&mut bench, 20);
    let rank = bench.actor.rank();
    let mut callers: Vec<_> = (20..60).map(|n| (rank(caller(n)), caller(n))).collect();
    callers.sort_unstable();
    let worth = |link: &LinkId| rank(bench.actor.links[link].address);
    let (least, second) = (worth(&links[0]), worth(&links[1]));
    let poor = callers.iter().find(|(rank, _)| *rank < least).map(|(_, caller)| *caller);
    let rich = callers.last().filter(|(rank, _)| *rank > second).unwrap().1;
    if let Some(poor) = poor {
        assert!(!bench.actor.make_room(bench.now, poor));
    }
    assert_eq!(bench.actor.links.len(), 20);
    assert!(bench.actor.make_room(bench.now, rich));
    assert!(!is_here(&bench, links[0]) && bench.actor.links.len() == 19);
    // Who moves something stays before who does not, and whom a person named stays at all.
    LinkGauge::set(&bench.actor.links[&links[1]].gauge.rate_down, 1);
    bench.actor.links.get_mut(&links[2]).unwrap().source = PeerSource::Manual;
    bench.actor.links.values_mut().for_each(|entry| entry.since = bench.now);
    assert!(bench.actor.make_room(bench.now, rich));
    assert!(is_here(&bench, links[1]) && is_here(&bench, links[2]) && !is_here(&bench, links[3]));
}

#[test]
fn limits_of_connections_change_while_it_runs() {
    let mut bench = Bench::running(false);
    let links = crowd(&mut bench, 10);
    bench.shared.set(GlobalSetting::MaxPeers(4));
    bench.sleep(SECOND);
    assert_eq!(bench.actor.links.len(), 4);
    assert!(links[6..].iter().all(|link| is_here(&bench, *link)), "those of most worth stay");
    // Their connections count until they are closed.
    bench.actor.parting.clear();
    bench.shared.set(GlobalSetting::MaxConnections(3));
    bench.sleep(SECOND);
    assert_eq!(bench.actor.links.len(), 3);
    assert!(bench.shared.connection_permit().is_none());
}

#[test]
fn links_that_are_not_encrypted_end_when_encryption_is_required() {
    let mut bench = Bench::running(false);
    let links = crowd(&mut bench, 3);
    for (link, encryption) in
        links.iter().zip([LinkEncryption::None, LinkEncryption::Handshake, LinkEncryption::All])
    {
        bench.actor.links.get_mut(link).unwrap().encryption = encryption;
    }
    for (wanted, left) in [(Encryption::Off, 3), (Encryption::Prefer, 3), (Encryption::Require, 1)] {
        bench.shared.set(GlobalSetting::Encryption(wanted));
        bench.actor.on_global_settings(bench.now);
        assert_eq!(bench.actor.links.len(), left, "{wanted:?}");
    }
    assert!(is_here(&bench, links[2]), "it is encrypted throughout");
}

#[test]
fn a_torrent_that_has_many_links_gives_some_to_one_that_was_refused() {
    let mut bench = Bench::running(false);
    let links = crowd(&mut bench, 10);
    bench.shared.set(GlobalSetting::MaxConnections(10));
    bench.sleep(10 * SECOND);
    assert_eq!(bench.actor.links.len(), 10, "nobody needs more");
    for _ in 0..3 {
        assert!(!bench.shared.may_connect(bench.now, 0));
        bench.sleep(SECOND);
    }
    let here = |link: &LinkId| is_here(&bench, *link);
    assert!(!links[..3].iter().any(here) && links[4..].iter().all(here), "the least, one a second");
    // What becomes free is left to who is in need.
    bench.actor.parting.clear();
    assert!(!bench.shared.is_full());
    assert!(!bench.shared.may_connect(bench.now, bench.actor.links.len()));
    assert!(bench.shared.may_connect(bench.now, 0));
}

#[test]
fn idle_links_make_room_for_peers_that_wait_every_five_minutes() {
    let mut bench = Bench::running(false);
    let links = crowd(&mut bench, 50);
    bench.shared.set(GlobalSetting::MaxPeers(50));
    LinkGauge::set(&bench.actor.links[&links[0]].gauge.rate_down, 1);
    let minute = |bench: &mut Bench| {
        for _ in 0..60 {
            bench.sleep(SECOND);
        }
    };
    (0..6).for_each(|_| minute(&mut bench));
    assert_eq!(bench.actor.links.len(), 50, "nobody waits");
    bench.actor.learn(bench.now, caller(200), PeerSource::Manual);
    (0..4).for_each(|_| minute(&mut bench));
    assert_eq!(bench.actor.links.len(), 50);
    (0..2).for_each(|_| minute(&mut bench));
    let here = |link: &LinkId| is_here(&bench, *link);
    assert!(here(&links[0]) && !links[1..3].iter().any(here) && links[3..].iter().all(here));
}

#[test]
fn no_slots_any_more_is_heard_within_a_second() {
    let mut bench = Bench::running(true);
    let links: Vec<_> = (0..3).map(|n| bench.link(&caller(n).to_string(), false)).collect();
    links.iter().for_each(|link| bench.report(*link, Report::Interested(true)));
    assert!(bench.actor.links.values().all(|entry| entry.am_unchoked));
    bench.sleep(SECOND);
    bench.shared.set(GlobalSetting::UploadSlots(0));
    bench.sleep(2 * SECOND);
    assert!(!bench.actor.links.values().any(|entry| entry.am_unchoked));
    bench.shared.set(GlobalSetting::UploadSlots(100));
    bench.sleep(ROUND + SECOND);
    assert!(bench.actor.links.values().all(|entry| entry.am_unchoked));
    bench.set(&Setting::UploadSlots(Some(0)));
    bench.sleep(2 * SECOND);
    assert!(!bench.actor.links.values().any(|entry| entry.am_unchoked));
}

#[test]
fn nothing_is_fetched_from_callers_of_a_shared_address_where_three_lied() {
    let mut bench = Bench::running(false);
    for port in 40_000..40_003 {
        let liar = bench.link(&format!("192.168.1.7:{port}"), true);
        bench.report(liar, Report::Pieces(PeerPieces::All));
        assert!(bench.actor.links[&liar].am_interested, "{port}");
        bench.actor.ban(bench.now, liar, BanReason::BadPiece(piece(&bench, 0)));
        assert!(!is_here(&bench, liar));
    }
    // It calls again from another port; others there may be called, and neighbours may call.
    let again = bench.link("192.168.1.7:40009", true);
    let called = bench.link("192.168.1.7:6000", false);
    let neighbour = bench.link("192.168.1.8:40000", true);
    for link in [again, called, neighbour] {
        bench.report(link, Report::Pieces(PeerPieces::All));
        bench.report(link, Report::Interested(true));
    }
    bench.sleep(2 * SECOND);
    let wanted = [again, called, neighbour].map(|link| bench.actor.links[&link].am_interested);
    assert_eq!(wanted, [false, true, true]);
    assert!(bench.actor.links[&again].am_unchoked, "it has done nothing, and is served");
}

#[test]
fn a_torrent_may_have_fewer_links_than_others_or_more() {
    let mut bench = Bench::running(false);
    crowd(&mut bench, 10);
    bench.set(&Setting::MaxPeers(Some(4)));
    bench.sleep(SECOND);
    assert_eq!((bench.actor.links.len(), bench.actor.max_links()), (4, 4));
    bench.shared.set(GlobalSetting::MaxPeers(2));
    bench.set(&Setting::MaxPeers(Some(7)));
    bench.sleep(SECOND);
    assert_eq!((bench.actor.links.len(), bench.actor.max_links()), (4, 7));
    bench.set(&Setting::MaxPeers(None));
    bench.sleep(SECOND);
    assert_eq!((bench.actor.links.len(), bench.actor.max_links()), (2, 2));
}

#[test]
fn a_torrent_may_serve_fewer_peers_than_others() {
    let mut bench = served();
    bench.set(&Setting::UploadSlots(Some(2)));
    bench.sleep(2 * ROUND);
    assert_eq!(unchoked(&bench), 3, "two slots and the optimistic one");
    bench.set(&Setting::UploadSlots(Some(0)));
    bench.sleep(2 * ROUND);
    assert_eq!(unchoked(&bench), 0);
    bench.set(&Setting::UploadSlots(None));
    bench.sleep(2 * ROUND);
    assert_eq!(unchoked(&bench), 8);
}

#[test]
fn one_public_address_has_one_link_to_each_torrent() {
    let mut bench = Bench::running(false);
    bench.link("11.0.0.1:1", true);
    bench.link("10.0.0.1:1", true);
    let crowded = |address: &str| bench.actor.is_crowded(&address.parse().unwrap());
    assert!(crowded("11.0.0.1:2") && crowded("[::ffff:11.0.0.1]:3"));
    assert!(!crowded("11.0.0.2:1") && !crowded("10.0.0.1:2"), "many share a private one");
}

#[test]
fn upload_slots_that_other_torrents_need_are_taken_back() {
    let mut bench = served();
    // Another torrent has as many who wait, and there are four slots in all.
    bench.shared.set(GlobalSetting::UploadSlots(4));
    for _ in 0..6 {
        bench.shared.upload_slots(bench.now, InfoHash::new([0; 20]), 8, None);
        bench.sleep(ROUND);
    }
    assert_eq!(unchoked(&bench), 3, "two slots and the optimistic one");
    bench.shared.leave_slots(&InfoHash::new([0; 20]));
    bench.sleep(3 * ROUND);
    assert_eq!(unchoked(&bench), 5);
}

#[test]
fn who_can_be_told_that_a_piece_is_lost_is_told_and_who_cannot_is_let_go() {
    let mut bench = Bench::running(true);
    let all = ["11.0.0.1:1", "11.0.0.2:1", "11.0.0.3:1", "11.0.0.4:1"].map(|at| bench.link(at, false));
    let [told, fast, seed, old] = all;
    bench.actor.links.get_mut(&told).unwrap().takes_dont_have = true;
    bench.actor.links.get_mut(&fast).unwrap().fast = true;
    bench.report(seed, Report::Pieces(PeerPieces::All));
    let lost = piece(&bench, 3);
    let pieces = std::iter::once(lost);
    bench.actor.lost(pieces);
    for link in [told, fast, seed] {
        let mail = bench.mail(link);
        assert_eq!((mail.lost, mail.close, mail.upload_only), (vec![lost], None, Some(false)), "{link:?}");
    }
    assert!(bench.mail(old).close.is_some());
    // The seed has what we lack again.
    assert!(bench.actor.links[&seed].am_interested);
}

#[test]
fn a_snubbed_peer_is_given_no_more_than_the_optimistic_slot() {
    let mut bench = Bench::running(false);
    let links: Vec<_> = (0..12).map(|n| bench.link(&caller(n).to_string(), false)).collect();
    for link in &links {
        bench.report(*link, Report::Interested(true));
        LinkGauge::set(&bench.actor.links[link].gauge.rate_down, 1_000);
    }
    bench.sleep(2 * ROUND);
    let snubs = links[0];
    bench.actor.links[&snubs].gauge.snubbed.store(true, Ordering::Relaxed);
    let mut had = 0;
    for _ in 0..60 {
        bench.sleep(ROUND);
        let optimistic = bench.actor.upload.optimistic() == Some(snubs);
        assert!(optimistic || !bench.actor.links[&snubs].am_unchoked, "a regular slot");
        had += u32::from(optimistic);
    }
    assert!(had < 60, "it has the optimistic slot in turn");
}
