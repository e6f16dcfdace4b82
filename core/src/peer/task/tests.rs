//! A link's task between a raw stream and a real disk.

use std::sync::Arc;

use sha1::{Digest as _, Sha1};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::bitfield::Bitfield;
use crate::geometry::Geometry;
use crate::peer::conn::Opening;
use crate::storage::{DiskDone, Layout, entries};
use crate::types::{BLOCK_SIZE, InfoHash, PieceIndex};
use crate::wire::extended::OurHandshake;
use crate::wire::handshake::Reserved;
use crate::wire::message::Message;

const PATIENCE: Duration = Duration::from_secs(20);
const PIECE: u32 = 4 * BLOCK_SIZE;
const PIECES: u32 = 32;

/// A link, with the test in the place of the peer and of the session.
struct Bench {
    peer: DuplexStream,
    inbox: BytesMut,
    decoder: Decoder,
    mailbox: Arc<Mailbox>,
    gauge: Arc<LinkGauge>,
    reports: mpsc::Receiver<PeerReport>,
    disk: Disk,
    storage: Arc<Storage>,
    content: Vec<u8>,
    task: JoinHandle<()>,
    _folder: TempDir,
}

/// What differs between tests.
struct Options {
    /// Bytes that the stream holds in each direction.
    pipe: usize,
    disk_buffer: usize,
    /// Whether we have everything at the start.
    seed: bool,
    down: Limiter,
    /// Batches of reports that the session's inbox holds.
    inbox: usize,
    /// Whether both sides speak the fast extension.
    fast: bool,
}

impl Default for Options {
    fn default() -> Self {
        let down = Limiter::new(None);
        Self { pipe: 64 * 1024, disk_buffer: 1 << 20, seed: false, down, inbox: 64, fast: false }
    }
}

impl Bench {
    async fn new(options: Options) -> Self {
        let geometry = Geometry::new(u64::from(PIECE * PIECES), PIECE).unwrap();
        let content: Vec<u8> =
            (0..geometry.total()).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let hashes: Vec<[u8; 20]> =
            content.chunks(PIECE as usize).map(|piece| Sha1::digest(piece).into()).collect();
        let folder = tempfile::tempdir().unwrap();
        let files = entries(&[(geometry.total(), false)]);
        let disk = Disk::start(1, options.disk_buffer, 8).unwrap();
        let storage = disk.open(Layout::from_parts(geometry, files, folder.path(), Arc::new(hashes)));
        if options.seed {
            for piece in geometry.all_pieces() {
                for block in geometry.blocks(piece) {
                    let data = part(&content, &geometry, block);
                    let credit = disk.credit(BLOCK_SIZE).await;
                    disk.write(&storage, block, data, LinkId(9), credit);
                }
                assert_eq!(storage.done().await, DiskDone::Verified { piece });
            }
        }
        let (ours, peer) = tokio::io::duplex(options.pipe);
        let (mailbox, gauge) = (Arc::<Mailbox>::default(), Arc::<LinkGauge>::default());
        let (to_session, reports) = mpsc::channel(options.inbox);
        let setup = Setup {
            link: LinkId(1),
            decoder: Decoder::new(Some(PIECES)),
            mailbox: mailbox.clone(),
            gauge: gauge.clone(),
            reports: to_session,
            storage: storage.clone(),
            disk: disk.clone(),
            down: options.down,
            up: Limiter::new(None),
            early: BytesMut::new(),
            cipher: None,
        };
        let have = storage.verified();
        let conn = Conn::open(Instant::now().into_std(), geometry, &opening(&have, options.fast));
        let task = tokio::spawn(run(ours, conn, setup));
        let (inbox, decoder) = (BytesMut::new(), Decoder::new(Some(PIECES)));
        Self { peer, inbox, decoder, mailbox, gauge, reports, disk, storage, content, task, _folder: folder }
    }

    fn frames(messages: &[Message]) -> BytesMut {
        let mut frames = BytesMut::new();
        messages.iter().for_each(|each| message::encode(each, &mut frames));
        frames
    }

