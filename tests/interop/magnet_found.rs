//! Magnets (BEP 9) whose peers are found in one way and no other: by the DHT, by peers that tell of peers, or on the
//! own network; both ways, with 64 MiB of content behind the metadata. Trackers are in `magnet`.

use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};
use tc_core::types::InfoHash;
use tc_core::wire::extended::Extension;
use tc_core::wire::message::Message;
use tc_core::wire::ut_pex::{PexFlags, PexPeer, UtPex};

use crate::clients::make::Make::{self, Libtorrent, Transmission};
use crate::clients::other::{Options, Other, PORT as OTHER_PORT};
use crate::clients::ours::PORT;
use crate::crowd::Crowd;
use crate::lab::{self, Lab};
use crate::magnet::{completes, lab};
use crate::net::{Family, Host};
use crate::raw::Raw;

/// transmission searches only where it knows more than eight nodes, four of them good.
const CROWD: usize = 12;

/// What a go-between may fetch, bytes a second: at the end it has next to nothing.
const SLOW: u64 = 8_000;

/// Tests are not for the network of the machine; here there is one of the test's own.
const LSD: &str = "TC_TUI_NO_LSD=false";

#[test]
fn a_magnet_of_libtorrent_is_found_by_the_dht_alone() {
    the_dht_brings_us("a_magnet_of_libtorrent_is_found_by_the_dht_alone", Libtorrent, 107);
}

#[test]
fn a_magnet_of_transmission_is_found_by_the_dht_alone() {
    the_dht_brings_us("a_magnet_of_transmission_is_found_by_the_dht_alone", Transmission, 108);
}

#[test]
fn libtorrent_finds_a_magnet_of_ours_by_the_dht_alone() {
    the_dht_brings_them("libtorrent_finds_a_magnet_of_ours_by_the_dht_alone", Libtorrent, 109);
}

#[test]
fn transmission_finds_a_magnet_of_ours_by_the_dht_alone() {
    the_dht_brings_them("transmission_finds_a_magnet_of_ours_by_the_dht_alone", Transmission, 110);
}

#[test]
fn libtorrent_tells_a_magnet_of_libtorrent() {
    pex_brings_us("libtorrent_tells_a_magnet_of_libtorrent", Libtorrent, Libtorrent, 113);
}

#[test]
fn libtorrent_tells_a_magnet_of_transmission() {
    pex_brings_us("libtorrent_tells_a_magnet_of_transmission", Transmission, Libtorrent, 114);
}

#[test]
fn transmission_tells_a_magnet_of_libtorrent() {
    pex_brings_us("transmission_tells_a_magnet_of_libtorrent", Libtorrent, Transmission, 115);
}

#[test]
fn we_tell_a_magnet_of_libtorrent_of_ours() {
    pex_brings_them("we_tell_a_magnet_of_libtorrent_of_ours", Libtorrent, 116);
}

#[test]
fn we_tell_a_magnet_of_transmission_of_ours() {
    pex_brings_them("we_tell_a_magnet_of_transmission_of_ours", Transmission, 117);
}

#[test]
fn a_magnet_of_libtorrent_is_found_by_lsd_alone() {
    lsd_brings_us("a_magnet_of_libtorrent_is_found_by_lsd_alone", Libtorrent, 118);
}

#[test]
fn a_magnet_of_transmission_is_found_by_lsd_alone() {
    lsd_brings_us("a_magnet_of_transmission_is_found_by_lsd_alone", Transmission, 119);
}

#[test]
fn libtorrent_finds_a_magnet_of_ours_by_lsd_alone() {
    lsd_brings_them("libtorrent_finds_a_magnet_of_ours_by_lsd_alone", Libtorrent, 120);
}

#[test]
fn transmission_finds_a_magnet_of_ours_by_lsd_alone() {
    lsd_brings_them("transmission_finds_a_magnet_of_ours_by_lsd_alone", Transmission, 121);
}

fn with_dht(test: &str, make: Make, seed: u64) -> Option<(Lab, Crowd)> {
    let mut lab = lab(test, &[make], seed)?;
    lab.forget_tracker();
    let crowd = Crowd::start(&mut lab, CROWD, Family::V4);
    crowd.wait_ready();
    Some((lab, crowd))
}

fn the_dht_brings_us(test: &str, make: Make, seed: u64) {
    let Some((mut lab, crowd)) = with_dht(test, make, seed) else { return };
    let mut seed = crowd.other(&mut lab, make, "seed");
    seed.wait_seeding(lab::ready());
    crowd.wait_announced();
    lab.add_by(lab.bare_magnet());
    let (_, mut leech) = lab.ours("leech", &["--dht-bootstrap", &crowd.first()]);
    completes(&lab, &mut leech);
}

