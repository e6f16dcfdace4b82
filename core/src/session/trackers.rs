//! What people ask of a torrent about its trackers: which they are, other ones, one of them asked again.

use std::sync::Arc;

use super::Session;
use crate::error::Error;
use crate::metainfo::Metainfo;
use crate::tracker::edit::{TrackerEdit, check_url};
use crate::tracker::mask::unmask;
use crate::tracker::schedule::KnownTracker;
use crate::types::TrackerId;
use crate::untrusted::Untrusted;

impl Session {
    /// Asks one tracker again, not before its min interval. Nothing happens where that is gone.
    pub fn reannounce_to(&self, tracker: TrackerId) {
        self.control.order(|orders| orders.reannounce_to.push(tracker));
    }

    /// Its trackers by tier: those of the torrent file, or what was made of them since. The URLs hold
    /// pass-keys.
    pub fn trackers(&self) -> Arc<[KnownTracker]> {
        self.trackers.borrow().clone()
    }

    /// Changes the trackers, from now on and over restarts. A private torrent lets its peers go.
    ///
    /// # Errors
    /// A URL that cannot be announced to ([`Error::Tracker`]).
    pub fn edit_trackers(&self, edit: TrackerEdit) -> Result<(), Error> {
        let url = match &edit {
            TrackerEdit::Add { url, .. } => Some(url.clone()),
            TrackerEdit::Replace { tracker, url } => {
                let trackers = self.trackers();
                let known = trackers.iter().find(|known| known.id == *tracker);
                let known = known.ok_or(Error::Tracker("it is not there any more"))?;
                Some(unmask(url, &known.url).ok_or(Error::Tracker("there are more … than were hidden"))?)
            }
            TrackerEdit::Merge { tiers } => {
                tiers.iter().flatten().try_for_each(check_url).map_err(Error::Tracker)?;
                None
            }
            _ => None,
        };
        if let Some(url) = url {
            check_url(&url).map_err(Error::Tracker)?;
        }
        self.control.order(|orders| orders.trackers.push(edit));
        Ok(())
    }

    /// Trackers of another torrent file of the same torrent that this one lacks, by tier. None for a
    /// private torrent, whose peers come from its own trackers only (BEP 27). [`TrackerEdit::Merge`] takes
    /// them over.
    pub fn new_trackers(&self, other: &Metainfo) -> Vec<Vec<Untrusted>> {
        if self.torrent.metainfo().private || !other.is_same(self.torrent.metainfo()) {
            return Vec::new();
        }
        let known = self.trackers();
        let is_new =
            |url: &&Untrusted| check_url(url).is_ok() && !known.iter().any(|known| known.url == **url);
        let tiers = other.trackers.iter().map(|tier| tier.iter().filter(is_new).cloned().collect());
        tiers.filter(|tier: &Vec<_>| !tier.is_empty()).collect()
    }
}
