//! How many requests may be on their way to one peer: enough to keep its side busy, few enough that
//! a slow peer holds little. BEP 3 asks for pipelining and leaves the depth open.
//!
//! The depth starts small and grows by one with each block, which doubles it once per round trip,
//! while that makes the link faster (a slow start, as in TCP and libtorrent). Then it follows the
//! rate: what arrives in `QUEUE_TIME`. That time is far longer than most paths, so a link that is
//! held back by its depth speeds up until the peer's `reqq` or the path is full.
//!
//! It also remembers which blocks were once asked for here: a peer is never blamed for a block that
//! crossed our cancel, its choke or a time-out on the way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rate::RateMeter;
use crate::types::{BLOCK_SIZE, BlockRef};

/// Requests on a new link: 2 ms of 1 Gbit/s, 6 s of a peer with 20 kB/s.
const START: u32 = 8;

/// Requests to the slowest of peers: with one alone its line is idle for a round trip per block.
const LEAST: u32 = 2;

/// Requests to the fastest of peers, whatever it grants. 1 Gbit/s over 100 ms takes 763.
const MOST: u32 = 2_000;

/// What of a peer's rate may be asked for ahead (libtorrent: `request_queue_time`, 3 s). Longer than
/// bufferbloat on common lines; short enough that a leaving peer holds back little.
const QUEUE_TIME: Duration = Duration::from_secs(3);

/// How often a slow start looks whether it still helps, or two round trips where those are longer.
const ROUND: Duration = Duration::from_secs(1);

/// A request without its block is given back after this, or four times the delay seen here.
const TIMEOUT: Duration = Duration::from_secs(60);

/// But never later than this: a peer must not stretch its own deadlines without end.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(240);

/// A peer that owes us blocks and sends none for this long is snubbed (BEP 3: anti-snubbing).
const SNUB: Duration = Duration::from_secs(60);

/// Blocks remembered as given up: two full pipelines, for a peer that chokes and unchokes in haste.
const REMEMBERED: usize = 2 * MOST as usize;

/// How a block, or the refusal of one, relates to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// It was asked for and is awaited.
    Expected,
    /// It was asked for here and given up since: cancelled, choked, rejected or timed out. Its data
    /// is as good as any; it is no fault.
    Late,
    /// It was never asked for on this link, or has come before.
    Unrequested,
}

/// The requests of one link.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// What the peer takes (BEP 10), at least 1.
    reqq: u32,
    depth: u32,
    /// In the order in which they were sent.
    outstanding: VecDeque<Request>,
    /// Given up, the oldest first.
    late: VecDeque<BlockRef>,
    rate: RateMeter,
    slow_start: Option<Round>,
    /// Shortest time from a request to its block, ever: what the path takes.
    least_delay: Option<Duration>,
    /// The same, smoothed: what the path and the queue take.
    delay: Duration,
    /// When the oldest request was answered last: peers answer in order, so those behind it have
    /// moved up and deserve their time anew.
    advanced: Option<Instant>,
    /// Since when the peer owes us blocks and has sent none.
    owing_since: Option<Instant>,
    snubbed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    block: BlockRef,
    sent: Instant,
}

/// A stretch of a slow start.
#[derive(Clone, Copy, Debug)]
struct Round {
    began: Instant,
    bytes: u64,
    /// Bytes per second of the round before.
    before: u64,
}

impl Pipeline {
    /// For a peer that takes so many requests at once; see [`DEFAULT_REQQ`](crate::wire::extended::DEFAULT_REQQ).
    pub fn new(peer_reqq: u32) -> Self {
        Self {
            reqq: peer_reqq.max(1),
            depth: START,
            outstanding: VecDeque::new(),
            late: VecDeque::new(),
            rate: RateMeter::default(),
            slow_start: None,
            least_delay: None,
            delay: Duration::ZERO,
            advanced: None,
            owing_since: None,
            snubbed: false,
        }
    }

    /// The peer's handshake says how many it takes.
    pub fn set_reqq(&mut self, peer_reqq: u32) {
        self.reqq = peer_reqq.max(1);
    }

    /// A request goes out.
    pub fn sent(&mut self, now: Instant, block: BlockRef) {
        if self.outstanding.is_empty() {
            self.owing_since = Some(now);
            if self.rate.rate(now) == 0 {
                self.depth = START;
                self.slow_start = Some(Round { began: now, bytes: 0, before: 0 });
            }
        }
        self.outstanding.push_back(Request { block, sent: now });
    }

    /// A block comes in, with this many bytes.
    pub fn arrived(&mut self, now: Instant, block: BlockRef, bytes: u32) -> Arrived {
        let answer = match self.position(block) {
            Some(at) => {
                self.answered(now, at);
                Arrived::Expected
            }
            None if self.forget(block) => Arrived::Late,
            None => return Arrived::Unrequested,
        };
        self.snubbed = false;
        self.owing_since = (!self.outstanding.is_empty()).then_some(now);
        let before = self.rate.rate(now);
        self.rate.add(now, u64::from(bytes));
        self.adapt(now, bytes, before == 0);
        answer
    }

    /// We take a request back. The block may come all the same.
    pub fn cancelled(&mut self, block: BlockRef) {
        if let Some(at) = self.position(block) {
            self.outstanding.remove(at);
            self.give_up(block);
            self.settle();
        }
    }

    /// The peer choked and does not speak the fast extension: all requests are void. What is on the
    /// way may still come. (With the extension each request gets its block or its reject, BEP 6.)
    pub fn choked(&mut self) -> Vec<BlockRef> {
        let blocks: Vec<_> = self.outstanding.drain(..).map(|request| request.block).collect();
        blocks.iter().for_each(|block| self.give_up(*block));
        self.settle();
        blocks
    }

