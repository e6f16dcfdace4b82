//! Where all that we send leaves from, where a person has decided that: one interface, or one address of this
//! machine. The one place that prepares sockets for it.
//!
//! It fails closed. A socket that is bound to an interface is kept to it by the kernel, whatever the routes say;
//! where the interface is gone, down, or has no address, no socket is made at all.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use socket2::SockRef;
use tokio::sync::watch;

use super::interfaces::{Interface, Interfaces};
use super::scope::Scope;
use crate::config::Bind;

/// Bytes of an interface's name at most (`IFNAMSIZ`, with the zero at its end).
const MAX_NAME: usize = 16;

/// The name of an interface, as the kernel takes it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name([u8; MAX_NAME]);

impl Name {
    fn new(name: &str) -> Self {
        let mut bytes = [0; MAX_NAME];
        // Longer names are none.
        let length = name.len().min(MAX_NAME - 1);
        bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        Self(bytes)
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

/// Why nothing leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    Missing,
    Down,
    NoAddress,
}

/// Where sockets leave from, as it is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Where the system likes: nothing was decided.
    Any,
    /// By what was decided.
    Through(Through),
    /// Nowhere: what was decided is not there.
    Nowhere(Nowhere),
}

/// What was decided, and it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Through {
    /// `None`: the address is on the loopback interface though it is none of loopback; what has such an address
    /// leaves by the routes for it.
    interface: Option<Name>,
    /// The number: a new interface of the same name has another one.
    index: u32,
    /// Its first IPv4 address: with another one all begins anew.
    v4: Option<Ipv4Addr>,
    v6: bool,
    /// The one address.
    only: Option<IpAddr>,
}

/// What was decided, and it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nowhere {
    interface: Option<Name>,
    address: Option<IpAddr>,
    why: Closed,
}

impl std::fmt::Display for Nowhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.interface, self.address) {
            (Some(name), _) => write!(f, "{name:?} ")?,
            (None, Some(address)) => write!(f, "{address} ")?,
            (None, None) => {}
        }
        f.write_str(match self.why {
            Closed::Missing => "is not there",
            Closed::Down => "is down",
            Closed::NoAddress => "has no address",
        })
    }
}

