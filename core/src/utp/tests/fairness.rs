//! LEDBAT beside a flow that only losses hold back, and alone on the same bottleneck.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::net::{Arrival, Link, Net};

const SECOND: Duration = Duration::from_secs(1);
const PACKET: usize = 1500;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A sender that fills the queue until something is lost: the window of CUBIC (RFC 9438), and packets that are
/// acknowledged one by one.
struct Cubic {
    window: f64,
    threshold: f64,
    max: f64,
    reduced: Option<Instant>,
    in_flight: usize,
    delivered: u64,
    /// When losses become known.
    losses: VecDeque<Instant>,
    last_arrival: Instant,
}

impl Cubic {
    fn new(now: Instant) -> Self {
        Self {
            window: 10.0,
            threshold: f64::INFINITY,
            max: 0.0,
            reduced: None,
            in_flight: 0,
            delivered: 0,
            losses: VecDeque::new(),
            last_arrival: now,
        }
    }

    fn acked(&mut self, now: Instant) {
        self.in_flight -= 1;
        self.delivered += 1;
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let since = self.reduced.map_or(0.0, |reduced| (now - reduced).as_secs_f64());
        let k = (self.max * 0.3 / 0.4).cbrt();
        let target = 0.4 * (since - k).powi(3) + self.max;
        self.window += ((target - self.window) / self.window).clamp(0.01 / self.window, 0.5);
    }

    fn lost(&mut self, now: Instant, round_trip: Duration) {
        self.in_flight -= 1;
        if self.reduced.is_some_and(|reduced| now < reduced + round_trip) {
            return;
        }
        self.max = self.window;
        self.window = (self.window * 0.7).max(2.0);
        self.threshold = self.window;
        self.reduced = Some(now);
    }

    /// Sends what it may over the link of node 0.
    fn send(&mut self, net: &mut Net) {
        let back = net.links[1].delay;
        while self.in_flight < self.window as usize {
            self.in_flight += 1;
            let now = net.now;
            match net.links[0].pass(now, PACKET, &mut net.random) {
                Some(arrives) => {
                    self.last_arrival = arrives;
                    net.at(arrives + back, Arrival::Other(1));
                }
                // The ones behind it tell.
                None => self.losses.push_back(self.last_arrival.max(now) + back + ms(1)),
            }
        }
        if let Some(next) = self.losses.front() {
            net.at(*next, Arrival::Other(0));
        }
    }

    fn hear(&mut self, net: &mut Net) {
        for (now, what) in std::mem::take(&mut net.others) {
            if what == 1 {
                self.acked(now);
            }
        }
        while self.losses.front().is_some_and(|loss| *loss <= net.now) {
            self.losses.pop_front();
            self.lost(net.now, ms(340));
        }
    }
}

fn bottleneck() -> [Link; 2] {
    [Link::bottleneck(20, ms(300), ms(20)), Link::new(ms(20))]
}

/// What both flows move in a minute, in Mbit/s. uTP begins `head_start` before the other.
fn beside_cubic(seed: u64, head_start: Duration) -> (f64, f64) {
    let mut net = Net::new(seed, bottleneck());
    let handle = net.connect();
    net.to_write.insert((0, handle), (vec![7; 200_000_000], 0));
    net.pass(head_start);
    let moved = |net: &Net| net.accepted.last().map_or(0, |accepted| net.seen[accepted].received.len());
    let before = moved(&net);
    let (began, mut cubic) = (net.now, Cubic::new(net.now));
    while net.now < began + SECOND * 60 {
        cubic.send(&mut net);
        net.step(began + SECOND * 60);
        cubic.hear(&mut net);
    }
    let mbits = |bytes: f64| bytes * 8.0 / 1e6 / 60.0;
    (mbits((moved(&net) - before) as f64), mbits((cubic.delivered * PACKET as u64) as f64))
}

#[test]
fn gives_way_to_a_flow_that_fills_the_queue() {
    for (seed, head_start) in [(1, ms(1)), (2, SECOND * 20)] {
        let (ours, theirs) = beside_cubic(seed, head_start);
        println!("{head_start:?} before: uTP {ours:.2} Mbit/s, cubic {theirs:.2} Mbit/s");
        assert!(theirs >= 0.85 * 20.0, "{theirs}");
        assert!(ours > 0.02, "it does not starve: {ours}");
    }
}

#[test]
fn fills_the_bottleneck_alone_and_queues_no_more_than_the_target() {
    let mut net = Net::new(4, bottleneck());
    let handle = net.connect();
    net.to_write.insert((0, handle), (vec![7; 90_000_000], 0));
    net.pass(SECOND * 5);
    let before = net.seen[&net.accepted[0]].received.len();
    let mut worst = Duration::ZERO;
    for _ in 0..250 {
        net.pass(ms(100));
        let now = net.now;
        let mut probe = net.links[0].clone();
        if let Some(arrives) = probe.pass(now, 0, &mut net.random) {
            worst = worst.max(arrives - now - ms(20));
        }
    }
    let moved = net.seen[&net.accepted[0]].received.len() - before;
    let rate = moved as f64 * 8.0 / 1e6 / 25.0;
    println!("{rate:.1} Mbit/s of 20 alone, at most {worst:?} in the queue");
    assert!(rate >= 18.0, "{rate}");
    assert!(worst < ms(150), "{worst:?}");
}

/// Part of 100 Mbit/s with 100 ms that is filled where the receiving program does not run for so much of each
/// time.
fn with_stalls(every: Duration, length: Duration) -> f64 {
    let mut net = Net::new(5, [Link::bottleneck(100, ms(300), ms(50)), Link::new(ms(50))]);
    net.links[0].stalls = Some((every, length));
    let handle = net.connect();
    net.to_write.insert((0, handle), (vec![7; 200_000_000], 0));
    net.pass(SECOND * 5);
    let moved = |net: &Net| net.seen[&net.accepted[0]].received.len();
    let before = moved(&net);
    net.pass(SECOND * 10);
    (moved(&net) - before) as f64 * 8.0 / 1e8 / 10.0
}

#[test]
fn a_receiver_that_does_not_run_for_a_while_is_no_queue() {
    for (every, length) in [(150, 60), (300, 150)] {
        let part = with_stalls(ms(every), ms(length));
        println!("{length} of {every} ms: {part:.2}");
        assert!(part >= 0.9, "{length} of {every} ms: {part:.2}");
    }
}
