//! Which datagram goes to which tracker when: BEP 15's connections, transactions and repeats.
//!
//! Sees no socket and no clock. One connection id per address serves all torrents for a minute. A reply
//! counts if it bears the random transaction id of a question and comes from where the question went;
//! everything else, late or forged, is dropped without a word.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;

use super::packet::{self, ConnectionId, Reply, Scraped, TransactionId};
use crate::tracker::announce::{AnnounceError, AnnounceParams, AnnounceReply};
use crate::tracker::reply::usable;
use crate::types::InfoHash;
use crate::untrusted::Untrusted;

#[cfg(test)]
mod tests;

/// How long a connection id is good for (BEP 15).
const CONNECTION: Duration = Duration::from_secs(60);

/// The first pause before a repeat (BEP 15: 15 x 2^n seconds).
const REPEAT: Duration = Duration::from_secs(15);

/// The longest: an announce gives up after 30 s, and none should do so without one packet sent.
const LAST_REPEAT: Duration = Duration::from_secs(30);

/// Addresses remembered before the idle ones are forgotten.
const ENDPOINTS: usize = 512;

/// How long an idle address is remembered, so that a dead tracker is not asked more often because
/// many torrents ask in turn.
const IDLE: Duration = Duration::from_secs(120);

/// Bytes of a refusal that are looked at.
const MAX_TEXT: usize = 4_096;

/// Names one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// An announce; the bytes are path and query of the URL (BEP 41).
    Announce(AnnounceParams, Bytes),
    /// Figures of at most [`packet::MAX_SCRAPE`] torrents.
    Scrape(Vec<InfoHash>),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To an announce.
    Announce(AnnounceReply),
    /// To a scrape, in the order that was asked.
    Scrape(Vec<Scraped>),
}

/// All questions to UDP trackers.
#[derive(Debug)]
pub struct UdpClient {
    allow_inward: bool,
    /// Unguessable: transaction ids are what keeps forged replies out.
    random: StdRng,
    next_id: u64,
    endpoints: HashMap<SocketAddr, Endpoint>,
    requests: HashMap<RequestId, Request>,
    transactions: HashMap<TransactionId, Asked>,
    sends: Vec<(SocketAddr, Vec<u8>)>,
    done: Vec<(RequestId, Result<Answer, AnnounceError>)>,
}

/// One address of a tracker.
#[derive(Debug, Default)]
struct Endpoint {
    connection: Option<(ConnectionId, Instant)>,
    connecting: Option<Connecting>,
}

#[derive(Clone, Copy, Debug)]
struct Connecting {
    transaction: TransactionId,
    sent: Instant,
    /// Connect packets without an answer.
    unanswered: u32,
}

#[derive(Debug)]
struct Request {
    to: SocketAddr,
    question: Question,
    deadline: Instant,
    /// The pause before its first repeat; shorter than [`REPEAT`] where the deadline is near.
    repeat: Duration,
    repeats: u32,
    /// When it wants to send again.
    next: Instant,
    /// Its own packet went out, with this connection.
    sent: Option<(TransactionId, ConnectionId)>,
    reconnected: bool,
}

/// What a transaction id stands for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Connect(SocketAddr),
    Request(RequestId),
}

impl Connecting {
    /// When the connect packet may go out again for somebody whose own pause is `repeat`.
    fn again(&self, repeat: Duration) -> Instant {
        let ladder = ladder(REPEAT, self.unanswered.saturating_sub(1));
        self.sent + if repeat < REPEAT { repeat } else { ladder }
    }
}

fn ladder(first: Duration, n: u32) -> Duration {
    first.saturating_mul(1 << n.min(8)).min(LAST_REPEAT)
}

impl UdpClient {
    /// `allow_inward`: private and loopback peers count, whoever names them.
    pub fn new(random: StdRng, allow_inward: bool) -> Self {
        Self {
            allow_inward,
            random,
            next_id: 0,
            endpoints: HashMap::new(),
            requests: HashMap::new(),
            transactions: HashMap::new(),
            sends: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Asks the first of `addresses`, or the one that has failed least. An answer or an error follows
    /// within `patience`; with little patience repeats come sooner, because a good-bye that is lost has
    /// no second chance. No address: an error at once.
    pub fn ask(
        &mut self,
        now: Instant,
        addresses: &[SocketAddr],
        question: Question,
        patience: Duration,
    ) -> RequestId {
        self.forget_idle(now);
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let failures = |address: &&SocketAddr| {
            let connecting = self.endpoints.get(*address).and_then(|endpoint| endpoint.connecting);
            connecting.map_or(0, |connecting| connecting.unanswered)
        };
        let Some(to) = addresses.iter().min_by_key(failures).copied() else {
            self.done.push((id, Err(AnnounceError::Resolve("no address".into()))));
            return id;
        };
        let request = Request {
            to,
            question,
            deadline: now + patience,
            repeat: if patience < REPEAT { patience / 2 } else { REPEAT },
            repeats: 0,
            next: now,
            sent: None,
            reconnected: false,
        };
        self.requests.insert(id, request);
        self.push(now, id);
        id
    }

    /// Nobody waits for the answer any more.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some((transaction, _)) = self.requests.remove(&id).and_then(|request| request.sent) {
            self.transactions.remove(&transaction);
        }
    }

