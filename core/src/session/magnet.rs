//! A session that has only a hash as yet (BEP 9): how it is opened, and what it is told later.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::on_metadata::{self, Admission, Fetching};
use super::{OpenOptions, Session};
use crate::error::Error;
use crate::magnet::Magnet;
use crate::metainfo::Metainfo;
use crate::settings::{Priority, Setting};
use crate::shared::SharedResources;
use crate::tracker::TrackerEdit;
use crate::untrusted::Untrusted;

impl Session {
    /// Opens a magnet over `shared`: a session that has only a hash as yet. It does nothing until
    /// [`start`](Self::start); then it gets the metadata from peers and becomes an ordinary session
    /// (`metadata.received`). [`metainfo`](Self::metainfo) says until then what the link says.
    ///
    /// # Errors
    /// An engine that is shutting down.
    pub fn open_magnet(magnet: Magnet, shared: Arc<SharedResources>) -> Result<Self, Error> {
        Self::open_magnet_with(magnet, shared, OpenOptions::default(), |_, _| {
            (Admission::Granted { own_folder: true }, Vec::new())
        })
    }

    /// [`open_magnet`](Self::open_magnet), with what a manager knows: `look` says whether the torrent that
    /// the magnet turns out to be may have its files, and who has to let them go first.
    pub(crate) fn open_magnet_with(
        magnet: Magnet,
        shared: Arc<SharedResources>,
        options: OpenOptions,
        look: impl Fn(&Self, &Arc<Metainfo>) -> (Admission, Vec<watch::Receiver<bool>>) + Send + 'static,
    ) -> Result<Self, Error> {
        let (ask, asked) = mpsc::channel(1);
        let (select, metainfo) = (magnet.select.clone(), Arc::new(Metainfo::of_magnet(&magnet)));
        let (peers, named) = (magnet.peers.clone(), magnet.named_peers.clone());
        let fetching = Fetching::new(magnet, options.stop_at_metadata, ask);
        let (session, ended) = Self::begin(metainfo, Some(fetching), shared, options)?;
        peers.into_iter().for_each(|peer| session.add_peer(peer));
        session.add_named_peers(named);
        let (looking, answering) = (session.clone(), session.clone());
        let look = move |known: &Arc<Metainfo>| match on_metadata::refused(known) {
            Some(trouble) => (Admission::Refused(trouble), Vec::new()),
            None => look(&looking, known),
        };
        let answer = move |known: &Arc<Metainfo>, admission| {
            // What a person has chosen meanwhile counts, else what the link selects (BEP 53).
            let skip = select.as_ref().filter(|_| answering.settings().files.is_empty());
            let files = skip.map_or_else(Vec::new, |select| select.others(known.files.len()));
            if !files.is_empty() {
                let skip = Setting::Files { files, priority: Priority::Skip };
                answering.control.set(&skip, known.files.len());
            }
            answering.control.order(|orders| orders.admission = Some(admission));
        };
        session.shared.tasks().spawn(on_metadata::admit(asked, ended, look, answer));
        Ok(session)
    }

    /// Takes over what another link to the same torrent says: trackers, peers, and files that it selects (BEP 53).
    pub(crate) fn merge_magnet(&self, magnet: &Magnet) {
        let tiers = self.new_trackers(&Metainfo::of_magnet(magnet));
        if !tiers.is_empty() {
            // Each of them was looked at.
            let _ = self.edit_trackers(TrackerEdit::Merge { tiers });
        }
        magnet.peers.iter().for_each(|peer| self.add_peer(*peer));
        self.add_named_peers(magnet.named_peers.clone());
        let (settings, metainfo) = (self.settings(), self.metainfo());
        if let Some(select) = magnet.select.as_ref().filter(|_| metainfo.is_known()) {
            let selected = (0..metainfo.files.len() as u32).filter(|file| select.contains(*file));
            let files: Vec<_> = selected.filter(|file| !settings.file(*file as usize).is_wanted()).collect();
            if !files.is_empty() {
                self.set(&Setting::Files { files, priority: Priority::Normal });
            }
        }
    }

    /// Gives a magnet the metadata that somebody has.
    pub(crate) fn give_metadata(&self, metainfo: &Metainfo) {
        let metainfo = Arc::new(metainfo.clone().named(self.info_hash()));
        self.control.order(|orders| orders.metadata = Some(metainfo));
    }

    /// Connects to peers that are known by name. A name that leads into a private network is none that a link
    /// may give.
    fn add_named_peers(&self, peers: Vec<(Untrusted, u16)>) {
        if peers.is_empty() {
            return;
        }
        let session = self.clone();
        self.shared.tasks().spawn(async move {
            for (host, port) in peers {
                for address in session.shared.resolve_public(host.raw(), port).await {
                    session.add_peer(address);
                }
            }
        });
    }

    /// Whether the torrent's files are known: always, but of a magnet whose metadata has not come.
    pub fn has_metadata(&self) -> bool {
        self.metainfo().is_known()
    }
}
