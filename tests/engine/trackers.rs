//! Hostile, slow and dead trackers against the real program. The rows are those of the catalogue of
//! faults (trackers, T1 to T11): each is told with its reason, and nothing else is delayed by it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::lines::Lines;
use crate::single;
use crate::swarm::{Engine, PIECE, torrent};
use crate::tracker::{Tracker, hold, naming, ok, redirect, request_line};
use crate::wait::{Deadline, until};

const SIZE: usize = 4 * PIECE as usize;

/// For what takes a moment on an idle machine.
const PATIENCE: u64 = 60;

/// What the catalogue allows for leaving, busy machine or not.
const EXIT: Duration = Duration::from_secs(5);

/// The torrent of [`torrent`] with these trackers, one to a tier.
fn with_trackers(torrent: &[u8], urls: &[String]) -> Vec<u8> {
    let tiers: String = urls.iter().map(|url| format!("l{}:{url}e", url.len())).collect();
    let rest = torrent.strip_prefix(b"d").expect("a dictionary");
    [format!("d13:announce-listl{tiers}e").as_bytes(), rest].concat()
}

/// `tc-tui get --json --seed-after` over these torrents.
struct Get {
    child: Child,
    lines: Lines,
    dir: TempDir,
}

impl Get {
    fn start(dir: TempDir, source: &Path, args: &[&str], env: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tc-tui"))
            .args(["get", "--json", "--seed-after", "--listen", "127.0.0.1:0", "-d"])
            .arg(dir.path().join("down"))
            .args(args)
            .arg(source)
            .env("HOME", dir.path())
            .env("TC_TUI_NO_DHT", "true")
            .env("TC_TUI_NO_LSD", "true")
            .env("TC_TUI_NO_PORTMAP", "true")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        Self { child, lines, dir }
    }

    fn sees(&self, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        let found = self.lines.find(Deadline::seconds(PATIENCE), wanted);
        found.unwrap_or_else(|why| panic!("{what}: {why}"))
    }

    /// The event of this kind about this tracker.
    fn hears_of(&self, kind: &str, tracker: &Tracker) -> Value {
        let url = tracker.address.to_string();
        self.sees(&format!("{kind} of {url}"), |line| {
            line["kind"] == kind && line["url"].as_str().is_some_and(|text| text.contains(&url))
        })
    }

    fn completes(&self) {
        self.sees("the download", |line| line["kind"] == "session.completed");
    }

    /// Asks it to end; its exit code and how long it took.
    fn end(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let code = until(Deadline::seconds(PATIENCE), "the exit", || {
            self.child.try_wait().unwrap().map(|status| status.code())
        });
        (code, began.elapsed())
    }

