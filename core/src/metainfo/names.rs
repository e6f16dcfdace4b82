//! By which hashes a torrent is known: a hybrid has two, and peers and trackers know it by either (BEP 52).

use super::Metainfo;
use crate::types::{InfoHash, InfoHashV2};

impl Metainfo {
    /// The hash by which peers, trackers and the DHT are asked for it: that of the v1 part, which is what is
    /// transferred. Of a link that names only a v2 part the first 20 bytes of that.
    pub fn swarm_hash(&self) -> InfoHash {
        self.info_hash_v1.unwrap_or(self.info_hash)
    }

    /// Its name in the engine, the v1 hash, and the first 20 bytes of the v2 hash: as far as they are known, some
    /// of them twice.
    pub fn hashes(&self) -> impl Iterator<Item = InfoHash> + use<> {
        let short = self.info_hash_v2.map(InfoHashV2::truncated);
        [Some(self.info_hash), self.info_hash_v1, short].into_iter().flatten()
    }

    /// Whether both are one torrent, by any of their hashes.
    pub fn is_same(&self, other: &Self) -> bool {
        self.hashes().any(|hash| other.hashes().any(|other| other == hash))
    }

    /// Under this name in the engine, if that is one of its hashes: who began with the v2 part of a hybrid
    /// keeps its name.
    #[must_use]
    pub fn named(mut self, name: InfoHash) -> Self {
        if self.hashes().any(|hash| hash == name) {
            self.info_hash = name;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::magnet::Magnet;
    use crate::metainfo::Metainfo;

    #[test]
    fn a_hybrid_is_known_by_either_hash_and_met_by_its_v1_part() {
        let (v1, v2) = ("01".repeat(20), "02".repeat(32));
        let of = |link: &str| Metainfo::of_magnet(&Magnet::parse(link).unwrap());
        let hybrid = of(&format!("magnet:?xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}"));
        let half = of(&format!("magnet:?xt=urn:btmh:1220{v2}"));
        let other = of(&format!("magnet:?xt=urn:btih:{}", "03".repeat(20)));
        assert!(hybrid.is_same(&half) && half.is_same(&hybrid) && !hybrid.is_same(&other));
        assert_eq!(half.swarm_hash(), half.info_hash);
        let named = hybrid.clone().named(half.info_hash);
        assert_eq!((named.info_hash, named.swarm_hash()), (half.info_hash, hybrid.info_hash));
        assert_eq!(hybrid.clone().named(other.info_hash).info_hash, hybrid.info_hash);
    }
}
