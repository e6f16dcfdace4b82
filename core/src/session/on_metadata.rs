//! What happens while only the hash is known (BEP 9): peers are asked for the metadata, and with it the magnet
//! becomes an ordinary torrent that keeps its links.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::actor::{Actor, Discovery, Phase};
use super::on_settings::priorities;
use super::{Folders, Trouble, open};
use crate::bitfield::Bitfield;
use crate::download::DownloadManager;
use crate::event::{Event, Kind};
use crate::magnet::Magnet;
use crate::magnet::metadata::{Finding, MetadataFetch, Verdict, Whole};
use crate::metainfo::{Metainfo, MetainfoError, Version};
use crate::peer::conn::Shape;
use crate::peer::pool::Outcome;
use crate::resume::{Incomplete, ResumeRecord};
use crate::stats::MetadataStats;
use crate::types::{BanReason, LinkId};
use crate::wire::extended::Sharing;

/// Metadata of fewer bytes is hashed and read where it came in: that takes a few milliseconds.
const READ_AT_ONCE: usize = 256 << 10;

/// What is said of a torrent that has no v1 part.
pub const V2_ONLY: &str = "a v2-only torrent: its transfer is not there yet";

/// The files of a torrent that was a magnet are free for it, or not.
#[derive(Debug)]
pub enum Admission {
    /// They are.
    Granted {
        /// It may have a folder of its own until it is complete.
        own_folder: bool,
    },
    /// They are not, or the torrent is none that can be transferred.
    Refused(Trouble),
}

/// A magnet whose metadata is not there yet, or not admitted.
#[derive(Debug)]
pub struct Fetching {
    magnet: Magnet,
    fetch: MetadataFetch,
    /// Pause when it is there, so that a person can choose files.
    stop: bool,
    /// It is there. Whether its files are free is asked.
    verified: Option<Arc<Metainfo>>,
    /// Who is asked.
    ask: mpsc::Sender<Arc<Metainfo>>,
}

impl Fetching {
    /// Nothing of it is there. `ask` has room for one.
    pub fn new(magnet: Magnet, stop: bool, ask: mpsc::Sender<Arc<Metainfo>>) -> Self {
        Self { fetch: MetadataFetch::new(&magnet), magnet, stop, verified: None, ask }
    }

    /// Nothing of it is there yet that can be used.
    const fn is_wanted(&self) -> bool {
        self.verified.is_none()
    }

    /// A link is gone.
    pub fn gone(&mut self, link: LinkId) {
        self.fetch.gone(link);
    }

    /// As viewers see it.
    pub fn stats(&self) -> MetadataStats {
        let (have, pieces) = match (&self.verified, self.fetch.progress()) {
            (Some(_), _) => (1, 1),
            (None, progress) => progress.unwrap_or_default(),
        };
        MetadataStats { have, pieces, sources: self.fetch.sources() as u32 }
    }
}

/// What a copy of the metadata says, if it is right.
type Read = Result<Box<Metainfo>, MetainfoError>;

/// A copy of the metadata that was hashed.
#[derive(Debug)]
pub struct Judged {
    verdict: Verdict,
    /// Where it is right.
    read: Option<Read>,
}

fn judge(whole: Whole, link: &Magnet) -> Box<Judged> {
    let verdict = whole.judge();
    let read = verdict.metadata().map(|info| Metainfo::of_info(info, link).map(Box::new));
    Box::new(Judged { verdict, read })
}

impl Actor {
    /// Asks peers for what is missing of the metadata.
    pub(super) fn ask_for_metadata(&mut self, now: Instant) {
        let Some(magnet) = self.magnet.as_mut().filter(|magnet| magnet.is_wanted()) else { return };
        for (link, piece) in magnet.fetch.ask(now) {
            if let Some(entry) = self.links.get(&link) {
                entry.mailbox.post(|mail| mail.metadata.push(piece));
            }
        }
    }

    /// When somebody else is to be asked at the latest.
    pub(super) fn metadata_due(&self) -> Option<Instant> {
        self.magnet.as_ref().filter(|magnet| magnet.is_wanted())?.fetch.next_timeout()
    }

    /// A peer has the metadata, as it says. Who is distrusted is not asked.
    pub(super) fn on_metadata_offer(&mut self, link: LinkId, size: Option<u32>) {
        let distrusted = self.links.get(&link).is_none_or(|entry| entry.distrusted);
        if let (Some(magnet), Some(size), false) = (&mut self.magnet, size, distrusted) {
            magnet.fetch.offers(link, size);
        }
    }

