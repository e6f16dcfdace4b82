//! What a session keeps of each link.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::download::LinkSpeed;
use crate::peer::pex::{Named, Telling};
use crate::peer::{LinkGauge, Mailbox};
use crate::shared::ConnectionPermit;
use crate::stats::{LinkEncryption, PeerSource, Transport};
use crate::types::{LinkId, PeerId, PieceIndex};
use crate::untrusted::Untrusted;
use crate::upload::Candidate;

/// From this rate on, bytes per second, a link is dealt whole pieces: it finishes a 4 MiB one within
/// seconds.
const FAST: u64 = 1 << 20;

/// From this rate on a link is no burden on a shared piece.
const MEDIUM: u64 = 32 << 10;

/// Pieces that are kept of those a peer suggests, as libtorrent does.
const MAX_SUGGESTED: usize = 16;

/// One link, as its session sees it.
#[derive(Debug)]
pub struct LinkEntry {
    /// Where the peer is.
    pub address: SocketAddr,
    /// Where the peer listens, if it called us and has said so: what the pool knows it by.
    pub known_as: SocketAddr,
    /// Its name for itself.
    pub peer_id: PeerId,
    /// Others who called from its address lied: nothing is fetched from it.
    pub distrusted: bool,
    /// Its client.
    pub client: Untrusted,
    /// How it came to be.
    pub source: PeerSource,
    /// Whether it called us.
    pub incoming: bool,
    /// How to tell it something.
    pub mailbox: Arc<Mailbox>,
    /// Its figures.
    pub gauge: Arc<LinkGauge>,
    /// We said that we want something.
    pub am_interested: bool,
    /// We let it ask.
    pub am_unchoked: bool,
    /// When that began, or ended.
    pub choke_changed: Option<Instant>,
    /// What it had been sent when it was unchoked.
    pub uploaded_at_unchoke: u64,
    /// It said that it wants something.
    pub peer_interested: bool,
    /// It lets us ask.
    pub peer_unchoked: bool,
    /// BEP 21: it will not download.
    pub upload_only: bool,
    /// The fast extension was agreed on (BEP 6).
    pub fast: bool,
    /// What carries it.
    pub transport: Transport,
    /// What of it is encrypted.
    pub encryption: LinkEncryption,
    /// It hears of it when we lose a piece (BEP 54).
    pub takes_dont_have: bool,
    /// A part of the metadata came from it: it may be to blame.
    pub sent_metadata: bool,
    /// Where it can be called, as far as we know: what others are told of it.
    pub listens: Option<SocketAddr>,
    /// What it was told of others; `None`: it takes no such lists (BEP 11).
    pub telling: Option<Telling>,
    /// What it told of others.
    pub named: Named,
    /// Pieces that it gives while it chokes us.
    pub allowed_fast: Vec<PieceIndex>,
    /// Pieces that it would like to send, the newest first.
    pub suggested: Vec<PieceIndex>,
    /// Blocks it could ask for and was not dealt.
    pub hungry: u32,
    /// Ticks in a row in which it had nothing for us.
    pub dull_ticks: u32,
    /// When the link came up.
    pub since: Instant,
    /// Payload from it that the totals include.
    pub counted_down: u64,
    /// Payload to it that the totals include.
    pub counted_up: u64,
    /// It was told to close; its last report is awaited.
    pub closing: bool,
    /// The right to hold a connection.
    pub _permit: ConnectionPermit,
}

impl LinkEntry {
    /// How many pieces at a time it is good for.
    pub fn speed(&self) -> LinkSpeed {
        match LinkGauge::get(&self.gauge.rate_down) {
            rate if rate >= FAST => LinkSpeed::Fast,
            rate if rate >= MEDIUM => LinkSpeed::Medium,
            _ => LinkSpeed::Slow,
        }
    }

    /// What the choker sees of it.
    pub fn candidate(&self, link: LinkId) -> Candidate {
        let uploaded = LinkGauge::get(&self.gauge.uploaded);
        Candidate {
            link,
            interested: self.peer_interested && !self.closing,
            rate_down: LinkGauge::get(&self.gauge.rate_down),
            rate_up: LinkGauge::get(&self.gauge.rate_up),
            uploaded_since_unchoke: uploaded.saturating_sub(self.uploaded_at_unchoke),
            snubbed: self.snubbed(),
            unchoked: self.am_unchoked,
            changed_at: self.choke_changed,
            upload_only: self.upload_only,
            connected_at: self.since,
        }
    }

    /// Its task has ended. One that ends in order says so before; this finds those that panicked.
    pub fn is_orphaned(&self) -> bool {
        Arc::strong_count(&self.mailbox) == 1
    }

    /// It owes us data for too long.
    pub fn snubbed(&self) -> bool {
        self.gauge.snubbed.load(Ordering::Relaxed)
    }

    /// Where it is.
    pub const fn whereabouts(&self) -> Whereabouts {
        Whereabouts { address: self.address, listens: self.known_as, incoming: self.incoming }
    }

    /// It would like to send this piece.
    pub fn suggests(&mut self, piece: PieceIndex) {
        self.suggested.retain(|known| *known != piece);
        self.suggested.insert(0, piece);
        self.suggested.truncate(MAX_SUGGESTED);
    }

    /// It takes lists of peers, or not any more (BEP 11).
    pub fn takes_pex(&mut self, now: Instant, link: LinkId, takes: bool) {
        if !takes {
            self.telling = None;
        } else if self.telling.is_none() {
            self.telling = Some(Telling::new(now, link));
        }
    }

    /// Tells it to end.
    pub fn close(&mut self, why: &'static str) {
        self.closing = true;
        self.mailbox.post(|mail| mail.close = Some(why));
    }
}

/// Where a peer is, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The far end of its link.
    pub address: SocketAddr,
    /// Where it listens, as far as that is known.
    pub listens: SocketAddr,
    /// It called us.
    pub incoming: bool,
}

/// Peers that are gone and sent something: ten times the links that a torrent may have. Who lied is
/// known only when the piece is good, and liars do not wait for that.
const MAX_GONE: usize = 1_000;

/// Where peers were that are gone, the newest last.
#[derive(Debug, Default)]
pub struct Gone {
    links: VecDeque<(LinkId, Whereabouts)>,
}

impl Gone {
    /// A link is let go.
    pub fn note(&mut self, link: LinkId, entry: &LinkEntry) {
        if LinkGauge::get(&entry.gauge.downloaded) == 0 && !entry.sent_metadata {
            return;
        }
        if self.links.len() == MAX_GONE {
            self.links.pop_front();
        }
        self.links.push_back((link, entry.whereabouts()));
    }

    /// Where this peer was.
    pub fn find(&self, link: LinkId) -> Option<Whereabouts> {
        self.links.iter().rev().find(|(other, _)| *other == link).map(|(_, whereabouts)| *whereabouts)
    }

    /// Nobody can be blamed any more.
    pub fn clear(&mut self) {
        self.links = VecDeque::new();
    }
}
