//! Hashes over raw bytes, names made safe, files told apart, nothing that panics. The large table of
//! good, odd and hostile torrents is in `tests/engine/torrents.rs`.

use std::collections::HashSet;
use std::path::Component;

use proptest::prelude::*;

use super::list::Attributes;
use super::path::{MAX_NAME, component, numbered};
use super::*;

fn parse(bytes: &[u8]) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(Bytes::copy_from_slice(bytes))
}

#[test]
fn hashes_are_taken_over_the_bytes_as_they_came() {
    // Unsorted keys, a leading zero, `-0` and unknown keys, all of which an encoder would change.
    let info = b"d4:name1:x12:piece lengthi016384e6:lengthi5e6:pieces20:aaaaaaaaaaaaaaaaaaaa5:extrai-0ee";
    let torrent = [b"d8:announce3:u:p4:info", &info[..], b"e\r\n"].concat();
    let metainfo = parse(&torrent).unwrap();
    assert_eq!(metainfo.info_hash, InfoHash::new(Sha1::digest(info).into()));
    assert_eq!(metainfo.info_bytes(), &info[..]);
    assert_eq!(metainfo.torrent_bytes(), &torrent[..torrent.len() - 2]);
    assert_eq!(metainfo.piece_hash(PieceIndex::new(0)), [b'a'; 20]);
    assert_eq!(metainfo.piece_hash(PieceIndex::new(1)), [0; 20]);
    assert_eq!((metainfo.total_size(), metainfo.version()), (5, Version::V1));
    assert_eq!(metainfo.files[0].path.to_str(), Some("x"));
}

/// Runs file paths through the list and compares what comes out.
fn names(files: &[&str], want: &[&str]) {
    assert_eq!(listed(files), want, "{files:?}");
}

fn listed(files: &[&str]) -> Vec<String> {
    let mut list = FileList::new(None, files.len(), 0);
    for file in files {
        list.push(file.split('|').map(str::as_bytes), 1, Attributes::default()).unwrap();
    }
    list.finish().unwrap().into_iter().map(|file| file.path.into_os_string().into_string().unwrap()).collect()
}

#[test]
fn components_cannot_leave_their_folder() {
    let check = |raw: &[u8], want: &str| assert_eq!(component(raw), want, "{}", raw.escape_ascii());
    check(b"plain name.iso", "plain name.iso");
    check("日本語.txt".as_bytes(), "日本語.txt");
    check(b"", "_");
    check(b".", "_");
    check(b"..", "__");
    check(b"...", "...");
    check(b"/etc/passwd", "_etc_passwd");
    check(b"..\\..\\x", ".._.._x");
    check(b"a\0b", "a_b");
    check(b"\xc0\xae\xc0\xae", "____");
    check(b"\xff.txt", "_.txt");
    check(b"a\x1b[2J\x07", "a_[2J_");
    check("gpj\u{202e}exe".as_bytes(), "gpj_exe");
    check(&b"x".repeat(300), &"x".repeat(255));
    check(format!("{}.flac", "é".repeat(200)).as_bytes(), &format!("{}.flac", "é".repeat(125)));
    check(format!("a.{}", "x".repeat(300)).as_bytes(), &format!("a.{}", "x".repeat(253)));
}

#[test]
fn equal_paths_are_told_apart() {
    names(&["a.txt", "b", "a.txt", "a.txt"], &["a.txt", "b", "a.1.txt", "a.2.txt"]);
    names(&["d|a", "d|a", "a"], &["d/a", "d/a.1", "a"]);
    names(&["a.txt", "a.txt", "a.1.txt"], &["a.txt", "a.2.txt", "a.1.txt"]);
    names(&["a.7", "a.7", ".b", ".b"], &["a.7", "a.7.1", ".b", ".b.2"]);
    // Equal only once they are safe.
    names(&["a/b", "a\\b", "a_b"], &["a_b", "a_b.1", "a_b.2"]);
    names(&["A", "a"], &["A", "a"]);
}

#[test]
fn a_file_gives_way_to_a_folder() {
    names(&["a", "a|b"], &["a.1", "a/b"]);
    names(&["a|b", "a"], &["a/b", "a.1"]);
    names(&["a", "a", "a-", "a|b|c", "a|b"], &["a.1", "a.2", "a-", "a/b/c", "a/b.3"]);
    names(&["a", "a|b", "a.1|x"], &["a.2", "a/b", "a.1/x"]);
}

#[test]
fn a_hundred_thousand_equal_paths_are_no_square() {
    let mut names = listed(&["same.bin"; 100_000]);
    assert_eq!(names[99_999], "same.99999.bin");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 100_000);
    // Long names that are alike once there is room for a number.
    let long: Vec<String> = (0..20_000).map(|i| format!("{}{:05}", "x".repeat(250), i / 2)).collect();
    assert_eq!(
        listed(&long.iter().map(String::as_str).collect::<Vec<_>>())
            .into_iter()
            .collect::<HashSet<_>>()
            .len(),
        20_000
    );
}

