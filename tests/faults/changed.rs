//! Files and disks that change under the program, and state that is not as it was left.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use redb::ReadableTable as _;
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use crate::run::{self, Run, of_kind};
use crate::swarm::{OTHER, SIZE, Swarm, require};
use crate::tmpfs::Tmpfs;

#[test]
fn a_disk_that_becomes_read_only() {
    let swarm = Swarm::new("read-only");
    let Some(disk) = require(Tmpfs::mount(&swarm.out().join("main"), "size=32m")) else { return };
    disk.remount("ro");
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert_eq!(status.code(), Some(1), "one is not there");
    let errors: Vec<_> = of_kind(&lines, "storage.error").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.contains("out/main/") && message.contains("Read-only file system"), "{message}");
    let complete: Vec<_> = of_kind(&lines, "session.completed").collect();
    assert!(complete.len() == 1 && complete[0]["info_hash"] == swarm.other, "the other one is there");
    disk.remount("rw");
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    swarm.assert_right();
}

/// Downloads all, changes a file, and starts again: what is not right any more is fetched again, no more.
fn changed_between_runs(test: &str, change: impl FnOnce(&Path)) -> (Swarm, Vec<Value>) {
    let swarm = Swarm::new(test);
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    change(&swarm.out().join("main/one"));
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert!(status.success(), "{lines:#?}");
    (swarm, lines)
}

fn fetched(lines: &[Value]) -> usize {
    of_kind(lines, "piece.completed").count()
}

/// Pieces of 64 KiB.
const PIECE: u64 = 65_536;

#[test]
fn a_file_cut_short_is_fetched_again_from_there() {
    let (swarm, lines) = changed_between_runs("cut-short", |file| {
        OpenOptions::new().write(true).open(file).unwrap().set_len(2_000_000).unwrap();
    });
    assert_eq!(fetched(&lines) as u64, (SIZE / 2 + 1).div_ceil(PIECE) - 2_000_000 / PIECE);
    swarm.assert_right();
}

#[test]
fn a_file_that_grew_is_hashed_and_its_end_is_left_alone() {
    let (swarm, lines) = changed_between_runs("grown", |file| {
        OpenOptions::new().append(true).open(file).unwrap().write_all(b"what a person wrote").unwrap();
    });
    assert_eq!(fetched(&lines), 0);
    assert_eq!(hashed(&lines), (SIZE / 2 + 1).div_ceil(PIECE) * PIECE);
    let file = fs::read(swarm.out().join("main/one")).unwrap();
    assert!(file.ends_with(b"what a person wrote"));
}

#[test]
fn a_file_that_was_changed_is_mended() {
    let (swarm, lines) = changed_between_runs("changed", |file| {
        let mut data = fs::read(file).unwrap();
        data[100_000] ^= 1;
        fs::write(file, data).unwrap();
    });
    assert_eq!(fetched(&lines), 1);
    swarm.assert_right();
}

#[test]
fn a_file_that_is_gone_is_told_and_not_made_anew_behind_a_person_s_back() {
    let swarm = Swarm::new("gone");
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    fs::remove_dir_all(swarm.out().join("main")).unwrap();
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert_eq!(status.code(), Some(1));
    let gone: Vec<_> = of_kind(&lines, "storage.error").collect();
    assert!(gone.len() == 1 && gone[0]["code"] == "file-gone", "{gone:?}");
    assert!(!swarm.out().join("main").exists());
    assert!(of_kind(&lines, "session.completed").any(|line| line["info_hash"] == swarm.other));
}

#[test]
fn a_folder_in_the_place_of_a_file_is_told_with_its_path() {
    let swarm = Swarm::new("folder");
    fs::create_dir_all(swarm.out().join("main/one")).unwrap();
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert_eq!(status.code(), Some(1));
    let errors: Vec<_> = of_kind(&lines, "storage.error").collect();
    assert!(errors.len() == 1 && errors[0]["code"] == "not-a-file", "{errors:?}");
    assert!(errors[0]["message"].as_str().unwrap().contains("out/main/one: "), "{errors:?}");
    assert!(of_kind(&lines, "session.completed").any(|line| line["info_hash"] == swarm.other));
    fs::remove_dir(swarm.out().join("main/one")).unwrap();
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    swarm.assert_right();
}

/// Changes a file while the torrent is downloaded, and expects that it ends right, in this run or the next.
fn changed_meanwhile(test: &str, change: impl FnOnce(&Path)) {
    let swarm = Swarm::new(test);
    let mut command = swarm.leecher();
    let run = Run::start(command.args(["--down-limit", "3M"]).env("TC_TUI_TEST_SYNC_MS", "200"));
    run.find("some pieces", |line| line["kind"] == "piece.completed" && line["complete"] == 20);
    change(&swarm.out().join("main/one"));
    let (status, lines) = run.end();
    assert_eq!(status.code(), Some(1), "it notices");
    assert_eq!(of_kind(&lines, "storage.error").count(), 1, "and says so once");
    assert!(of_kind(&lines, "session.completed").any(|line| line["info_hash"] == swarm.other));
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    if !status.success() {
        let code = &of_kind(&lines, "storage.error").next().expect("it says why")["code"];
        assert_eq!(code, "file-gone");
        return;
    }
    swarm.assert_right();
}

