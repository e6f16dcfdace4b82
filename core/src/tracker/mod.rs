//! Announcing: when, to whom, and how (BEP 3, 7, 12, 23, 24, 27, 31).
//!
//! [`schedule`] decides and sees no socket; [`http`] carries out what it decided.

pub mod announce;
pub mod mask;
pub mod schedule;

mod backoff;
mod entry;

pub mod http;
pub mod query;
pub mod reply;

mod clients;

pub use self::announce::{
    Announce, AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply, Retry, TrackerId,
};
pub use self::http::{HttpOptions, HttpTracker, SetupError};
pub use self::mask::mask_url;
pub use self::schedule::{Answered, TrackerCoordinator};
