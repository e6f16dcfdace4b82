//! A real router lets peers in: miniupnpd, by UPnP, NAT-PMP and PCP.
//!
//! Ours lives on a network of its own behind a router with NAT; tracker and peers are outside. Nobody outside
//! reaches ours but through what the router was asked to map.

use std::io::Write as _;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::clients::make::Make;
use crate::clients::other::Options;
use crate::clients::ours::{Ours, PORT};
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;
use crate::wait::{Deadline, until};
use crate::work::Work;

/// From a restart of the router to the next look at it, on a busy machine.
const BACK_SECONDS: u64 = 100;

/// Where miniupnpd keeps its rules, as Debian calls them, and a NAT around them. Nothing comes in but what it lets in.
const RULES: &str = "
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname lan0 accept
        jump miniupnpd
    }
    chain miniupnpd { }
    chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        jump prerouting_miniupnpd
    }
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        jump postrouting_miniupnpd
        ip saddr 192.168.77.0/24 oifname eth0 masquerade
    }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
";

/// The rule that lets only the forerunner of PCP through: its version is 0.
const NO_PCP: &str = "
table inet old {
    chain input {
        type filter hook input priority 0; policy accept;
        udp dport 5351 @th,64,8 2 drop
    }
}
";

/// A router with what people outside see.
struct Router {
    host: Host,
    /// The running miniupnpd.
    daemon: Option<Child>,
    folder: std::path::PathBuf,
    ways: &'static str,
}

impl Router {
    fn start(lab: &mut Lab, ways: &'static str) -> (Self, Host) {
        let host = lab.net.host("router");
        let inside = lab.net.behind(&host, "inside");
        let folder = lab.dir("router");
        let mut router = Self { host, daemon: None, folder, ways };
        router.nft(RULES);
        if ways == "NAT-PMP" {
            router.nft(NO_PCP);
        }
        router.run(&lab.work);
        (router, inside)
    }

    fn nft(&self, rules: &str) {
        let mut child =
            self.host.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft");
        child.stdin.take().expect("it is piped").write_all(rules.as_bytes()).expect("nft reads");
        assert!(child.wait().expect("it is our child").success(), "{rules}");
    }

    fn run(&mut self, work: &Work) {
        let is = |way: &str| if way.split(' ').any(|way| way == self.ways) { "yes" } else { "no" };
        let (upnp, pmp) = (is("UPnP"), is("PCP NAT-PMP"));
        let settings = format!(
            "ext_ifname=eth0\nlistening_ip=lan0\nport=5555\nenable_upnp={upnp}\nenable_natpmp={pmp}\n\
             secure_mode=yes\nsystem_uptime=no\nmin_lifetime=60\nuuid=6c6b2c39-6d3a-4d8f-8f3e-0d7f2f7d6a11\n\
             upnp_table_name=filter\nupnp_nat_table_name=filter\nupnp_forward_chain=miniupnpd\n\
             upnp_nat_chain=prerouting_miniupnpd\nupnp_nat_postrouting_chain=postrouting_miniupnpd\n\
             allow 1024-65535 192.168.77.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"
        );
        let file = self.folder.join("miniupnpd.conf");
        std::fs::write(&file, settings).expect("the folder is ours");
        let child = self
            .host
            .command("miniupnpd")
            .args(["-d", "-f"])
            .arg(&file)
            .arg("-P")
            .arg(self.folder.join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(work.log("miniupnpd"))
            .spawn();
        self.daemon = Some(child.expect("it was looked for"));
    }

    /// It ends as by a power cut, and with it all that it knew.
    fn lose_power(&mut self) {
        let mut child = self.daemon.take().expect("it runs");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
        for chain in ["miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"] {
            self.nft(&format!("flush chain inet filter {chain}\n"));
        }
    }

    /// What leads inside, by the kernel's own word: a line for each mapping.
    fn mappings(&self) -> Vec<String> {
        let output = self
            .host
            .command("nft")
            .args(["list", "chain", "inet", "filter", "prerouting_miniupnpd"])
            .output()
            .expect("nft is there");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| line.contains("dnat")).map(|line| line.trim().to_owned()).collect()
    }

