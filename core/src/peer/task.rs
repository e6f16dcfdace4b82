//! The task of one link: moves bytes between the socket, `conn`, the disk and the session.
//!
//! It is the only place that awaits the session's inbox and the disk's credits; when either is slow
//! it stops reading, and TCP slows the sender.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::conn::{Conn, PeerFault};
use super::mailbox::{Mail, Mailbox};
use super::report::{LinkGauge, PeerReport, Report};
use crate::bandwidth::Limiter;
use crate::disk::{Credit, Disk};
use crate::mse::cipher::{Cipher, KeyStream};
use crate::rate::RateMeter;
use crate::storage::{DiskError, Storage};
use crate::types::{BlockRef, LinkId, PieceRange};
use crate::wire::message::{self, Decoder};

mod send_queue;

use self::send_queue::SendQueue;

/// Room that the receive buffer gets while payload flows: sixteen blocks, so that a fast link costs
/// one system call per 256 KiB.
const READ_FAST: usize = 256 * 1024;

/// Room that an idle link gets: any message but a piece or a large bitfield fits.
const READ_IDLE: usize = 2 * 1024;

/// From this rate on, bytes per second, a link gets the large buffer.
const FAST: u64 = 512 * 1024;

/// Upload bytes that wait in the send queue before the disk is asked for more: enough to bridge one
/// disk read at 10 Gbit/s, little enough that a peer that never reads costs next to nothing.
const SEND_AHEAD: usize = 512 * 1024;

/// Bytes of control frames that wait in the send queue before we stop listening: what a peer makes us
/// say it must take, or it could fill our memory with rejects. Some ten times what a choke of a full
/// queue of requests says.
const CONTROL_AHEAD: usize = 256 * 1024;

/// Below a limit a link reads or sends this part of a second's worth at once, so that bytes come and go as
/// evenly as the limit lets them.
const SHARE: u64 = 32;

/// Requests for adjacent ranges are read from the disk together up to this many bytes.
const READ_TOGETHER: u32 = 256 * 1024;

/// A peer that takes none of what we send for this long is gone.
const STUCK: Duration = Duration::from_secs(120);

/// How often a link that moves payload brings its gauge up to date.
const GAUGE: Duration = Duration::from_millis(500);

/// What a link's task is made of.
#[derive(Debug)]
pub struct Setup {
    /// Its name.
    pub link: LinkId,
    /// The largest message that is taken.
    pub decoder: Decoder,
    /// Where the session posts.
    pub mailbox: Arc<Mailbox>,
    /// Where the session reads figures.
    pub gauge: Arc<LinkGauge>,
    /// Where reports go.
    pub reports: mpsc::Sender<PeerReport>,
    /// The torrent's files.
    pub storage: Arc<Storage>,
    /// The disk's threads.
    pub disk: Disk,
    /// What may come in.
    pub down: Limiter,
    /// What may go out.
    pub up: Limiter,
    /// What came in behind the handshake already.
    pub early: BytesMut,
    /// What the stream is enciphered with; `None`: with nothing.
    pub cipher: Option<Box<Cipher>>,
}

/// Why a link's task ends.
enum End {
    Fault(PeerFault),
    Io(io::Error),
    Closed(&'static str),
    /// The session is gone; nobody wants to know.
    Orphan,
}

type Paying = Pin<Box<dyn Future<Output = ()> + Send>>;

type Crediting = Pin<Box<dyn Future<Output = Credit> + Send>>;

type Reading = Pin<Box<dyn Future<Output = (PieceRange, Result<Bytes, DiskError>)> + Send>>;

struct Link<S> {
    read: ReadHalf<S>,
    write: WriteHalf<S>,
    conn: Conn,
    setup: Setup,
    inbox: BytesMut,
    queue: SendQueue,
    /// Deciphers what comes in.
    cipher: Option<KeyStream>,
    /// Blocks that wait for a credit of the disk. While there are any, nothing is read.
    waiting: VecDeque<(BlockRef, Bytes)>,
    /// Waits for the credit of the first of them, kept until it is there: who leaves the line loses their place.
    crediting: Option<Crediting>,
    /// Bytes that came in beyond what the limit had allowed, and are not being paid for yet.
    debt: u32,
    /// Waits for the limit. It is kept until it is through: who leaves the line loses their place.
    paying: Option<Paying>,
    reading: Option<Reading>,
    up: RateMeter,
    uploaded: u64,
    downloaded: u64,
    last_progress: Instant,
    next_gauge: Option<Instant>,
}

/// Runs a link until it ends, and reports that as the last thing.
pub async fn run<S>(stream: S, conn: Conn, setup: Setup)
where
    S: AsyncRead + AsyncWrite + Send,
{
    let (read, write) = tokio::io::split(stream);
    let mut link = Link::new(read, write, conn, setup);
    let end = link.serve().await;
    link.settle(Instant::now());
    let (why, fault) = match end {
        End::Orphan => return,
        End::Fault(fault) => (fault.to_string(), true),
        End::Io(error) => (reason(&error), false),
        End::Closed(why) => (why.to_owned(), false),
    };
    let mut reports = std::mem::take(&mut link.conn.reports);
    reports.push(Report::Closed { why, fault });
    // A session that has gone does not need to know.
    let _ = link.setup.reports.send(PeerReport { link: link.setup.link, reports }).await;
    link.hand_over_rest().await;
}

/// What moves at once below a limit, in bytes, at this rate: `least` or more.
fn share(rate: u64, least: usize) -> usize {
    usize::try_from(rate / SHARE).unwrap_or(usize::MAX).max(least)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "closed by the peer".to_owned(),
        io::ErrorKind::ConnectionReset => "reset by the peer".to_owned(),
        _ => error.to_string(),
    }
}

