//! `--bind`: all leaves by one interface, and nothing where that is not there.
//!
//! Ours has two interfaces on one network; by the routes everything leaves by `eth0`, where a capture sees what
//! does. Trackers over HTTP, by a name, and over UDP, a node of the DHT, a name server and peers are all there, and the
//! own network is told too (LSD).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tc_core::{Config, TorrentManager};

use crate::clients::make::Make;
use crate::clients::other::{Options, Other};
use crate::clients::ours::{Ours, PORT};
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;
use crate::wait::{Deadline, until};

/// The name that the tracker has at the test's name server.
const NAME: &str = "tracker.example";

/// For a change of an interface to be noticed, on a busy machine.
const NOTICED_SECONDS: u64 = 30;

/// So long nothing must happen while there is no way.
const QUIET_SECONDS: u64 = 4;

/// What leaves by an interface, as tcpdump sees it. What the kernel says for itself, of neighbours and groups, is left
/// out.
struct Capture {
    child: Child,
    host: Host,
    file: std::path::PathBuf,
}

/// Where the first packet goes that a capture has to see: nobody is there.
const CANARY: (std::net::Ipv4Addr, u16) = (std::net::Ipv4Addr::new(11, 250, 0, 1), 9);

impl Capture {
    fn start(lab: &Lab, host: &Host, interface: &str) -> Self {
        let file = lab.work.join(&format!("left-by-{interface}"));
        let output = std::fs::File::create(&file).expect("the folder is ours");
        let mut command = host.command("tcpdump");
        command.args([
            "-i",
            interface,
            "-Q",
            "out",
            "-n",
            "-l",
            "--immediate-mode",
            // Groups are reported with options before them.
            "ip or (ip6 and not icmp6 and ip6[6] != 0)",
        ]);
        let log = lab.work.log(&format!("tcpdump-{interface}"));
        let child =
            command.stdin(Stdio::null()).stdout(output).stderr(log).spawn().expect("it was looked for");
        let capture = Self { child, host: host.clone(), file };
        // The neighbour is not there: the address is made known, so that the packet leaves.
        host.ip(&format!("neigh replace {} lladdr 02:00:00:00:00:fa dev {interface}", CANARY.0));
        until(lab::ready(), "tcpdump to see something", || {
            capture.send_canary(interface);
            (!capture.lines().is_empty()).then_some(())
        });
        capture
    }

    fn send_canary(&self, interface: &str) {
        let interface = interface.to_owned();
        let sent = self.host.spawn(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket2::SockRef::from(&socket).bind_device(Some(interface.as_bytes())).expect("we are root");
            socket.send_to(b"canary", CANARY)
        });
        sent.join().expect("it does not panic").expect("it leaves");
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// All that left but the test's own packets, and but resets: what arrives for a connection that is closed
    /// is answered by the kernel, which belongs to no program and takes the way of its routes.
    fn left(&self) -> Vec<String> {
        let canary = format!("> {}.{}:", CANARY.0, CANARY.1);
        let is_ours = |line: &String| !line.contains(&canary) && !line.contains("Flags [R], ");
        self.lines().into_iter().filter(is_ours).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        self.child.wait().ok();
    }
}

