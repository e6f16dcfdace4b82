//! uTP (BEP 29) alone over a link that loses, delays and reorders packets, each way with libtorrent. How fast is
//! the benchmark's business.

use crate::clients::make::Make;
use crate::lab::{self, require};
use crate::net::Net;
use crate::rounds::utp::{Between, Scene, play};

fn completes(test: &str, between: Between) {
    let found = lab::programs(&[Make::Libtorrent]).and_then(|()| Net::new().map(drop));
    let Some(()) = require(found, test) else { return };
    let sample = play(Scene::Lossy, between);
    println!("{}: {:.2} Mbit/s", between.name(), sample.rate.expect("it has an end"));
}

#[test]
fn utp_brings_content_to_libtorrent_over_a_link_that_loses_and_reorders() {
    completes("utp_brings_content_to_libtorrent_over_a_link_that_loses_and_reorders", Between::FromUs);
}

#[test]
fn utp_brings_content_from_libtorrent_over_a_link_that_loses_and_reorders() {
    completes("utp_brings_content_from_libtorrent_over_a_link_that_loses_and_reorders", Between::ToUs);
}
