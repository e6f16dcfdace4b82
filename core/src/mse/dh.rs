//! The key exchange: Diffie-Hellman with the prime and generator that all clients have in common.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U192, U768};

use super::MseError;

/// Bytes of a public key and of the secret, leading zeros among them.
pub const KEY_LEN: usize = 96;

/// Bytes of a private key: "a random at least 128 bit integer, more than 160 is of no use".
const PRIVATE_LEN: usize = 20;

const LIMBS: usize = U768::LIMBS;

const PRIME: Odd<U768> = Odd::<U768>::from_be_hex(concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
));

const PARAMS: FixedMontyParams<LIMBS> = FixedMontyParams::new_vartime(PRIME);

/// A private key and the public one that belongs to it.
pub struct KeyPair {
    private: U192,
    /// What the other side is told.
    pub public: [u8; KEY_LEN],
}

impl KeyPair {
    /// The pair of this private key. Some 40 µs.
    pub fn new(private: &[u8; PRIVATE_LEN]) -> Self {
        let mut wide = [0; 24];
        wide[24 - PRIVATE_LEN..].copy_from_slice(private);
        let private = U192::from_be_slice(&wide);
        Self { private, public: power(&U768::from_u8(2), &private) }
    }

    /// What both ends know and nobody else. Some 40 µs.
    ///
    /// # Errors
    /// The other key is 0, 1, one less than the prime, or beyond it: whoever looks on would know the secret.
    pub fn secret(&self, theirs: &[u8; KEY_LEN]) -> Result<[u8; KEY_LEN], MseError> {
        let theirs = U768::from_be_slice(theirs);
        if theirs <= U768::ONE || theirs >= PRIME.get().wrapping_sub(&U768::ONE) {
            return Err(MseError::WeakKey);
        }
        Ok(power(&theirs, &self.private))
    }
}

impl std::fmt::Debug for KeyPair {
    /// Without the private part.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

/// In constant time.
fn power(base: &U768, exponent: &U192) -> [u8; KEY_LEN] {
    let power = FixedMontyForm::new(base, &PARAMS).pow_bounded_exp(exponent, 8 * PRIVATE_LEN as u32);
    let mut bytes = [0; KEY_LEN];
    bytes.copy_from_slice(power.retrieve().to_be_bytes().as_slice());
    bytes
}
