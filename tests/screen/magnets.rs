//! Magnet links, info-hashes and URLs as a person or a script gives them; the peer that they lead to is an engine in
//! this process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use rustix::process::Signal;
use tc_core::stats::SessionState;
use tc_core::{AddOptions, Config, Metainfo, TorrentManager};
use tempfile::TempDir;

use crate::scenarios::{leave, see_cursor, see_in_row};
use crate::support::home::{Home, wait_exit};
use crate::support::pty::{Pty, pause};

/// An engine that has a torrent of two files.
struct Seed {
    manager: TorrentManager,
    metainfo: Metainfo,
    dir: TempDir,
}

impl Seed {
    fn new() -> Self {
        use sha1::{Digest as _, Sha1};
        let dir = tempfile::tempdir().expect("a folder");
        let (first, second) = (vec![1; 20_000], vec![2; 20_000]);
        std::fs::create_dir(dir.path().join("pair")).expect("a folder");
        std::fs::write(dir.path().join("pair/first.bin"), &first).expect("a file");
        std::fs::write(dir.path().join("pair/second.bin"), &second).expect("a file");
        let content = [first, second].concat();
        let hashes: Vec<u8> = content.chunks(16_384).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
        let file = |name: &str| format!("d6:lengthi20000e4:pathl{}:{name}ee", name.len());
        let info = [
            b"d5:filesl",
            file("first.bin").as_bytes(),
            file("second.bin").as_bytes(),
            b"e4:name4:pair12:piece lengthi16384e6:pieces60:",
            &hashes,
            b"e",
        ]
        .concat();
        let metainfo = Metainfo::parse([b"d4:info", &info[..], b"e"].concat().into()).expect("a torrent");
        let mut config = Config::new(dir.path());
        config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
        let manager = TorrentManager::start(config).expect("an engine");
        let session = manager.add_metainfo(metainfo.clone(), AddOptions::default()).expect("a torrent");
        while session.stats().is_none_or(|stats| stats.state != SessionState::Seeding) {
            pause();
        }
        Self { manager, metainfo, dir }
    }

    /// A link that says where the engine is.
    fn link(&self, more: &str) -> String {
        let address = self.manager.shared().listening().addresses[0];
        format!("magnet:?xt=urn:btih:{}&x.pe={address}{more}", self.metainfo.info_hash)
    }

    fn is_same(&self, home: &Home, below: &str, file: &str) -> bool {
        let theirs = std::fs::read(self.dir.path().join(file)).expect("a file");
        std::fs::read(home.path(below).join(file)).is_ok_and(|ours| ours == theirs)
    }
}

#[test]
fn files_of_a_pasted_magnet_are_chosen_before_any_is_fetched() {
    let (home, seed) = (Home::new(), Seed::new());
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (100, 30), &[]);
    pty.see_dashboard().paste(&seed.link("&dn=a+pair")).see("a pair  files and size come later");
    // Source, folder, start, files.
    pty.keys("\x1b[B\x1b[B\x1b[B ").see("(•) choose when they are known").keys("\r").see_no("Add torrent");
    see_in_row(&mut pty, "pair", "paused");
    pty.see("its files are known: choose some, and resume it");
    see_cursor(&mut pty, "pair");
    pty.keys("\r2").see("second.bin");
    assert!(!home.path("downloads/pair").exists(), "something was fetched");
    // The folder, its first file: not wanted.
    pty.keys("j ").see("x skip").keys("p");
    pty.wait("the second file", |_| seed.is_same(&home, "downloads", "pair/second.bin"));
    assert!(!seed.is_same(&home, "downloads", "pair/first.bin"));
    pty.keys("\x1b").see("tc  ↓");
    leave(pty);
}

#[test]
fn get_of_a_magnet_ends_when_all_is_there() {
    let (home, seed) = (Home::new(), Seed::new());
    let output = home.run(&["get", &seed.link(""), "-d", "out", "--listen", "127.0.0.1:0"]);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(said.contains("pair: the metadata is here: 39.1K in 2 files"), "{said}");
    assert!(["pair/first.bin", "pair/second.bin"].iter().all(|file| seed.is_same(&home, "out", file)));
    // Again: it is known, and there.
    let hash = seed.metainfo.info_hash.to_string();
    assert_eq!(home.run(&["get", &hash, "-d", "out", "--listen", "127.0.0.1:0"]).status.code(), Some(0));
}

