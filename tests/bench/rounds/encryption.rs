//! What encryption costs: the same content from one client to another of its kind, plain and enciphered.

use std::fmt::{self, Write as _};
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use rc4::{KeyInit as _, Rc4, StreamCipher as _};
use serde_json::json;

use super::report::{Heading, median};
use super::usage::usage;
use super::{Bench, CLIENT, Client, JOB_SECONDS, Options, SEEDER, Sample};
use crate::clients::make::Make;
use crate::clients::other::{self, Options as Wishes, Other};
use crate::clients::ours::{self, Ours};
use crate::net::{Family, Host};
use crate::wait::Deadline;

/// What both ends are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Nothing is hidden.
    Off,
    /// The greeting is, as it is by default.
    Prefer,
    /// All is enciphered with RC4.
    Require,
}

impl Way {
    const ALL: [Self; 3] = [Self::Off, Self::Prefer, Self::Require];

    const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }

    /// As libtorrent's settings: who may be called how, and what of a link is hidden.
    fn libtorrent(self) -> serde_json::Value {
        // Policies: 0 forced, 1 enabled, 2 disabled. Levels: 1 plain, 2 RC4, 3 both.
        let (policy, level) = match self {
            Self::Off => (2, 1),
            Self::Prefer => (1, 1),
            Self::Require => (0, 2),
        };
        json!({ "out_enc_policy": policy, "in_enc_policy": policy, "allowed_enc_level": level })
    }
}

/// The figures.
#[derive(Debug)]
pub struct Costs {
    heading: Heading,
    size: u64,
    clients: Vec<Client>,
    /// The CPU time of both ends is one sum.
    samples: Vec<(Client, Way, Sample)>,
    /// Seconds for the content, once, by the cipher alone.
    cipher: Vec<f64>,
}

/// Runs all ways; each round has each client go each.
pub(super) fn run(options: &Options, bench: &Bench) -> Costs {
    let heading = Heading::new(options, &bench.place);
    let (size, clients) = (options.size, options.clients.clone());
    let mut costs = Costs { heading, size, clients, samples: Vec::new(), cipher: Vec::new() };
    for round in 0..options.rounds {
        let mut ways = Way::ALL;
        ways.rotate_left(round % Way::ALL.len());
        for (way, client) in ways.into_iter().flat_map(|way| options.clients.iter().map(move |at| (way, *at)))
        {
            rustix::fs::sync();
            let sample = match client {
                Client::TcTui => bench.between_ours(way),
                Client::Libtorrent => bench.between_libtorrents(way),
            };
            fs::remove_dir_all(bench.downloads()).expect("it is ours");
            eprintln!("round {}: {} with {client}: {:.2} s", round + 1, way.name(), sample.seconds);
            costs.samples.push((client, way, sample));
        }
        costs.cipher.push(cipher(options.size));
    }
    costs
}

/// Seconds that the cipher takes for so many bytes, alone and in memory.
fn cipher(size: u64) -> f64 {
    let mut stream = Rc4::new_from_slice(b"a key of twenty byte").expect("a key of 1 to 256 bytes");
    let mut buffer = vec![0; 256 << 10];
    let start = Instant::now();
    for _ in 0..size / buffer.len() as u64 {
        stream.apply_keystream(std::hint::black_box(&mut buffer));
    }
    start.elapsed().as_secs_f64()
}

impl Bench {
    fn between_ours(&self, way: Way) -> Sample {
        let deadline = Deadline::seconds(JOB_SECONDS);
        let more = ["--seed-after", "--encryption", way.name()];
        let get = |host: &Host, dir, name, more: &[&str]| {
            Ours::get(host, Family::V4, &self.torrent, dir, name, &self.work, more)
        };
        let mut seed = get(&SEEDER, &self.source, "seed", &more);
        seed.event("session.completed", deadline);
        let before = usage(seed.pid());
        let peer = SocketAddr::new(SEEDER.v4.into(), ours::PORT).to_string();
        let start = Instant::now();
        let mut leech = get(&CLIENT, &self.downloads(), "leech", &[&more[..], &["--peer", &peer]].concat());
        leech.event("session.completed", deadline);
        let sample = usage(leech.pid()).over(start.elapsed().as_secs_f64());
        let sample = sample.and(usage(seed.pid()).since(before));
        for (client, name) in [(&mut leech, "leech"), (&mut seed, "seed")] {
            let (status, _) = client.interrupt();
            assert!(status.success(), "{name}: {status}");
            fs::remove_dir_all(self.work.join(&format!("{name}-state"))).expect("it keeps its state there");
        }
        sample
    }

    fn between_libtorrents(&self, way: Way) -> Sample {
        let deadline = Deadline::seconds(JOB_SECONDS);
        let wishes = Wishes { settings: way.libtorrent(), ..Wishes::default() };
        let start =
            |host: Host, name| Other::start(Make::Libtorrent, &host, Family::V4, name, &self.work, &wishes);
        let mut seed = start(SEEDER, "seed");
        seed.add(&self.torrent, &self.source);
        seed.wait_seeding(deadline);
        let before = usage(seed.pid());
        let mut leech = start(CLIENT, "leech");
        let leech_before = usage(leech.pid());
        fs::create_dir_all(self.downloads()).expect("the folder is ours");
        leech.add(&self.torrent, &self.downloads());
        leech.connect(SocketAddr::new(SEEDER.v4.into(), other::PORT));
        let seconds = leech.wait_alert("torrent_finished", deadline);
        let sample = usage(leech.pid()).since(leech_before).over(seconds);
        sample.and(usage(seed.pid()).since(before))
    }
}

impl Costs {
    /// Medians of wall time and of the CPU time of both ends.
    fn medians(&self, client: Client, way: Way) -> [f64; 2] {
        let of = self.samples.iter().filter(|(by, gone, _)| (*by, *gone) == (client, way));
        let (seconds, cpu): (Vec<_>, Vec<_>) = of.map(|(.., sample)| (sample.seconds, sample.cpu)).unzip();
        [median(seconds), median(cpu)]
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebi = self.size as f64 / f64::from(1 << 20);
        let mut table = String::new();
        for client in &self.clients {
            let [plain, plain_cpu] = self.medians(*client, Way::Off);
            for way in Way::ALL {
                let [wall, cpu] = self.medians(*client, way);
                let (rate, ratio, ratio_cpu) = (mebi / wall, wall / plain, cpu / plain_cpu);
                let way = way.name();
                writeln!(
                    table,
                    "| {way} | {client} | {wall:.2} s | {rate:.0} MiB/s | {ratio:.2} | {cpu:.2} s | {ratio_cpu:.2} |"
                )?;
            }
        }
        let cipher = median(self.cipher.clone());
        writeln!(f, "Encryption, from one client to another of its kind; {}\n", self.heading)?;
        writeln!(f, "| encryption | client | wall time | rate | of plain | CPU time of both | of plain |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        f.write_str(&table)?;
        writeln!(f, "\nRC4 alone, in memory: {cipher:.2} s, {:.0} MiB/s.", mebi / cipher)?;
        for client in &self.clients {
            let beyond = self.medians(*client, Way::Require)[1] - self.medians(*client, Way::Off)[1];
            writeln!(
                f,
                "{client}: what RC4 costs both ends is {:.2} of the cipher alone.",
                beyond / (2.0 * cipher)
            )?;
        }
        Ok(())
    }
}
