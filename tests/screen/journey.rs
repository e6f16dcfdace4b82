//! One person's way through the whole dashboard, with the screen as it is kept at each named place.
//!
//! Torrents without trackers and peers stand still, so that only times are masked.

use crate::scenarios::{NAMES, leave, see_cursor, see_in_row, torrents};
use crate::shown::{keep, shown};
use crate::support::home::Home;
use crate::support::pty::Pty;

/// Waits until the program rests, and compares the screen with the one that is kept.
#[track_caller]
fn stand(pty: &mut Pty, home: &Home, name: &str) {
    while pty.idle_bytes() > 0 {}
    keep(home, pty, &format!("journey-{name}"));
}

#[test]
fn a_person_goes_through_everything() {
    let home = Home::new();
    let files = torrents(&home, &NAMES);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (80, 24), &[]);
    pty.see_dashboard().see("No torrents yet.");
    stand(&mut pty, &home, "empty");

    // Added by the dialog, with the path completed; then by a paste.
    pty.keys("a").see("Add torrent").keys("alp\t").see("alpha.bin  1 file");
    stand(&mut pty, &home, "add");
    pty.keys("\r").see_no("Add torrent");
    see_cursor(&mut pty, "alpha.bin");
    pty.paste(&files[1..].join("\n")).see("+ 1 more from paste").keys("\r").see_no("Add torrent");
    NAMES.iter().for_each(|name| _ = pty.see(name));
    pty.keys("snk").see_no("sort by");
    pty.keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    pty.see("downloading · 0 seeds");
    stand(&mut pty, &home, "list");

    // Two are marked and paused, and go on.
    pty.keys("  ").see("3/3 2*").keys("p");
    see_in_row(&mut pty, "alpha.bin", "paused");
    see_in_row(&mut pty, "beta.bin", "paused");
    // The line that says so is gone with the next key.
    pty.keys("k").see("2/3 2*");
    stand(&mut pty, &home, "paused");
    pty.keys("p").see_no("paused").keys("\x1b").see_no("*");

    // One is removed, and comes back.
    pty.keys("d").see("Remove 1 torrent");
    stand(&mut pty, &home, "remove");
    pty.keys(" ").see("AND DELETE DATA");
    stand(&mut pty, &home, "remove-data");
    pty.keys("\x1b").see_no("Remove 1 torrent").keys("dy").see("u undo");
    pty.wait("a list without it", |pty| pty.row("beta.bin").is_none());
    pty.keys("u").see("nothing was removed").see("beta.bin");
    see_cursor(&mut pty, "beta.bin");

    // A filter, by words and by what torrents do.
    pty.keys("/gam").see("1 of 3 match");
    stand(&mut pty, &home, "filter");
    pty.keys("\r").see("1/1 of 3").keys("\x1b").see("beta.bin");
    pty.keys("fp").see("None of 3 match paused").keys("\x1b").see("beta.bin");

    // The tabs, beside the list and alone.
    pty.keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    pty.keys("\r").see("‹ alpha.bin");
    for (key, sign, name) in [
        ("1", "Hash", "overview"),
        ("2", "1 file · 0B of 293K", "files"),
        ("3", "0 connected", "peers"),
        ("4", "This torrent names no tracker.", "trackers"),
        ("5", "1 cell = 1 piece", "pieces"),
        ("6", "session.added", "log"),
    ] {
        pty.keys(key).see(sign);
        stand(&mut pty, &home, name);
    }
    pty.keys("1").see("Hash").keys("?").see("Keys · detail").keys("\x1b").see_no("Keys ·");
    pty.keys("\x1b").see("tc  ↓");

    // The events, following, paused and opened.
    pty.keys("L").see("following").keys("k").see("paused, 0 new below").keys("\r").see("after");
    pty.keys("\x1b").see("kept").keys("F").see("following").keys("L").see("tc  ↓");

    // Any size, and the same screen again.
    pty.resize(200, 50).see("Status").resize(1, 1).resize(80, 24);
    pty.wait("the whole screen", |pty| pty.text().lines().nth(23).is_some_and(|row| row.contains("help")));
    stand(&mut pty, &home, "list");

    pty.keys("q").see("Quit?");
    stand(&mut pty, &home, "quit");
    pty.keys("\x1b").see_no("Quit?");
    assert!(shown(&home, &pty).contains("3↓"));
    leave(pty);
}
