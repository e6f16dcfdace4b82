//! The threads that write blocks and hash pieces. All blocks of a piece come to the same worker, so
//! nothing here is shared and a piece is never written while it is hashed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::disk::Credit;
use crate::disk::empty::make_empty_files;
use crate::disk::fingerprint::Fingerprint;
use crate::disk::io::{Fault, Io, VECTOR};
use crate::disk::partial::Partial;
use crate::disk::queue::Queue;
use crate::download::{Claim, SmartBan};
use crate::storage::{DiskDone, DiskError, Op, Storage};
use crate::types::{BLOCK_SIZE, BlockRef, LinkId, PieceIndex};

/// Jobs taken at once: enough to find adjacent blocks, few enough that credits come back in a
/// steady stream.
const HAND: usize = 256;

/// Bytes read again at once where blocks came out of order.
const COLD: usize = 256 * 1024;

/// Liars whose last blocks may still be on their way: a link ends within a moment of its ban.
const DISOWNED: usize = 64;

/// What a worker is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    Write(Write),
    /// Drop blocks of unfinished pieces.
    Disown(Disown),
    /// Drop what is known of unfinished pieces.
    Forget(Arc<Storage>),
    /// The same, for good.
    Close(Arc<Closing>),
}

/// A block to write. The credit goes back when the block is on its way to the disk.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) storage: Arc<Storage>,
    pub(crate) block: BlockRef,
    pub(crate) data: Bytes,
    pub(crate) from: LinkId,
    pub(crate) _credit: Credit,
}

/// Blocks that are to be missing again.
#[derive(Clone, Debug)]
pub(crate) struct Disown {
    pub(crate) storage: Arc<Storage>,
    pub(crate) what: Disowned,
}

/// Which blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disowned {
    /// What this link sent and sends, of every piece.
    Link(LinkId),
    /// All of this piece.
    Piece(PieceIndex),
}

/// A storage that is being closed: the last worker through goes on with it.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) storage: Arc<Storage>,
    pub(crate) left: AtomicUsize,
    pub(crate) then: std::sync::Mutex<Option<super::keeper::Job>>,
}

/// One worker's state.
pub(crate) struct Worker {
    io: Arc<Io>,
    keeper: Arc<Queue<super::keeper::Job>>,
    partials: FxHashMap<Key, Partial>,
    print: Fingerprint,
    smart_ban: SmartBan<Key>,
    /// The newest last.
    disowned: VecDeque<LinkId>,
    scratch: Vec<u8>,
}

/// A piece of a storage.
type Key = (u64, PieceIndex);

