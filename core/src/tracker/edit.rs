//! What a person changes about the trackers of a torrent: added, corrected, removed, moved between tiers.

use serde::{Deserialize, Serialize};

use super::announce::TrackerId;
use super::mask::{MASK, unmask};
use super::query::check_text;
use super::schedule::KnownTracker;
use super::scheme::Scheme;
use crate::untrusted::Untrusted;

/// One change. Its URLs are those that a person typed, whose secrets are masked where they were before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrackerEdit {
    /// Another tracker, in this tier or, with `None`, in one of its own behind the others.
    Add {
        /// The tier, from 0.
        tier: Option<u32>,
        /// Its URL.
        url: Untrusted,
    },
    /// The trackers of another torrent file of the same torrent, each tier behind those that are there. Of
    /// a private torrent changes nothing.
    Merge {
        /// Its tiers.
        tiers: Vec<Vec<Untrusted>>,
    },
    /// Another URL in the place of this tracker's. A `…` in it stands for a secret of the old one.
    Replace {
        /// Which.
        tracker: TrackerId,
        /// Its new URL.
        url: Untrusted,
    },
    /// This tracker is not asked any more.
    Remove {
        /// Which.
        tracker: TrackerId,
    },
    /// Whether this tracker may have a certificate that nobody vouches for, that is too old or another
    /// host's.
    AnyCertificate {
        /// Which.
        tracker: TrackerId,
        /// Whether it may.
        any: bool,
    },
    /// Into the tier before.
    Earlier {
        /// Which.
        tracker: TrackerId,
    },
    /// Into the tier behind.
    Later {
        /// Which.
        tracker: TrackerId,
    },
}

/// Whether a URL that a person typed is one that can be announced to.
///
/// # Errors
/// Why not, in a few words.
pub fn check_url(url: &Untrusted) -> Result<(), &'static str> {
    if Scheme::of(url.raw()).is_none() {
        return Err("a tracker's URL begins with http://, https:// or udp://");
    }
    let words = |error| match error {
        super::announce::AnnounceError::Url(why) => why,
        _ => "not a URL",
    };
    let text = check_text(url.raw(), &["http", "https", "udp"]).map_err(words)?;
    let parsed = url::Url::parse(text).map_err(|_| "not a URL")?;
    match parsed.host_str() {
        None | Some("") => Err("no host"),
        Some(_) if Scheme::of(text) == Some(Scheme::Udp) && parsed.port().is_none_or(|port| port == 0) => {
            Err("a udp:// tracker needs a port")
        }
        Some(_) => Ok(()),
    }
}

/// The same for a masked URL that was edited.
///
/// # Errors
/// Why not, in a few words.
pub fn check_masked(url: &Untrusted) -> Result<(), &'static str> {
    check_url(&url.raw().replace(MASK, "x").into())
}

