//! `tc-tui`: the engine, the dashboard over it, and the way out.

use std::io::{self, IsTerminal as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::Context as _;
use tc_core::untrusted::clean;
use tc_core::{AddOptions, SharedResources, Subscription, TorrentManager};
use tc_ui::message::{AddRequest, Message, Why};
use tc_ui::terminal::Terminal;
use tc_ui::{Ports, input};

use crate::cli::{DashboardArgs, ScreenArgs};
use crate::look::{Surroundings, settings};
use crate::signals::News;
use crate::source::Source;
use crate::system::Disk;
use crate::{crash, dirs, engine, logging, signals, source};

/// Exit code where the dashboard cannot be shown at all, as for a misspelt option.
const NO_TERMINAL: u8 = 2;

/// Exit code after Ctrl-C by a person who did not want to wait, as shells count.
const IMPATIENT: i32 = 130;

/// News that wait for the dashboard. It drains all of them before each frame; a person, a clock and
/// a board make some ten a second, and whoever finds it full waits.
const INBOX: usize = 256;

/// Opens the dashboard over an engine with the torrents of the last run and these sources.
///
/// # Errors
/// A source, a folder or the engine is unusable; then the terminal was not touched. What a URL leads to the
/// dashboard says.
pub fn run(args: &DashboardArgs) -> anyhow::Result<ExitCode> {
    if !has_terminal() {
        return Ok(refuse());
    }
    engine::set_umask(&args.engine);
    let sources = source::all(&args.sources)?;
    for source in &sources {
        if let Source::File(file) = source {
            source::metainfo(file)?;
        }
    }
    let state = dirs::state(args.state_dir.as_deref())?;
    let folder = dirs::download(args.download_dir.as_deref())?;
    dirs::make_private(&state)?;
    let _log = logging::start(&state, args.engine.log_file.as_deref(), &args.engine.log_level)?;

    let shared = SharedResources::start(engine::config(&args.engine, &folder, &state))?;
    // Before the torrents of the last run are taken up, so that no event of theirs is missed.
    let events = shared.hub().subscribe(&tc_ui::first_events())?;
    let manager = TorrentManager::over(shared);
    let assume_complete = args.engine.assume_complete;
    let mut to_add = Vec::new();
    for source in &sources {
        if let Source::Url(url) = source {
            // A server may take a minute; the dashboard is there meanwhile, and says what came of it.
            to_add.push(AddRequest { source: url.clone(), assume_complete, ..AddRequest::default() });
            continue;
        }
        let options = AddOptions { assume_complete, ..AddOptions::default() };
        let loaded = source.load(|url| manager.shared().fetch(url));
        let added = loaded.and_then(|torrent| torrent.add(&manager, options).with_context(|| source.shown()));
        if let Err(error) = added {
            manager.shutdown();
            return Err(error);
        }
    }
    show(&manager, events, to_add, args.screen, Arc::new(|| ()))
}

/// Whether a dashboard can be shown on standard input and output.
pub fn has_terminal() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

/// Says that there is no terminal, and what to do without one.
pub fn refuse() -> ExitCode {
    crate::complain("needs a terminal; use tc-tui get ... --json");
    ExitCode::from(NO_TERMINAL)
}

/// What is done last where the program ends without order.
pub type Abandon = Arc<dyn Fn() + Send + Sync>;

/// Shows the dashboard until it is left, then ends the engine in order. Where the person does not
/// want to wait for that, or sends a second signal, `abandon` is called and the program exits. `events`: what
/// has happened since [`tc_ui::first_events`] was subscribed to; `to_add`: what is fetched and added meanwhile.
///
/// # Errors
/// The terminal cannot be taken, or no signal handler can be had.
pub fn show(
    manager: &TorrentManager,
    events: Subscription,
    to_add: Vec<AddRequest>,
    args: ScreenArgs,
    abandon: Abandon,
) -> anyhow::Result<ExitCode> {
    // A panic on the screen's thread must not keep the engine from saving what it knows.
    let outcome =
        catch_unwind(AssertUnwindSafe(|| on_screen(manager, events, to_add, args, abandon.clone())));
    if matches!(outcome, Ok(Ok(Why::Impatient))) {
        abandon();
        process::exit(IMPATIENT);
    }
    manager.shutdown();
    match outcome {
        Ok(outcome) => outcome.map(|_why| ExitCode::SUCCESS),
        Err(_) => Ok(ExitCode::from(crash::EXIT_CODE)),
    }
}

fn on_screen(
    manager: &TorrentManager,
    events: Subscription,
    to_add: Vec<AddRequest>,
    args: ScreenArgs,
    abandon: Abandon,
) -> anyhow::Result<Why> {
    let (post, inbox) = sync_channel(INBOX);
    let tell = post.clone();
    crash::watch(move || _ = tell.try_send(Message::Hangup));
    listen(post.clone(), abandon)?;
    let (manager, outbox) = (manager.clone(), post.clone());
    let ports = Ports { manager, events, system: Arc::new(Disk), inbox, outbox, to_add };
    let mut terminal = Terminal::enter().context("cannot use the terminal")?;
    let input = input::start(post).context("cannot read the terminal")?;
    crash::test_point("ui");
    #[cfg(debug_assertions)]
    let _ = std::thread::Builder::new().name("test".into()).spawn(|| crash::test_point("engine"));
    let leave = tc_ui::run(&mut terminal, ports, settings(args, &Surroundings::now()))?;
    drop((input, terminal));
    if let Some(words) = leave.last_words {
        // The terminal may be gone, and then nobody misses them.
        let _ = writeln!(io::stdout(), "{}", clean(&words));
    }
    Ok(leave.why)
}

fn listen(post: SyncSender<Message>, abandon: Abandon) -> io::Result<()> {
    let tell = move |news| {
        // A dashboard that is that far behind, or has ended, is not helped by waiting for it.
        let _ = post.try_send(match news {
            News::End(signal) => Message::Quit(signal),
            News::Resized => Message::Resized,
            News::Continued => Message::Woken,
        });
    };
    signals::listen(tell, move || abandon())
}
