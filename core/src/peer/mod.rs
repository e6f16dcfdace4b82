//! Peers of one torrent: which ones (`pool`), and the link to each (`conn` decides, `task` moves bytes).
//!
//! ```text
//! socket -> task -> wire::message -> conn --+--> blocks ----> disk worker
//!             ^                             +--> Report ----> session inbox (bounded, awaited)
//!             +------------- Mailbox <---------- session (merged slots, never waits)
//! ```

pub mod bans;
pub mod client;
pub mod conn;
pub mod fast;
pub mod mailbox;
pub mod pex;
pub mod pipeline;
pub mod pool;
pub mod rank;
pub mod report;
pub mod task;

pub use self::conn::{Conn, PeerFault};
pub use self::mailbox::{Mail, Mailbox};
pub use self::pool::PeerPool;
pub use self::report::{LinkGauge, PeerReport, Report};
