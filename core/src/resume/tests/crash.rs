//! Power cuts while the store saves: it opens, and has what was saved.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;

use redb::StorageBackend;

use super::super::table::{Table, Values};
use super::*;
use crate::disk::tests::power_cut::{Cut, Dice, TwoImages};

const ROUNDS: u64 = 60;

/// A store's file on a disk whose power goes.
#[derive(Debug)]
struct Image {
    live: Mutex<Vec<u8>>,
    /// What is on the disk, and when the power goes.
    disk: Arc<Mutex<(TwoImages, Cut)>>,
}

impl Image {
    fn change(&self, how: impl FnOnce(&mut TwoImages)) {
        let (images, cut) = &mut *self.disk.lock().unwrap();
        if cut.is_on() {
            how(images);
        }
    }
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.live.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let live = self.live.lock().unwrap();
        let there = live.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.live.lock().unwrap().resize(length as usize, 0);
        self.change(|images| images.set_len(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(TwoImages::sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut live, offset) = (self.live.lock().unwrap(), offset as usize);
        let length = live.len().max(offset + data.len());
        live.resize(length, 0);
        live[offset..offset + data.len()].copy_from_slice(data);
        self.change(|images| images.write(offset, data));
        Ok(())
    }
}

type Records = HashMap<InfoHash, ResumeRecord>;

/// What is in the store, every record of it whole.
fn read(table: &Table) -> Records {
    table.read().unwrap().into_iter().map(|(hash, record)| (hash, record.unwrap())).collect()
}

/// Saves batches until the power goes; gives the image that is left, and the states that it may hold: the
/// last that was saved, and the one that was being saved.
fn until_the_cut(dice: &mut Dice, image: Vec<u8>, calls: u64) -> (Vec<u8>, [Records; 2]) {
    let disk = Arc::new(Mutex::new((TwoImages::of(image.clone()), Cut::after(calls))));
    let backend = Image { live: Mutex::new(image), disk: disk.clone() };
    let table = Table::over(backend).unwrap();
    let is_on = || disk.lock().unwrap().1.is_on();
    let mut saved = read(&table);
    let mut next = saved.clone();
    while is_on() {
        let mut changes: HashMap<InfoHash, Option<ResumeRecord>> = HashMap::new();
        for _ in 0..1 + dice.below(12) {
            // Some are large: the file grows.
            let have = vec![dice.below(256) as u8; 1 << dice.below(14)];
            let record = ResumeRecord { have, uploaded: dice.below(u64::MAX), ..ResumeRecord::default() };
            changes.insert(hash(dice.below(20) as u8), (!dice.one_in(4)).then_some(record));
        }
        for (hash, record) in &changes {
            match record {
                Some(record) => next.insert(*hash, record.clone()),
                None => next.remove(hash),
            };
        }
        table
            .write(changes.iter().map(|(hash, record)| (hash, record.as_ref())), &Values::default())
            .unwrap();
        if is_on() {
            saved = next.clone();
        }
    }
    // A program that is there no more does nothing in order.
    drop(table);
    let left = disk.lock().unwrap().0.after_power_cut(dice);
    (left, [saved, next])
}

#[test]
fn a_store_outlives_power_cuts() {
    for seed in 0..ROUNDS {
        let mut dice = Dice(seed);
        let mut image = Vec::new();
        // The first may come before there is a store at all.
        for cut in 0..3 {
            let calls = 1 + dice.below(300);
            let (left, states) = until_the_cut(&mut dice, image, calls);
            let disk = Arc::new(Mutex::new((TwoImages::default(), Cut::after(0))));
            let opened = Table::over(Image { live: Mutex::new(left.clone()), disk });
            match opened {
                Ok(table) => {
                    let found = read(&table);
                    assert!(states.contains(&found), "round {seed}, cut {cut}");
                    image = left;
                }
                // One whose first commit was never through: it is set aside, and nothing is lost.
                Err(error) => {
                    assert!(states[0].is_empty(), "round {seed}, cut {cut}: {error}");
                    image = Vec::new();
                }
            }
        }
    }
}