/// A name server that knows one name, and counts who asks.
struct NameServer {
    end: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    fn start(host: &Host, address: std::net::Ipv4Addr) -> Self {
        let (end, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (until, was) = (end.clone(), asked.clone());
        let at = SocketAddr::from((host.v4, 53));
        let thread = host.spawn(move || {
            let socket = UdpSocket::bind(at).expect("the place is ours");
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
            let mut question = [0; 512];
            while !until.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
                was.store(true, Ordering::Relaxed);
                let mut answer = question[..length].to_vec();
                let wants_v4 = answer[length - 3] == 1;
                (answer[2], answer[3], answer[7]) = (0x81, 0x80, u8::from(wants_v4));
                if wants_v4 {
                    // The name is that of the question; for a minute; four bytes.
                    answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                    answer.extend_from_slice(&address.octets());
                }
                socket.send_to(&answer, from).ok();
            }
        });
        Self { end, asked, thread: Some(thread) }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// All that ours talks to, and the place with two interfaces.
struct Scene {
    seed: Other,
    node: TorrentManager,
    names: NameServer,
    /// By `eth0`.
    host: Host,
    /// By `eth1`.
    bound: Host,
    arguments: Vec<String>,
    lab: Lab,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.node.shutdown();
    }
}

fn installed() -> Result<(), String> {
    let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let there = folders.split(':').any(|folder| std::path::Path::new(folder).join("tcpdump").exists());
    there.then_some(()).ok_or_else(|| "tcpdump is not installed".to_owned())
}

impl Scene {
    fn new(test: &str, bytes: u64) -> Option<Self> {
        lab::require(installed(), test)?;
        let content = || Content::single(bytes, 64 << 10, 43);
        let mut lab = Lab::new(test, &[Make::Libtorrent], content(), Family::V4)?;
        let seed = lab.other_seed(Make::Libtorrent, &Options::default());
        let url = lab.tracker.url(Family::V4);
        let tracker = url.strip_prefix("http://").and_then(|url| url.split(':').next()).expect("its form");
        let trackers = [format!("http://{NAME}:6969/announce"), lab.tracker.udp_url(Family::V4)];
        lab.torrent = lab.work.join("two-trackers.torrent");
        assert_eq!(content().torrent(&trackers, &lab.torrent), lab.info_hash);
        let place = lab.net.host("node");
        let names = NameServer::start(&place, tracker.parse().expect("an address"));
        let (at, dir) = (SocketAddr::from((place.v4, PORT)), lab.dir("node"));
        let mut config = Config::new(&dir);
        config.listen = vec![at];
        config.dht = Some(vec![at.to_string()]);
        let node = place.spawn(move || TorrentManager::start(config).expect("an engine"));
        let node = node.join().expect("it starts");
        let host = lab.net.host("ours");
        let bound = lab.net.second_interface(&host);
        let arguments =
            ["--dht-bootstrap".to_owned(), at.to_string(), "--name-server".to_owned(), place.v4.to_string()];
        Some(Self { seed, node, names, host, bound, arguments: arguments.to_vec(), lab })
    }

    fn ours(&self, bind: &str, more: &[&str]) -> Ours {
        let arguments = self.arguments.iter().map(String::as_str);
        let all = ["TC_TUI_NO_LSD=false", "--bind", bind];
        let arguments: Vec<_> = arguments.chain(all).chain(more.iter().copied()).collect();
        self.lab.ours_again(&self.bound, "leech", &arguments)
    }

    /// All that it was to ask was asked, from the address that it is bound to.
    fn assert_asked(&self) {
        for by in ["http", "udp"] {
            self.lab.tracker.wait(&self.bound, lab::ready(), |announce| announce.by == by);
        }
        assert!(self.names.asked.load(Ordering::Relaxed), "the name was not looked up");
        until(lab::ready(), "the node to know ours", || {
            (self.node.shared().dht().stats().nodes[0] > 0).then_some(())
        });
    }
}

fn all_leaves_by_one(test: &str, bind: fn(&Scene) -> String) {
    let Some(scene) = Scene::new(test, 3_000_001) else { return };
    let other = Capture::start(&scene.lab, &scene.host, "eth0");
    let own = Capture::start(&scene.lab, &scene.host, "eth1");
    let mut ours = scene.ours(&bind(&scene), &["--seed-after"]);
    ours.event("session.completed", lab::transfer());
    scene.assert_asked();
    let (status, _) = ours.interrupt();
    assert!(status.success(), "{status}");
    scene.lab.assert_same("leech");
    assert!(scene.seed.host.v4 != scene.bound.v4 && own.left().len() > 100, "{:?}", own.left());
    other.send_canary("eth0");
    assert_eq!(other.left(), [""; 0], "left by eth0");
}

#[test]
fn all_leaves_by_the_interface_that_was_named() {
    all_leaves_by_one("all_leaves_by_the_interface_that_was_named", |_| "eth1".to_owned());
}

#[test]
fn all_leaves_by_the_interface_of_the_address_that_was_named() {
    let test = "all_leaves_by_the_interface_of_the_address_that_was_named";
    all_leaves_by_one(test, |scene| scene.bound.v4.to_string());
}

#[test]
fn without_it_things_leave_by_the_other_interface() {
    let test = "without_it_things_leave_by_the_other_interface";
    let Some(scene) = Scene::new(test, 300_001) else { return };
    let other = Capture::start(&scene.lab, &scene.host, "eth0");
    let arguments: Vec<_> = scene.arguments.iter().map(String::as_str).collect();
    // A listening address alone keeps nothing from taking the other way.
    let mut ours = scene.lab.ours_again(&scene.bound, "leech", &arguments);
    let (status, _) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}");
    assert!(other.left().len() > 10, "the capture sees nothing");
}

