//! Hides pass-keys in tracker URLs before anybody is shown one.
//!
//! Guesses on the safe side: a long announce word that is no secret may be hidden too; the host never is.

use crate::untrusted::Untrusted;

/// Characters from which on a path element or a query value counts as a secret. Trackers hand out 32
/// hexadecimal digits; words of a path are shorter than half of that.
const SECRET_LENGTH: usize = 16;

/// What stands in place of a secret.
const MASK: &str = "…";

/// Query keys whose values are secrets however short they are.
const SECRET_KEYS: [&str; 10] =
    ["passkey", "pass", "password", "authkey", "auth", "key", "token", "secret", "pid", "uk"];

/// The URL with everything that looks like a secret replaced by `…`: the user and password, path
/// elements and query values of 16 or more letters and digits, and the values of telling keys.
pub fn mask_url(url: &Untrusted) -> Untrusted {
    let raw = url.raw();
    let (scheme, rest) = raw.split_once("://").map_or(("", raw), |(scheme, rest)| (scheme, rest));
    let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, tail)| (rest, Some(tail)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));

    let mut masked = String::with_capacity(raw.len());
    if raw.contains("://") {
        masked.push_str(scheme);
        masked.push_str("://");
    }
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            masked.push_str(MASK);
            masked.push('@');
            masked.push_str(host);
        }
        None => masked.push_str(authority),
    }
    for element in path.into_iter().flat_map(|path| path.split('/')) {
        masked.push('/');
        masked.push_str(if looks_secret(element) { MASK } else { element });
    }
    for (i, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        masked.push(if i == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((key, value)) if is_secret_key(key) || looks_secret(value) => {
                masked.push_str(key);
                masked.push('=');
                masked.push_str(if value.is_empty() { "" } else { MASK });
            }
            None if looks_secret(pair) => masked.push_str(MASK),
            _ => masked.push_str(pair),
        }
    }
    if let Some(fragment) = fragment {
        masked.push('#');
        masked.push_str(if looks_secret(fragment) { MASK } else { fragment });
    }
    Untrusted::new(masked)
}

fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.iter().any(|secret| secret.eq_ignore_ascii_case(key))
}

/// Any run of sixteen letters and digits: hexadecimal, base32 and base64 alike, plain or escaped.
fn looks_secret(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_' | '%' | '=')))
        .any(|run| run.len() >= SECRET_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, shown: &str) {
        assert_eq!(mask_url(&Untrusted::new(url)).raw(), shown);
    }

    #[test]
    fn keys_of_trackers_are_hidden() {
        let key = "0123456789abcdef0123456789ABCDEF";
        check(&format!("https://t.example/{key}/announce"), "https://t.example/…/announce");
        check(&format!("https://t.example:443/announce/{key}"), "https://t.example:443/announce/…");
        check("http://t.example/announce.php?passkey=short", "http://t.example/announce.php?passkey=…");
        check(
            "http://t.example/a?uid=7&AuthKey=x&torrent_pass=",
            "http://t.example/a?uid=7&AuthKey=…&torrent_pass=",
        );
        check(&format!("http://t.example/a?torrent_pass={key}"), "http://t.example/a?torrent_pass=…");
        check(&format!("http://t.example/?{key}"), "http://t.example/?…");
        check("https://t.example/dGhpcyBpcyBzZWNyZXQ%3D/announce", "https://t.example/…/announce");
        check("https://t.example/announce#0123456789abcdef", "https://t.example/announce#…");
    }

    #[test]
    fn users_and_passwords_are_hidden() {
        check("http://me:word@t.example/announce", "http://…@t.example/announce");
        check("http://me@evil@t.example/announce", "http://…@t.example/announce");
    }

    #[test]
    fn what_tells_nothing_stays() {
        check("udp://tracker.example.org:1337/announce", "udp://tracker.example.org:1337/announce");
        check("http://[2a11::1]:80/announce?x=1&y", "http://[2a11::1]:80/announce?x=1&y");
        check("http://a-very-long-host-name-indeed.example", "http://a-very-long-host-name-indeed.example");
        check("not a url", "not a url");
        check("", "");
    }
}
