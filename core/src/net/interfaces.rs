//! The network interfaces of this machine, looked at again and again by a thread of its own: the system is
//! asked by calls that may read files.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::watch;

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number, which is another one when it was taken away and made anew.
    pub index: u32,
    /// It can move packets.
    pub up: bool,
    /// The system sends by it what has no other way.
    pub default: bool,
    /// It takes part in multicast, and leads out of this machine.
    pub multicast: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The bits of their masks, one for each.
    pub prefixes: Vec<u8>,
    /// The gateways of its default routes.
    pub gateways: Vec<IpAddr>,
}

/// All of them, by number.
pub type Interfaces = Arc<[Interface]>;

/// Asks the system. It may block for some milliseconds: not for async code.
pub fn look() -> Interfaces {
    let mut all: Vec<_> = netdev::get_interfaces()
        .into_iter()
        .map(|found| {
            let gateway = found.gateway.as_ref();
            let v4 = gateway.iter().flat_map(|gateway| &gateway.ipv4).map(|ip| IpAddr::V4(*ip));
            let v6 = gateway.iter().flat_map(|gateway| &gateway.ipv6).map(|ip| IpAddr::V6(*ip));
            let v4_nets = found.ipv4.iter().map(|net| IpAddr::V4(net.addr()));
            let v6_nets = found.ipv6.iter().map(|net| IpAddr::V6(net.addr()));
            let v4_bits = found.ipv4.iter().map(|net| net.prefix_len());
            let v6_bits = found.ipv6.iter().map(|net| net.prefix_len());
            Interface {
                index: found.index,
                up: found.is_up() && found.is_running(),
                default: found.default,
                multicast: found.is_multicast() && !found.is_loopback(),
                addresses: v4_nets.chain(v6_nets).collect(),
                prefixes: v4_bits.chain(v6_bits).collect(),
                gateways: v4.chain(v6).collect(),
                name: found.name,
            }
        })
        .collect();
    all.sort_by_key(|interface| interface.index);
    all.into()
}

/// Looks for as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    interfaces: watch::Receiver<Interfaces>,
    /// Dropping it wakes and ends the thread.
    _stop: SyncSender<()>,
}

impl Watcher {
    /// Looks so often; at once the first time, so it may block for some milliseconds.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(every: Duration) -> std::io::Result<Self> {
        let (sender, interfaces) = watch::channel(look());
        // Nothing is ever sent: the end of the channel is the message.
        let (stop, stopped) = sync_channel::<()>(0);
        std::thread::Builder::new().name("interfaces".into()).spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let now = look();
                sender.send_if_modified(|last| {
                    *last != now && {
                        *last = now;
                        true
                    }
                });
            }
        })?;
        Ok(Self { interfaces, _stop: stop })
    }

    /// What there is, and each change of it.
    pub fn watch(&self) -> watch::Receiver<Interfaces> {
        self.interfaces.clone()
    }
}
