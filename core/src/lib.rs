//! The BitTorrent engine of tc-tui.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | [`Session`] | **one torrent** and all that belongs to it. (What libtorrent calls a session is our [`TorrentManager`] with its [`SharedResources`].) |
//! | [`SharedResources`] | what all sessions borrow and none owns: runtime, listeners, resolver, disk, bandwidth, totals |
//! | [`TorrentManager`] | info-hash -> session: add, remove, get, all, pause and resume all, subscribe to all |
//! | [`EventBus`] | publish and subscribe by event kind: `piece.completed`, `piece.*`, `*` |
//! | link | one connection to a peer |
//! | hand | the blocks that a session deals to a link, which asks for them without asking back |
//!
//! # Map
//!
//! Imports go downward only. *Words*: [`types`], [`untrusted`], [`geometry`], [`bitfield`], [`rate`],
//! [`config`], [`settings`], [`stats`], [`event`], [`bep`]. *Formats*: [`bencode`], [`metainfo`], [`wire`], [`error`].
//! *Deciders*, which see no socket, no thread and no clock: `download`, `upload`, [`dht`], [`lsd`], [`utp`], `mse`, [`queue`],
//! `tracker::{schedule, udp::client}`, `peer::{conn, pipeline, pool}`, `bandwidth::bucket`.
//! *Shells*: `net`, `disk`, `storage`, `tracker::{http, udp}`, `peer::task`, `session::actor`, `resume`.
//! *Handles*: [`Session`], [`SharedResources`], [`TorrentManager`].

pub mod bep;
pub mod bitfield;
pub mod config;
pub mod error;
pub mod event;
pub mod geometry;
pub mod rate;
pub mod settings;
pub mod stats;
pub mod types;
pub mod untrusted;

pub mod bencode;
pub mod magnet;
pub mod metainfo;
pub mod wire;

pub mod bandwidth;
pub mod dht;
pub mod download;
pub mod lsd;
pub mod mse;
pub mod peer;
pub mod portmap;
pub mod queue;
pub mod tracker;
pub mod upload;
pub mod utp;

pub mod disk;
pub mod net;
pub mod registrations;
pub mod resume;
pub mod storage;

mod claims;
pub mod manager;
pub mod session;
pub mod shared;

pub use self::config::Config;
pub use self::error::Error;
pub use self::event::{Delivery, Event, EventBus, Subscription};
pub use self::manager::{AddOptions, RemoveData, TorrentManager};
pub use self::metainfo::Metainfo;
pub use self::session::Session;
pub use self::settings::{GlobalSetting, GlobalSettings, Setting, TorrentSettings};
pub use self::shared::SharedResources;
pub use self::types::InfoHash;
