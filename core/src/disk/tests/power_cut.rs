//! What a power cut leaves of files: everything that was synced, and of what was written since any part,
//! torn at sectors. For tests of the disk, of sessions and of the state store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::{Backend, OpenFile, System};
use crate::storage::{self, DirSync, OpenFor, Opened};

/// A disk writes this much at once or not at all.
const SECTOR: usize = 512;

/// Numbers that are the same for the same seed: splitmix64.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub const fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// One file: as it was at its last sync, and what was done to it since.
#[derive(Clone, Debug, Default)]
pub struct TwoImages {
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl TwoImages {
    pub const fn of(synced: Vec<u8>) -> Self {
        Self { synced, since: Vec::new() }
    }

    pub fn write(&mut self, offset: usize, data: &[u8]) {
        self.since.push(Change::Write(offset, data.to_vec()));
    }

    pub fn set_len(&mut self, length: usize) {
        self.since.push(Change::Length(length));
    }

    pub fn sync(&mut self) {
        let since = std::mem::take(&mut self.since);
        since.iter().for_each(|change| apply(&mut self.synced, change, |_| true));
    }

    /// What there is after the power came back: any sectors of any writes, in any state of the length.
    pub fn after_power_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let mut image = self.synced.clone();
        // All of it, next to nothing, or something in between.
        let odds = [1, 2, 2, 4, 64][dice.below(5) as usize];
        for change in &self.since {
            apply(&mut image, change, |_| dice.one_in(odds));
        }
        image
    }
}

/// Makes a change in the sectors that `reached` the disk. A sector is told by its number.
fn apply(image: &mut Vec<u8>, change: &Change, mut reached: impl FnMut(usize) -> bool) {
    match change {
        Change::Write(offset, data) => {
            let mut at = 0;
            while at < data.len() {
                let sector = (offset + at) / SECTOR;
                let end = ((sector + 1) * SECTOR - offset).min(data.len());
                if reached(sector) {
                    image.resize(image.len().max(offset + end), 0);
                    image[offset + at..offset + end].copy_from_slice(&data[at..end]);
                }
                at = end;
            }
        }
        Change::Length(length) => {
            if reached(usize::MAX) {
                image.resize(*length, 0);
            }
        }
    }
}

/// When the power goes: what was done until then is in the images, what comes later is not, and the
/// program does not notice.
pub struct Cut {
    /// Calls until then.
    left: u64,
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cut({} calls left)", self.left)
    }
}

impl Cut {
    pub fn after(calls: u64) -> Self {
        Self { left: calls, then: None }
    }

    /// Called with every call that changes something; says whether the power is there.
    pub fn is_on(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        if self.left == 0
            && let Some(then) = self.then.take()
        {
            then();
        }
        self.left > 0
    }
}

/// The files of one folder on such a disk. The program works on real ones.
#[derive(Debug)]
pub struct Cuttable {
    world: Mutex<World>,
    /// A disk that says it has synced and has not.
    lies: bool,
}

#[derive(Debug)]
struct World {
    cut: Cut,
    files: BTreeMap<PathBuf, TwoImages>,
    /// Files and folders whose name is on the disk for good.
    names: BTreeSet<PathBuf>,
    /// What files were called for good before they were renamed, until that is on the disk for good.
    renamed: BTreeMap<PathBuf, PathBuf>,
    /// Renames that came after the cut.
    late: Vec<(PathBuf, PathBuf)>,
}

impl Cuttable {
    pub fn new(calls: u64) -> Arc<Self> {
        Arc::new(Self::with(calls, false))
    }

    /// A disk that loses what it claims to have.
    pub fn lying(calls: u64) -> Arc<Self> {
        Arc::new(Self::with(calls, true))
    }

    fn with(calls: u64, lies: bool) -> Self {
        let world = World {
            cut: Cut::after(calls),
            files: BTreeMap::default(),
            names: BTreeSet::default(),
            renamed: BTreeMap::default(),
            late: Vec::new(),
        };
        Self { world: Mutex::new(world), lies }
    }