fn the_dht_brings_them(test: &str, make: Make, seed: u64) {
    let Some((mut lab, crowd)) = with_dht(test, make, seed) else { return };
    let (_, mut seed) = lab.ours("seed", &["--seed-after", "--dht-bootstrap", &crowd.first()]);
    seed.event("dht.ready", lab::ready());
    crowd.wait_announced();
    lab.add_by(lab.bare_magnet());
    let mut leech = crowd.other(&mut lab, make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}

/// A client of another make that does these things and no more.
fn other(lab: &mut Lab, make: Make, name: &str, settings: Value) -> Other {
    lab.other_with(make, name, &Options { settings, ..Options::default() })
}

/// What another client is told, so that it tells peers of peers and has nothing to give.
fn go_between(make: Make) -> Value {
    match make {
        Libtorrent => json!({"download_rate_limit": SLOW, "unchoke_slots_limit": 0}),
        Transmission => json!({
            "pex-enabled": true,
            "speed-limit-down": SLOW / 1_000, "speed-limit-down-enabled": true,
            "speed-limit-up": 0, "speed-limit-up-enabled": true,
        }),
        other => panic!("{other:?} has no part in these tests"),
    }
}

/// The seed and the go-between are connected. Ours has the address of the go-between in its link, and nothing else.
fn pex_brings_us(test: &str, seed: Make, between: Make, content: u64) {
    let Some(mut lab) = lab(test, &[seed, between], content) else { return };
    lab.forget_tracker();
    let mut between = other(&mut lab, between, "between", go_between(between));
    let at = SocketAddr::new(between.host.v4.into(), OTHER_PORT);
    let mut seed = other(&mut lab, seed, "seed", json!({}));
    seed.wait_seeding(lab::ready());
    // transmission takes no order to call anybody.
    match between.make {
        Libtorrent => between.connect(SocketAddr::new(seed.host.v4.into(), OTHER_PORT)),
        _ => seed.connect(at),
    }
    lab.add_by(format!("{}&x.pe={at}", lab.bare_magnet().display()).into());
    let (_, mut leech) = lab.ours("leech", &[]);
    completes(&lab, &mut leech);
    assert_eq!(between.uploaded(), 0, "the go-between gave nothing");
}

/// Seed and go-between are ours. The leech is called by the go-between, and hears of nobody else.
fn pex_brings_them(test: &str, make: Make, content: u64) {
    let Some(mut lab) = lab(test, &[make], content) else { return };
    lab.forget_tracker();
    let file = lab.torrent.clone();
    let (seed_at, mut seed) = lab.ours("seed", &["--seed-after", "--no-pex"]);
    seed.event("session.checked", lab::ready());
    lab.add_by(lab.bare_magnet());
    let settings = if make == Transmission { json!({"pex-enabled": true}) } else { json!({}) };
    let mut leech = other(&mut lab, make, "leech", settings);
    lab.add_by(file);
    let at = [(seed_at.v4, PORT), (leech.host.v4, OTHER_PORT)].map(|at| SocketAddr::from(at).to_string());
    let slow = SLOW.to_string();
    let arguments = ["--upload-slots", "0", "--down-limit", &slow, "--peer", &at[0], "--peer", &at[1]];
    let (_, mut between) = lab.ours("between", &arguments);
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    for ours in [&mut between, &mut seed] {
        ours.interrupt();
    }
}

/// The only peer that a magnet knows has nothing but the hash, as it has.
#[test]
fn who_has_no_metadata_tells_a_magnet_of_libtorrent() {
    let test = "who_has_no_metadata_tells_a_magnet_of_libtorrent";
    let Some(mut lab) = lab(test, &[Libtorrent], 122) else { return };
    lab.forget_tracker();
    let mut seed = other(&mut lab, Libtorrent, "seed", json!({}));
    seed.wait_seeding(lab::ready());
    let hash = lab.info_hash.parse().expect("it is one");
    let host = lab.net.host("between");
    let at = teller(&host, hash, SocketAddr::new(seed.host.v4.into(), OTHER_PORT));
    lab.add_by(format!("{}&x.pe={at}", lab.bare_magnet().display()).into());
    let (_, mut leech) = lab.ours("leech", &[]);
    completes(&lab, &mut leech);
}

/// Takes calls in `host` until the test ends, and tells each caller of a seed.
fn teller(host: &Host, hash: InfoHash, seed: SocketAddr) -> SocketAddr {
    let at = SocketAddr::from((host.v4, OTHER_PORT));
    let (ready, listens) = std::sync::mpsc::sync_channel(1);
    host.spawn(move || {
        let listener = TcpListener::bind(at).expect("the place is ours");
        ready.send(()).expect("the test waits");
        while let Ok((stream, _)) = listener.accept() {
            let Ok(mut raw) = Raw::answer(stream, hash, [7; 20]) else { continue };
            let payload = b"d1:md6:ut_pexi1eee".to_vec().into();
            raw.say(&[Message::Extended { id: 0, payload }]);
            raw.until(|message| matches!(message, Message::Extended { id: 0, .. }));
            let added = vec![PexPeer { address: seed, flags: PexFlags::default() }];
            let payload = UtPex { added, ..UtPex::default() }.encode();
            raw.say(&[Message::Extended { id: Extension::UtPex.our_id(), payload }]);
            while raw.hear().is_some() {}
        }
    });
    listens.recv().expect("it begins to listen");
    at
}

/// What another client is told, so that it speaks on its own network.
fn speaks_there(make: Make) -> Value {
    match make {
        Libtorrent => json!({"enable_lsd": true}),
        Transmission => json!({"lpd-enabled": true}),
        other => panic!("{other:?} has no part in these tests"),
    }
}

fn lsd_brings_us(test: &str, make: Make, content: u64) {
    let Some(mut lab) = lab(test, &[make], content) else { return };
    lab.forget_tracker();
    let mut seed = other(&mut lab, make, "seed", speaks_there(make));
    seed.wait_seeding(lab::ready());
    lab.add_by(lab.bare_magnet());
    let (_, mut leech) = lab.ours("leech", &[LSD, "--no-pex"]);
    completes(&lab, &mut leech);
}

fn lsd_brings_them(test: &str, make: Make, content: u64) {
    let Some(mut lab) = lab(test, &[make], content) else { return };
    lab.forget_tracker();
    let (_, mut seed) = lab.ours("seed", &[LSD, "--no-pex", "--seed-after"]);
    seed.event("session.checked", lab::ready());
    lab.add_by(lab.bare_magnet());
    let mut leech = other(&mut lab, make, "leech", speaks_there(make));
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}
