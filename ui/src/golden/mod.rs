//! Golden screens: keys through the real update, the drawn text against a file, and what was asked
//! of the engine below it. `UPDATE_GOLDEN=1` writes the files anew.

use std::fs;
use std::path::PathBuf;

use crate::testing::{Stage, torrents};

const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (200, 50)];

/// Presses `keys` on a stage and compares the screen with the file `name`.
fn check(mut stage: Stage, keys: &str, name: &str) {
    let (columns, rows) = stage.state.panes.size;
    stage.keys(keys);
    let mut text: String = stage.rows().iter().map(|row| format!("{}\n", row.trim_end())).collect();
    for effect in &stage.effects {
        text += &format!("= {effect:?}\n");
    }
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "src", "golden", &format!("{name}-{columns}x{rows}.txt")]
            .iter()
            .collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == want, "{} differs; it is now\n{text}", path.display());
}

/// The same keys at all four sizes.
fn check_all(keys: &str, name: &str) {
    for size in SIZES {
        check(Stage::full(size), keys, name);
    }
}

#[test]
fn main() {
    check_all("j", "main");
}

#[test]
fn magnets() {
    for size in SIZES {
        check(Stage::new(size, crate::testing::magnets()), "", "magnets");
    }
    check(Stage::new((80, 24), crate::testing::magnets()), "j", "magnet-known");
    check(Stage::new((80, 24), crate::testing::magnets()), "j j", "magnet-choice");
    check(Stage::new((80, 24), crate::testing::magnets()), "j Enter 2", "magnet-files");
    let link = "magnet:?xt=urn:btih:3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6&dn=Sprite+Fright";
    check_all(&format!("\"{link}\" Down Down Down Space Enter"), "add-magnet");
}

#[test]
fn marks_and_a_toast() {
    check_all("j j Space Space d y 3000ms", "removed");
}

#[test]
fn empty_list() {
    for size in SIZES {
        check(Stage::new(size, Vec::new()), "", "empty");
    }
}

#[test]
fn filter() {
    check_all("/ 'ar' 'ch'", "filter");
    check(Stage::full((80, 24)), "/ 'nothing' Enter", "filter-none");
    check(Stage::full((80, 24)), "f s", "quick");
}

#[test]
fn dialogs() {
    check_all("j j Space Space d", "remove");
    check_all("j j Space Space d Space", "remove-data");
    check_all("j c", "recheck");
    check_all("j Space Space m", "move");
    check_all("q", "quit");
    check(Stage::full((80, 24)), "^Z", "suspend");
    check(Stage::full((45, 10)), "^Z", "suspend");
    check_all("?", "help");
    check_all("s", "sort");
    check(Stage::full((80, 24)), "j j j j Q", "queue");
    check(Stage::full((60, 15)), "Q", "queue");
    check(Stage::full((80, 24)), "j j j j", "queued");
    check_all("\"/srv/in/a.torrent\" Tab '/srv/dl/vi'", "add");
}

#[test]
fn tabs() {
    for (key, name) in [
        ("1", "overview"),
        ("2", "files"),
        ("3", "peers"),
        ("4", "trackers"),
        ("5", "pieces"),
        ("6", "log"),
        ("7", "limits"),
    ] {
        check_all(&format!("j Enter {key} j"), name);
    }
}

#[test]
fn rename() {
    check(Stage::full((80, 24)), "j Enter 2 r", "rename");
    check(Stage::full((80, 24)), "j Enter 2 j r ^U 'new' Enter", "renamed");
}

#[test]
fn pieces() {
    check_all("j Enter 5 r j l l", "pieces-rarity");
    check(Stage::full((80, 24)), "j 5", "split-pieces");
    for size in SIZES {
        let mut stage = Stage::full(size);
        stage.state.look.ascii = true;
        check(stage, "j Enter 5 G", "pieces-ascii");
    }
}

#[test]
fn bans() {
    check_all("j Enter 3 x", "disconnect");
    check_all("j Enter 3 j b", "ban");
    check(Stage::full((80, 24)), "j Enter 3 b y", "banned");
    check_all("j Enter 3 B j", "bans");
    check(Stage::full((80, 24)), "j Enter 3 B j d", "ban-lifted");
}

#[test]
fn graphs() {
    for size in SIZES {
        check(Stage::full(size).with_history(), "j Enter 1", "graph");
    }
    check(Stage::full((200, 50)).with_history(), "j", "graph-main");
}

#[test]
fn trackers() {
    check(Stage::full((80, 24)), "j Enter 4 a 'udp://t.example'", "tracker-add");
    check(Stage::full((80, 24)), "j Enter 4 a 'udp://t.example' Enter", "tracker-add-wrong");
    check(Stage::full((80, 24)), "j Enter 4 j e", "tracker-edit");
    check_all("j Enter 4 j d", "tracker-remove");
    check(unregistered(false), "j j j j j", "unregistered");
    check(unregistered(false), "j j j j j Enter 1", "unregistered-overview");
    check(unregistered(true), "j j j j j Enter 4 J", "tracker-private");
}

/// A seed that its tracker does not know any more.
fn unregistered(private: bool) -> Stage {
    let mut list = torrents();
    let row = list.iter_mut().find(|row| row.name.raw().starts_with("fedora")).unwrap();
    row.private = private;
    row.unregistered = Some("unregistered torrent".into());
    Stage::new((80, 24), list)
}

/// A seed whose files could not be moved when it was complete.
#[test]
fn a_move_that_failed() {
    let stage = || {
        let mut list = torrents();
        let row = list.iter_mut().find(|row| row.name.raw().starts_with("fedora")).unwrap();
        row.notice = Some("cannot move: /srv/dl: disk full (needs 8,192 bytes, 0 free)".into());
        row.destination = Some("/srv/dl".into());
        Stage::new((80, 24), list)
    };
    check(stage(), "j j j j j", "unmoved");
    check(stage(), "j j j j j Enter 1", "unmoved-overview");
}

#[test]
fn split_tabs() {
    check(Stage::full((80, 24)), "j 3", "split-peers");
    check(Stage::full((80, 24)), "j 4", "split-trackers");
    check(Stage::full((80, 24)), "j e G k T", "split-limits");
    check(Stage::full((80, 24)), "j e z j Enter 'x'", "limits-edit");
    check(Stage::full((80, 24)), "j e z j Enter 'x' Enter", "limits-edit-wrong");
    check(Stage::full((120, 40)), "G 1", "split-error");
}

#[test]
fn events() {
    check_all("z L L L", "events");
    check(Stage::full((80, 24)), "L k k", "events-paused");
    check(Stage::full((80, 24)), "L / 'tracker.*'", "events-filter");
    check(Stage::full((80, 24)), "L / 'trackr.*'", "events-filter-wrong");
    check(Stage::full((60, 15)), "L k Enter", "event");
    check(Stage::full((80, 24)), "L k k k Enter", "event");
}

#[test]
fn leaving() {
    check(Stage::full((80, 24)), "d y ^C ^C", "stopping");
}

#[test]
fn ascii() {
    for size in SIZES {
        let mut stage = Stage::full(size);
        stage.state.look.ascii = true;
        check(stage, "j", "ascii");
    }
}

#[test]
fn small() {
    for size in [(30, 3), (80, 4), (20, 1), (39, 6), (45, 10), (250, 60)] {
        check(Stage::full(size), "j", "small");
    }
}

#[test]
fn one_torrent_only() {
    let one = torrents().into_iter().take(1).collect();
    check(Stage::new((80, 24), one), "", "one");
}
