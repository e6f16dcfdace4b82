//! Random conversations against a model of what was dealt: no block is lost, no link starves.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Say(Message),
    Send(u32, u32),
    Post(&'static str),
    Deal(u32, u32),
    Cancel(u32, u32),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let small = || prop_oneof![0..4_u32, Just(u32::MAX)];
    let begin = || prop_oneof![(0..6_u32).prop_map(|block| block * BLOCK), any::<u32>()];
    let length = || prop_oneof![Just(BLOCK), Just(3_616), Just(0), 0..200_000_u32];
    let says = prop_oneof![
        prop_oneof![
            Just(Message::Choke),
            Just(Message::Unchoke),
            Just(Message::Unchoke),
            Just(Message::Interested),
            Just(Message::HaveAll),
            Just(Message::HaveNone),
        ],
        (0..4_u32).prop_map(Message::AllowedFast),
        (0..4_u8).prop_map(lost),
        (0..3_u32).prop_map(Message::Have),
        (small(), begin(), length()).prop_map(|(index, begin, length)| Message::Request {
            index,
            begin,
            length
        }),
        (small(), begin(), length()).prop_map(|(index, begin, length)| Message::Cancel {
            index,
            begin,
            length
        }),
        (small(), begin(), length()).prop_map(|(index, begin, length)| Message::Reject {
            index,
            begin,
            length
        }),
    ];
    prop_oneof![
        4 => says.prop_map(Step::Say),
        1 => prop_oneof![Just("interested"), Just("interested"), Just("uninterested"), Just("choke"), Just("unchoke")]
            .prop_map(Step::Post),
        2 => (0..3_u32, 0..4_u32).prop_map(|(piece, block)| Step::Send(piece, block)),
        3 => (0..3_u32, 0..4_u32).prop_map(|(piece, block)| Step::Deal(piece, block)),
        1 => (0..3_u32, 0..4_u32).prop_map(|(piece, block)| Step::Cancel(piece, block)),
        1 => (0..70_u64).prop_map(Step::Wait),
    ]
}

/// The peer has this piece no more.
fn lost(piece: u8) -> Message {
    let payload = Bytes::copy_from_slice(&[0, 0, 0, piece]);
    Message::Extended { id: Extension::LtDontHave.our_id(), payload }
}

const BLOCK: u32 = crate::types::BLOCK_SIZE;

proptest! {
    /// However the conversation goes: a dealt block is in the hand, on its way, cancelled, come or
    /// given back, and never lost; a link without blocks that could ask has said that it is hungry.
    #[test]
    fn no_block_is_lost(
        agreed in prop_oneof![Just("x"), Just("xf")],
        steps in proptest::collection::vec(any_step(), 0..200),
    ) {
        let mut now = Instant::now();
        let have = ours(&[0]);
        let mut conn = Conn::open(now, geometry(), &opening(&have, agreed));
        let mut held = HashSet::new();
        let (mut unchoked, mut interested, mut hungry) = (false, false, false);
        for step in steps {
            match step {
                Step::Say(message) => {
                    if conn.on_message(now, message, |piece| piece.get() == 0).is_err() {
                        return Ok(());
                    }
                }
                Step::Send(index, block) => {
                    let data = vec![0; BLOCK as usize].into();
                    let message = Message::Piece { index, begin: block * BLOCK, data };
                    if conn.on_message(now, message, |_| false).is_err() {
                        return Ok(());
                    }
                }
                Step::Post(text) => {
                    interested = match text {
                        "interested" => true,
                        "uninterested" => false,
                        _ => interested,
                    };
                    conn.on_mail(now, mail(text));
                }
                Step::Deal(piece, block) => {
                    let piece = PieceIndex::new(piece);
                    let block = BlockRef { piece, block: block.min(geometry().blocks_in(piece) - 1) };
                    if held.insert(block) {
                        let mut mail = Mail::default();
                        mail.deal([block]);
                        hungry = false;
                        conn.on_mail(now, mail);
                    }
                }
                Step::Cancel(piece, block) => {
                    let block = BlockRef { piece: PieceIndex::new(piece), block };
                    if held.remove(&block) {
                        let mut mail = Mail::default();
                        mail.cancel(block);
                        conn.on_mail(now, mail);
                    }
                }
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    if conn.on_timeout(now).is_err() {
                        return Ok(());
                    }
                }
            }
            conn.play(now);
            for report in conn.reports.drain(..) {
                match report {
                    Report::Returned(blocks) => {
                        for block in blocks {
                            prop_assert!(held.remove(&block), "{block} was not held");
                        }
                    }
                    Report::Block(block) => {
                        held.remove(&block);
                    }
                    Report::Hungry(_) => hungry = true,
                    Report::Unchoked(now) => {
                        unchoked = now;
                        hungry &= now;
                    }
                    _ => {}
                }
            }
            conn.out.frames.clear();
            let there: HashSet<_> = conn.fetch.held().collect();
            prop_assert_eq!(&there, &held);
            let idle = unchoked && interested && held.is_empty();
            prop_assert!(!idle || hungry || conn.fetch.is_paused(now), "an idle link says nothing");
            prop_assert!(conn.next_timeout() > now || conn.on_timeout(now).is_ok());
        }
    }
}
