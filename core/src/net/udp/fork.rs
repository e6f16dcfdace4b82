//! The fork behind the UDP sockets: each datagram goes to the protocol that it belongs to.
//!
//! The first byte tells the protocols apart; what fits none is dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Replies of trackers that wait. Few are on their way at once; what a flood pushes out is asked again.
const TRACKER_REPLIES: usize = 64;

/// Datagrams of the DHT that wait: some milliseconds of a node that is asked a lot.
const DHT_MESSAGES: usize = 256;

/// Batches of uTP packets that wait.
const UTP_BATCHES: usize = 1_024;

/// Bytes of uTP packets that wait: 30 ms of a link of 1 Gbit/s. What comes beyond is lost, and its
/// senders slow down.
const UTP_BYTES: usize = 4 << 20;

/// The shortest uTP packet: a header alone (BEP 29).
const UTP_HEADER: usize = 20;

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it, as far as anybody can know.
    pub from: SocketAddr,
    /// The address of ours that it came to, where an answer can leave from; `None`: it came to many at
    /// once, or the system did not say.
    pub to: Option<IpAddr>,
    /// All of it. Those that came in together share memory: who keeps a few of them for long copies them.
    pub bytes: Bytes,
}

/// Datagrams that came in together, in order.
#[derive(Debug)]
pub struct Batch {
    datagrams: Vec<Datagram>,
    room: Room,
}

/// The part of [`UTP_BYTES`] that a batch takes, until it is dropped.
#[derive(Debug)]
struct Room {
    bytes: usize,
    taken: Arc<AtomicUsize>,
}

impl Batch {
    /// Takes the datagrams out.
    pub fn take(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.datagrams)
    }

    /// The datagrams.
    pub fn datagrams(&self) -> &[Datagram] {
        &self.datagrams
    }

    /// Their bytes together.
    pub const fn bytes(&self) -> usize {
        self.room.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The protocols that share a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// BEP 15: a reply begins with its action, a number below 256 in four bytes.
    Tracker,
    /// BEP 5: a dictionary in bencode.
    Dht,
    /// BEP 29: a header of type 0 to 4 and version 1, which share the first byte.
    Utp,
}

impl Protocol {
    /// Whose datagram this is; `None`: nobody's.
    pub const fn of(datagram: &[u8]) -> Option<Self> {
        match datagram {
            [0, ..] => Some(Self::Tracker),
            [b'd', ..] => Some(Self::Dht),
            [0x01 | 0x11 | 0x21 | 0x31 | 0x41, ..] if datagram.len() >= UTP_HEADER => Some(Self::Utp),
            _ => None,
        }
    }
}

/// Where each protocol takes its datagrams from. A queue that is full loses what comes next, as any
/// part of a network may.
#[derive(Debug)]
pub struct Takers {
    /// For [`Protocol::Tracker`].
    pub tracker: mpsc::Receiver<Datagram>,
    /// For [`Protocol::Dht`].
    pub dht: mpsc::Receiver<Datagram>,
    /// For [`Protocol::Utp`]; its bytes are bounded too. While the receiver is dropped, so are its packets.
    pub utp: mpsc::Receiver<Batch>,
}

/// The way to the takers.
#[derive(Clone, Debug)]
pub(super) struct Fork {
    tracker: mpsc::Sender<Datagram>,
    dht: mpsc::Sender<Datagram>,
    utp: mpsc::Sender<Batch>,
    /// Bytes that wait in `utp`.
    waiting: Arc<AtomicUsize>,
}

impl Fork {
    pub(super) fn new() -> (Self, Takers) {
        let (to_tracker, tracker) = mpsc::channel(TRACKER_REPLIES);
        let (to_dht, dht) = mpsc::channel(DHT_MESSAGES);
        let (to_utp, utp) = mpsc::channel(UTP_BATCHES);
        let fork = Self { tracker: to_tracker, dht: to_dht, utp: to_utp, waiting: Arc::default() };
        (fork, Takers { tracker, dht, utp })
    }

    /// Hands over what came in at once: datagrams of `stride` bytes, of which the last may be shorter. Those
    /// of uTP go to `packets`, so that one batch can be made of more.
    pub(super) fn sort(
        &self,
        from: SocketAddr,
        to: Option<IpAddr>,
        bytes: &[u8],
        stride: usize,
        packets: &mut Vec<Datagram>,
    ) {
        // One copy for all, and none where nobody wants them.
        let mut copied = None;
        let mut at = 0;
        for datagram in bytes.chunks(stride.max(1)) {
            let (start, end) = (at, at + datagram.len());
            at = end;
            let queue = match Protocol::of(datagram) {
                None => continue,
                Some(Protocol::Utp) => {
                    let all = copied.get_or_insert_with(|| Bytes::copy_from_slice(bytes));
                    packets.push(Datagram { from, to, bytes: all.slice(start..end) });
                    continue;
                }
                Some(Protocol::Tracker) => &self.tracker,
                Some(Protocol::Dht) => &self.dht,
            };
            if let Ok(place) = queue.try_reserve() {
                place.send(Datagram { from, to, bytes: Bytes::copy_from_slice(datagram) });
            }
        }
    }

