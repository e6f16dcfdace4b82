//! Clients that go in the middle of a transfer: ours come back and go on, of others the rest goes on without them.

use serde_json::Value;

use crate::clients::make::Make::{self, Aria2, Libtorrent, Qbittorrent, Rtorrent, Transmission};
use crate::clients::other::Options;
use crate::clients::ours::Ours;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;

/// Slow enough that the middle is not missed: 4 s for all of it.
const SLOW: &str = "4M";
const SIZE: u64 = 16 << 20;

#[test]
fn we_leave_rtorrent_in_mid_download_and_come_back() {
    we_come_back("we_leave_rtorrent_in_mid_download_and_come_back", Rtorrent, 91, leave);
}

#[test]
fn we_leave_transmission_in_mid_download_and_come_back() {
    we_come_back("we_leave_transmission_in_mid_download_and_come_back", Transmission, 92, leave);
}

#[test]
fn we_crash_in_mid_download_from_aria2_and_come_back() {
    we_come_back("we_crash_in_mid_download_from_aria2_and_come_back", Aria2, 93, Ours::kill);
}

#[test]
fn we_crash_in_mid_download_from_qbittorrent_and_come_back() {
    we_come_back("we_crash_in_mid_download_from_qbittorrent_and_come_back", Qbittorrent, 94, Ours::kill);
}

/// rtorrent dials nobody again within ten minutes: it is we who dial.
#[test]
fn our_seed_crashes_under_rtorrent_and_comes_back() {
    our_seed_comes_back("our_seed_crashes_under_rtorrent_and_comes_back", Rtorrent, 95);
}

#[test]
fn our_seed_crashes_under_aria2_and_comes_back() {
    our_seed_comes_back("our_seed_crashes_under_aria2_and_comes_back", Aria2, 96);
}

fn lab(test: &str, makes: &[Make], seed: u64) -> Option<Lab> {
    Lab::new(test, makes, Content::single(SIZE, 64 << 10, seed), Family::V4)
}

fn leave(mut ours: Ours) {
    let (status, _) = ours.interrupt();
    // 128 and SIGTERM: cut short, and in order.
    assert_eq!(status.code(), Some(143), "{status}");
}

/// Downloads a third, ends in one way or the other, starts again, and completes.
fn we_come_back(test: &str, make: Make, seed: u64, end: impl FnOnce(Ours)) {
    let Some(mut lab) = lab(test, &[make], seed) else { return };
    let _seed = lab.other_seed(make, &Options::default());
    let (host, leech) = lab.ours("leech", &["--down-limit", SLOW]);
    leech.event_that("stats.update", lab::transfer(), |stats| progress(stats) > 0.3);
    end(leech);

    let mut leech = lab.ours_again(&host, "leech", &[]);
    let checked = leech.event("session.checked", lab::ready());
    let have = checked["pieces_have"].as_u64().expect("a number");
    assert!(have > 0 && have < SIZE >> 16, "{checked}");
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
}

/// Serves a third, ends without a word, starts again, and serves the rest.
fn our_seed_comes_back(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, &[make], seed) else { return };
    let (host, ours) = lab.our_seed_with(&["--up-limit", SLOW]);
    let mut leech = lab.other(make, "leech");
    let third = |stats: &Value| stats["uploaded"].as_u64().is_some_and(|bytes| bytes > SIZE / 3);
    ours.event_that("stats.update", lab::transfer(), third);
    ours.kill();

    let mut ours = lab.ours_again(&host, "seed", &["--seed-after"]);
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = ours.interrupt();
    assert!(status.success(), "{status}");
}

/// Four others around a slow seed are killed one by one; two of ours go on.
#[test]
fn others_crash_around_us() {
    let test = "others_crash_around_us";
    let makes = [Transmission, Aria2, Rtorrent, Qbittorrent];
    let Some(mut lab) = lab(test, &[&makes[..], &[Libtorrent]].concat(), 97) else { return };
    let others: Vec<_> = makes.iter().map(|make| lab.other(*make, make.name())).collect();
    let ours = ["ours1", "ours2"].map(|name| (name, lab.ours(name, &[])));
    for host in others.iter().map(|other| &other.host).chain(ours.iter().map(|(_, (host, _))| host)) {
        lab.tracker.wait(host, lab::ready(), |announce| announce.left == SIZE);
    }
    let slow = Options { upload_limit: 1 << 20, ..Options::default() };
    let _seed = lab.other_seed(Libtorrent, &slow);
    for (other, part) in others.into_iter().zip([0.1, 0.25, 0.4, 0.55]) {
        ours[0].1.1.event_that("stats.update", lab::transfer(), |stats| progress(stats) > part);
        other.kill();
    }
    for (name, (_, mut client)) in ours {
        let (status, lines) = client.wait_exit(lab::transfer());
        assert!(status.success(), "{name}: {status}: {:?}", lines.last());
        lab.assert_same(name);
    }
}

fn progress(stats: &Value) -> f64 {
    stats["progress"].as_f64().expect("a number")
}
