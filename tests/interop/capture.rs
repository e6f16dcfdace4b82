//! All packets that a place sends and gets, as tcpdump saw them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::net::Host;
use crate::work::Work;

/// One datagram, or the part of a stream that one packet carries. IPv4 only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When, since 1970.
    pub at: Duration,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// Where the part is in its stream; `None`: it is a datagram.
    pub sequence: Option<u32>,
    /// The stream begins behind it.
    pub begins: bool,
    pub payload: Vec<u8>,
}

/// A capture that goes on until it is dropped.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Begins at this place.
    pub fn start(host: &Host, work: &Work, name: &str) -> Self {
        let file = work.join(&format!("{name}.pcap"));
        let mut child = host
            .command("tcpdump")
            // Each packet whole and at once, in a buffer that a transfer does not fill, and as the user who asked.
            .args(["-i", "eth0", "-n", "-U", "-s", "0", "-B", "65536", "-Z", "root", "-w"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("looked for when the test began");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let listens = lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(listens, "tcpdump has ended");
        // What it says at its end goes nowhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, file }
    }

    /// What was seen so far.
    pub fn packets(&self) -> Vec<Packet> {
        let bytes = std::fs::read(&self.file).expect("tcpdump writes it");
        // A header of 24 bytes; then for each packet one of 16, with the length at 8, and the packet.
        let (mut packets, mut rest) = (Vec::new(), bytes.get(24..).unwrap_or_default());
        while let Some((head, after)) = rest.split_first_chunk::<16>() {
            let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
            let Some((frame, after)) = after.split_at_checked(length) else { break };
            let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let at = Duration::new(number(0).into(), number(4) * 1_000);
            packets.extend(packet(at, frame));
            rest = after;
        }
        packets
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It has nothing to lose: what it saw is in the file.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one Ethernet frame.
fn packet(at: Duration, frame: &[u8]) -> Option<Packet> {
    let number = |bytes: &[u8], at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    if number(frame, 12)? != 0x0800 {
        return None;
    }
    let ip = &frame[14..];
    let (head, total) = (usize::from(*ip.first()? & 0x0f) * 4, usize::from(number(ip, 2)?));
    let address = |place: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(place..place + 4)?).ok()?));
    let (from, to) = (address(12)?, address(16)?);
    // A frame may be filled up behind the packet.
    let inner = ip.get(head..total.min(ip.len()))?;
    let (from, to) = ((from, number(inner, 0)?).into(), (to, number(inner, 2)?).into());
    let packet = |sequence, begins, payload: &[u8]| {
        Some(Packet { at, from, to, sequence, begins, payload: payload.to_vec() })
    };
    match ip.get(9)? {
        6 => {
            let sequence = u32::from_be_bytes(inner.get(4..8)?.try_into().ok()?);
            let head = usize::from(*inner.get(12)? >> 4) * 4;
            packet(Some(sequence), inner.get(13)? & 0x02 != 0, inner.get(head..)?)
        }
        17 => packet(None, false, inner.get(8..)?),
        _ => None,
    }
}

/// What went from one end of each TCP connection to the other, from its beginning as far as it was seen.
pub fn streams(packets: &[Packet]) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let mut parts: BTreeMap<(SocketAddr, SocketAddr), Vec<&Packet>> = BTreeMap::new();
    for packet in packets.iter().filter(|packet| packet.sequence.is_some()) {
        parts.entry((packet.from, packet.to)).or_default().push(packet);
    }
    let stream = |((from, to), parts): ((SocketAddr, SocketAddr), Vec<&Packet>)| {
        let first = parts.iter().find(|part| part.begins)?.sequence?.wrapping_add(1);
        let mut placed: Vec<_> = parts
            .iter()
            .filter(|part| !part.payload.is_empty())
            .filter_map(|part| Some((part.sequence?.wrapping_sub(first) as usize, &part.payload)))
            .collect();
        placed.sort();
        let mut bytes = Vec::new();
        for (at, payload) in placed {
            // What was sent twice is there already.
            match bytes.len().checked_sub(at) {
                Some(there) => bytes.extend_from_slice(payload.get(there..).unwrap_or_default()),
                None => break,
            }
        }
        Some((from, to, bytes))
    };
    parts.into_iter().filter_map(stream).collect()
}
