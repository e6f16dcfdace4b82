//! Ours and other clients find each other through peers that tell of peers, and through nothing else (BEP 11).
//!
//! Three of them: a seed, a go-between that is connected to it, and a leech that is connected to the go-between
//! only. The go-between gives nothing of the content, and fetches it too slowly to have it all before the end, as two
//! seeds part. So the leech completes if it was told of the seed.

use std::net::SocketAddr;

use serde_json::json;

use crate::clients::make::Make::{self, Aria2, Libtorrent, Rtorrent, Transmission};
use crate::clients::other::{Options, Other, PORT as OTHER_PORT};
use crate::clients::ours::PORT;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;

/// What the go-between may fetch, bytes a second.
const SLOW: u64 = 8_000;

#[test]
fn libtorrent_tells_us_of_a_peer() {
    tells_us("libtorrent_tells_us_of_a_peer", Libtorrent, Family::V4);
}

#[test]
fn libtorrent_tells_us_of_a_peer_over_ipv6() {
    tells_us("libtorrent_tells_us_of_a_peer_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn transmission_tells_us_of_a_peer() {
    tells_us("transmission_tells_us_of_a_peer", Transmission, Family::V4);
}

#[test]
fn we_tell_libtorrent_of_a_peer() {
    we_tell("we_tell_libtorrent_of_a_peer", Libtorrent, Family::V4);
}

#[test]
fn we_tell_libtorrent_of_a_peer_over_ipv6() {
    we_tell("we_tell_libtorrent_of_a_peer_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn we_tell_transmission_of_a_peer() {
    we_tell("we_tell_transmission_of_a_peer", Transmission, Family::V4);
}

#[test]
fn we_tell_aria2_of_a_peer() {
    we_tell("we_tell_aria2_of_a_peer", Aria2, Family::V4);
}

#[test]
fn we_tell_rtorrent_of_a_peer() {
    we_tell("we_tell_rtorrent_of_a_peer", Rtorrent, Family::V4);
}

#[test]
fn we_tell_each_other_of_a_peer() {
    let test = "we_tell_each_other_of_a_peer";
    let Some((mut lab, seed)) = lab(test, &[], Family::V4) else { return };
    let go_between = lab.net.host("between");
    let at = SocketAddr::new(go_between.address(Family::V4), PORT);
    let between = ours_between(&lab, &go_between, &[at_seed(&seed, Family::V4)]);
    let (_, mut leech) = lab.ours("leech", &["--peer", &at.to_string()]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    drop(between);
}

/// A network without a tracker, and a seed of ours that tells nobody anything.
fn lab(test: &str, makes: &[Make], family: Family) -> Option<(Lab, (Host, crate::clients::ours::Ours))> {
    let mut lab = Lab::new(test, makes, Content::single(3_000_001, 64 << 10, 17), family)?;
    lab.lose_tracker();
    let (host, seed) = lab.ours("seed", &["--seed-after", "--no-pex"]);
    seed.event("session.checked", lab::ready());
    Some((lab, (host, seed)))
}

fn at_seed(seed: &(Host, crate::clients::ours::Ours), family: Family) -> SocketAddr {
    SocketAddr::new(seed.0.address(family), PORT)
}

/// A go-between of ours that calls these.
fn ours_between(lab: &Lab, host: &Host, peers: &[SocketAddr]) -> crate::clients::ours::Ours {
    let (slow, peers) = (SLOW.to_string(), peers.iter().map(SocketAddr::to_string).collect::<Vec<_>>());
    let mut more = vec!["--upload-slots", "0", "--down-limit", &slow];
    peers.iter().for_each(|peer| more.extend(["--peer", peer]));
    let between = lab.ours_again(host, "between", &more);
    between.event("peer.connected", lab::ready());
    between
}

/// What another client is told, so that it exchanges peers.
fn exchanges(make: Make) -> serde_json::Value {
    match make {
        Transmission => json!({"pex-enabled": true}),
        Aria2 => json!({"enable-peer-exchange": "true"}),
        Rtorrent => json!({"protocol.pex.set": "yes"}),
        _ => json!({}),
    }
}

/// The go-between is of another make.
fn tells_us(test: &str, make: Make, family: Family) {
    let Some((mut lab, seed)) = lab(test, &[make], family) else { return };
    let mut settings = exchanges(make);
    let slow = match make {
        Libtorrent => json!({"download_rate_limit": SLOW, "unchoke_slots_limit": 0}),
        Transmission => json!({
            "speed-limit-down": SLOW / 1_000, "speed-limit-down-enabled": true,
            "speed-limit-up": 0, "speed-limit-up-enabled": true,
        }),
        other => panic!("{other:?}"),
    };
    settings.as_object_mut().expect("it is one").extend(slow.as_object().expect("it is one").clone());
    let mut between = other(&mut lab, make, "between", settings);
    let at = SocketAddr::new(between.host.address(family), OTHER_PORT);
    // The seed calls it: transmission calls nobody whom it is told to.
    drop(seed.1);
    let calls = ["--seed-after", "--no-pex", "--peer", &at.to_string()];
    let seed = lab.ours_again(&seed.0, "seed", &calls);
    seed.event("peer.connected", lab::ready());
    let (_, mut leech) = lab.ours("leech", &["--peer", &at.to_string()]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    assert_eq!(between.uploaded(), 0, "the go-between gave nothing");
}

/// The leech is of another make.
fn we_tell(test: &str, make: Make, family: Family) {
    let Some((mut lab, seed)) = lab(test, &[make], family) else { return };
    let mut leech = other(&mut lab, make, "leech", exchanges(make));
    let host = lab.net.host("between");
    let at = SocketAddr::new(leech.host.address(family), OTHER_PORT);
    let between = ours_between(&lab, &host, &[at_seed(&seed, family), at]);
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    drop((between, seed));
}

fn other(lab: &mut Lab, make: Make, name: &str, settings: serde_json::Value) -> Other {
    lab.other_with(make, name, &Options { settings, ..Options::default() })
}
