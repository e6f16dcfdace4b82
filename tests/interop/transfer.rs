//! One of ours and one other client: each seeds and the other downloads 64 MiB of many files.

use serde_json::Value;

use crate::clients::ours::Ours;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;

#[test]
fn libtorrent_seeds_we_download() {
    let content = Content::mixed(11);
    let Some(mut lab) = Lab::new("libtorrent_seeds_we_download", content, Family::V4) else { return };
    let _seed = lab.libtorrent_seed(lab::defaults());
    we_download(&mut lab);
}

#[test]
fn libtorrent_seeds_we_download_over_ipv6() {
    let content = Content::mixed(12);
    let Some(mut lab) = Lab::new("libtorrent_seeds_we_download_over_ipv6", content, Family::V6) else {
        return;
    };
    let _seed = lab.libtorrent_seed(lab::defaults());
    we_download(&mut lab);
}

#[test]
fn transmission_seeds_we_download() {
    let content = Content::mixed(13);
    let Some(mut lab) = Lab::new("transmission_seeds_we_download", content, Family::V4) else { return };
    let _seed = lab.transmission_seed();
    we_download(&mut lab);
}

#[test]
fn we_seed_libtorrent_downloads() {
    let content = Content::mixed(14);
    let Some(lab) = Lab::new("we_seed_libtorrent_downloads", content, Family::V4) else { return };
    libtorrent_downloads(lab);
}

#[test]
fn we_seed_libtorrent_downloads_over_ipv6() {
    let content = Content::mixed(15);
    let Some(lab) = Lab::new("we_seed_libtorrent_downloads_over_ipv6", content, Family::V6) else { return };
    libtorrent_downloads(lab);
}

#[test]
fn we_seed_transmission_downloads() {
    let content = Content::mixed(16);
    let Some(mut lab) = Lab::new("we_seed_transmission_downloads", content, Family::V4) else { return };
    let (_, seed) = lab.our_seed();
    let (_, mut leech) = lab.transmission("leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_but_empty("leech");
    leaves_in_order(seed);
}

fn libtorrent_downloads(mut lab: Lab) {
    let (_, seed) = lab.our_seed();
    let (_, mut leech) = lab.libtorrent("leech", lab::defaults());
    leech.wait_seeding(&lab.info_hash, lab::transfer());
    lab.assert_same("leech");
    leaves_in_order(seed);
}

/// Downloads from the seed that the tracker lists, and ends by itself.
fn we_download(lab: &mut Lab) {
    let (host, mut leech) = lab.ours("leech", &[]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    let completed: Vec<_> = of_kind(&lines, "session.completed").collect();
    assert_eq!(completed.len(), 1, "{completed:?}");
    assert_eq!(completed[0]["info_hash"], lab.info_hash.as_str());
    let last_piece = of_kind(&lines, "piece.completed").last().expect("there are pieces");
    assert_eq!(last_piece["complete"], last_piece["total"]);
    assert_eq!(of_kind(&lines, "piece.hash_failed").count(), 0);
    // The tracker hears the whole story: all is missing, all is here, good-bye.
    for said in ["started", "completed", "stopped"] {
        let announce = lab.tracker.wait(&host, lab::ready(), |announce| announce.said == said);
        assert_eq!(announce.left == 0, said != "started", "{announce:?}");
    }
}

fn leaves_in_order(mut seed: Ours) {
    let (status, lines) = seed.interrupt();
    assert!(status.success(), "a seed that is interrupted has done its work: {status}");
    let completed = of_kind(&lines, "session.completed").next().expect("data found complete counts");
    assert_eq!(completed["downloaded"], 0);
}

/// The events of one kind.
pub fn of_kind<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}
