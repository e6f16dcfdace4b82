//! A real router lets peers in: miniupnpd, by UPnP, NAT-PMP and PCP.
//!
//! Ours lives on a network of its own behind a router with NAT; tracker and peers are outside. Nobody outside
//! reaches ours but through what the router was asked to map.

use serde_json::Value;

use crate::clients::make::Make;
use crate::clients::other::Options;
use crate::clients::ours::{Ours, PORT};
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::router::{Router, installed};
use crate::torrent::Content;
use crate::wait::Deadline;

/// From a restart of the router to the next look at it, on a busy machine.
const BACK_SECONDS: u64 = 100;
/// The same where it is told again every two minutes, whatever it knows.
const BLIND_SECONDS: u64 = 200;

fn lab(test: &str, family: Family) -> Option<Lab> {
    lab::require(installed(), test)?;
    Lab::new(test, &[Make::Libtorrent], Content::single(3_000_001, 64 << 10, 41), family)
}

/// Ours inside, with all of the content.
fn seed(lab: &Lab, inside: &Host) -> Ours {
    lab.ours_again(inside, "seed", &["--seed-after"])
}

fn mapped(ours: &Ours, by: &str, family: Family, transport: &str) -> Value {
    let family = match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    ours.event_that("portmap.ok", lab::ready(), |event| {
        event["by"] == by && event["transport"] == transport && event["family"] == family
    })
}

/// Both ports are opened by this way, and a peer comes in from outside.
fn opened(lab: &mut Lab, router: &Router, inside: &Host, way: &str) -> Ours {
    let family = lab.family;
    let ours = seed(lab, inside);
    // Over IPv6 the place inside is called by its own address.
    let outside = match family {
        Family::V4 => &router.host,
        Family::V6 => inside,
    };
    for transport in ["TCP", "UDP"] {
        let event = mapped(&ours, way, family, transport);
        assert_eq!(event["port"], PORT, "{event}");
        let named = event["outside"].as_str().map(str::to_owned);
        let known = family == Family::V4 || way == "PCP";
        assert_eq!(named, known.then(|| outside.address(family).to_string()), "{event}");
    }
    router.wait_mappings(family, 2, lab::ready());
    // Who asks the tracker is told of the address outside and the port there.
    lab.tracker.wait_seed(outside, lab::ready());
    let place = lab.place_of(Make::Libtorrent, "leech");
    if family == Family::V6 {
        router.show_way(&place);
    }
    let mut leech = lab.other_at(Make::Libtorrent, &place, "leech", &Options::default());
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(Make::Libtorrent, "leech");
    let came = ours.event("peer.connected", lab::ready());
    assert_eq!(came["incoming"], true, "{came}");
    ours
}

fn peers_come_in(test: &str, way: &'static str, family: Family) {
    let Some(mut lab) = lab(test, family) else { return };
    let (mut router, inside) = Router::start(&mut lab, way);
    if family == Family::V6 {
        router.show_way(lab.tracker.place());
    }
    let mut ours = opened(&mut lab, &router, &inside, way);
    // It forgets all, comes back, and is told again.
    router.lose_power();
    assert_eq!(router.mappings(family), [""; 0]);
    router.run(&lab.work);
    // UPnP does not say what it lets in over IPv6, so there it is told again now and then.
    let seconds = if way == "UPnP" && family == Family::V6 { BLIND_SECONDS } else { BACK_SECONDS };
    router.wait_mappings(family, 2, Deadline::seconds(seconds));
    // SIGTERM; nothing is left behind.
    let (status, _) = ours.interrupt();
    assert!(status.success(), "{status}");
    assert_eq!(router.mappings(family), [""; 0]);
}

#[test]
fn peers_come_in_through_upnp() {
    peers_come_in("peers_come_in_through_upnp", "UPnP", Family::V4);
}

#[test]
fn peers_come_in_through_natpmp() {
    peers_come_in("peers_come_in_through_natpmp", "NAT-PMP", Family::V4);
}

#[test]
fn peers_come_in_through_pcp() {
    peers_come_in("peers_come_in_through_pcp", "PCP", Family::V4);
}

#[test]
fn peers_come_in_through_a_pinhole_of_upnp() {
    peers_come_in("peers_come_in_through_a_pinhole_of_upnp", "UPnP", Family::V6);
}

#[test]
fn peers_come_in_through_a_pinhole_of_pcp() {
    peers_come_in("peers_come_in_through_a_pinhole_of_pcp", "PCP", Family::V6);
}

#[test]
fn only_what_somebody_may_call_is_mapped() {
    let test = "only_what_somebody_may_call_is_mapped";
    let Some(mut lab) = lab(test, Family::V4) else { return };
    let (router, inside) = Router::start(&mut lab, "UPnP");
    // There is no DHT in these tests, so without uTP nobody calls over UDP.
    // The kernel shows the protocol by its number.
    let runs = [("--no-tcp", "UDP", "0x11 ", "TCP"), ("--no-utp", "TCP", "0x6 ", "UDP")];
    for (without, transport, protocol, other) in runs {
        let mut ours = lab.ours_again(&inside, "seed", &["--seed-after", without]);
        mapped(&ours, "UPnP", Family::V4, transport);
        lab.tracker.wait_seed(&router.host, lab::ready());
        router.wait_mappings(Family::V4, 1, lab::ready());
        let mappings = router.mappings(Family::V4);
        assert!(mappings[0].contains(protocol), "{without}: {mappings:?}");
        let (status, lines) = ours.interrupt();
        assert!(status.success(), "{status}");
        let told = |line: &&Value| line["kind"].as_str().is_some_and(|kind| kind.starts_with("portmap."));
        let of_other = lines.iter().filter(told).find(|line| line["transport"] != transport);
        assert!(of_other.is_none(), "{without}: {other} is asked for: {of_other:?}");
        assert_eq!(router.mappings(Family::V4), [""; 0]);
    }
}

#[test]
fn a_router_that_is_asked_for_nothing_lets_nobody_in() {
    let test = "a_router_that_is_asked_for_nothing_lets_nobody_in";
    let Some(mut lab) = lab(test, Family::V4) else { return };
    let (router, inside) = Router::start(&mut lab, "UPnP");
    let ours = lab.ours_again(&inside, "seed", &["--seed-after", "--no-portmap"]);
    lab.tracker.wait_seed(&router.host, lab::ready());
    assert_eq!(router.mappings(Family::V4), [""; 0]);
    let probe = router.host.v4;
    let outside = lab.net.host("outside");
    let called = outside.spawn(move || {
        let timeout = std::time::Duration::from_secs(2);
        std::net::TcpStream::connect_timeout(&(probe, PORT).into(), timeout).map(drop)
    });
    assert!(called.join().expect("it does not panic").is_err(), "the test's router is open");
    drop(ours);
}
