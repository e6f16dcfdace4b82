//! Magnet links and what turns one into a torrent (BEP 9, BEP 53): a link names a torrent by its hash, and
//! peers have the rest.

pub mod link;
pub mod metadata;
pub mod select;

pub use self::link::{Magnet, MagnetError};
pub use self::select::FileSelection;
