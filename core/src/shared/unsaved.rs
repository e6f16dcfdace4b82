//! What is said when the state cannot be saved.

use crate::event::{Event, EventBus, Kind};
use crate::storage::DiskError;
use crate::untrusted::Untrusted;

/// The list and the records are not saved for now: it concerns all torrents.
pub fn tell(hub: &EventBus, dir: &Untrusted, error: &std::io::Error) {
    let error = DiskError::from_io(error, || (0, 0));
    let full = matches!(error, DiskError::Full { .. });
    let why = if full { "disk full".to_owned() } else { error.to_string() };
    let (message, code) = (format!("the state is not saved: {dir}: {why}"), error.code());
    let (kind, message, code) =
        (if full { Kind::StorageFull } else { Kind::StorageError }, message.into(), code.into());
    hub.publish(kind, || {
        if full { Event::StorageFull { message, code } } else { Event::StorageError { message, code } }
    });
}
