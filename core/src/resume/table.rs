//! The store of resume records and bans: one redb file, a table for each.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::{fs, io};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::bans::{self, SavedBan};
use super::record::{
    RecordError, ResumeRecord, decode_order, decode_settings, encode_order, encode_settings,
};
use super::value;
use crate::dht;
use crate::settings::GlobalSettings;
use crate::types::InfoHash;

const RECORDS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("resume");

/// What a person decided for all torrents together, under its only key.
const SETTINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("settings");
const GLOBAL: &str = "global";

/// One value: all torrents in the order that a person gave them.
const ORDER: TableDefinition<'_, (), &[u8]> = TableDefinition::new("order");

/// One value: all bans.
const BANS: TableDefinition<'_, (), &[u8]> = TableDefinition::new("bans");

/// One value: what the DHT knows.
const DHT: TableDefinition<'_, (), &[u8]> = TableDefinition::new("dht");

/// The version of its form that this program writes.
const DHT_VERSION: u8 = 1;

/// Ten thousand records of a few KiB are read once, at start; afterwards only inner pages matter.
const CACHE: usize = 8 << 20;

/// What is kept beside the records, where it has changed: the newest replaces the one before.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// The settings of all torrents together.
    pub settings: Option<GlobalSettings>,
    /// All bans.
    pub bans: Option<Vec<SavedBan>>,
    /// All torrents in their order.
    pub order: Option<Vec<InfoHash>>,
    /// What the DHT knows.
    pub dht: Option<dht::Saved>,
}

impl Values {
    /// Nothing has changed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.settings.is_none() && self.bans.is_none() && self.order.is_none() && self.dht.is_none()
    }

    /// What was not saved, under what has come since.
    pub(crate) fn or(self, older: Self) -> Self {
        Self {
            settings: self.settings.or(older.settings),
            bans: self.bans.or(older.bans),
            order: self.order.or(older.order),
            dht: self.dht.or(older.dht),
        }
    }
}

/// The open store.
#[derive(Debug)]
pub(crate) struct Table {
    database: Database,
}

/// The records as they were found.
pub(crate) type Records = HashMap<InfoHash, Result<ResumeRecord, RecordError>>;

impl Table {
    /// Opens the store and reads all of it. One that is damaged is set aside and a new one begun;
    /// `problems` says so. One that the system does not let us use is left as it is, for the next start:
    /// on a full or read-only disk nothing is wrong with it.
    ///
    /// # Errors
    /// The system does not let us use it, the broken store cannot be set aside, or no new one made.
    pub(crate) fn open(state: &Path, problems: &mut Vec<String>) -> io::Result<(Self, Records)> {
        let path = state.join("state.redb");
        let damage = match open_and_read(&path) {
            Ok((table, records)) => {
                if records.values().any(|record| matches!(record, Err(RecordError::Newer(_)))) {
                    // What a newer program wrote is kept for it.
                    let kept = free_name(&path, "newer");
                    fs::copy(&path, &kept)?;
                    problems.push(format!(
                        "a newer version wrote {}; kept as {}",
                        path.display(),
                        kept.display()
                    ));
                }
                return Ok((table, records));
            }
            Err(OpenError::System(error)) => return Err(error),
            Err(OpenError::Damaged(damage)) => damage,
        };
        let aside = free_name(&path, "broken");
        fs::rename(&path, &aside)?;
        problems.push(format!(
            "{} does not open ({damage}); set aside as {}",
            path.display(),
            aside.display()
        ));
        open_and_read(&path).map_err(|error| match error {
            OpenError::System(error) => error,
            OpenError::Damaged(damage) => io::Error::other(damage),
        })
    }

    /// Opens the store to write on, after a failure.
    pub(crate) fn reopen(state: &Path) -> Result<Self, redb::Error> {
        Ok(create(&state.join("state.redb"), false)?)
    }