    /// A piece of it came.
    pub(super) fn on_metadata_piece(
        &mut self,
        now: Instant,
        link: LinkId,
        piece: u32,
        total_size: Option<u32>,
        data: Bytes,
    ) {
        if let Some(entry) = self.links.get_mut(&link) {
            entry.sent_metadata = true;
        }
        let Some(magnet) = self.magnet.as_mut().filter(|magnet| magnet.is_wanted()) else { return };
        let findings = magnet.fetch.received(now, link, piece, total_size, data);
        self.on_metadata_findings(now, findings, None);
    }

    fn on_metadata_findings(&mut self, now: Instant, findings: Vec<Finding>, read: Option<Read>) {
        let mut read = read;
        for finding in findings {
            match finding {
                Finding::Whole(whole) => self.judge_metadata(now, whole),
                Finding::Lie(liar) => self.ban(now, liar, BanReason::BadMetadata),
                Finding::Complete(_) => match read.take() {
                    Some(Ok(metainfo)) => self.on_metadata_given(now, metainfo.into()),
                    Some(Err(error)) => {
                        let message = format!("the metadata is no usable torrent: {error}");
                        self.no_torrent(now, &message, "metadata");
                    }
                    None => {}
                },
                Finding::TwoTorrents => {
                    self.no_torrent(now, "the magnet link's two hashes are of two torrents", "two_torrents");
                }
            }
        }
    }

    /// A peer does not give a piece of it.
    pub(super) fn on_metadata_rejected(&mut self, now: Instant, link: LinkId, piece: u32) {
        if let Some(magnet) = &mut self.magnet {
            magnet.fetch.rejected(now, link, piece);
        }
    }

