//! From arguments to the engine's configuration.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tc_core::Config;
use tc_core::config::DHT_ROUTERS;

use crate::cli::{Allocate, Encryption, EngineArgs};

/// Where to accept peers, as the command line says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Any address of both families.
    Port(u16),
    /// This one.
    Address(SocketAddr),
}

/// A text that is no place to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseListenError;

impl std::fmt::Display for ParseListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a port, or an address with a port, is wanted: 51413, 10.0.0.7:51413, [::1]:51413")
    }
}

impl std::error::Error for ParseListenError {}

impl FromStr for Listen {
    type Err = ParseListenError;

    fn from_str(text: &str) -> Result<Self, ParseListenError> {
        let port = text.parse().map(Self::Port);
        port.or_else(|_| text.parse().map(Self::Address)).map_err(|_| ParseListenError)
    }
}

/// Ports to choose from. Trackers refuse 6881-6889; below 49160 other services are at home.
const PORTS: RangeInclusive<u16> = 49_160..=65_534;

/// Files and folders that are made from now on have the permissions that were asked for. What is private to
/// a person is made so anyway.
pub fn set_umask(args: &EngineArgs) {
    if let Some(mask) = args.umask {
        rustix::process::umask(Mode::from_bits_truncate(mask));
    }
}

/// The engine's configuration. The folders exist.
pub fn config(args: &EngineArgs, download_dir: &Path, state_dir: &Path) -> Config {
    let mut config = Config::new(download_dir);
    config.state_dir = Some(state_dir.to_owned());
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    config.incomplete_dir = args.incomplete_dir.as_ref().map(absolute);
    config.listen = listen(&args.listen, || kept_port(state_dir));
    config.download_limit = args.down_limit;
    config.upload_limit = args.up_limit;
    config.seed_ratio = args.seed_ratio;
    config.seed_time = args.seed_time;
    config.max_active_downloads = args.max_active;
    config.max_active_seeds = args.max_active_seeds;
    config.stop_timeout = args.stop_timeout;
    config.any_certificate = args.any_certificate.iter().map(|host| host.to_ascii_lowercase()).collect();
    config.encryption = args.encryption.map(|how| match how {
        Encryption::Off => tc_core::settings::Encryption::Off,
        Encryption::Prefer => tc_core::settings::Encryption::Prefer,
        Encryption::Require => tc_core::settings::Encryption::Require,
    });
    config.part_names = args.part_names;
    config.reserve_room = args.allocate == Allocate::Full;
    config.max_connections = args.max_connections;
    config.max_peers = args.max_peers;
    config.upload_slots = args.upload_slots;
    config.bind = args.way.bind.clone();
    config.name_servers = args.way.name_server.clone();
    config.portmap = !args.no_portmap;
    config.dht = dht(args);
    config.pex = !args.no_pex;
    config.lsd = !args.no_lsd;
    config.tcp = !args.no_tcp;
    config.utp = !args.no_utp;
    test_sync_interval(&mut config);
    fit_open_files(&mut config, raise_open_files());
    config
}

/// Syncs as often as the environment asks for; only in builds with debug assertions, for the tests that
/// kill the program: in the seconds that they give it the usual interval would never be over.
fn test_sync_interval(config: &mut Config) {
    #[cfg(debug_assertions)]
    if let Some(millis) = std::env::var("TC_TUI_TEST_SYNC_MS").ok().and_then(|millis| millis.parse().ok()) {
        config.sync_interval = std::time::Duration::from_millis(millis);
    }
    #[cfg(not(debug_assertions))]
    let _ = config;
}

/// Where the DHT begins; `None`: there is none.
fn dht(args: &EngineArgs) -> Option<Vec<String>> {
    if !args.dht_bootstrap.is_empty() {
        return Some(args.dht_bootstrap.clone());
    }
    (!args.no_dht).then(|| DHT_ROUTERS.iter().map(ToString::to_string).collect())
}

fn listen(wanted: &[Listen], kept_port: impl FnOnce() -> u16) -> Vec<SocketAddr> {
    if wanted.is_empty() {
        return Config::any(kept_port());
    }
    let addresses = wanted.iter().map(|listen| match *listen {
        Listen::Port(port) => Config::any(port),
        Listen::Address(address) => vec![address],
    });
    addresses.flatten().collect()
}

/// The port of this state folder: chosen once, because a port that moves breaks a person's forward.
fn kept_port(state_dir: &Path) -> u16 {
    let file = state_dir.join("port");
    let kept = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
    kept.filter(|port| PORTS.contains(port)).unwrap_or_else(|| {
        // The hasher's keys are as random as a port needs to be.
        let span = u64::from(PORTS.end() - PORTS.start()) + 1;
        let port = PORTS.start() + (RandomState::new().hash_one(()) % span) as u16;
        if let Err(error) = fs::write(&file, format!("{port}\n")) {
            tracing::warn!("the port is chosen anew next time: {}: {error}", file.display());
        }
        port
    })
}

/// Raises the limit of open files to the hard limit and returns what it is now. What a shell sets by
/// default (1,024) is less than a busy seedbox has links.
fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised).map_err(io::Error::from) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!("the limit of open files stays: {error}");
            limit.current
        }
    };
    now.unwrap_or(u64::MAX)
}

/// Half of the descriptors for links, a quarter for files, the rest for trackers, logs and so on.
fn fit_open_files(config: &mut Config, limit: u64) {
    let share = |part: u64| usize::try_from(limit / part).unwrap_or(usize::MAX).max(1);
    config.connection_ceiling = config.connection_ceiling.min(share(2));
    config.max_open_files = config.max_open_files.min(share(4));
    config.max_half_open = config.max_half_open.min(share(8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_ports_and_addresses() {
        let check = |text: &str, want: Option<&[&str]>| {
            let got = text.parse().ok().map(|one| listen(&[one], || 1));
            let want = want.map(|all| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<_>>());
            assert_eq!(got, want, "{text}");
        };
        check("6000", Some(&["0.0.0.0:6000", "[::]:6000"]));
        check("0", Some(&["0.0.0.0:0", "[::]:0"]));
        check("127.0.0.2:7", Some(&["127.0.0.2:7"]));
        check("[::1]:7", Some(&["[::1]:7"]));
        for wrong in ["", "70000", "localhost:1", "127.0.0.1", "::1:7x"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_port_is_chosen_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let port = kept_port(folder.path());
        assert!(PORTS.contains(&port));
        assert_eq!(kept_port(folder.path()), port);
        fs::write(folder.path().join("port"), "22").unwrap();
        assert_ne!(kept_port(folder.path()), 22);
    }

    #[test]
    fn few_descriptors_mean_few_links() {
        let mut config = Config::new("x");
        fit_open_files(&mut config, 64);
        assert_eq!((config.connection_ceiling, config.max_open_files, config.max_half_open), (32, 16, 8));
    }
}