    /// Does this when the power goes.
    pub fn at_cut(&self, then: impl FnOnce() + Send + 'static) {
        self.world.lock().unwrap().cut.then = Some(Box::new(then));
    }

    /// The power goes now.
    pub fn lose_power(&self) {
        let cut = &mut self.world.lock().unwrap().cut;
        cut.left = cut.left.min(1);
        cut.is_on();
    }

    pub fn is_on(&self) -> bool {
        self.world.lock().unwrap().cut.left > 0
    }

    /// Puts in place of the files in `root` what the power cut left of them.
    pub fn cut(&self, root: &Path, dice: &mut Dice) {
        let world = self.world.lock().unwrap();
        for (from, to) in world.late.iter().rev() {
            std::fs::rename(to, from).unwrap();
        }
        for (path, file) in &world.files {
            let before = world.renamed.get(path).filter(|_| dice.one_in(2));
            if let Some(before) = before {
                std::fs::rename(path, before).unwrap();
                std::fs::write(before, file.after_power_cut(dice)).unwrap();
                continue;
            }
            let above = path.ancestors().take_while(|above| above.starts_with(root));
            let named = above.into_iter().all(|name| world.names.contains(name));
            if named || world.renamed.contains_key(path) || dice.one_in(2) {
                std::fs::write(path, file.after_power_cut(dice)).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Backend for Cuttable {
    fn open(&self, root: &Path, path: &Path, how: OpenFor) -> io::Result<Opened> {
        let mut world = self.world.lock().unwrap();
        let opened = storage::open(root, path, how)?;
        let path = root.join(path);
        if opened.created && world.cut.is_on() {
            world.files.insert(path, TwoImages::default());
        }
        Ok(opened)
    }

    fn pwritev(&self, file: &OpenFile, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut world = self.world.lock().unwrap();
        let written = System.pwritev(file, buffers, offset)?;
        if world.cut.is_on() {
            let data: Vec<u8> =
                buffers.iter().flat_map(|buffer| buffer.iter().copied()).take(written).collect();
            world.files.entry(file.path.clone()).or_default().write(offset as usize, &data);
        }
        Ok(written)
    }

    fn fdatasync(&self, file: &OpenFile) -> io::Result<()> {
        let mut world = self.world.lock().unwrap();
        if world.cut.is_on() && !self.lies {
            world.files.entry(file.path.clone()).or_default().sync();
        }
        Ok(())
    }

    fn rename(&self, from_root: &Path, from: &Path, to_root: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world.lock().unwrap();
        System.rename(from_root, from, to_root, to)?;
        let (from, to) = (from_root.join(from), to_root.join(to));
        if !world.cut.is_on() {
            world.late.push((from, to));
            return Ok(());
        }
        let file = world.files.remove(&from).unwrap_or_default();
        world.files.insert(to.clone(), file);
        if world.names.remove(&from) {
            world.renamed.insert(to, from);
        }
        Ok(())
    }

    fn sync_folder(&self, root: &Path, folder: &DirSync) -> io::Result<()> {
        let mut world = self.world.lock().unwrap();
        if !world.cut.is_on() {
            return Ok(());
        }
        let folder = match folder {
            DirSync::AboveRoot => root.parent().unwrap().to_path_buf(),
            DirSync::Below(below) if below.as_os_str().is_empty() => root.to_path_buf(),
            DirSync::Below(below) => root.join(below),
        };
        let known = world.files.keys().flat_map(|file| file.ancestors());
        let inside: Vec<_> =
            known.filter(|name| name.parent() == Some(&folder)).map(Path::to_path_buf).collect();
        world.renamed.retain(|to, _| to.parent() != Some(&folder));
        world.names.extend(inside);
        Ok(())
    }
}
