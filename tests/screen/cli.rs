//! Without a dashboard: clear lines, right exit codes, nothing raw.

use std::process::Output;

use crate::support::home::Home;
use crate::support::pty::{Modes, Pty};
use crate::support::single;

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// One line on standard error that holds `want`, nothing on standard output, this exit code.
#[track_caller]
fn check_refused(home: &Home, args: &[&str], code: i32, want: &str) {
    let output = home.run(args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("tc-tui: ") && said.contains(want), "{said}");
    assert!(!said.trim_end().contains(char::is_control), "{said:?}");
    assert_eq!(output.stdout, b"");
}

#[test]
fn a_bad_source_is_one_line_and_leaves_nothing_behind() {
    let home = Home::new();
    home.write("no.torrent", "this is not bencode");
    home.write("deep.torrent", "l".repeat(200_000));
    std::fs::create_dir(home.path("empty")).unwrap();
    let get = |source| ["get", source, "-d", "out"];
    check_refused(&home, &get("missing.torrent"), 1, "missing.torrent: No such file");
    check_refused(&home, &get("no.torrent"), 1, "no.torrent: ");
    check_refused(&home, &get("deep.torrent"), 1, "deep.torrent: ");
    check_refused(&home, &get("empty"), 1, "no .torrent file in empty");
    check_refused(&home, &get("/dev/null"), 1, "/dev/null: it is not a regular file");
    check_refused(&home, &get("magnet:?xt=urn:btih:00"), 1, "the magnet link's info-hash is none");
    check_refused(&home, &get("evil\x1b]0;x\x07\u{202e}"), 1, "evil\u{fffd}]0;x");
    assert!(!home.path("out").exists());
}

#[test]
fn a_good_source_beside_a_bad_one_is_not_begun() {
    let home = Home::new();
    home.write("good.torrent", single::single("good.bin", &single::content(1, 40_000), 16_384, None));
    home.write("bad.torrent", "d4:infoi1ee");
    check_refused(&home, &["get", "good.torrent", "bad.torrent", "-d", "out"], 1, "bad.torrent: ");
    assert!(!home.path("out").exists());
}

#[test]
fn misuse_is_exit_2() {
    let home = Home::new();
    for args in [
        &["get"][..],
        &["--nonsense"],
        &["get", "x", "--peer", "nowhere"],
        &["--listen", "x"],
        &["--state-dir", "s", "get", "x"],
    ] {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    }
}

#[test]
fn the_dashboard_wants_a_terminal() {
    let home = Home::new();
    check_refused(&home, &[], 2, "needs a terminal; use tc-tui get ... --json");
}

#[test]
fn a_dumb_terminal_gets_a_line_and_no_escapes() {
    for term in ["dumb", ""] {
        let home = Home::new();
        let mut pty = Pty::start(&home, &[], (80, 24), &[("TERM", term)]);
        assert_eq!(pty.exit_code(), 2);
        assert!(pty.text().contains("needs a terminal"), "{}", pty.text());
        assert_eq!(pty.modes(), Modes::SHELL);
        assert!(!pty.bytes.contains(&b'\x1b'));
    }
}

#[test]
fn completions_name_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = home.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains("seed-after"));
    }
}
