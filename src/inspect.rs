//! `tc-tui inspect`: what is in a torrent. Reads one file, writes nothing, asks no network.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{anyhow, bail};
use serde::{Serialize, Serializer};
use tc_core::Metainfo;
use tc_core::metainfo::{FileEntry, Version};
use tc_core::types::{InfoHash, InfoHashV2};
use tc_core::untrusted::{Untrusted, clean};

use crate::json;

/// Prints what the torrent `source` says, for a person or as one line of JSON.
///
/// A file that is no usable torrent is an error of one line, without control characters.
pub fn run(source: &str, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if let Some(what) = not_a_file(source) {
        bail!("{}: inspect reads .torrent files; {what} cannot be inspected yet", clean(source));
    }
    let torrent = Metainfo::read(Path::new(source)).map_err(|error| anyhow!("{}: {error}", clean(source)))?;
    // Buffered here: a file list is many small writes.
    let mut out = BufWriter::new(out);
    if json {
        json::write_escaped(&mut out, &Report::of(&torrent))?;
        writeln!(out)?;
    } else {
        print(&torrent, &mut out)?;
    }
    Ok(out.flush()?)
}

/// Sources that other commands take. What lies on disk under such a name is a file all the same.
fn not_a_file(source: &str) -> Option<&'static str> {
    if Path::new(source).exists() {
        return None;
    }
    let has_scheme =
        |scheme: &str| source.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
    if has_scheme("magnet:") {
        Some("a magnet link")
    } else if has_scheme("http://") || has_scheme("https://") {
        Some("a web address")
    } else if source.parse::<InfoHash>().is_ok() || source.parse::<InfoHashV2>().is_ok() {
        Some("a bare info-hash")
    } else {
        None
    }
}

/// The JSON object: its keys and their meaning are relied upon by scripts.
#[derive(Serialize)]
struct Report<'a> {
    name: &'a Untrusted,
    info_hash: Option<String>,
    info_hash_v2: Option<String>,
    total_size: u64,
    piece_length: u32,
    pieces: u32,
    private: bool,
    trackers: &'a [Vec<Untrusted>],
    web_seeds: &'a [Untrusted],
    #[serde(serialize_with = "files")]
    files: &'a Metainfo,
}

impl<'a> Report<'a> {
    fn of(torrent: &'a Metainfo) -> Self {
        Self {
            name: &torrent.name,
            info_hash: torrent.info_hash_v1.map(|hash| hash.to_string()),
            info_hash_v2: torrent.info_hash_v2.map(|hash| hash.to_string()),
            total_size: torrent.total_size(),
            piece_length: torrent.geometry.piece_length(),
            pieces: torrent.geometry.pieces(),
            private: torrent.private,
            trackers: &torrent.trackers,
            web_seeds: &torrent.web_seeds,
            files: torrent,
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    length: u64,
}

/// One at a time: a second list of a hundred thousand files is not needed.
fn files<S: Serializer>(torrent: &Metainfo, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(shown(torrent).map(|file| File { path: path(file), length: file.length }))
}

fn shown(torrent: &Metainfo) -> impl Iterator<Item = &FileEntry> {
    torrent.files.iter().filter(|file| !file.pad)
}

fn path(file: &FileEntry) -> &str {
    file.path.to_str().expect("metainfo makes paths of valid UTF-8")
}

fn print(torrent: &Metainfo, out: &mut impl Write) -> io::Result<()> {
    let mut line = |label: &str, value: &dyn std::fmt::Display| writeln!(out, "{label:<14}{value}");
    line("Name", &torrent.name)?;
    line(
        "Version",
        &match torrent.version() {
            Version::V1 => "v1",
            Version::V2 => "v2",
            Version::Hybrid => "hybrid (v1 and v2)",
        },
    )?;
    if let Some(hash) = torrent.info_hash_v1 {
        line("Info hash", &hash)?;
    }
    if let Some(hash) = torrent.info_hash_v2 {
        line("Info hash v2", &hash)?;
    }
    line("Size", &size(torrent.total_size()))?;
    let pieces = torrent.geometry.pieces();
    line("Pieces", &format_args!("{pieces} of {}", size(torrent.geometry.piece_length().into())))?;
    line("Private", &if torrent.private { "yes" } else { "no" })?;
    if let Some(date) = torrent.creation_date {
        line("Created", &date_of(date))?;
    }
    for (label, text) in [("Created by", &torrent.created_by), ("Comment", &torrent.comment)] {
        if let Some(text) = text {
            line(label, text)?;
        }
    }
    for (tier, trackers) in torrent.trackers.iter().enumerate() {
        for tracker in trackers {
            line("Tracker", &format_args!("{tracker} (tier {})", tier + 1))?;
        }
    }
    for seed in &torrent.web_seeds {
        line("Web seed", seed)?;
    }
    for (host, port) in &torrent.nodes {
        line("DHT node", &format_args!("{host}:{port}"))?;
    }
    let count = shown(torrent).count();
    line("Files", &count)?;
    let width = shown(torrent).map(|file| file.length).max().unwrap_or_default().to_string().len();
    for file in shown(torrent) {
        writeln!(out, "  {:>width$}  {}", file.length, path(file))?;
    }
    Ok(())
}

/// Bytes, and a figure that is easier to read where there are many.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut figure = bytes as f64;
    let mut unit = None;
    for name in UNITS {
        if figure < 1_024.0 {
            break;
        }
        figure /= 1_024.0;
        unit = Some(name);
    }
    match unit {
        None => format!("{bytes} bytes"),
        Some(unit) => format!("{figure:.2} {unit} ({bytes} bytes)"),
    }
}

/// A day and time in UTC, or the number where no calendar has such a day.
fn date_of(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{seconds} seconds after 1970"),
    }
}
