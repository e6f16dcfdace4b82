//! Announcing: when, to whom, and how (BEP 3, 7, 12, 15, 23, 24, 27, 31, 41, 48).
//!
//! [`schedule`] decides and sees no socket; [`Trackers`] carries out what it decided, over [`http`] or
//! [`udp`].

pub mod announce;
pub mod mask;
pub mod schedule;

mod backoff;
pub mod edit;
mod entry;

pub mod http;
pub mod query;
pub mod reply;
pub mod scheme;
pub mod scrape;
pub mod trackers;
pub mod trust;
pub mod udp;

mod clients;
mod families;
mod turns;

pub use self::announce::{
    Announce, AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply, Retry, TrackerId, Urgency,
};
pub use self::edit::TrackerEdit;
pub use self::http::{AtUrl, FetchError, HttpOptions, HttpTracker, SetupError};
pub use self::mask::mask_url;
pub use self::schedule::{Answered, KnownTracker, TrackerCoordinator};
pub use self::scrape::ScrapeCounts;
pub use self::trackers::{TrackerOptions, Trackers};
pub use self::trust::{TrackerTrust, Trust};
pub use self::udp::{UdpOptions, UdpTracker};
