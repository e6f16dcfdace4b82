//! The URL of an HTTP announce: BEP 3's parameters behind the tracker's own URL, which stays as it came.

use std::fmt::Write as _;

use url::Url;

use super::announce::{AnnounceError, AnnounceParams};
use crate::untrusted::Untrusted;

/// Bytes of a tracker URL. Servers take request lines of 8 KiB.
const MAX_URL: usize = 4_096;

/// A tracker URL with an announce behind it, ready to send.
#[derive(Clone, Debug)]
pub struct AnnounceUrl {
    /// What to ask for.
    pub url: Url,
    /// Whether the tracker's own part looks like nothing but an announce; see [`is_plain_announce`].
    pub plain: bool,
}

/// Checks the tracker's URL and appends the parameters, the raw bytes percent-encoded.
///
/// Refused are texts that two readers could take for different hosts, and those that bring parameters
/// of their own in place of ours.
pub fn announce_url(
    tracker: &Untrusted,
    params: &AnnounceParams,
    tracker_id: Option<&[u8]>,
) -> Result<AnnounceUrl, AnnounceError> {
    let raw = tracker.raw();
    let base = check_text(raw, &["http", "https"])?;
    let own = Url::parse(base).map_err(|_| AnnounceError::Url("not a URL"))?;
    let plain = is_plain_announce(&own);

    let mut text = base.to_owned();
    text.push(match base.find('?') {
        None => '?',
        Some(_) => '&',
    });
    text.push_str("info_hash=");
    escape(params.info_hash.as_bytes(), &mut text);
    text.push_str("&peer_id=");
    escape(params.peer_id.as_bytes(), &mut text);
    let AnnounceParams { port, uploaded, downloaded, corrupt, left, key, numwant, .. } = params;
    write!(
        text,
        "&port={port}&uploaded={uploaded}&downloaded={downloaded}&corrupt={corrupt}&left={left}&key={key:08X}\
         &numwant={numwant}&compact=1&no_peer_id=1&supportcrypto=0"
    )
    .expect("a String takes any text");
    if let Some(event) = params.event.name() {
        text.push_str("&event=");
        text.push_str(event);
    }
    if let Some(id) = tracker_id {
        text.push_str("&trackerid=");
        escape(id, &mut text);
    }
    let url = Url::parse(&text).map_err(|_| AnnounceError::Url("not a URL"))?;
    Ok(AnnounceUrl { url, plain })
}

/// Whether a URL can be sent into a private network on the word of a torrent file: its last path
/// element starts with `announce` (BEP 48 uses the same sign) and it has no query of its own, so that
/// it fits a tracker and no router's or database's web interface. libtorrent guards loopback alike.
pub fn is_plain_announce(url: &Url) -> bool {
    let last = url.path_segments().and_then(|mut path| path.next_back());
    url.query().is_none() && last.is_some_and(|last| last.starts_with("announce"))
}

/// The text up to its fragment, if it is one that every reader takes alike.
pub(super) fn check_text<'a>(raw: &'a str, schemes: &[&str]) -> Result<&'a str, AnnounceError> {
    let refuse = |why| Err(AnnounceError::Url(why));
    if raw.len() > MAX_URL {
        return refuse("too long");
    }
    // The URL standard drops tabs and line ends silently; others do not.
    if raw.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return refuse("holds characters that have no place in a URL");
    }
    let base = raw.split('#').next().unwrap_or(raw);
    let Some((scheme, rest)) = base.split_once("://") else { return refuse("not a URL") };
    if !schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return refuse("another scheme");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    if authority.matches('@').count() > 1 {
        return refuse("two @ before the host");
    }
    // A name that needs other letters has an ASCII form; look-alikes have no other use.
    if !authority.is_ascii() {
        return refuse("host name is not ASCII");
    }
    let query = base.split_once('?').map_or("", |(_, query)| query);
    // As a server reads it: a key may be escaped.
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    if pairs.any(|(key, _)| key.to_ascii_lowercase().starts_with("info_hash")) {
        return refuse("brings an info_hash of its own");
    }
    Ok(base)
}