    /// Hands the packets of uTP over, as far as there is room; `packets` is empty afterwards.
    pub(super) fn hand_over(&self, packets: &mut Vec<Datagram>) {
        if packets.is_empty() {
            return;
        }
        let datagrams = std::mem::take(packets);
        let bytes = datagrams.iter().map(|packet| packet.bytes.len()).sum();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let batch = Batch { datagrams, room: Room { bytes, taken: self.waiting.clone() } };
        if before + bytes <= UTP_BYTES {
            // What finds no place is lost, and gives its room back.
            let _ = self.utp.try_send(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "11.1.0.1:9";

    fn utp(number: u16, length: usize) -> Vec<u8> {
        let mut packet = vec![0; length];
        packet[0] = 0x01;
        packet[16..18].copy_from_slice(&number.to_be_bytes());
        packet
    }

    #[test]
    fn the_first_byte_tells_whose_it_is() {
        for action in 0..4_u32 {
            assert_eq!(Protocol::of(&action.to_be_bytes()), Some(Protocol::Tracker));
        }
        assert_eq!(Protocol::of(b"d1:ad2:id"), Some(Protocol::Dht));
        for kind in 0..=15_u8 {
            let mut packet = [0; UTP_HEADER];
            packet[0] = kind << 4 | 1;
            assert_eq!(Protocol::of(&packet), (kind < 5).then_some(Protocol::Utp), "type {kind}");
            assert_eq!(Protocol::of(&packet[1..][..19]), Some(Protocol::Tracker));
            packet[0] = kind << 4 | 2;
            assert_ne!(Protocol::of(&packet), Some(Protocol::Utp), "another version");
        }
        // Shorter than a header.
        for other in [&b""[..], b"\x01", &[0x41; 19], b"l", b"\xff"] {
            assert_eq!(Protocol::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_came_in_at_once_is_told_apart() {
        let (fork, mut takers) = Fork::new();
        let mut all = utp(1, 24);
        all.extend_from_slice(b"d1:ad2:idxxxxxxxxxxxxxxx");
        all.extend(utp(2, 24));
        all.extend(utp(3, 21));
        let (from, to) = (FROM.parse().unwrap(), Some("11.2.0.1".parse().unwrap()));
        let mut packets = Vec::new();
        fork.sort(from, to, &all, 24, &mut packets);
        fork.sort(from, to, &[], 0, &mut packets);
        fork.sort(from, to, &utp(4, 30), 30, &mut packets);
        fork.hand_over(&mut packets);
        let got = takers.dht.try_recv().unwrap();
        assert_eq!((got.from, got.to, got.bytes.len()), (from, to, 24));
        let batch = takers.utp.try_recv().unwrap();
        let lengths: Vec<_> = batch.datagrams().iter().map(|packet| packet.bytes.len()).collect();
        assert_eq!((lengths, batch.bytes()), (vec![24, 24, 21, 30], 99));
        let numbers = batch.datagrams().iter().map(|packet| packet.bytes[17]);
        assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(takers.utp.try_recv().is_err(), "one batch");
    }

    #[test]
    fn a_full_queue_loses_datagrams_and_nothing_else() {
        let (fork, mut takers) = Fork::new();
        let from = FROM.parse().unwrap();
        for n in 0..TRACKER_REPLIES + 100 {
            fork.sort(from, None, &[0, n as u8], 2, &mut Vec::new());
        }
        for n in 0..TRACKER_REPLIES {
            assert_eq!(takers.tracker.try_recv().unwrap().bytes[1], n as u8);
        }
        assert!(takers.tracker.try_recv().is_err());
    }

    #[test]
    fn what_waits_for_utp_is_bounded_in_bytes() {
        let (fork, mut takers) = Fork::new();
        let from = FROM.parse().unwrap();
        let flood = |count: usize| {
            for _ in 0..count {
                let mut packets = Vec::new();
                fork.sort(from, None, &utp(1, 1_500).repeat(40), 1_500, &mut packets);
                fork.hand_over(&mut packets);
            }
        };
        flood(200);
        let mut waiting = 0;
        while let Ok(batch) = takers.utp.try_recv() {
            waiting += batch.bytes();
        }
        assert!(waiting > UTP_BYTES - 60_000 && waiting <= UTP_BYTES, "{waiting}");
        // All room is there again, and without a taker nothing piles up.
        flood(1);
        assert_eq!(takers.utp.try_recv().unwrap().take().len(), 40);
        drop(takers);
        flood(200);
        assert_eq!(fork.waiting.load(Ordering::Relaxed), 0);
    }
}
