//! The log file. Nothing of it ever goes to the terminal, which belongs to the dashboard.

use std::path::Path;

use anyhow::Context as _;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
    let filter = filter(level)?;
    let appender = appender(state_dir, file)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(appender);
    // A second start in one process (tests) keeps the first log.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).try_init();
    Ok(guard)
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let wrong = || format!("no log level: {level}; there are error, warn, info, debug, trace, off");
    // The filter takes any lone word for the name of a part, a misspelt level too.
    if !level.contains('=') {
        level.parse::<LevelFilter>().with_context(wrong)?;
    }
    EnvFilter::builder().parse(level).with_context(wrong)
}

fn appender(state_dir: &Path, file: Option<&Path>) -> anyhow::Result<RollingFileAppender> {
    let builder = RollingFileAppender::builder();
    let (builder, folder) = match file {
        Some(file) => {
            let name = file.file_name().with_context(|| format!("no file name: {}", file.display()))?;
            let folder =
                file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (builder.rotation(Rotation::NEVER).filename_prefix(name.to_string_lossy()), folder)
        }
        None => {
            let daily = builder.rotation(Rotation::DAILY).filename_prefix("tc-tui").filename_suffix("log");
            (daily.max_log_files(FILES), state_dir)
        }
    };
    builder.build(folder).with_context(|| format!("cannot write a log in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_refused() {
        for good in ["info", "DEBUG", "off", "tc_core=debug", "warn,tc_core::disk=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for wrong in ["wran", "tc_core=loud"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_log_goes_where_it_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.log");
        drop(appender(Path::new("/nowhere"), Some(&file)).unwrap());
        assert!(file.is_file());
        drop(appender(&folder.path().join("state"), None).unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 1);
        assert!(appender(folder.path(), Some(Path::new("/"))).is_err());
    }
}
