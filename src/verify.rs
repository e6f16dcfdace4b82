//! `tc-tui verify`: data against a torrent. Reads only; asks no network and keeps nothing.

use std::collections::HashMap;
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;
use tc_core::Metainfo;
use tc_core::bitfield::Bitfield;
use tc_core::disk::Disk;
use tc_core::metainfo::Version;
use tc_core::storage::{CheckPlan, DiskDone, Layout, Storage};
use tc_core::types::PieceIndex;
use tc_core::untrusted::{Untrusted, clean};
use tc_ui::format;

use crate::cli::VerifyArgs;
use crate::progress::Progress;
use crate::{json, source};

/// Checks what is in the folder against the torrent: success when all of it is there and right.
///
/// # Errors
/// The torrent or the folder is unusable. Data that is missing or wrong is no error of this kind: it is
/// printed, and the exit code says so.
pub fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let metainfo = Arc::new(source::metainfo(&args.torrent)?);
    if metainfo.version() == Version::V2 {
        bail!("{}: a v2-only torrent cannot be verified yet", args.torrent.display());
    }
    let folder = fs::metadata(&args.dir).with_context(|| args.dir.display().to_string())?;
    if !folder.is_dir() {
        bail!("{}: not a folder; the folder that {} lies in is wanted", args.dir.display(), metainfo.name);
    }
    let layout = Layout::new(&metainfo, &args.dir);
    let mut progress = (!args.json && io::stdout().is_terminal()).then(Progress::new);
    let looked = look(&layout, &metainfo, progress.as_mut())?;
    if let Some(progress) = &mut progress {
        progress.clear();
    }
    let report = Report::of(&metainfo, &layout, &looked);
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.json {
        json::write_escaped(&mut out, &report)?;
        writeln!(out)?;
    } else {
        print(&report, &args.dir, &mut out)?;
    }
    out.flush()?;
    Ok(if report.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the disk found.
struct Looked {
    good: Bitfield,
    /// Where the files are, in torrent order.
    paths: Vec<PathBuf>,
    bytes_hashed: u64,
    /// Why a file could not be read. The disk tells of the first one only.
    errors: HashMap<PathBuf, String>,
}

fn look(layout: &Layout, metainfo: &Metainfo, progress: Option<&mut Progress>) -> anyhow::Result<Looked> {
    // Nothing is written or read for peers: one thread each, and a file or two beside the checks' own.
    let disk = Disk::start(1, 0, 1).context("cannot start the disk threads")?;
    let storage = disk.open(layout.clone());
    disk.check(&storage, CheckPlan::full(layout.geometry()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (bytes_hashed, errors) = runtime.block_on(until_checked(&storage, metainfo, progress))?;
    let paths = (0..layout.files().len()).map(|file| storage.path(file)).collect();
    let looked = Looked { good: storage.verified(), paths, bytes_hashed, errors };
    // Nothing is left to write.
    disk.shutdown(Duration::from_secs(1));
    Ok(looked)
}

async fn until_checked(
    storage: &Storage,
    metainfo: &Metainfo,
    mut progress: Option<&mut Progress>,
) -> anyhow::Result<(u64, HashMap<PathBuf, String>)> {
    let (begun, mut errors) = (Instant::now(), HashMap::new());
    loop {
        match storage.done().await {
            DiskDone::CheckProgress { checked, .. } => {
                if let Some(progress) = &mut progress {
                    progress.say(&words(metainfo, checked, begun.elapsed()), Instant::now())?;
                }
            }
            DiskDone::Error { path, error, .. } => _ = errors.insert(path, error.to_string()),
            DiskDone::Checked { bytes_hashed } => return Ok((bytes_hashed, errors)),
            _ => {}
        }
    }
}

fn words(metainfo: &Metainfo, checked: u32, since: Duration) -> (String, String) {
    let geometry = metainfo.geometry;
    let looked_at = (u64::from(checked) * u64::from(geometry.piece_length())).min(geometry.total());
    let rate = (looked_at as f64 / since.as_secs_f64().max(0.1)) as u64;
    let figures = format!(
        "{}  {} of {}  {}/s",
        format::percent(looked_at, geometry.total()),
        format::size(looked_at),
        format::size(geometry.total()),
        format::rate(rate)
    );
    (metainfo.name.to_string(), figures)
}

/// What was found: the object that `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    name: &'a Untrusted,
    info_hash: String,
    /// All is there and right.
    complete: bool,
    pieces: u32,
    pieces_good: u32,
    /// Part of a file that they lie in is not there.
    pieces_missing: Vec<u32>,
    /// All of it is there, and something of it is wrong.
    pieces_bad: Vec<u32>,
    bytes_hashed: u64,
    files: Vec<FileReport<'a>>,
}

#[derive(Serialize)]
struct FileReport<'a> {
    path: &'a str,
    length: u64,
    /// Bytes on disk; `None`: there is no such file.
    size: Option<u64>,
    state: State,
    /// Pieces of it, and of its neighbours where they share one, that are there and wrong.
    pieces_bad: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    Missing,
    Short,
    Long,
    Bad,
    Unreadable,
}

impl<'a> Report<'a> {
    fn of(metainfo: &'a Metainfo, layout: &'a Layout, looked: &Looked) -> Self {
        let sizes: Vec<Result<u64, io::Error>> =
            (0..layout.files().len()).map(|file| size_on_disk(layout, file, &looked.paths[file])).collect();
        let is_there = |piece: PieceIndex| {
            layout.piece_spans(piece).all(|span| {
                let size = sizes[span.file].as_ref().map_or(0, |size| *size);
                span.offset + span.length <= size
            })
        };
        let wrong = Bitfield::full(looked.good.len());
        let (bad, missing): (Vec<_>, Vec<_>) =
            wrong.without(&looked.good).partition(|piece| is_there(*piece));
        let files: Vec<_> = sizes
            .iter()
            .enumerate()
            .filter(|(file, _)| !layout.files()[*file].pad)
            .map(|(file, size)| FileReport::of(layout, file, size, &bad, looked))
            .collect();
        let numbers = |pieces: &[PieceIndex]| pieces.iter().map(|piece| piece.get()).collect();
        Self {
            name: &metainfo.name,
            info_hash: metainfo.info_hash.to_string(),
            complete: looked.good.is_full() && files.iter().all(|file| file.state == State::Good),
            pieces: looked.good.len(),
            pieces_good: looked.good.ones(),
            pieces_missing: numbers(&missing),
            pieces_bad: numbers(&bad),
            bytes_hashed: looked.bytes_hashed,
            files,
        }
    }
}

impl<'a> FileReport<'a> {
    fn of(
        layout: &'a Layout,
        file: usize,
        size: &io::Result<u64>,
        bad: &[PieceIndex],
        looked: &Looked,
    ) -> Self {
        let entry = &layout.files()[file];
        let pieces: Vec<_> = layout.pieces_of(file).map(PieceIndex::get).collect();
        let its_own = pieces.first().map_or(0..0, |first| {
            let first = bad.partition_point(|piece| piece.get() < *first);
            let last = *pieces.last().expect("there is a first one");
            first..bad.partition_point(|piece| piece.get() <= last)
        });
        let pieces_bad: Vec<_> = bad[its_own].iter().map(|piece| piece.get()).collect();
        let mut error = looked.errors.get(&looked.paths[file]).cloned();
        let state = match size {
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => State::Missing,
            Err(reason) => {
                error.get_or_insert_with(|| reason.to_string());
                State::Unreadable
            }
            Ok(size) if *size < entry.length => State::Short,
            Ok(size) if *size > entry.length => State::Long,
            Ok(_) if pieces_bad.is_empty() => State::Good,
            Ok(_) if error.is_some() => State::Unreadable,
            // The check tells of one unreadable file only.
            Ok(_) => match fs::File::open(&looked.paths[file]) {
                Ok(_) => State::Bad,
                Err(reason) => {
                    error = Some(reason.to_string());
                    State::Unreadable
                }
            },
        };
        if state == State::Missing {
            error = None;
        }
        Self {
            path: entry.path.to_str().expect("metainfo makes paths of valid UTF-8"),
            length: entry.length,
            size: size.as_ref().ok().copied(),
            state,
            pieces_bad,
            error,
        }
    }

    /// What is wrong with it, in words.
    fn trouble(&self) -> Option<String> {
        let size = self.size.unwrap_or_default();
        let words = match self.state {
            State::Good => return None,
            State::Missing => "missing".to_owned(),
            State::Short => format!("too short: {size} of {} bytes", self.length),
            State::Long => format!("too long: {size} instead of {} bytes", self.length),
            State::Bad => String::new(),
            State::Unreadable => {
                format!("cannot be read: {}", clean(self.error.as_deref().unwrap_or("unknown")))
            }
        };
        // Why a piece of an unreadable file has no right hash is said already.
        let bad = if self.state == State::Unreadable { &[] } else { &self.pieces_bad[..] };
        let bad = match bad.len() {
            0 => String::new(),
            1 => format!("piece {} is bad", bad[0]),
            count => format!("{count} pieces are bad: {}", ranges(bad)),
        };
        let comma = if words.is_empty() || bad.is_empty() { "" } else { "; " };
        Some(format!("{words}{comma}{bad}"))
    }
}

/// The size of a file; all of a pad file is always there.
fn size_on_disk(layout: &Layout, file: usize, path: &Path) -> io::Result<u64> {
    let entry = &layout.files()[file];
    if entry.pad {
        return Ok(entry.length);
    }
    let found = fs::metadata(path)?;
    if found.is_file() { Ok(found.len()) } else { Err(io::Error::other("not a regular file")) }
}

/// `3, 5-9, 12`.
fn ranges(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let run = |run: &[u32]| match run {
        [one] => one.to_string(),
        run => format!("{}-{}", run[0], run[run.len() - 1]),
    };
    runs.map(run).collect::<Vec<_>>().join(", ")
}

fn print(report: &Report<'_>, dir: &Path, out: &mut impl Write) -> io::Result<()> {
    let name = report.name;
    if report.complete {
        let pieces = format::plural(report.pieces.into(), "piece");
        return writeln!(out, "{name}: all is there and right, {pieces}, {}", total(report));
    }
    let wrong: Vec<_> = report.files.iter().filter_map(|file| Some((file.path, file.trouble()?))).collect();
    if report.files.iter().all(|file| file.state == State::Missing) {
        let dir = clean(&dir.to_string_lossy());
        return writeln!(out, "{name}: no file of it is in {dir}");
    }
    for (path, trouble) in &wrong {
        writeln!(out, "{path}: {trouble}")?;
    }
    writeln!(
        out,
        "{name}: {} of {} not right, {} of {} there and good, {} missing, {} bad",
        wrong.len(),
        format::plural(report.files.len() as u64, "file"),
        report.pieces_good,
        format::plural(report.pieces.into(), "piece"),
        report.pieces_missing.len(),
        report.pieces_bad.len()
    )
}

fn total(report: &Report<'_>) -> String {
    format::size(report.files.iter().map(|file| file.length).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_pieces_are_one_range() {
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[3, 5, 6, 7, 9, 11, 12]), "3, 5-7, 9, 11-12");
    }
}
