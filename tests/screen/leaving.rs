//! Whatever ends the program, the terminal is as it was before.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::home::Home;
use crate::support::pty::{DEADLINE, Modes, Pty};
use crate::support::single;
use crate::tmpfs::Tmpfs;

/// The most that leaving may take when there is nothing to tell anybody.
const AT_ONCE: Duration = Duration::from_secs(1);

fn dashboard(home: &Home, env: &[(&str, &str)]) -> Pty {
    let mut pty = Pty::start(home, &["--listen", "127.0.0.1:0"], (80, 24), env);
    pty.see_dashboard();
    pty
}

/// A file system of the program's own to download to: on one that others use the free space changes, which
/// the header shows. Asks for root.
pub fn alone(home: &Home) -> Option<Tmpfs> {
    Tmpfs::mount(&home.path("downloads"), "size=64m").ok()
}

/// Whether nothing is written for a while. Where others use the file system that may take more than one look.
pub fn is_silent(pty: &mut Pty, alone: bool) -> bool {
    (0..if alone { 1 } else { 3 }).any(|_| pty.idle_bytes() == 0)
}

/// After `leave`, the program ends with this code and the terminal is a shell's again.
#[track_caller]
fn check_restored(env: &[(&str, &str)], code: u32, leave: impl FnOnce(&mut Pty)) {
    let home = Home::new();
    let mut pty = dashboard(&home, env);
    leave(&mut pty);
    assert_eq!(pty.exit_code(), code);
    pty.assert_restored();
}

#[test]
fn quitting_restores_the_terminal() {
    check_restored(&[], 0, |pty| _ = pty.keys("q"));
}

#[test]
fn sigterm_restores_the_terminal() {
    check_restored(&[], 0, |pty| _ = pty.signal(Signal::TERM));
}

#[test]
fn sigint_restores_the_terminal() {
    check_restored(&[], 0, |pty| _ = pty.signal(Signal::INT));
}

#[test]
fn sighup_restores_the_terminal() {
    check_restored(&[], 0, |pty| _ = pty.signal(Signal::HUP));
}

#[test]
fn ctrl_c_twice_restores_the_terminal() {
    check_restored(&[], 0, |pty| _ = pty.keys("\x03\x03"));
}

#[test]
fn ctrl_c_a_third_time_does_not_wait_for_a_tracker() {
    let home = Home::new();
    // A tracker that takes what it is told and never answers.
    let tracker = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", tracker.local_addr().unwrap());
    let bytes = single::single("held.bin", &single::content(1, 100_000), 16_384, Some(&url));
    let file = home.write("held.torrent", bytes).display().to_string();
    let args = ["--listen", "127.0.0.1:0", "--stop-timeout", "15", &file];
    let mut pty = Pty::start(&home, &args, (80, 24), &[]);
    pty.see("held.bin").keys("4").see("asking").keys("\x03").see("Quit?").keys("\x03").see("stopping: ");
    pty.keys("\x03");
    assert_eq!(pty.wait_exit(AT_ONCE).exit_code(), 130);
    pty.assert_restored();
}

#[test]
fn ctrl_z_gives_the_shell_its_terminal_and_fg_the_dashboard_back() {
    let home = Home::new();
    // A shell with job control, which goes on when its job was stopped.
    let script = "set -m; \"$@\"; echo stopped; read word; fg >/dev/null; echo over";
    let mut pty = Pty::start_shell(&home, script, &["--listen", "127.0.0.1:0"], (80, 24));
    pty.see_dashboard();
    let before = pty.text();
    pty.keys("\x1a").see("Suspend?").keys("\x1b").see_no("Suspend?");
    pty.keys("\x1az").see("stopped");
    assert_eq!(pty.modes(), Modes::SHELL);
    pty.keys("on\r").see_dashboard().wait("the same screen", |pty| pty.text() == before);
    pty.keys("q").see("over");
    assert_eq!(pty.exit_code(), 0);
    pty.assert_restored();
}

#[test]
fn ctrl_z_without_a_shell_stops_nothing() {
    let home = Home::new();
    let mut pty = dashboard(&home, &[]);
    pty.keys("\x1a").see("^Z: no shell waits for this program").keys("q");
    assert_eq!(pty.exit_code(), 0);
    pty.assert_restored();
}

