//! Ours and another client find each other through a UDP tracker and nothing else (BEP 15, 41).

use crate::clients::make::Make::{self, Libtorrent, Rtorrent};
use crate::clients::other::Options;
use crate::clients::tracker::UDP_PATH;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;

#[test]
fn a_udp_tracker_brings_us_to_libtorrent() {
    we_download("a_udp_tracker_brings_us_to_libtorrent", Libtorrent, Family::V4);
}

#[test]
fn a_udp_tracker_brings_us_to_libtorrent_over_ipv6() {
    we_download("a_udp_tracker_brings_us_to_libtorrent_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn a_udp_tracker_brings_us_to_rtorrent() {
    we_download("a_udp_tracker_brings_us_to_rtorrent", Rtorrent, Family::V4);
}

#[test]
fn a_udp_tracker_brings_libtorrent_to_us() {
    we_seed("a_udp_tracker_brings_libtorrent_to_us", Libtorrent, Family::V4);
}

#[test]
fn a_udp_tracker_brings_libtorrent_to_us_over_ipv6() {
    we_seed("a_udp_tracker_brings_libtorrent_to_us_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn a_udp_tracker_brings_rtorrent_to_us() {
    we_seed("a_udp_tracker_brings_rtorrent_to_us", Rtorrent, Family::V4);
}

fn lab(test: &str, make: Make, family: Family) -> Option<Lab> {
    let content = Content::single(3_000_001, 64 << 10, 21);
    Lab::with_tracker(test, &[make], content, family, |tracker| tracker.udp_url(family))
}

fn we_download(test: &str, make: Make, family: Family) {
    let Some(mut lab) = lab(test, make, family) else { return };
    let _seed = lab.other_seed(make, &Options::default());
    let (host, mut leech) = lab.ours("leech", &[]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    for said in ["started", "completed", "stopped"] {
        let announce = lab.tracker.wait(&host, lab::ready(), |announce| announce.said == said);
        assert_eq!((announce.by.as_str(), announce.url_data.as_deref()), ("udp", Some(UDP_PATH)));
        assert_eq!(announce.left == 0, said != "started", "{announce:?}");
    }
}

fn we_seed(test: &str, make: Make, family: Family) {
    let Some(mut lab) = lab(test, make, family) else { return };
    let (host, mut seed) = lab.our_seed();
    let mut leech = lab.other(make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
    let stopped = lab.tracker.wait(&host, lab::ready(), |announce| announce.said == "stopped");
    assert_eq!(stopped.by, "udp");
}
