//! Merkle trees over SHA-256 (BEP 52): binary, missing leaves on the right are zero hashes.

use sha2::{Digest, Sha256};

/// Bytes of one hash.
pub const HASH_LEN: usize = 32;

/// One node of a tree.
pub type Hash = [u8; HASH_LEN];

/// A pair becomes its parent.
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of a tree that has no data below: `height` levels above its leaves, which are zero.
pub fn empty(height: u32) -> Hash {
    (0..height).fold([0; HASH_LEN], |node, _| parent(&node, &node))
}

/// The root above some layer of a tree, filled up on the right to a power of two with `pad`, which
/// is the [`empty`] node of that layer. Zero hashes have the root `pad`.
///
/// Keeps one node per level, so a layer of any length costs no memory.
pub fn root<'a>(layer: impl IntoIterator<Item = &'a Hash>, pad: Hash) -> Hash {
    // What stands at level n has 2^n hashes of the layer below it and waits for its right half.
    let mut waiting: Vec<Option<Hash>> = Vec::new();
    for hash in layer {
        let mut node = *hash;
        let mut level = 0;
        loop {
            match waiting.get_mut(level) {
                None => {
                    waiting.push(Some(node));
                    break;
                }
                Some(slot) => match slot.take() {
                    None => {
                        *slot = Some(node);
                        break;
                    }
                    Some(left) => node = parent(&left, &node),
                },
            }
            level += 1;
        }
    }
    let mut filler = pad;
    let mut carried: Option<Hash> = None;
    let top = waiting.len().saturating_sub(1);
    for (level, slot) in waiting.into_iter().enumerate() {
        carried = match (slot, carried) {
            (Some(left), Some(right)) => Some(parent(&left, &right)),
            (Some(whole), None) if level == top => Some(whole),
            (Some(left), None) => Some(parent(&left, &filler)),
            (None, Some(left)) => Some(parent(&left, &filler)),
            (None, None) => None,
        };
        filler = parent(&filler, &filler);
    }
    carried.unwrap_or(pad)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, written down: fill up to a power of two, then halve until one is left.
    fn slow_root(layer: &[Hash], pad: Hash) -> Hash {
        let mut level = layer.to_vec();
        level.resize(layer.len().next_power_of_two(), pad);
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| parent(&pair[0], &pair[1])).collect();
        }
        level[0]
    }

    #[test]
    fn agrees_with_the_definition() {
        let layer: Vec<Hash> = (0..70_u8).map(|i| [i; HASH_LEN]).collect();
        for pad in [empty(0), empty(3)] {
            for len in 0..layer.len() {
                assert_eq!(root(&layer[..len], pad), slow_root(&layer[..len], pad), "{len} hashes");
            }
        }
    }

    #[test]
    fn an_empty_tree_is_made_of_zeros() {
        assert_eq!(empty(0), [0; HASH_LEN]);
        assert_eq!(empty(2), slow_root(&[[0; HASH_LEN]; 4], [0; HASH_LEN]));
    }
}