/// RFC 3986: everything but the unreserved characters is escaped, bytes one by one.
pub(super) fn escape(bytes: &[u8], text: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a String takes any text");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::AnnounceEvent;
    use crate::types::{InfoHash, PeerId};

    fn params(event: AnnounceEvent) -> AnnounceParams {
        AnnounceParams {
            info_hash: InfoHash::new(std::array::from_fn(|i| [0, b' ', b'+', b'~', 0xff][i % 5])),
            peer_id: PeerId::new(*b"-TC0100-abcdefghijkl"),
            port: 6881,
            uploaded: 1,
            downloaded: 2,
            corrupt: 3,
            left: u64::MAX,
            key: 0xab,
            numwant: 80,
            event,
        }
    }

    const HASH: &str = "%00%20%2B~%FF%00%20%2B~%FF%00%20%2B~%FF%00%20%2B~%FF";

    fn check(tracker: &str, event: AnnounceEvent, id: Option<&[u8]>, before: &str, after: &str) {
        let url = announce_url(&tracker.into(), &params(event), id).unwrap().url;
        let want = format!(
            "{before}info_hash={HASH}&peer_id=-TC0100-abcdefghijkl&port=6881&uploaded=1&downloaded=2&corrupt=3\
             &left=18446744073709551615&key=000000AB&numwant=80&compact=1&no_peer_id=1&supportcrypto=0{after}"
        );
        assert_eq!(url.as_str(), want);
    }

    #[test]
    fn parameters_follow_the_url_as_it_came() {
        use AnnounceEvent::{Completed, Regular, Started, Stopped};
        check("http://t/announce", Started, None, "http://t/announce?", "&event=started");
        check("http://t/announce", Regular, None, "http://t/announce?", "");
        check("http://t/a?k=%2f%7E", Stopped, None, "http://t/a?k=%2f%7E&", "&event=stopped");
        check("http://t:81/a%2f?x#frag", Completed, None, "http://t:81/a%2f?x&", "&event=completed");
        check("https://t/a", Regular, Some(b"\0&x=1"), "https://t/a?", "&trackerid=%00%26x%3D1");
        check("HTTP://t", Regular, None, "http://t/?", "");
    }

    #[test]
    fn urls_with_two_meanings_are_refused() {
        let long = format!("http://t/{}", "x".repeat(5_000));
        for tracker in [
            "",
            "t.example/announce",
            "udp://t:1/announce",
            "file:///etc/passwd",
            "http://",
            "http://t/a\r\nX-Evil: 1",
            "http://t/a\tb",
            "http://t /a",
            "http://good@evil@t/a",
            "http://good\\@evil/a",
            "http://t/a?info_hash=x",
            "http://t/a?x=1&INFO_HASH=x",
            "http://tr\u{430}cker.example/announce",
            "http://t:99999/announce",
            &long,
        ] {
            let result = announce_url(&tracker.into(), &params(AnnounceEvent::Regular), None);
            assert!(matches!(result, Err(AnnounceError::Url(_))), "{tracker}: {result:?}");
        }
    }

    #[test]
    fn what_may_go_into_a_private_network() {
        for (tracker, plain) in [
            ("http://10.0.0.1/announce", true),
            ("http://10.0.0.1:80/key/announce.php", true),
            ("http://10.0.0.1/announce?x=1", false),
            ("http://10.0.0.1/admin/reboot", false),
            ("http://10.0.0.1/announce/../reboot", false),
            ("http://10.0.0.1", false),
        ] {
            let url = announce_url(&tracker.into(), &params(AnnounceEvent::Regular), None).unwrap();
            assert_eq!(url.plain, plain, "{tracker}");
        }
    }
}
