//! The layers of `core`: imports go downward only, and below the shells nothing is read, sent or
//! waited for.

use crate::sources;

/// From the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Words,
    Formats,
    Deciders,
    Shells,
    Handles,
}

/// Which module is in which layer; of two rows the longer one counts.
const LAYERS: &[(Layer, &[&str])] = {
    use Layer::{Deciders, Formats, Handles, Shells, Words};
    &[
        (
            Words,
            &[
                "bep",
                "bitfield",
                "config",
                "event",
                "geometry",
                "rate",
                "settings",
                "stats",
                "types",
                "untrusted",
            ],
        ),
        (Formats, &["bencode", "error", "magnet", "metainfo", "net/scope", "wire"]),
        (Deciders, &["bandwidth/bucket", "dht", "download", "lsd", "magnet/metadata", "mse", "net/outside"]),
        (Deciders, &["peer", "portmap", "queue"]),
        (Deciders, &["tracker", "upload", "utp"]),
        (Deciders, &["tracker/udp/client", "tracker/udp/packet"]),
        (
            Shells,
            &[
                "bandwidth",
                "dht/task",
                "disk",
                "lsd/task",
                "net",
                "peer/mailbox",
                "peer/task",
                "registrations",
                "resume",
                "storage",
            ],
        ),
        (Shells, &["portmap/task", "portmap/upnp_client"]),
        (Shells, &["tracker/clients", "tracker/families", "tracker/http", "tracker/trackers"]),
        (Shells, &["tracker/turns", "tracker/udp", "utp/stream", "utp/task"]),
        (Handles, &["claims", "lib", "manager", "session", "shared"]),
    ]
};

/// What everything up to the deciders does without. Time is an argument.
const OUTSIDE: [&str; 8] = [
    "tokio",
    "reqwest",
    "std::net::Tcp",
    "std::net::Udp",
    "std::fs",
    "std::thread",
    "Instant::now",
    "Time::now",
];

/// Those that do look outside, and why.
const WINDOWS: [(&str, &str); 5] = [
    ("config", "takes the runtime of an embedder"),
    ("event/bus", "wakes subscribers, and says when something happened"),
    ("metainfo/read", "a .torrent file from disk, for all who need one"),
    ("stats/board", "wakes who gathers when somebody looks again"),
    ("types", "time by the wall clock is one of its words"),
];

/// The layer of a module, named by its path below `core/src`.
fn layer(module: &str) -> Layer {
    let is_in =
        |row: &str| module.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let rows = LAYERS.iter().flat_map(|(layer, rows)| rows.iter().map(move |row| (*layer, *row)));
    rows.filter(|(_, row)| is_in(row))
        .max_by_key(|(_, row)| row.len())
        .unwrap_or_else(|| panic!("core/src/{module} is new: name its layer in tests/docs/layers.rs"))
        .0
}

/// Modules of `core` with their code; tests may do as they like.
fn modules() -> Vec<(String, String)> {
    let sources = sources::rust(&["core/src"]).into_iter().filter(|source| !source.is_test());
    let module = |path: &str| {
        let path = path.trim_start_matches("core/src/").trim_end_matches(".rs");
        path.trim_end_matches("/mod").to_owned()
    };
    sources.map(|source| (module(&source.path), source.code())).collect()
}

#[test]
fn imports_go_downward() {
    for (module, code) in modules() {
        for import in code.split("crate::").skip(1) {
            let path = import.split(|c: char| !c.is_ascii_lowercase() && !"_:".contains(c)).next();
            let path = path.unwrap_or_default().trim_end_matches(':').replace("::", "/");
            assert!(!path.is_empty(), "core/src/{module}: one `use crate::` for each module, please");
            let (from, to) = (layer(&module), layer(&path));
            assert!(to <= from, "{module} ({from:?}) uses {path} ({to:?}), which is above it");
        }
    }
}

#[test]
fn up_to_the_deciders_nothing_does_io() {
    for (module, code) in modules() {
        if layer(&module) > Layer::Deciders || WINDOWS.iter().any(|(window, _)| *window == module) {
            continue;
        }
        for word in OUTSIDE {
            assert!(!code.contains(word), "core/src/{module}: {word} belongs in a shell");
        }
    }
}

#[test]
fn every_row_is_a_module() {
    let modules = modules();
    let rows = LAYERS.iter().flat_map(|(_, rows)| *rows).chain(WINDOWS.iter().map(|(window, _)| window));
    for row in rows {
        assert!(modules.iter().any(|(module, _)| module == row), "core/src/{row} is gone");
    }
}
