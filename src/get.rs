//! `tc-tui get`: a manager without a dashboard, for scripts and for people in a hurry.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use glob::Pattern;
use jiff::Timestamp;
use serde::Serialize;
use tc_core::download;
use tc_core::event::{Delivery, Event, Subscription, Tagged};
use tc_core::metainfo::FileEntry;
use tc_core::settings::{MaxActive, Priority, Setting, TorrentSettings};
use tc_core::stats::{SessionState, SessionStats};
use tc_core::untrusted::{Untrusted, clean};
use tc_core::{AddOptions, InfoHash, Metainfo, SharedResources, TorrentManager};
use tc_ui::Found;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::cli::GetArgs;
use crate::progress::{self, Progress};
use crate::source::Source;
use crate::{crash, dirs, engine, json, logging, signals, source};

/// How often the board is looked at: often enough for a line that a person reads.
const LOOK: Duration = Duration::from_millis(500);

/// How often trackers that are left are looked at on the way out; less than a person takes for a hang.
const LEFT: Duration = Duration::from_millis(200);

/// What a program gets that writes into a closed pipe, as shells count.
const PIPE_CLOSED: u8 = 141;

/// How a run ends.
enum End {
    /// All is there.
    Complete,
    /// This signal came first, or while seeding afterwards.
    Signal(i32),
    /// Nobody reads standard output any more.
    Unread,
    /// Nothing more will come.
    Failed(anyhow::Error),
}

/// Gets the sources. Nothing is started or written if a file among them is no torrent.
///
/// # Errors
/// A source, a folder or the engine is unusable, or every torrent that is not complete is in error.
pub fn run(args: &GetArgs) -> anyhow::Result<ExitCode> {
    engine::set_umask(&args.engine);
    let sources = source::all(&args.sources)?;
    for source in &sources {
        if let Source::File(file) = source {
            choices(&source::metainfo(file)?, args)?;
        }
    }
    let folder = &args.download_dir;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let state = args.state_dir.clone().unwrap_or_else(|| folder.join(".tc-tui"));
    dirs::make_private(&state)?;
    let _log = logging::start(&state, args.engine.log_file.as_deref(), &args.engine.log_level)?;
    // A torrent whose task panics ends in error; the others go on, and the exit code tells.
    crash::watch(|| ());
    // One place: a second signal ends the program elsewhere.
    let (ask, asked) = mpsc::channel(1);
    signals::listen(
        move |news| {
            if let signals::News::End(signal) = news {
                let _ = ask.try_send(signal);
            }
        },
        || (),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;

    let mut config = engine::config(&args.engine, folder, &state);
    // What is named here is wanted now.
    config.max_active_downloads.get_or_insert(MaxActive::Unlimited);
    let shared = SharedResources::start(config)?;
    // Before the torrents of the last run are taken up, so that no event of theirs is missed.
    let events = shared.hub().subscribe("*")?;
    let manager = TorrentManager::over(shared);
    let mut run = match Run::start(&manager, events, args, &sources) {
        Ok(run) => run,
        Err(error) => {
            manager.shutdown();
            return Err(error);
        }
    };
    let end = runtime.block_on(run.until_end(asked));
    run.leave();
    run.last_words();
    match end {
        End::Complete => Ok(ExitCode::SUCCESS),
        End::Signal(_) if run.pending.is_empty() => Ok(ExitCode::SUCCESS),
        End::Signal(signal) => Ok(ExitCode::from(signals::exit_code(signal))),
        End::Unread => Ok(ExitCode::from(PIPE_CLOSED)),
        End::Failed(error) => Err(error),
    }
}

/// One run over its torrents.
struct Run<'a> {
    manager: &'a TorrentManager,
    args: &'a GetArgs,
    events: Subscription,
    /// By torrent, in no order.
    names: HashMap<InfoHash, Untrusted>,
    /// Not complete yet, and how many bytes this run wants of it: what an earlier run wanted may be complete
    /// before this one is heard. `None`: a magnet, of which nobody knows that yet.
    pending: HashMap<InfoHash, Option<u64>>,
    /// Complete, or not yet, and to seed until a limit stops it.
    seeding: HashSet<InfoHash>,
    seed_after: bool,
    /// `None`: every event goes out as JSON instead.
    progress: Option<Progress>,
}

