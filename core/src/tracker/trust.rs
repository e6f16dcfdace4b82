//! What a person lets single trackers do that those out of a torrent file may not.

use serde::{Deserialize, Serialize};

use super::edit::TrackerEdit;
use super::mask::unmask;
use super::schedule::KnownTracker;
use crate::untrusted::Untrusted;

/// What one tracker may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A person typed its URL: it may lead into a private network whatever it looks like.
    pub named: bool,
    /// Nobody has to vouch for its certificate, and it may be too old or for another host.
    pub any_certificate: bool,
}

/// What a person lets the trackers of a torrent do, by their URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerTrust {
    /// Typed by a person.
    pub named: Vec<Untrusted>,
    /// May have any certificate.
    pub any_certificate: Vec<Untrusted>,
}

impl TrackerTrust {
    /// What the tracker with this URL may do. At these hosts any certificate will do.
    pub fn of(&self, url: &Untrusted, hosts: &[String]) -> Trust {
        let at_host = || host_of(url).is_some_and(|host| hosts.iter().any(|known| host.raw() == known));
        Trust {
            named: self.named.contains(url),
            any_certificate: self.any_certificate.contains(url) || at_host(),
        }
    }

    /// Takes note of what a change says, before the list follows it. Says whether anything is new.
    pub fn edit(&mut self, edit: &TrackerEdit, list: &[KnownTracker]) -> bool {
        let known = |id| list.iter().find(|known| known.id == id).map(|known| &known.url);
        match edit {
            TrackerEdit::Add { url, .. } => put(&mut self.named, url.clone()),
            TrackerEdit::Replace { tracker, url } => {
                let whole = known(*tracker).and_then(|old| unmask(url, old));
                whole.is_some_and(|url| put(&mut self.named, url))
            }
            TrackerEdit::AnyCertificate { tracker, any } => match known(*tracker) {
                Some(url) if *any => put(&mut self.any_certificate, url.clone()),
                Some(url) => {
                    let before = self.any_certificate.len();
                    self.any_certificate.retain(|other| other != url);
                    self.any_certificate.len() < before
                }
                None => false,
            },
            // Trackers of another file were not typed.
            TrackerEdit::Merge { .. }
            | TrackerEdit::Remove { .. }
            | TrackerEdit::Earlier { .. }
            | TrackerEdit::Later { .. } => false,
        }
    }

    /// Forgets what is not on the list any more.
    pub fn keep(&mut self, list: &[KnownTracker]) {
        for urls in [&mut self.named, &mut self.any_certificate] {
            urls.retain(|url| list.iter().any(|known| known.url == *url));
        }
    }
}

/// The host name in a URL.
pub fn host_of(url: &Untrusted) -> Option<Untrusted> {
    let url = url::Url::parse(url.raw()).ok()?;
    url.host_str().map(Untrusted::from)
}

/// Says whether it was not there.
fn put(urls: &mut Vec<Untrusted>, url: Untrusted) -> bool {
    let fresh = !urls.contains(&url);
    if fresh {
        urls.push(url);
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TrackerId;

    #[test]
    fn a_person_is_taken_at_their_word_for_the_very_url_they_typed() {
        let key = "0123456789abcdef0123456789abcdef";
        let filed = Untrusted::new(format!("http://10.0.0.1/{key}/announce?a=b"));
        let known = |id, url: &Untrusted| KnownTracker { id: TrackerId(id), tier: 0, url: url.clone() };
        let list = [known(1, &filed)];
        let mut trust = TrackerTrust::default();
        let typed: Untrusted = "http://nas:9000/t?x=1".into();
        assert!(trust.edit(&TrackerEdit::Add { tier: None, url: typed.clone() }, &list));
        assert!(!trust.edit(&TrackerEdit::Add { tier: None, url: typed.clone() }, &list));
        assert!(!trust.edit(&TrackerEdit::Merge { tiers: vec![vec![filed.clone()]] }, &list));
        assert_eq!(trust.of(&filed, &[]), Trust::default());
        let replace =
            TrackerEdit::Replace { tracker: TrackerId(1), url: "http://10.0.0.2/…/announce".into() };
        assert!(trust.edit(&replace, &list));
        assert!(trust.of(&Untrusted::new(format!("http://10.0.0.2/{key}/announce")), &[]).named);

        let any = |any| TrackerEdit::AnyCertificate { tracker: TrackerId(1), any };
        assert!(trust.edit(&any(true), &list) && !trust.edit(&any(true), &list));
        assert_eq!(trust.of(&filed, &[]), Trust { named: false, any_certificate: true });
        assert!(trust.edit(&any(false), &list) && !trust.edit(&any(false), &list));
        assert!(trust.of(&filed, &["10.0.0.1".to_owned()]).any_certificate);
        trust.keep(&[known(2, &typed)]);
        assert_eq!(trust.named, [typed]);
    }
}