#[test]
fn a_file_cut_short_meanwhile() {
    changed_meanwhile("cut-meanwhile", |file| {
        OpenOptions::new().write(true).open(file).unwrap().set_len(100).unwrap();
    });
}

#[test]
fn a_file_removed_meanwhile() {
    changed_meanwhile("gone-meanwhile", |file| fs::remove_file(file).unwrap());
}

#[test]
fn a_file_grown_meanwhile() {
    let swarm = Swarm::new("grown-meanwhile");
    let mut command = swarm.leecher();
    let run = Run::start(command.args(["--down-limit", "3M"]).env("TC_TUI_TEST_SYNC_MS", "200"));
    run.find("some pieces", |line| line["kind"] == "piece.completed" && line["complete"] == 20);
    // What is there now and was never fetched counts for nothing.
    let file = swarm.out().join("main/one");
    OpenOptions::new().write(true).open(&file).unwrap().set_len(SIZE).unwrap();
    let (status, lines) = run.end();
    assert!(status.success(), "{status}: {lines:#?}");
    let right = fs::read(swarm.work.join("seed/main/one")).unwrap();
    assert!(fs::read(&file).unwrap().starts_with(&right));
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert!(status.success());
    assert_eq!(fetched(&lines), 0);
}

/// Changes a file of a seed. Nobody is served what is wrong: the torrent stops and says why, the other is
/// served, and the next run mends it.
fn changed_while_seeding(test: &str, code: &str, change: impl FnOnce(&Path)) {
    let swarm = Swarm::new(test);
    let address = run::free_address(5).to_string();
    let mut command = run::get(&swarm.work.join("torrents"), &swarm.out(), &swarm.state());
    let seed = Run::start(command.args(["--listen", &address, "--peer", &swarm.address, "--seed-after"]));
    for hash in [&swarm.info_hash, &swarm.other] {
        seed.find("a seed", |line| line["kind"] == "session.completed" && line["info_hash"] == **hash);
    }
    change(&swarm.out().join("main/one"));
    let (out, state) = (swarm.work.join("out-2"), swarm.work.join("state-2"));
    let mut command = run::get(&swarm.work.join("torrents"), &out, &state);
    let leecher = Run::start(command.args(["--listen", "127.0.0.6:0", "--peer", &address]));
    let error = seed.event("storage.error");
    assert!(error["info_hash"] == swarm.info_hash && error["code"] == code, "{error}");
    assert!(error["message"].as_str().unwrap().contains("out/main/one"), "{error}");
    leecher.find("the other", |line| line["kind"] == "session.completed" && line["info_hash"] == swarm.other);
    let (_, lines) = leecher.interrupt();
    assert_eq!(of_kind(&lines, "piece.hash_failed").count(), 0, "nothing wrong was served");
    seed.interrupt();
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    let file = swarm.out().join("main/one");
    if file.is_dir() {
        assert!(!status.success(), "what a person put there stays");
        return;
    }
    assert!(status.success(), "{status}: {lines:#?}");
    swarm.assert_right();
}

#[test]
fn a_seed_s_file_cut_short() {
    changed_while_seeding("seed-cut", "file-short", |file| {
        OpenOptions::new().write(true).open(file).unwrap().set_len(100).unwrap();
    });
}

#[test]
fn a_seed_s_file_written_over() {
    changed_while_seeding("seed-changed", "file-changed", |file| {
        let mut data = fs::read(file).unwrap();
        data.iter_mut().for_each(|byte| *byte ^= 1);
        fs::write(file, data).unwrap();
    });
}

#[test]
fn a_seed_s_file_removed() {
    changed_while_seeding("seed-gone", "file-gone", |file| fs::remove_file(file).unwrap());
}

#[test]
fn a_seed_s_file_replaced_by_a_folder() {
    changed_while_seeding("seed-folder", "file-gone", |file| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    });
}

#[test]
fn a_file_replaced_by_a_folder_meanwhile() {
    let swarm = Swarm::new("folder-meanwhile");
    let mut command = swarm.leecher();
    let run = Run::start(command.args(["--down-limit", "3M"]).env("TC_TUI_TEST_SYNC_MS", "200"));
    run.find("some pieces", |line| line["kind"] == "piece.completed" && line["complete"] == 20);
    let file = swarm.out().join("main/one");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let (status, lines) = run.end();
    assert_eq!(status.code(), Some(1));
    assert!(of_kind(&lines, "session.completed").any(|line| line["info_hash"] == swarm.other));
    assert_eq!(of_kind(&lines, "storage.error").count(), 1);
}