impl TrackerEdit {
    /// The tiers after this change. What names a tracker that is gone changes nothing.
    pub fn apply(self, list: &[KnownTracker]) -> Vec<Vec<Untrusted>> {
        // Twice the tier's number, so that there is a place between any two.
        let mut places: Vec<(i64, Untrusted)> =
            list.iter().map(|known| (2 * i64::from(known.tier), known.url.clone())).collect();
        let at = |tracker: TrackerId| list.iter().position(|known| known.id == tracker);
        let behind = places.last().map_or(0, |(place, _)| place + 2);
        match self {
            Self::Add { tier, url } => {
                if !places.iter().any(|(_, known)| *known == url) {
                    places.push((tier.map_or(behind, |tier| (2 * i64::from(tier)).min(behind)), url));
                }
            }
            Self::Merge { tiers } => {
                for (at, tier) in (0..).zip(tiers) {
                    for url in tier {
                        if !places.iter().any(|(_, known)| *known == url) {
                            places.push((behind + 2 * at, url));
                        }
                    }
                }
            }
            Self::Replace { tracker, url } => {
                if let Some(at) = at(tracker)
                    && let Some(url) = unmask(&url, &places[at].1)
                    && !places.iter().any(|(_, known)| *known == url)
                {
                    places[at].1 = url;
                }
            }
            // It is no question of tiers.
            Self::AnyCertificate { .. } => {}
            Self::Remove { tracker } => _ = at(tracker).map(|at| places.remove(at)),
            Self::Earlier { tracker } | Self::Later { tracker } => {
                if let Some(at) = at(tracker) {
                    let place = places[at].0;
                    let alone = places.iter().filter(|(other, _)| *other == place).count() == 1;
                    // One of several leaves its tier for the one beside it, or for one of its own at the end.
                    let target = if matches!(self, Self::Earlier { .. }) { place - 2 } else { place + 2 };
                    let exists = places.iter().any(|(other, _)| *other == target);
                    if exists || !alone {
                        let (_, url) = places.remove(at);
                        places.push((target, url));
                    }
                }
            }
        }
        places.sort_by_key(|(place, _)| *place);
        let mut tiers: Vec<Vec<Untrusted>> = Vec::new();
        let mut last = None;
        for (place, url) in places {
            match tiers.last_mut() {
                Some(tier) if last == Some(place) => tier.push(url),
                _ => tiers.push(vec![url]),
            }
            last = Some(place);
        }
        tiers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One tier per word; `+` joins trackers of one tier. Ids count from 0.
    fn check(before: &str, edit: TrackerEdit, after: &str) {
        let tiers = before.split_whitespace().map(|tier| tier.split('+'));
        let mut list = Vec::new();
        for (tier, urls) in (0..).zip(tiers) {
            for url in urls {
                list.push(KnownTracker { id: TrackerId(list.len() as u32), tier, url: url.into() });
            }
        }
        let tiers = edit.clone().apply(&list);
        let shown: Vec<_> =
            tiers.iter().map(|urls| urls.iter().map(Untrusted::raw).collect::<Vec<_>>().join("+")).collect();
        assert_eq!(shown.join(" "), after, "{edit:?} of {before}");
    }

    const A: TrackerId = TrackerId(0);
    const B: TrackerId = TrackerId(1);
    const C: TrackerId = TrackerId(2);

    #[test]
    fn trackers_are_added_to_a_tier_or_behind_all() {
        let add = |tier| TrackerEdit::Add { tier, url: "n".into() };
        check("", add(None), "n");
        check("a+b c", add(None), "a+b c n");
        check("a+b c", add(Some(0)), "a+b+n c");
        check("a+b c", add(Some(9)), "a+b c n");
        check("a+b c", TrackerEdit::Add { tier: Some(0), url: "c".into() }, "a+b c");
    }

    #[test]
    fn trackers_of_another_file_come_behind() {
        let tiers = vec![vec!["b".into(), "n".into()], vec!["m".into(), "n".into()]];
        check("a+b c", TrackerEdit::Merge { tiers: tiers.clone() }, "a+b c n m");
        check("", TrackerEdit::Merge { tiers }, "b+n m");
    }

    #[test]
    fn a_tracker_is_replaced_in_its_place_and_keeps_what_was_masked() {
        check("a+b c", TrackerEdit::Replace { tracker: B, url: "n".into() }, "a+n c");
        check("a+b c", TrackerEdit::Replace { tracker: B, url: "c".into() }, "a+b c");
        check("a+b c", TrackerEdit::Replace { tracker: TrackerId(7), url: "n".into() }, "a+b c");
        let key = "http://t/a?passkey=s";
        let replace = TrackerEdit::Replace { tracker: A, url: "https://t/a?passkey=…".into() };
        check(key, replace, "https://t/a?passkey=s");
        check(key, TrackerEdit::Replace { tracker: A, url: "http://…/…".into() }, key);
    }

    #[test]
    fn a_tier_that_is_empty_is_gone() {
        check("a+b c", TrackerEdit::Remove { tracker: C }, "a+b");
        check("a b c", TrackerEdit::Remove { tracker: B }, "a c");
        check("a", TrackerEdit::Remove { tracker: A }, "");
    }

    #[test]
    fn trackers_move_between_tiers() {
        check("a+b c", TrackerEdit::Later { tracker: B }, "a c+b");
        check("a+b c", TrackerEdit::Later { tracker: C }, "a+b c");
        check("a+b+c", TrackerEdit::Later { tracker: A }, "b+c a");
        check("a+b c", TrackerEdit::Earlier { tracker: C }, "a+b+c");
        check("a+b c", TrackerEdit::Earlier { tracker: B }, "b a c");
        check("a b", TrackerEdit::Earlier { tracker: A }, "a b");
    }

    #[test]
    fn what_a_person_can_type() {
        for good in
            ["http://t/announce", "https://t:8443/k/announce?x=1", "udp://t:1337", "UDP://[2a11::1]:1/a"]
        {
            assert_eq!(check_url(&good.into()), Ok(()), "{good}");
        }
        let wrong = [
            "",
            "t.example",
            "wss://t",
            "udp://t",
            "udp://t:0/a",
            "http://",
            "http://t /a",
            "http://a@b@c/",
            "http://t/?info_hash=x",
        ];
        for wrong in wrong {
            assert!(check_url(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
