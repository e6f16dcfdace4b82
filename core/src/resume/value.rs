//! A value that is kept whole: a version byte and four bytes of checksum, as a resume record has, then
//! postcard. One that cannot be read stands for none.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha1::{Digest, Sha1};

/// Version and checksum.
const HEADER: usize = 1 + CHECKSUM;
const CHECKSUM: usize = 4;

/// The form in the store.
pub(super) fn encode(version: u8, value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut bytes = vec![version];
    bytes.extend_from_slice(&[0; CHECKSUM]);
    let mut bytes = postcard::to_extend(value, bytes).expect("every field has a form in postcard");
    let sum = checksum(&bytes);
    bytes[1..HEADER].copy_from_slice(&sum);
    bytes
}

/// Reads the form in the store; `None` when it is damaged or of another version.
pub(super) fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Option<T> {
    if bytes.len() < HEADER || bytes[0] != version || bytes[1..HEADER] != checksum(bytes) {
        return None;
    }
    postcard::from_bytes(&bytes[HEADER..]).ok()
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash: [u8; 20] =
        Sha1::new().chain_update(&bytes[..1]).chain_update(&bytes[HEADER..]).finalize().into();
    std::array::from_fn(|at| hash[at])
}