#[test]
fn nothing_leaves_while_the_interface_is_down_and_all_goes_on_when_it_is_back() {
    let test = "nothing_leaves_while_the_interface_is_down_and_all_goes_on_when_it_is_back";
    let Some(scene) = Scene::new(test, 12_000_001) else { return };
    let other = Capture::start(&scene.lab, &scene.host, "eth0");
    let mut ours = scene.ours("eth1", &["--down-limit", "1M"]);
    let moved = |least: u64| move |event: &serde_json::Value| event["downloaded"].as_u64() > Some(least);
    ours.event_that("stats.update", lab::transfer(), moved(1 << 20));
    scene.host.ip("link set eth1 down");
    let down = ours.event("listen.failed", Deadline::seconds(NOTICED_SECONDS));
    assert!(down["error"].as_str().is_some_and(|error| error.contains("eth1 is down")), "{down}");
    // Whatever was on its way has come to rest; then nothing more arrives.
    let before = ours.count("piece.completed");
    let quiet = Deadline::seconds(QUIET_SECONDS);
    until(Deadline::seconds(NOTICED_SECONDS), "some quiet", || quiet.left().is_none().then_some(()));
    assert_eq!(ours.count("piece.completed"), before, "something came in");
    scene.host.ip("link set eth1 up");
    let (status, _) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}");
    scene.lab.assert_same("leech");
    assert_eq!(other.left(), [""; 0], "left by eth0");
}

#[test]
fn an_interface_that_comes_later_is_waited_for() {
    let test = "an_interface_that_comes_later_is_waited_for";
    let Some(scene) = Scene::new(test, 300_001) else { return };
    scene.host.ip("link set eth1 down");
    let other = Capture::start(&scene.lab, &scene.host, "eth0");
    let mut ours = scene.ours("eth1", &[]);
    let is_down = |event: &serde_json::Value| event["error"] == "host name: eth1 is down";
    ours.event_that("tracker.failed", lab::ready(), is_down);
    scene.host.ip("link set eth1 up");
    let (status, _) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}");
    assert_eq!(other.left(), [""; 0], "left by eth0");
}

/// Serves a torrent file at every URL of a host, to whoever asks, and says who did.
fn serve(host: &Host, torrent: Vec<u8>) -> Receiver<IpAddr> {
    let (tell, asked) = sync_channel(16);
    let at = SocketAddr::from((host.v4, 80));
    let listener = host.spawn(move || TcpListener::bind(at).expect("the place is ours")).join();
    let listener = listener.expect("it does not panic");
    // It ends with the test's process: nobody calls any more.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", torrent.len());
            // Whoever asked may have gone.
            stream.write_all(&[head.as_bytes(), &torrent].concat()).ok();
            let Ok(from) = stream.peer_addr() else { continue };
            if tell.try_send(from.ip()).is_err() {
                return;
            }
        }
    });
    asked
}

#[test]
fn a_torrent_file_at_a_url_comes_by_the_interface_that_was_named_or_not_at_all() {
    let test = "a_torrent_file_at_a_url_comes_by_the_interface_that_was_named_or_not_at_all";
    let Some(mut scene) = Scene::new(test, 300_001) else { return };
    let place = scene.lab.net.host("web");
    let asked = serve(&place, std::fs::read(&scene.lab.torrent).expect("it was made"));
    scene.lab.torrent = format!("http://{}/x.torrent", place.v4).into();
    let other = Capture::start(&scene.lab, &scene.host, "eth0");
    scene.host.ip("link set eth1 down");
    let (status, _) = scene.ours("eth1", &[]).wait_exit(lab::ready());
    assert!(!status.success(), "it was fetched by another way");
    assert!(asked.try_recv().is_err(), "it was asked for by another way");
    assert_eq!(other.left(), [""; 0], "left by eth0 while eth1 was down");
    scene.host.ip("link set eth1 up");
    let mut ours = scene.ours("eth1", &[]);
    let (status, _) = ours.wait_exit(lab::transfer());
    assert!(status.success(), "{status}");
    scene.lab.assert_same("leech");
    assert_eq!(asked.try_recv(), Ok(IpAddr::from(scene.bound.v4)));
    other.send_canary("eth0");
    assert_eq!(other.left(), [""; 0], "left by eth0");
}