    pub(super) fn read(&self) -> Result<Records, redb::Error> {
        let mut records = Records::new();
        match self.database.begin_read()?.open_table(RECORDS) {
            Ok(rows) => {
                for row in rows.iter()? {
                    let (key, value) = row?;
                    let info_hash = InfoHash::new(*key.value());
                    records.insert(info_hash, ResumeRecord::decode(&info_hash, value.value()));
                }
            }
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(records)
    }

    /// What a person decided for all torrents together, if anything was kept.
    ///
    /// # Errors
    /// It is damaged, or of a newer version.
    pub(crate) fn settings(
        &self,
    ) -> Result<Option<GlobalSettings>, Box<dyn std::error::Error + Send + Sync>> {
        let table = match self.database.begin_read()?.open_table(SETTINGS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(kept) = table.get(GLOBAL)? else { return Ok(None) };
        Ok(Some(decode_settings(kept.value())?))
    }

    /// The bans. Those that cannot be read are forgotten, and `problems` says so: they end within a day
    /// anyway.
    pub(crate) fn bans(&self, problems: &mut Vec<String>) -> Vec<SavedBan> {
        let read = || -> Result<Option<Vec<SavedBan>>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = match transaction.open_table(BANS) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Some(Vec::new())),
                Err(error) => return Err(error.into()),
            };
            let value = table.get(())?;
            Ok(value.map_or_else(|| Some(Vec::new()), |value| bans::decode(value.value())))
        };
        match read() {
            Ok(Some(bans)) => return bans,
            Ok(None) => problems.push("the bans of the last run are damaged, and forgotten".into()),
            Err(failure) => problems.push(format!("the bans of the last run cannot be read ({failure})")),
        }
        Vec::new()
    }

    /// The order of the torrents, as far as a person gave them one. One that cannot be read is forgotten, and
    /// `problems` says so: they are then in the order in which they were added.
    pub(crate) fn order(&self, problems: &mut Vec<String>) -> Vec<InfoHash> {
        let read = || -> Result<Vec<InfoHash>, Box<dyn std::error::Error>> {
            let table = match self.database.begin_read()?.open_table(ORDER) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let Some(kept) = table.get(())? else { return Ok(Vec::new()) };
            Ok(decode_order(kept.value())?)
        };
        read().unwrap_or_else(|failure| {
            problems.push(format!("the order of the torrents is forgotten: {failure}"));
            Vec::new()
        })
    }

    /// What the DHT knew. It is found again, so nobody needs to hear where it cannot be read.
    pub(crate) fn dht(&self) -> Option<dht::Saved> {
        let transaction = self.database.begin_read().ok()?;
        let value = transaction.open_table(DHT).ok()?.get(()).ok()??;
        value::decode(DHT_VERSION, value.value())
    }

    /// Writes and removes records, and replaces values, all or none.
    pub(crate) fn write<'a>(
        &self,
        changes: impl Iterator<Item = (&'a InfoHash, Option<&'a ResumeRecord>)>,
        values: &Values,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        if let Some(settings) = &values.settings {
            transaction.open_table(SETTINGS)?.insert(GLOBAL, encode_settings(settings).as_slice())?;
        }
        if let Some(bans) = &values.bans {
            transaction.open_table(BANS)?.insert((), bans::encode(bans).as_slice())?;
        }
        if let Some(dht) = &values.dht {
            transaction.open_table(DHT)?.insert((), value::encode(DHT_VERSION, dht).as_slice())?;
        }
        if let Some(order) = &values.order {
            transaction.open_table(ORDER)?.insert((), encode_order(order).as_slice())?;
        }
        {
            let mut table = transaction.open_table(RECORDS)?;
            for (info_hash, record) in changes {
                match record {
                    Some(record) => {
                        table.insert(info_hash.as_bytes(), record.encode(info_hash).as_slice())?;
                    }
                    None => {
                        table.remove(info_hash.as_bytes())?;
                    }
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

/// What the system said, where it was the system.
pub(crate) fn into_io(error: redb::Error) -> io::Error {
    match error {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Why a store is not open.
enum OpenError {
    /// The file is no store, or its content contradicts itself.
    Damaged(String),
    /// The file was not even looked at, or not to its end.
    System(io::Error),
}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) if !is_damage(&error) => Self::System(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Whether another try would find the same: a bad sector too stays as it is, and the list is elsewhere.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | IsADirectory | UnexpectedEof)
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

fn open_and_read(path: &Path) -> Result<(Table, Records), OpenError> {
    // The last guard against pages that were changed from outside: they could lead the store anywhere.
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
        // All of it is read now anyway, and afterwards nothing contradicts itself.
        let table = create(path, true)?;
        let records = table.read()?;
        Ok::<_, redb::Error>((table, records))
    }));
    match result {
        Ok(opened) => Ok(opened?),
        Err(_) => Err(OpenError::Damaged("its pages contradict each other".into())),
    }
}

/// Opens the store, or makes one: under another name at first, so that a kill in the midst of it leaves
/// nothing that looks like a broken store.
fn create(path: &Path, check: bool) -> Result<Table, redb::DatabaseError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(check);
    if matches!(path.try_exists(), Ok(false)) {
        let begun = path.with_extension("redb.tmp");
        match fs::remove_file(&begun) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        drop(builder.create(&begun)?);
        fs::rename(&begun, path).map_err(failed)?;
    }
    Ok(Table { database: builder.create(path)? })
}

fn failed(error: io::Error) -> redb::DatabaseError {
    redb::DatabaseError::Storage(redb::StorageError::Io(error))
}

#[cfg(test)]
impl Table {
    /// A store in something else than a file.
    pub(super) fn over(backend: impl redb::StorageBackend) -> Result<Self, redb::DatabaseError> {
        let database = Database::builder().set_cache_size(CACHE).create_with_backend(backend)?;
        Ok(Self { database })
    }
}

/// The first of `PATH.WORD-1`, `PATH.WORD-2`, ... that is not taken.
fn free_name(path: &Path, word: &str) -> PathBuf {
    (1_u64..)
        .map(|at| path.with_extension(format!("redb.{word}-{at}")))
        .find(|name| !name.exists())
        .expect("fewer than 2^64 files are there")
}

/// Puts any bytes in the place of the bans.
#[cfg(test)]
pub(super) fn plant_bans(state: &Path, value: &[u8]) {
    let table = Table::reopen(state).unwrap();
    let transaction = table.database.begin_write().unwrap();
    transaction.open_table(BANS).unwrap().insert((), value).unwrap();
    transaction.commit().unwrap();
}

/// Puts any bytes in the place of what the DHT knows.
#[cfg(test)]
pub(super) fn plant_dht(state: &Path, value: &[u8]) {
    let table = Table::reopen(state).unwrap();
    let transaction = table.database.begin_write().unwrap();
    transaction.open_table(DHT).unwrap().insert((), value).unwrap();
    transaction.commit().unwrap();
}

/// Puts any bytes in the place of a record.
#[cfg(test)]
pub(super) fn plant(state: &Path, info_hash: &InfoHash, value: &[u8]) {
    let table = Table::reopen(state).unwrap();
    let transaction = table.database.begin_write().unwrap();
    transaction.open_table(RECORDS).unwrap().insert(info_hash.as_bytes(), value).unwrap();
    transaction.commit().unwrap();
}
