//! Downloads in the order of the content, ours and others'.

use serde_json::{Value, json};

use crate::clients::make::Make::{self, Libtorrent, Qbittorrent};
use crate::clients::other::Options;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;
use crate::transfer::of_kind;

/// 256 pieces.
const SIZE: u64 = 16 << 20;
const PIECE: u32 = 64 << 10;
/// Slow enough that no more than a few pieces are on their way at once.
const SLOW: u64 = 4 << 20;
/// Pieces that may be under way at once: three seconds' worth of requests at the limit.
const ON_THEIR_WAY: u64 = 3 * SLOW / PIECE as u64;

#[test]
fn we_download_in_order_from_libtorrent() {
    we_download("we_download_in_order_from_libtorrent", Libtorrent, 81);
}

#[test]
fn we_download_in_order_from_qbittorrent() {
    we_download("we_download_in_order_from_qbittorrent", Qbittorrent, 82);
}

#[test]
fn libtorrent_downloads_in_order_from_us() {
    we_seed("libtorrent_downloads_in_order_from_us", Libtorrent, 83);
}

#[test]
fn qbittorrent_downloads_in_order_from_us() {
    we_seed("qbittorrent_downloads_in_order_from_us", Qbittorrent, 84);
}

fn lab(test: &str, make: Make, seed: u64) -> Option<Lab> {
    Lab::new(test, &[make], Content::single(SIZE, PIECE, seed), Family::V4)
}

fn we_download(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, make, seed) else { return };
    let _seed = lab.other_seed(make, &Options { upload_limit: SLOW, ..Options::default() });
    let (_, mut leech) = lab.ours("leech", &["--sequential"]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    let index = |line: &Value| line["index"].as_u64().expect("a number");
    let pieces: Vec<u64> = of_kind(&lines, "piece.completed").map(index).collect();
    assert_eq!(pieces.len() as u64, SIZE / u64::from(PIECE));
    // At random half of the pieces would be further away than a quarter of the torrent.
    let far = pieces.iter().zip(0..).map(|(piece, at): (&u64, u64)| piece.abs_diff(at)).max();
    assert!(far.is_some_and(|far| far <= ON_THEIR_WAY), "{far:?}: {pieces:?}");
}

fn we_seed(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, make, seed) else { return };
    let (_, mut seed) = lab.our_seed();
    let in_order = Options { settings: json!({"sequential": true}), ..Options::default() };
    let mut leech = lab.other_with(make, "leech", &in_order);
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}
