//! A seeder of two torrents, and a leecher whose disks are the test's.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Run};
use crate::torrent::{self, Content};
use crate::work::Work;

/// Bytes of the torrent that meets the fault; and of the other, which must not be held up.
pub const SIZE: u64 = 6_000_000;
pub const OTHER: u64 = 400_000;

pub struct Swarm {
    /// Dropped first.
    _seeder: Run,
    pub address: String,
    pub work: Work,
    pub content: Content,
    pub info_hash: String,
    pub other: String,
}

impl Swarm {
    pub fn new(test: &str) -> Self {
        let work = Work::new(&format!("faults-{test}"));
        let files = [("one", SIZE / 2 + 1), ("sub/two", SIZE / 2 - 1)];
        let files = files.map(|(path, length)| (path.into(), length)).to_vec();
        let content = Content::folder("main".to_owned(), files, 65_536, 5);
        let other = Content::folder("other".to_owned(), vec![("three".into(), OTHER)], 32_768, 6);
        fs::create_dir(work.join("torrents")).unwrap();
        let info_hash = content.torrent(&[], &work.join("torrents/main.torrent"));
        let other_hash = other.torrent(&[], &work.join("torrents/other.torrent"));
        [&content, &other].iter().for_each(|content| content.write(&work.join("seed")));
        let address = run::free_address(4).to_string();
        let mut command = run::get(&work.join("torrents"), &work.join("seed"), &work.join("seed-state"));
        let seeder = Run::start(command.args(["--seed-after", "--listen", &address]));
        for hash in [&info_hash, &other_hash] {
            seeder.find("a seed", |line| line["kind"] == "session.completed" && line["info_hash"] == **hash);
        }
        Self { _seeder: seeder, address, work, content, info_hash, other: other_hash }
    }

    /// Where the leecher's files go.
    pub fn out(&self) -> PathBuf {
        self.work.join("out")
    }

    /// Where its state goes.
    pub fn state(&self) -> PathBuf {
        self.work.join("state")
    }

    /// A leecher of both torrents.
    pub fn leecher(&self) -> Command {
        self.in_its_place(run::get(&self.work.join("torrents"), &self.out(), &self.state()))
    }

    /// A leecher of the first alone.
    pub fn leecher_of_one(&self) -> Command {
        self.leecher_of(&self.work.join("torrents/main.torrent"))
    }

    /// A leecher of this torrent.
    pub fn leecher_of(&self, torrent: &Path) -> Command {
        self.in_its_place(run::get(torrent, &self.out(), &self.state()))
    }

    /// The first torrent, with a tracker that names the seeder.
    pub fn tracked(&self) -> PathBuf {
        let url = format!("http://{}/announce", tracker(self.address.parse().unwrap()));
        let path = self.work.join("tracked.torrent");
        self.content.torrent(&[url], &path);
        path
    }

    fn in_its_place(&self, mut command: Command) -> Command {
        command.args(["--listen", "127.0.0.5:0", "--peer", &self.address]);
        command
    }

    /// Both torrents are whole.
    #[track_caller]
    pub fn assert_right(&self) {
        assert!(torrent::sha256(&self.out().join("other")) == torrent::sha256(&self.work.join("seed/other")));
        self.assert_main_right();
    }

    /// The first is.
    #[track_caller]
    pub fn assert_main_right(&self) {
        assert!(torrent::sha256(&self.out().join("main")) == torrent::sha256(&self.work.join("seed/main")));
    }
}

/// A tracker that answers every request with this peer, until the test ends (BEP 3, 23).
fn tracker(peer: SocketAddrV4) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.4:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = lines.find(String::is_empty);
            let mut body = b"d8:intervali1800e5:peers6:".to_vec();
            body.extend(peer.ip().octets());
            body.extend(peer.port().to_be_bytes());
            body.push(b'e');
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Who has gone needs no answer.
            let _ = stream.write_all(&[head.into_bytes(), body].concat());
        }
    });
    address
}

/// What the test cannot do without; else it is left out with a word, or fails where `CI` is set.
#[track_caller]
pub fn require<T>(found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(why) if std::env::var_os("CI").is_none() => {
            println!("left out: {why}");
            None
        }
        Err(why) => panic!("cannot run here: {why}"),
    }
}
