//! `--assume-complete` and a kill: what was only said to be there is never taken for hashed, and nobody is
//! given what is wrong.

use std::fs;

use rustix::process::Signal;

use crate::claimed;
use crate::run::{self, PATIENCE, Run, of_kind};
use crate::swarm::{SIZE, Swarm};
use crate::wait::{Deadline, until};

#[test]
fn what_is_assumed_stays_so_over_a_kill_and_a_wrong_piece_reaches_nobody() {
    let swarm = Swarm::new("assumed");
    let (data, state, copy) =
        (swarm.work.join("assuming"), swarm.work.join("assuming-state"), swarm.work.join("copy"));
    swarm.content.write(&data);
    let file = data.join("main/one");
    let mut bytes = fs::read(&file).unwrap();
    bytes[700_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let torrent = swarm.work.join("torrents/main.torrent");
    let address = run::free_address(6).to_string();
    let get = || {
        let mut command = run::get(&torrent, &data, &state);
        command.args(["--seed-after", "--listen", &address]).env("TC_TUI_TEST_SYNC_MS", "100");
        command
    };
    let run = Run::start(get().arg("--assume-complete"));
    let checked = run.event("session.checked");
    assert_eq!(checked["bytes_hashed"], 0);
    run.event("session.completed");
    let pieces = SIZE.div_ceil(65_536);
    let saved = || claimed::record(&state, &copy, false).filter(|record| !record.files.is_empty());
    until(Deadline::seconds(PATIENCE), "a record", || saved().map(|_| ()));
    run.kill();
    let record = saved().unwrap();
    assert_eq!(claimed::pieces(&record.assumed).len() as u64, pieces);
    assert!(claimed::pieces(&record.have).is_empty() && claimed::pieces(&record.maybe).is_empty());

    // The next run is not told again, and does not believe more than the first.
    let run = Run::start(get().args(["--peer", &swarm.address]));
    assert_eq!(run.event("session.checked")["bytes_hashed"], 0);
    run.event("session.completed");
    let mut leecher = run::get(&torrent, &swarm.out(), &swarm.state());
    let (status, lines) = Run::start(leecher.args(["--listen", "127.0.0.5:0", "--peer", &address])).end();
    assert!(status.success());
    assert_eq!(of_kind(&lines, "piece.hash_failed").count(), 0);
    swarm.assert_main_right();
    run.signal(Signal::KILL);
    let (_, lines) = run.end();
    assert_eq!(of_kind(&lines, "piece.hash_failed").count(), 1);
    let record = claimed::record(&state, &copy, true).unwrap();
    let (have, valid) = (claimed::pieces(&record.have), claimed::valid(&swarm.content, &data));
    assert!(have.is_subset(&valid), "{:?}", have.difference(&valid));
}