    async fn say(&mut self, messages: &[Message]) {
        let frames = Self::frames(messages);
        timeout(PATIENCE, self.peer.write_all(&frames)).await.expect("the link reads").unwrap();
    }

    fn piece(&self, block: BlockRef) -> Message {
        let data = part(&self.content, self.storage.geometry(), block);
        Message::Piece { index: block.piece.get(), begin: block.begin(), data }
    }

    /// The next message from the link.
    async fn heard(&mut self) -> Message {
        loop {
            if let Some(message) = self.decoder.decode(&mut self.inbox).unwrap() {
                return message;
            }
            let read = timeout(PATIENCE, self.peer.read_buf(&mut self.inbox)).await;
            assert_ne!(read.expect("the link writes").unwrap(), 0, "the link has ended");
        }
    }

    /// Reads until `wanted` says so.
    async fn until(&mut self, mut wanted: impl FnMut(&Message) -> bool) {
        while !wanted(&self.heard().await) {}
    }

    /// The next report.
    async fn told(&mut self) -> Vec<Report> {
        timeout(PATIENCE, self.reports.recv()).await.expect("a report").expect("before the end").reports
    }

    async fn told_until(&mut self, mut wanted: impl FnMut(&Report) -> bool) {
        while !self.told().await.iter().any(&mut wanted) {}
    }

    /// Everything up to the end of the link. What it wrote stays for as long as the bench does.
    async fn rest(&mut self) -> Vec<Report> {
        timeout(PATIENCE, &mut self.task).await.expect("the link ends").unwrap();
        let mut rest = Vec::new();
        while let Some(batch) = self.reports.recv().await {
            rest.extend(batch.reports);
        }
        rest
    }

    /// Unchokes us, and gets these blocks asked for.
    async fn ask_for(&mut self, blocks: &[BlockRef]) {
        self.say(&[Message::Unchoke]).await;
        self.told_until(|report| matches!(report, Report::Unchoked(true))).await;
        self.mailbox.post(|mail| {
            mail.interested = Some(true);
            mail.deal(blocks.iter().copied());
        });
        for _ in blocks {
            self.until(|message| matches!(message, Message::Request { .. })).await;
        }
    }
}

fn opening(have: &Bitfield, fast: bool) -> Opening<'_> {
    Opening {
        have,
        agreed: Reserved::new([0, 0, 0, 0, 0, 0, 0, if fast { 4 } else { 0 }]),
        info_hash: InfoHash::new([7; 20]),
        peer_ip: std::net::Ipv4Addr::LOCALHOST.into(),
        ours: OurHandshake::default(),
        dht_port: None,
        allows_fast: false,
        metadata: None,
    }
}

fn part(content: &[u8], geometry: &Geometry, block: BlockRef) -> Bytes {
    let range = geometry.block_range(block);
    let start = geometry.piece_offset(block.piece) as usize + range.begin as usize;
    Bytes::copy_from_slice(&content[start..start + range.length as usize])
}

fn blocks(piece: u32) -> Vec<BlockRef> {
    (0..4).map(|block| BlockRef { piece: PieceIndex::new(piece), block }).collect()
}

fn request(block: BlockRef) -> Message {
    Message::Request { index: block.piece.get(), begin: block.begin(), length: BLOCK_SIZE }
}

/// The one `Closed`, which is the last thing said.
fn cancel(block: BlockRef) -> Message {
    let Message::Request { index, begin, length } = request(block) else { unreachable!() };
    Message::Cancel { index, begin, length }
}

