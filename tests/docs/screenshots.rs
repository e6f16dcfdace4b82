//! Pictures of the real program: `tc-tui demo` in a pseudo-terminal. `UPDATE_SCREENSHOTS=1` writes
//! them into `screenshots/`.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use crate::picture;
use crate::support::home::Home;
use crate::support::pty::Pty;

/// Bytes of a picture: less is a blank one, more is too much for a README.
const PLAUSIBLE: Range<usize> = 10_000..150_000;

/// Names of the demo, as far as they fit anywhere.
const TORRENTS: [&str; 3] = ["Field recordings", "night-sky-timelapse", "open-map-extract"];

/// A picture as it is taken.
struct Shot {
    name: &'static str,
    /// Columns and rows.
    size: (u16, u16),
    /// Pixels for a unit of the SVG; cells are whole pixels.
    scale: f32,
    /// What is typed before.
    keys: &'static str,
    /// When: percent that each torrent has at least.
    least: [f32; 3],
}

const SHOTS: [Shot; 3] = [
    Shot { name: "80x24.png", size: (80, 24), scale: 2.0, keys: "", least: [50.0, 40.0, 12.0] },
    Shot { name: "120x40.png", size: (120, 40), scale: 4.0 / 3.0, keys: "j", least: [100.0, 60.0, 20.0] },
    Shot { name: "200x50.png", size: (200, 50), scale: 1.0, keys: "jj", least: [100.0, 100.0, 75.0] },
];

const COLOURS: (&str, &str) = ("COLORTERM", "truecolor");
/// With a path on the screen that a person would see.
const SEEN: [(&str, &str); 2] = [COLOURS, ("TMPDIR", "/tmp")];

impl Shot {
    /// Starts the demo, types, waits for the moment, and takes the picture.
    fn take(&self, environment: &[(&str, &str)]) -> Vec<u8> {
        let home = Home::new();
        let mut pty = Pty::start(&home, &["demo", "--theme", "dark"], self.size, environment);
        TORRENTS.iter().for_each(|name| _ = pty.see(name));
        pty.keys(self.keys);
        // One after the other: each has the time that a wait may take.
        for (name, least) in TORRENTS.iter().zip(self.least) {
            pty.wait(&format!("{least} % of {name}"), |pty| {
                pty.row(name).and_then(|row| percent(&row)).is_some_and(|done| done >= least)
            });
        }
        let png = picture::png(pty.screen(), self.scale);
        pty.keys("qq");
        assert_eq!(pty.exit_code(), 0);
        png
    }

    /// A PNG of the size that its name says.
    #[track_caller]
    fn check(&self, png: &[u8]) {
        let name = self.name;
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{name} is no PNG");
        assert!(PLAUSIBLE.contains(&png.len()), "{name} has {} bytes", png.len());
        // Width and height are the first two words of the first chunk.
        let word = |at: usize| png[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        let want = picture::size(self.size).map(|length| (length * self.scale).round() as u32);
        assert_eq!([word(16), word(20)], want, "{name}");
    }
}

/// The first `12.3%` of a row.
fn percent(row: &str) -> Option<f32> {
    row.split_whitespace().find_map(|word| word.strip_suffix('%')?.parse().ok())
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots").join(name)
}

#[test]
fn the_pictures_are_there() {
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some_and(|value| value == "1") {
        thread::scope(|scope| {
            for shot in &SHOTS {
                scope.spawn(|| {
                    fs::write(path(shot.name), shot.take(&SEEN)).expect("the picture can be written")
                });
            }
        });
    }
    for shot in &SHOTS {
        let png = fs::read(path(shot.name))
            .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_SCREENSHOTS=1 makes it", shot.name));
        shot.check(&png);
    }
}

/// Early in the demo, so that it takes no longer than it must.
#[test]
fn a_picture_can_be_taken() {
    let shot = Shot { least: [1.0; 3], keys: "j", ..SHOTS[0] };
    shot.check(&shot.take(&[COLOURS]));
}
