//! Trackers on the screen of the real program: what they say, other ones, and those that are left at the
//! exit.

use crate::support::home::Home;
use crate::support::pty::Pty;
use crate::support::single;
use crate::support::tracker::{Tracker, hold, naming, ok};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A torrent with this tracker, in the home.
fn torrent(home: &Home, name: &str, url: &str) -> String {
    let bytes = single::single(name, &single::content(1, 100_000), 16_384, Some(url));
    home.write(&format!("{name}.torrent"), bytes).display().to_string()
}

#[test]
fn a_torrent_that_its_tracker_does_not_know_says_so_in_its_row() {
    let home = Home::new();
    let tracker = Tracker::saying(ok(b"d14:failure reason20:unregistered torrente"));
    let file = torrent(&home, "gone.bin", &tracker.url());
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0", &file], (80, 24), &[]);
    pty.see("gone.bin").see("unreg.").see("unregistered: a tracker says: unregistered torrent");
    pty.keys("4").see("unregistered  ").keys("qq");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn trackers_are_added_edited_moved_and_removed_and_stay_so() {
    let home = Home::new();
    let (first, second) = (Tracker::saying(naming(&[])), Tracker::saying(naming(&[])));
    let keyed = format!("http://{}/{KEY}/announce", first.address);
    let file = torrent(&home, "held.bin", &keyed);
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0", &file], (120, 24), &[]);
    pty.see("held.bin").keys("\r4").see("working").keys("a").see("another tracker's URL");
    // What is no URL of a tracker is not taken.
    pty.keys("ftp://x\r").see("begins with http://").keys("\x15");
    pty.keys(&second.url()).keys("\r").see_no("another tracker's URL").see(&second.url());
    pty.wait("the new tracker to hear of us", |_| second.count("started") == 1);
    // The pass-key is not on the screen, and stays in what is edited.
    pty.keys("e").see("… stands for what is hidden");
    assert!(pty.text().contains("/…/announce") && !pty.text().contains(KEY), "{}", pty.text());
    pty.keys("2\r").see("announce2");
    pty.wait("the old URL to hear that we leave", |_| first.count("stopped") == 1);
    let edited = format!("/{KEY}/announce2?info_hash=");
    pty.wait("the edited URL to be asked", |_| {
        first.heard.lock().unwrap().iter().any(|line| line.contains(&edited))
    });
    pty.keys("J").wait("one tier", |pty| pty.text().matches("   0 http://").count() == 2);
    pty.keys("qqq");
    assert_eq!(pty.exit_code(), 0);
    // The next run has them too.
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (120, 24), &[]);
    pty.see("held.bin").keys("\r4").see("announce2").see(&second.url());
    pty.keys("d").see("Remove ").keys("n").see_no("Remove ").keys("d").see("Remove ").keys("y");
    pty.wait("one tracker", |pty| pty.text().matches("   0 http://").count() == 1);
    pty.keys("qqq");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn the_exit_says_how_many_trackers_are_left() {
    let home = Home::new();
    let tracker = Tracker::start(|line, mut stream| match line.contains("event=stopped") {
        true => hold(stream),
        false => _ = std::io::Write::write_all(&mut stream, &naming(&[])),
    });
    let file = torrent(&home, "held.bin", &tracker.url());
    let args = ["--listen", "127.0.0.1:0", "--stop-timeout", "60", &file];
    let mut pty = Pty::start(&home, &args, (80, 24), &[]);
    pty.see("held.bin").keys("4").see("working").keys("\x03").see("Quit?").keys("\x03");
    pty.see("stopping: 1 tracker to go").keys("\x03");
    assert_eq!(pty.exit_code(), 130);
    pty.assert_restored();
}
