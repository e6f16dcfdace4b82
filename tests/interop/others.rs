//! The other clients among themselves: when these fail, the fault is in the tests or the machine.

use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;

#[test]
fn libtorrent_to_transmission() {
    let content = Content::mixed(1);
    let Some(mut lab) = Lab::new("libtorrent_to_transmission", content, Family::V4) else { return };
    let _seed = lab.libtorrent_seed(lab::defaults());
    let (_, mut leech) = lab.transmission("leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_but_empty("leech");
}

#[test]
fn transmission_to_libtorrent() {
    let content = Content::mixed(2);
    let Some(mut lab) = Lab::new("transmission_to_libtorrent", content, Family::V4) else { return };
    let _seed = lab.transmission_seed();
    let (_, mut leech) = lab.libtorrent("leech", lab::defaults());
    leech.wait_seeding(&lab.info_hash, lab::transfer());
    lab.assert_same("leech");
}

#[test]
fn libtorrent_to_libtorrent_over_ipv6() {
    let content = Content::mixed(3);
    let Some(mut lab) = Lab::new("libtorrent_to_libtorrent_over_ipv6", content, Family::V6) else { return };
    let _seed = lab.libtorrent_seed(lab::defaults());
    let (_, mut leech) = lab.libtorrent("leech", lab::defaults());
    leech.wait_seeding(&lab.info_hash, lab::transfer());
    lab.assert_same("leech");
}
