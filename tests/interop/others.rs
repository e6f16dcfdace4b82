//! The other clients among themselves: when these fail, the fault is in the tests or the machine.

use crate::clients::make::Make::{self, Aria2, Libtorrent, Qbittorrent, Rtorrent, Transmission};
use crate::clients::other::Options;
use crate::lab::{self, Lab};
use crate::net::Family::{self, V4, V6};
use crate::torrent::Content;

#[test]
fn libtorrent_to_transmission() {
    transfer("libtorrent_to_transmission", Libtorrent, Transmission, V4);
}

#[test]
fn transmission_to_libtorrent() {
    transfer("transmission_to_libtorrent", Transmission, Libtorrent, V4);
}

#[test]
fn aria2_to_rtorrent() {
    transfer("aria2_to_rtorrent", Aria2, Rtorrent, V4);
}

#[test]
fn rtorrent_to_qbittorrent() {
    transfer("rtorrent_to_qbittorrent", Rtorrent, Qbittorrent, V4);
}

#[test]
fn qbittorrent_to_aria2() {
    transfer("qbittorrent_to_aria2", Qbittorrent, Aria2, V4);
}

#[test]
fn libtorrent_to_libtorrent_over_ipv6() {
    transfer("libtorrent_to_libtorrent_over_ipv6", Libtorrent, Libtorrent, V6);
}

fn transfer(test: &str, from: Make, to: Make, family: Family) {
    let Some(mut lab) = Lab::new(test, &[from, to], Content::mixed(1), family) else { return };
    let _seed = lab.other_seed(from, &Options::default());
    let mut leech = lab.other(to, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(to, "leech");
}
