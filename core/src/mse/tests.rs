//! Both sides against each other, cut and changed in every way.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

const TORRENT: InfoHash = InfoHash::new([7; 20]);

fn dice(seed: u8, pad: usize) -> Dice {
    Dice { keys: KeyPair::new(&[seed.max(1); 20]), pad: vec![seed ^ 0x5a; pad] }
}

fn known(sign: &[u8; 20]) -> Option<InfoHash> {
    (*sign == call_sign(&TORRENT)).then_some(TORRENT)
}

/// What both sides have at the end, and the bytes that each has left in its input.
struct Meeting {
    caller: Agreed,
    callee: Accepted,
    left: [BytesMut; 2],
}

/// Lets both sides talk, `cut` bytes at a time, each saying more right behind its last word.
fn meet(
    ours: Methods,
    theirs: Methods,
    pads: [usize; 2],
    cut: usize,
    greeting: &[u8],
) -> Result<Meeting, MseError> {
    let (mut caller, first) = Caller::begin(dice(3, pads[0]), TORRENT, ours);
    let mut callee = Callee::new(dice(9, pads[1]), theirs);
    let (mut to_callee, mut to_caller) = (BytesMut::from(&first[..]), BytesMut::new());
    let (mut called, mut caller_in, mut callee_in) = (None, BytesMut::new(), BytesMut::new());
    for _ in 0..5_000 {
        let take = |from: &mut BytesMut| from.split_to(from.len().min(cut));
        callee_in.extend_from_slice(&take(&mut to_callee));
        if called.is_none() {
            match callee.feed(&mut callee_in, known)? {
                Step::More => {}
                Step::Send(bytes) => to_caller.extend_from_slice(&bytes),
                Step::Done(mut accepted) => {
                    to_caller.extend_from_slice(&accepted.reply);
                    let mut more = *b"from the callee";
                    if let Some(cipher) = &mut accepted.agreed.cipher {
                        cipher.out.apply(&mut more);
                    }
                    to_caller.extend_from_slice(&more);
                    called = Some(accepted);
                }
            }
        }
        caller_in.extend_from_slice(&take(&mut to_caller));
        match caller.feed(&mut caller_in, greeting)? {
            Step::More => {}
            Step::Send(bytes) => to_callee.extend_from_slice(&bytes),
            Step::Done(agreed) => {
                let callee = called.expect("the callee is through before the caller is");
                return Ok(Meeting { caller: agreed, callee, left: [caller_in, callee_in] });
            }
        }
    }
    panic!("they never came to an end");
}

fn deciphered(agreed: &mut Agreed, bytes: &mut [u8]) {
    if let Some(cipher) = &mut agreed.cipher {
        cipher.into.apply(bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_ends_agree(
        ours in 1_u32..4, theirs in 1_u32..4, a in 0_usize..=MAX_PAD, b in 0_usize..=MAX_PAD,
        cut in prop_oneof![Just(1_usize), 2_usize..200, Just(10_000)],
        greeting in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let met = meet(Methods(ours), Methods(theirs), [a, b], cut, &greeting);
        let Some(want) = Methods(theirs).choose(ours) else {
            prop_assert_eq!(met.err(), Some(MseError::NoMethod));
            return Ok(());
        };
        let mut met = met.unwrap();
        prop_assert_eq!((met.caller.method, met.callee.agreed.method), (want, want));
        prop_assert_eq!(met.callee.torrent, TORRENT);
        prop_assert_eq!(&met.left[1][..], &greeting[..]);
        // What had come when the end did is deciphered; what comes later is so by whoever reads it.
        let begun = &b"from the callee"[..met.left[0].len()];
        prop_assert_eq!(&met.left[0][..], begun);
        let mut words = *b"and so on";
        if let Some(cipher) = &mut met.caller.cipher {
            cipher.out.apply(&mut words);
            prop_assert_ne!(&words, b"and so on");
        }
        deciphered(&mut met.callee.agreed, &mut words);
        prop_assert_eq!(&words, b"and so on");
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), cut in 1_usize..700) {
        let (mut caller, _) = Caller::begin(dice(1, 0), TORRENT, Methods::ANY);
        let mut callee = Callee::new(dice(2, 0), Methods::ANY);
        let (mut a, mut b) = (BytesMut::new(), BytesMut::new());
        for part in bytes.chunks(cut) {
            a.extend_from_slice(part);
            b.extend_from_slice(part);
            if caller.feed(&mut a, b"").is_err() || callee.feed(&mut b, known).is_err() {
                break;
            }
        }
        prop_assert!(a.len() <= bytes.len() && b.len() <= bytes.len());
    }
}

/// Says to a callee what a caller would, with `change` made to its second message before it is enciphered.
fn said(sealed: &[u8]) -> Result<Step<Accepted>, MseError> {
    let theirs = dice(3, 0);
    let mut callee = Callee::new(dice(9, 0), Methods::ANY);
    let mut input = BytesMut::from(&theirs.keys.public[..]);
    let Ok(Step::Send(key)) = callee.feed(&mut input, known) else { panic!("a key is answered") };
    let secret = theirs.keys.secret(key.first_chunk().unwrap()).unwrap();
    let mut cipher = Cipher::of(&secret, &TORRENT, true);
    let mut sealed = sealed.to_vec();
    cipher.out.apply(&mut sealed);
    input.extend_from_slice(&Caller::introduction(&secret, &TORRENT));
    input.extend_from_slice(&sealed);
    callee.feed(&mut input, known)
}

#[test]
fn a_call_that_is_wrong_is_refused_with_its_reason() {
    let check = |sealed: &[u8], want: MseError| match said(sealed) {
        Err(error) => assert_eq!(error, want),
        other => panic!("{other:?}"),
    };
    let good = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0];
    assert!(matches!(said(&good), Ok(Step::Done(_))));
    let mut wrong = good;
    wrong[7] = 1;
    check(&wrong, MseError::WrongCheck);
    let mut nothing = good;
    nothing[11] = 0;
    check(&nothing, MseError::NoMethod);
    nothing[11] = 0xfc;
    check(&nothing, MseError::NoMethod);
    let mut padded = good;
    padded[12] = 2;
    padded[13] = 1;
    check(&padded, MseError::Padding(513));
}

