//! What uTP carries (BEP 29): between two clients with nothing in between, over links that lose packets or are
//! long, and beside a TCP flow, to which it gives way. libtorrent with itself is what it is measured by.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::Client;
use super::report::median;
use crate::link::Way;
use crate::wait::{Deadline, until};

mod flow;
mod pair;

use self::flow::Flow;
pub use self::pair::Between;
use self::pair::Transfer;

/// One transfer; a tenth of the speed that is wanted.
const SECONDS: u64 = 600;
/// Until a transfer moves at its own pace.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long uTP has the bottleneck for itself before TCP comes.
const ALONE: Duration = Duration::from_secs(15);
/// How long both share it.
const TOGETHER: Duration = Duration::from_secs(60);
/// Payload of a full TCP segment with timestamps in an Ethernet frame.
const TCP_PAYLOAD: f64 = 1_448.0 / 1_514.0;

const MS: Duration = Duration::from_millis(1);

/// What is between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scene {
    /// Nothing.
    Direct,
    /// 2 % loss, 50 ms there and back, and reordering.
    Lossy,
    /// 100 Mbit/s, 100 ms there and back, with a queue of 200 ms.
    Long,
    /// 20 Mbit/s with a queue of 300 ms, and a TCP flow.
    Shared,
}

impl Scene {
    const fn name(self) -> &'static str {
        match self {
            Self::Direct => "nothing",
            Self::Lossy => "2 % loss, 50 ms, reordering",
            Self::Long => "100 Mbit/s, 100 ms",
            Self::Shared => "20 Mbit/s, 300 ms of queue",
        }
    }

    /// Bytes of content.
    const fn size(self) -> u64 {
        match self {
            Self::Direct => 256 << 20,
            Self::Lossy => 8 << 20,
            Self::Long => 160 << 20,
            // More than fits.
            Self::Shared => 256 << 20,
        }
    }

    fn way(self) -> Option<Way> {
        let way = Way::default();
        Some(match self {
            Self::Direct => return None,
            Self::Lossy => Way { delay: 25 * MS, lost: 200, late: 100, detour: 10 * MS, ..way },
            Self::Long => Way { rate: 100_000_000, queue: 200 * MS, delay: 50 * MS, ..way },
            Self::Shared => Way { rate: 20_000_000, queue: 300 * MS, delay: 10 * MS, ..way },
        })
    }
}

/// What one transfer showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Payload, Mbit/s, of the whole transfer with its beginning.
    pub rate: Option<f64>,
    /// The part of the link that was full, from 0 to 1, once it had begun.
    pub filled: Option<f64>,
    /// The part of the link that a TCP flow beside it had.
    pub tcp: Option<f64>,
}

/// The figures.
#[derive(Debug, Default)]
pub struct Figures {
    rounds: usize,
    samples: BTreeMap<(Scene, Between), Vec<Sample>>,
}

/// Runs these scenes; each round has each pair of these clients play each.
pub fn run(rounds: usize, clients: &[Client], scenes: &[Scene]) -> Figures {
    let mut figures = Figures { rounds, ..Figures::default() };
    let wanted = |between: &Between| match between {
        Between::Libtorrents => clients.contains(&Client::Libtorrent),
        Between::FromUs | Between::ToUs | Between::Ours => clients.contains(&Client::TcTui),
    };
    for round in 0..rounds {
        for &scene in scenes {
            let mut pairs = Between::ALL;
            pairs.rotate_left(round % Between::ALL.len());
            for between in pairs.into_iter().filter(wanted) {
                let sample = play(scene, between);
                eprintln!("round {}: {}, {}: {sample:?}", round + 1, scene.name(), between.name());
                figures.samples.entry((scene, between)).or_default().push(sample);
            }
        }
    }
    figures
}

/// One transfer of a scene.
pub fn play(scene: Scene, between: Between) -> Sample {
    let transfer = Transfer::start(between, scene.size(), scene.way());
    let deadline = Deadline::seconds(SECONDS);
    if scene == Scene::Shared {
        return share(&transfer, deadline);
    }
    let filled = scene.way().filter(|way| way.rate > 0).map(|way| {
        pause(&transfer, WARM_UP, deadline);
        // What has to come yet takes no longer than this.
        let window = Duration::from_secs(scene.size() * 8 / way.rate) / 2;
        filled_for(&transfer, way.rate, window, deadline)
    });
    let seconds = transfer.seconds(deadline);
    Sample { rate: Some(scene.size() as f64 * 8.0 / 1e6 / seconds), filled, tcp: None }
}

/// The bottleneck to itself, and then with a TCP flow.
fn share(transfer: &Transfer, deadline: Deadline) -> Sample {
    let rate = Scene::Shared.way().map_or(0, |way| way.rate);
    pause(transfer, WARM_UP, deadline);
    let filled = filled_for(transfer, rate, ALONE, deadline);
    let flow = Flow::start(&transfer.near, &transfer.far);
    let start = Instant::now();
    passed(TOGETHER, deadline);
    let tcp = flow.arrived() as f64 * 8.0 / TCP_PAYLOAD / start.elapsed().as_secs_f64() / rate as f64;
    Sample { rate: None, filled: Some(filled), tcp: Some(tcp) }
}

/// Waits until the content has flowed for so long.
fn pause(transfer: &Transfer, time: Duration, deadline: Deadline) {
    until(deadline, "the first bytes", || (transfer.arrived() > 100_000).then_some(()));
    passed(time, deadline);
}

fn passed(time: Duration, deadline: Deadline) {
    let start = Instant::now();
    until(deadline, "the end of a time", || (start.elapsed() >= time).then_some(()));
}

fn filled_for(transfer: &Transfer, rate: u64, time: Duration, deadline: Deadline) -> f64 {
    let (start, before) = (Instant::now(), transfer.arrived());
    passed(time, deadline);
    (transfer.arrived() - before) as f64 * 8.0 / start.elapsed().as_secs_f64() / rate as f64
}

impl Figures {
    fn median(&self, scene: Scene, between: Between, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let values: Vec<_> = self.samples.get(&(scene, between))?.iter().filter_map(figure).collect();
        (!values.is_empty()).then(|| median(values))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = String::new();
        let percent = |part: Option<f64>| part.map_or(String::new(), |part| format!("{:.0} %", part * 100.0));
        for &scene in Scene::value_variants() {
            for between in Between::ALL {
                if !self.samples.contains_key(&(scene, between)) {
                    continue;
                }
                let median =
                    |between, figure: fn(&Sample) -> Option<f64>| self.median(scene, between, figure);
                let rate = median(between, |sample| sample.rate);
                let ratio = rate.zip(median(Between::Libtorrents, |sample| sample.rate));
                writeln!(
                    table,
                    "| {} | {} | {} | {} | {} | {} |",
                    scene.name(),
                    between.name(),
                    rate.map_or(String::new(), |rate| format!("{rate:.1} Mbit/s")),
                    ratio.map_or(String::new(), |(rate, theirs)| format!("{:.2}", rate / theirs)),
                    percent(median(between, |sample| sample.filled)),
                    percent(median(between, |sample| sample.tcp)),
                )?;
            }
        }
        writeln!(f, "uTP over links in user space; {} rounds, medians\n", self.rounds)?;
        writeln!(f, "| in between | who to whom | rate | of libtorrent | link filled | TCP beside it has |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        f.write_str(&table)
    }
}
