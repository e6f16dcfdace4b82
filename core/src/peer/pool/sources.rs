//! Who named the peers of a torrent, and whose turn it is that one of theirs is dialled. No BEP.

use rustc_hash::FxHashMap;

use crate::stats::PeerSource;

/// Whether strangers name addresses there, who may say what they like.
pub const fn is_hearsay(source: PeerSource) -> bool {
    matches!(source, PeerSource::Dht | PeerSource::Pex | PeerSource::Lsd)
}

/// Whose turn it is: each source that has somebody to dial gets the same share of the dials.
#[derive(Debug, Default)]
pub struct SourceTurns {
    /// Dials of each source, as far as they count.
    had: FxHashMap<PeerSource, u64>,
    /// What the last one had before its dial. Who had nobody to dial for a while is not ahead for it.
    floor: u64,
}

impl SourceTurns {
    /// The source that is next among those that wait.
    pub fn next(&self, waiting: impl Iterator<Item = PeerSource>) -> Option<PeerSource> {
        waiting.min_by_key(|source| (*source != PeerSource::Manual, self.had(*source), *source))
    }

    /// A dial of this source.
    pub fn took(&mut self, source: PeerSource) {
        if source != PeerSource::Manual {
            self.floor = self.had(source);
            self.had.insert(source, self.floor + 1);
        }
    }

    fn had(&self, source: PeerSource) -> u64 {
        self.had.get(&source).copied().unwrap_or_default().max(self.floor)
    }
}
