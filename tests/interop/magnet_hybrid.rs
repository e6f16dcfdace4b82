//! A magnet link that names only the v2 part of a hybrid torrent of libtorrent's (BEP 52): the metadata comes from the
//! v2 swarm, and the content from that of the v1 part, where we serve it too from then on.

use std::net::SocketAddr;

use serde_json::json;

use crate::clients::make::Make::Libtorrent;
use crate::clients::other::{Options, Other, PORT as OTHER_PORT};
use crate::lab::{self, Lab};
use crate::magnet::{completes, lab};
use crate::net::{Family, Host};

/// A network, a hybrid torrent without a tracker or with one, its hashes, and a client that has all of it.
fn hybrid(
    test: &str,
    tracked: bool,
    settings: serde_json::Value,
    seed: u64,
) -> Option<(Lab, [String; 2], Other)> {
    let mut lab = lab(test, &[Libtorrent], seed)?;
    let host = lab.net.host("seed");
    let options = Options { settings, ..Options::default() };
    let mut seed = Other::start(Libtorrent, &host, Family::V4, "seed", &lab.work, &options);
    let (content, torrent) = (lab.content_at("seed"), lab.work.join("hybrid.torrent"));
    let tracker = tracked.then(|| lab.tracker.url(Family::V4));
    let hashes = seed.make_hybrid(&content, tracker.as_deref(), &torrent);
    lab.add_by(torrent.clone());
    seed.add(&torrent, &lab.dir("seed"));
    seed.wait_seeding(lab::ready());
    Some((lab, hashes, seed))
}

#[test]
fn the_v2_link_of_a_hybrid_of_libtorrent_is_downloaded_and_served_as_v1() {
    let test = "the_v2_link_of_a_hybrid_of_libtorrent_is_downloaded_and_served_as_v1";
    let Some((mut lab, [v1, v2], seed)) = hybrid(test, true, json!({}), 123) else { return };
    let short = &v2[..40];
    for hash in [&v1, short] {
        lab.tracker
            .wait(&seed.host, lab::ready(), |announce| announce.left == 0 && announce.info_hash == *hash);
    }
    let file = lab.torrent.clone();
    lab.add_by(format!("magnet:?xt=urn:btmh:1220{v2}&tr={}", lab.tracker.url(Family::V4)).into());
    let (host, leech) = lab.ours("leech", &["--seed-after"]);
    let said = |host: &Host, hash: &str, said: &str| {
        lab.tracker.wait(host, lab::ready(), |announce| announce.info_hash == hash && announce.said == said)
    };
    leech.event("session.completed", lab::transfer());
    lab.assert_same("leech");
    said(&host, short, "started");
    said(&host, short, "stopped");
    said(&host, &v1, "started");
    said(&host, &v1, "completed");
    drop(seed);
    // Who has the file finds us by the v1 part.
    lab.add_by(file);
    let mut second = lab.other(Libtorrent, "second");
    second.wait_seeding(lab::transfer());
    lab.assert_same("second");
    drop(leech);
    // The state has it under the name of its link.
    let mut again = lab.ours_again(&host, "leech", &["--seed-after"]);
    again.event("session.completed", lab::ready());
    let (status, lines) = again.interrupt();
    assert!(status.success(), "{status}");
    assert!(lines.iter().all(|line| line["kind"] != "session.added"), "it is on the list");
}

#[test]
fn the_v2_link_of_a_hybrid_of_libtorrent_is_downloaded_from_a_peer_it_names() {
    let test = "the_v2_link_of_a_hybrid_of_libtorrent_is_downloaded_from_a_peer_it_names";
    let Some((mut lab, [_, v2], seed)) = hybrid(test, false, json!({}), 124) else { return };
    let at = SocketAddr::new(seed.host.v4.into(), OTHER_PORT);
    lab.add_by(format!("magnet:?xt=urn:btmh:1220{v2}&x.pe={at}").into());
    let (host, mut leech) = lab.ours("leech", &[]);
    completes(&lab, &mut leech);
    drop(leech);
    // Its first 20 bytes, which clients show as the torrent's id.
    lab.add_by(format!("magnet:?xt=urn:btih:{}&x.pe={at}", &v2[..40]).into());
    std::fs::remove_dir_all(lab.dir("leech")).expect("it is ours");
    std::fs::remove_dir_all(lab.dir("leech-state")).expect("it is ours");
    let mut leech = lab.ours_again(&host, "leech", &["--seed-after"]);
    leech.event("session.completed", lab::transfer());
    lab.assert_same("leech");
    let (status, _) = leech.interrupt();
    assert!(status.success(), "{status}");
    // And after a restart.
    let mut leech = lab.ours_again(&host, "leech", &["--seed-after"]);
    leech.event("session.completed", lab::ready());
    let (status, lines) = leech.interrupt();
    assert!(status.success(), "{status}");
    assert!(lines.iter().all(|line| line["kind"] != "session.added"), "it is on the list");
}

#[test]
fn the_v2_link_of_a_hybrid_of_libtorrent_is_found_by_lsd_alone() {
    let test = "the_v2_link_of_a_hybrid_of_libtorrent_is_found_by_lsd_alone";
    let Some((mut lab, [_, v2], _seed)) = hybrid(test, false, json!({"enable_lsd": true}), 125) else {
        return;
    };
    lab.add_by(format!("magnet:?xt=urn:btmh:1220{v2}").into());
    let (_, mut leech) = lab.ours("leech", &["TC_TUI_NO_LSD=false", "--no-pex"]);
    completes(&lab, &mut leech);
}
