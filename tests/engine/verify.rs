//! `tc-tui verify`: what it says of data that is there, cut, changed, grown or gone, and its exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::single::content;
use crate::torrents::{PIECE, Torrent, file, i, s};

/// Lengths of `t/a`, `t/d/b`, `t/d/c` and the empty `t/e`: `b` lies in two pieces that it shares.
const LENGTHS: [(&str, usize); 4] = [("a", 40_000), ("d/b", 20_000), ("d/c", 70_000), ("e", 0)];

/// A folder with a torrent and its data.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes = content(5, LENGTHS.iter().map(|(_, length)| length).sum());
        let files = LENGTHS.map(|(path, length)| file(&path.split('/').collect::<Vec<_>>(), length as u64));
        let hashes: Vec<u8> =
            bytes.chunks(PIECE as usize).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
        let torrent = Torrent::multi(files, bytes.len() as u64).with("pieces", s(hashes));
        fs::write(folder.path().join("t.torrent"), torrent.bytes()).unwrap();
        let fixture = Self { folder };
        let mut offset = 0;
        for (path, length) in LENGTHS {
            let path = fixture.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &bytes[offset..offset + length]).unwrap();
            offset += length;
        }
        fixture
    }

    fn path(&self, file: &str) -> PathBuf {
        self.data().join("t").join(file)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Exit code, standard output and standard error.
    fn verify(&self, dir: &Path, more: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tc-tui"))
            .arg("verify")
            .arg(self.folder.path().join("t.torrent"))
            .arg(dir)
            .args(more)
            .env("HOME", self.folder.path().join("home"))
            .env_remove("XDG_STATE_HOME")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn report(&self) -> (i32, Value) {
        let (code, stdout, stderr) = self.verify(&self.data(), &["--json"]);
        assert_eq!(stderr, "");
        assert_eq!(stdout.lines().count(), 1);
        (code, serde_json::from_str(&stdout).unwrap())
    }

    fn flip(&self, file: &str, at: usize) {
        let mut bytes = fs::read(self.path(file)).unwrap();
        bytes[at] ^= 1;
        fs::write(self.path(file), bytes).unwrap();
    }

    fn cut(&self, file: &str, length: u64) {
        fs::OpenOptions::new().write(true).open(self.path(file)).unwrap().set_len(length).unwrap();
    }
}

#[test]
fn all_there_and_right() {
    let fixture = Fixture::new();
    let (code, stdout, stderr) = fixture.verify(&fixture.data(), &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(stdout, "t: all is there and right, 8 pieces, 127K\n");
    let (code, report) = fixture.report();
    assert_eq!(code, 0);
    assert_eq!(report["complete"], json!(true));
    assert_eq!(report["bytes_hashed"], json!(130_000));
    assert_eq!(report["pieces_good"], json!(8));
    // It leaves nothing behind: neither beside the data nor in the home folder.
    let mut left: Vec<_> =
        fs::read_dir(fixture.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["data", "t.torrent"]);
}

#[test]
fn what_is_called_part_is_looked_at_and_left_as_it_is() {
    let fixture = Fixture::new();
    let parts = ["a.part", "d/b.part"].map(|name| fixture.path(name));
    fs::rename(fixture.path("a"), &parts[0]).unwrap();
    fs::rename(fixture.path("d/b"), &parts[1]).unwrap();
    let (code, stdout, stderr) = fixture.verify(&fixture.data(), &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(stdout, "t: all is there and right, 8 pieces, 127K\n");
    fs::OpenOptions::new().write(true).open(&parts[0]).unwrap().set_len(30_000).unwrap();
    let (code, stdout, _) = fixture.verify(&fixture.data(), &[]);
    assert_eq!(code, 1);
    assert!(stdout.contains("t/a: too short: 30000 of 40000 bytes"), "{stdout}");
    assert!(parts.iter().all(|part| part.exists()));
    assert!(!fixture.path("a").exists() && !fixture.path("d/b").exists());
}

#[test]
fn what_is_wrong_is_said_file_by_file() {
    let fixture = Fixture::new();
    fixture.flip("a", 100);
    fs::remove_file(fixture.path("d/b")).unwrap();
    fixture.cut("d/c", 60_000);
    fs::remove_file(fixture.path("e")).unwrap();
    let (code, stdout, stderr) = fixture.verify(&fixture.data(), &[]);
    assert_eq!((code, stderr.as_str()), (1, ""));
    let lines: Vec<_> = stdout.lines().rev().take(5).collect();
    assert_eq!(
        lines,
        [
            "t: 4 of 4 files not right, 4 of 8 pieces there and good, 3 missing, 1 bad",
            "t/e: missing",
            "t/d/c: too short: 60000 of 70000 bytes",
            "t/d/b: missing",
            "t/a: piece 0 is bad",
        ]
    );
    let (code, report) = fixture.report();
    assert_eq!(code, 1);
    assert_eq!(report["complete"], json!(false));
    assert_eq!(report["pieces_bad"], json!([0]));
    assert_eq!(report["pieces_missing"], json!([2, 3, 7]));
    let states: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| &file["state"]).collect();
    assert_eq!(states, ["bad", "missing", "short", "missing"]);
    assert_eq!(report["files"][1]["size"], json!(null));
}

#[test]
fn a_bad_piece_is_told_of_each_file_it_lies_in() {
    let fixture = Fixture::new();
    // Byte 10 of `b` is in piece 2, which begins in `a`.
    fixture.flip("d/b", 10);
    fixture.flip("d/c", 30_000);
    fixture.flip("d/c", 50_000);
    let (code, report) = fixture.report();
    assert_eq!(code, 1);
    assert_eq!(report["files"][0]["pieces_bad"], json!([2]));
    assert_eq!(report["files"][1]["pieces_bad"], json!([2]));
    assert_eq!(report["files"][2]["pieces_bad"], json!([5, 6]));
    let (_, stdout, _) = fixture.verify(&fixture.data(), &[]);
    assert!(stdout.contains("t/d/c: 2 pieces are bad: 5-6\n"), "{stdout}");
}

#[test]
fn a_file_that_has_grown_is_not_right() {
    let fixture = Fixture::new();
    fs::write(fixture.path("e"), "more").unwrap();
    let (code, report) = fixture.report();
    assert_eq!((code, &report["pieces_good"], &report["complete"]), (1, &json!(8), &json!(false)));
    assert_eq!(report["files"][3]["state"], json!("long"));
}

#[test]
fn what_is_no_file_is_told() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.path("a")).unwrap();
    fs::create_dir(fixture.path("a")).unwrap();
    let (code, stdout, _) = fixture.verify(&fixture.data(), &[]);
    assert_eq!(code, 1);
    assert!(stdout.contains("t/a: cannot be read: not a regular file\n"), "{stdout}");
}

#[test]
fn nothing_there_is_one_line() {
    let fixture = Fixture::new();
    let empty = fixture.folder.path().join("empty\u{1b}[2J");
    fs::create_dir(&empty).unwrap();
    let (code, stdout, _) = fixture.verify(&empty, &[]);
    assert_eq!(code, 1);
    assert!(stdout.starts_with("t: no file of it is in /"), "{stdout}");
    assert!(!stdout.contains('\u{1b}') && stdout.lines().count() == 1, "{stdout:?}");
}

#[test]
fn what_cannot_be_verified_is_one_line_on_stderr() {
    let fixture = Fixture::new();
    for dir in ["nowhere", "t.torrent"] {
        let (code, stdout, stderr) = fixture.verify(&fixture.folder.path().join(dir), &[]);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{stderr}");
    }
    fs::write(fixture.folder.path().join("t.torrent"), i(7)).unwrap();
    let (code, _, stderr) = fixture.verify(&fixture.data(), &["--json"]);
    assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
}