    /// All of a copy is there. To hash and to read half a million files takes seconds, which a thread of its own has.
    fn judge_metadata(&mut self, now: Instant, whole: Whole) {
        let Some(magnet) = &self.magnet else { return };
        let (link, found) = (magnet.magnet.clone(), self.to_discoveries.clone());
        if whole.size() < READ_AT_ONCE {
            return self.on_metadata_judged(now, Some(judge(whole, &link)));
        }
        let judged = self.shared.tasks().compute("metadata", move || judge(whole, &link));
        let mut stopping = self.shared.stopping();
        self.shared.tasks().spawn(async move {
            let judged = tokio::select! {
                judged = judged => judged,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            // A session that has ended does not need to know.
            let _ = found.send(Discovery::Metadata(judged)).await;
        });
    }

    /// A copy was hashed, and read if it is right; `None`: that could not be done.
    pub(super) fn on_metadata_judged(&mut self, now: Instant, judged: Option<Box<Judged>>) {
        // Somebody else may have brought the metadata since.
        let Some(magnet) = self.magnet.as_mut().filter(|magnet| magnet.is_wanted()) else { return };
        let Some(judged) = judged else {
            magnet.fetch.not_judged();
            return self.no_torrent(
                now,
                "the metadata could not be read: the system gives no thread",
                "metadata",
            );
        };
        let findings = magnet.fetch.judged(judged.verdict);
        self.on_metadata_findings(now, findings, judged.read);
    }

    /// The torrent is known. From here on a private one has nothing to do with the DHT and the like (BEP 27).
    pub(super) fn on_metadata_given(&mut self, now: Instant, metainfo: Arc<Metainfo>) {
        let Some(magnet) = self.magnet.as_mut().filter(|magnet| magnet.verified.is_none()) else { return };
        magnet.verified = Some(metainfo.clone());
        // A hybrid torrent, whose v2 part the link names: those who are here know it by that, and we transfer v1.
        let elsewhere = metainfo.swarm_hash() != self.torrent.swarm_hash();
        let was_there = self.in_swarm.is_some();
        if elsewhere {
            self.leave_swarm(now, "it goes on in the swarm of its v1 part");
        }
        // The name and the size are worth knowing, whatever becomes of it; and who hears of it looks.
        let _ = self.torrent.metadata.set(metainfo.clone());
        self.torrent.bus.publish(Kind::MetadataReceived, || Event::MetadataReceived {
            name: metainfo.name.clone(),
            size: metainfo.total_size(),
            files: metainfo.files.iter().filter(|file| !file.pad).count() as u32,
            private: metainfo.private,
        });
        if metainfo.private {
            self.become_private(now);
        }
        self.take_trackers_of(now, &metainfo);
        if elsewhere && was_there {
            // It was we who left the peers.
            self.pool.call_again(now);
            self.enter_running(now);
        }
        self.ask_to_be_admitted();
        self.pin(now);
    }

    /// Asks again whether the files are free, where the torrent is known.
    pub(super) fn ask_to_be_admitted(&mut self) {
        if let Some(Fetching { verified: Some(metainfo), ask, .. }) = &self.magnet {
            // One question is enough: the answer is for all that were asked.
            let _ = ask.try_send(metainfo.clone());
        }
    }

    /// Whether the files are free.
    pub(super) fn on_admission(&mut self, now: Instant, admission: Admission) {
        match admission {
            Admission::Refused(trouble) => self.fail(now, trouble, None),
            Admission::Granted { own_folder } => {
                if !own_folder {
                    self.incomplete = Incomplete::No;
                }
                self.become_torrent(now);
            }
        }
    }

    /// Started again by somebody who has heard that the metadata is there: the pause for a choice of files, which may be
    /// yet to come, is not needed any more.
    pub(super) fn choice_is_made(&mut self) {
        if let Some(magnet) = self.magnet.as_mut().filter(|magnet| magnet.verified.is_some()) {
            magnet.stop = false;
        }
    }

    /// The magnet becomes an ordinary torrent; what is on disk is looked at, and links stay.
    fn become_torrent(&mut self, now: Instant) {
        let Some(Fetching { stop, verified: Some(metainfo), .. }) =
            self.magnet.take_if(|it| it.verified.is_some())
        else {
            return;
        };
        let geometry = metainfo.geometry;
        self.place_files(&metainfo);
        self.shared.disk().close(&self.storage);
        self.storage = open::storage(&self.torrent, &self.shared, &self.settings);
        self.storage_seen.send_replace(self.storage.clone());
        let nothing = Bitfield::new(geometry.pieces());
        self.files = super::files::FileProgress::new(geometry, &metainfo.files, &nothing);
        self.download = DownloadManager::new(geometry, nothing, super::actor::seed());
        self.download.set_sequential(self.settings.sequential);
        self.download.set_priorities(priorities(&self.torrent, &self.settings));
        self.saving.become_torrent(geometry.pieces());
        let shape = Shape {
            geometry,
            metadata: (!metainfo.private).then(|| metainfo.info_bytes()),
            sharing: if metainfo.private { Sharing::NoLonger } else { Sharing::Public },
        };
        for (link, entry) in &self.links {
            self.download.link_joined(*link);
            let became = (shape.clone(), self.storage.clone());
            entry.mailbox.post(|mail| mail.became = Some(became));
        }
        if stop {
            self.awaits_choice = true;
            self.pause(now);
        }
        self.enlist();
        if self.phase == Phase::Running && self.post_check() {
            self.phase = Phase::Checking;
        }
        self.pin(now);
        self.show_details(now);
    }

    /// Its files are known, and where they go.
    fn place_files(&self, metainfo: &Metainfo) {
        let record = ResumeRecord {
            save_path: self.torrent.save_path(),
            incomplete: self.incomplete.clone(),
            ..ResumeRecord::default()
        };
        self.torrent.folders.send_replace(Folders::of(metainfo, &record));
    }

    /// Peers that others than its trackers and a person named are let go.
    fn become_private(&mut self, now: Instant) {
        const WHY: &str = "the torrent is private: only its trackers name peers";
        (self.dht, self.lsd) = (None, None);
        self.trackers.become_private();
        let strangers = self.links.iter().filter(|(_, entry)| !entry.source.is_of_private());
        for link in strangers.map(|(link, _)| *link).collect::<Vec<_>>() {
            if let Some(entry) = self.links.get_mut(&link) {
                entry.close(WHY);
            }
            self.let_go(now, link, WHY, Outcome::Useless);
        }
        self.pool.forget_strangers();
        if self.door.is_some() {
            // Its handshake says that we speak to the DHT.
            self.open_door();
        }
    }

    /// The metadata is there and cannot be used.
    fn no_torrent(&mut self, now: Instant, message: &str, code: &'static str) {
        self.fail(now, Trouble::Metadata { message: message.into(), code }, None);
    }
}

/// What no session transfers, whoever else uses the files: a torrent without a v1 part.
pub fn refused(metainfo: &Metainfo) -> Option<Trouble> {
    let message = V2_ONLY.into();
    (metainfo.version() == Version::V2).then_some(Trouble::Metadata { message, code: "v2_only" })
}

/// Has each torrent that is known looked at, and hands the answer on once those who use its files have let go.
pub async fn admit(
    mut asked: mpsc::Receiver<Arc<Metainfo>>,
    mut ended: watch::Receiver<bool>,
    look: impl Fn(&Arc<Metainfo>) -> (Admission, Vec<watch::Receiver<bool>>) + Send,
    answer: impl Fn(&Arc<Metainfo>, Admission) + Send,
) {
    let over = ended.wait_for(|ended| *ended);
    tokio::pin!(over);
    loop {
        let metainfo = tokio::select! {
            metainfo = asked.recv() => metainfo,
            _ = &mut over => return,
        };
        let Some(metainfo) = metainfo else { return };
        let (admission, after) = look(&metainfo);
        for mut before in after {
            // Those that used its files and are on their way out let them go first.
            tokio::select! {
                _ = before.wait_for(|ended| *ended) => {}
                _ = &mut over => return,
            }
        }
        answer(&metainfo, admission);
    }
}
