//! Random operations against a slow, obvious model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const PIECES: u32 = 7;
const LINKS: usize = 5;
/// The last piece has two blocks, one of them short.
const TOTAL: u64 = (PIECES as u64 - 1) * 3 * BLOCK_SIZE as u64 + BLOCK_SIZE as u64 + 100;

#[derive(Clone, Debug)]
enum Op {
    Join(usize),
    Pieces(usize, u8),
    Seed(usize),
    Has(usize, u32),
    HasNot(usize, u32),
    Gone(usize),
    Deal(usize, u32, LinkSpeed),
    /// Of these pieces only, as a choked link may.
    DealOf(usize, u32, u8),
    /// These are suggested.
    DealSuggested(usize, u32, u8),
    /// The n-th assignment is given back.
    Return(usize),
    /// The n-th assignment arrives.
    Arrive(usize),
    /// Any block arrives, asked for or not.
    Stray(usize, u32, u32),
    Verify(u32),
    Fail(u32),
    Lost(u32),
    /// The n-th received block is to come again.
    Disown(usize),
    Prefer(u32, Priority),
    Check(u8),
}

fn ops() -> impl Strategy<Value = Op> {
    let speed = prop_oneof![Just(LinkSpeed::Slow), Just(LinkSpeed::Medium), Just(LinkSpeed::Fast)];
    let priority =
        prop_oneof![Just(Priority::Skip), Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    prop_oneof![
        3 => (0..LINKS).prop_map(Op::Join),
        3 => (0..LINKS, any::<u8>()).prop_map(|(l, bits)| Op::Pieces(l, bits)),
        1 => (0..LINKS).prop_map(Op::Seed),
        2 => (0..LINKS, 0..PIECES).prop_map(|(l, p)| Op::Has(l, p)),
        1 => (0..LINKS, 0..PIECES + 1).prop_map(|(l, p)| Op::HasNot(l, p)),
        1 => (0..LINKS).prop_map(Op::Gone),
        10 => (0..LINKS, 0..9u32, speed).prop_map(|(l, n, speed)| Op::Deal(l, n, speed)),
        2 => (0..LINKS, 0..9u32, any::<u8>()).prop_map(|(l, n, bits)| Op::DealOf(l, n, bits)),
        2 => (0..LINKS, 0..9u32, any::<u8>()).prop_map(|(l, n, bits)| Op::DealSuggested(l, n, bits)),
        3 => any::<usize>().prop_map(Op::Return),
        10 => any::<usize>().prop_map(Op::Arrive),
        1 => (0..LINKS, 0..PIECES + 1, 0..4u32).prop_map(|(l, p, b)| Op::Stray(l, p, b)),
        6 => (0..PIECES).prop_map(Op::Verify),
        4 => (0..PIECES).prop_map(Op::Fail),
        1 => (0..PIECES).prop_map(Op::Lost),
        1 => any::<usize>().prop_map(Op::Disown),
        2 => (0..PIECES, priority).prop_map(|(p, priority)| Op::Prefer(p, priority)),
        1 => any::<u8>().prop_map(Op::Check),
    ]
}

/// Everything as sets, nothing kept that could be computed.
struct Model {
    geometry: Geometry,
    have: BTreeSet<PieceIndex>,
    skipped: BTreeSet<PieceIndex>,
    peers: BTreeMap<LinkId, BTreeSet<PieceIndex>>,
    received: BTreeMap<BlockRef, LinkId>,
    assigned: BTreeSet<(BlockRef, LinkId)>,
    suspects: BTreeMap<PieceIndex, BTreeSet<LinkId>>,
    failures: BTreeMap<PieceIndex, u32>,
}

impl Model {
    fn missing(&self) -> Vec<BlockRef> {
        let wanted = |p: &PieceIndex| !self.have.contains(p) && !self.skipped.contains(p);
        let blocks = self.geometry.all_pieces().filter(wanted).flat_map(|p| self.geometry.blocks(p));
        blocks.filter(|b| !self.received.contains_key(b) && self.takers(*b).is_empty()).collect()
    }

    fn takers(&self, block: BlockRef) -> BTreeSet<LinkId> {
        self.assigned.iter().filter(|(b, _)| *b == block).map(|(_, l)| *l).collect()
    }

    fn is_full(&self, p: PieceIndex) -> bool {
        self.geometry.blocks(p).all(|b| self.received.contains_key(&b))
    }

    fn forget(&mut self, p: PieceIndex) {
        self.received.retain(|b, _| b.piece != p);
        self.assigned.retain(|(b, _)| b.piece != p);
    }

    /// Whether somebody other than this link works on a piece that is on retry, or has begun one that
    /// only one link may send.
    fn is_barred(&self, p: PieceIndex, l: LinkId) -> bool {
        let busy = self.assigned.iter().any(|(b, other)| b.piece == p && *other != l);
        let begun = self.received.iter().any(|(b, other)| b.piece == p && *other != l);
        let solo = self.failures.get(&p).is_some_and(|failures| *failures >= 3);
        self.suspects.contains_key(&p) && (busy || solo && begun)
    }

    fn can_be_sent(&self, b: BlockRef) -> bool {
        self.peers.values().any(|pieces| pieces.contains(&b.piece))
    }

    fn deal(&mut self, l: LinkId, n: u32, dealt: &[BlockRef]) {
        let empty = BTreeSet::new();
        let pieces = self.peers.get(&l).unwrap_or(&empty).clone();
        assert!(dealt.len() <= n as usize);
        let before = self.missing();
        for b in dealt {
            assert!(pieces.contains(&b.piece), "{b:?} is not at {l:?}");
            assert!(!self.is_barred(b.piece, l), "{b:?} is another's to retry");
            if before.contains(b) {
                assert!(self.takers(*b).is_empty(), "{b:?} dealt twice");
            } else {
                // An extra: only in the endgame, for a link that does not have it yet.
                assert!(!self.received.contains_key(b) && !self.have.contains(&b.piece));
                let takers = self.takers(*b);
                assert!((1..3).contains(&takers.len()) && !takers.contains(&l), "{b:?} has {takers:?}");
                let left = self.missing();
                let open = |b: &BlockRef| {
                    let busy = self.assigned.iter().any(|(other, _)| other.piece == b.piece);
                    self.can_be_sent(*b) && !(self.suspects.contains_key(&b.piece) && busy)
                };
                assert!(!left.iter().any(open), "endgame with {left:?} missing");
            }
            self.assigned.insert((*b, l));
        }
        // Nothing is held back that the link could send.
        if (dealt.len() as u32) < n {
            let suspect = |p| self.suspects.get(&p).is_some_and(|suspects| suspects.contains(&l));
            let left = self.missing().into_iter().filter(|b| {
                pieces.contains(&b.piece)
                    && !self.is_barred(b.piece, l)
                    && (dealt.is_empty() || !suspect(b.piece))
            });
            assert_eq!(left.collect::<Vec<_>>(), [], "withheld from {l:?}");
        }
    }

    /// No extras, and nothing of these pieces is held back but what a suspect is barred from.
    fn deal_of(&mut self, l: LinkId, n: u32, named: &[PieceIndex], dealt: &[BlockRef]) {
        let pieces = self.peers.get(&l).cloned().unwrap_or_default();
        let barred =
            |p| self.suspects.get(&p).is_some_and(|suspects| suspects.contains(&l)) || self.is_barred(p, l);
        let mut may: BTreeSet<BlockRef> = self.missing().into_iter().collect();
        may.retain(|b| named.contains(&b.piece) && pieces.contains(&b.piece) && !barred(b.piece));
        assert!(dealt.iter().all(|b| may.contains(b)), "{dealt:?} of {may:?}");
        assert_eq!(dealt.len(), may.len().min(n as usize), "{dealt:?} of {may:?}");
        self.assigned.extend(dealt.iter().map(|b| (*b, l)));
    }

    fn arrive(&mut self, l: LinkId, b: BlockRef) -> Arrived {
        let exists = self.geometry.all_pieces().any(|p| self.geometry.blocks(p).any(|other| other == b));
        if !exists || self.have.contains(&b.piece) || self.received.contains_key(&b) {
            return Arrived::Duplicate;
        }
        let cancel = self.takers(b).into_iter().filter(|taker| *taker != l).collect();
        self.assigned.retain(|(other, _)| *other != b);
        self.received.insert(b, l);
        Arrived::Fresh { cancel, piece_full: self.is_full(b.piece) }
    }

    fn compare(&self, download: &DownloadManager) {
        let have: BTreeSet<PieceIndex> = download.have().iter().collect();
        assert_eq!(have, self.have);
        for (l, pieces) in &self.peers {
            let interested = pieces.iter().any(|p| !self.have.contains(p) && !self.skipped.contains(p));
            assert_eq!(download.interested_in(*l), interested);
            assert_eq!(download.is_seed(*l), pieces.len() == PIECES as usize);
            for b in self.geometry.all_pieces().flat_map(|p| self.geometry.blocks(p)) {
                assert_eq!(download.flights.takers(b).iter().collect::<BTreeSet<_>>(), self.takers(b));
            }
        }
        let mut begun: BTreeSet<PieceIndex> = self.received.keys().map(|b| b.piece).collect();
        begun.extend(self.assigned.iter().map(|(b, _)| b.piece));
        assert_eq!(download.partials(), begun.len());
        let copies = |p: PieceIndex| {
            self.peers.values().filter(|pieces| pieces.contains(&p)).count()
                + usize::from(self.have.contains(&p))
        };
        let least = self.geometry.all_pieces().map(copies).min().unwrap();
        let more = self.geometry.all_pieces().filter(|p| copies(*p) > least).count();
        assert_eq!(download.availability() as usize, least * 1_000 + more * 1_000 / PIECES as usize);
    }
}

fn some_pieces(bits: u8) -> Bitfield {
    let mut pieces = Bitfield::new(PIECES);
    for at in (0..PIECES).filter(|at| bits >> at & 1 == 1) {
        pieces.set(piece(at));
    }
    pieces
}

fn run(have: u8, seed: u64, ops: Vec<Op>) {
    let geometry = Geometry::new(TOTAL, 3 * BLOCK_SIZE).unwrap();
    let mut download = DownloadManager::new(geometry, some_pieces(have), seed);
    let mut model = Model {
        geometry,
        have: some_pieces(have).iter().collect(),
        skipped: BTreeSet::new(),
        peers: BTreeMap::new(),
        received: BTreeMap::new(),
        assigned: BTreeSet::new(),
        suspects: BTreeMap::new(),
        failures: BTreeMap::new(),
    };
    // Names are never used again.
    let mut names: Vec<LinkId> = (0..LINKS).map(link).collect();
    let mut now = Instant::now();
    for op in ops {
        now += Duration::from_secs(1);
        match op {
            Op::Join(n) => {
                download.link_joined(names[n]);
                model.peers.entry(names[n]).or_default();
            }
            Op::Pieces(n, bits) => {
                download.link_pieces(names[n], PeerPieces::Some(some_pieces(bits)));
                if let Some(pieces) = model.peers.get_mut(&names[n]) {
                    *pieces = some_pieces(bits).iter().collect();
                }
            }
            Op::Seed(n) => {
                download.link_pieces(names[n], PeerPieces::All);
                if let Some(pieces) = model.peers.get_mut(&names[n]) {
                    *pieces = geometry.all_pieces().collect();
                }
            }
            Op::Has(n, p) => {
                download.link_has(names[n], piece(p));
                if let Some(pieces) = model.peers.get_mut(&names[n]) {
                    pieces.insert(piece(p));
                }
            }
            Op::HasNot(n, p) => {
                download.link_lost(names[n], piece(p));
                if let Some(pieces) = model.peers.get_mut(&names[n]) {
                    pieces.remove(&piece(p));
                }
            }
            Op::Gone(n) => {
                download.link_gone(names[n]);
                model.peers.remove(&names[n]);
                model.assigned.retain(|(_, l)| *l != names[n]);
                for suspects in model.suspects.values_mut() {
                    suspects.remove(&names[n]);
                }
                names[n] = LinkId(names[n].0 + LINKS as u64);
            }
            Op::Deal(n, blocks, speed) => {
                let mut out = Vec::new();
                download.deal(now, names[n], blocks, speed, &mut out);
                model.deal(names[n], blocks, &out);
                for p in download.take_restarts() {
                    let begun = model.received.iter().filter(|(b, _)| b.piece == p);
                    let begun: BTreeSet<LinkId> = begun.map(|(_, l)| *l).collect();
                    assert!(model.failures[&p] >= 3 && !begun.is_empty() && !begun.contains(&names[n]));
                    assert!(!model.assigned.iter().any(|(b, _)| b.piece == p), "{p:?} is being sent");
                    download.restarted(p);
                    model.forget(p);
                }
            }
            Op::DealOf(n, blocks, bits) => {
                let mut out = Vec::new();
                let named: Vec<PieceIndex> = some_pieces(bits).iter().chain([piece(PIECES)]).collect();
                download.deal_of(now, names[n], blocks, LinkSpeed::Slow, &named, &mut out);
                assert!(out.iter().all(|dealt| named.contains(&dealt.piece)));
                model.deal_of(names[n], blocks, &named, &out);
            }
            Op::DealSuggested(n, blocks, bits) => {
                let mut out = Vec::new();
                let named: Vec<PieceIndex> = some_pieces(bits).iter().chain([piece(PIECES)]).collect();
                download.deal_suggested(now, names[n], blocks, LinkSpeed::Slow, &named, &mut out);
                model.deal(names[n], blocks, &out);
            }
            Op::Return(at) => {
                if let Some((b, l)) = model.assigned.iter().nth(at % model.assigned.len().max(1)).copied() {
                    download.returned(l, b);
                    model.assigned.remove(&(b, l));
                }
            }
            Op::Arrive(at) => {
                if let Some((b, l)) = model.assigned.iter().nth(at % model.assigned.len().max(1)).copied() {
                    compare_arrivals(download.arrived(l, b), model.arrive(l, b));
                }
            }
            Op::Stray(n, p, b) => {
                compare_arrivals(
                    download.arrived(names[n], block(p, b)),
                    model.arrive(names[n], block(p, b)),
                );
            }
            Op::Verify(p) => {
                if model.is_full(piece(p)) {
                    download.verified(piece(p)).expect("a full piece is not had");
                    model.forget(piece(p));
                    model.suspects.remove(&piece(p));
                    model.failures.remove(&piece(p));
                    model.have.insert(piece(p));
                }
            }
            Op::Fail(p) => {
                if model.is_full(piece(p)) {
                    let senders: BTreeSet<LinkId> =
                        geometry.blocks(piece(p)).map(|b| model.received[&b]).collect();
                    let blame = download.failed(piece(p));
                    assert_eq!(blame.suspects, senders.iter().copied().collect::<Vec<_>>());
                    assert_eq!(blame.sole.is_some(), senders.len() == 1);
                    model.suspects.entry(piece(p)).or_default().extend(senders);
                    *model.failures.entry(piece(p)).or_default() += 1;
                    model.forget(piece(p));
                }
            }
            Op::Lost(p) => {
                download.lost(piece(p));
                model.forget(piece(p));
                model.have.remove(&piece(p));
            }
            Op::Disown(at) => {
                if let Some(b) = model.received.keys().nth(at % model.received.len().max(1)).copied() {
                    download.disowned(b);
                    model.received.remove(&b);
                }
            }
            Op::Prefer(p, priority) => {
                download.set_priorities([(piece(p), priority)]);
                match priority {
                    Priority::Skip => model.skipped.insert(piece(p)),
                    _ => model.skipped.remove(&piece(p)),
                };
            }
            Op::Check(bits) => {
                download.reset_have(some_pieces(bits));
                model.have = some_pieces(bits).iter().collect();
                model.received.clear();
                model.assigned.clear();
                model.suspects.clear();
                model.failures.clear();
            }
        }
        download.check_invariants();
        model.compare(&download);
    }
}

fn compare_arrivals(mut ours: Arrived, models: Arrived) {
    if let Arrived::Fresh { cancel, .. } = &mut ours {
        cancel.sort_unstable();
    }
    assert_eq!(ours, models);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_model(have in any::<u8>(), seed in any::<u64>(), ops in proptest::collection::vec(ops(), 1..120)) {
        run(have, seed, ops);
    }
}
