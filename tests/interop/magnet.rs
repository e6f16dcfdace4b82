//! Magnets (BEP 9): the metadata comes from other clients and goes to them, and the content follows. A tracker names
//! the peers; other ways are in `magnet_found`.

use std::net::{SocketAddr, TcpListener};

use tc_core::Metainfo;
use tc_core::wire::extended::Extension;
use tc_core::wire::message::Message;
use tc_core::wire::ut_metadata::{PIECE_SIZE, UtMetadata};

use crate::clients::make::Make::{self, Aria2, Libtorrent, Rtorrent, Transmission};
use crate::clients::other::Options;
use crate::clients::ours::Ours;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::raw::Raw;
use crate::torrent::Content;

/// Magnets that are added at once.
const MANY: usize = 200;

#[test]
fn a_magnet_of_libtorrent_is_downloaded() {
    we_download("a_magnet_of_libtorrent_is_downloaded", Libtorrent, 101);
}

#[test]
fn a_magnet_of_transmission_is_downloaded() {
    we_download("a_magnet_of_transmission_is_downloaded", Transmission, 102);
}

#[test]
fn libtorrent_downloads_a_magnet_of_ours() {
    we_seed("libtorrent_downloads_a_magnet_of_ours", Libtorrent, 103);
}

#[test]
fn transmission_downloads_a_magnet_of_ours() {
    we_seed("transmission_downloads_a_magnet_of_ours", Transmission, 104);
}

#[test]
fn aria2_downloads_a_magnet_of_ours() {
    we_seed("aria2_downloads_a_magnet_of_ours", Aria2, 105);
}

#[test]
fn rtorrent_downloads_a_magnet_of_ours() {
    we_seed("rtorrent_downloads_a_magnet_of_ours", Rtorrent, 106);
}

pub fn lab(test: &str, makes: &[Make], seed: u64) -> Option<Lab> {
    Lab::new(test, makes, Content::mixed(seed), Family::V4)
}

fn we_download(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, &[make], seed) else { return };
    let _seed = lab.other_seed(make, &Options::default());
    lab.add_by(lab.magnet());
    let (_, mut leech) = lab.ours("leech", &[]);
    completes(&lab, &mut leech);
}

/// The metadata comes once, and all of the content behind it.
pub fn completes(lab: &Lab, leech: &mut Ours) {
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    let known: Vec<_> = lines.iter().filter(|line| line["kind"] == "metadata.received").collect();
    assert_eq!(known.len(), 1, "{known:?}");
    let size = known[0]["size"].as_u64().expect("a number");
    assert!(size > 0 && size <= lab.size(), "{known:?}");
    lab.assert_same("leech");
}

fn we_seed(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, &[make], seed) else { return };
    let (_, mut seed) = lab.our_seed();
    lab.add_by(lab.magnet());
    let mut leech = lab.other(make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}