    /// Takes a datagram.
    pub fn received(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some((transaction, reply)) = packet::decode(datagram) else { return };
        match self.transactions.get(&transaction).copied() {
            Some(Asked::Connect(to)) if to == from => self.on_connect_reply(now, to, &reply),
            Some(Asked::Request(id)) if self.requests.get(&id).is_some_and(|request| request.to == from) => {
                self.on_reply(now, id, &reply);
            }
            _ => {}
        }
    }

    /// The system says that nothing gets through to this address: everything asked there fails now.
    pub fn unreachable(&mut self, to: SocketAddr, why: &str) {
        for id in self.requests_to(to) {
            self.finish(id, Err(AnnounceError::Network(Untrusted::new(why))));
        }
    }

    /// Looks at everything that is due.
    pub fn timeout(&mut self, now: Instant) {
        let mut due: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| request.next.min(request.deadline) <= now)
            .map(|(id, request)| (*id, request.deadline <= now))
            .collect();
        due.sort_unstable();
        for (id, late) in due {
            if late {
                self.finish(id, Err(AnnounceError::Timeout));
                continue;
            }
            if let Some(request) = self.requests.get_mut(&id)
                && let Some((_, connection)) = request.sent
            {
                request.repeats += 1;
                // A tracker that was started anew knows none of its old connections, and may be silent
                // about it.
                let to = request.to;
                self.disconnect(to, connection);
            }
            self.push(now, id);
        }
    }

    /// When [`timeout`](Self::timeout) has something to do, unless something happens first.
    pub fn next_due(&self) -> Option<Instant> {
        self.requests.values().map(|request| request.next.min(request.deadline)).min()
    }

    /// The datagrams to send now.
    pub fn take_sends(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.sends)
    }

    /// The questions that are over, each told once.
    pub fn take_done(&mut self) -> Vec<(RequestId, Result<Answer, AnnounceError>)> {
        std::mem::take(&mut self.done)
    }

    fn on_connect_reply(&mut self, now: Instant, to: SocketAddr, reply: &Reply<'_>) {
        match reply {
            Reply::Connected(connection) => {
                let endpoint = self.endpoints.entry(to).or_default();
                endpoint.connection = Some((*connection, now + CONNECTION));
                if let Some(connecting) = endpoint.connecting.take() {
                    self.transactions.remove(&connecting.transaction);
                }
                for id in self.requests_to(to) {
                    self.push(now, id);
                }
            }
            Reply::Error(text) => {
                for id in self.requests_to(to) {
                    self.finish(id, Err(refusal(text)));
                }
            }
            Reply::Announced { .. } | Reply::Scraped(_) => {}
        }
    }

    fn on_reply(&mut self, now: Instant, id: RequestId, reply: &Reply<'_>) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let answer = match (&request.question, reply) {
            (Question::Announce(..), Reply::Announced { interval, leechers, seeds, peers }) => {
                let from = request.to.ip();
                let source = if self.allow_inward { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { from };
                // BEP 15: the socket's family decides how long an address is.
                let peers = match from {
                    IpAddr::V4(_) => usable(packet::peers_v4(peers), source),
                    IpAddr::V6(_) => usable(packet::peers_v6(peers), source),
                };
                Ok(Answer::Announce(AnnounceReply {
                    peers,
                    interval: Duration::from_secs((*interval).into()),
                    seeds: Some(*seeds),
                    leechers: Some(*leechers),
                    ..AnnounceReply::default()
                }))
            }
            (Question::Scrape(torrents), Reply::Scraped(packed)) => {
                Ok(Answer::Scrape(packet::scraped(packed).take(torrents.len()).collect()))
            }
            (_, Reply::Error(text)) => {
                // The one refusal that asking again can mend: a tracker that was started anew.
                if let (Some((_, connection)), false, true) =
                    (request.sent, request.reconnected, is_about_connection(text))
                {
                    request.reconnected = true;
                    let to = request.to;
                    self.disconnect(to, connection);
                    self.push(now, id);
                    return;
                }
                Err(refusal(text))
            }
            _ => return,
        };
        self.finish(id, answer);
    }

    /// Sends what this question needs next: its own packet, or a connect packet where none is on its way.
    fn push(&mut self, now: Instant, id: RequestId) {
        let Some(request) = self.requests.get(&id) else { return };
        let (to, known) = (request.to, request.sent.map(|(transaction, _)| transaction));
        let endpoint = self.endpoints.entry(to).or_default();
        let connection = endpoint.connection.filter(|(_, until)| now < *until);
        let Some((connection, _)) = connection else {
            self.connect(now, id);
            return;
        };
        let transaction = known.unwrap_or_else(|| self.new_transaction(Asked::Request(id)));
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.sent = Some((transaction, connection));
        request.next = now + ladder(request.repeat, request.repeats);
        let packet = match &request.question {
            Question::Announce(params, url) => packet::announce(connection, transaction, params, url),
            Question::Scrape(torrents) => packet::scrape(connection, transaction, torrents),
        };
        self.sends.push((to, packet));
    }

    /// One connect packet is on its way to an address at a time, for all who wait for it.
    fn connect(&mut self, now: Instant, id: RequestId) {
        let Some(Request { to, repeat, .. }) = self.requests.get(&id) else { return };
        let (to, repeat) = (*to, *repeat);
        let mut connecting = match self.endpoints.entry(to).or_default().connecting {
            Some(connecting) => connecting,
            None => {
                let transaction = self.new_transaction(Asked::Connect(to));
                Connecting { transaction, sent: now, unanswered: 0 }
            }
        };
        if connecting.unanswered == 0 || connecting.again(repeat) <= now {
            connecting.sent = now;
            connecting.unanswered = connecting.unanswered.saturating_add(1);
            self.sends.push((to, packet::connect(connecting.transaction)));
        }
        let endpoint = self.endpoints.entry(to).or_default();
        endpoint.connection = None;
        endpoint.connecting = Some(connecting);
        if let Some(request) = self.requests.get_mut(&id) {
            request.next = connecting.again(repeat);
        }
    }

    fn disconnect(&mut self, to: SocketAddr, connection: ConnectionId) {
        if let Some(endpoint) = self.endpoints.get_mut(&to)
            && endpoint.connection.is_some_and(|(current, _)| current == connection)
        {
            endpoint.connection = None;
        }
    }

    fn new_transaction(&mut self, asked: Asked) -> TransactionId {
        loop {
            let id = TransactionId(self.random.random());
            if let Entry::Vacant(free) = self.transactions.entry(id) {
                free.insert(asked);
                return id;
            }
        }
    }

    fn requests_to(&self, to: SocketAddr) -> Vec<RequestId> {
        let mut ids: Vec<_> =
            self.requests.iter().filter(|(_, request)| request.to == to).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    fn finish(&mut self, id: RequestId, result: Result<Answer, AnnounceError>) {
        if self.requests.contains_key(&id) {
            self.cancel(id);
            self.done.push((id, result));
        }
    }

    fn forget_idle(&mut self, now: Instant) {
        if self.endpoints.len() < ENDPOINTS {
            return;
        }
        let busy: Vec<_> = self.requests.values().map(|request| request.to).collect();
        let transactions = &mut self.transactions;
        self.endpoints.retain(|address, endpoint| {
            let keep = busy.contains(address)
                || endpoint.connection.is_some_and(|(_, until)| now < until)
                || endpoint.connecting.is_some_and(|connecting| now < connecting.sent + IDLE);
            if let (false, Some(connecting)) = (keep, endpoint.connecting) {
                transactions.remove(&connecting.transaction);
            }
            keep
        });
    }
}

fn refusal(text: &[u8]) -> AnnounceError {
    let text = &text[..text.len().min(MAX_TEXT)];
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let reason = match &text[..end] {
        b"" => Untrusted::new("no reason given"),
        text => Untrusted::from_bytes(text),
    };
    AnnounceError::Refused { reason, retry: None }
}

/// Trackers have many words for it, "Connection ID missmatch." among them.
fn is_about_connection(text: &[u8]) -> bool {
    let text = &text[..text.len().min(MAX_TEXT)];
    text.to_ascii_lowercase().windows(10).any(|word| word == b"connection")
}