#[test]
fn keys_that_give_the_secret_away_are_refused() {
    let pair = KeyPair::new(&[5; 20]);
    let mut prime = [0xff; KEY_LEN];
    let hex = data_encoding::HEXUPPER.decode(
        b"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    );
    prime.copy_from_slice(&hex.unwrap());
    let number = |last: u8| {
        let mut key = [0; KEY_LEN];
        key[KEY_LEN - 1] = last;
        key
    };
    let mut one_less = prime;
    one_less[KEY_LEN - 1] -= 1;
    for weak in [number(0), number(1), one_less, prime, [0xff; KEY_LEN]] {
        assert_eq!(pair.secret(&weak), Err(MseError::WeakKey));
    }
    assert_ne!(pair.secret(&number(2)).unwrap(), [0; KEY_LEN]);
    assert_eq!(pair.secret(&number(2)).unwrap(), pair.public, "two is the generator");
}

#[test]
fn what_is_no_call_ends_after_the_longest_padding() {
    let mut callee = Callee::new(dice(9, 0), Methods::ANY);
    let mut input = BytesMut::from(&dice(3, 0).keys.public[..]);
    assert!(matches!(callee.feed(&mut input, known), Ok(Step::Send(_))));
    input.extend_from_slice(&[1; MAX_PAD + 19]);
    assert!(matches!(callee.feed(&mut input, known), Ok(Step::More)));
    input.extend_from_slice(&[1]);
    assert_eq!(callee.feed(&mut input, known).err(), Some(MseError::NoSync));

    let (mut caller, _) = Caller::begin(dice(3, 0), TORRENT, Methods::ANY);
    let mut input = BytesMut::from(&dice(9, 0).keys.public[..]);
    assert!(matches!(caller.feed(&mut input, b"hello"), Ok(Step::Send(_))));
    input.extend_from_slice(&[1; MAX_PAD + 7]);
    assert!(matches!(caller.feed(&mut input, b""), Ok(Step::More)));
    input.extend_from_slice(&[1]);
    assert_eq!(caller.feed(&mut input, b"").err(), Some(MseError::NoSync));
}

#[test]
fn who_answers_a_key_with_a_plain_handshake_is_told_at_once() {
    let (mut caller, _) = Caller::begin(dice(3, 0), TORRENT, Methods::ANY);
    let mut input = BytesMut::from(&b"\x13BitTorrent protoco"[..]);
    assert!(matches!(caller.feed(&mut input, b"hello"), Ok(Step::More)));
    input.extend_from_slice(b"l");
    assert_eq!(caller.feed(&mut input, b"hello").err(), Some(MseError::Plain));
}

#[test]
fn another_torrent_is_not_revealed() {
    let (mut caller, first) = Caller::begin(dice(3, 20), InfoHash::new([8; 20]), Methods::ANY);
    let mut callee = Callee::new(dice(9, 20), Methods::ANY);
    let mut input = BytesMut::from(&first[..]);
    let Ok(Step::Send(key)) = callee.feed(&mut input, known) else { panic!("a key is answered") };
    let Ok(Step::Send(call)) = caller.feed(&mut BytesMut::from(&key[..]), b"hello") else { panic!("a call") };
    input.extend_from_slice(&call);
    assert_eq!(callee.feed(&mut input, known).err(), Some(MseError::OtherTorrent));
}

#[test]
fn the_caller_takes_only_what_it_offered() {
    let met = meet(Methods::RC4, Methods::ANY, [0, 0], 10_000, b"").unwrap();
    assert_eq!(met.caller.method, Method::Rc4);
    for (methods, select) in [(Methods::RC4, PLAIN), (Methods::ANY, 3), (Methods::ANY, 0), (Methods::ANY, 4)]
    {
        assert_eq!(methods.chosen(select), None);
    }
}
