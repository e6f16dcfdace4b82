//! The jobs and the order they are done in.

mod encryption;
mod leecher;
mod report;
mod seeder;
mod usage;
pub mod utp;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fmt, fs};

use clap::ValueEnum;
use rustix::fs::statvfs;
use serde_json::json;

use self::leecher::Leecher;
use self::report::Report;
use self::seeder::Seeder;
use self::usage::usage;
pub use self::utp::Scene;
use crate::clients::make::Make;
use crate::clients::other::{self, Options as Wishes, Other};
use crate::clients::ours::{self, Ours};
use crate::net::{Family, Host};
use crate::torrent::{self, Content};
use crate::wait::Deadline;
use crate::work::{self, Work};

/// A usual size for a torrent of a few GiB.
const PIECE: u32 = 1 << 20;
/// One job with one client; a tenth of the speed of a slow machine.
const JOB_SECONDS: u64 = 300;
/// Where the parties of a transfer are.
const CLIENT: Host = Host::loopback(2);
const SEEDER: Host = Host::loopback(3);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds of all jobs with all clients.
    pub rounds: usize,
    /// Bytes of content.
    pub size: u64,
    /// In the order of the table.
    pub clients: Vec<Client>,
    /// What is asked.
    pub parts: Vec<Part>,
    /// What is between two clients that speak uTP.
    pub scenes: Vec<Scene>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// How fast are download, upload and recheck?
    Jobs,
    /// What does encryption cost?
    Encryption,
    /// What does uTP carry? Needs root.
    Utp,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Client {
    /// This program.
    TcTui,
    /// libtorrent-rasterbar.
    Libtorrent,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// From nothing to the last piece, checked.
    Download,
    /// From a peer's first request to its last byte.
    Upload,
    /// Hashing of data that is there.
    Recheck,
}

impl Job {
    const ALL: [Self; 3] = [Self::Download, Self::Upload, Self::Recheck];
}

/// One job by one client.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Wall time.
    pub seconds: f64,
    /// CPU time of the client's process, user and system.
    pub cpu: f64,
    /// The most memory that was resident at once, bytes.
    pub resident: u64,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TcTui => "tc-tui",
            Self::Libtorrent => "libtorrent",
        })
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Recheck => "recheck",
        })
    }
}

/// The content and where it lies.
struct Bench {
    place: PathBuf,
    work: Work,
    content: Content,
    torrent: PathBuf,
    info_hash: String,
    source: PathBuf,
}

/// Asks what is wanted, and tells each answer when it is there.
pub fn run(options: &Options, mut tell: impl FnMut(String)) {
    let place = place_for(options.size);
    let work = Work::below(&place, "tc-tui-bench");
    let content = Content::single(options.size, PIECE, 31);
    let (torrent, source) = (work.join("test.torrent"), work.join("source"));
    let info_hash = content.torrent(&[], &torrent);
    content.write(&source);
    let bench = Bench { place, work, content, torrent, info_hash, source };
    for part in &options.parts {
        match part {
            Part::Jobs => tell(bench.jobs(options).to_string()),
            Part::Encryption => tell(encryption::run(options, &bench).to_string()),
            Part::Utp => tell(utp::run(options.rounds, &options.clients, &options.scenes).to_string()),
        }
    }
}

/// A tmpfs with room for the content and a copy, else the folder of builds.
fn place_for(size: u64) -> PathBuf {
    let wanted = 2 * size + (1 << 30);
    let shm = Path::new("/dev/shm");
    let room = statvfs(shm).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
    let available = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = usage::field(&available, "MemAvailable").unwrap_or(0);
    if room.min(available) >= wanted { shm.to_owned() } else { work::root().join("run") }
}