impl Worker {
    pub(crate) fn new(io: Arc<Io>, keeper: Arc<Queue<super::keeper::Job>>) -> Self {
        Self {
            io,
            keeper,
            partials: FxHashMap::default(),
            print: Fingerprint::new(),
            smart_ban: SmartBan::default(),
            disowned: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self, queue: &Queue<Job>) {
        let (mut jobs, mut writes) = (Vec::with_capacity(HAND), Vec::with_capacity(HAND));
        while queue.take(&mut jobs, HAND) {
            for job in jobs.drain(..) {
                match job {
                    Job::Write(write) => writes.push(write),
                    Job::Disown(disown) => {
                        self.write_all(&mut writes);
                        self.disown(&disown);
                    }
                    Job::Forget(storage) => {
                        self.write_all(&mut writes);
                        self.forget(&storage);
                    }
                    Job::Close(closing) => {
                        self.write_all(&mut writes);
                        self.close(&closing);
                    }
                }
            }
            self.write_all(&mut writes);
        }
    }

    /// Writes a hand of blocks, adjacent ones together.
    fn write_all(&mut self, writes: &mut Vec<Write>) {
        writes.retain(|write| !write.storage.is_frozen());
        // Stable: of two blocks for the same place the first one wins.
        writes.sort_by_key(|write| (write.storage.id(), write.block.piece, write.block.block));
        let (mut last, mut doubles) = (None, Vec::new());
        let is_double = |write: &mut Write| {
            write.storage.layout().clear_pads(write.block, &mut write.data);
            let this = (write.storage.id(), write.block);
            self.is_there(write) || last.replace(this) == Some(this)
        };
        doubles.extend(writes.extract_if(.., is_double));
        self.refuse_disowned(writes);
        let mut rest = &writes[..];
        while let Some(first) = rest.first() {
            let adjacent = |write: &Write, at: usize| {
                write.storage.id() == first.storage.id()
                    && write.block.piece == first.block.piece
                    && write.block.block == first.block.block + at as u32
            };
            let count = rest.iter().take(VECTOR).enumerate().take_while(|(at, w)| adjacent(w, *at)).count();
            let (run, after) = rest.split_at(count);
            rest = after;
            if let Err(fault) = self.write_run(run) {
                self.give_up(&first.storage, first.block.piece, Op::Write, fault);
            }
        }
        writes.clear();
        doubles.drain(..).for_each(|double| self.compare(&double));
    }

    /// Whether a block is there, so that it must not be written again.
    fn is_there(&self, write: &Write) -> bool {
        let Write { storage, block, .. } = write;
        debug_assert_eq!(storage.geometry().block_size(*block) as usize, write.data.len());
        let partial = self.partials.get(&(storage.id(), block.piece));
        storage.has(block.piece)
            || partial.is_some_and(|partial| partial.epoch == storage.epoch() && partial.has(block.block))
    }

    /// A block that is there already is compared with it, and dropped.
    fn compare(&mut self, double: &Write) {
        let Write { storage, block, from, .. } = double;
        storage.tell(DiskDone::Duplicate { block: *block, from: *from });
        let key = (storage.id(), block.piece);
        let claim = Claim { block: block.block, from: *from, print: self.print.of(&double.data) };
        match self.partials.get_mut(&key) {
            Some(partial) if partial.epoch == storage.epoch() => partial.compare(claim),
            _ if self.smart_ban.late(key, claim) => {
                storage.tell(DiskDone::Lies { piece: block.piece, lies: vec![claim] });
            }
            _ => {}
        }
    }

    /// Drops blocks of links that are disowned, and says so: the session may have counted on them.
    fn refuse_disowned(&self, writes: &mut Vec<Write>) {
        if self.disowned.is_empty() {
            return;
        }
        writes.retain(|write| {
            let refused = self.disowned.contains(&write.from);
            if refused {
                write.storage.tell(DiskDone::Disowned { blocks: vec![write.block] });
            }
            !refused
        });
    }

    /// Makes blocks missing that were there.
    fn disown(&mut self, disown: &Disown) {
        let Disown { storage, what } = disown;
        let (link, piece) = match *what {
            Disowned::Link(link) => (Some(link), None),
            Disowned::Piece(piece) => (None, Some(piece)),
        };
        if let Some(link) = link
            && !self.disowned.contains(&link)
        {
            if self.disowned.len() == DISOWNED {
                self.disowned.pop_front();
            }
            self.disowned.push_back(link);
        }
        let mut blocks = Vec::new();
        self.partials.retain(|(id, at), partial| {
            if *id == storage.id() && piece.is_none_or(|piece| piece == *at) {
                let gone = partial.take_away(link);
                blocks.extend(gone.into_iter().map(|block| BlockRef { piece: *at, block }));
            }
            !partial.is_empty()
        });
        if let Some(piece) = piece {
            storage.tell(DiskDone::Restarted { piece });
        } else if !blocks.is_empty() {
            storage.tell(DiskDone::Disowned { blocks });
        }
    }

    /// Writes adjacent blocks of one piece and extends its hash.
    fn write_run(&mut self, run: &[Write]) -> Result<(), Fault> {
        let (storage, first) = (&run[0].storage, run[0].block);
        let piece = first.piece;
        // Before the write: one that a failing sync may have swallowed must not count after it.
        let epoch = storage.epoch();
        make_empty_files(&self.io, storage)?;
        let mut buffers = [&[][..]; VECTOR];
        for (buffer, write) in buffers.iter_mut().zip(run) {
            *buffer = &write.data;
        }
        let offset = storage.geometry().piece_offset(piece);
        let length = run.iter().map(|write| write.data.len() as u64).sum();
        if let Err(fault) = self.io.look(storage, offset + u64::from(first.begin()), length) {
            self.doubt_file(storage, fault);
            return Ok(());
        }
        self.io.write(storage, offset + u64::from(first.begin()), &buffers[..run.len()])?;
        let key = (storage.id(), piece);
        let new = || Partial::new(storage.geometry().blocks_in(piece), epoch);
        let partial = self.partials.entry(key).or_insert_with(new);
        if partial.epoch != epoch {
            *partial = new();
        }
        for write in run {
            partial.add(write.block.block, &write.data, self.print.of(&write.data), write.from);
        }
        while let Some((start, end)) = partial.cold() {
            let end = end.min(start + COLD as u32 / BLOCK_SIZE);
            let from = start * BLOCK_SIZE;
            let to = (end * BLOCK_SIZE).min(storage.geometry().piece_size(piece));
            self.scratch.resize(COLD, 0);
            let buffer = &mut self.scratch[..(to - from) as usize];
            self.io.read(storage, offset + u64::from(from), buffer)?;
            for block in buffer.chunks(BLOCK_SIZE as usize) {
                if !partial.hash_cold(block, self.print.of(block)) {
                    return Err(Fault { file: None, error: DiskError::Changed });
                }
            }
        }
        if partial.is_full()
            && let Some(partial) = self.partials.remove(&key)
        {
            self.judge(storage, piece, partial);
        }
        Ok(())
    }

    fn judge(&mut self, storage: &Arc<Storage>, piece: PieceIndex, partial: Partial) {
        let (epoch, key) = (partial.epoch, (storage.id(), piece));
        let finished = partial.finish();
        if finished.hash != storage.layout().piece_hash(piece) {
            let senders = finished.senders();
            self.smart_ban.failed(key, finished.claims.into_iter().chain(finished.others));
            storage.tell(DiskDone::Failed { piece, senders });
            return;
        }
        let good = finished.claims.iter().map(|claim| claim.print).collect();
        let lies = self.smart_ban.verified(key, good, finished.others);
        storage.mark(piece);
        storage.layout().note_hashed(piece);
        // Before the verdict: who hears that all is there can see that names are still to come.
        let wants_name = storage.wants_name(piece);
        if wants_name {
            storage.begin_naming();
        }
        // A sync that failed meanwhile took stock of the marks either before or after this one.
        if storage.epoch() == epoch {
            storage.tell(DiskDone::Verified { piece });
        } else {
            storage.unmark(piece);
            storage.tell_error(Op::Sync, None, Some(piece), DiskError::Unverified);
        }
        if wants_name {
            // Refused after shutdown: the next run finds it.
            let _ = self.keeper.push(super::keeper::Job::Name(storage.clone()));
        }
        // After the verdict, which makes the piece ours; a ban can wait that long.
        if !lies.is_empty() {
            storage.tell(DiskDone::Lies { piece, lies });
        }
    }

    /// Somebody changed a file under us: what was written to it is worth nothing before it was hashed, and
    /// what has begun may have been there too.
    fn doubt_file(&self, storage: &Storage, fault: Fault) {
        storage.next_epoch();
        storage.tell_error(Op::Sync, fault.file, None, fault.error);
        if let Some(file) = fault.file {
            self.io.cache.forget((storage.id(), file));
            storage.file(file).forget_reach();
            storage.unmark_all(storage.layout().pieces_of(file));
        }
    }

    fn give_up(&mut self, storage: &Storage, piece: PieceIndex, op: Op, fault: Fault) {
        self.partials.remove(&(storage.id(), piece));
        if let Some(file) = fault.file {
            // A handle that failed is not trusted with more.
            self.io.cache.forget((storage.id(), file));
        }
        storage.tell_error(op, fault.file, Some(piece), fault.error);
    }

    fn forget(&mut self, storage: &Storage) {
        self.partials.retain(|(id, _), _| *id != storage.id());
    }

    fn close(&mut self, closing: &Closing) {
        self.forget(&closing.storage);
        self.smart_ban.forget(|(id, _)| *id == closing.storage.id());
        if closing.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(job) = closing.then.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
            && let Err(job) = self.keeper.push(job)
        {
            job.refuse();
        }
    }
}