    fn wait_mappings(&self, number: usize, deadline: Deadline) {
        let what = format!("{number} mappings");
        until(deadline, &what, || {
            let mappings = self.mappings();
            let wanted =
                mappings.len() == number && mappings.iter().all(|line| line.contains("192.168.77.2"));
            assert!(wanted || deadline.left().is_some(), "{mappings:?}");
            wanted.then_some(())
        });
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What this test asks for beyond other clients.
fn installed() -> Result<(), String> {
    for program in ["miniupnpd", "nft"] {
        let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        if !folders.split(':').any(|folder| std::path::Path::new(folder).join(program).exists()) {
            return Err(format!("{program} is not installed"));
        }
    }
    Ok(())
}

fn lab(test: &str) -> Option<Lab> {
    lab::require(installed(), test)?;
    Lab::new(test, &[Make::Libtorrent], Content::single(3_000_001, 64 << 10, 41), Family::V4)
}

/// Ours inside, with all of the content.
fn seed(lab: &Lab, inside: &Host) -> Ours {
    lab.ours_again(inside, "seed", &["--seed-after"])
}

fn mapped(ours: &Ours, by: &str, transport: &str) -> Value {
    ours.event_that("portmap.ok", lab::ready(), |event| {
        event["by"] == by && event["transport"] == transport && event["family"] == "IPv4"
    })
}

fn peers_come_in(test: &str, way: &'static str) {
    let Some(mut lab) = lab(test) else { return };
    let (mut router, inside) = Router::start(&mut lab, way);
    let mut ours = seed(&lab, &inside);
    for transport in ["TCP", "UDP"] {
        let event = mapped(&ours, way, transport);
        assert_eq!(event["port"], PORT, "{event}");
        assert_eq!(event["outside"], router.host.v4.to_string(), "{event}");
    }
    router.wait_mappings(2, lab::ready());
    // Who asks the tracker is told of the router's address and the port there.
    lab.tracker.wait_seed(&router.host, lab::ready());
    let mut leech = lab.other_with(Make::Libtorrent, "leech", &Options::default());
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(Make::Libtorrent, "leech");
    let came = ours.event("peer.connected", lab::ready());
    assert_eq!(came["incoming"], true, "{came}");
    // It forgets all, comes back, and is told again.
    router.lose_power();
    assert_eq!(router.mappings(), [""; 0]);
    router.run(&lab.work);
    router.wait_mappings(2, Deadline::seconds(BACK_SECONDS));
    // SIGTERM; nothing is left behind.
    let (status, _) = ours.interrupt();
    assert!(status.success(), "{status}");
    assert_eq!(router.mappings(), [""; 0]);
}

#[test]
fn peers_come_in_through_upnp() {
    peers_come_in("peers_come_in_through_upnp", "UPnP");
}

#[test]
fn peers_come_in_through_natpmp() {
    peers_come_in("peers_come_in_through_natpmp", "NAT-PMP");
}

#[test]
fn peers_come_in_through_pcp() {
    peers_come_in("peers_come_in_through_pcp", "PCP");
}

#[test]
fn only_what_somebody_may_call_is_mapped() {
    let test = "only_what_somebody_may_call_is_mapped";
    let Some(mut lab) = lab(test) else { return };
    let (router, inside) = Router::start(&mut lab, "UPnP");
    // There is no DHT in these tests, so without uTP nobody calls over UDP.
    // The kernel shows the protocol by its number.
    let runs = [("--no-tcp", "UDP", "0x11 ", "TCP"), ("--no-utp", "TCP", "0x6 ", "UDP")];
    for (without, transport, protocol, other) in runs {
        let mut ours = lab.ours_again(&inside, "seed", &["--seed-after", without]);
        mapped(&ours, "UPnP", transport);
        lab.tracker.wait_seed(&router.host, lab::ready());
        router.wait_mappings(1, lab::ready());
        let mappings = router.mappings();
        assert!(mappings[0].contains(protocol), "{without}: {mappings:?}");
        let (status, lines) = ours.interrupt();
        assert!(status.success(), "{status}");
        let told = |line: &&Value| line["kind"].as_str().is_some_and(|kind| kind.starts_with("portmap."));
        let of_other = lines.iter().filter(told).find(|line| line["transport"] != transport);
        assert!(of_other.is_none(), "{without}: {other} is asked for: {of_other:?}");
        assert_eq!(router.mappings(), [""; 0]);
    }
}

#[test]
fn a_router_that_is_asked_for_nothing_lets_nobody_in() {
    let test = "a_router_that_is_asked_for_nothing_lets_nobody_in";
    let Some(mut lab) = lab(test) else { return };
    let (router, inside) = Router::start(&mut lab, "UPnP");
    let ours = lab.ours_again(&inside, "seed", &["--seed-after", "--no-portmap"]);
    lab.tracker.wait_seed(&router.host, lab::ready());
    assert_eq!(router.mappings(), [""; 0]);
    let probe = router.host.v4;
    let outside = lab.net.host("outside");
    let called = outside.spawn(move || {
        let timeout = std::time::Duration::from_secs(2);
        std::net::TcpStream::connect_timeout(&(probe, PORT).into(), timeout).map(drop)
    });
    assert!(called.join().expect("it does not panic").is_err(), "the test's router is open");
    drop(ours);
}