impl Bench {
    /// All jobs; each round has each client do each.
    fn jobs(&self, options: &Options) -> Report {
        let sum = torrent::sha256(&self.source);
        let mut report = Report::new(options, &self.place);
        for round in 0..options.rounds {
            for job in Job::ALL {
                // Who goes first changes, so that neither always finds the machine as the other left it.
                let mut clients = options.clients.clone();
                clients.rotate_left(round % options.clients.len());
                for client in clients {
                    // What the last job left to be written is not this one's.
                    rustix::fs::sync();
                    let sample = self.measure(client, job);
                    if job == Job::Download {
                        let downloaded = torrent::sha256(&self.downloads());
                        assert_eq!(downloaded, sum, "{client} downloaded something else");
                        fs::remove_dir_all(self.downloads()).expect("it is ours");
                    }
                    eprintln!("round {}: {job} with {client}: {:.2} s", round + 1, sample.seconds);
                    report.add(job, client, sample);
                }
            }
        }
        report
    }

    fn downloads(&self) -> PathBuf {
        self.work.join("downloads")
    }

    fn measure(&self, client: Client, job: Job) -> Sample {
        let dir = match job {
            Job::Download => self.downloads(),
            Job::Upload | Job::Recheck => self.source.clone(),
        };
        fs::create_dir_all(&dir).expect("the folder is ours");
        match client {
            Client::TcTui => self.measure_ours(job, &dir),
            Client::Libtorrent => self.measure_libtorrent(job, &dir),
        }
    }

    fn seeder(&self) -> Seeder {
        let file = self.source.join(&self.content.name);
        Seeder::start(SEEDER.v4, &self.info_hash, &file, PIECE)
    }

    fn measure_ours(&self, job: Job, dir: &Path) -> Sample {
        let deadline = Deadline::seconds(JOB_SECONDS);
        let seeder = (job == Job::Download).then(|| self.seeder());
        let peer = seeder.as_ref().map(|seeder| seeder.address().to_string());
        let mut arguments = vec!["--seed-after"];
        arguments.extend(peer.iter().flat_map(|peer| ["--peer", peer]));
        let start = Instant::now();
        let mut client = Ours::get(&CLIENT, Family::V4, &self.torrent, dir, "tc-tui", &self.work, &arguments);
        let event = if job == Job::Download { "session.completed" } else { "session.checked" };
        let event = client.event(event, deadline);
        let mut sample = usage(client.pid()).over(start.elapsed().as_secs_f64());
        if job != Job::Download {
            assert_eq!(event["bytes_hashed"], self.content.size(), "all has been hashed: {event}");
        }
        if job == Job::Upload {
            client.event("session.completed", deadline);
            sample = self.upload_from(SocketAddr::new(CLIENT.v4.into(), ours::PORT), client.pid());
        }
        let (status, _) = client.interrupt();
        assert!(status.success(), "tc-tui: {status}");
        fs::remove_dir_all(self.work.join("tc-tui-state")).expect("it keeps its state there");
        sample
    }

    fn measure_libtorrent(&self, job: Job, dir: &Path) -> Sample {
        let deadline = Deadline::seconds(JOB_SECONDS);
        let settings = json!({
            // 2: disabled.
            "out_enc_policy": 2,
            "in_enc_policy": 2,
        });
        let seeder = (job == Job::Download).then(|| self.seeder());
        let wishes = Wishes { settings, ..Wishes::default() };
        // Not counted: starting Python and loading the library.
        let mut client = Other::start(Make::Libtorrent, &CLIENT, Family::V4, "client", &self.work, &wishes);
        let pid = client.pid();
        let before = usage(pid);
        client.add(&self.torrent, dir);
        if let Some(seeder) = &seeder {
            client.connect(seeder.address());
        }
        let alert = if job == Job::Download { "torrent_finished" } else { "torrent_checked" };
        let seconds = client.wait_alert(alert, deadline);
        let mut sample = usage(pid).since(before).over(seconds);
        match job {
            Job::Download => client.wait_seeding(deadline),
            Job::Upload => {
                client.wait_seeding(deadline);
                sample = self.upload_from(SocketAddr::new(CLIENT.v4.into(), other::PORT), pid);
            }
            Job::Recheck => {}
        }
        sample
    }

    /// Takes everything from the client that listens at `address`.
    fn upload_from(&self, address: SocketAddr, pid: u32) -> Sample {
        let leecher = Leecher::connect(address, &self.info_hash);
        let before = usage(pid);
        let seconds = leecher.take_all(&self.content).as_secs_f64();
        usage(pid).since(before).over(seconds)
    }
}