impl<'a> Run<'a> {
    fn start(
        manager: &'a TorrentManager,
        events: Subscription,
        args: &'a GetArgs,
        sources: &[Source],
    ) -> anyhow::Result<Self> {
        let (mut names, mut pending, mut private) = (HashMap::new(), HashMap::new(), Vec::new());
        for source in sources {
            let torrent = source.load(|url| manager.shared().fetch(url))?;
            let mut settings = TorrentSettings::default();
            match &torrent {
                Found::Whole(metainfo) => choices(metainfo, args)?
                    .iter()
                    .for_each(|setting| settings.apply(setting, metainfo.files.len())),
                Found::Link(_) => in_order(args).iter().for_each(|setting| settings.apply(setting, 0)),
            }
            let options = AddOptions {
                peers: args.peers.clone(),
                settings,
                assume_complete: args.engine.assume_complete,
                // Which files are wanted is known when the files are.
                stop_at_metadata: chooses(args),
                ..AddOptions::default()
            };
            let session = torrent.add(manager, options).with_context(|| source.shown())?;
            let metainfo = session.metainfo();
            let (info_hash, name, is_private) = (metainfo.info_hash, metainfo.name.clone(), metainfo.private);
            // It may be known from an earlier run that wanted something else; this one says what it wants.
            let wanted = if metainfo.is_known() {
                let choices = choices(metainfo, args)?;
                choices.iter().for_each(|setting| session.set(setting));
                let mut settings = TorrentSettings::default();
                choices.iter().for_each(|setting| settings.apply(setting, metainfo.files.len()));
                Some(wanted_bytes(metainfo, &settings))
            } else {
                None
            };
            pending.insert(info_hash, wanted);
            // ... and paused since.
            if session.stats().is_some_and(|stats| stats.state == SessionState::Paused) {
                session.resume();
            }
            args.peers.iter().for_each(|peer| session.add_peer(*peer));
            if is_private {
                private.push(name.clone());
            }
            names.insert(info_hash, name);
        }
        let until_limit = args.engine.seed_ratio.is_some() || args.engine.seed_time.is_some();
        if !until_limit && !args.seed_after {
            for name in private {
                say_that_it_stops(&name);
            }
        }
        // What earlier runs left in this folder is not asked for now.
        for session in manager.all() {
            if !names.contains_key(&session.info_hash()) {
                session.pause();
            }
        }
        Ok(Self {
            manager,
            args,
            events,
            pending,
            seeding: if until_limit { names.keys().copied().collect() } else { HashSet::new() },
            names,
            seed_after: args.seed_after,
            progress: (!args.json).then(Progress::new),
        })
    }

