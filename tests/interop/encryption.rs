//! Encrypted links (MSE) with every other client: required on both sides, each way; and against one that is
//! told to have none.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::clients::make::Make::{self, Aria2, Libtorrent, Qbittorrent, Rtorrent, Transmission};
use crate::clients::other::{self, Options};
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;
use crate::transfer::of_kind;

/// How each is told to have no link that is not all in RC4.
fn required(make: Make) -> Options {
    let settings = match make {
        Libtorrent => {
            json!({"in_enc_policy": 0, "out_enc_policy": 0, "allowed_enc_level": 2, "prefer_rc4": true})
        }
        Transmission => json!({"encryption": 2}),
        Aria2 => json!({"bt-force-encryption": "true"}),
        Rtorrent => json!({"protocol.encryption.set": "allow_incoming,try_outgoing,require,require_RC4"}),
        Qbittorrent => json!({"BitTorrent/Session\\Encryption": 1}),
    };
    Options { settings, ..Options::default() }
}

fn content(seed: u64) -> Content {
    Content::single(6_000_001, 64 << 10, seed)
}

/// All links to this client were in RC4.
fn assert_encrypted(lines: &[Value]) {
    let links: Vec<_> = of_kind(lines, "peer.connected").map(|line| line["encryption"].clone()).collect();
    assert!(!links.is_empty() && links.iter().all(|encryption| encryption == "all"), "{links:?}");
}

fn both_ways(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = Lab::new(test, &[make], content(seed), Family::V4) else { return };
    let (_, mut ours) = lab.our_seed_with(&["--encryption", "require"]);
    let mut theirs = lab.other_with(make, "leech", &required(make));
    theirs.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, lines) = ours.interrupt();
    assert!(status.success(), "{status}");
    assert_encrypted(&lines);
    // It seeds now, and ours is another.
    let seed = SocketAddr::new(theirs.host.address(Family::V4), other::PORT).to_string();
    let (_, mut ours) = lab.ours("again", &["--encryption", "require", "--peer", &seed]);
    let (status, lines) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("again");
    assert_encrypted(&lines);
}

#[test]
fn encryption_is_required_by_us_and_libtorrent() {
    both_ways("encryption_is_required_by_us_and_libtorrent", Libtorrent, 91);
}

#[test]
fn encryption_is_required_by_us_and_transmission() {
    both_ways("encryption_is_required_by_us_and_transmission", Transmission, 92);
}

#[test]
fn encryption_is_required_by_us_and_aria2() {
    both_ways("encryption_is_required_by_us_and_aria2", Aria2, 93);
}

#[test]
fn encryption_is_required_by_us_and_rtorrent() {
    both_ways("encryption_is_required_by_us_and_rtorrent", Rtorrent, 94);
}

#[test]
fn encryption_is_required_by_us_and_qbittorrent() {
    both_ways("encryption_is_required_by_us_and_qbittorrent", Qbittorrent, 95);
}

/// One that requires it and one that has none never meet; who prefers it meets both.
#[test]
fn off_and_required_do_not_meet_and_who_prefers_meets_both() {
    let test = "off_and_required_do_not_meet_and_who_prefers_meets_both";
    let Some(mut lab) = Lab::new(test, &[Libtorrent], content(96), Family::V4) else { return };
    let seed = lab.other_seed(Libtorrent, &required(Libtorrent));
    let (_, off) = lab.ours("off", &["--encryption", "off"]);
    off.event("tracker.success", lab::ready());
    let (_, mut between) = lab.ours("between", &["--seed-after"]);
    // Only from the one in between can it have anything.
    let mut off = off;
    let (status, lines) = off.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("off");
    let met: Vec<_> = of_kind(&lines, "peer.connected").cloned().collect();
    let seed = seed.host.address(Family::V4).to_string();
    let is_seed = |line: &&Value| line["address"].as_str().is_some_and(|address| address.starts_with(&seed));
    assert!(!met.iter().any(|line| is_seed(&line)), "{met:?}");
    assert!(met.iter().all(|line| line["encryption"] == "none"), "{met:?}");
    let (status, lines) = between.interrupt();
    assert!(status.success(), "{status}");
    let with_seed: Vec<_> = of_kind(&lines, "peer.connected").filter(is_seed).cloned().collect();
    assert!(
        !with_seed.is_empty() && with_seed.iter().all(|line| line["encryption"] == "all"),
        "{with_seed:?}"
    );
}
