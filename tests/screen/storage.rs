//! What a person does to data on disk: checks it again, moves it.

use std::fs;

use crate::scenarios::{leave, see_cursor, see_in_row};
use crate::support::home::Home;
use crate::support::pty::Pty;
use crate::support::single::{content, single};

const SIZE: usize = 300_000;
const PIECE: u32 = 65_536;

/// The dashboard over one torrent whose data is all there; its folder and the path of the data.
fn seeding(home: &Home) -> (Pty, std::path::PathBuf) {
    let bytes = content(1, SIZE);
    let torrent = home.write("alpha.torrent", single("alpha.bin", &bytes, PIECE, None));
    let data = home.write("data/alpha.bin", bytes);
    let folder = data.parent().expect("it lies in a folder").display().to_string();
    let args = ["--listen", "127.0.0.1:0", "-d", &folder, &torrent.display().to_string()];
    let mut pty = Pty::start(home, &args, (100, 30), &[]);
    see_cursor(&mut pty, "alpha.bin");
    see_in_row(&mut pty, "alpha.bin", "100%");
    (pty, data)
}

#[test]
fn a_check_asks_finds_what_was_changed_and_what_was_put_right() {
    let home = Home::new();
    let (mut pty, data) = seeding(&home);
    let good = fs::read(&data).unwrap();
    let mut bad = good.clone();
    bad[200_000] ^= 1;
    fs::write(&data, bad).unwrap();
    for no in ["n", "\x1b", "q"] {
        pty.keys("c").see("Check alpha.bin?").keys(no).see_no("Check alpha.bin?");
    }
    see_in_row(&mut pty, "alpha.bin", "100%");
    pty.keys("c").see("Check alpha.bin?").keys("y").see_no("Check alpha.bin?");
    // One of five pieces is bad.
    see_in_row(&mut pty, "alpha.bin", "78.1%");
    fs::write(&data, good).unwrap();
    // A torrent that rests is checked without a question, and rests again.
    pty.keys("p");
    see_in_row(&mut pty, "alpha.bin", "paused");
    pty.keys("c");
    see_in_row(&mut pty, "alpha.bin", "100%");
    see_in_row(&mut pty, "alpha.bin", "paused");
    leave(pty);
}

#[test]
fn a_torrent_is_added_without_a_check_and_shows_what_was_never_hashed() {
    let home = Home::new();
    let bytes = content(1, SIZE);
    let torrent = home.write("alpha.torrent", single("alpha.bin", &bytes, PIECE, None));
    home.write("downloads/alpha.bin", bytes);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (100, 30), &[]);
    pty.see_dashboard().keys("a").see("Add torrent").keys(&torrent.display().to_string());
    // Up from the first field to the last one.
    pty.see("alpha.bin  1 file").keys("\x1b[A").keys(" ").see("(•) skip").keys("\r").see_no("Add torrent");
    see_in_row(&mut pty, "alpha.bin", "100%");
    pty.keys("1").see("5 pieces not hashed yet");
    // A check on demand hashes all.
    pty.keys("c").see("Check alpha.bin?").keys("y").see_no("not hashed yet");
    see_in_row(&mut pty, "alpha.bin", "100%");
    leave(pty);
}

#[test]
fn data_moves_to_a_folder_that_is_completed_and_nothing_is_replaced() {
    let home = Home::new();
    let (mut pty, data) = seeding(&home);
    let there = home.write("there/alpha.bin", "precious");
    let target = there.parent().expect("it lies in a folder").to_owned();
    let typed = target.display().to_string();
    // Up to the last two letters, the rest by completion.
    let start = &typed[..typed.len() - 2];
    pty.keys("m").see("Move alpha.bin").keys("\x15").keys(start).keys("\t").see("there/").keys("\r");
    pty.see_no("Move alpha.bin").keys("L").see("cannot move").keys("L");
    see_in_row(&mut pty, "alpha.bin", "files!");
    pty.see("Why    cannot move");
    assert!(data.exists());
    assert_eq!(fs::read(&there).expect("it was not touched"), b"precious");
    fs::remove_file(&there).expect("it is ours");
    pty.keys("m").see("Move alpha.bin").keys("\x15").keys(&typed).keys("\r").see_no("Move alpha.bin");
    pty.wait("the data in the new folder", |_| there.exists() && !data.exists());
    see_in_row(&mut pty, "alpha.bin", "100%");
    pty.keys("1").see("there");
    assert_eq!(fs::read(&there).expect("it is there"), content(1, SIZE));
    leave(pty);
}

#[test]
fn a_file_gets_another_name_and_keeps_it_over_a_restart() {
    let home = Home::new();
    let (mut pty, data) = seeding(&home);
    let there = data.with_file_name("in the way");
    fs::write(&there, "precious").expect("it is ours");
    pty.keys("\r").see("1 Overview").keys("2").see("Priority").keys("r").see("Name: alpha.bin");
    pty.keys("\x15").keys("in the way").keys("\r").see_no("Name: ").keys("h");
    see_in_row(&mut pty, "alpha.bin", "files!");
    assert_eq!(fs::read(&there).expect("it was not touched"), b"precious");
    assert!(data.exists());
    pty.keys("\r").see("Priority").keys("r").see("Name: alpha.bin").keys("\x15").keys("a/b").keys("\r");
    pty.see("a name has no /").keys("r").see("Name: alpha.bin").keys("\x15").keys("omega.bin").keys("\r");
    pty.see("omega.bin");
    let renamed = data.with_file_name("omega.bin");
    pty.wait("the file under its new name", |_| renamed.exists() && !data.exists());
    pty.keys("h");
    leave(pty);
    let folder = data.parent().expect("it lies in a folder").display().to_string();
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0", "-d", &folder], (100, 30), &[]);
    see_in_row(&mut pty, "alpha.bin", "100%");
    pty.keys("\r").see("1 Overview").keys("2").see("omega.bin");
    assert_eq!(fs::read(&renamed).expect("it is there"), content(1, SIZE));
    pty.keys("h");
    leave(pty);
}
