//! The log file. Nothing of it ever goes to the terminal, which belongs to the dashboard.

use std::path::Path;

use anyhow::Context as _;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

/// Days that are kept.
const FILES: usize = 7;

/// Lines that may wait for the disk; what comes on top is dropped, because a log must not slow the
/// engine. Some MiB at the usual length.
const LINES: usize = 16_384;

/// Logs into `file`, or else into one file a day in `state_dir`. Keep the guard: dropping it writes
/// what waits.
///
/// # Errors
/// The level means nothing, or the file cannot be opened.
pub fn start(state_dir: &Path, file: Option<&Path>, level: &str) -> anyhow::Result<WorkerGuard> {
    let filter = EnvFilter::builder()
        .parse(level)
        .with_context(|| format!("no log level: {level} (error, warn, info, debug, trace)"))?;
    let folder = match file {
        Some(file) => file.parent().unwrap_or(Path::new("")),
        None => state_dir,
    };
    let appender = appender(folder, file)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(appender);
    // A second start in one process (tests) keeps the first log.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).try_init();
    Ok(guard)
}

fn appender(folder: &Path, file: Option<&Path>) -> anyhow::Result<RollingFileAppender> {
    let builder = RollingFileAppender::builder();
    let builder = match file {
        Some(file) => {
            let name = file.file_name().with_context(|| format!("no file name: {}", file.display()))?;
            builder.rotation(Rotation::NEVER).filename_prefix(name.to_string_lossy())
        }
        None => builder
            .rotation(Rotation::DAILY)
            .filename_prefix("tc-tui")
            .filename_suffix("log")
            .max_log_files(FILES),
    };
    builder.build(folder).with_context(|| format!("cannot write a log in {}", folder.display()))
}
