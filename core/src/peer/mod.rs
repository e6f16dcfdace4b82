//! Peers of one torrent: which ones, and the link to each.

pub mod client;
pub mod pipeline;

/// A peer broke the protocol; its link ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {}
