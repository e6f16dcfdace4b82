//! What an embedder decides: a plain value; the engine reads no file and no environment for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::{Encryption, MaxActive};

/// The settings of one engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where peers may call us: over TCP, and over uTP on the same number where that is free. Port 0 picks one.
    /// Empty: nobody can call.
    pub listen: Vec<SocketAddr>,
    /// Where files go unless an added torrent says otherwise.
    pub download_dir: PathBuf,
    /// Where files of added torrents are until all that is wanted is there; `None`: where they stay. A torrent
    /// of which there is something at its place already stays there.
    pub incomplete_dir: Option<PathBuf>,
    /// Where the list, resume data and statistics are kept; `None`: nothing outlives the run.
    pub state_dir: Option<PathBuf>,
    /// A runtime to use. `None`: the engine makes one and ends it at shutdown.
    pub runtime: Option<tokio::runtime::Handle>,
    /// Links over all torrents; `None`: as the last run left it, at first 500.
    pub max_connections: Option<u32>,
    /// Links that the descriptors of the process allow; no setting goes beyond.
    pub connection_ceiling: usize,
    /// Links of one torrent; `None`: as the last run left it, at first 100.
    pub max_peers: Option<u32>,
    /// Links of one torrent to peers at one public address: people share addresses, but so do the many
    /// selves of somebody who wants more than a share. Never counted over torrents.
    pub max_connections_per_address: usize,
    /// Connections being set up at once, in each direction: half-open ones are what a flood is made of.
    pub max_half_open: usize,
    /// Peers of one torrent that are served at once, the optimistic one not counted, unless it has a limit of
    /// its own.
    pub slots_per_torrent: usize,
    /// The same over all torrents; `None`: as the last run left it, at first 100.
    pub upload_slots: Option<u32>,
    /// Bytes per second that may go out for all torrents together; `None`: as the last run left it, at
    /// first no limit.
    pub upload_limit: Option<u64>,
    /// Bytes per second that may come in for all torrents together; `None`: as the last run left it, at
    /// first no limit.
    pub download_limit: Option<u64>,
    /// At which ratio torrents stop seeding, in thousandths; `None`: as the last run left it, at first never.
    pub seed_ratio: Option<u64>,
    /// After how many seconds torrents stop seeding; `None`: as the last run left it, at first never.
    pub seed_time: Option<u64>,
    /// Whether peers are called over TCP, and may call. Off: trackers over HTTP are asked over TCP all the same.
    pub tcp: bool,
    /// Whether peers are called over uTP (BEP 29), and may call: on the UDP port.
    pub utp: bool,
    /// Whether links are encrypted (MSE).
    /// `None`: as the last run had it, [`Encryption::Prefer`] at first.
    pub encryption: Option<Encryption>,
    /// How many torrents download at once; `None`: as the last run left it, at first 5.
    pub max_active_downloads: Option<MaxActive>,
    /// How many torrents seed at once; `None`: as the last run left it, at first all.
    pub max_active_seeds: Option<MaxActive>,
    /// So long a torrent must have been slow before others run in its place, and quick before it counts
    /// again; also what it is given to find peers. As libtorrent's `auto_manage_startup`.
    pub slow_after: Duration,
    /// Threads that read, write and hash.
    pub disk_threads: usize,
    /// Bytes of received blocks that may wait for the disk; when they are used up, links stop
    /// reading and TCP slows the senders.
    pub disk_buffer: usize,
    /// Open files of all torrents together: far below the 1,024 that a process may open by default, sockets
    /// included.
    pub max_open_files: usize,
    /// Payload is synced, and a resume record that claims it saved, at least this often while pieces come
    /// in: 10 s are few enough to lose to a power cut, and many enough that the disk has peace.
    pub sync_interval: Duration,
    /// Room for all of a file is reserved when it is made, where the file system can do that; else files
    /// are sparse and grow as their pieces come.
    pub reserve_room: bool,
    /// Files of which there is nothing yet are called `NAME.part` until they are complete. Files that have such
    /// a name are found and get their own in any case.
    pub part_names: bool,
    /// How long `stopped` announces may take at shutdown. Three seconds, so that the exit takes no more than
    /// five with what is saved meanwhile.
    pub stop_timeout: Duration,
    /// Hosts of trackers whose certificate may be anything, as their URLs write them.
    pub any_certificate: Vec<String>,
    /// Addresses of private and loopback ranges that trackers name are dropped unless the tracker is
    /// itself in such a range; a swarm on one machine may allow them all.
    pub allow_inward_peers: bool,
    /// The gateway is asked to let peers in (PCP, NAT-PMP, UPnP), where there is one before the addresses that
    /// are listened on and ours is not public.
    pub portmap: bool,
    /// All that leaves leaves by this, and nothing where it is not there; `None`: as the system likes.
    pub bind: Option<Bind>,
    /// Name servers to ask. None: with [`bind`](Self::bind) those of the system that are not on this machine, else the
    /// system is asked.
    pub name_servers: Vec<IpAddr>,
    /// `HOST:PORT` of nodes to begin with in the DHT, for example [`DHT_ROUTERS`]; nodes of the last run come
    /// first. `None`: there is no DHT.
    pub dht: Option<Vec<String>>,
    /// Peers of public torrents tell each other of peers (BEP 11).
    pub pex: bool,
    /// Public torrents are told of on our own network, and peers that are told of there are called (BEP 14).
    pub lsd: bool,
}