    async fn until_end(&mut self, mut asked: mpsc::Receiver<i32>) -> End {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                delivery = self.events.next() => {
                    if let Err(error) = self.know(&delivery) {
                        return End::Failed(error);
                    }
                    self.tell(&delivery)
                }
                Some(signal) = asked.recv() => return End::Signal(signal),
                _ = look.tick() => match self.look() {
                    Ok(told) => told,
                    Err(error) => return End::Failed(error),
                },
            };
            if told.is_err() {
                return End::Unread;
            }
            if self.pending.is_empty() && self.seeding.is_empty() && !self.seed_after {
                return self.unmoved().map_or(End::Complete, End::Failed);
            }
        }
    }

    /// Snapshots are the truth: they end the run even where the event was missed. Inner errors mean
    /// that nobody reads.
    fn look(&mut self) -> anyhow::Result<io::Result<()>> {
        let board = self.manager.board();
        let all: Vec<_> = self.names.keys().filter_map(|info_hash| board.get(info_hash)).collect();
        for stats in &all {
            if stats.state == SessionState::Seeding && stats.is_complete() {
                self.complete(&stats.info_hash, stats.wanted);
            } else if stats.state == SessionState::Paused && !self.pending.contains_key(&stats.info_hash) {
                // A limit stopped it: nobody else pauses here.
                self.seeding.remove(&stats.info_hash);
            }
        }
        if let Some(error) = self.all_failed(&all) {
            return Err(error);
        }
        let shown = match &mut self.progress {
            Some(progress) if !all.is_empty() => progress.show(&all, Instant::now()),
            _ => Ok(()),
        };
        Ok(shown)
    }

    /// The metadata of a magnet is there: now its files can be chosen.
    fn know(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        let Delivery::Event(Tagged { event, info_hash: Some(info_hash), .. }) = delivery else {
            return Ok(());
        };
        let (Event::MetadataReceived { name, private, .. }, Some(known)) =
            (&**event, self.names.get_mut(info_hash))
        else {
            return Ok(());
        };
        known.clone_from(name);
        if *private && self.seeding.is_empty() && !self.seed_after {
            say_that_it_stops(name);
        }
        if let Some(session) = self.manager.get(info_hash).filter(|_| chooses(self.args)) {
            choices(session.metainfo(), self.args)?.iter().for_each(|setting| session.set(setting));
            session.resume();
        }
        Ok(())
    }

    /// All that this run wants of a torrent is there, if it is that much.
    fn complete(&mut self, info_hash: &InfoHash, size: u64) {
        if self.pending.get(info_hash).is_some_and(|wanted| wanted.is_none_or(|wanted| wanted == size)) {
            self.pending.remove(info_hash);
        }
    }

    /// The first that is complete and not where it should be.
    fn unmoved(&self) -> Option<anyhow::Error> {
        let all = self.names.keys().filter_map(|info_hash| self.manager.board().get(info_hash));
        let stats = all.into_iter().find(|stats| stats.destination.is_some())?;
        let why = stats.notice.as_ref().map_or_else(String::new, ToString::to_string);
        Some(anyhow!("{}: complete in {}: {why}", stats.name, clean(&stats.save_path.to_string_lossy())))
    }

    /// The first error, if no pending torrent can go on by itself.
    fn all_failed(&self, all: &[Arc<SessionStats>]) -> Option<anyhow::Error> {
        let failed = |stats: &&Arc<SessionStats>| {
            let stuck = stats.state == SessionState::Error && !stats.retries;
            stuck && self.pending.contains_key(&stats.info_hash)
        };
        let count = all.iter().filter(failed).count();
        let first = all.iter().find(failed)?;
        (count == self.pending.len()).then(|| {
            let message = first.message.as_ref().map_or_else(String::new, ToString::to_string);
            anyhow!("{}: {message}", first.name)
        })
    }

    fn tell(&mut self, delivery: &Delivery) -> io::Result<()> {
        if let Delivery::Event(Tagged { event, info_hash: Some(info_hash), .. }) = delivery
            && let Event::SessionCompleted { size, .. } = **event
        {
            self.complete(info_hash, size);
        }
        if let Delivery::Event(Tagged { event, info_hash: Some(info_hash), .. }) = delivery
            && matches!(**event, Event::LimitReached { .. })
        {
            self.seeding.remove(info_hash);
        }
        match (&mut self.progress, delivery) {
            (None, delivery) => writeln!(io::stdout(), "{}", json_line(delivery)),
            (Some(progress), Delivery::Event(tagged)) => {
                let name = tagged.info_hash.and_then(|info_hash| self.names.get(&info_hash));
                let name = name.map_or_else(String::new, ToString::to_string);
                progress::plain(tagged, &name).map_or(Ok(()), |line| progress.line(&line))
            }
            (Some(_), Delivery::Missed(_)) => Ok(()),
        }
    }

    /// Ends the engine, and shows how many trackers have yet to hear of it.
    fn leave(&mut self) {
        std::thread::scope(|scope| {
            // One word, that it has ended.
            let (ended, end) = std::sync::mpsc::sync_channel(1);
            let manager = self.manager;
            scope.spawn(move || {
                manager.shutdown();
                let _ = ended.send(());
            });
            while end.recv_timeout(LEFT) == Err(RecvTimeoutError::Timeout) {
                let left = manager.board().global().goodbyes;
                if let Some(progress) = self.progress.as_mut().filter(|_| left > 0) {
                    // Who does not read is left all the same.
                    let _ = progress.leaving(left);
                }
            }
        });
    }

    /// What the engine said while it ended.
    fn last_words(&mut self) {
        while let Some(delivery) = self.events.try_next() {
            if self.tell(&delivery).is_err() {
                return;
            }
        }
        if let Some(progress) = &mut self.progress {
            progress.end();
        }
    }
}