    /// Everything that it logged.
    fn log(&self) -> String {
        let state = self.dir.path().join("down/.tc-tui");
        let files = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|ext| ext == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

impl Drop for Get {
    fn drop(&mut self) {
        // A failed test leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A seed, and the bytes of its torrent.
fn seed(host: u8, number: u64) -> (Engine, Vec<u8>) {
    let (content, _) = torrent(number, SIZE);
    let engine = Engine::seeding([127, 0, 12, host], number, SIZE);
    (engine, single::single("it", &content, PIECE, None))
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn trackers_that_lie_stall_redirect_and_flood_delay_nothing() {
    let (engine, torrent) = seed(1, 101);
    let honest = Tracker::saying(naming(&[engine.address()]));
    let endless = |head: &'static [u8]| {
        Tracker::start(move |_, mut stream| {
            let _ = stream.write_all(head);
            while stream.write_all(&[b'i'; 65_536]).is_ok() {}
        })
    };
    let crowd: Vec<SocketAddr> =
        (0..100_000_u32).map(|n| SocketAddr::from(([127, 200, (n >> 8) as u8, n as u8], 9))).collect();
    let refused: Vec<(Tracker, &str)> = vec![
        (Tracker::saying(ok(b"<html>log in</html>")), "not a tracker's answer"),
        (Tracker::saying(ok(b"d5:peersi1ee")), "not a tracker's answer"),
        (Tracker::saying(ok(b"le")), "not a tracker's answer"),
        (Tracker::saying(ok(b"d14:failure reason9:\x1b]0;x\x07 noe")), "no"),
        (Tracker::saying(ok(b"d14:failure reasoni7ee")), "7"),
        (Tracker::saying(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()), "HTTP 503"),
        (Tracker::saying(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_vec()), ""),
        (
            Tracker::saying(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n".to_vec(),
            ),
            "",
        ),
        (Tracker::saying(redirect("/announce")), "redirected too often"),
        (Tracker::saying(redirect("file:///etc/passwd")), "redirect to another scheme"),
        (Tracker::saying(redirect("http://169.254.169.254/announce")), "link-local"),
        (endless(b"HTTP/1.1 200 OK\r\n\r\n"), "too large"),
        (Tracker::saying(gzip_bomb()), "too large"),
        (endless(b"HTTP/1.1 200 OK\r\nX: "), ""),
    ];
    let (silent, slow) = (
        Tracker::start(|_, stream| hold(stream)),
        Tracker::start(|_, mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nd8:inter");
            hold(stream);
        }),
    );
    let flood = Tracker::saying(naming(&crowd));
    let busy = Tracker::saying(ok(b"d8:intervali0e12:min intervali-5e5:peers0:e"));
    let all = refused.iter().map(|(tracker, _)| tracker).chain([&silent, &slow, &flood, &busy, &honest]);
    let urls: Vec<String> = all.map(Tracker::url).collect();

    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "it.torrent", &with_trackers(&torrent, &urls));
    let mut get = Get::start(dir, &file, &[], &[]);
    get.completes();
    for (tracker, words) in &refused {
        let failed = get.hears_of("tracker.failed", tracker);
        let error = failed["error"].as_str().unwrap_or_default();
        assert!(error.contains(words) && !error.is_empty(), "{words}: {failed}");
    }
    let flooded = get.hears_of("tracker.success", &flood)["peers"].as_u64();
    assert!(flooded.is_some_and(|peers| (1..=1_000).contains(&peers)), "{flooded:?}");
    let interval = get.hears_of("tracker.success", &busy)["interval"].as_u64();
    assert!(interval.is_some_and(|secs| secs >= 60), "{interval:?}");
    let (code, took) = get.end();
    assert_eq!(code, Some(0));
    assert!(took < EXIT, "{took:?}");
    assert_eq!(honest.count("started"), 1);
    assert_eq!(honest.count("completed"), 1);
    assert_eq!(honest.count("stopped"), 1);
    engine.manager.shutdown();
}

/// An answer of 64 KiB that is ten MB of zeros when it is unpacked (RFC 1951, 3.2.6): one block of fixed codes,
/// a literal 0, then matches of 258 bytes at distance 1.
fn gzip_bomb() -> Vec<u8> {
    let begin = [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    let bits = begin.into_iter().chain([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0].into_iter().cycle());
    let bits: Vec<u8> = bits.take(8 * 65_536).collect();
    let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | bit));
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n".to_vec();
    answer.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    answer.extend(packed);
    answer
}

/// This many torrents of one small piece each in a folder, all with this tracker.
fn many(dir: &TempDir, count: usize, url: &str) {
    for n in 0..count {
        let content = single::content(n as u64 + 1, 1_000);
        let bytes = single::single(&format!("small-{n}"), &content, 16_384, Some(url));
        write(dir, &format!("in/{n}.torrent"), &bytes);
    }
}

#[test]
fn a_thousand_torrents_on_one_dead_tracker_delay_nobody_and_no_exit() {
    let (engine, torrent) = seed(2, 102);
    let honest = Tracker::saying(naming(&[engine.address()]));
    let dead = Tracker::start(|_, stream| hold(stream));
    let dir = tempfile::tempdir().unwrap();
    many(&dir, 1_000, &dead.url());
    let both = with_trackers(&torrent, &[dead.url(), honest.url()]);
    write(&dir, "in/it.torrent", &both);
    let folder = dir.path().join("in");
    let mut get = Get::start(dir, &folder, &[], &[]);
    get.completes();
    until(Deadline::seconds(PATIENCE), "the dead tracker to be asked", || {
        (dead.count("started") > 0).then_some(())
    });
    // Nobody has been told yet that it is dead: a host that has not answered gets two at once.
    assert!(dead.count("started") <= 2, "{}", dead.count("started"));
    let (code, took) = get.end();
    assert_eq!(code, Some(143), "a thousand are not complete");
    assert!(took < EXIT, "{took:?}");
    assert_eq!(honest.count("stopped"), 1, "who answers is told");
    engine.manager.shutdown();
}

#[test]
fn all_who_started_are_told_at_the_exit_six_at_a_time() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, peak) = (now, most.clone());
    let tracker = Tracker::start(move |_, mut stream| {
        peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _ = stream.write_all(&naming(&[]));
        count.fetch_sub(1, Ordering::SeqCst);
    });
    let dir = tempfile::tempdir().unwrap();
    many(&dir, 200, &tracker.url());
    let folder = dir.path().join("in");
    let mut get = Get::start(dir, &folder, &["--stop-timeout", "30"], &[]);
    until(Deadline::seconds(PATIENCE), "all to start", || (tracker.count("started") == 200).then_some(()));
    let (code, _) = get.end();
    assert_eq!(code, Some(143));
    assert_eq!(tracker.count("stopped"), 200);
    assert!(most.load(Ordering::SeqCst) <= 6, "{most:?}");
}