/// It is killed while nobody has the metadata, and again when the content has begun.
#[test]
fn a_magnet_survives_kills_before_and_after_its_metadata() {
    let test = "a_magnet_survives_kills_before_and_after_its_metadata";
    let content = Content::single(16 << 20, 64 << 10, 111);
    let Some(mut lab) = Lab::new(test, &[Libtorrent], content, Family::V4) else { return };
    let (file, link) = (lab.torrent.clone(), lab.magnet());
    lab.add_by(link.clone());
    let (host, leech) = lab.ours("leech", &["--down-limit", "4M"]);
    // Who says that nothing is left is taken for a seed.
    lab.tracker.wait(&host, lab::ready(), |announce| announce.left > 0 && announce.said == "started");
    leech.kill();
    lab.add_by(file);
    let _seed = lab.other_seed(Libtorrent, &Options::default());
    lab.add_by(link);
    let leech = lab.ours_again(&host, "leech", &["--down-limit", "4M"]);
    leech.event("metadata.received", lab::ready());
    leech.event_that("piece.completed", lab::transfer(), |event| event["complete"].as_u64() >= Some(16));
    leech.kill();
    let mut leech = lab.ours_again(&host, "leech", &[]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    let again = lines.iter().filter(|line| line["kind"] == "metadata.received").count();
    assert_eq!(again, 0, "it is on the list as a torrent");
    lab.assert_same("leech");
}

#[test]
fn two_hundred_magnets_at_once() {
    let test = "two_hundred_magnets_at_once";
    let Some(mut lab) = Lab::new(test, &[], Content::single(100_000, 16 << 10, 1_000), Family::V4) else {
        return;
    };
    let (torrents, content) = (lab.dir("torrents"), lab.dir("seed"));
    let tracker = lab.tracker.url(Family::V4);
    let mut links = Vec::new();
    for n in 0..MANY as u64 {
        let one = Content::single(100_000 + n, 16 << 10, 2_000 + n);
        let hash = one.torrent(std::slice::from_ref(&tracker), &torrents.join(format!("{n}.torrent")));
        one.write(&content);
        links.push(format!("magnet:?xt=urn:btih:{hash}&tr={tracker}"));
    }
    lab.add_by(torrents);
    let (host, seed) = lab.ours("seed", &["--seed-after", "--max-active", "none"]);
    for _ in 0..MANY {
        lab.tracker.wait_seed(&host, lab::ready());
    }
    let (first, rest) = links.split_first().expect("there are some");
    lab.add_by(first.into());
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    let (_, mut leech) = lab.ours("leech", &rest);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    let known = lines.iter().filter(|line| line["kind"] == "metadata.received").count();
    assert_eq!(known, MANY);
    for n in 0..MANY {
        let name = format!("single-{}.bin", 2_000 + n);
        let [ours, theirs] =
            ["leech", "seed"].map(|dir| std::fs::read(lab.work.join(dir).join(&name)).expect("a file"));
        assert!(ours == theirs, "{name} differs");
    }
    drop(seed);
}

/// What a peer does that says it has the metadata.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bad {
    /// Each of its pieces is wrong.
    Lies,
    /// It never answers.
    Silent,
}

/// Takes calls in `host` until the test ends.
fn bad(host: &Host, whole: &Metainfo, bad: Bad) -> String {
    let at = SocketAddr::from((host.v4, 7001));
    let (hash, info) = (whole.info_hash, whole.info_bytes());
    let (ready, listens) = std::sync::mpsc::sync_channel(1);
    host.spawn(move || {
        let listener = TcpListener::bind(at).expect("the place is ours");
        ready.send(()).expect("the test waits");
        while let Ok((stream, _)) = listener.accept() {
            let Ok(mut raw) = Raw::answer(stream, hash, [bad as u8; 20]) else { continue };
            let size = info.len();
            let payload = format!("d1:md11:ut_metadatai1ee13:metadata_sizei{size}ee").into_bytes().into();
            raw.say(&[Message::Extended { id: 0, payload }]);
            while let Some(message) = raw.hear() {
                let Message::Extended { id: 1, payload } = message else { continue };
                let Some(UtMetadata::Request { piece }) = UtMetadata::parse(&payload) else { continue };
                if bad == Bad::Silent {
                    continue;
                }
                let start = (piece * PIECE_SIZE) as usize;
                let mut data = info[start..size.min(start + PIECE_SIZE as usize)].to_vec();
                data[0] ^= 1;
                let said = UtMetadata::Data { piece, total_size: Some(size as u32), data: data.into() };
                raw.say(&[Message::Extended { id: Extension::UtMetadata.our_id(), payload: said.encode() }]);
            }
        }
    });
    listens.recv().expect("it begins to listen");
    at.to_string()
}

#[test]
fn neither_a_liar_nor_one_that_never_answers_keeps_a_magnet_from_its_metadata() {
    let test = "neither_a_liar_nor_one_that_never_answers_keeps_a_magnet_from_its_metadata";
    let Some(mut lab) = lab(test, &[Libtorrent], 112) else { return };
    let (file, link) = (lab.torrent.clone(), lab.magnet());
    let whole = Metainfo::read(&file).expect("a torrent");
    let hosts = [lab.net.host("liar"), lab.net.host("silent")];
    let (liar, silent) = (bad(&hosts[0], &whole, Bad::Lies), bad(&hosts[1], &whole, Bad::Silent));
    lab.add_by(link);
    let (_, mut leech) = lab.ours("leech", &["--peer", &liar, "--peer", &silent]);
    let banned = leech.event("peer.banned", lab::ready());
    assert_eq!(banned["address"], liar, "{banned}");
    lab.add_by(file);
    let _seed = lab.other_seed(Libtorrent, &Options::default());
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    assert_eq!(lines.iter().filter(|line| line["kind"] == "peer.banned").count(), 1);
    assert_eq!(lines.iter().filter(|line| line["kind"] == "metadata.received").count(), 1);
    lab.assert_same("leech");
}
