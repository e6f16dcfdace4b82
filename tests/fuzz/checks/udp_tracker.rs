//! Replies of UDP trackers, and what an HTTP one answers to a scrape: reading them never panics, and
//! brings no more than was asked or fits.

use tc_core::InfoHash;
use tc_core::tracker::scrape;
use tc_core::tracker::udp::packet::{Reply, decode, peers_v4, peers_v6, scraped};

pub fn check(bytes: &[u8]) {
    match decode(bytes) {
        Some((_, Reply::Announced { interval, peers, .. })) => {
            assert!(i32::try_from(interval).is_ok());
            assert_eq!(peers_v4(peers).count(), peers.len() / 6);
            assert_eq!(peers_v6(peers).count(), peers.len() / 18);
        }
        Some((_, Reply::Scraped(packed))) => assert_eq!(scraped(packed).count(), packed.len() / 12),
        Some((_, Reply::Connected(_) | Reply::Error(_))) | None => {}
    }
    let torrents = [InfoHash::new([b'a'; 20]), InfoHash::new([b'b'; 20])];
    if let Ok(counts) = scrape::decode(bytes, &torrents) {
        assert!(counts.iter().all(|known| torrents.contains(&known.info_hash)));
        assert!(counts.len() <= torrents.len());
    }
}