impl<S: AsyncRead + AsyncWrite + Send> Link<S> {
    fn new(read: ReadHalf<S>, write: WriteHalf<S>, conn: Conn, mut setup: Setup) -> Self {
        let (into, out) = setup.cipher.take().map(|cipher| (cipher.into, cipher.out)).unzip();
        Self {
            read,
            write,
            conn,
            inbox: std::mem::take(&mut setup.early),
            setup,
            queue: SendQueue::new(out),
            cipher: into,
            waiting: VecDeque::new(),
            crediting: None,
            debt: 0,
            paying: None,
            reading: None,
            up: RateMeter::new(RateMeter::SHOWN),
            uploaded: 0,
            downloaded: 0,
            last_progress: Instant::now(),
            next_gauge: None,
        }
    }

    async fn serve(&mut self) -> End {
        loop {
            if let Err(end) = self.advance().await {
                return end;
            }
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    /// Does all that needs no waiting: decodes what is buffered, deals blocks to the disk, plays the
    /// hand, starts a disk read, and hands the reports over.
    async fn advance(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.waiting.is_empty() {
            let decoded = self.decode(now);
            self.count_blocks(now);
            decoded.map_err(End::Fault)?;
        }
        self.conn.play(now.into_std());
        if self.conn.outstanding() > 0 {
            // Also for a peer that never answers: its session looks whether it is snubbed.
            self.next_gauge.get_or_insert(now + GAUGE);
        }
        self.conn.give_metadata(now.into_std(), self.queue.control_bytes());
        self.enqueue(now, |queue, conn| queue.control(&mut conn.out.frames));
        self.start_reading();
        if !self.conn.reports.is_empty() {
            let reports = std::mem::take(&mut self.conn.reports);
            let batch = PeerReport { link: self.setup.link, reports };
            self.setup.reports.send(batch).await.map_err(|_| End::Orphan)?;
        }
        // After the report: when the disk says that the piece failed, the session knows of the block.
        self.deal_to_disk();
        Ok(())
    }

    fn decode(&mut self, now: Instant) -> Result<(), PeerFault> {
        let Setup { decoder, storage, .. } = &mut self.setup;
        while let Some(message) = decoder.decode(&mut self.inbox)? {
            self.conn.on_message(now.into_std(), message, |piece| storage.has(piece))?;
        }
        Ok(())
    }

    /// Waits for whatever comes first.
    async fn step(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let mut wake = Instant::from_std(self.conn.next_timeout());
        if !self.queue.is_empty() {
            wake = wake.min(self.last_progress + STUCK);
        }
        if let Some(gauge) = self.next_gauge {
            wake = wake.min(gauge);
        }
        if let (None, Some((_, data))) = (&self.crediting, self.waiting.front()) {
            let (disk, bytes) = (self.setup.disk.clone(), data.len() as u32);
            self.crediting = Some(Box::pin(async move { disk.credit(bytes).await }));
        }
        if self.paying.is_none() && self.debt > 0 {
            let (down, debt) = (self.setup.down.clone(), std::mem::take(&mut self.debt));
            self.paying = Some(Box::pin(async move { down.take(debt).await }));
        }
        let may_read = self.may_read();
        if may_read {
            self.make_room(now);
        }
        let limited = self.setup.down.is_limited();
        let most = if limited { share(self.conn.rate_down(now.into_std()), READ_IDLE) } else { usize::MAX };
        let mut room = (&mut self.inbox).limit(most);
        let slices = self.queue.slices();
        tokio::select! {
            mail = self.setup.mailbox.take() => self.on_mail(mail)?,
            credit = async { self.crediting.as_mut().expect("guarded by is_some").await },
                if self.crediting.is_some() =>
            {
                self.crediting = None;
                if let Some((block, data)) = self.waiting.pop_front() {
                    self.setup.disk.write(&self.setup.storage, block, data, self.setup.link, credit);
                    self.conn.listens_again(Instant::now().into_std());
                }
            }
            () = async { self.paying.as_mut().expect("guarded by is_some").await }, if self.paying.is_some() => {
                self.paying = None;
                self.conn.listens_again(Instant::now().into_std());
            }
            () = self.setup.reports.closed() => return Err(End::Orphan),
            read = self.read.read_buf(&mut room), if may_read => match read {
                Ok(0) => return Err(End::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(bytes) => {
                    if let Some(cipher) = &mut self.cipher {
                        let before = self.inbox.len() - bytes;
                        cipher.apply(&mut self.inbox[before..]);
                    }
                    self.debt += if limited { bytes as u32 } else { 0 };
                }
                Err(error) => return Err(End::Io(error)),
            },
            wrote = self.write.write_vectored(&slices), if !self.queue.is_empty() => {
                let wrote = wrote.map_err(End::Io)?;
                if wrote == 0 {
                    return Err(End::Io(io::ErrorKind::WriteZero.into()));
                }
                self.on_wrote(wrote);
            }
            (_, data) = async { self.reading.as_mut().expect("guarded by is_some").await },
                if self.reading.is_some() => self.on_read(data),
            () = tokio::time::sleep_until(wake) => self.on_wake()?,
        }
        Ok(())
    }

    /// While blocks wait for the disk, or came in beyond the limit, or the peer does not take what it
    /// makes us say, we do not listen.
    fn may_read(&self) -> bool {
        self.waiting.is_empty() && self.paying.is_none() && self.queue.control_bytes() < CONTROL_AHEAD
    }

    fn on_mail(&mut self, mut mail: Mail) -> Result<(), End> {
        if let Some(why) = mail.close {
            return Err(End::Closed(why));
        }
        if let Some((shape, storage)) = mail.became.take() {
            self.setup.decoder = Decoder::new(Some(shape.geometry.pieces()));
            self.setup.storage = storage.clone();
            let now = Instant::now().into_std();
            self.conn.learn(now, shape, |piece| storage.has(piece)).map_err(End::Fault)?;
        }
        self.conn.on_mail(Instant::now().into_std(), mail);
        if !self.conn.is_reading() {
            // A choke voids what is being read, also when an unchoke follows before it is there.
            self.reading = None;
        }
        Ok(())
    }

    fn on_wake(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if !self.queue.is_empty() && now.duration_since(self.last_progress) >= STUCK {
            return Err(End::Closed("takes nothing we send"));
        }
        if self.next_gauge.is_some_and(|due| due <= now) {
            self.settle(now);
        }
        if !self.may_read() {
            self.conn.listens_again(now.into_std());
        }
        self.conn.on_timeout(now.into_std()).map_err(End::Fault)
    }

    /// Counts the blocks that were just decoded.
    fn count_blocks(&mut self, now: Instant) {
        let bytes: usize = self.conn.blocks.iter().map(|(_, data)| data.len()).sum();
        if bytes == 0 {
            return;
        }
        self.downloaded += bytes as u64;
        self.next_gauge.get_or_insert(now + GAUGE);
    }

    /// Blocks go to the disk as far as it has room; the rest waits, and so does the peer.
    fn deal_to_disk(&mut self) {
        for (block, data) in self.conn.blocks.drain(..) {
            let bytes = data.len() as u32;
            match self.setup.disk.try_credit(bytes).filter(|_| self.waiting.is_empty()) {
                Some(credit) => {
                    self.setup.disk.write(&self.setup.storage, block, data, self.setup.link, credit);
                }
                None => self.waiting.push_back((block, data)),
            }
        }
    }

    /// Blocks that came before the end go to the disk too: the session hears of them, and would wait
    /// for their piece for ever.
    async fn hand_over_rest(&mut self) {
        self.crediting = None;
        self.deal_to_disk();
        for (block, data) in std::mem::take(&mut self.waiting) {
            let credit = self.setup.disk.credit(data.len() as u32).await;
            self.setup.disk.write(&self.setup.storage, block, data, self.setup.link, credit);
        }
    }

    /// Puts something in the send queue. A queue that was empty has all the time until it is stuck.
    fn enqueue(&mut self, now: Instant, put: impl FnOnce(&mut SendQueue, &mut Conn)) {
        let idle = self.queue.is_empty();
        put(&mut self.queue, &mut self.conn);
        if idle {
            self.last_progress = now;
        }
    }

    /// Makes the receive buffer as large as the link is fast. A slow link gives a large one back.
    fn make_room(&mut self, now: Instant) {
        let rate = self.conn.rate_down(now.into_std());
        let want = if rate >= FAST { READ_FAST } else { READ_IDLE };
        let want = want.max(self.setup.decoder.needed(&self.inbox));
        if self.inbox.is_empty() && self.inbox.capacity() > 4 * want {
            self.inbox = BytesMut::new();
        }
        if self.inbox.capacity() - self.inbox.len() < want.min(READ_IDLE.max(want / 4)) {
            self.inbox.reserve(want);
        }
    }

    fn start_reading(&mut self) {
        if self.reading.is_some() || self.queue.payload() >= SEND_AHEAD {
            return;
        }
        let Some(first) = self.conn.next_upload() else { return };
        // Also because a peer that is sent nothing for long thinks that it is forgotten.
        let most = if self.setup.up.is_limited() {
            let rate = self.up.rate(Instant::now().into_std());
            READ_TOGETHER.min(share(rate, first.length as usize) as u32)
        } else {
            READ_TOGETHER
        };
        let mut whole = first;
        while let Some(next) = self.conn.peek_upload()
            && next.piece == whole.piece
            && next.begin == whole.begin + whole.length
            && whole.length + next.length <= most
        {
            whole.length += next.length;
            self.conn.next_upload();
        }
        let (disk, storage, up) =
            (self.setup.disk.clone(), self.setup.storage.clone(), self.setup.up.clone());
        self.reading = Some(Box::pin(async move {
            if up.is_limited() {
                up.take(whole.length).await;
            }
            (whole, disk.read(&storage, whole).await)
        }));
    }

    /// A read that failed is the session's business, which hears of it from the disk; the peer asks
    /// again elsewhere.
    fn on_read(&mut self, data: Result<Bytes, DiskError>) {
        self.reading = None;
        let now = Instant::now();
        let Ok(mut data) = data else { return self.conn.upload_failed(now.into_std()) };
        self.enqueue(now, |queue, conn| {
            for range in conn.uploaded() {
                let block = data.split_to((range.length as usize).min(data.len()));
                queue.block(&message::piece_header(range.piece.get(), range.begin, range.length), block);
            }
        });
    }

    fn on_wrote(&mut self, bytes: usize) {
        let now = Instant::now();
        let payload = self.queue.advance(bytes);
        // What is around the blocks counts too, but waits for nobody.
        if bytes as u64 > payload {
            self.setup.up.charge(bytes as u64 - payload);
        }
        if payload > 0 {
            self.up.add(now.into_std(), payload);
            self.uploaded += payload;
            self.next_gauge.get_or_insert(now + GAUGE);
        }
        self.conn.sent(now.into_std());
        self.last_progress = now;
    }

    /// Brings the gauge up to date; again later for as long as there is something to tell.
    fn settle(&mut self, now: Instant) {
        let gauge = &self.setup.gauge;
        let (down, up) = (self.conn.rate_down(now.into_std()), self.up.rate(now.into_std()));
        LinkGauge::set(&gauge.downloaded, self.downloaded);
        LinkGauge::set(&gauge.uploaded, self.uploaded);
        LinkGauge::set(&gauge.rate_down, down);
        LinkGauge::set(&gauge.rate_up, up);
        gauge.requests.store(self.conn.outstanding(), Ordering::Relaxed);
        gauge.snubbed.store(self.conn.snubbed(now.into_std()), Ordering::Relaxed);
        let busy = down > 0 || up > 0 || self.conn.outstanding() > 0;
        self.next_gauge = busy.then_some(now + GAUGE);
    }
}

#[cfg(test)]
mod tests;
