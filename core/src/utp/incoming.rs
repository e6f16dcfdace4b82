//! What comes in: packets into a stream of bytes, and which of them to acknowledge (BEP 29, "selective ack").

use std::collections::VecDeque;

use super::seq::Seq;

/// Packets that may be ahead of the first that is missing. At the usual size they are more than the window.
pub const MAX_AHEAD: i32 = 8192;

/// The most bytes of a mask: the length is one byte, and a multiple of four.
const MAX_MASK: usize = 252;

/// What a packet that waits costs beside its payload: a hostile peer may send bytes one by one.
const OVERHEAD: usize = 64;

/// A buffer of less is kept when it is empty.
const KEPT: usize = 64 << 10;

/// A packet that waits for those before it.
#[derive(Clone, Debug)]
enum Ahead {
    Data(Box<[u8]>),
    Fin,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// It was the next one. `filled`: it was missing, and others had waited for it.
    InOrder {
        /// A gap was closed.
        filled: bool,
    },
    /// Others are missing before it.
    Ahead,
    /// It was there already, or does not fit; the sender is told what is there.
    No,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The last packet in order.
    ack: Seq,
    /// Payload in order that was not read yet. Bounded by what [`take`](Self::take) is told.
    ready: VecDeque<u8>,
    /// Those after the first that is missing: the first here is number `ack + 2`. Bounded by
    /// [`MAX_AHEAD`] and, in bytes, together with `ready`.
    ahead: VecDeque<Option<Ahead>>,
    ahead_bytes: usize,
    fin: Option<Seq>,
}

impl Incoming {
    /// A direction whose next packet is the one after `ack`.
    pub const fn new(ack: Seq) -> Self {
        Self { ack, ready: VecDeque::new(), ahead: VecDeque::new(), ahead_bytes: 0, fin: None }
    }

    /// The last packet that arrived in order.
    pub const fn ack(&self) -> Seq {
        self.ack
    }

    /// Payload bytes that can be read.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Bytes of memory that are in use.
    pub fn held(&self) -> usize {
        self.ready.len() + self.ahead_bytes
    }

    /// Whether nothing comes after what can be read.
    pub fn has_ended(&self) -> bool {
        self.fin == Some(self.ack)
    }

    /// Whether packets wait for one that is missing.
    pub fn has_gap(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Takes a packet: payload, or the FIN. No more than `room` bytes are held.
    pub fn take(&mut self, seq: Seq, payload: &[u8], is_fin: bool, room: usize) -> Took {
        let payload = if is_fin { &[][..] } else { payload };
        let distance = seq.after(self.ack);
        let beyond_end = self.fin.is_some_and(|fin| seq.after(fin) > 0 || (is_fin && fin != seq));
        if distance <= 0 || distance > MAX_AHEAD || beyond_end || self.has_ended() {
            return Took::No;
        }
        if self.held().saturating_add(payload.len()) > room {
            return Took::No;
        }
        if is_fin && self.fin.is_none() {
            // What waits behind the end is a lie; the end is as well, then.
            if usize::try_from(distance - 2).unwrap_or(0) < self.ahead.len() {
                return Took::No;
            }
            self.fin = Some(seq);
        }
        let Ok(place) = usize::try_from(distance - 2) else {
            self.ready.extend(payload);
            self.ack = seq;
            let filled = self.has_gap();
            self.advance();
            return Took::InOrder { filled };
        };
        if self.ahead.len() <= place {
            self.ahead.resize_with(place + 1, || None);
        }
        if self.ahead[place].is_some() {
            return Took::No;
        }
        self.ahead[place] = Some(if is_fin { Ahead::Fin } else { Ahead::Data(payload.into()) });
        self.ahead_bytes += payload.len() + OVERHEAD;
        Took::Ahead
    }

    /// Moves what is in order now to where it can be read.
    fn advance(&mut self) {
        while let Some(next) = self.ahead.pop_front() {
            let Some(packet) = next else { break };
            self.ahead_bytes -= OVERHEAD;
            if let Ahead::Data(payload) = packet {
                self.ahead_bytes -= payload.len();
                self.ready.extend(&*payload);
            }
            self.ack = self.ack.plus(1);
        }
        if self.ahead.is_empty() && self.ahead.capacity() > 512 {
            self.ahead = VecDeque::new();
        }
    }

    /// Moves as much as fits into `out`; returns how much.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let length = out.len().min(self.ready.len());
        let (first, second) = self.ready.as_slices();
        let split = first.len().min(length);
        out[..split].copy_from_slice(&first[..split]);
        out[split..length].copy_from_slice(&second[..length - split]);
        self.ready.drain(..length);
        if self.ready.is_empty() && self.ready.capacity() > KEPT {
            self.ready = VecDeque::new();
        }
        length
    }

