//! Ours and other clients find each other through the DHT and nothing else (BEP 5, 32, 42).
//!
//! Each node has a /24 and a /64 of its own, and addresses that look public. A crowd of nodes of ours, engines
//! in this process, makes the DHT; nobody has a tracker.

use crate::clients::make::Make::{self, Libtorrent, Transmission};

use crate::clients::ours::Ours;
use crate::crowd::Crowd;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;

/// transmission searches only where it knows more than eight nodes, four of them good.
const CROWD: usize = 12;

#[test]
fn the_dht_brings_us_to_libtorrent() {
    we_download("the_dht_brings_us_to_libtorrent", Libtorrent, Family::V4);
}

#[test]
fn the_dht_brings_us_to_libtorrent_over_ipv6() {
    we_download("the_dht_brings_us_to_libtorrent_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn the_dht_brings_us_to_transmission() {
    we_download("the_dht_brings_us_to_transmission", Transmission, Family::V4);
}

#[test]
fn the_dht_brings_libtorrent_to_us() {
    we_seed("the_dht_brings_libtorrent_to_us", Libtorrent, Family::V4);
}

#[test]
fn the_dht_brings_libtorrent_to_us_over_ipv6() {
    we_seed("the_dht_brings_libtorrent_to_us_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn the_dht_brings_transmission_to_us() {
    we_seed("the_dht_brings_transmission_to_us", Transmission, Family::V4);
}

#[test]
fn nodes_of_the_last_run_are_there_after_a_restart() {
    let test = "nodes_of_the_last_run_are_there_after_a_restart";
    let Some((mut lab, crowd)) = lab(test, &[], Family::V4) else { return };
    let first = crowd.first();
    let (host, mut ours) = lab.ours("leech", &["--dht-bootstrap", &first]);
    let enough = |event: &serde_json::Value| event["nodes"].as_u64() >= Some(1);
    ours.event_that("dht.ready", lab::ready(), enough);
    crowd.wait_known();
    let (status, _) = ours.interrupt();
    assert_eq!(status.code(), Some(143), "{status}");
    // Nobody is there to begin with: it goes on with those that it knew.
    let again = lab.ours_again(&host, "leech", &["--dht-bootstrap", "11.99.0.1:9"]);
    again.event_that("dht.ready", lab::ready(), |event| event["nodes"].as_u64() >= Some(3));
}

fn lab(test: &str, makes: &[Make], family: Family) -> Option<(Lab, Crowd)> {
    let mut lab = Lab::new(test, makes, Content::single(3_000_001, 64 << 10, 31), family)?;
    lab.forget_tracker();
    let crowd = Crowd::start(&mut lab, CROWD, family);
    crowd.wait_ready();
    Some((lab, crowd))
}

fn ours(lab: &mut Lab, crowd: &Crowd, name: &str, more: &[&str]) -> (Host, Ours) {
    lab.ours(name, &[&["--dht-bootstrap", &crowd.first()], more].concat())
}

fn we_download(test: &str, make: Make, family: Family) {
    let Some((mut lab, crowd)) = lab(test, &[make], family) else { return };
    let mut seed = crowd.other(&mut lab, make, "seed");
    seed.wait_seeding(lab::ready());
    crowd.wait_announced();
    let (_, mut leech) = ours(&mut lab, &crowd, "leech", &[]);
    leech.event("dht.ready", lab::ready());
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
}

fn we_seed(test: &str, make: Make, family: Family) {
    let Some((mut lab, crowd)) = lab(test, &[make], family) else { return };
    let (_, mut seed) = ours(&mut lab, &crowd, "seed", &["--seed-after"]);
    seed.event("dht.ready", lab::ready());
    crowd.wait_announced();
    let mut leech = crowd.other(&mut lab, make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}