#[test]
fn a_panic_on_the_screen_s_thread_restores_the_terminal_before_it_speaks() {
    let home = Home::new();
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (80, 24), &[("TC_TUI_TEST_PANIC", "ui")]);
    assert_eq!(pty.exit_code(), 101);
    pty.assert_restored();
    assert!(pty.text().contains("asked to panic at ui"), "{}", pty.text());
}

#[test]
fn a_panic_on_another_thread_ends_the_program_in_order() {
    let home = Home::new();
    let mut pty =
        Pty::start(&home, &["--listen", "127.0.0.1:0"], (80, 24), &[("TC_TUI_TEST_PANIC", "engine")]);
    assert_eq!(pty.exit_code(), 101);
    pty.assert_restored();
    assert!(pty.text().contains("asked to panic at engine"), "{}", pty.text());
}

#[test]
fn a_closed_terminal_ends_the_program_at_once() {
    let home = Home::new();
    let mut pty = dashboard(&home, &[]);
    pty.close();
    assert_eq!(pty.wait_exit(AT_ONCE).exit_code(), 0);
}

#[test]
fn a_closed_terminal_ends_the_program_at_once_under_nohup() {
    let home = Home::new();
    let mut pty = Pty::start_nohup(&home, &["--listen", "127.0.0.1:0"], (80, 24));
    pty.see_dashboard();
    pty.close();
    assert_eq!(pty.wait_exit(AT_ONCE).exit_code(), 0);
}

#[test]
fn half_a_paste_does_not_hold_the_program_back_when_the_terminal_closes() {
    let home = Home::new();
    let mut pty = Pty::start_nohup(&home, &["--listen", "127.0.0.1:0"], (80, 24));
    pty.see_dashboard().keys("\x1b[200~half a pas");
    // The next key is parsed as a part of the paste: wait for the program to have read it all. The
    // free space in the header may come meanwhile.
    while pty.idle_bytes() > 0 {}
    pty.close();
    assert_eq!(pty.wait_exit(AT_ONCE).exit_code(), 0);
}

#[test]
fn a_terminal_that_takes_no_bytes_does_not_hold_the_program_back() {
    let home = Home::new();
    let mut pty = dashboard(&home, &[]);
    while pty.idle_bytes() > 0 {}
    let _stalled = pty.stall();
    pty.signal(Signal::TERM);
    assert_eq!(pty.wait_exit(AT_ONCE).exit_code(), 0);
    assert!(pty.modes().echo && pty.modes().canonical);
}

#[test]
fn a_second_signal_ends_a_program_that_is_stuck() {
    let home = Home::new();
    let mut pty = dashboard(&home, &[]);
    let stalled = pty.stall();
    pty.resize(100, 30).wait("a program that is stuck", Pty::is_stuck_writing);
    pty.signal(Signal::TERM);
    assert_eq!(pty.idle_bytes(), 0);
    pty.signal(Signal::TERM);
    assert_eq!(pty.wait_exit(AT_ONCE).exit_code(), 143);
    assert!(pty.modes().echo && pty.modes().canonical);
    drop(stalled);
}

#[test]
fn a_stopped_program_lends_the_terminal_to_the_shell() {
    let home = Home::new();
    let mut pty = dashboard(&home, &[]);
    // What the first seconds bring (a port, free space) settles first.
    while pty.idle_bytes() > 0 {}
    let before = pty.text();
    pty.signal(Signal::TSTP).wait("a shell's terminal", |pty| pty.modes() == Modes::SHELL);
    pty.assert_restored();
    pty.wait_stopped();
    pty.signal(Signal::CONT).see_dashboard();
    pty.wait("the same screen", |pty| pty.text() == before);
    pty.keys("q");
    assert_eq!(pty.exit_code(), 0);
    pty.assert_restored();
}

#[test]
fn an_idle_dashboard_writes_nothing_and_uses_no_cpu() {
    let home = Home::new();
    let alone = alone(&home);
    let mut pty = dashboard(&home, &[]);
    // What the first seconds bring (a port, free space) settles first.
    while pty.idle_bytes() > 0 {}
    let before = pty.cpu_time();
    assert!(is_silent(&mut pty, alone.is_some()));
    let used = pty.cpu_time().saturating_sub(before);
    assert!(used <= Duration::from_millis(50), "{used:?}");
    pty.keys("q");
    assert!(pty.wait_exit(DEADLINE).success());
}