    /// Throws away what nobody is going to read.
    pub fn discard(&mut self) {
        self.ready = VecDeque::new();
    }

    /// The mask of packets that are there behind one that is missing: bit `i` is number `ack + 2 + i`.
    /// Empty where nothing is.
    pub fn mask(&self, out: &mut Vec<u8>) {
        out.clear();
        let bytes = self.ahead.len().div_ceil(32) * 4;
        out.resize(bytes.min(MAX_MASK), 0);
        for (place, packet) in self.ahead.iter().take(out.len() * 8).enumerate() {
            if packet.is_some() {
                out[place / 8] |= 1 << (place % 8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: usize = 1 << 20;

    fn read(incoming: &mut Incoming) -> Vec<u8> {
        let mut out = vec![0; incoming.ready()];
        assert_eq!(incoming.read(&mut out), out.len());
        out
    }

    #[test]
    fn packets_wait_for_those_before_them() {
        let mut incoming = Incoming::new(Seq(u16::MAX - 1));
        assert_eq!(incoming.take(Seq(1), b"c", false, ROOM), Took::Ahead);
        assert_eq!(incoming.take(Seq(1), b"c", false, ROOM), Took::No);
        let mut mask = Vec::new();
        incoming.mask(&mut mask);
        assert_eq!(mask, [0b10, 0, 0, 0], "number ack + 3");
        assert_eq!(incoming.take(Seq(u16::MAX), b"a", false, ROOM), Took::InOrder { filled: true });
        assert_eq!(incoming.ack(), Seq(u16::MAX));
        incoming.mask(&mut mask);
        assert_eq!(mask, [0b1, 0, 0, 0]);
        assert_eq!(incoming.take(Seq(2), b"", true, ROOM), Took::Ahead);
        assert_eq!(incoming.take(Seq(0), b"b", false, ROOM), Took::InOrder { filled: true });
        assert_eq!(read(&mut incoming), b"abc");
        assert!(incoming.has_ended() && !incoming.has_gap());
        assert_eq!(incoming.held(), 0);
        incoming.mask(&mut mask);
        assert!(mask.is_empty());
        assert_eq!(incoming.take(Seq(3), b"more", false, ROOM), Took::No, "behind the end");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut incoming = Incoming::new(Seq(0));
        assert_eq!(incoming.take(Seq(1), &[0; 60], false, 100), Took::InOrder { filled: false });
        assert_eq!(incoming.take(Seq(2), &[0; 60], false, 100), Took::No);
        assert_eq!(incoming.take(Seq(3), &[0; 10], false, 100), Took::Ahead);
        assert_eq!(incoming.take(Seq(4), b"", false, 100), Took::No, "each costs more than its payload");
        let far = Seq(1).plus(MAX_AHEAD as u16);
        assert_eq!(incoming.take(far.plus(1), b"x", false, ROOM), Took::No);
        assert_eq!(incoming.take(Seq(0), b"x", false, ROOM), Took::No);
    }

    #[test]
    fn there_is_one_end_and_nothing_behind_it() {
        let mut incoming = Incoming::new(Seq(0));
        assert_eq!(incoming.take(Seq(5), b"x", false, ROOM), Took::Ahead);
        assert_eq!(incoming.take(Seq(3), b"", true, ROOM), Took::No, "something is behind it");
        assert_eq!(incoming.take(Seq(7), b"", true, ROOM), Took::Ahead);
        assert_eq!(incoming.take(Seq(6), b"", true, ROOM), Took::No);
        assert_eq!(incoming.take(Seq(8), b"x", false, ROOM), Took::No);
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_bytes(
            order in Just((0..60_u16).collect::<Vec<_>>()).prop_shuffle(),
            first: u16,
            again in prop::collection::vec(0..60_u16, 0..40),
        ) {
            let mut incoming = Incoming::new(Seq(first).before());
            for n in order.into_iter().chain(again) {
                incoming.take(Seq(first).plus(n), &vec![n as u8; usize::from(n % 7)], n == 59, ROOM);
            }
            let expected: Vec<u8> = (0..59_u16).flat_map(|n| vec![n as u8; usize::from(n % 7)]).collect();
            prop_assert!(incoming.has_ended());
            prop_assert_eq!(read(&mut incoming), expected);
            prop_assert_eq!(incoming.held(), 0);
        }
    }
}