#[test]
fn a_pad_file_takes_no_name() {
    let mut list = FileList::new(Some(b"t"), 3, 0);
    let pad = Attributes { pad: true, ..Attributes::default() };
    list.push([&b"a"[..]].into_iter(), 1, Attributes::default()).unwrap();
    list.push([&b"a"[..]].into_iter(), 1, pad).unwrap();
    list.push([&b"b"[..]].into_iter(), 1, Attributes::default()).unwrap();
    let files = list.finish().unwrap();
    assert_eq!(files.iter().map(|f| f.path.to_str().unwrap()).collect::<Vec<_>>(), ["t/a", "t/a", "t/b"]);
}

#[test]
fn the_list_takes_no_memory_out_of_proportion() {
    let mut list = FileList::new(Some(&[b'x'; 255]), 0, 0);
    let error = (0..1_000_000)
        .find_map(|_| list.push([&b"a"[..]].into_iter(), 1, Attributes::default()).err())
        .expect("a million long names are too many");
    assert!(matches!(error, MetainfoError::ListTooLarge { .. }), "{error}");
}

fn elements() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            &b"a"[..],
            b"b",
            b"a.1",
            b"a.txt",
            b"a.1.txt",
            b"",
            b".",
            b"..",
            b"/",
            b"\\"
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..6),
        "\\PC{0,300}".prop_map(String::into_bytes),
    ]
}

fn is_safe(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= MAX_NAME
        && !name.contains(|c| matches!(c, '/' | '\\') || crate::untrusted::is_harmful(c))
}

proptest! {
    #[test]
    fn components_are_safe(raw in elements(), number in any::<u64>()) {
        let name = component(&raw);
        prop_assert!(is_safe(&name), "{name:?}");
        prop_assert!(is_safe(&numbered(&name, number)));
        prop_assert_eq!(component(name.as_bytes()), name);
    }

    #[test]
    fn paths_are_unique_and_below_the_root(
        files in prop::collection::vec(prop::collection::vec(elements(), 1..4), 1..40)
    ) {
        let mut list = FileList::new(None, 0, 0);
        for file in &files {
            list.push(file.iter().map(Vec::as_slice), 1, Attributes::default()).unwrap();
        }
        let files = list.finish().unwrap();
        let all: HashSet<&std::path::Path> = files.iter().map(|file| file.path.as_path()).collect();
        prop_assert_eq!(all.len(), files.len());
        for file in &files {
            let is_normal = |part: Component<'_>| matches!(part, Component::Normal(name) if is_safe(name.to_str().unwrap()));
            prop_assert!(file.path.components().all(is_normal), "{:?}", file.path);
            prop_assert!(!file.path.ancestors().skip(1).any(|folder| all.contains(folder)), "{:?}", file.path);
        }
    }

    #[test]
    fn parse_never_panics(
        at in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), len in 0_usize..40,
        byte in any::<u8>(), seed in 0_usize..3, kind in 0..5
    ) {
        let mut bytes = seeds()[seed].clone();
        let (at, from) = (at.index(bytes.len()), from.index(bytes.len()));
        match kind {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => {
                let piece = bytes[from..(from + len).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
        if let Ok(metainfo) = parse(&bytes) {
            prop_assert!(metainfo.total_size() > 0);
            prop_assert!(metainfo.total_size() <= metainfo.geometry.total());
        }
    }
}

/// A v1, a v2 and a hybrid torrent with a bit of everything.
fn seeds() -> [Vec<u8>; 3] {
    let trees = "9:file treed1:ad0:d6:lengthi16384e11:pieces root32:rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrree\
                 1:bd1:cd0:d6:lengthi3e11:pieces root32:ssssssssssssssssssssssssssssssssee1:dd0:d6:lengthi0eeeee";
    let files = "5:filesld6:lengthi16384e4:pathl1:aeed4:attr2:px6:lengthi0e4:pathl4:.pad1:0ee\
                 d6:lengthi3e4:pathl1:b1:ceed6:lengthi0e4:pathl1:b1:deee";
    let pieces = format!("6:pieces40:{}", "h".repeat(40));
    let length = "12:piece lengthi16384e";
    let around = "8:announce3:u:p13:announce-listll1:t1:uee7:comment1:c5:nodesll1:hi6881eee8:url-listl3:w:pe";
    let torrent = |info: String| format!("d{around}4:infod{info}ee").into_bytes();
    [
        torrent(format!("{files}4:name1:n{length}{pieces}7:privatei1e")),
        torrent(format!("{trees}12:meta versioni2e4:name1:n{length}")),
        torrent(format!("{trees}{files}12:meta versioni2e4:name1:n{length}{pieces}")),
    ]
}

#[test]
fn the_seeds_are_torrents() {
    let [v1, v2, hybrid] = seeds().map(|seed| parse(&seed).unwrap());
    assert_eq!([v1.version(), v2.version(), hybrid.version()], [Version::V1, Version::V2, Version::Hybrid]);
    assert_eq!(v1.trackers.len(), 1);
    assert_eq!(v1.nodes, [(Untrusted::from("h"), 6_881)]);
    assert!(v1.private && !v2.private);
    assert_eq!((v1.info_hash_v2, v2.info_hash_v1), (None, None));
    assert_eq!(v2.info_hash.as_bytes()[..], v2.info_hash_v2.unwrap().as_bytes()[..20]);
    assert_eq!(Some(hybrid.info_hash), hybrid.info_hash_v1);
    for torrent in [&v1, &v2, &hybrid] {
        assert_eq!((torrent.total_size(), torrent.geometry.pieces()), (16_387, 2));
    }
}