impl Way {
    /// By `bind`, with the interfaces that there are.
    pub fn new(bind: &Bind, interfaces: &[Interface]) -> Self {
        let (found, name, only) = match bind {
            Bind::Interface(name) => {
                let found = interfaces.iter().find(|interface| interface.name == *name);
                (found, Some(Name::new(name)), None)
            }
            Bind::Address(ip) => {
                let found = interfaces.iter().find(|interface| interface.addresses.contains(ip));
                (found, None, Some(*ip))
            }
        };
        let nowhere = |why| Self::Nowhere(Nowhere { interface: name, address: only, why });
        let Some(found) = found else { return nowhere(Closed::Missing) };
        if !found.up {
            return nowhere(Closed::Down);
        }
        let has = |ip: &IpAddr| only.is_none_or(|only| only == *ip);
        let of_v4 = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        };
        let v4 = found.addresses.iter().filter(|ip| has(ip)).find_map(of_v4);
        // A link-local address alone reaches nobody who is of use.
        let v6 =
            |ip: &IpAddr| ip.is_ipv6() && has(ip) && (only.is_some() || Scope::of(*ip) != Scope::LinkLocal);
        let v6 = found.addresses.iter().any(v6);
        if v4.is_none() && !v6 {
            return nowhere(Closed::NoAddress);
        }
        let on_loopback = found.addresses.iter().any(|ip| Scope::of(*ip) == Scope::Loopback);
        let routed = on_loopback && only.is_some_and(|only| Scope::of(only) != Scope::Loopback);
        let interface = (!routed).then(|| Name::new(&found.name));
        Self::Through(Through { interface, index: found.index, v4, v6, only })
    }

    /// Prepares a socket of a family that was just made, before it is bound or connected.
    ///
    /// # Errors
    /// It must not be used: there is no way for it now, or the system does not let us bind to an interface.
    pub fn prepare<'s>(&self, socket: impl Into<SockRef<'s>>, v6: bool) -> io::Result<()> {
        let through = match self {
            Self::Any => return Ok(()),
            Self::Nowhere(nowhere) => {
                return Err(io::Error::new(io::ErrorKind::NetworkDown, nowhere.to_string()));
            }
            Self::Through(through) => through,
        };
        if !self.has(v6) {
            let family = if v6 { "IPv6" } else { "IPv4" };
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                format!("no {family} address to leave from"),
            ));
        }
        match &through.interface {
            Some(name) => bind_device(&socket.into(), name.as_bytes()),
            None => Ok(()),
        }
    }

    /// Whether a family can be used.
    pub const fn has(&self, v6: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Nowhere(_) => false,
            Self::Through(through) => {
                if v6 {
                    through.v6
                } else {
                    through.v4.is_some()
                }
            }
        }
    }

    /// The address that sockets of a family are to be bound to, where there is only one.
    pub fn source(&self, v6: bool) -> Option<IpAddr> {
        match self {
            Self::Through(through) => through.only.filter(|only| only.is_ipv6() == v6),
            Self::Any | Self::Nowhere(_) => None,
        }
    }

    /// The interface, for who makes sockets of their own.
    pub fn interface(&self) -> Option<String> {
        match self {
            Self::Through(through) => {
                through.interface.map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
            }
            Self::Any | Self::Nowhere(_) => None,
        }
    }

    /// Whether things may leave by the interface of this number.
    pub const fn leads_by(&self, index: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Nowhere(_) => false,
            Self::Through(through) => through.index == index,
        }
    }

    /// Why nothing leaves, if so.
    pub const fn nowhere(&self) -> Option<Nowhere> {
        match self {
            Self::Nowhere(nowhere) => Some(*nowhere),
            Self::Any | Self::Through(_) => None,
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_device(socket: &SockRef<'_>, name: &[u8]) -> io::Result<()> {
    // Anybody may since Linux 5.7; before, and where it is forbidden, nothing is sent.
    socket.bind_device(Some(name))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_device(_: &SockRef<'_>, _: &[u8]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not bind sockets to an interface"))
}

/// What a person decided, and what comes of it as interfaces come and go. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    inner: Option<(Bind, watch::Receiver<Interfaces>)>,
}

impl Binding {
    /// To `bind`, as the interfaces are.
    pub const fn new(bind: Bind, interfaces: watch::Receiver<Interfaces>) -> Self {
        Self { inner: Some((bind, interfaces)) }
    }

    /// To `bind`, as the interfaces are now, for good. Blocks for some milliseconds.
    pub fn once(bind: Bind) -> Self {
        Self::new(bind, watch::channel(super::interfaces::look()).1)
    }

    /// The way now.
    pub fn way(&self) -> Way {
        match &self.inner {
            Some((bind, interfaces)) => Way::new(bind, &interfaces.borrow()),
            None => Way::Any,
        }
    }

    /// Waits until the way is another one than `last`; without end where nothing was decided.
    pub async fn changed(&mut self, last: Way) -> Way {
        let Some((bind, interfaces)) = &mut self.inner else { return std::future::pending().await };
        loop {
            let now = Way::new(bind, &interfaces.borrow_and_update());
            if now != last {
                return now;
            }
            if interfaces.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces() -> Vec<Interface> {
        let one = |name: &str, index, up, addresses: &str| Interface {
            name: name.into(),
            index,
            up,
            addresses: addresses.split_whitespace().map(|ip| ip.parse().unwrap()).collect(),
            ..Interface::default()
        };
        vec![
            one("lo", 1, true, "127.0.0.1 80.9.9.9 ::1"),
            one("eth0", 2, true, "10.0.0.7 10.0.0.8 fe80::7 2a11::7"),
            one("tun0", 3, false, "10.8.0.2"),
            one("tun1", 4, true, "fe80::1"),
            one("tun2", 5, true, "10.9.0.2 fe80::2"),
        ]
    }

    fn way(bind: &str) -> Way {
        Way::new(&bind.parse().unwrap(), &interfaces())
    }

    #[test]
    fn what_is_there_is_used_and_nothing_else() {
        let check = |bind: &str, want: &str| {
            let way = way(bind);
            let got = match way {
                Way::Nowhere(nowhere) => nowhere.to_string(),
                _ => {
                    let families = [false, true].map(|v6| way.has(v6) as u8);
                    format!("{} {families:?} {:?}", way.interface().unwrap_or_default(), way.source(false))
                }
            };
            assert_eq!(got, want, "{bind}");
        };
        check("eth0", "eth0 [1, 1] None");
        check("10.0.0.8", "eth0 [1, 0] Some(10.0.0.8)");
        check("2a11::7", "eth0 [0, 1] None");
        check("127.0.0.1", "lo [1, 0] Some(127.0.0.1)");
        check("80.9.9.9", " [1, 0] Some(80.9.9.9)");
        check("tun0", "tun0 is down");
        check("10.8.0.2", "10.8.0.2 is down");
        check("tun1", "tun1 has no address");
        check("tun2", "tun2 [1, 0] None");
        check("wg0", "wg0 is not there");
        check("10.0.0.9", "10.0.0.9 is not there");
        assert_eq!(way("2a11::7").source(true), Some("2a11::7".parse().unwrap()));
    }

    #[test]
    fn sockets_are_not_prepared_for_what_is_not_there() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let kind = |bind: &str, v6| way(bind).prepare(&socket, v6).map_err(|error| error.kind());
        assert_eq!(kind("tun0", false), Err(io::ErrorKind::NetworkDown));
        assert_eq!(kind("wg0", false), Err(io::ErrorKind::NetworkDown));
        assert_eq!(kind("10.0.0.8", true), Err(io::ErrorKind::AddrNotAvailable));
        assert!(kind("tun2", false).is_err(), "the system knows none of that name");
        assert_eq!(Way::Any.prepare(&socket, true).map_err(|error| error.kind()), Ok(()));
    }

    #[test]
    fn a_new_interface_or_address_is_another_way() {
        let changed = |change: &dyn Fn(&mut Interface)| {
            let mut now = interfaces();
            change(&mut now[1]);
            Way::new(&"eth0".parse().unwrap(), &now) != way("eth0")
        };
        assert!(changed(&|eth0| eth0.index = 9));
        assert!(changed(&|eth0| eth0.up = false));
        assert!(changed(&|eth0| eth0.addresses[0] = "10.0.0.9".parse().unwrap()));
        assert!(changed(&|eth0| eth0.addresses.truncate(3)));
        // Temporary addresses of IPv6 come and go.
        assert!(!changed(&|eth0| eth0.addresses.push("2a11::8".parse().unwrap())));
        assert!(!changed(&|eth0| eth0.gateways.push("10.0.0.1".parse().unwrap())));
    }
}
