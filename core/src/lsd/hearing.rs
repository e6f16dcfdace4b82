//! How much of what the own network says is heard (BEP 14): whoever floods it must cost us little, and take
//! nothing from others.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::net::scope::Scope;
use crate::types::InfoHash;

/// Over so long messages of one sender are counted.
const SPAN: Duration = Duration::from_secs(1);

/// Messages of one sender in that time: clients with many torrents send bursts of them.
const MOST_OF_SENDER: u32 = 50;

/// Senders that are counted; those who come when there are so many are heard a second later.
const SENDERS: usize = 256;

/// A peer that says again that it has a torrent is news again after that.
const NEWS: Duration = Duration::from_secs(60);

/// What is remembered of that, over all.
const MAX_NEWS: usize = 4_096;

/// ... and of one sender: it may have many torrents that we have too, and some clients on one computer.
const NEWS_OF_SENDER: usize = 512;

/// What was heard lately.
#[derive(Debug, Default)]
pub struct Hearing {
    since: Option<Instant>,
    senders: FxHashMap<IpAddr, u32>,
    news: FxHashMap<(InfoHash, SocketAddr), Instant>,
    news_of: FxHashMap<IpAddr, usize>,
    swept: Option<Instant>,
}

impl Hearing {
    /// Whether a message of this sender is listened to. To be asked before it is read.
    pub fn listens(&mut self, now: Instant, from: IpAddr) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= SPAN) {
            self.since = Some(now);
            self.senders.clear();
        }
        if self.senders.len() >= SENDERS && !self.senders.contains_key(&from) {
            return false;
        }
        let messages = self.senders.entry(from).or_default();
        *messages += 1;
        *messages <= MOST_OF_SENDER
    }

    /// Whether it is news that this peer has this torrent of ours.
    pub fn is_news(&mut self, now: Instant, info_hash: InfoHash, peer: SocketAddr) -> bool {
        self.sweep(now);
        if self.news.contains_key(&(info_hash, peer)) || self.news.len() >= MAX_NEWS {
            return false;
        }
        let of_sender = self.news_of.entry(peer.ip()).or_default();
        if *of_sender >= NEWS_OF_SENDER {
            return false;
        }
        *of_sender += 1;
        self.news.insert((info_hash, peer), now);
        true
    }

    /// Forgets what may be news again, once a second.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SPAN) {
            return;
        }
        self.swept = Some(now);
        self.news.retain(|_, heard| now.saturating_duration_since(*heard) < NEWS);
        self.news_of.clear();
        for (_, peer) in self.news.keys() {
            *self.news_of.entry(peer.ip()).or_default() += 1;
        }
    }
}

/// Whether a sender is on our own network: in one of `networks`, addresses of ours with the bits of their masks,
/// or at an address that means nothing outside of it.
pub fn is_local(from: IpAddr, networks: impl IntoIterator<Item = (IpAddr, u8)>) -> bool {
    match Scope::of(from) {
        Scope::Private | Scope::LinkLocal => true,
        Scope::Public => networks.into_iter().any(|(ours, bits)| is_in(from, ours, bits)),
        Scope::Loopback | Scope::Never => false,
    }
}

fn is_in(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}
