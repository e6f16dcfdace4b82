//! Ours and other clients find each other on the network that they share, and nowhere else (BEP 14).

use serde_json::json;

use crate::clients::make::Make::{self, Aria2, Libtorrent, Transmission};
use crate::clients::other::{Options, Other};
use crate::clients::ours::Ours;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;

/// Tests are not for the network of the machine; here there is one of the test's own.
const ON: &str = "TC_TUI_NO_LSD=false";

#[test]
fn libtorrent_is_found_on_our_own_network() {
    we_download("libtorrent_is_found_on_our_own_network", Libtorrent, Family::V4);
}

#[test]
fn libtorrent_is_found_on_our_own_network_over_ipv6() {
    we_download("libtorrent_is_found_on_our_own_network_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn transmission_is_found_on_our_own_network() {
    we_download("transmission_is_found_on_our_own_network", Transmission, Family::V4);
}

#[test]
fn aria2_is_found_on_our_own_network() {
    we_download("aria2_is_found_on_our_own_network", Aria2, Family::V4);
}

#[test]
fn libtorrent_finds_us_on_its_own_network() {
    we_seed("libtorrent_finds_us_on_its_own_network", Libtorrent, Family::V4);
}

#[test]
fn libtorrent_finds_us_on_its_own_network_over_ipv6() {
    we_seed("libtorrent_finds_us_on_its_own_network_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn transmission_finds_us_on_its_own_network() {
    we_seed("transmission_finds_us_on_its_own_network", Transmission, Family::V4);
}

#[test]
fn aria2_finds_us_on_its_own_network() {
    we_seed("aria2_finds_us_on_its_own_network", Aria2, Family::V4);
}

#[test]
fn two_of_ours_on_one_machine_find_each_other() {
    let test = "two_of_ours_on_one_machine_find_each_other";
    let Some(mut lab) = lab(test, &[]) else { return };
    let (host, seed) = ours(&mut lab, "seed", &["--seed-after"]);
    seed.event("session.checked", lab::ready());
    // Each has a port of its own at the same address.
    let listen = format!("{}:7100", host.v4);
    let mut leech = lab.ours_again(&host, "leech", &[ON, "--listen", &listen]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    drop(seed);
}

/// A network without a tracker.
fn lab(test: &str, makes: &[Make]) -> Option<Lab> {
    lab_over(test, makes, Family::V4)
}

fn lab_over(test: &str, makes: &[Make], family: Family) -> Option<Lab> {
    let mut lab = Lab::new(test, makes, Content::single(3_000_001, 64 << 10, 41), family)?;
    lab.forget_tracker();
    Some(lab)
}

fn ours(lab: &mut Lab, name: &str, more: &[&str]) -> (Host, Ours) {
    lab.ours(name, &[&[ON, "--no-pex"], more].concat())
}

/// One that takes part in it.
fn other(lab: &mut Lab, make: Make, name: &str) -> Other {
    let settings = match make {
        Libtorrent => json!({"enable_lsd": true}),
        Transmission => json!({"lpd-enabled": true}),
        Aria2 => json!({"bt-enable-lpd": "true"}),
        other => panic!("{other:?} has none"),
    };
    lab.other_with(make, name, &Options { settings, ..Options::default() })
}

fn we_download(test: &str, make: Make, family: Family) {
    let Some(mut lab) = lab_over(test, &[make], family) else { return };
    let mut seed = other(&mut lab, make, "seed");
    seed.wait_seeding(lab::ready());
    let (_, mut leech) = ours(&mut lab, "leech", &[]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
}

fn we_seed(test: &str, make: Make, family: Family) {
    let Some(mut lab) = lab_over(test, &[make], family) else { return };
    let (_, seed) = ours(&mut lab, "seed", &["--seed-after"]);
    seed.event("session.checked", lab::ready());
    let mut leech = other(&mut lab, make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    drop(seed);
}
