//! The loop over a real engine without torrents, and a screen that keeps its frames.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use ratatui::backend::TestBackend;
use ratatui::{Frame, Terminal};
use tc_core::config::Config;
use tc_core::manager::TorrentManager;

use crate::effect::{Fetch, Found};
use crate::message::{Message, Preview, Why};
use crate::testing::{key, rows};
use crate::{Leave, Ports, Screen, Settings, System, first_events, run};

/// A screen of 80x24 that can be gone.
struct Paper {
    terminal: Terminal<TestBackend>,
    frames: Vec<Vec<String>>,
    copied: Vec<String>,
    title: String,
    bells: usize,
    suspended: usize,
    gone: bool,
}

impl Paper {
    fn new() -> Self {
        let terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        Self {
            terminal,
            frames: Vec::new(),
            copied: Vec::new(),
            title: String::new(),
            bells: 0,
            suspended: 0,
            gone: false,
        }
    }
}

impl Screen for Paper {
    fn draw(&mut self, render: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        if self.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.terminal.draw(render).unwrap();
        self.frames.push(rows(self.terminal.backend().buffer()));
        Ok(())
    }

    fn repaint(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn copy(&mut self, text: &str) {
        self.copied.push(text.to_owned());
    }

    fn set_title(&mut self, title: &str) {
        title.clone_into(&mut self.title);
    }

    fn bell(&mut self) {
        self.bells += 1;
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.suspended += 1;
        Ok(())
    }
}

/// A system without files.
struct Nothing;

impl System for Nothing {
    fn torrent(&self, source: &str, _fetch: &Fetch<'_>) -> Result<Found, String> {
        Err(format!("{source} is not here"))
    }

    fn is_remote(&self, _source: &str) -> bool {
        false
    }

    fn folder(&self, typed: &str) -> Result<PathBuf, String> {
        Ok(typed.into())
    }

    fn preview(&self, _source: &str) -> Result<Preview, String> {
        Err("there is nothing here".to_owned())
    }

    fn complete(&self, _typed: &str, _folders_only: bool) -> (Vec<String>, Option<u64>) {
        (Vec::new(), None)
    }
}

/// Runs the dashboard with this news waiting, until it is left.
fn check(paper: &mut Paper, news: Vec<Message>) -> Leave {
    let config = Config { listen: Vec::new(), ..Config::new(std::env::temp_dir()) };
    let manager = TorrentManager::start(config).unwrap();
    let (outbox, inbox) = sync_channel(64);
    for message in news {
        outbox.send(message).unwrap();
    }
    let events = manager.subscribe_all(&first_events()).unwrap();
    let ports = Ports {
        manager: manager.clone(),
        events,
        system: Arc::new(Nothing),
        inbox,
        outbox,
        to_add: Vec::new(),
    };
    let leave = run(paper, ports, Settings { job_control: true, ..Settings::default() }).unwrap();
    manager.shutdown();
    leave
}

fn keys(names: &str) -> Vec<Message> {
    names.split_whitespace().map(|name| Message::Key(key(name))).collect()
}

#[test]
fn q_ends_the_engine_and_then_the_loop() {
    let mut paper = Paper::new();
    let leave = check(&mut paper, keys("? Esc q"));
    assert_eq!(leave, Leave { why: Why::Asked, last_words: None });
    assert!(paper.frames.iter().all(|frame| frame.len() == 24));
    let last = paper.frames.last().expect("a frame was drawn");
    assert!(last[23].starts_with("stopping: "), "{last:?}");
    assert_eq!(paper.title, "↓0B ↑0B tc");
}

#[test]
fn a_screen_that_is_gone_ends_the_loop() {
    let mut paper = Paper { gone: true, ..Paper::new() };
    assert_eq!(check(&mut paper, Vec::new()).why, Why::Hangup);
    assert_eq!(check(&mut Paper::new(), vec![Message::Hangup]).why, Why::Hangup);
    assert_eq!(check(&mut Paper::new(), vec![Message::Quit(15)]).why, Why::Signal(15));
}

#[test]
fn ctrl_z_stops_the_program_and_the_loop_goes_on() {
    let mut paper = Paper::new();
    assert_eq!(check(&mut paper, keys("^Z z q")).why, Why::Asked);
    assert_eq!(paper.suspended, 1);
}
