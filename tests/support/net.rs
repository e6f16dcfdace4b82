//! A network for one test: a namespace per client, all on one bridge, and no way out of it.
//!
//! Addresses are 11.N.0.1/8 and 2a11:N::1/16: to every client they look public, each lies in a /24
//! of its own, and multicast reaches all. The bridge lies in a namespace too, so nothing of the
//! machine's own network changes. Needs root and iproute2.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Namespaces of tests are called `PREFIX-pid-net-name`.
const PREFIX: &str = "tctest";

/// Networks of this process so far.
static NETS: AtomicU32 = AtomicU32::new(0);

/// One network. Dropping it ends what runs inside and takes it away.
#[derive(Debug)]
pub struct Net {
    prefix: String,
    switch: String,
    hosts: Vec<Host>,
}

/// A place that a client runs in.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: Option<String>,
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// Its IPv6 address.
    pub v6: Ipv6Addr,
    /// A router stands between it and the others.
    pub is_inside: bool,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 11.N.0.1
    V4,
    /// 2a11:N::1
    V6,
}

impl Net {
    /// An empty network.
    ///
    /// # Errors
    /// Why this machine does not let us make one.
    pub fn new() -> Result<Self, String> {
        remove_stale();
        let prefix = format!("{PREFIX}-{}-{}", std::process::id(), NETS.fetch_add(1, Ordering::Relaxed));
        let switch = format!("{prefix}-switch");
        ip(&format!("netns add {switch}"))?;
        let net = Self { prefix, switch, hosts: Vec::new() };
        ip(&format!("-n {} link add bridge up type bridge", net.switch))?;
        Ok(net)
    }

    /// Adds a client's place; the first is 11.1.0.1.
    pub fn host(&mut self, name: &str) -> Host {
        let number = u8::try_from(self.hosts.len() + 1).expect("a test has few clients");
        let namespace = format!("{}-{name}", self.prefix);
        let v4 = Ipv4Addr::new(11, number, 0, 1);
        let v6 = Ipv6Addr::new(0x2a11, number.into(), 0, 0, 0, 0, 0, 1);
        let host = Host { namespace: Some(namespace.clone()), v4, v6, is_inside: false };
        self.hosts.push(host.clone());
        for line in [
            format!("netns add {namespace}"),
            format!("link add eth0 netns {namespace} type veth peer name port{number} netns {}", self.switch),
            format!("-n {} link set port{number} up master bridge", self.switch),
            format!("-n {namespace} addr add {v4}/8 dev eth0"),
            // Nobody else can have the address: no need to wait for that to be found out.
            format!("-n {namespace} addr add {v6}/16 dev eth0 nodad"),
            format!("-n {namespace} link set lo up"),
            format!("-n {namespace} link set eth0 up"),
            // For senders of multicast that name no interface.
            format!("-n {namespace} route add 224.0.0.0/4 dev eth0"),
        ] {
            ip(&line).expect("the first namespace could be made");
        }
        // The machine's default may be bbr, under which "uTP yields to TCP" means nothing. Some kernels
        // keep cubic to the first namespace; reno is everywhere.
        let by_loss = "cd /proc/sys/net/ipv4; for name in cubic reno; do \
            echo $name 2>/dev/null > tcp_congestion_control && exit; done; exit 1";
        let set = host.command("sh").args(["-c", by_loss]).status().expect("there is a shell");
        assert!(set.success(), "{namespace}: no congestion control by loss");
        host
    }

    /// The place of the bridge, and the number of a client's port there: for what is to stand in between.
    pub fn port(&self, host: &Host) -> (Host, usize) {
        let at = self.hosts.iter().position(|other| other.v4 == host.v4).expect("it is one of this network");
        let (v4, v6) = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
        (Host { namespace: Some(self.switch.clone()), v4, v6, is_inside: false }, at + 1)
    }
}

impl Net {
    /// Adds a second interface, `eth1`, to a place, on the same bridge: 11.N.0.1/8 and 2a11:N::1/16 with a number of its
    /// own. By the routes all leaves by `eth0`. Returned is the place as it is seen there.
    pub fn second_interface(&mut self, host: &Host) -> Host {
        let number = 100 + host.v4.octets()[1];
        let namespace = host.namespace.as_deref().expect("loopback has one interface");
        let v4 = Ipv4Addr::new(11, number, 0, 1);
        let v6 = Ipv6Addr::new(0x2a11, number.into(), 0, 0, 0, 0, 0, 1);
        for line in [
            format!("link add eth1 netns {namespace} type veth peer name port{number} netns {}", self.switch),
            format!("-n {} link set port{number} up master bridge", self.switch),
            format!("-n {namespace} addr add {v4}/8 dev eth1"),
            format!("-n {namespace} addr add {v6}/16 dev eth1 nodad"),
            format!("-n {namespace} link set eth1 up"),
        ] {
            ip(&line).expect("the first namespace could be made");
        }
        // Each interface answers for its own address alone, and takes what comes in by it.
        let apart = "cd /proc/sys/net/ipv4/conf && for at in all eth0 eth1; do echo 1 > $at/arp_ignore && \
            echo 2 > $at/arp_announce && echo 0 > $at/rp_filter || exit 1; done";
        let set = host.command("sh").args(["-c", apart]).status().expect("there is a shell");
        assert!(set.success(), "{namespace}: the interfaces are not apart");
        Host { v4, v6, ..host.clone() }
    }

