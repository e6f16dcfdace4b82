//! Our limits beside another client: it gets and gives all, and never faster than we were told.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::clients::make::Make::{self, Libtorrent, Qbittorrent};
use crate::clients::other::Options;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;
use crate::transfer::of_kind;

/// As `--up-limit` and `--down-limit` have it, and in bytes per second.
const LIMIT: (&str, u64) = ("2M", 2 << 20);
/// Eight seconds at the limit.
const SIZE: u64 = 16 << 20;
/// Snapshots between which the rate is looked at are at least as far apart.
const WINDOW: Duration = Duration::from_secs(5);
/// What may come on top in a window: bytes go in shares of half a second, and a busy machine takes
/// its snapshots late. The limiter's own tests are narrower.
const NOISE: Duration = Duration::from_secs(1);

#[test]
fn we_download_slowly_from_libtorrent() {
    we_download("we_download_slowly_from_libtorrent", Libtorrent, 71);
}

#[test]
fn we_download_slowly_from_qbittorrent() {
    we_download("we_download_slowly_from_qbittorrent", Qbittorrent, 72);
}

#[test]
fn we_seed_slowly_to_libtorrent() {
    we_seed("we_seed_slowly_to_libtorrent", Libtorrent, 73);
}

#[test]
fn we_seed_slowly_to_qbittorrent() {
    we_seed("we_seed_slowly_to_qbittorrent", Qbittorrent, 74);
}

fn lab(test: &str, make: Make, seed: u64) -> Option<Lab> {
    Lab::new(test, &[make], Content::single(SIZE, 256 << 10, seed), Family::V4)
}

fn we_download(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, make, seed) else { return };
    let _seed = lab.other_seed(make, &Options::default());
    let (_, mut leech) = lab.ours("leech", &["--down-limit", LIMIT.0]);
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
    never_faster(&lines, "downloaded");
}

fn we_seed(test: &str, make: Make, seed: u64) {
    let Some(mut lab) = lab(test, make, seed) else { return };
    let (_, mut seed) = lab.our_seed_with(&["--up-limit", LIMIT.0]);
    let mut leech = lab.other(make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, lines) = seed.interrupt();
    assert!(status.success(), "{status}");
    never_faster(&lines, "uploaded");
}

/// Looks at the figure's growth between snapshots.
fn never_faster(lines: &[Value], figure: &str) {
    let snapshots: Vec<(Timestamp, u64)> = of_kind(lines, "stats.update")
        .map(|line| {
            let time = line["time"].as_str().and_then(|time| time.parse().ok()).expect("a time");
            (time, line[figure].as_u64().expect("a number"))
        })
        .collect();
    let mut windows = 0;
    for (index, (begin, before)) in snapshots.iter().enumerate() {
        let later = snapshots[index..]
            .iter()
            .map(|(end, after)| (end.duration_since(*begin).unsigned_abs(), after - before));
        for (time, bytes) in later.filter(|(time, bytes)| *time >= WINDOW && *bytes > 0) {
            windows += 1;
            let most = LIMIT.1 * (time + NOISE).as_millis() as u64 / 1_000;
            assert!(bytes <= most, "{bytes} bytes {figure} within {time:?}: {snapshots:?}");
        }
    }
    assert!(windows > 0, "too few snapshots: {snapshots:?}");
}