/// Downloads all, does something to the state, and starts again: nothing is fetched, whatever it was.
fn state_between_runs(test: &str, change: impl FnOnce(&Path)) -> (Swarm, Vec<Value>) {
    let swarm = Swarm::new(test);
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    change(&swarm.state());
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert!(status.success(), "{lines:#?}");
    assert_eq!(fetched(&lines), 0, "nothing is fetched again");
    swarm.assert_right();
    (swarm, lines)
}

fn hashed(lines: &[Value]) -> u64 {
    of_kind(lines, "session.checked").map(|checked| checked["bytes_hashed"].as_u64().unwrap()).sum()
}

/// Names in the state folder.
fn names(state: &Path) -> Vec<String> {
    fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

fn aside(swarm: &Swarm) -> usize {
    names(&swarm.state()).iter().filter(|name| name.starts_with("state.redb.broken")).count()
}

const ALL: u64 = SIZE + OTHER;

#[test]
fn a_store_that_is_broken_costs_hashing_and_nothing_else() {
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let damages: [(&str, Damage); 4] = [
        ("cut", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("torn", |mut bytes| {
            bytes.iter_mut().skip(4096).step_by(1024).for_each(|byte| *byte ^= 0x55);
            bytes
        }),
        ("zeros", |bytes| vec![0; bytes.len()]),
        ("text", |_| b"no store".to_vec()),
    ];
    for (name, damage) in damages {
        let (swarm, lines) = state_between_runs(&format!("store-{name}"), |state| {
            let store = state.join("state.redb");
            let bytes = fs::read(&store).unwrap();
            fs::write(store, damage(bytes)).unwrap();
        });
        // What is damaged in pages that hold nothing is no damage.
        assert!(hashed(&lines) == ALL && aside(&swarm) == 1 || name == "torn", "{name}: {}", hashed(&lines));
    }
}

/// Records as a newer version would write them: the version in the first byte, then a checksum over the
/// torrent's hash and the rest.
fn make_newer(state: &Path) {
    let table = redb::TableDefinition::<&[u8; 20], &[u8]>::new("resume");
    let store = redb::Database::open(state.join("state.redb")).unwrap();
    let change = store.begin_write().unwrap();
    {
        let mut rows = change.open_table(table).unwrap();
        let kept: Vec<([u8; 20], Vec<u8>)> = rows
            .iter()
            .unwrap()
            .map(|row| row.map(|(key, value)| (*key.value(), value.value().to_vec())).unwrap())
            .collect();
        assert_eq!(kept.len(), 2);
        for (hash, mut record) in kept {
            record[0] = 200;
            let sum =
                Sha1::new().chain_update(hash).chain_update([200]).chain_update(&record[5..]).finalize();
            record[1..5].copy_from_slice(&sum[..4]);
            rows.insert(&hash, record.as_slice()).unwrap();
        }
    }
    change.commit().unwrap();
}

#[test]
fn a_store_of_a_newer_version_is_kept_for_it_and_the_list_is_whole() {
    let (swarm, lines) = state_between_runs("store-newer", make_newer);
    assert_eq!(hashed(&lines), ALL);
    let kept = names(&swarm.state()).into_iter().filter(|name| name.starts_with("state.redb.newer"));
    assert_eq!((kept.count(), aside(&swarm)), (1, 0));
    let logs = names(&swarm.state()).into_iter().filter(|name| name.ends_with(".log"));
    let said: String = logs.map(|name| fs::read_to_string(swarm.state().join(name)).unwrap()).collect();
    assert!(said.contains("a newer version wrote"), "{said}");
}

#[test]
fn a_store_that_is_gone_is_rebuilt_from_the_folder() {
    let (swarm, lines) =
        state_between_runs("store-gone", |state| fs::remove_file(state.join("state.redb")).unwrap());
    assert_eq!((hashed(&lines), aside(&swarm)), (ALL, 0));
}

#[test]
fn what_a_killed_run_leaves_is_no_obstacle() {
    let (_, lines) = state_between_runs("stale", |state| {
        fs::write(state.join("lock"), "1\n").unwrap();
        fs::write(state.join("torrents/half.torrent.tmp"), "half").unwrap();
        fs::write(state.join("journal"), [7; 100]).unwrap();
        fs::write(state.join("state.redb.tmp"), [0; 4096]).unwrap();
    });
    assert_eq!(hashed(&lines), 0);
}

#[test]
fn a_second_run_is_told_who_holds_the_state() {
    let swarm = Swarm::new("two-runs");
    let first = Run::start(swarm.leecher().arg("--seed-after"));
    first.event("session.completed");
    let output = swarm.leecher().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.lines().count() == 1 && said.contains(&first.pid().to_string()), "{said}");
    // A run that is killed holds nothing.
    first.kill();
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    swarm.assert_right();
}
