//! What a person does: add, mark, pause, remove, take it back, filter, look, leave.
//!
//! Torrents without trackers and peers stand still, so that each row says what was done to it.

use crate::shown::keep;
use crate::support::home::Home;
use crate::support::pty::Pty;
use crate::support::single;

pub const NAMES: [&str; 3] = ["alpha.bin", "beta.bin", "gamma.bin"];

/// Writes a torrent file for each of these names.
pub fn torrents(home: &Home, names: &[&str]) -> Vec<String> {
    let write = |(name, seed): (&&str, u64)| {
        let bytes = single::single(name, &single::content(seed, 300_000), 65_536, None);
        home.write(&format!("{name}.torrent"), bytes).display().to_string()
    };
    names.iter().zip(1..).map(write).collect()
}

/// The dashboard over three torrents.
fn dashboard(home: &Home) -> Pty {
    let files = torrents(home, &NAMES);
    let mut args = vec!["--listen", "127.0.0.1:0"];
    args.extend(files.iter().map(String::as_str));
    let mut pty = Pty::start(home, &args, (100, 30), &[]);
    NAMES.iter().for_each(|name| _ = pty.see(name));
    // The newest stands first, and on a busy machine they are not all added in one second.
    pty.keys("sn").see_no("sort by");
    pty
}

/// Waits until the row of `name` holds `word`.
#[track_caller]
pub fn see_in_row(pty: &mut Pty, name: &str, word: &str) {
    pty.wait(&format!("{word} in the row of {name}"), |pty| {
        pty.row(name).is_some_and(|row| row.contains(word))
    });
}

/// Waits until the cursor is on the row of `name`.
#[track_caller]
pub fn see_cursor(pty: &mut Pty, name: &str) {
    pty.wait(&format!("the cursor on {name}"), |pty| pty.row(name).is_some_and(|row| row.starts_with('>')));
}

#[track_caller]
pub fn leave(mut pty: Pty) {
    // Twice: where a dialog asks, the second one answers it.
    pty.keys("qq");
    assert_eq!(pty.exit_code(), 0);
    pty.assert_restored();
}

#[test]
fn a_torrent_is_added_by_the_dialog() {
    let home = Home::new();
    let files = torrents(&home, &["delta.bin"]);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (100, 30), &[]);
    pty.see_dashboard().keys("a").see("Add torrent").keys(&files[0]).see("delta.bin  1 file").keys("\r");
    pty.see_no("Add torrent");
    see_cursor(&mut pty, "delta.bin");
    leave(pty);
}

#[test]
fn a_paste_opens_the_dialog_and_is_never_keys() {
    let home = Home::new();
    let files = torrents(&home, &["delta.bin"]);
    let mut pty = dashboard(&home);
    pty.paste("dyq:quit\n");
    NAMES.iter().for_each(|name| _ = pty.see(name));
    assert_eq!(pty.row("Remove 1 torrent"), None);
    // Nor where an Esc comes with it.
    pty.keys(&format!("\x1b\x1b[200~{}\x1b[201~", files[0]))
        .see("Add torrent")
        .keys("\x1b")
        .see_no("Add torrent");
    pty.keys("\x1b\x1b[200~dyq:quit\n\x1b[201~");
    NAMES.iter().for_each(|name| _ = pty.see(name));
    assert_eq!(pty.row("Remove 1 torrent"), None);
    pty.paste(&files[0]).see("Add torrent").keys("\x1b").see_no("Add torrent");
    assert_eq!(pty.row("delta.bin"), None);
    leave(pty);
}

#[test]
fn pause_and_resume_act_on_the_cursor_row_or_on_the_marks() {
    let home = Home::new();
    let mut pty = dashboard(&home);
    pty.keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    pty.keys("p");
    see_in_row(&mut pty, "alpha.bin", "paused");
    pty.keys("p").see_no("paused");
    pty.keys("  ").see("2 marked").keys("p");
    see_in_row(&mut pty, "alpha.bin", "paused");
    see_in_row(&mut pty, "beta.bin", "paused");
    assert!(!pty.row("gamma.bin").is_some_and(|row| row.contains("paused")));
    leave(pty);
}

#[test]
fn nothing_is_removed_but_by_yes_and_undo_brings_it_back() {
    let home = Home::new();
    let mut pty = dashboard(&home);
    pty.keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    for no in ["n", "\x1b", "q", "\r"] {
        pty.keys("d").see("Remove 1 torrent").keys(no).see_no("Remove 1 torrent").see("alpha.bin");
    }
    pty.keys("d").see("Remove 1 torrent").keys("d").keys("\x1b").see_no("Remove 1 torrent").see("alpha.bin");
    pty.keys("d").see("Remove 1 torrent").keys("y").see("u undo");
    pty.wait("a list without it", |pty| pty.row("alpha.bin").is_none());
    pty.keys("u").see("alpha.bin");
    leave(pty);
}

#[test]
fn a_removal_that_quitting_completes_is_told_to_the_shell() {
    let home = Home::new();
    let mut pty = dashboard(&home);
    pty.keys("d").see("Remove 1 torrent").keys("y").see("u undo").keys("qq");
    assert_eq!(pty.exit_code(), 0);
    pty.assert_restored();
    assert!(pty.text().contains("removed 1 torrent, files kept"), "{}", pty.text());
}

