//! The bans as they are kept: one value. One that cannot be read stands for no bans.

use serde::{Deserialize, Serialize};

use super::value;
use crate::types::{BanReason, BanTarget, UnixTime};

/// The version that this program writes.
const VERSION: u8 = 1;

/// One ban, from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedBan {
    /// Whom it hits.
    pub target: BanTarget,
    /// Why.
    pub reason: BanReason,
    /// When it ends, by the wall clock.
    pub until: UnixTime,
}

/// The form in the store.
pub fn encode(bans: &[SavedBan]) -> Vec<u8> {
    value::encode(VERSION, bans)
}

/// Reads the form in the store; `None` when it is damaged or of another version.
pub fn decode(bytes: &[u8]) -> Option<Vec<SavedBan>> {
    value::decode(VERSION, bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::PieceIndex;

    fn bans() -> Vec<SavedBan> {
        let reasons = [
            BanReason::ByHand,
            BanReason::BadPiece(PieceIndex::new(7)),
            BanReason::BadBlock { piece: PieceIndex::new(7), block: 1 },
        ];
        let ban = |(at, reason)| SavedBan {
            target: BanTarget::of(std::net::SocketAddr::from(([11, 0, 0, at], 1))),
            reason,
            until: UnixTime(1 << 31),
        };
        (0..).zip(reasons).map(ban).collect()
    }

    #[test]
    fn bans_come_back_as_they_were() {
        assert_eq!(decode(&encode(&bans())), Some(bans()));
        assert_eq!(decode(&encode(&[])), Some(Vec::new()));
    }

    #[test]
    fn any_damage_shows() {
        let whole = encode(&bans());
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&whole[..at]), None, "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
