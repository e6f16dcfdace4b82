//! What a run keeps: the list of torrents, their resume records, and the bans.
//!
//! The list is a folder of write-once `<info-hash>.torrent` files. What changes is one
//! [redb](https://docs.rs/redb) store, each value with a version and a checksum. A store that does
//! not open is set aside and the list rebuilt from the folder: the list is never lost. Between two
//! records a journal has hints of what else to look at.

mod bans;
mod folder;
mod journal;
mod lock;
mod old;
mod record;
mod store;
mod table;
mod value;

pub use self::bans::{SavedBan, decode as decode_bans, encode as encode_bans};
pub use self::journal::decode as decode_journal;
pub use self::record::{
    Incomplete, MoveNote, RecordError, ResumeRecord, decode_settings, encode_settings, trusted,
};
pub use self::store::{Saved, StateStore};

#[cfg(test)]
mod tests;
