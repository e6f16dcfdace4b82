//! `tc-tui inspect`: what is in a torrent, or in a link to one. Reads one file or URL, writes nothing.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::anyhow;
use serde::{Serialize, Serializer};
use tc_core::Metainfo;
use tc_core::magnet::Magnet;
use tc_core::metainfo::{FileEntry, Version};
use tc_core::net::bind::Binding;
use tc_core::net::resolver::Resolver;
use tc_core::net::stub::Stub;
use tc_core::tracker::{AnnounceError, AtUrl, FetchError, HttpOptions, HttpTracker};
use tc_core::untrusted::{Untrusted, clean};

use tc_ui::Found;

use crate::cli::WayArgs;
use crate::json;
use crate::source::Source;

/// Prints what `source` says, for a person or as one line of JSON: a torrent file, one at a URL, or what a magnet
/// link or a bare info-hash holds.
///
/// A source that is no usable torrent is an error of one line, without control characters.
pub fn run(source: &str, json: bool, way: &WayArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let one_line = |error: anyhow::Error| anyhow!("{}", clean(&format!("{error:#}")));
    let source = Source::of(Path::new(source)).map_err(one_line)?;
    let torrent = source.load(|url| fetch(url, way)).map_err(one_line)?;
    let (torrent, link) = match torrent {
        Found::Whole(torrent) => (*torrent, None),
        Found::Link(magnet) => (Metainfo::of_magnet(&magnet), Some(magnet)),
    };
    // Buffered here: a file list is many small writes.
    let mut out = BufWriter::new(out);
    match (json, link) {
        (true, link) => {
            json::write_escaped(&mut out, &Report::of(&torrent, link.as_deref()))?;
            writeln!(out)?;
        }
        (false, Some(magnet)) => print_link(&magnet, &mut out)?,
        (false, None) => print(&torrent, &mut out)?,
    }
    Ok(out.flush()?)
}

/// Without an engine.
fn fetch(url: &str, way: &WayArgs) -> Result<AtUrl, FetchError> {
    let failed = |error: &dyn std::fmt::Display| AnnounceError::Network(error.to_string().into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let binding = way.bind.clone().map(Binding::once).unwrap_or_default();
    let own = way.bind.is_some() || !way.name_server.is_empty();
    let stub = own.then(|| Stub::new(binding.clone(), way.name_server.clone()));
    let resolver = Resolver::start(1, stub).map_err(|error| failed(&error))?;
    let options = HttpOptions { binding, ..HttpOptions::default() };
    let http = HttpTracker::new(resolver, options).map_err(|error| failed(&error))?;
    runtime.block_on(http.fetch(url))
}

/// The JSON object: its keys and their meaning are relied upon by scripts.
#[derive(Serialize)]
struct Report<'a> {
    /// Of a link what it holds; what is not known is null.
    name: Option<&'a Untrusted>,
    info_hash: Option<String>,
    info_hash_v2: Option<String>,
    total_size: Option<u64>,
    piece_length: Option<u32>,
    pieces: Option<u32>,
    private: Option<bool>,
    trackers: &'a [Vec<Untrusted>],
    web_seeds: &'a [Untrusted],
    files: Option<Files<'a>>,
}

impl<'a> Report<'a> {
    fn of(torrent: &'a Metainfo, link: Option<&'a Magnet>) -> Self {
        let is_known = torrent.is_known();
        Self {
            name: link.map_or(Some(&torrent.name), |link| link.name.as_ref()),
            info_hash: torrent.info_hash_v1.map(|hash| hash.to_string()),
            info_hash_v2: torrent.info_hash_v2.map(|hash| hash.to_string()),
            total_size: is_known.then(|| torrent.total_size()),
            piece_length: is_known.then(|| torrent.geometry.piece_length()),
            pieces: is_known.then(|| torrent.geometry.pieces()),
            private: is_known.then_some(torrent.private),
            trackers: &torrent.trackers,
            web_seeds: &torrent.web_seeds,
            files: is_known.then_some(Files(torrent)),
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    length: u64,
}

/// One at a time: a second list of a hundred thousand files is not needed.
struct Files<'a>(&'a Metainfo);

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(shown(self.0).map(|file| File { path: path(file), length: file.length }))
    }
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

fn print_link(magnet: &Magnet, out: &mut impl Write) -> io::Result<()> {
    let mut line = |label: &str, value: &dyn std::fmt::Display| writeln!(out, "{label:<14}{value}");
    if let Some(name) = &magnet.name {
        line("Name", name)?;
    }
    if let Some(hash) = magnet.info_hash_v1 {
        line("Info hash", &hash)?;
    }
    if let Some(hash) = magnet.info_hash_v2 {
        line("Info hash v2", &hash)?;
    }
    for tracker in &magnet.trackers {
        line("Tracker", tracker)?;
    }
    for seed in &magnet.web_seeds {
        line("Web seed", seed)?;
    }
    for peer in &magnet.peers {
        line("Peer", peer)?;
    }
    for (host, port) in &magnet.named_peers {
        line("Peer", &format_args!("{host}:{port}"))?;
    }
    if let Some(select) = &magnet.select {
        line("Select", &format_args!("files {select}, from 0"))?;
    }
    line("Size", &"not known before a peer has sent the metadata")
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
