//! Tracker URLs out of torrents, and what trackers say beside them: what is asked is what the URL says
//! and no other host, no secret is lost or made up by masking, and a redirect leads down in nothing. The
//! first line is the URL, the rest what its tracker says.

use bytes::Bytes;
use tc_core::InfoHash;
use tc_core::tracker::announce::{AnnounceEvent, AnnounceParams};
use tc_core::tracker::edit::{check_masked, check_url};
use tc_core::tracker::http::target;
use tc_core::tracker::mask::{MASK, hide_secrets, mask_url, unmask};
use tc_core::tracker::query::announce_url;
use tc_core::tracker::scheme::Scheme;
use tc_core::tracker::scrape::scrape_url;
use tc_core::tracker::udp::UdpUrl;
use tc_core::tracker::udp::packet::{ConnectionId, TransactionId, announce};
use tc_core::types::PeerId;
use tc_core::untrusted::{Untrusted, is_harmful};

/// Bytes of a UDP announce before its options (BEP 15).
const ANNOUNCE: usize = 98;

fn params() -> AnnounceParams {
    AnnounceParams {
        info_hash: InfoHash::new([b'%'; 20]),
        peer_id: PeerId::new([b'&'; 20]),
        port: 50_000,
        uploaded: 0,
        downloaded: 0,
        corrupt: 0,
        left: 1,
        key: 7,
        numwant: 80,
        event: AnnounceEvent::Started,
    }
}

pub fn check(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let url = Untrusted::from_bytes(lines.next().unwrap_or_default());
    let said = lines.next().unwrap_or_default();
    let text = String::from_utf8_lossy(said);
    masks(&url, &text);
    let fit = check_url(&url).is_ok();
    let mut asked = false;
    if let Ok(found) = announce_url(&url, &params(), Some(said)) {
        asked = true;
        assert_eq!(Scheme::of(url.raw()), Some(Scheme::Http));
        assert!(found.url.has_host() && !found.url.as_str().chars().any(|c| is_harmful(c) || c == ' '));
        let hashes = found.url.query_pairs().filter(|(key, _)| key == "info_hash").count();
        assert_eq!(hashes, 1, "{}", found.url);
        if let Ok(next) = target(&found.url, &text) {
            assert!(matches!(next.scheme(), "http" | "https"));
            assert!(found.url.scheme() != "https" || next.scheme() == "https");
            // A password goes to where it belongs; another one is the sender's own.
            let kept = !next.username().is_empty() && next.username() == found.url.username();
            assert!(!kept || next.origin() == found.url.origin() || text.contains('@'));
        }
        if let Ok(scrape) = scrape_url(&url, &[params().info_hash]) {
            assert_eq!(scrape.url.origin(), found.url.origin());
        }
    }
    if let Ok(found) = UdpUrl::parse(&url) {
        asked = true;
        assert_eq!(Scheme::of(url.raw()), Some(Scheme::Udp));
        assert!(found.port != 0 && !found.host.is_empty());
        assert!(url.raw().contains(std::str::from_utf8(&found.data).expect("cut at a sign of ASCII")));
        let packet = announce(ConnectionId(1), TransactionId(2), &params(), &found.data);
        assert_eq!(url_data(&packet[ANNOUNCE..]), found.data);
    }
    assert_eq!(fit, asked, "what may be typed can be asked: {url}");
}

fn masks(url: &Untrusted, said: &str) {
    let shown = mask_url(url);
    if !url.raw().contains(MASK) {
        assert_eq!(mask_url(&shown), shown, "nothing is left to hide");
        assert_eq!(unmask(&shown, url).as_ref(), Some(url));
        let more = Untrusted::new(format!("{shown}{MASK}"));
        assert_eq!(unmask(&more, &shown).map(drop), unmask(&more, url).map(drop));
    }
    let _ = check_masked(&shown);
    let hidden = hide_secrets(url, said);
    assert!(hidden.raw().len() <= said.len().max(1) * MASK.len());
}

/// What the options of BEP 41 carry, put together again.
fn url_data(mut options: &[u8]) -> Bytes {
    let mut data = Vec::new();
    while let [2, length, rest @ ..] = options {
        let (now, later) = rest.split_at(usize::from(*length));
        data.extend_from_slice(now);
        options = later;
    }
    assert!(options.is_empty() || options == [0], "{options:?}");
    data.into()
}