fn closed(reports: &[Report]) -> (&str, bool) {
    let count = reports.iter().filter(|report| matches!(report, Report::Closed { .. })).count();
    assert_eq!(count, 1, "{reports:?}");
    match reports.last() {
        Some(Report::Closed { why, fault }) => (why, *fault),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_piece_comes_in_byte_by_byte() {
    let mut bench = Bench::new(Options { pipe: 1, ..Options::default() }).await;
    let blocks = blocks(3);
    bench.ask_for(&blocks).await;
    let sent: Vec<_> = blocks.iter().map(|block| bench.piece(*block)).collect();
    bench.say(&sent).await;
    let done = timeout(PATIENCE, bench.storage.done()).await.unwrap();
    assert_eq!(done, DiskDone::Verified { piece: PieceIndex::new(3) });
    drop(std::mem::replace(&mut bench.peer, tokio::io::duplex(1).0));
    let gauge = bench.gauge.clone();
    assert_eq!(closed(&bench.rest().await), ("closed by the peer", false));
    assert_eq!(LinkGauge::get(&gauge.downloaded), u64::from(PIECE));
}

#[tokio::test]
async fn what_came_before_a_fault_is_on_disk() {
    let mut bench = Bench::new(Options::default()).await;
    let blocks = blocks(0);
    bench.ask_for(&blocks).await;
    let mut sent: Vec<_> = blocks.iter().map(|block| bench.piece(*block)).collect();
    sent.push(Message::Have(PIECES));
    bench.say(&sent).await;
    let storage = bench.storage.clone();
    let rest = bench.rest().await;
    assert_eq!(closed(&rest), ("has piece 32 of 32", true));
    assert_eq!(rest.iter().filter(|report| matches!(report, Report::Block(_))).count(), blocks.len());
    let done = timeout(PATIENCE, storage.done()).await.expect("all that was told is written");
    assert_eq!(done, DiskDone::Verified { piece: PieceIndex::new(0) });
}

#[tokio::test]
async fn a_disk_without_room_stops_the_reading_and_nothing_is_lost() {
    let room = 4 * BLOCK_SIZE as usize;
    let mut bench = Bench::new(Options { pipe: 1_024, disk_buffer: room, ..Options::default() }).await;
    let blocks = blocks(1);
    bench.ask_for(&blocks).await;
    let held = bench.disk.credit(room as u32).await;
    let sent: Vec<_> = blocks.iter().map(|block| bench.piece(*block)).collect();
    let frames = Bench::frames(&sent);
    // One block gets in and waits for room; nothing behind it is read, but mail still is.
    let mut written = 0;
    let mut told = false;
    while !told {
        tokio::select! {
            wrote = bench.peer.write(&frames[written..]) => written += wrote.unwrap(),
            batch = bench.reports.recv() => {
                told = batch.unwrap().reports.iter().any(|report| matches!(report, Report::Block(_)));
            }
        }
    }
    bench.mailbox.post(|mail| mail.have.push(PieceIndex::new(7)));
    bench.until(|message| *message == Message::Have(7)).await;
    while let Ok(wrote) = timeout(Duration::from_millis(50), bench.peer.write(&frames[written..])).await {
        written += wrote.unwrap();
    }
    assert!(written < frames.len() - BLOCK_SIZE as usize, "the link stopped reading");
    drop(held);
    timeout(PATIENCE, bench.peer.write_all(&frames[written..])).await.unwrap().unwrap();
    let done = timeout(PATIENCE, bench.storage.done()).await.unwrap();
    assert_eq!(done, DiskDone::Verified { piece: PieceIndex::new(1) });
}

#[tokio::test]
async fn mail_costs_no_place_in_the_line_before_the_disk() {
    let room = 4 * BLOCK_SIZE;
    let options = Options { disk_buffer: room as usize, ..Options::default() };
    let mut bench = Bench::new(options).await;
    let blocks = blocks(1);
    bench.ask_for(&blocks).await;
    let first = bench.disk.credit(BLOCK_SIZE).await;
    let rest = bench.disk.credit(room - BLOCK_SIZE).await;
    bench.say(&[bench.piece(blocks[0])]).await;
    bench.told_until(|report| matches!(report, Report::Block(_))).await;
    // The link stands in the line when it answers the mail; another comes after it, and then more mail.
    let mail = async |bench: &mut Bench, piece| {
        bench.mailbox.post(|mail| mail.have.push(PieceIndex::new(piece)));
        bench.until(|message| *message == Message::Have(piece)).await;
    };
    mail(&mut bench, 7).await;
    let disk = bench.disk.clone();
    let mut other = Box::pin(async move { disk.credit(room).await });
    assert!(timeout(Duration::ZERO, &mut other).await.is_err());
    mail(&mut bench, 8).await;
    mail(&mut bench, 9).await;
    drop(first);
    bench.say(&[bench.piece(blocks[1])]).await;
    bench.told_until(|report| matches!(report, Report::Block(_))).await;
    drop((rest, other));
}

#[tokio::test]
async fn blocks_that_wait_for_room_at_the_end_are_written() {
    let room = 4 * BLOCK_SIZE as usize;
    let mut bench = Bench::new(Options { disk_buffer: room, ..Options::default() }).await;
    let blocks = blocks(1);
    bench.ask_for(&blocks).await;
    let held = bench.disk.credit(room as u32).await;
    let sent: Vec<_> = blocks.iter().map(|block| bench.piece(*block)).collect();
    let mut frames = Bench::frames(&sent[..1]);
    bench.peer.write_all_buf(&mut frames).await.unwrap();
    bench.told_until(|report| matches!(report, Report::Block(_))).await;
    bench.mailbox.post(|mail| mail.close = Some("paused"));
    tokio::task::yield_now().await;
    drop(held);
    let (disk, storage, content) = (bench.disk.clone(), bench.storage.clone(), bench.content.clone());
    assert_eq!(closed(&bench.rest().await), ("paused", false));
    for block in &blocks[1..] {
        let data = part(&content, storage.geometry(), *block);
        disk.write(&storage, *block, data, LinkId(2), disk.credit(BLOCK_SIZE).await);
    }
    let done = timeout(PATIENCE, storage.done()).await.expect("the first block is there");
    assert_eq!(done, DiskDone::Verified { piece: PieceIndex::new(1) });
}

#[tokio::test]
async fn a_peer_that_never_reads_costs_little_and_is_let_go() {
    let mut bench = Bench::new(Options { seed: true, pipe: 1_024, ..Options::default() }).await;
    bench.mailbox.post(|mail| mail.choke = Some(false));
    bench.until(|message| *message == Message::Unchoke).await;
    let asked: Vec<_> = (0..PIECES).flat_map(blocks).map(request).cycle().take(900).collect();
    bench.say(&asked).await;
    let mut first = [0];
    bench.peer.read_exact(&mut first).await.unwrap();
    // From here on time passes when nobody has anything to do.
    tokio::time::pause();
    let start = Instant::now();
    // The disk takes real time, while that of the link runs: its last block may come late.
    let rest = timeout(STUCK * 20, bench.reports.recv()).await.unwrap().unwrap().reports;
    assert_eq!(closed(&rest), ("takes nothing we send", false));
    assert!(start.elapsed() >= STUCK);
    let sent = LinkGauge::get(&bench.gauge.uploaded);
    assert!(sent <= 1_024, "{sent} bytes left although nobody read");
}

#[tokio::test]
async fn what_waits_to_be_sent_is_bounded() {
    let bench = Bench::new(Options { seed: true, ..Options::default() }).await;
    let have = Bitfield::full(PIECES);
    let now = Instant::now().into_std();
    let mut conn = Conn::open(now, *bench.storage.geometry(), &opening(&have, false));
    conn.on_mail(now, Mail { choke: Some(false), ..Mail::default() });
    for block in (0..PIECES).flat_map(blocks).cycle().take(900) {
        conn.on_message(now, request(block), |_| true).unwrap();
    }
    let (near, _far) = tokio::io::duplex(1_024);
    let (read, write) = tokio::io::split(near);
    let setup = Setup {
        link: LinkId(2),
        decoder: Decoder::new(Some(PIECES)),
        mailbox: Arc::default(),
        gauge: Arc::default(),
        reports: mpsc::channel(1).0,
        storage: bench.storage.clone(),
        disk: bench.disk.clone(),
        down: Limiter::new(None),
        up: Limiter::new(None),
        early: BytesMut::new(),
        cipher: None,
    };
    let mut link = Link::new(read, write, conn, setup);
    let mut most = 0;
    loop {
        link.start_reading();
        let Some(reading) = link.reading.as_mut() else { break };
        let (_, data) = timeout(PATIENCE, reading).await.unwrap();
        link.on_read(data);
        most = most.max(link.queue.payload());
    }
    assert!(most >= SEND_AHEAD, "it reads ahead");
    assert!(most < SEND_AHEAD + READ_TOGETHER as usize, "{most} bytes wait");
}

#[tokio::test]
async fn a_choke_voids_what_is_being_read() {
    let mut bench = Bench::new(Options { seed: true, ..Options::default() }).await;
    bench.mailbox.post(|mail| mail.choke = Some(false));
    bench.until(|message| *message == Message::Unchoke).await;
    // Many rounds, so that the choke meets the read in every state that it can be in.
    for round in 0..200 {
        bench.say(&[request(blocks(round % PIECES)[0])]).await;
        if round % 3 == 0 {
            tokio::task::yield_now().await;
        }
        bench.mailbox.post(|mail| mail.choke = Some(true));
        bench.until(|message| *message == Message::Choke).await;
        bench.mailbox.post(|mail| mail.choke = Some(false));
        // Between choke and unchoke comes no block, and none of before comes after.
        assert_eq!(bench.heard().await, Message::Unchoke);
        bench.say(&[request(blocks(31)[3])]).await;
        match bench.heard().await {
            Message::Piece { index: 31, begin, data } => {
                assert_eq!((begin, data.len()), (3 * BLOCK_SIZE, BLOCK_SIZE as usize));
            }
            Message::Piece { index, .. } if index == round % PIECES => {
                // The request reached the link only after the unchoke.
                bench.until(|message| matches!(message, Message::Piece { index: 31, .. })).await;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_fast_peer_gets_one_answer_to_each_request_whatever_crosses_it() {
    let mut bench = Bench::new(Options { seed: true, fast: true, ..Options::default() }).await;
    bench.mailbox.post(|mail| mail.choke = Some(false));
    bench.until(|message| *message == Message::Unchoke).await;
    let numbers = |message: &Message| match *message {
        Message::Request { index, begin, length } => (index, begin, length),
        _ => unreachable!(),
    };
    for round in 0..100 {
        let asked: Vec<Message> = blocks(round % PIECES).into_iter().map(request).collect();
        bench.say(&asked).await;
        if round % 3 == 0 {
            tokio::task::yield_now().await;
        }
        match round % 4 {
            0 => bench.mailbox.post(|mail| mail.choke = Some(true)),
            1 => bench.say(&[cancel(blocks(round % PIECES)[3])]).await,
            _ => {}
        }
        let mut open: Vec<_> = asked.iter().map(numbers).collect();
        while !open.is_empty() {
            let answer = match bench.heard().await {
                Message::Piece { index, begin, data } => (index, begin, data.len() as u32),
                Message::Reject { index, begin, length } => (index, begin, length),
                Message::Choke | Message::Unchoke => continue,
                other => panic!("{other:?}"),
            };
            let at = open.iter().position(|asked| *asked == answer).expect("an answer to a request");
            open.remove(at);
        }
        bench.mailbox.post(|mail| mail.choke = Some(false));
    }
}

#[tokio::test]
async fn a_fast_peer_is_told_of_a_read_that_failed() {
    let mut bench = Bench::new(Options { seed: true, fast: true, ..Options::default() }).await;
    let file = std::fs::read_dir(bench._folder.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(10).unwrap();
    bench.mailbox.post(|mail| mail.choke = Some(false));
    bench.until(|message| *message == Message::Unchoke).await;
    bench.say(&[request(blocks(3)[1])]).await;
    assert!(matches!(bench.heard().await, Message::Reject { index: 3, .. }));
}

#[tokio::test]
async fn a_peer_that_never_reads_cannot_make_us_say_without_end() {
    let mut bench = Bench::new(Options { seed: true, fast: true, pipe: 1_024, ..Options::default() }).await;
    bench.mailbox.post(|mail| mail.choke = Some(false));
    bench.until(|message| *message == Message::Unchoke).await;
    let block = blocks(0)[0];
    let frames = Bench::frames(&[request(block), cancel(block)]).repeat(1_000);
    // What is not read is not kept: the pipe is full at some point, and stays so.
    let mut taken = 0;
    while taken < 100 * CONTROL_AHEAD {
        // Where the last write ended within the frames.
        let rest = &frames[taken % frames.len()..];
        match timeout(Duration::from_millis(500), bench.peer.write(rest)).await {
            Ok(Ok(wrote)) => taken += wrote,
            Ok(Err(_)) => panic!("{:?}", bench.rest().await),
            Err(_) => break,
        }
    }
    assert!(taken < 8 * CONTROL_AHEAD, "{taken} bytes were taken");
}

#[tokio::test]
async fn every_end_is_told_once_and_last() {
    let mut garbage = Bench::new(Options::default()).await;
    garbage.peer.write_all(&[0xff; 64]).await.unwrap();
    let rest = garbage.rest().await;
    let (why, fault) = closed(&rest);
    assert!(fault && why.starts_with("message of 4294967295 bytes"), "{why}");

    let mut bench = Bench::new(Options::default()).await;
    bench.mailbox.post(|mail| mail.close = Some("banned"));
    assert_eq!(closed(&bench.rest().await), ("banned", false));

    let mut bench = Bench::new(Options::default()).await;
    drop(std::mem::replace(&mut bench.peer, tokio::io::duplex(1).0));
    assert_eq!(closed(&bench.rest().await), ("closed by the peer", false));
}

#[tokio::test]
async fn a_peer_that_answers_nothing_shows_what_it_owes() {
    let mut bench = Bench::new(Options::default()).await;
    bench.ask_for(&blocks(0)).await;
    let shown = async {
        while bench.gauge.requests.load(Ordering::Relaxed) != 4 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, shown).await.expect("the gauge is brought up to date");
}

#[tokio::test]
async fn the_session_hears_of_a_block_before_the_disk_has_it() {
    let mut bench = Bench::new(Options { inbox: 1, ..Options::default() }).await;
    let blocks = blocks(2);
    bench.ask_for(&blocks).await;
    while bench.reports.try_recv().is_ok() {}
    bench.say(&[Message::Have(1)]).await;
    let full = async {
        while bench.reports.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, full).await.expect("the inbox is full");
    let sent: Vec<_> = blocks.iter().map(|block| bench.piece(*block)).collect();
    let frames = Bench::frames(&sent);
    let (mut near, storage) =
        (std::mem::replace(&mut bench.peer, tokio::io::duplex(1).0), bench.storage.clone());
    let writing = tokio::spawn(async move {
        near.write_all(&frames).await.unwrap();
        near
    });
    let early = timeout(Duration::from_millis(200), storage.done()).await;
    assert!(early.is_err(), "{early:?} while the report waits");
    bench.told_until(|report| matches!(report, Report::Block(_))).await;
    let reports = &mut bench.reports;
    let drain = async { while reports.recv().await.is_some() {} };
    let done = async { timeout(PATIENCE, storage.done()).await.expect("all blocks come") };
    let done = tokio::select! { done = done => done, () = drain => panic!("the link ended") };
    assert_eq!(done, DiskDone::Verified { piece: PieceIndex::new(2) });
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn a_link_without_a_session_ends() {
    let mut bench = Bench::new(Options::default()).await;
    bench.reports.close();
    timeout(PATIENCE, &mut bench.task).await.expect("nothing has to happen for it").unwrap();
}

#[tokio::test(start_paused = true)]
async fn our_own_limit_is_no_silence_of_the_peer() {
    let down = Limiter::new(Some(50));
    let mut bench = Bench::new(Options { down, ..Options::default() }).await;
    let blocks = &blocks(0)[..1];
    bench.ask_for(blocks).await;
    let sent = bench.piece(blocks[0]);
    // 16 KiB at 50 bytes a second are 5 minutes, in which little is listened to.
    let start = Instant::now();
    let frames = Bench::frames(&[sent, Message::Have(5)]);
    let (peer, reports) = (&mut bench.peer, &mut bench.reports);
    let told = async {
        loop {
            let batch = reports.recv().await.expect("before the end");
            if batch.reports.iter().any(|report| matches!(report, Report::Has(_))) {
                return;
            }
        }
    };
    let both = async { tokio::join!(peer.write_all(&frames), told) };
    timeout(Duration::from_secs(1_000), both).await.expect("it is patient").0.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(250), "{:?}", start.elapsed());
}
