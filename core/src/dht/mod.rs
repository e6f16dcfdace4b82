//! The DHT (BEP 5) over IPv4 and IPv6 (BEP 32): one node for all torrents, without socket and clock; `task`
//! lends it both.
//!
//! [`Node`] is all there is to it: datagrams and time go in, datagrams and [`Event`]s come out. It is made
//! of parts that do not know each other: `table` whom we know, `lookup` one search, `schedule` when which
//! torrent is searched and announced, `server` what others get, `pace` how fast we ask, `krpc` the messages.

pub mod bep42;
mod compact;
pub mod id;
pub mod krpc;
pub mod lookup;
pub mod node;
pub mod pace;
mod saved;
pub mod schedule;
mod searches;
pub mod server;
pub mod store;
pub mod table;
pub mod task;
pub mod token;
mod traffic;
mod upkeep;

#[cfg(test)]
mod tests;

pub use self::id::{Contact, Family, NodeId};
pub use self::node::{Event, Node, Options};
pub use self::saved::Saved;
pub use self::schedule::Wish;

/// Nodes that answer a question, and that a torrent is announced to (BEP 5).
pub const K: usize = 8;