/// What all that leaves is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// An interface by its name: both families, as far as it has addresses.
    Interface(String),
    /// An address of this machine, and the interface that has it: its family alone.
    Address(IpAddr),
}

/// A text that is neither an address nor the name of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an interface or an address of this machine is wanted: wg0, 10.8.0.2, 2001:db8::7")]
pub struct ParseBindError;

impl std::str::FromStr for Bind {
    type Err = ParseBindError;

    fn from_str(text: &str) -> Result<Self, ParseBindError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            let one = !ip.is_unspecified() && !ip.is_multicast();
            return one.then_some(Self::Address(ip)).ok_or(ParseBindError);
        }
        // As the kernel takes them (`dev_valid_name`).
        let valid = (1..16).contains(&text.len()) && text != "." && text != "..";
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':');
        (valid && visible).then(|| Self::Interface(text.to_owned())).ok_or(ParseBindError)
    }
}

/// Nodes that help others to begin in the DHT and do nothing else; other clients begin there too.
pub const DHT_ROUTERS: [&str; 4] = [
    "dht.libtorrent.org:25401",
    "router.bittorrent.com:6881",
    "dht.transmissionbt.com:6881",
    "router.utorrent.com:6881",
];

impl Config {
    /// Defaults for a desktop or a seedbox: both families on one port.
    pub fn new(download_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: Self::any(0),
            download_dir: download_dir.into(),
            incomplete_dir: None,
            state_dir: None,
            runtime: None,
            max_connections: None,
            // Whoever knows the limit of descriptors says less.
            connection_ceiling: usize::MAX,
            max_peers: None,
            // As libtorrent and transmission.
            max_connections_per_address: 1,
            max_half_open: 100,
            slots_per_torrent: 8,
            upload_slots: None,
            upload_limit: None,
            download_limit: None,
            seed_ratio: None,
            seed_time: None,
            tcp: true,
            utp: true,
            encryption: None,
            max_active_downloads: None,
            max_active_seeds: None,
            slow_after: Duration::from_secs(60),
            disk_threads: 2,
            disk_buffer: 32 << 20,
            max_open_files: 128,
            sync_interval: Duration::from_secs(10),
            reserve_room: false,
            part_names: false,
            stop_timeout: Duration::from_secs(3),
            any_certificate: Vec::new(),
            allow_inward_peers: false,
            // Whoever embeds the engine decides what it talks to, and whether a person's router is changed.
            portmap: false,
            bind: None,
            name_servers: Vec::new(),
            dht: None,
            // Goes to peers only, which we talk to anyway.
            pex: true,
            // Goes to every computer on the network; whoever embeds the engine decides that.
            lsd: false,
        }
    }

    /// Where connections leave from, over IPv4 or IPv6: the first address of the family that peers may call
    /// us at. `None`: where the system likes.
    pub fn source(&self, v6: bool) -> Option<IpAddr> {
        let address = self.listen.iter().find(|address| address.is_ipv6() == v6)?;
        (!address.ip().is_unspecified()).then_some(address.ip())
    }

    /// Every address of this machine, both families, on one port.
    pub fn any(port: u16) -> Vec<SocketAddr> {
        [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
            .map(|address| SocketAddr::new(address, port))
            .to_vec()
    }
}

/// `User-Agent` for trackers and the `v` of the extension handshake. Trackers see the same version
/// in the peer id.
pub const CLIENT: &str = concat!("tc-tui/", env!("CARGO_PKG_VERSION"));

/// The start of our peer ids (BEP 20, Azureus style): two letters, then the version in four digits.
pub const PEER_ID_PREFIX: &[u8; 8] = b"-TC0100-";
