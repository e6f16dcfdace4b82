//! uTP (BEP 29) and nothing else, with the other clients that speak it: each way, encrypted too, and over IPv6.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::clients::make::Make::{self, Libtorrent, Transmission};
use crate::clients::other::{self, Options};
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;
use crate::transfer::of_kind;

/// How each is told to speak uTP; transmission 3 has no switch for TCP, which is off on our side.
fn utp(make: Make, encrypted: bool) -> Options {
    let settings = match make {
        Libtorrent => {
            let policy = if encrypted { 0 } else { 2 };
            json!({
                "enable_outgoing_utp": true, "enable_incoming_utp": true,
                "enable_outgoing_tcp": false, "enable_incoming_tcp": false,
                "in_enc_policy": policy, "out_enc_policy": policy, "allowed_enc_level": 2, "prefer_rc4": true,
            })
        }
        Transmission => json!({"utp-enabled": true, "encryption": if encrypted { 2 } else { 0 }}),
        _ => unreachable!("speaks no uTP"),
    };
    Options { settings, ..Options::default() }
}

fn assert_utp(lines: &[Value], encryption: &str) {
    let links: Vec<_> = of_kind(lines, "peer.connected").collect();
    let good = |line: &&Value| line["transport"] == "utp" && line["encryption"] == encryption;
    assert!(!links.is_empty() && links.iter().all(good), "{links:?}");
}

fn both_ways(test: &str, make: Make, family: Family, encrypted: bool, seed: u64) {
    let content = Content::single(64_000_001, 256 << 10, seed);
    let Some(mut lab) = Lab::new(test, &[make], content, family) else { return };
    let encryption = ["--encryption", if encrypted { "require" } else { "off" }];
    let said = if encrypted { "all" } else { "none" };
    let (_, mut ours) = lab.our_seed_with(&["--no-tcp", encryption[0], encryption[1]]);
    let mut theirs = lab.other_with(make, "leech", &utp(make, encrypted));
    theirs.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, lines) = ours.interrupt();
    assert!(status.success(), "{status}");
    assert_utp(&lines, said);
    // It seeds now, and ours is another.
    let seed = SocketAddr::new(theirs.host.address(family), other::PORT).to_string();
    let (_, mut ours) = lab.ours("again", &["--no-tcp", encryption[0], encryption[1], "--peer", &seed]);
    let (status, lines) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("again");
    assert_utp(&lines, said);
}

#[test]
fn utp_alone_with_libtorrent() {
    both_ways("utp_alone_with_libtorrent", Libtorrent, Family::V4, false, 121);
}

#[test]
fn utp_alone_with_libtorrent_over_ipv6() {
    both_ways("utp_alone_with_libtorrent_over_ipv6", Libtorrent, Family::V6, false, 122);
}

#[test]
fn utp_alone_with_transmission() {
    both_ways("utp_alone_with_transmission", Transmission, Family::V4, false, 123);
}

/// It asks no tracker over IPv6 while it is bound to an address of IPv4, so ours calls it, both ways.
#[test]
fn utp_alone_with_transmission_over_ipv6() {
    let (test, family) = ("utp_alone_with_transmission_over_ipv6", Family::V6);
    let content = Content::single(64_000_001, 256 << 10, 124);
    let Some(mut lab) = Lab::new(test, &[Transmission], content, family) else { return };
    let mut theirs = lab.other_with(Transmission, "leech", &utp(Transmission, false));
    let peer = SocketAddr::new(theirs.host.address(family), other::PORT).to_string();
    let (_, mut ours) = lab.our_seed_with(&["--no-tcp", "--encryption", "off", "--peer", &peer]);
    theirs.wait_seeding(lab::transfer());
    lab.assert_same_at(Transmission, "leech");
    let (status, lines) = ours.interrupt();
    assert!(status.success(), "{status}");
    assert_utp(&lines, "none");
    let (_, mut ours) = lab.ours("again", &["--no-tcp", "--encryption", "off", "--peer", &peer]);
    let (status, lines) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("again");
    assert_utp(&lines, "none");
}

#[test]
fn utp_alone_and_encryption_required_with_libtorrent() {
    both_ways("utp_alone_and_encryption_required_with_libtorrent", Libtorrent, Family::V4, true, 125);
}

#[test]
fn utp_alone_and_encryption_required_with_transmission() {
    both_ways("utp_alone_and_encryption_required_with_transmission", Transmission, Family::V4, true, 126);
}

/// Whoever has no TCP is reached by who tries TCP first.
#[test]
fn who_speaks_utp_alone_is_called_over_utp() {
    let test = "who_speaks_utp_alone_is_called_over_utp";
    let Some(mut lab) = Lab::new(test, &[Libtorrent], Content::single(6_000_001, 64 << 10, 127), Family::V4)
    else {
        return;
    };
    let _seed = lab.other_seed(Libtorrent, &utp(Libtorrent, false));
    let (_, mut ours) = lab.ours("ours", &[]);
    let (status, lines) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("ours");
    assert_utp(&lines, "none");
}
