//! House rules that a reader would have to remember.

use crate::sources::{self, FOLDERS, Source};

/// A file that is longer holds two ideas.
const LONGEST: usize = 500;

/// Files that call `raw`, and why that is harmless. Text from outside is shown by `Display`, which
/// cleans it.
const RAW: [(&str, &str); 18] = [
    ("core/src/bencode/mod.rs", "bytes of a value, to be read again"),
    ("core/src/magnet/link.rs", "a link's parts, percent-encoded"),
    ("core/src/metainfo/around.rs", "bytes of a value, to be read again"),
    ("core/src/metainfo/mod.rs", "bytes of the info dictionary, to be hashed"),
    ("core/src/metainfo/unknown.rs", "a link's URLs, into a torrent file"),
    ("core/src/peer/client.rs", "is it empty?"),
    ("core/src/session/magnet.rs", "a host that a link names, to be looked up"),
    ("core/src/tracker/announce.rs", "what a tracker says, to be recognised"),
    ("core/src/tracker/edit.rs", "a tracker's URL, to be judged"),
    ("core/src/tracker/entry.rs", "a tracker's scheme; a warning that becomes untrusted again"),
    ("core/src/tracker/mask.rs", "a tracker's URL, masked and untrusted again"),
    ("core/src/tracker/query.rs", "a tracker's URL, to be asked"),
    ("core/src/tracker/schedule.rs", "two URLs that are the same"),
    ("core/src/tracker/scrape.rs", "a tracker's URL, to be asked"),
    ("core/src/tracker/trackers.rs", "a tracker's scheme"),
    ("core/src/tracker/trust.rs", "a tracker's URL, for its host"),
    ("core/src/tracker/udp/mod.rs", "a tracker's URL, to be asked"),
    ("ui/src/state/files.rs", "two folders that are the same"),
];

/// Fails with every file of which `is_wrong` says something.
#[track_caller]
fn check(files: impl IntoIterator<Item = Source>, is_wrong: impl Fn(&Source) -> Option<String>) {
    let wrong: Vec<_> =
        files.into_iter().filter_map(|file| Some(format!("{}: {}", file.path, is_wrong(&file)?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_of(text: &str, words: &[&str]) -> Option<String> {
    words.iter().find(|word| text.contains(**word)).map(|word| format!("{word} has no place here"))
}

/// Sources of the programs, without those that are compiled for tests only.
fn programs(folders: &[&str]) -> impl Iterator<Item = Source> {
    sources::rust(folders).into_iter().filter(|source| !source.is_test())
}

#[test]
fn every_source_says_what_it_is() {
    check(sources::rust(&FOLDERS), |source| {
        let says = source.text.starts_with("//! ");
        (!says).then(|| "its first line is a `//!` that says what it is".to_owned())
    });
}

#[test]
fn one_idea_fits_a_file() {
    check(programs(&["core", "src", "ui"]), |source| {
        let lines = source.text.lines().count();
        (lines > LONGEST).then(|| format!("{lines} lines are more than one idea; split it by idea"))
    });
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["todo!", "unimplemented!", "dbg!", "#[ignore", "TODO", "FIXME", "XXX"];
    let others = sources::rust(&FOLDERS).into_iter().filter(|source| !file!().ends_with(&source.path));
    check(others, |source| first_of(&source.text, &words));
}

#[test]
fn the_engine_never_prints_reads_the_home_or_exits() {
    let words = ["println!", "eprintln!", "print!(", "process::exit", "process::abort", "env::", "anyhow"];
    check(programs(&["core/src"]), |source| first_of(&source.code(), &words));
}

#[test]
fn every_socket_leaves_where_it_may() {
    let made =
        ["Socket::new(", "TcpSocket::new_v", "UdpSocket::bind(", "TcpStream::connect(", "ClientBuilder {"];
    let cared_for = [".prepare(", "client.interface("];
    check(programs(&["core/src"]), |source| {
        let code = source.code();
        let makes = made.iter().any(|word| code.contains(word));
        let cares = cared_for.iter().any(|word| code.contains(word));
        (makes && !cares).then(|| "its sockets are not prepared by `net::bind::Way`".to_owned())
    });
}

#[test]
fn the_screen_touches_no_socket_and_no_file() {
    // The terminal is opened a second time, to be read without waiting.
    let others = programs(&["ui/src"]).filter(|source| source.path != "ui/src/input.rs");
    let words = ["std::fs", "std::net::Tcp", "std::net::Udp", "std::process", "tokio", "anyhow", "reqwest"];
    check(others, |source| first_of(&source.code(), &words));
}

#[test]
fn no_lock_is_shared_within_a_torrent() {
    let folders = ["session", "download", "upload", "peer"].map(|folder| format!("core/src/{folder}"));
    check(programs(&folders.each_ref().map(String::as_str)), |source| {
        first_of(&source.code(), &["Arc<Mutex", "Arc<RwLock"])
    });
}

#[test]
fn raw_text_is_used_where_the_list_says() {
    let is_used = |source: &Source| source.code().contains(".raw()");
    check(programs(&["core", "src", "ui"]), |source| {
        let is_listed = RAW.iter().any(|(path, _)| *path == source.path);
        (is_used(source) && !is_listed)
            .then(|| "raw() is for bytes that go nowhere; list it in RAW".to_owned())
    });
    let used: Vec<_> = programs(&["core", "src", "ui"]).filter(is_used).map(|source| source.path).collect();
    for (path, why) in RAW {
        assert!(used.iter().any(|used| used == path), "{path} does not use raw() any more ({why})");
    }
}

/// What a comment refers to can be read.
#[test]
fn documents_that_are_named_exist() {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // This file only names the ending.
    let others = sources::all().into_iter().filter(|source| !file!().ends_with(&source.path));
    check(others, |source| {
        let names =
            source.text.split(|c| !is_name(c)).filter(|word| word.trim_end_matches('.').ends_with(".md"));
        let missing = names.map(|name| name.trim_end_matches('.')).find(|name| !root.join(name).exists());
        missing.map(|name| format!("{name} is not in this repository: say it here"))
    });
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 1).map(|home| home + "/");
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/").to_owned();
    let words: Vec<_> = home.into_iter().chain([here]).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    check(sources::all(), |source| first_of(&source.text, &words));
}
