//! The benchmark in small, so that it works on the day it is wanted.

use crate::clients::make::Make;
use crate::lab::require;
use crate::rounds::{self, Client, Options, Part};

/// Enough for a short last piece and a full pipeline.
const SIZE: u64 = (20 << 20) + 40_960;

#[test]
fn benchmark_measures_both() {
    let Some(_) = require(Make::Libtorrent.program(), "benchmark_measures_both") else { return };
    let clients = vec![Client::TcTui, Client::Libtorrent];
    let parts = vec![Part::Jobs, Part::Encryption];
    let options = Options { rounds: 1, size: SIZE, clients, parts, scenes: Vec::new() };
    let mut report = String::new();
    rounds::run(&options, |table| report += &table);
    for job in ["download", "upload", "recheck"] {
        for client in ["tc-tui", "libtorrent"] {
            assert!(report.contains(&format!("| {job} | {client} |")), "{report}");
        }
    }
    assert_eq!(report.matches("**ratio**").count(), 3, "{report}");
    for way in ["off", "prefer", "require"] {
        for client in ["tc-tui", "libtorrent"] {
            assert!(report.contains(&format!("| {way} | {client} |")), "{report}");
        }
    }
    assert_eq!(report.matches("of the cipher alone").count(), 2, "{report}");
}
