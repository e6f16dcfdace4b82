//! Additions that have to be fetched, from a server that takes what it is asked and says nothing.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tc_core::config::Config;
use tc_core::manager::TorrentManager;

use crate::System;
use crate::effect::fetches::FETCHES;
use crate::effect::{Fetch, Found, Hands};
use crate::message::{AddRequest, AddStart, Answer, Effect, Message, Preview};

const PATIENCE: Duration = Duration::from_secs(20);

/// What is no URL is not there.
struct Web;

impl System for Web {
    fn torrent(&self, source: &str, fetch: &Fetch<'_>) -> Result<Found, String> {
        if !self.is_remote(source) {
            return Err("not here".to_owned());
        }
        fetch(source).map_or_else(|error| Err(error.to_string()), |_| Err("fetched".to_owned()))
    }

    fn is_remote(&self, source: &str) -> bool {
        source.starts_with("http://")
    }

    fn folder(&self, typed: &str) -> Result<PathBuf, String> {
        Ok(typed.into())
    }

    fn preview(&self, _source: &str) -> Result<Preview, String> {
        Err("nothing".to_owned())
    }

    fn complete(&self, _typed: &str, _folders_only: bool) -> (Vec<String>, Option<u64>) {
        (Vec::new(), None)
    }
}

/// Those who came in, and wait.
fn silent_server() -> (SocketAddr, Arc<Mutex<Vec<TcpStream>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, callers) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let kept = callers.clone();
    thread::spawn(move || listener.incoming().for_each(|caller| kept.lock().unwrap().extend(caller)));
    (address, callers)
}

fn add(hands: &Hands, source: String) {
    let request = AddRequest {
        source,
        save_to: String::new(),
        start: AddStart::Queue,
        assume_complete: false,
        choose_files: false,
    };
    assert!(hands.perform(Effect::Add(request)).is_none());
}

/// What was not added, and why.
fn refused(inbox: &Receiver<Message>) -> (String, String) {
    match inbox.recv_timeout(PATIENCE) {
        Ok(Message::Answer(Answer::NotAdded { source, why })) => (source, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slow_url_holds_up_nothing_and_ends_with_the_engine() {
    let config = Config { listen: Vec::new(), ..Config::new(std::env::temp_dir()) };
    let manager = TorrentManager::start(config).unwrap();
    let (outbox, inbox) = sync_channel(64);
    let hands = Hands::start(manager.clone(), Arc::new(Web), outbox).unwrap();
    let (server, callers) = silent_server();
    let urls: Vec<_> = (0..FETCHES + 2).map(|at| format!("http://{server}/{at}.torrent")).collect();
    urls.iter().for_each(|url| add(&hands, url.clone()));
    let deadline = Instant::now() + PATIENCE;
    while callers.lock().unwrap().len() < FETCHES {
        assert!(Instant::now() < deadline, "they are fetched side by side");
        thread::park_timeout(Duration::from_millis(5));
    }
    add(&hands, "a file".to_owned());
    assert_eq!(refused(&inbox), ("a file".to_owned(), "not here".to_owned()), "it waits for the URLs");
    // Those that run end at once, and those that wait do not begin.
    manager.shutdown();
    let mut ended: Vec<_> = urls.iter().map(|_| refused(&inbox)).collect();
    ended.sort();
    assert!(ended.iter().map(|(source, _)| source).eq(&urls), "{ended:?}");
    assert!(ended.iter().all(|(_, why)| why.contains("shutting down")), "{ended:?}");
    assert_eq!(callers.lock().unwrap().len(), FETCHES, "no more than that at once");
}
