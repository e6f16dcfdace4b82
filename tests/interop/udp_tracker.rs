//! Ours and libtorrent find each other through a UDP tracker and nothing else (BEP 15, 41).

use crate::clients::tracker::UDP_PATH;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;

#[test]
fn a_udp_tracker_brings_us_to_libtorrent() {
    libtorrent_seeds("a_udp_tracker_brings_us_to_libtorrent", Family::V4);
}

#[test]
fn a_udp_tracker_brings_us_to_libtorrent_over_ipv6() {
    libtorrent_seeds("a_udp_tracker_brings_us_to_libtorrent_over_ipv6", Family::V6);
}

#[test]
fn a_udp_tracker_brings_libtorrent_to_us() {
    libtorrent_downloads("a_udp_tracker_brings_libtorrent_to_us", Family::V4);
}

#[test]
fn a_udp_tracker_brings_libtorrent_to_us_over_ipv6() {
    libtorrent_downloads("a_udp_tracker_brings_libtorrent_to_us_over_ipv6", Family::V6);
}

fn lab(test: &str, family: Family) -> Option<Lab> {
    let content = Content::single(3_000_001, 64 << 10, 21);
    Lab::with_tracker(test, content, family, |tracker| tracker.udp_url(family))
}

fn libtorrent_seeds(test: &str, family: Family) {
    let Some(mut lab) = lab(test, family) else { return };
    let _seed = lab.libtorrent_seed(lab::defaults());
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

fn libtorrent_downloads(test: &str, family: Family) {
    let Some(mut lab) = lab(test, family) else { return };
    let (host, mut seed) = lab.our_seed();
    let (_, mut leech) = lab.libtorrent("leech", lab::defaults());
    leech.wait_seeding(&lab.info_hash, lab::transfer());
    lab.assert_same("leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
    let stopped = lab.tracker.wait(&host, lab::ready(), |announce| announce.said == "stopped");
    assert_eq!(stopped.by, "udp");
}
