//! The fast extension (BEP 6) between ours and others, each way, overheard on the wire: who has all or
//! nothing says so in one message, beginners are allowed some pieces, and what is asked of one that chokes is answered.

use std::net::SocketAddr;

use tc_core::wire::message::Message as M;

use crate::clients::make::Make::{self, Libtorrent, Transmission};
use crate::clients::other::{Options, Other, PORT};
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::tap::{Side, Tap};
use crate::torrent::Content;

/// Slow enough that it is not done before its seed chokes it, which takes libtorrent up to 15 s.
const SLOW: u64 = 256 << 10;
const SIZE: u64 = 8_000_001;

#[test]
fn we_seed_to_libtorrent_with_the_fast_extension() {
    we_seed("we_seed_to_libtorrent_with_the_fast_extension", Libtorrent, 63);
}

#[test]
fn we_seed_to_transmission_with_the_fast_extension() {
    we_seed("we_seed_to_transmission_with_the_fast_extension", Transmission, 64);
}

fn lab(test: &str, make: Make, seed: u64) -> Option<Lab> {
    Lab::new(test, &[make], Content::single(SIZE, 64 << 10, seed), Family::V4)
}

fn tap(lab: &mut Lab, name: &str, client: &Other) -> Tap {
    Tap::start(&lab.net.host(name), SocketAddr::from((client.host.v4, PORT)))
}

#[test]
fn libtorrent_and_we_speak_the_fast_extension() {
    we_download("libtorrent_and_we_speak_the_fast_extension", Libtorrent, 61);
}

#[test]
fn transmission_and_we_speak_the_fast_extension() {
    we_download("transmission_and_we_speak_the_fast_extension", Transmission, 62);
}

/// In the middle libtorrent chokes us, and rejects all that it was asked for. Once it unchokes us we fetch
/// the rest. (transmission 3.00 allows nothing to those it chokes, and cannot be told to choke.)
fn we_download(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, make, seed) else { return };
    let slow = Options { upload_limit: SLOW, ..Options::default() };
    let mut seed = lab.other_with(make, "seed", &slow);
    seed.wait_seeding(lab::ready());
    let tap = tap(&mut lab, "tap", &seed);
    // No tracker tells of the seed: all goes through the tap.
    lab.forget_tracker();
    let (_, mut leech) = lab.ours("leech", &["--peer", &tap.at.to_string()]);
    tap.wait("unchoke", Side::Called, lab::transfer(), |said| *said == M::Unchoke);
    if make == Libtorrent {
        seed.serve(false);
        tap.wait("choke", Side::Called, lab::ready(), |said| *said == M::Choke);
        tap.wait("reject", Side::Called, lab::ready(), |said| matches!(said, M::Reject { .. }));
        seed.serve(true);
    }
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    assert!(tap.count(Side::Called, |said| *said == M::HaveAll) > 0);
    assert!(tap.count(Side::Caller, |said| *said == M::HaveNone) > 0);
    let allowed = tap.count(Side::Called, |said| matches!(said, M::AllowedFast { .. }));
    assert_eq!(allowed > 0, make == Libtorrent, "{allowed} pieces");
}

fn we_seed(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, make, seed) else { return };
    lab.forget_tracker();
    let mut leech = lab.other(make, "leech");
    let tap = tap(&mut lab, "tap", &leech);
    let (_, mut seed) = lab.ours("seed", &["--seed-after", "--peer", &tap.at.to_string()]);
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    tap.wait("have all", Side::Caller, lab::ready(), |said| *said == M::HaveAll);
    tap.wait("have none", Side::Called, lab::ready(), |said| *said == M::HaveNone);
    tap.wait("allowed fast", Side::Caller, lab::ready(), |said| matches!(said, M::AllowedFast { .. }));
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}