#[test]
fn get_of_a_magnet_gets_the_files_that_are_asked_for() {
    let (home, seed) = (Home::new(), Seed::new());
    for (link, more) in [(seed.link(""), &["--only", "second*"][..]), (seed.link("&so=1"), &[])] {
        let args =
            [&["get", &link, "-d", "out", "--state-dir", "state", "--listen", "127.0.0.1:0"], more].concat();
        let output = home.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            seed.is_same(&home, "out", "pair/second.bin") && !seed.is_same(&home, "out", "pair/first.bin")
        );
        std::fs::remove_dir_all(home.path("out")).expect("a folder");
        std::fs::remove_dir_all(home.path("state")).expect("a folder");
    }
    let output =
        home.run(&["get", &seed.link(""), "-d", "out", "--only", "third*", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no file of pair is wanted"));
}

#[test]
fn get_of_a_magnet_that_nobody_has_waits_until_it_is_interrupted() {
    let home = Home::new();
    let mut child = home
        .command(&["get", &"0".repeat(40), "-d", "out", "--listen", "127.0.0.1:0", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains(r#""state":"metadata""#))));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).expect("it runs");
    assert_eq!(wait_exit(&mut child), Some(143));
}

/// Answers one request with this.
fn serve(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/x.torrent?passkey=0123456789abcdef0123",
        listener.local_addr().expect("it is bound")
    );
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        // Whoever asked may have gone.
        let _ = stream.write_all(&answer);
    });
    url
}

fn body(bytes: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
    [head.as_bytes(), bytes].concat()
}

#[test]
fn a_torrent_file_at_a_url_is_as_good_as_one_on_disk() {
    let (home, seed) = (Home::new(), Seed::new());
    let peer = seed.manager.shared().listening().addresses[0].to_string();
    let url = serve(body(seed.metainfo.torrent_bytes()));
    let output = home.run(&["get", &url, "-d", "out", "--peer", &peer, "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(seed.is_same(&home, "out", "pair/first.bin"));
    let inspected = home.run(&["inspect", &serve(body(seed.metainfo.torrent_bytes()))]);
    assert!(String::from_utf8_lossy(&inspected.stdout).contains("Name          pair"));
    let found = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", seed.link(""));
    let output = home.run(&["get", &serve(found.into()), "-d", "linked", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(seed.is_same(&home, "linked", "pair/second.bin"));
}

#[test]
fn a_bad_url_is_one_line_without_its_secrets() {
    let home = Home::new();
    for (answer, want) in [
        (body(b"<html>"), "a web page"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec(), "HTTP 403"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "link-local",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: magnet:?dn=\x1b[2J\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "x.torrent",
        ),
    ] {
        for command in ["get", "inspect"] {
            let more = if command == "get" { &["-d", "out", "--listen", "127.0.0.1:0"][..] } else { &[] };
            let url = serve(answer.clone());
            let output = home.run(&[&[command, &url], more].concat());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{command}: {said}");
            assert!(said.contains(want) && !said.contains("0123456789abcdef"), "{command}: {said}");
            assert!(!said.trim_end().contains(char::is_control), "{said:?}");
        }
    }
}

#[test]
fn urls_on_the_command_line_are_fetched_while_the_dashboard_is_there() {
    let (home, seed) = (Home::new(), Seed::new());
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let never = format!("http://{}/never.torrent", silent.local_addr().expect("it is bound"));
    let good = serve(body(seed.metainfo.torrent_bytes()));
    let mut pty = Pty::start(&home, &[&never, "--listen", "127.0.0.1:0"], (100, 30), &[]);
    pty.see_dashboard().see("fetching 1 torrent");
    leave(pty);
    let mut pty = Pty::start(&home, &[&never, &good, "--listen", "127.0.0.1:0"], (100, 30), &[]);
    see_in_row(pty.see_dashboard(), "pair", "0%");
    leave(pty);
    let bad = serve(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec());
    let mut pty = Pty::start(&home, &[&never, &bad, "--listen", "127.0.0.1:0"], (100, 30), &[]);
    pty.see_dashboard().see("HTTP 403");
    assert!(!pty.text().contains("0123456789abcdef"));
    leave(pty);
}
