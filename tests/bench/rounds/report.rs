//! The figures as a markdown table, with what a reader must know to judge them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Client, Job, Options, Sample};

/// What was measured where: what a reader must know to judge figures.
#[derive(Clone, Debug)]
pub struct Heading {
    size: u64,
    rounds: usize,
    place: PathBuf,
}

impl Heading {
    /// Of what was asked for.
    pub fn new(options: &Options, place: &Path) -> Self {
        Self { size: options.size, rounds: options.rounds, place: place.to_owned() }
    }
}

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cpu = cpu.map_or("an unknown CPU", |(_, name)| name);
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let (mebi, rounds, place) = (self.size >> 20, self.rounds, self.place.display());
        write!(
            f,
            "{mebi} MiB, pieces of 1 MiB, {rounds} rounds, medians; {cpu} with {cores} cores; in {place}"
        )
    }
}

/// All samples.
#[derive(Debug)]
pub struct Report {
    heading: Heading,
    samples: BTreeMap<(Job, Client), Vec<Sample>>,
}

impl Report {
    /// Of nothing as yet.
    pub fn new(options: &Options, place: &Path) -> Self {
        Self { heading: Heading::new(options, place), samples: BTreeMap::new() }
    }

    /// Takes a sample in.
    pub fn add(&mut self, job: Job, client: Client, sample: Sample) {
        self.samples.entry((job, client)).or_default().push(sample);
    }

    /// Medians of wall time, CPU time and memory.
    fn medians(&self, job: Job, client: Client) -> Option<[f64; 3]> {
        let samples = self.samples.get(&(job, client))?;
        let of: [fn(&Sample) -> f64; 3] =
            [|sample| sample.seconds, |sample| sample.cpu, |sample| sample.resident as f64];
        Some(of.map(|value| median(samples.iter().map(value).collect())))
    }

    fn row(&self, table: &mut String, job: Job, client: Client, samples: &[Sample]) -> fmt::Result {
        let mebi = f64::from(1 << 20);
        let [wall, cpu, resident] = self.medians(job, client).expect("it has samples");
        let seconds = samples.iter().map(|sample| sample.seconds);
        let (low, high) = (seconds.clone().fold(f64::INFINITY, f64::min), seconds.fold(0.0, f64::max));
        let (rate, resident) = (self.heading.size as f64 / mebi / wall, resident / mebi);
        writeln!(
            table,
            "| {job} | {client} | {wall:.2} s ({low:.2} to {high:.2}) | {rate:.0} MiB/s | {cpu:.2} s | {resident:.0} MiB |"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = String::new();
        for ((job, client), samples) in &self.samples {
            self.row(&mut table, *job, *client, samples)?;
            if *client == Client::Libtorrent
                && let (Some(ours), Some(theirs)) =
                    (self.medians(*job, Client::TcTui), self.medians(*job, Client::Libtorrent))
            {
                let [wall, cpu, resident] = std::array::from_fn(|at| ours[at] / theirs[at]);
                writeln!(table, "| | **ratio** | **{wall:.2}** | | {cpu:.2} | {resident:.2} |")?;
            }
        }
        writeln!(f, "{} (lowest to highest)\n", self.heading)?;
        writeln!(
            f,
            "| job | client | wall time | rate | CPU time | peak memory |\n|---|---|---|---|---|---|"
        )?;
        f.write_str(&table)
    }
}

/// The middle one, or between the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}
