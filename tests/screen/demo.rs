//! `tc-tui demo`: a swarm of its own, and nothing of it left behind.

use rustix::process::Signal;

use crate::support::home::Home;
use crate::support::pty::Pty;

const NAMES: [&str; 3] = ["Field recordings", "night-sky-timelapse", "open-map-extract"];

fn demo(home: &Home) -> Pty {
    let mut pty = Pty::start(home, &["demo"], (120, 40), &[]);
    NAMES.iter().for_each(|name| _ = pty.see(name));
    assert_eq!(left_in_tmp(home), 1);
    pty
}

fn left_in_tmp(home: &Home) -> usize {
    std::fs::read_dir(home.path("tmp")).expect("a folder").count()
}

#[test]
fn the_demo_downloads_and_leaves_nothing_behind() {
    let home = Home::new();
    let mut pty = demo(&home);
    for name in NAMES {
        pty.wait(&format!("bytes of {name}"), |pty| pty.row(name).is_some_and(|row| !row.contains(" 0.0%")));
    }
    pty.keys("qq");
    assert_eq!(pty.exit_code(), 0);
    pty.assert_restored();
    assert_eq!(left_in_tmp(&home), 0);
}

#[test]
fn two_signals_leave_no_folder_either() {
    let home = Home::new();
    let mut pty = demo(&home);
    pty.signal(Signal::INT).signal(Signal::INT);
    pty.exit_code();
    pty.assert_restored();
    assert_eq!(left_in_tmp(&home), 0);
}
