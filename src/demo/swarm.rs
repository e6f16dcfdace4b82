//! The demo's swarm: a tracker, a seed for each torrent, and another downloader, so that there is
//! somebody to upload to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tc_core::{AddOptions, Config, SharedResources, Subscription, TorrentManager};
use tokio::runtime::{Builder, Runtime};

use super::content::Torrent;
use super::tracker::Tracker;

/// What the other downloader takes at most, in bytes per second: it is done after us, and we seed to
/// it.
const OTHER_RATE: u64 = 1 << 20;

/// Loopback answers at once, or never.
const STOP: Duration = Duration::from_millis(500);

/// The others. They end when dropped.
#[derive(Debug)]
pub struct Swarm {
    tracker: Tracker,
    /// In the order of the torrents, with where they listen.
    seeds: Vec<(TorrentManager, SocketAddr)>,
    other: Option<(TorrentManager, SocketAddr)>,
    /// The others' threads. Taken when they end.
    runtime: Option<Runtime>,
}

impl Swarm {
    /// Starts the others.
    ///
    /// # Errors
    /// A thread or an address is not to be had.
    pub fn start(folder: &Path, torrents: &[Torrent]) -> anyhow::Result<Self> {
        let tracker = Tracker::start(address(1)).context("cannot start the demo's tracker")?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("swarm")
            .enable_all()
            .build()
            .context("cannot start the demo's swarm")?;
        let mut swarm = Self { tracker, seeds: Vec::new(), other: None, runtime: Some(runtime) };
        for (torrent, host) in torrents.iter().zip(2..) {
            let mut config = swarm.config(&torrent.seed, host);
            config.upload_limit = Some(torrent.plan.rate);
            let (manager, at) = swarm.start_one(config)?;
            manager.add_metainfo(torrent.metainfo(&swarm.tracker.url())?, AddOptions::default())?;
            swarm.seeds.push((manager, at));
        }
        let mut config = swarm.config(&folder.join("other"), 10);
        config.download_limit = Some(OTHER_RATE);
        let (manager, at) = swarm.start_one(config)?;
        for (torrent, (_, seed)) in torrents.iter().zip(&swarm.seeds) {
            let options = AddOptions { peers: vec![*seed], ..AddOptions::default() };
            manager.add_metainfo(torrent.metainfo(&swarm.tracker.url())?, options)?;
        }
        swarm.other = Some((manager, at));
        Ok(swarm)
    }

    /// The engine under the dashboard, with all torrents added, and what happened to them since. Its end is
    /// the caller's.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn viewer(
        &self,
        folder: &Path,
        torrents: &[Torrent],
    ) -> anyhow::Result<(TorrentManager, Subscription)> {
        let mut config = Config::new(folder.join("downloads"));
        config.state_dir = Some(folder.join("state"));
        config.listen = vec![address(1)];
        config.stop_timeout = STOP;
        config.allow_inward_peers = true;
        let shared = SharedResources::start(config)?;
        let events = shared.hub().subscribe(&tc_ui::first_events())?;
        let manager = TorrentManager::over(shared);
        for (torrent, (_, seed)) in torrents.iter().zip(&self.seeds) {
            let other = self.other.as_ref().map(|(_, at)| *at);
            let options =
                AddOptions { peers: other.into_iter().chain([*seed]).collect(), ..AddOptions::default() };
            let added = torrent
                .metainfo(&self.tracker.url())
                .and_then(|metainfo| Ok(manager.add_metainfo(metainfo, options)?));
            if let Err(error) = added {
                manager.shutdown();
                return Err(error);
            }
        }
        Ok((manager, events))
    }

    fn config(&self, folder: &Path, host: u8) -> Config {
        let mut config = Config::new(folder);
        config.listen = vec![address(host)];
        config.runtime = self.runtime.as_ref().map(|runtime| runtime.handle().clone());
        config.max_connections = Some(20);
        config.disk_threads = 1;
        config.disk_buffer = 8 << 20;
        config.stop_timeout = STOP;
        config.allow_inward_peers = true;
        config
    }

    fn start_one(&self, config: Config) -> anyhow::Result<(TorrentManager, SocketAddr)> {
        let manager = TorrentManager::start(config)?;
        let Some(at) = manager.shared().listening().addresses.first().copied() else {
            manager.shutdown();
            bail!("the demo's swarm cannot listen on loopback");
        };
        Ok((manager, at))
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        // At once: each may wait for its own stop timeout.
        thread::scope(|scope| {
            for (manager, _) in self.seeds.iter().chain(&self.other) {
                scope.spawn(|| manager.shutdown());
            }
        });
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP);
        }
    }
}

/// An address of its own for each member, where loopback has more than one: on one address every
/// peer looks like the same one.
const fn address(host: u8) -> SocketAddr {
    let host = if cfg!(target_os = "linux") { host } else { 1 };
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0)
}
