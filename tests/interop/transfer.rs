//! One of ours and one client of another make: each seeds and the other downloads.

use serde_json::Value;

use crate::clients::make::Make::{self, Aria2, Libtorrent, Qbittorrent, Rtorrent, Transmission};
use crate::clients::other::Options;
use crate::clients::ours::Ours;
use crate::lab::{self, Lab};
use crate::net::Family::{self, V4, V6};
use crate::torrent::Content;

/// A line makes a test: who seeds to whom, over what, and which content.
macro_rules! transfers {
    ($(#[test] fn $name:ident() = $direction:ident($make:ident, $family:ident, $content:expr);)*) => {
        $(#[test] fn $name() { $direction(stringify!($name), $make, $family, $content) })*
    };
}

// 64 MiB in about 200 files, with every client.
transfers! {
    #[test] fn libtorrent_seeds_we_download() = we_download(Libtorrent, V4, Content::mixed(11));
    #[test] fn transmission_seeds_we_download() = we_download(Transmission, V4, Content::mixed(12));
    #[test] fn aria2_seeds_we_download() = we_download(Aria2, V4, Content::mixed(13));
    #[test] fn rtorrent_seeds_we_download() = we_download(Rtorrent, V4, Content::mixed(14));
    #[test] fn qbittorrent_seeds_we_download() = we_download(Qbittorrent, V4, Content::mixed(15));

    #[test] fn we_seed_libtorrent_downloads() = we_seed(Libtorrent, V4, Content::mixed(16));
    #[test] fn we_seed_transmission_downloads() = we_seed(Transmission, V4, Content::mixed(17));
    #[test] fn we_seed_aria2_downloads() = we_seed(Aria2, V4, Content::mixed(18));
    #[test] fn we_seed_rtorrent_downloads() = we_seed(Rtorrent, V4, Content::mixed(19));
    #[test] fn we_seed_qbittorrent_downloads() = we_seed(Qbittorrent, V4, Content::mixed(20));
}

// Over IPv6.
transfers! {
    #[test] fn libtorrent_seeds_we_download_over_ipv6() = we_download(Libtorrent, V6, Content::mixed(31));
    #[test] fn rtorrent_seeds_we_download_over_ipv6() = we_download(Rtorrent, V6, Content::mixed(32));

    #[test] fn we_seed_libtorrent_downloads_over_ipv6() = we_seed(Libtorrent, V6, Content::mixed(33));
    #[test] fn we_seed_rtorrent_downloads_over_ipv6() = we_seed(Rtorrent, V6, Content::mixed(34));
}

// In pieces of 16 KiB: each is one block.
transfers! {
    #[test] fn libtorrent_seeds_small_pieces() = we_download(Libtorrent, V4, Content::mixed(41).in_pieces_of(16 << 10));
    #[test] fn rtorrent_seeds_small_pieces() = we_download(Rtorrent, V4, Content::mixed(42).in_pieces_of(16 << 10));

    #[test] fn we_seed_small_pieces_to_libtorrent() = we_seed(Libtorrent, V4, Content::mixed(43).in_pieces_of(16 << 10));
    #[test] fn we_seed_small_pieces_to_rtorrent() = we_seed(Rtorrent, V4, Content::mixed(44).in_pieces_of(16 << 10));
}

// In pieces of 16 MiB: 1,024 blocks each, more than a peer is asked for at once.
transfers! {
    #[test] fn libtorrent_seeds_large_pieces() = we_download(Libtorrent, V4, Content::mixed(51).in_pieces_of(16 << 20));
    #[test] fn aria2_seeds_large_pieces() = we_download(Aria2, V4, Content::mixed(52).in_pieces_of(16 << 20));

    #[test] fn we_seed_large_pieces_to_libtorrent() = we_seed(Libtorrent, V4, Content::mixed(53).in_pieces_of(16 << 20));
    #[test] fn we_seed_large_pieces_to_aria2() = we_seed(Aria2, V4, Content::mixed(54).in_pieces_of(16 << 20));
}

// A piece across five files.
transfers! {
    #[test] fn libtorrent_seeds_five_files_in_a_piece() = we_download(Libtorrent, V4, Content::five_in_a_piece(61));
    #[test] fn transmission_seeds_five_files_in_a_piece() = we_download(Transmission, V4, Content::five_in_a_piece(62));

    #[test] fn we_seed_five_files_in_a_piece_to_libtorrent() = we_seed(Libtorrent, V4, Content::five_in_a_piece(63));
    #[test] fn we_seed_five_files_in_a_piece_to_transmission() = we_seed(Transmission, V4, Content::five_in_a_piece(64));
}

/// Downloads from the seed that the tracker lists, and ends by itself.
fn we_download(test: &str, make: Make, family: Family, content: Content) {
    let Some(mut lab) = Lab::new(test, &[make], content, family) else { return };
    let _seed = lab.other_seed(make, &Options::default());
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

/// Seeds to a client that hears of it from the tracker.
fn we_seed(test: &str, make: Make, family: Family, content: Content) {
    let Some(mut lab) = Lab::new(test, &[make], content, family) else { return };
    let (_, seed) = lab.our_seed();
    let mut leech = lab.other(make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    leaves_in_order(seed);
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
