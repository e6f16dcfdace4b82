//! The words of an announce: what is asked of a tracker and what it says (BEP 3).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::trust::Trust;
pub use crate::types::TrackerId;
use crate::types::{InfoHash, PeerId};
use crate::untrusted::Untrusted;

/// Why we announce (BEP 3, `event`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnnounceEvent {
    /// The first announce to this tracker since the torrent runs.
    Started,
    /// One of the announces that are repeated; BEP 3 leaves `event` out.
    Regular,
    /// One of the announces that are repeated, of a partial seed: it has all that is wanted, and not
    /// all there is (BEP 21).
    Paused,
    /// The last piece was downloaded. Never for data that was found complete.
    Completed,
    /// The torrent stops running.
    Stopped,
}

impl AnnounceEvent {
    /// The value of `event`; `None` leaves the parameter out.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Started => Some("started"),
            Self::Regular => None,
            Self::Paused => Some("paused"),
            Self::Completed => Some("completed"),
            Self::Stopped => Some("stopped"),
        }
    }
}

/// Which announces go first where many wait for the same host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// `stopped` or `completed` of a torrent whose tracker has not heard yet what was moved: at the exit
    /// there is no other chance to say so.
    Unreported,
    /// What a tracker has to know: that we are there, that the download ended, that we leave.
    Event,
    /// An announce that only repeats, or figures for the screen.
    Regular,
}

/// An announce that is to be sent now. Exactly one answer is owed to
/// [`TrackerCoordinator::answered`](super::TrackerCoordinator::answered).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The tracker.
    pub tracker: TrackerId,
    /// Its URL as it came: may hold a pass-key.
    pub url: Untrusted,
    /// What to tell it.
    pub event: AnnounceEvent,
    /// The `tracker id` of an earlier answer, to be sent back.
    pub tracker_id: Option<Bytes>,
    /// What it may do.
    pub trust: Trust,
}

/// What an announce tells a tracker about us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceParams {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Our name in this run.
    pub peer_id: PeerId,
    /// The TCP port that peers can call, as seen from outside.
    pub port: u16,
    /// Payload bytes sent since `started`.
    pub uploaded: u64,
    /// Payload bytes received since `started`, failed pieces left out.
    pub downloaded: u64,
    /// Payload bytes received since `started` that turned out wrong.
    pub corrupt: u64,
    /// Bytes of the whole torrent that are missing, skipped files included.
    pub left: u64,
    /// BEP 7: 32 random bits, the same over a run.
    pub key: u32,
    /// Addresses wanted; 0 with `stopped`.
    pub numwant: u32,
    /// Why we announce.
    pub event: AnnounceEvent,
}

/// A tracker's good answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnounceReply {
    /// Addresses of peers: usable ones only, without repeats, and within the scope that this tracker
    /// may name.
    pub peers: Vec<SocketAddr>,
    /// When to announce again, as stated; the schedule clamps it.
    pub interval: Duration,
    /// Never announce more often than this.
    pub min_interval: Option<Duration>,
    /// Peers that have everything (`complete`).
    pub seeds: Option<u32>,
    /// Peers that lack something (`incomplete`).
    pub leechers: Option<u32>,
    /// To be sent back with the next announce.
    pub tracker_id: Option<Bytes>,
    /// Something for a person to read.
    pub warning: Option<Untrusted>,
    /// BEP 24: our address as the tracker sees it.
    pub external_ip: Option<IpAddr>,
}

/// BEP 31: what a refusal says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After this long.
    After(Duration),
    /// Not at all.
    Never,
}

/// What trackers say of a torrent that they do not know: opentracker, ocelot, XBT, UNIT3D, chihaya and
/// the sites that run on them.
const UNREGISTERED: [&str; 18] = [
    "unregistered",
    "not registered",
    "torrent not found",
    "unknown torrent",
    "torrent unknown",
    "torrent does not exist",
    "torrent doesn't exist",
    "torrent is not found",
    "torrent not exist",
    "torrent has been deleted",
    "torrent was deleted",
    "torrent has been nuked",
    "torrent is not authorized",
    "not authorized for use with this tracker",
    "info hash not found",
    "infohash not found",
    "unknown info hash",
    "unknown infohash",
];

/// ... and what they say of others in the same words: "unregistered torrent pass" is about a person.
const OTHERS: [&str; 6] = ["pass", "user", "client", "account", "peer", "ip address"];

/// Why an announce brought nothing. Its text holds no URL, so that no pass-key gets into a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// The URL is not one that can be announced to.
    #[error("unusable URL: {0}")]
    Url(&'static str),
    /// The host name has no address for us.
    #[error("host name: {0}")]
    Resolve(Untrusted),
    /// The URL leads into a network that its author has no business with.
    #[error("refused: leads to a {0} address")]
    Scope(&'static str),
    /// No connection, or it broke.
    #[error("{0}")]
    Network(Untrusted),
    /// HTTPS: the server cannot show that it is the one that was meant. Nothing was said to it.
    #[error("certificate: {0}")]
    Certificate(Untrusted),
    /// No answer in time.
    #[error("timed out")]
    Timeout,
    /// More redirects than anybody needs.
    #[error("redirected too often")]
    Redirects,
    /// HTTP says no.
    #[error("HTTP {0}")]
    Status(u16),
    /// More than an announce can need.
    #[error("answer is too large")]
    TooLarge,
    /// The answer is something else than an announce reply: a login page, most often.
    #[error("not a tracker's answer")]
    Malformed,
    /// `failure reason`
    #[error("{reason}")]
    Refused {
        /// In the tracker's words.
        reason: Untrusted,
        /// BEP 31.
        retry: Option<Retry>,
    },
}

impl AnnounceError {
    /// Whether the tracker says that it does not know the torrent, or no longer: announcing on brings
    /// nothing, and a person has to decide. Trackers have no code for it, only words; those in use are
    /// recognised, and what speaks of the user or the program instead is not.
    pub fn is_unregistered(&self) -> bool {
        let Self::Refused { reason, .. } = self else { return false };
        let words = reason.raw().to_ascii_lowercase().replace(['_', '-'], " ");
        UNREGISTERED.iter().any(|phrase| words.contains(phrase))
            && !OTHERS.iter().any(|other| words.contains(other))
    }

    /// What is known about the time of the next try; `None` leaves it to the back-off.
    pub const fn retry(&self) -> Option<Retry> {
        match self {
            // The same text gives the same error for ever.
            Self::Url(_) => Some(Retry::Never),
            Self::Refused { retry, .. } => *retry,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_torrent_that_a_tracker_does_not_know() {
        let refused = |reason: &str| AnnounceError::Refused { reason: reason.into(), retry: None };
        for reason in [
            "unregistered torrent",
            "Unregistered torrent.",
            "Torrent not registered with this tracker.",
            "Torrent not found",
            "torrent not registered",
            "Requested download is not authorized for use with this tracker.",
            "Unknown torrent",
            "info_hash not found in the database",
            "InfoHash not found.",
            "Torrent has been deleted: trumped",
        ] {
            assert!(refused(reason).is_unregistered(), "{reason}");
        }
        for reason in [
            "unregistered torrent pass",
            "Passkey not found: torrent not found",
            "User is not registered",
            "Your client is not registered",
            "down for maintenance",
            "",
        ] {
            assert!(!refused(reason).is_unregistered(), "{reason}");
        }
        assert!(!AnnounceError::Timeout.is_unregistered());
    }
}