    /// The peer refuses a request (BEP 6). Nothing will come for it.
    pub fn rejected(&mut self, block: BlockRef) -> Arrived {
        if let Some(at) = self.position(block) {
            self.outstanding.remove(at);
            self.settle();
            Arrived::Expected
        } else if self.forget(block) {
            Arrived::Late
        } else {
            Arrived::Unrequested
        }
    }

    /// Gives up the requests whose time is over.
    pub fn timed_out(&mut self, now: Instant) -> Vec<BlockRef> {
        self.snubbed = self.snubbed(now);
        let mut blocks = Vec::new();
        while self.next_timeout().is_some_and(|due| due <= now) {
            let Some(request) = self.outstanding.pop_front() else { break };
            self.give_up(request.block);
            blocks.push(request.block);
        }
        self.settle();
        blocks
    }

    /// When [`timed_out`](Self::timed_out) has something to give up.
    pub fn next_timeout(&self) -> Option<Instant> {
        let oldest = self.outstanding.front()?.sent;
        let since = self.advanced.map_or(oldest, |advanced| advanced.max(oldest));
        Some(since + (4 * self.delay).clamp(TIMEOUT, LONGEST_TIMEOUT))
    }

    /// How many more requests to send now.
    pub fn room(&self, now: Instant) -> u32 {
        let depth = if self.snubbed(now) { 1 } else { self.depth() };
        depth.saturating_sub(self.outstanding_len())
    }

    /// How many requests this peer is good for: one fewer than it grants, since transmission keeps a
    /// place free and drops what finds no other, without the fast extension in silence.
    pub fn depth(&self) -> u32 {
        self.depth.min((self.reqq - 1).max(1)).min(MOST)
    }

    /// The requests on their way, the oldest first.
    pub fn outstanding(&self) -> impl ExactSizeIterator<Item = BlockRef> {
        self.outstanding.iter().map(|request| request.block)
    }

    /// Those that were sent up to then.
    pub fn sent_by(&self, then: Instant) -> impl Iterator<Item = BlockRef> {
        self.outstanding.iter().take_while(move |request| request.sent <= then).map(|request| request.block)
    }

    /// Whether the peer owes us blocks and has sent none for a minute. It gets one request at a time
    /// until a block comes.
    pub fn snubbed(&self, now: Instant) -> bool {
        self.snubbed || self.owing_since.is_some_and(|since| now.saturating_duration_since(since) >= SNUB)
    }

    /// Bytes per second that came in answer to requests.
    pub fn rate(&self, now: Instant) -> u64 {
        self.rate.rate(now)
    }

    fn outstanding_len(&self) -> u32 {
        u32::try_from(self.outstanding.len()).unwrap_or(u32::MAX)
    }

    /// Peers answer in order: the block is at the front or near it.
    fn position(&self, block: BlockRef) -> Option<usize> {
        self.outstanding.iter().position(|request| request.block == block)
    }

    fn answered(&mut self, now: Instant, at: usize) {
        let Some(request) = self.outstanding.remove(at) else { return };
        if at == 0 {
            self.advanced = Some(now);
        }
        let delay = now.saturating_duration_since(request.sent);
        self.least_delay = Some(self.least_delay.map_or(delay, |least| least.min(delay)));
        // The weight of TCP's smoothed round-trip time (RFC 6298), but quick to grow: a deadline
        // that is too late costs less than a block that comes twice.
        self.delay = if delay > self.delay { delay } else { (self.delay * 7 + delay) / 8 };
    }

    /// `after_silence`: nothing came for the whole window of the rate meter, which cannot tell how
    /// slow that is.
    fn adapt(&mut self, now: Instant, bytes: u32, after_silence: bool) {
        let rate = self.rate.rate(now);
        // What the fastest block took, less the time in which a block comes out of the line.
        let own_time = if after_silence { Duration::MAX } else { time_of(BLOCK_SIZE, rate) };
        let path = self.least_delay.unwrap_or_default().saturating_sub(own_time);
        if let Some(round) = &mut self.slow_start {
            round.bytes += u64::from(bytes);
            self.depth = (self.depth + 1).min(MOST);
            let lasted = now.saturating_duration_since(round.began);
            if lasted < ROUND.max(2 * path) {
                return;
            }
            let rate = per_second(round.bytes, lasted);
            // Less than an eighth more is noise.
            if rate > round.before + round.before / 8 {
                *round = Round { began: now, bytes: 0, before: rate };
                return;
            }
            self.slow_start = None;
        }
        if after_silence {
            self.depth = LEAST;
            return;
        }
        let ahead = QUEUE_TIME.max(2 * path).as_millis();
        let blocks = (u128::from(rate) * ahead).div_ceil(1_000 * u128::from(BLOCK_SIZE));
        self.depth = u32::try_from(blocks).unwrap_or(MOST).clamp(LEAST, MOST);
    }

    fn give_up(&mut self, block: BlockRef) {
        if self.late.len() == REMEMBERED {
            self.late.pop_front();
        }
        self.late.push_back(block);
    }

    fn forget(&mut self, block: BlockRef) -> bool {
        let found = self.late.iter().position(|late| *late == block);
        found.is_some_and(|at| self.late.remove(at).is_some())
    }

    /// A peer that is asked for nothing owes nothing.
    fn settle(&mut self) {
        if self.outstanding.is_empty() {
            self.owing_since = None;
        }
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

fn time_of(bytes: u32, per_second: u64) -> Duration {
    Duration::from_micros(u64::from(bytes) * 1_000_000 / per_second.max(1))
}

#[cfg(test)]
mod tests;
