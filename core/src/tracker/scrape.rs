//! Scrapes over HTTP: how many peers a tracker has, without joining them (BEP 48).

use std::fmt::Write as _;

use url::Url;

use super::announce::AnnounceError;
use super::query::{AnnounceUrl, check_text, escape, is_plain_announce};
use super::reply::saturated;
use crate::bencode::{self, Limits};
use crate::types::InfoHash;
use crate::untrusted::Untrusted;

/// Info-hashes in one URL: sixty of them escaped are 4.4 kB, and servers take request lines of 8 KiB.
pub const MAX_SCRAPE: usize = 60;

/// What a tracker knows of one torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeCounts {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Peers that have everything (`complete`).
    pub seeds: Option<u32>,
    /// Peers that lack something (`incomplete`).
    pub leechers: Option<u32>,
    /// Downloads that were completed (`downloaded`).
    pub completed: Option<u32>,
}

/// The scrape of these torrents at a tracker whose announce URL is `tracker`.
///
/// # Errors
/// The URL is none to announce to, or its last path element does not start with `announce`: then the
/// tracker has no scrape.
pub fn scrape_url(tracker: &Untrusted, torrents: &[InfoHash]) -> Result<AnnounceUrl, AnnounceError> {
    let base = check_text(tracker.raw(), &["http", "https"])?;
    let own = Url::parse(base).map_err(|_| AnnounceError::Url("not a URL"))?;
    let path_end = base.find('?').unwrap_or(base.len());
    let none = AnnounceError::Url("this tracker has no scrape");
    let host = base.find("://").map_or(0, |scheme| scheme + 3);
    let slash = base[host..path_end].rfind('/').ok_or(none.clone())? + host;
    let rest = base[slash + 1..].strip_prefix("announce").ok_or(none)?;
    let mut text = format!("{}/scrape{rest}", &base[..slash]);
    let mut joint = if path_end == base.len() { '?' } else { '&' };
    for info_hash in torrents {
        write!(text, "{joint}info_hash=").expect("a String takes any text");
        escape(info_hash.as_bytes(), &mut text);
        joint = '&';
    }
    let url = Url::parse(&text).map_err(|_| AnnounceError::Url("not a URL"))?;
    Ok(AnnounceUrl { url, plain: is_plain_announce(&own) })
}

/// Reads an answer: the figures of those of `torrents` that are in it. A figure that is no number is
/// absent.
///
/// # Errors
/// A refusal, or something else than an answer to a scrape.
pub fn decode(body: &[u8], torrents: &[InfoHash]) -> Result<Vec<ScrapeCounts>, AnnounceError> {
    let body = saturated(body);
    let scan = bencode::scan(&body, &Limits::MESSAGE).map_err(|_| AnnounceError::Malformed)?;
    let found = scan.value.pick(["failure reason", "files"]).ok_or(AnnounceError::Malformed)?;
    let files = match found {
        [Some(reason), _] => {
            let reason = reason.bytes().map_or_else(|| "no reason given".into(), Untrusted::from_bytes);
            return Err(AnnounceError::Refused { reason, retry: None });
        }
        [None, files] => files.and_then(|files| files.dict()).ok_or(AnnounceError::Malformed)?,
    };
    let known = files.filter_map(|(key, figures)| {
        let info_hash = torrents.iter().find(|wanted| wanted.as_bytes() == key)?;
        let [seeds, leechers, completed] = figures.pick(["complete", "incomplete", "downloaded"])?;
        let number = |value: Option<bencode::Value<'_>>| u32::try_from(value?.int()?).ok();
        Some(ScrapeCounts {
            info_hash: *info_hash,
            seeds: number(seeds),
            leechers: number(leechers),
            completed: number(completed),
        })
    });
    Ok(known.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashes(numbers: &[u8]) -> Vec<InfoHash> {
        numbers.iter().map(|number| InfoHash::new([*number; 20])).collect()
    }

    fn check(tracker: &str, want: Option<&str>) {
        let url = scrape_url(&tracker.into(), &hashes(b"ab")).map(|scrape| scrape.url.to_string());
        let query = format!("info_hash={}&info_hash={}", "a".repeat(20), "b".repeat(20));
        assert_eq!(url.ok(), want.map(|want| format!("{want}{query}")), "{tracker}");
    }

    #[test]
    fn the_examples_of_bep_48() {
        check("http://t.example/announce", Some("http://t.example/scrape?"));
        check("http://t.example/x/announce", Some("http://t.example/x/scrape?"));
        check("http://t.example/announce.php", Some("http://t.example/scrape.php?"));
        check("http://t.example/a", None);
        check("http://t.example/announce?x2%0644", Some("http://t.example/scrape?x2%0644&"));
        check("http://t.example/announce?x=2/4", Some("http://t.example/scrape?x=2/4&"));
        check("http://t.example/x%064announce", None);
    }

    #[test]
    fn urls_without_a_scrape() {
        for tracker in ["udp://t:1/announce", "http://t.example", "http://announce", "http://t/announce/"] {
            check(tracker, None);
        }
    }

    #[test]
    fn sixty_hashes_fit_a_request_line() {
        let torrents = vec![InfoHash::new([0xff; 20]); MAX_SCRAPE];
        let url = scrape_url(&"http://t/announce".into(), &torrents).unwrap().url;
        assert!(url.as_str().len() < 8_000, "{}", url.as_str().len());
    }

    /// First byte of the hash, seeds, leechers.
    type Short = (u8, Option<u32>, Option<u32>);

    fn count(body: &[u8]) -> Result<Vec<Short>, AnnounceError> {
        let counts = decode(body, &hashes(b"ab"))?;
        Ok(counts.iter().map(|c| (c.info_hash.as_bytes()[0], c.seeds, c.leechers)).collect())
    }

    #[test]
    fn answers_good_and_bad() {
        let a = "20:aaaaaaaaaaaaaaaaaaaad8:completei5e10:downloadedi50e10:incompletei10ee";
        let b = "20:bbbbbbbbbbbbbbbbbbbbd8:completei-1e10:incomplete3:tenee";
        let c = "20:ccccccccccccccccccccd8:completei1e10:incompletei1ee";
        let both = count(format!("d5:filesd{a}{b}{c}ee").as_bytes()).unwrap();
        assert_eq!(both, [(b'a', Some(5), Some(10)), (b'b', None, None)]);
        assert_eq!(count(b"d5:filesdee").unwrap(), []);
        assert_eq!(count(format!("d5:filesd{a}{a}ee").as_bytes()), Err(AnnounceError::Malformed));
        let huge = "20:aaaaaaaaaaaaaaaaaaaad8:completei99999999999999999999999e10:incompletei2eee";
        assert_eq!(count(format!("d5:filesd{huge}e").as_bytes()).unwrap(), [(b'a', None, Some(2))]);
        let refused = count(b"d14:failure reason9:no scrapee").unwrap_err();
        assert_eq!(refused, AnnounceError::Refused { reason: "no scrape".into(), retry: None });
        for bad in ["", "de", "le", "d5:filesi1ee", "<html>", "d5:files"] {
            assert_eq!(count(bad.as_bytes()), Err(AnnounceError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = count(&body);
            let _ = count(&[b"d5:filesd20:aaaaaaaaaaaaaaaaaaaa", &body[..], b"ee"].concat());
        }
    }
}
