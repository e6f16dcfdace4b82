//! Ours and libtorrent with the fast extension (BEP 6), each way: both agree on it, and each request has
//! its answer.

use crate::clients::make::Make::Libtorrent;
use crate::clients::other::Options;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;

/// libtorrent's log of its peers names the messages that came (`<==`) and went (`==>`).
fn with_log() -> Options {
    Options { settings: serde_json::json!({"log_peers": true}), ..Options::default() }
}

fn content(seed: u64) -> Content {
    Content::single(3_000_001, 64 << 10, seed)
}

#[test]
fn libtorrent_and_we_speak_the_fast_extension() {
    let test = "libtorrent_and_we_speak_the_fast_extension";
    let Some(mut lab) = Lab::new(test, &[Libtorrent], content(61), Family::V4) else { return };
    // It has all and says so in one message; we have nothing and say that in one.
    let seed = lab.other_seed(Libtorrent, &with_log());
    let (_, mut leech) = lab.ours("leech", &[]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    for what in ["==> HAVE_ALL", "<== HAVE_NONE", "==> ALLOWED_FAST"] {
        seed.wait_peer_log(what, lab::ready());
    }
}

#[test]
fn we_seed_to_libtorrent_with_the_fast_extension() {
    let test = "we_seed_to_libtorrent_with_the_fast_extension";
    let Some(mut lab) = Lab::new(test, &[Libtorrent], content(62), Family::V4) else { return };
    let (_, mut seed) = lab.our_seed();
    let mut leech = lab.other_with(Libtorrent, "leech", &with_log());
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(Libtorrent, "leech");
    for what in ["<== HAVE_ALL", "==> HAVE_NONE", "<== ALLOWED_FAST"] {
        leech.wait_peer_log(what, lab::ready());
    }
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}
