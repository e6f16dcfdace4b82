//! The queue as a person uses it: who waits, whose place changes, and what a restart makes of that.

use crate::scenarios::{leave, see_cursor, see_in_row, torrents};
use crate::support::home::Home;
use crate::support::pty::Pty;

const NAMES: [&str; 4] = ["alpha.bin", "beta.bin", "gamma.bin", "delta.bin"];

/// Waits until these wait for their turn and the others do not, top down as the queue has them.
#[track_caller]
fn see_queue(pty: &mut Pty, order: [&str; 4], queued: &[&str]) {
    pty.wait(&format!("{order:?} with {queued:?} queued"), |pty| {
        let text = pty.text();
        let rows: Vec<&str> = text.lines().take(10).filter(|row| row.contains(".bin")).collect();
        rows.len() == 4
            && order
                .iter()
                .zip(&rows)
                .all(|(name, row)| row.contains(name) && row.contains("queued") == queued.contains(name))
    });
}

#[test]
fn torrents_wait_change_places_and_are_forced_and_all_of_it_is_kept() {
    let home = Home::new();
    let files = torrents(&home, &NAMES);
    let mut args = vec!["--listen", "127.0.0.1:0", "--max-active", "2"];
    args.extend(files.iter().map(String::as_str));
    let mut pty = Pty::start(&home, &args, (80, 24), &[]);
    pty.see_dashboard().keys("so").see_no("sort by");
    see_queue(&mut pty, NAMES, &["gamma.bin", "delta.bin"]);
    pty.see("2q").keys("fw").see("of 4").see_no("alpha.bin").keys("fa").see("alpha.bin");

    // One passes its neighbour; two that are marked keep their order.
    pty.keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    pty.keys("J").see("queue position 2 of 4");
    see_queue(&mut pty, ["beta.bin", "alpha.bin", "gamma.bin", "delta.bin"], &["gamma.bin", "delta.bin"]);
    pty.keys("jj");
    see_cursor(&mut pty, "delta.bin");
    pty.see("queued · position 4 of 4 downloads");
    pty.keys(" k ").see("2*").keys("K").see("2 torrents, from queue position 2 of 4");
    see_queue(&mut pty, ["beta.bin", "gamma.bin", "delta.bin", "alpha.bin"], &["delta.bin", "alpha.bin"]);
    pty.keys("\x1b").see_no("*");

    // By the menu to the top, and one started whatever stands before it.
    pty.keys("G");
    see_cursor(&mut pty, "alpha.bin");
    pty.keys("Q").see("to the top").keys("t");
    see_queue(&mut pty, ["alpha.bin", "beta.bin", "gamma.bin", "delta.bin"], &["gamma.bin", "delta.bin"]);
    pty.keys("G");
    see_cursor(&mut pty, "delta.bin");
    pty.keys("F").see("whatever stands before");
    see_queue(&mut pty, ["alpha.bin", "beta.bin", "gamma.bin", "delta.bin"], &["gamma.bin"]);
    // A pause takes it out of the queue's hands.
    pty.keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    pty.keys("p");
    see_in_row(&mut pty, "alpha.bin", "paused");
    see_queue(&mut pty, ["alpha.bin", "beta.bin", "gamma.bin", "delta.bin"], &[]);
    pty.keys("p");
    see_queue(&mut pty, ["alpha.bin", "beta.bin", "gamma.bin", "delta.bin"], &["gamma.bin"]);
    pty.keys("KjJ").see("queue position 3 of 4");
    see_queue(&mut pty, ["alpha.bin", "gamma.bin", "beta.bin", "delta.bin"], &["beta.bin"]);
    pty.keys("q");
    leave(pty);

    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0", "--max-active", "2"], (80, 24), &[]);
    pty.see_dashboard().keys("so").see_no("sort by");
    see_queue(&mut pty, ["alpha.bin", "gamma.bin", "beta.bin", "delta.bin"], &["beta.bin"]);
    // More may run; that is kept for all runs to come.
    pty.keys("e").see("Upload limit").keys("G").see("All: encryption").keys("kk\r\x7f3\r");
    see_in_row(&mut pty, "All: active downloads", "3");
    see_queue(&mut pty, ["alpha.bin", "gamma.bin", "beta.bin", "delta.bin"], &[]);
    pty.keys("q");
    leave(pty);
}
