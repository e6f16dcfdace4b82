//! What the system refuses: a folder that we may not write, a file that may not grow, a log that has no room.
//! One torrent says so with its path; the other goes on; who puts it right has all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::run::{Run, of_kind};
use crate::support::home::PROGRAM;
use crate::swarm::{Swarm, require};
use crate::tmpfs::Tmpfs;

/// The command run by a shell that has it in `"$@"`.
fn by(script: &str, inner: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", PROGRAM]).args(inner.get_args());
    command
}

/// One torrent was refused, the other is there.
#[track_caller]
fn assert_one_is_refused(swarm: &Swarm, lines: &[Value], words: &str) {
    let errors: Vec<_> = of_kind(lines, "storage.error").collect();
    assert!(errors.len() == 1 && errors[0]["info_hash"] == swarm.info_hash, "{errors:?}");
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.contains("out/main/") && message.contains(words), "{message}");
    let complete: Vec<_> = of_kind(lines, "session.completed").collect();
    assert!(complete.len() == 1 && complete[0]["info_hash"] == swarm.other, "{complete:?}");
}

#[test]
fn a_folder_that_may_not_be_written() {
    let swarm = Swarm::new("no-permission");
    let folder = swarm.out().join("main");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write everywhere, unless that is taken from it.
    let script = "[ $(id -u) != 0 ] || set -- setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"; exec \"$@\"";
    let (status, lines) = Run::start(&mut by(script, &swarm.leecher())).end();
    assert_eq!(status.code(), Some(1), "one is not there");
    assert_one_is_refused(&swarm, &lines, "Permission denied");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    swarm.assert_right();
}

#[test]
fn a_file_that_may_not_grow() {
    let swarm = Swarm::new("too-large");
    // The files of the first torrent are 3 MB each; the state and the other torrent have room.
    // A block is half a KiB for some shells and one KiB for others: 1.4 or 2.9 MB.
    let script = "ulimit -f 2800 && exec \"$@\"";
    let (status, lines) = Run::start(&mut by(script, &swarm.leecher())).end();
    assert_eq!(status.code(), Some(1), "one is not there");
    assert_one_is_refused(&swarm, &lines, "File too large");
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    swarm.assert_right();
}

#[test]
fn a_log_that_has_no_room() {
    let swarm = Swarm::new("log-full");
    let Some(disk) = require(Tmpfs::mount(&swarm.work.join("logs"), "size=64k")) else { return };
    let log = swarm.work.join("logs/tc-tui.log");
    let run = || {
        // With a tracker there is something to log.
        let mut command = swarm.leecher_of(&swarm.tracked());
        command.args(["--log-level", "trace", "--log-file"]).arg(&log);
        let (status, lines) = Run::start(&mut command).end();
        assert!(status.success(), "{status}");
        assert_eq!(of_kind(&lines, "storage.full").count() + of_kind(&lines, "storage.error").count(), 0);
        fs::metadata(&log).unwrap().len()
    };
    disk.fill();
    assert_eq!(run(), 0, "there is no room");
    swarm.assert_main_right();
    disk.empty();
    // Who has all at once is gone before anything happens that is worth a line.
    for folder in [swarm.out(), swarm.state()] {
        fs::remove_dir_all(folder).unwrap();
    }
    assert!(run() > 0);
}