#[test]
fn the_filter_narrows_the_list_and_esc_widens_it() {
    let home = Home::new();
    let mut pty = dashboard(&home);
    pty.keys("/").keys("bet").see("1 of 3 match").see_no("alpha.bin").see("beta.bin");
    pty.keys("\r").see("beta.bin").keys("\x1b").see("alpha.bin").see("gamma.bin");
    leave(pty);
}

#[test]
fn tabs_open_and_close() {
    let home = Home::new();
    let mut pty = dashboard(&home);
    pty.keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    for tab in ["1", "2", "3", "4", "5", "6", "]", "["] {
        pty.keys(tab).see("Trackers");
    }
    pty.keys("?").see("Torrent").keys("\x1b").see("alpha.bin");
    leave(pty);
}

#[test]
fn the_log_of_a_torrent_begins_with_its_adding() {
    let home = Home::new();
    let mut pty = dashboard(&home);
    pty.keys("\r").see("‹ ").keys("6").see("session.added").keys("q").see_no("‹ ");
    leave(pty);
}

#[test]
fn a_torrent_in_error_says_why() {
    let home = Home::new();
    let files = torrents(&home, &["blocked.bin", "free.bin"]);
    std::fs::create_dir_all(home.path("downloads/blocked.bin")).unwrap();
    let args = ["--listen", "127.0.0.1:0", "--download-dir", "downloads", &files[0], &files[1]];
    let mut pty = Pty::start(&home, &args, (100, 30), &[]);
    see_in_row(&mut pty, "blocked.bin", "error");
    assert!(pty.row("blocked.bin").is_some_and(|row| row[1..].starts_with("! ")), "{}", pty.text());
    pty.see("1!").keys("fe").see("1/1 of 2").keys("1").see("stopped by an error").see("not a regular file");
    // Put right, it goes on.
    std::fs::remove_dir(home.path("downloads/blocked.bin")).unwrap();
    pty.keys("p").see("None of 2 match error");
    pty.keys("\x1b").see("free.bin").see_no("1!");
    leave(pty);
}

#[test]
fn a_dead_tracker_is_told_with_its_reason_and_the_next_try() {
    let home = Home::new();
    // A port that nobody listens on: it was free a moment ago and is not given away again so soon.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).unwrap().port();
    let url = format!("http://127.0.0.1:{port}/announce");
    let bytes = single::single("lonely.bin", &single::content(1, 100_000), 16_384, Some(&url));
    let file = home.write("lonely.torrent", bytes).display().to_string();
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0", &file], (80, 24), &[]);
    pty.see("lonely.bin").keys("4").see("failing").see("Connection refused");
    let row = pty.row(&url[..20]).unwrap();
    assert!(row.trim_end().ends_with('s'), "when next: {row}");
    pty.keys("\r").see("Last reply").see("Connection refused").keys("\x1b").see("tc  ↓");
    leave(pty);
}

#[test]
fn a_second_program_on_the_same_state_names_the_first() {
    let home = Home::new();
    let mut first = Pty::start(&home, &["--listen", "127.0.0.1:0"], (80, 24), &[]);
    first.see_dashboard();
    let mut second = Pty::start(&home, &["--listen", "127.0.0.1:0"], (80, 24), &[]);
    assert_eq!(second.exit_code(), 1);
    second.assert_restored();
    let holder = format!("(process {})", first.pid().as_raw_nonzero());
    assert!(second.text().contains(&holder), "{}", second.text());
    assert!(!second.bytes.contains(&b'\x1b'), "the terminal was not touched");
    leave(first);
}

#[test]
fn a_screen_and_a_step_cost_few_bytes() {
    let home = Home::new();
    let files = torrents(&home, &NAMES);
    let mut args = vec!["--listen", "127.0.0.1:0"];
    args.extend(files.iter().map(String::as_str));
    let mut pty = Pty::start(&home, &args, (80, 24), &[]);
    pty.see("gamma.bin").keys("vvgg*p");
    NAMES.iter().for_each(|name| see_in_row(&mut pty, name, "paused"));
    while pty.idle_bytes() > 0 {}
    assert!(pty.bytes.len() <= 4_200, "{} bytes so far, for some five frames", pty.bytes.len());
    // The first step also clears what the footer said.
    pty.keys("j");
    see_cursor(&mut pty, "beta.bin");
    while pty.idle_bytes() > 0 {}
    let before = pty.bytes.len();
    pty.keys("j");
    see_cursor(&mut pty, "gamma.bin");
    while pty.idle_bytes() > 0 {}
    let step = pty.bytes.len() - before;
    assert!((1..=260).contains(&step), "{step} bytes");
    leave(pty);
}

#[test]
fn the_list_looks_as_kept() {
    for (name, size, to_the_list) in [("list-80x24", (80, 24), "vv"), ("list-60x15", (60, 15), "")] {
        let home = Home::new();
        let files = torrents(&home, &NAMES);
        let mut args = vec!["--listen", "127.0.0.1:0"];
        args.extend(files.iter().map(String::as_str));
        let mut pty = Pty::start(&home, &args, size, &[]);
        pty.see("gamma.bin").keys(to_the_list).keys("gg*p");
        // Paused torrents do not change any more; the folder and the day are not on the list.
        NAMES.iter().for_each(|name| see_in_row(&mut pty, name, "paused"));
        see_cursor(&mut pty, "alpha.bin");
        pty.keys("*").see("1/3\n");
        while pty.idle_bytes() > 0 {}
        keep(&home, &pty, name);
        leave(pty);
    }
}
