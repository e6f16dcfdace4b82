//! Any size, and any change of it.

use crate::leaving::{alone, is_silent};
use crate::support::home::Home;
use crate::support::pty::Pty;

#[test]
fn a_terminal_may_shrink_to_nothing_and_come_back() {
    let home = Home::new();
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (200, 50), &[]);
    pty.see_dashboard();
    for (cols, rows) in [(1, 1), (0, 0), (500, 1), (1, 200), (30, 3), (80, 24)] {
        pty.resize(cols, rows);
    }
    // The last size counts, and all of it is painted: the footer is on the last row.
    pty.wait("a footer on the last row", |pty| {
        pty.text().lines().nth(23).is_some_and(|row| row.contains("help"))
    });
    pty.keys("q");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn no_key_is_lost_in_a_storm_of_resizes() {
    let home = Home::new();
    let alone = alone(&home);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (120, 40), &[]);
    pty.see_dashboard();
    for size in 1..=25 {
        // The signal and the key come together.
        pty.resize(80 + size, 20 + size).keys("?").see("Keys ·").keys("?").see_no("Keys ·");
    }
    while pty.idle_bytes() > 0 {}
    let before = pty.cpu_time();
    assert!(is_silent(&mut pty, alone.is_some()));
    assert!(pty.cpu_time().saturating_sub(before) <= std::time::Duration::from_millis(50), "it rests");
    pty.keys("q");
    assert_eq!(pty.exit_code(), 0);
}
