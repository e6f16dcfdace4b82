//! Lines of files, and whether a second torrent may have its own.

use super::*;
use crate::metainfo::Metainfo;

fn torrent(name: &str, files: &[&str]) -> Metainfo {
    let mut bytes = b"d4:infod".to_vec();
    let text = |text: &str| format!("{}:{text}", text.len());
    if files.is_empty() {
        bytes.extend(b"6:lengthi1e");
    } else {
        bytes.extend(b"5:filesl");
        for file in files {
            let path: String = file.split('/').map(text).collect();
            bytes.extend(format!("d6:lengthi1e4:pathl{path}ee").bytes());
        }
        bytes.extend(b"e");
    }
    let pieces = "x".repeat(20);
    bytes.extend(format!("4:name{}12:piece lengthi16384e6:pieces{}ee", text(name), text(&pieces)).bytes());
    Metainfo::parse(bytes.into()).unwrap()
}

/// `one` is on the list at `/d`; may `two` be added at `at`? What is named if not.
fn check(one: (&str, &[&str]), at: &str, two: (&str, &[&str]), want: Option<&str>) {
    let mut claims = Claims::default();
    let state = Path::new("/d/.state");
    let one = Arc::new(torrent(one.0, one.1));
    let id = claims.add("/d".as_ref(), one.name.clone(), one.files.as_slice().into());
    let two = torrent(two.0, two.1);
    let found = claims.look(Some(state), at.as_ref(), &two.files).err();
    assert_eq!(found.as_ref().map(|in_use| in_use.path.as_path()), want.map(Path::new));
    let (_ended, ended) = watch::channel(true);
    claims.leave(id, ended);
    assert!(claims.claims.is_empty() && claims.roots.is_empty());
}

#[test]
fn others_names_and_others_files_in_one_folder_are_free() {
    check(("a", &["x", "y"]), "/d", ("b", &["x", "y"]), None);
    check(("a", &["x", "y"]), "/d", ("a", &["z", "sub/x"]), None);
    check(("a", &["x"]), "/elsewhere", ("a", &["x"]), None);
    check(("a", &[]), "/d", ("ab", &[]), None);
}

#[test]
fn one_file_has_one_torrent() {
    check(("a", &["x", "y"]), "/d", ("a", &["z", "y"]), Some("/d/a/y"));
    check(("a", &[]), "/d", ("a", &[]), Some("/d/a"));
    check(("a", &["b/c"]), "/d/a", ("b", &["c"]), Some("/d/a/b/c"));
    check(("b", &["c"]), "/", ("d", &["b/c"]), Some("/d/b/c"));
    check(("a", &["x"]), "/e/../d/.", ("a", &["x"]), Some("/d/a/x"));
}

#[test]
fn a_file_does_not_stand_where_a_folder_must_be() {
    check(("a", &[]), "/d", ("a", &["x"]), Some("/d/a/x"));
    check(("a", &["x"]), "/d", ("a", &[]), Some("/d/a"));
    check(("a", &["x/y"]), "/d", ("a", &["x"]), Some("/d/a/x"));
}

#[test]
fn the_state_folder_is_nobodys() {
    check(("a", &[]), "/d/.state", ("b", &["x"]), Some("/d/.state/b/x"));
    check(("a", &[]), "/d", (".state", &["x"]), Some("/d/.state/x"));
    check(("a", &[]), "/d", (".state", &[]), Some("/d/.state"));
    check(("a", &[]), "/", ("d", &[".state/x", "y"]), Some("/d/.state/x"));
    check(("a", &[]), "/d", (".stat", &["x"]), None);
}

#[test]
fn files_that_are_about_to_be_free_are_waited_for() {
    let mut claims = Claims::default();
    let metainfo = Arc::new(torrent("a", &["x"]));
    let id = claims.add("/d".as_ref(), metainfo.name.clone(), metainfo.files.as_slice().into());
    let (ended, receiver) = watch::channel(false);
    claims.leave(id, receiver);
    assert_eq!(claims.look(None, "/d".as_ref(), &metainfo.files), Ok(()));
    assert_eq!(claims.leaving("/d".as_ref(), &metainfo.files).len(), 1);
    assert_eq!(claims.leaving("/e".as_ref(), &metainfo.files).len(), 0);
    ended.send_replace(true);
    assert_eq!(claims.leaving("/d".as_ref(), &metainfo.files).len(), 0);
}
