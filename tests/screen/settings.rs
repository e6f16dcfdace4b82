//! What a person decides stays decided: files, limits, and what a restart makes of them.

use crate::scenarios::{leave, see_cursor, see_in_row, torrents};
use crate::support::home::Home;
use crate::support::pty::Pty;

#[test]
fn limits_are_typed_and_kept_over_a_restart() {
    let home = Home::new();
    let files = torrents(&home, &["alpha.bin"]);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0", &files[0]], (100, 30), &[]);
    pty.see("alpha.bin").keys("e").see("Upload limit");
    // This torrent's own limit, then that of all; what is no rate is not taken.
    pty.keys("\r").see("Download limit:").keys("2X\r").see("bytes a second are wanted");
    pty.keys("\x7fM\r").see_no("Enter set");
    see_in_row(&mut pty, "Download limit", "2.00M/s");
    pty.keys("jj\r")
        .see("Max peers:")
        .keys("0\r")
        .see("a number from 1 is wanted")
        .keys("\x7f80\r")
        .see_no("Enter set");
    see_in_row(&mut pty, "Max peers", "80");
    pty.keys("jjjjjj ");
    see_in_row(&mut pty, "Sequential download", "on");
    pty.keys("jj\r").see("All: download limit:").keys("50M\r").see_no("Enter set");
    see_in_row(&mut pty, "All: download limit", "50.0M/s");
    pty.see("of 50.0M").keys("T").see("alternative limits hold").see("of 1.00M");
    // The last row has nothing to type: Space goes on to the next of three.
    pty.keys("G ");
    see_in_row(&mut pty, "All: encryption", "require");
    pty.keys("q");
    leave(pty);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (100, 30), &[]);
    pty.see("alpha.bin").see("of 1.00M").keys("T").see("of 50.0M");
    pty.keys("e");
    see_in_row(&mut pty, "Download limit", "2.00M/s");
    see_in_row(&mut pty, "Max peers", "80");
    see_in_row(&mut pty, "Sequential download", "on");
    pty.keys("G");
    see_in_row(&mut pty, "All: encryption", "require");
    pty.keys("q");
    leave(pty);
}

#[test]
fn a_file_is_skipped_and_stays_so() {
    let home = Home::new();
    let files = torrents(&home, &["alpha.bin"]);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0", &files[0]], (100, 30), &[]);
    pty.see("alpha.bin").keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    pty.keys("\r2").see("Priority").keys("+").see("+ high").keys(" ").see("x skip").see("0 of 1 file wanted");
    pty.keys("q");
    leave(pty);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (100, 30), &[]);
    pty.see("alpha.bin").keys("gg");
    see_cursor(&mut pty, "alpha.bin");
    pty.keys("\r2").see("x skip").keys(" ").see("  normal").see_no("x skip");
    pty.keys("q");
    leave(pty);
}
