//! Encrypted handshakes: both sides take any bytes, in any parts. The first byte says where they are cut, the
//! second whether what follows the key is enciphered as by somebody who knows the secret.

use bytes::BytesMut;
use tc_core::InfoHash;
use tc_core::mse::cipher::Cipher;
use tc_core::mse::{Callee, Caller, Dice, KEY_LEN, KeyPair, Methods, Step, call_sign};

const TORRENT: InfoHash = InfoHash::new([7; 20]);

fn known(sign: &[u8; 20]) -> Option<InfoHash> {
    (*sign == call_sign(&TORRENT)).then_some(TORRENT)
}

fn dice(private: u8) -> Dice {
    Dice { keys: KeyPair::new(&[private; 20]), pad: Vec::new() }
}

pub fn check(bytes: &[u8]) {
    let [cut, honest, said @ ..] = bytes else { return };
    let cut = usize::from(*cut).max(1);
    let mut callee = Callee::new(dice(2), Methods::ANY);
    let mut input = BytesMut::new();
    if honest % 2 == 1 {
        // A caller that knows how, up to what it says under the cipher.
        let keys = KeyPair::new(&[3; 20]);
        input.extend_from_slice(&keys.public);
        assert!(matches!(callee.feed(&mut input, known), Ok(Step::Send(_))));
        let secret = keys.secret(&dice(2).keys.public).expect("a good key");
        input.extend_from_slice(&Caller::introduction(&secret, &TORRENT));
        let mut sealed = said.to_vec();
        Cipher::of(&secret, &TORRENT, true).out.apply(&mut sealed);
        feed(&sealed, cut, |part| {
            input.extend_from_slice(part);
            matches!(callee.feed(&mut input, known), Ok(Step::More))
        });
        return;
    }
    feed(said, cut, |part| {
        input.extend_from_slice(part);
        callee.feed(&mut input, known).is_ok_and(|step| !matches!(step, Step::Done(_)))
    });
    let (mut caller, first) = Caller::begin(dice(3), TORRENT, Methods::ANY);
    assert_eq!(first.len(), KEY_LEN);
    let mut input = BytesMut::new();
    feed(said, cut, |part| {
        input.extend_from_slice(part);
        caller.feed(&mut input, b"hello").is_ok_and(|step| !matches!(step, Step::Done(_)))
    });
}

fn feed(bytes: &[u8], cut: usize, mut goes_on: impl FnMut(&[u8]) -> bool) {
    for part in bytes.chunks(cut) {
        if !goes_on(part) {
            return;
        }
    }
}
