//! What the fuzzer checks, over the inputs that are kept under `tests/fuzz/seeds`: those that once
//! found something, and one of each kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "../fuzz/checks/bencode.rs"]
mod bencode;
#[path = "../fuzz/checks/conn.rs"]
mod conn;
#[path = "../fuzz/checks/dns.rs"]
mod dns;
#[path = "../fuzz/checks/krpc.rs"]
mod krpc;
#[path = "../fuzz/checks/lsd.rs"]
mod lsd;
#[path = "../fuzz/checks/magnet.rs"]
mod magnet;
#[path = "../fuzz/checks/metainfo.rs"]
mod metainfo;
#[path = "../fuzz/checks/mse.rs"]
mod mse;
#[path = "../fuzz/checks/patterns.rs"]
mod patterns;
#[path = "../fuzz/checks/portmap.rs"]
mod portmap;
#[path = "../fuzz/checks/resume.rs"]
mod resume;
#[path = "../fuzz/checks/tracker_reply.rs"]
mod tracker_reply;
#[path = "../fuzz/checks/tracker_url.rs"]
mod tracker_url;
#[path = "../fuzz/checks/udp_tracker.rs"]
mod udp_tracker;
#[path = "../fuzz/checks/ut_metadata.rs"]
mod ut_metadata;
#[path = "../fuzz/checks/ut_pex.rs"]
mod ut_pex;
#[path = "../fuzz/checks/utp_connection.rs"]
mod utp_connection;
#[path = "../fuzz/checks/utp_packet.rs"]
mod utp_packet;
#[path = "../fuzz/checks/wire_extended.rs"]
mod wire_extended;
#[path = "../fuzz/checks/wire_handshake.rs"]
mod wire_handshake;
#[path = "../fuzz/checks/wire_message.rs"]
mod wire_message;

type Check = fn(&[u8]);

/// The screen's is replayed beside the screen: `ui/src/tests/corpus.rs`.
const OF_THE_SCREEN: &str = "keys";

const TARGETS: [(&str, Check); 21] = [
    ("bencode", bencode::check),
    ("conn", conn::check),
    ("krpc", krpc::check),
    ("magnet", magnet::check),
    ("dns", dns::check),
    ("lsd", lsd::check),
    ("portmap", portmap::check),
    ("metainfo", metainfo::check),
    ("mse", mse::check),
    ("patterns", patterns::check),
    ("resume", resume::check),
    ("tracker_reply", tracker_reply::check),
    ("tracker_url", tracker_url::check),
    ("udp_tracker", udp_tracker::check),
    ("ut_metadata", ut_metadata::check),
    ("ut_pex", ut_pex::check),
    ("utp_connection", utp_connection::check),
    ("utp_packet", utp_packet::check),
    ("wire_extended", wire_extended::check),
    ("wire_handshake", wire_handshake::check),
    ("wire_message", wire_message::check),
];

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"))
}

#[test]
fn the_kept_inputs_pass() {
    for (target, check) in TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(fuzz().join("seeds").join(target)).expect("each target has seeds") {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| check(&bytes)).is_err() {
                panic!("{} does not pass", path.display());
            }
            seeds += 1;
        }
        assert!(seeds > 0, "{target} has no seeds");
    }
}

#[test]
fn every_target_is_replayed() {
    let targets = fs::read_dir(fuzz().join("targets")).unwrap();
    let names = targets.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<_> = names.collect();
    let replayed = TARGETS.iter().map(|(name, _)| *name).chain([OF_THE_SCREEN]);
    assert_eq!(names, replayed.map(|name| format!("{name}.rs")).collect());
}
