//! Pictures of the real program: `tc-tui demo` in a pseudo-terminal. `UPDATE_SCREENSHOTS=1` writes
//! them into `screenshots/`; otherwise they are only made and looked at.

use std::path::Path;

use crate::picture;
use crate::support::home::Home;
use crate::support::pty::Pty;

/// Names of the demo, as far as they fit anywhere.
const TORRENTS: [&str; 3] = ["Field recordings", "night-sky-timelapse", "open-map-extract"];

/// Bytes of a picture: less is a blank one, more is too much for a README.
const PLAUSIBLE: std::ops::Range<usize> = 10_000..150_000;

/// Starts the demo at this size, types `keys`, waits until each torrent has as many percent as `least`
/// says, and takes the picture.
fn check(name: &str, size: (u16, u16), scale: f32, keys: &str, least: [f32; 3]) {
    let home = Home::new();
    // A path that a person would see.
    let environment = [("COLORTERM", "truecolor"), ("TMPDIR", "/tmp")];
    let mut pty = Pty::start(&home, &["demo", "--theme", "dark"], size, &environment);
    TORRENTS.iter().for_each(|name| _ = pty.see(name));
    pty.keys(keys);
    pty.wait("three torrents under way", |pty| {
        let done = |name| pty.row(name).and_then(|row| percent(&row)).unwrap_or_default();
        TORRENTS.iter().zip(least).all(|(name, least)| done(name) >= least)
    });
    let png = picture::png(pty.screen(), scale);
    pty.keys("qq");
    assert_eq!(pty.exit_code(), 0);
    assert!(PLAUSIBLE.contains(&png.len()), "{name} has {} bytes", png.len());
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some_and(|value| value == "1") {
        std::fs::write(path(name), png).expect("the picture can be written");
    }
}

/// The first `12.3%` of a row.
fn percent(row: &str) -> Option<f32> {
    row.split_whitespace().find_map(|word| word.strip_suffix('%')?.parse().ok())
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots").join(name)
}

#[test]
fn picture_80x24() {
    check("80x24.png", (80, 24), 2.0, "", [50.0, 40.0, 12.0]);
}

#[test]
fn picture_120x40() {
    check("120x40.png", (120, 40), 4.0 / 3.0, "j", [60.0, 50.0, 20.0]);
}

#[test]
fn picture_200x50() {
    check("200x50.png", (200, 50), 1.0, "j", [100.0, 60.0, 20.0]);
}

/// The pictures that are kept are PNGs of the size that their name says, at the scale of this page.
#[test]
fn the_pictures_are_there() {
    for name in ["80x24.png", "120x40.png", "200x50.png"] {
        let png = std::fs::read(path(name))
            .unwrap_or_else(|error| panic!("{name}: {error}; UPDATE_SCREENSHOTS=1 makes it"));
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && PLAUSIBLE.contains(&png.len()), "{name}");
    }
}
