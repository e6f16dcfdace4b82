//! A router on the edge of a network: NAT for IPv4, a firewall for both families, and miniupnpd.

use std::io::Write as _;
use std::process::{Child, Stdio};

use crate::lab::Lab;
use crate::net::{Family, Host};
use crate::wait::{Deadline, until};
use crate::work::Work;

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

/// The rule that lets neither through: over IPv6 miniupnpd listens for PCP whatever it is told.
const UPNP_ALONE: &str = "
table inet old {
    chain input {
        type filter hook input priority 0; policy accept;
        udp dport 5351 reject
    }
}
";

/// A router with what people outside see.
pub struct Router {
    pub host: Host,
    /// The running miniupnpd.
    daemon: Option<Child>,
    folder: std::path::PathBuf,
    ways: &'static str,
}

impl Router {
    /// Starts it with these ways to ask it, and gives the place behind it.
    pub fn start(lab: &mut Lab, ways: &'static str) -> (Self, Host) {
        let host = lab.net.host("router");
        let inside = lab.net.behind(&host, "inside");
        let folder = lab.dir("router");
        let mut router = Self { host, daemon: None, folder, ways };
        router.nft(RULES);
        match ways {
            "NAT-PMP" => router.nft(NO_PCP),
            "UPnP" => router.nft(UPNP_ALONE),
            _ => {}
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

    /// Starts miniupnpd.
    pub fn run(&mut self, work: &Work) {
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
    pub fn lose_power(&mut self) {
        let mut child = self.daemon.take().expect("it runs");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
        for chain in ["miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"] {
            self.nft(&format!("flush chain inet filter {chain}\n"));
        }
    }

    /// What leads inside, by the kernel's own word: a line for each mapping of this family. Over IPv6 nothing is
    /// mapped, but let through.
    pub fn mappings(&self, family: Family) -> Vec<String> {
        let (chain, mark) = match family {
            Family::V4 => ("prerouting_miniupnpd", "dnat"),
            Family::V6 => ("miniupnpd", "accept"),
        };
        let output = self
            .host
            .command("nft")
            .args(["list", "chain", "inet", "filter", chain])
            .output()
            .expect("nft is there");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| line.contains(mark)).map(|line| line.trim().to_owned()).collect()
    }

    /// Waits until so many mappings lead to the place behind it, and no others.
    pub fn wait_mappings(&self, family: Family, number: usize, deadline: Deadline) {
        let inside = match family {
            Family::V4 => "192.168.77.2",
            // The kernel shows the address as miniupnpd wrote it.
            Family::V6 => "0x2a120077000000000000000000000002",
        };
        until(deadline, &format!("{number} mappings"), || {
            let mappings = self.mappings(family);
            let wanted = mappings.len() == number && mappings.iter().all(|line| line.contains(inside));
            assert!(wanted || deadline.left().is_some(), "{mappings:?}");
            wanted.then_some(())
        });
    }

    /// Somebody outside knows the way to the network inside (IPv6, where it is not hidden).
    pub fn show_way(&self, to: &Host) {
        let router = self.host.v6.to_string();
        let way = ["-6", "route", "add", "2a12:77::/64", "via", &router];
        assert!(to.command("ip").args(way).status().expect("there is ip").success());
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
pub fn installed() -> Result<(), String> {
    for program in ["miniupnpd", "nft"] {
        let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        if !folders.split(':').any(|folder| std::path::Path::new(folder).join(program).exists()) {
            return Err(format!("{program} is not installed"));
        }
    }
    Ok(())
}
