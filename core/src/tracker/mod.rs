//! Announcing: when, to whom, and how (BEP 3, 7, 12, 23, 24, 27, 31).

pub mod announce;
pub mod mask;
pub mod schedule;

mod backoff;
mod entry;

pub mod query;
pub mod reply;

pub use self::announce::{
    Announce, AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply, Retry, TrackerId,
};
pub use self::mask::mask_url;
pub use self::schedule::{Answered, TrackerCoordinator};
