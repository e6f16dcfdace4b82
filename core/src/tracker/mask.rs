//! Hides pass-keys in tracker URLs before anybody is shown one.
//!
//! Guesses on the safe side: a long announce word that is no secret may be hidden too; the host never is.

use crate::untrusted::Untrusted;

/// Characters from which on a path element or a query value counts as a secret. Trackers hand out 32
/// hexadecimal digits; words of a path are shorter than half of that.
const SECRET_LENGTH: usize = 16;

/// Bytes from which on a secret is looked for in what its tracker says; shorter ones are found in any text.
const WORTH_HIDING: usize = 6;

/// What stands in place of a secret.
const MASK: &str = "…";

/// Query keys whose values are secrets however short they are.
const SECRET_KEYS: [&str; 10] =
    ["passkey", "pass", "password", "authkey", "auth", "key", "token", "secret", "pid", "uk"];

/// The URL with everything that looks like a secret replaced by `…`: the user and password, path
/// elements and query values of 16 or more letters and digits, and the values of telling keys.
pub fn mask_url(url: &Untrusted) -> Untrusted {
    let shown = |part: &Part<'_>| match *part {
        Part::Shown(text) => text.to_owned(),
        Part::Secret(_) => MASK.to_owned(),
    };
    Untrusted::new(parts(url.raw()).iter().map(shown).collect::<String>())
}

/// A masked URL that a person has edited, with the secrets of `original` back in place: the first `…` is
/// the first secret. `None`: there are more of them than secrets.
pub fn unmask(edited: &Untrusted, original: &Untrusted) -> Option<Untrusted> {
    let parts = parts(original.raw());
    let mut secrets = parts.iter().filter_map(|part| match *part {
        Part::Secret(secret) => Some(secret),
        Part::Shown(_) => None,
    });
    let mut pieces = edited.raw().split(MASK);
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        whole.push_str(secrets.next()?);
        whole.push_str(piece);
    }
    Some(Untrusted::new(whole))
}

/// What a tracker says, without the secrets of its URL: some repeat them in what they complain of.
pub fn hide_secrets(url: &Untrusted, text: &str) -> Untrusted {
    let mut hidden = text.to_owned();
    for part in parts(url.raw()) {
        match part {
            Part::Secret(secret) if secret.len() >= WORTH_HIDING => hidden = hidden.replace(secret, MASK),
            _ => {}
        }
    }
    Untrusted::new(hidden)
}

/// A piece of a URL.
enum Part<'a> {
    Shown(&'a str),
    Secret(&'a str),
}

/// The whole URL in its pieces, none of them lost.
fn parts(raw: &str) -> Vec<Part<'_>> {
    let judged = |text, secret: bool| if secret { Part::Secret(text) } else { Part::Shown(text) };
    let mut parts = Vec::new();
    let mut rest = raw;
    // Each piece with the sign before it, so that nothing is lost whatever the text is.
    if let Some(at) = rest.find("://") {
        parts.push(Part::Shown(&rest[..at + 3]));
        rest = &rest[at + 3..];
    }
    let (rest, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').unwrap_or(0));
    parts.extend((!user.is_empty()).then_some(Part::Secret(user)));
    parts.push(Part::Shown(host));
    for element in path.split('/').skip(1) {
        parts.push(Part::Shown("/"));
        parts.push(judged(element, looks_secret(element)));
    }
    for (at, pair) in query.strip_prefix('?').into_iter().flat_map(|query| query.split('&')).enumerate() {
        parts.push(Part::Shown(if at == 0 { "?" } else { "&" }));
        match pair.split_once('=') {
            Some((key, value)) if !value.is_empty() && (is_secret_key(key) || looks_secret(value)) => {
                parts.push(Part::Shown(&pair[..=key.len()]));
                parts.push(Part::Secret(value));
            }
            None => parts.push(judged(pair, looks_secret(pair))),
            Some(_) => parts.push(Part::Shown(pair)),
        }
    }
    if let Some(fragment) = fragment.strip_prefix('#') {
        parts.push(Part::Shown("#"));
        parts.push(judged(fragment, looks_secret(fragment)));
    }
    parts
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
    fn an_edited_url_keeps_the_secrets_that_are_left_in_it() {
        let original = Untrusted::new("http://me:word@t.example/0123456789abcdef/announce?passkey=short");
        let check = |edited: &str, want: Option<&str>| {
            let whole = unmask(&edited.into(), &original);
            assert_eq!(whole.as_ref().map(Untrusted::raw), want, "{edited}");
        };
        check(mask_url(&original).raw(), Some(original.raw()));
        check(
            "https://…@new.example/…/announce?passkey=…",
            Some("https://me:word@new.example/0123456789abcdef/announce?passkey=short"),
        );
        check("https://new.example/announce", Some("https://new.example/announce"));
        check("http://…@t/…/…/…", None);
    }

    #[test]
    fn a_tracker_that_repeats_the_pass_key_does_not_spread_it() {
        let url = Untrusted::new("http://t.example/announce?passkey=s3cr3tkey&uk=1");
        let said = hide_secrets(&url, "unknown passkey s3cr3tkey, 1 try left");
        assert_eq!(said.raw(), "unknown passkey …, 1 try left");
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
