//! Magnet links on the list (BEP 9): added, and admitted once it is known what they are.

use std::sync::Arc;

use tokio::sync::watch;

use super::{AddOptions, TorrentManager, What};
use crate::claims::InUse;
use crate::error::Error;
use crate::magnet::Magnet;
use crate::metainfo::Metainfo;
use crate::session::{Admission, OpenOptions, Session, Trouble};

impl TorrentManager {
    /// Adds a magnet link: a session that has only a hash as yet, gets the metadata from peers, and then is
    /// an ordinary torrent (`metadata.received`). A torrent that is there already takes over the trackers,
    /// peers and files of the link (BEP 53) and is returned.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tc_core::magnet::Magnet;
    /// use tc_core::{AddOptions, Config, TorrentManager};
    ///
    /// let manager = TorrentManager::start(Config::new("downloads"))?;
    /// let link = Magnet::parse("magnet:?xt=urn:btih:3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6")?;
    /// let session = manager.add_magnet(link, AddOptions::default())?;
    /// assert!(!session.has_metadata());
    /// # manager.shutdown();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An engine that is shutting down.
    pub fn add_magnet(&self, magnet: Magnet, options: AddOptions) -> Result<Session, Error> {
        let (session, fresh) = self.add(What::Link(magnet.clone().into()), options)?;
        if !fresh {
            session.merge_magnet(&magnet);
        }
        Ok(session)
    }

    /// Opens a magnet whose torrent asks the list for its files when it is known.
    pub(super) fn open_magnet(&self, magnet: Magnet, options: OpenOptions) -> Result<Session, Error> {
        let manager = self.clone();
        Session::open_magnet_with(magnet, self.shared.clone(), options, move |session, metainfo| {
            manager.admit(session, metainfo)
        })
    }

    /// Claims the files of a torrent that was a magnet, as is done for one that is added.
    fn admit(&self, session: &Session, metainfo: &Arc<Metainfo>) -> (Admission, Vec<watch::Receiver<bool>>) {
        let mut list = self.lock();
        let list = &mut *list;
        let name = session.info_hash();
        let refused = |message, code| (Admission::Refused(Trouble::Metadata { message, code }), Vec::new());
        // Two links may lead to one hybrid torrent, each by another of its hashes.
        let twins = list.twins(name, metainfo);
        if let Some(twin) = twins.iter().find(|twin| twin.admitted) {
            let twin = twin.session.metainfo();
            let message = format!("it is the same torrent as {}, which is on the list already", twin.name);
            return refused(message, "duplicate");
        }
        for twin in twins {
            // It hears that it comes second.
            twin.session.give_metadata(metainfo);
        }
        let state = self.shared.config().state_dir.as_deref();
        let files: Arc<[_]> = metainfo.files.as_slice().into();
        let (folder, other) = {
            let folders = session.folders();
            let folders = folders.borrow();
            (folders.save_path.clone(), folders.other.as_ref().map(|(folder, _)| folder.clone()))
        };
        if let Err(InUse { path, by }) = list.claims.look(state, &folder, &files) {
            let message = Error::PathInUse { path, by }.to_string();
            return (Admission::Refused(Trouble::Storage { message, code: "path_in_use" }), Vec::new());
        }
        let Some(entry) = list.sessions.get_mut(&name) else {
            return refused("it was removed".into(), "removed");
        };
        entry.admitted = true;
        let own = other.filter(|other| list.claims.look(state, other, &files).is_ok());
        let own_folder = own.is_some();
        let mut after = Vec::new();
        // Claims of before are of no files.
        for claim in entry.claims.drain(..) {
            list.claims.forget(claim);
        }
        for place in [Some(folder), own].into_iter().flatten() {
            after.extend(list.claims.leaving(&place, &files));
            entry.claims.push(list.claims.add(&place, metainfo.name.clone(), files.clone()));
        }
        if own_folder {
            self.follow(session);
        }
        (Admission::Granted { own_folder }, after)
    }
}
