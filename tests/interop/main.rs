//! Transfers between this program and other clients, in networks of the test's own.
//!
//! Each test has a network to itself, so they run side by side; each wait has a deadline. Needs
//! root, iproute2 and the clients of `clients::make`: `tests/run` sees to it.

#[path = "../support/clients/mod.rs"]
mod clients;
#[path = "../support/lines.rs"]
mod lines;
#[path = "../support/link/mod.rs"]
mod link;
#[path = "../support/net.rs"]
mod net;
#[allow(dead_code, reason = "the engine suite uses the rest")]
#[path = "../engine/raw.rs"]
mod raw;
#[path = "../bench/rounds/mod.rs"]
mod rounds;
#[path = "../support/torrent.rs"]
mod torrent;
#[path = "../support/wait.rs"]
mod wait;
#[path = "../support/work.rs"]
mod work;

mod bench;
mod bind;
mod capture;
mod crowd;
mod dht;
mod dht_net;
mod encryption;
mod everything;
mod fast;
mod lab;
mod liar;
mod limits;
mod lsd;
mod magnet;
mod magnet_found;
mod magnet_hybrid;
mod others;
mod pex;
mod portmap;
mod private;
mod restarts;
mod router;
mod sequential;
mod slow_link;
mod swarm;
mod tap;
mod transfer;
mod udp_tracker;
mod utp;
mod utp_link;
mod versions;