    /// Adds a place behind another one, its router, on a network of its own: 192.168.77.2/24 and 2a12:77::2/64. The
    /// router has .1 there, on `lan0`, and forwards; what else it does is the test's.
    pub fn behind(&mut self, router: &Host, name: &str) -> Host {
        let namespace = format!("{}-{name}", self.prefix);
        let outer = router.namespace.as_deref().expect("a router is not on loopback");
        let (v4, v6) = (Ipv4Addr::new(192, 168, 77, 2), Ipv6Addr::new(0x2a12, 0x77, 0, 0, 0, 0, 0, 2));
        let host = Host { namespace: Some(namespace.clone()), v4, v6, is_inside: true };
        self.hosts.push(host.clone());
        for line in [
            format!("netns add {namespace}"),
            format!("link add eth0 netns {namespace} type veth peer name lan0 netns {outer}"),
            format!("-n {outer} addr add 192.168.77.1/24 dev lan0"),
            format!("-n {outer} addr add 2a12:77::1/64 dev lan0 nodad"),
            format!("-n {outer} addr add fe80::1/64 dev lan0 nodad"),
            format!("-n {outer} link set lan0 up"),
            format!("-n {namespace} addr add {v4}/24 dev eth0"),
            format!("-n {namespace} addr add {v6}/64 dev eth0 nodad"),
            format!("-n {namespace} link set lo up"),
            format!("-n {namespace} link set eth0 up"),
            format!("-n {namespace} route add default via 192.168.77.1"),
            format!("-n {namespace} route add default via fe80::1 dev eth0"),
        ] {
            ip(&line).expect("the first namespace could be made");
        }
        let forward =
            "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
        let set = router.command("sh").args(["-c", forward]).status().expect("there is a shell");
        assert!(set.success(), "{outer} does not forward");
        host
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let hosts = self.hosts.iter().filter_map(|host| host.namespace.as_deref());
        hosts.chain([self.switch.as_str()]).for_each(remove);
    }
}

impl Host {
    /// No namespace: 127.0.0.N on the loopback of this machine.
    pub const fn loopback(number: u8) -> Self {
        Self {
            namespace: None,
            v4: Ipv4Addr::new(127, 0, 0, number),
            v6: Ipv6Addr::LOCALHOST,
            is_inside: false,
        }
    }

    /// Its address.
    pub fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.v4.into(),
            Family::V6 => self.v6.into(),
        }
    }

    /// Runs `ip` with these words here.
    ///
    /// # Panics
    /// When it fails, and for a place without a namespace.
    pub fn ip(&self, words: &str) {
        let namespace = self.namespace.as_deref().expect("loopback has nothing to set");
        ip(&format!("-n {namespace} {words}")).expect("the test knows what it asks for");
    }

    /// Runs `work` on a thread that lives here: a peer of the test's own, with this address.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let namespace = self.namespace.clone();
        let enter = move || {
            let Some(namespace) = namespace else { return };
            let file = std::fs::File::open(Path::new("/run/netns").join(namespace)).expect("ip made it");
            let network = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(file.as_fd(), network).expect("we are root");
        };
        std::thread::spawn(move || {
            enter();
            work()
        })
    }

    /// A program that runs here; the process is the program itself, not a parent of it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }
}

/// Runs `ip` with these words.
fn ip(words: &str) -> Result<String, String> {
    let output = Command::new("ip").args(words.split(' ')).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip: {error} (is iproute2 installed?)"))?;
    if !output.status.success() {
        return Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Ends what runs in a namespace and removes it.
fn remove(namespace: &str) {
    for pid in ip(&format!("netns pids {namespace}")).unwrap_or_default().split_whitespace() {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            // It may have gone by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    if let Err(error) = ip(&format!("netns del {namespace}")) {
        // Not a panic: this runs while one unwinds.
        let _ = writeln!(std::io::stderr(), "{error}");
    }
}

/// Removes what test processes left that were killed before they could do it.
fn remove_stale() {
    for line in ip("netns list").unwrap_or_default().lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').nth(1));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(name);
        }
    }
}