/// Bytes of the pieces that are wanted.
fn wanted_bytes(metainfo: &Metainfo, settings: &TorrentSettings) -> u64 {
    let geometry = metainfo.geometry;
    let pieces =
        download::of_pieces(geometry, &metainfo.files, |file| settings.file(file), settings.ends_first);
    let wanted = geometry.all_pieces().zip(pieces).filter(|(_, priority)| priority.is_wanted());
    wanted.map(|(piece, _)| u64::from(geometry.piece_size(piece))).sum()
}

/// Private trackers count what their members give; who does not read this far should know.
fn say_that_it_stops(name: &Untrusted) {
    crate::complain(&format!(
        "{name}: a private torrent, and this run ends at 100 %; --seed-after, --seed-ratio or --seed-time seeds on"
    ));
}

/// What the command line decides for a torrent. Of its files it wants all that fit `--only`, without those
/// that fit `--skip`.
///
/// # Errors
/// No file is wanted.
fn choices(metainfo: &Metainfo, args: &GetArgs) -> anyhow::Result<[Setting; 4]> {
    let fits = |patterns: &[Pattern], path: &Path| {
        // With the torrent's own folder and without.
        let below: PathBuf = path.iter().skip(1).collect();
        patterns.iter().any(|pattern| [path, &below].iter().any(|path| pattern.matches_path(path)))
    };
    let is_wanted = |file: &FileEntry| {
        let path: PathBuf = file.path.iter().collect();
        (args.only.is_empty() || fits(&args.only, &path)) && !fits(&args.skip, &path)
    };
    let (mut want, mut skip) = (Vec::new(), Vec::new());
    for (at, file) in (0..).zip(&metainfo.files).filter(|(_, file)| !file.pad) {
        if is_wanted(file) { want.push(at) } else { skip.push(at) }
    }
    if want.is_empty() && !skip.is_empty() {
        bail!("no file of {} is wanted; tc-tui inspect shows their paths", metainfo.name);
    }
    let [sequential, ends_first] = in_order(args);
    Ok([
        Setting::Files { files: want, priority: Priority::Normal },
        Setting::Files { files: skip, priority: Priority::Skip },
        sequential,
        ends_first,
    ])
}

/// What the command line decides whatever the files are.
const fn in_order(args: &GetArgs) -> [Setting; 2] {
    [Setting::Sequential(args.sequential), Setting::EndsFirst(args.first_last)]
}

/// Whether the command line chooses among files.
const fn chooses(args: &GetArgs) -> bool {
    !args.only.is_empty() || !args.skip.is_empty()
}

/// A line of `--json`: `time`, `info_hash`, `kind`, and the payload of the event.
fn json_line(delivery: &Delivery) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: String,
        info_hash: Option<InfoHash>,
        #[serde(flatten)]
        event: &'a Event,
    }
    #[derive(Serialize)]
    struct Missed {
        time: String,
        info_hash: Option<InfoHash>,
        kind: &'static str,
        count: u64,
    }
    match delivery {
        Delivery::Event(Tagged { time, info_hash, event }) => {
            let time = Timestamp::try_from(*time).unwrap_or_default();
            json::escaped(&Line { time: rfc3339(time), info_hash: *info_hash, event })
        }
        Delivery::Missed(count) => {
            let time = rfc3339(Timestamp::now());
            json::escaped(&Missed { time, info_hash: None, kind: "missed", count: *count })
        }
    }
}

fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn an_event_is_one_harmless_line_of_json() {
        let event = Event::SessionAdded { name: "a\u{202e}b\u{1b}[m\n".into(), size: 7 };
        let info_hash = Some(InfoHash::new([0xab; 20]));
        let tagged = Tagged { time: SystemTime::UNIX_EPOCH, info_hash, event: Arc::new(event) };
        let line = json_line(&Delivery::Event(tagged));
        let want = format!(
            r#"{{"time":"1970-01-01T00:00:00.000Z","info_hash":"{}","kind":"session.added","name":"a\u202eb\u001b[m\n","size":7}}"#,
            "ab".repeat(20)
        );
        assert_eq!(line, want);
    }

    #[test]
    fn a_gap_is_told() {
        let line = json_line(&Delivery::Missed(3));
        assert!(line.contains(r#""kind":"missed","count":3"#), "{line}");
    }
}