#[test]
fn a_pass_key_is_nowhere_but_in_what_its_tracker_hears() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let (engine, torrent) = seed(3, 103);
    let honest = Tracker::saying(naming(&[engine.address()]));
    let indiscreet =
        Tracker::saying(ok(format!("d14:failure reason{}:bad {KEY}e", KEY.len() + 4).as_bytes()));
    let elsewhere = Tracker::saying(redirect(&format!("http://127.0.0.1:1/{KEY}/announce")));
    let keyed = |tracker: &Tracker| format!("http://me:{KEY}@{}/{KEY}/announce", tracker.address);
    let urls = [keyed(&honest), keyed(&indiscreet), keyed(&elsewhere)];
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "it.torrent", &with_trackers(&torrent, &urls));
    let mut get = Get::start(dir, &file, &["--log-level", "trace"], &[]);
    get.completes();
    get.hears_of("tracker.failed", &indiscreet);
    get.hears_of("tracker.failed", &elsewhere);
    get.end();
    assert!(honest.heard.lock().unwrap().iter().all(|line| line.contains(KEY)));
    let said = get.lines.to_end(Deadline::seconds(PATIENCE)).unwrap();
    assert!(said.iter().all(|line| !line.to_string().contains(KEY)), "{said:#?}");
    let log = get.log();
    assert!(!log.is_empty() && !log.contains(KEY), "{:?}", log.lines().find(|line| line.contains(KEY)));
    engine.manager.shutdown();
}

#[test]
fn a_tracker_that_dies_holds_the_exit_up_no_longer_than_allowed() {
    let living = Arc::new(AtomicBool::new(true));
    let alive = living.clone();
    let tracker = Tracker::start(move |_, mut stream| match alive.load(Ordering::SeqCst) {
        true => _ = stream.write_all(&naming(&[])),
        false => hold(stream),
    });
    let dir = tempfile::tempdir().unwrap();
    many(&dir, 100, &tracker.url());
    let folder = dir.path().join("in");
    let mut get = Get::start(dir, &folder, &[], &[]);
    until(Deadline::seconds(PATIENCE), "all to start", || (tracker.count("started") == 100).then_some(()));
    living.store(false, Ordering::SeqCst);
    let (code, took) = get.end();
    assert_eq!(code, Some(143));
    assert!(took < EXIT, "{took:?}");
}

/// An HTTPS tracker with this certificate, which answers as the other does.
fn https(certificate: &'static [u8]) -> Tracker {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../support/tls/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let mut tracker = Tracker::raw(move |mut stream| {
        let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut stream);
        if let Some(line) = request_line(&mut stream) {
            log.lock().unwrap().push(line);
            let _ = stream.write_all(&naming(&[]));
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    tracker.heard = heard;
    tracker
}

#[test]
fn https_trackers_are_who_they_say_or_hear_nothing() {
    let (engine, torrent) = seed(4, 104);
    let good = https(include_bytes!("../support/tls/good.pem"));
    let bad = [
        (https(include_bytes!("../support/tls/expired.pem")), "certificate: it has expired"),
        (https(include_bytes!("../support/tls/foreign.pem")), "certificate: it is for another host"),
    ];
    let url = |tracker: &Tracker| format!("https://{}/announce", tracker.address);
    let urls: Vec<_> =
        std::iter::once(url(&good)).chain(bad.iter().map(|(tracker, _)| url(tracker))).collect();
    let bytes = with_trackers(&torrent, &urls);
    let authority: &Path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/ca.pem").as_ref();
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "it.torrent", &bytes);
    let mut get = Get::start(dir, &file, &[], &[("SSL_CERT_FILE", authority)]);
    get.hears_of("tracker.success", &good);
    for (tracker, words) in &bad {
        assert_eq!(get.hears_of("tracker.failed", tracker)["error"], *words);
        assert!(tracker.heard.lock().unwrap().is_empty());
    }
    get.end();
    let before = good.heard.lock().unwrap().len();
    // The same without the authority: the system does not know it.
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "it.torrent", &bytes);
    let mut get = Get::start(dir, &file, &[], &[]);
    let failed = get.hears_of("tracker.failed", &good);
    assert_eq!(failed["error"], "certificate: nobody whom this system trusts vouches for it");
    get.end();
    assert_eq!(good.heard.lock().unwrap().len(), before);
    // A person takes all of them as they are.
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "it.torrent", &bytes);
    let mut get = Get::start(dir, &file, &["--any-certificate", "127.0.0.1"], &[]);
    for tracker in std::iter::once(&good).chain(bad.iter().map(|(tracker, _)| tracker)) {
        get.hears_of("tracker.success", tracker);
    }
    get.end();
    engine.manager.shutdown();
}
