//! `cargo bench --bench bench`: download, upload and recheck of 2 GiB beside libtorrent, what encryption costs,
//! and what uTP carries, as tables.
//!
//! For the first two both talk over loopback to the same cheap peers of the project's own, take turns, and work in a
//! tmpfs where it has room, so that the disk of the machine is not what is measured.

#[path = "../support/clients/mod.rs"]
#[allow(dead_code, reason = "the interop suite uses the rest")]
mod clients;
#[path = "../support/lines.rs"]
mod lines;
#[path = "../support/link/mod.rs"]
#[allow(dead_code, reason = "the interop suite uses the rest")]
mod link;
#[path = "../support/net.rs"]
#[allow(dead_code, reason = "the interop suite uses the rest")]
mod net;
#[path = "../support/torrent.rs"]
#[allow(dead_code, reason = "the interop suite uses the rest")]
mod torrent;
#[path = "../support/wait.rs"]
mod wait;
#[path = "../support/work.rs"]
#[allow(dead_code, reason = "the interop suite uses the rest")]
mod work;

mod rounds;

use clap::{Parser, ValueEnum as _};

use self::rounds::{Client, Options, Part, Scene};

/// Download, upload and recheck beside libtorrent.
#[derive(Parser)]
struct Arguments {
    /// Rounds of all jobs with both clients in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Content in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2_048)]
    size: u64,
    /// One client alone.
    #[arg(long, value_enum)]
    only: Option<Client>,
    /// One part alone.
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// One scene of uTP alone.
    #[arg(long, value_enum)]
    scene: Option<Scene>,
    /// `cargo bench` adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let clients = arguments.only.map_or_else(|| vec![Client::TcTui, Client::Libtorrent], |one| vec![one]);
    let parts = arguments.part.map_or_else(|| Part::value_variants().to_vec(), |one| vec![one]);
    let scenes = arguments.scene.map_or_else(|| Scene::value_variants().to_vec(), |one| vec![one]);
    let options =
        Options { rounds: arguments.rounds.max(1), size: arguments.size << 20, clients, parts, scenes };
    rounds::run(&options, |answer| println!("{answer}"));
}
