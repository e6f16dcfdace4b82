//! `tc-tui inspect`: exit code, one line on stderr, the contract of the JSON, and what it may cost.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use tc_core::untrusted::is_harmful;
use tc_tui::cli::WayArgs;

use crate::torrents::{self, Case, Torrent, Want};

/// What a run was and cost.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
    /// User and system time.
    cpu: Duration,
    /// Bytes at the most.
    memory: u64,
}

/// The program where it has the command, the function behind it otherwise.
fn inspect(json: bool, source: &OsStr) -> Run {
    static HAS_COMMAND: OnceLock<bool> = OnceLock::new();
    let has_command = *HAS_COMMAND.get_or_init(|| {
        let help = Command::new(env!("CARGO_BIN_EXE_tc-tui")).args(["inspect", "--help"]).output();
        help.is_ok_and(|help| help.status.success() && !help.stdout.is_empty())
    });
    if has_command { program(json, source) } else { function(json, source) }
}

fn function(json: bool, source: &OsStr) -> Run {
    let mut stdout = Vec::new();
    let result = tc_tui::inspect::run(source.to_str().unwrap(), json, &WayArgs::default(), &mut stdout);
    Run {
        code: i32::from(result.is_err()),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: result.map_or_else(|error| format!("tc-tui: {error:#}\n"), |()| String::new()),
        cpu: Duration::ZERO,
        memory: 0,
    }
}

fn program(json: bool, source: &OsStr) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tc-tui"))
        .arg("inspect")
        .args(json.then_some("--json"))
        .arg(source)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let (memory, cpu) = cost(&child);
    let code = child.wait().unwrap().code().expect("no signal ends it");
    Run { code, stdout: stdout.recv().unwrap(), stderr: stderr.recv().unwrap(), cpu, memory }
}

fn collect(mut pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = sync_channel(1);
    thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).unwrap();
        tell.send(String::from_utf8(text).expect("output is UTF-8"))
    });
    told
}

/// Watches a child until it has ended: its largest size, looked at every millisecond, and its time, read
/// before it is reaped.
fn cost(child: &Child) -> (u64, Duration) {
    let proc = Path::new("/proc").join(child.id().to_string());
    let pid = Pid::from_child(child);
    let (_tick, ticks) = sync_channel::<()>(1);
    let mut memory = 0;
    // A new child still has the memory of this test program for a moment, which is no cost of its own.
    let program = fs::canonicalize(env!("CARGO_BIN_EXE_tc-tui")).unwrap();
    let mut is_program = false;
    loop {
        let ended =
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG);
        if ended.unwrap().is_some() {
            break;
        }
        is_program = is_program || fs::read_link(proc.join("exe")).is_ok_and(|exe| exe == program);
        if is_program {
            memory = high_water(&proc).unwrap_or(0).max(memory);
        }
        assert_eq!(ticks.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
    }
    // utime and stime, in ticks of 10 ms; counted from the end of the name, which may hold spaces.
    let stat = fs::read_to_string(proc.join("stat")).unwrap();
    let fields: Vec<u64> =
        stat.rsplit(") ").next().unwrap().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    (memory, Duration::from_millis((fields[11] + fields[12]) * 10))
}

fn high_water(proc: &Path) -> Option<u64> {
    let status = fs::read_to_string(proc.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

/// A file with these bytes, for as long as the folder lives.
fn write(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.torrent");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn check(case: &Case, modes: &[bool]) {
    let (_folder, path) = write(&case.bytes);
    for &json in modes {
        let run = inspect(json, path.as_os_str());
        match &case.want {
            Want::Refused(words) => refused(&case.name, words, &run),
            Want::Good(want) => {
                assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", case.name);
                let unsafe_one = run.stdout.chars().find(|&c| c != '\n' && is_harmful(c));
                assert_eq!(unsafe_one, None, "{}: what a terminal would obey", case.name);
                if json {
                    contract(case, want, &run.stdout);
                }
            }
        }
        affordable(case, &run);
    }
}

fn refused(name: &str, words: &str, run: &Run) {
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{name}: {}", run.stderr);
    assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{name}: {}", run.stderr);
    let line = run.stderr.strip_suffix('\n').expect("a whole line");
    assert!(!line.is_empty() && !line.contains(is_harmful), "{name}: {line:?}");
}

/// What scripts rely on.
fn contract(case: &Case, want: &[(&str, Value)], stdout: &str) {
    let name = &case.name;
    assert_eq!(stdout.lines().count(), 1, "{name}");
    let report: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (pointer, value) in want {
        assert_eq!(report.pointer(pointer), Some(value), "{name}: {pointer}");
    }
    let keys: HashSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        HashSet::from([
            "name",
            "info_hash",
            "info_hash_v2",
            "total_size",
            "piece_length",
            "pieces",
            "private",
            "trackers",
            "web_seeds",
            "files",
        ]),
        "{name}"
    );
    if let Some(info) = &case.info {
        let hex = |bytes: &[u8]| Value::from(data_encoding::HEXLOWER.encode(bytes));
        let hashes = [("info_hash", hex(&Sha1::digest(info))), ("info_hash_v2", hex(&Sha256::digest(info)))];
        for (key, hash) in &hashes {
            assert!([hash, &Value::Null].contains(&&report[key]), "{name}: {key}");
        }
        assert!(hashes.iter().any(|(key, hash)| report[key] == *hash), "{name}");
    }
    let files = report["files"].as_array().unwrap();
    let lengths: u64 = files.iter().map(|file| file["length"].as_u64().unwrap()).sum();
    assert_eq!(report["total_size"], lengths, "{name}");
    let mut seen = HashSet::new();
    for file in files {
        let path = file["path"].as_str().unwrap();
        assert!(seen.insert(path), "{name}: {path} twice");
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        assert!(plain && !path.split('/').any(|part| matches!(part, "" | "." | "..")), "{name}: {path:?}");
    }
}

/// At most 2 s of CPU, and 32 MiB and three times the file. Code that is not optimised is some ten
/// times slower, and its 8 MiB more of machine code count as memory.
fn affordable(case: &Case, run: &Run) {
    let code = if cfg!(debug_assertions) { 16 << 20 } else { 0 };
    let most = (32 << 20) + 3 * case.bytes.len() as u64 + code;
    let measured = run.memory > 0 || run.cpu < Duration::from_millis(500);
    assert!(measured, "{}: nobody looked at its memory", case.name);
    assert!(run.memory <= most, "{}: {} bytes of memory, more than {most}", case.name, run.memory);
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
    assert!(run.cpu <= limit, "{}: {:?} of CPU", case.name, run.cpu);
}

#[test]
fn torrents_good_odd_and_hostile() {
    let cases = torrents::all();
    assert!(cases.len() > 200);
    cases.iter().for_each(|case| check(case, &[true, false]));
}

#[test]
fn large_torrents_cost_little() {
    torrents::large().into_iter().for_each(|make| check(&make(), &[true]));
}

/// M20: only regular files are read.
#[test]
fn what_is_no_file_is_refused() {
    let (folder, path) = write(b"x");
    let refuse =
        |source: &OsStr, words: &str| refused(&source.to_string_lossy(), words, &inspect(true, source));
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    refuse(pipe.as_os_str(), "not a regular file");
    refuse(folder.path().as_os_str(), "not a regular file");
    refuse(OsStr::new("/dev/zero"), "not a regular file");
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    refuse(folder.path().join("socket").as_os_str(), "");
    refuse(folder.path().join("nothing.torrent").as_os_str(), "No such file");
    refuse(OsStr::new(""), "No such file");
    // A file of the kernel: a size of 0, and then there are bytes. So looks one that grows.
    refuse(OsStr::new("/proc/version"), "changed while it was read");
    fs::File::options().write(true).open(&path).unwrap().set_len(4 << 30).unwrap();
    refuse(path.as_os_str(), "4294967296 bytes, more than the 67108864");
    let odd = folder.path().join("\x1b[2J\n.torrent");
    fs::write(&odd, "<html>").unwrap();
    refuse(odd.as_os_str(), "a web page");
}

#[test]
fn a_link_says_what_it_holds_and_nothing_else() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let printed = |source: &str| -> Value {
        let run = inspect(true, OsStr::new(source));
        assert_eq!(run.stderr, "");
        serde_json::from_str(&run.stdout).unwrap()
    };
    let bare = json!({
        "name": null, "info_hash": hash, "info_hash_v2": null, "total_size": null, "piece_length": null,
        "pieces": null, "private": null, "trackers": [], "web_seeds": [], "files": null,
    });
    assert_eq!(printed(hash), bare);
    assert_eq!(printed(&format!("magnet:?xt=urn:btih:{hash}")), bare);
    let whole =
        printed(&format!("MAGNET:?dn=a%1Bb&xt=urn:btih:{hash}&tr=udp://a:1&tr=http://b/&ws=http://c/"));
    assert_eq!(whole["name"], "a\u{1b}b");
    assert_eq!(whole["trackers"], json!([["udp://a:1"], ["http://b/"]]));
    assert_eq!(whole["web_seeds"], json!(["http://c/"]));
    let v2 = printed(&hash.repeat(2)[..64]);
    assert_eq!((&v2["info_hash"], &v2["info_hash_v2"]), (&json!(null), &json!(hash.repeat(2)[..64])));
    let refuse = |source: &str, words: &str| refused(source, words, &inspect(true, OsStr::new(source)));
    refuse("magnet:?dn=\x1b[2J", "no info-hash");
    refuse("magnet:?xt=urn:btih:00", "info-hash is none");
}

#[test]
fn a_link_is_a_page_for_a_person_too() {
    let run =
        inspect(false, OsStr::new("magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=n&so=1"));
    assert_eq!(
        run.stdout,
        "\
Name          n
Info hash     0123456789abcdef0123456789abcdef01234567
Select        files 1, from 0
Size          not known before a peer has sent the metadata
"
    );
}

#[test]
fn for_a_person_it_is_a_page() {
    let torrent = Torrent::multi([torrents::file(&["a"], 20_000), torrents::file(&["d", "b"], 5)], 20_005)
        .with("private", torrents::i(1))
        .around("announce", torrents::s("http://tracker.example/announce"))
        .around("comment", torrents::s("two\nlines"))
        .around("creation date", torrents::i(1_000_000_000));
    let (_folder, path) = write(&torrent.bytes());
    let run = inspect(false, path.as_os_str());
    let hash = data_encoding::HEXLOWER.encode(&Sha1::digest(torrent.info()));
    assert_eq!(
        run.stdout,
        format!(
            "\
Name          t
Version       v1
Info hash     {hash}
Size          19.54 KiB (20005 bytes)
Pieces        2 of 16.00 KiB (16384 bytes)
Private       yes
Created       2001-09-09 01:46:40 UTC
Comment       two\u{fffd}lines
Tracker       http://tracker.example/announce (tier 1)
Files         2
  20000  t/a
      5  t/d/b
"
        )
    );
}
