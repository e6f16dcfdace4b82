//! A wall clock that jumps while the program runs: timers, announces and rates go by another one, and what
//! is kept stays right. The clock is a small library that the test puts between the program and the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Run, of_kind};
use crate::swarm::{Swarm, require};

/// Adds what a file of eight bytes says, in seconds, to the wall clock; the file is read through a mapping, so
/// that the clock jumps when the test writes it.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long long *jump;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TC_TUI_TEST_JUMP");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) jump = mapped;
    close(file);
}

int clock_gettime(clockid_t id, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME && jump) time->tv_sec += *jump;
    return result;
}
"#;

/// A clock that jumps.
struct Clock {
    library: PathBuf,
    jump: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Result<Self, String> {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, SHIM).map_err(|error| error.to_string())?;
        let output =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
        let output = output.map_err(|error| format!("cc: {error}"))?;
        if !output.status.success() {
            return Err(format!("cc: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let clock = Self { library, jump: folder.join("jump") };
        fs::write(&clock.jump, [0; 8]).map_err(|error| error.to_string())?;
        Ok(clock)
    }

    fn under(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("TC_TUI_TEST_JUMP", &self.jump);
    }

    /// The wall clock is so many days from the true one.
    fn jumps_to(&self, days: i64) {
        use std::os::unix::fs::FileExt as _;
        let file = fs::OpenOptions::new().write(true).open(&self.jump).unwrap();
        file.write_all_at(&(days * 86_400).to_ne_bytes(), 0).unwrap();
    }
}

const TEN_YEARS: i64 = 3_653;

/// To 1970, whatever the year is now.
fn to_1970() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    1 - i64::try_from(now.as_secs() / 86_400).unwrap()
}

#[test]
fn a_wall_clock_that_jumps_ten_years_ahead_and_back_to_1970_disturbs_nothing() {
    let swarm = Swarm::new("clock");
    let Some(clock) = require(Clock::new(&swarm.work.join("."))) else { return };
    let mut command = swarm.leecher_of(&swarm.tracked());
    clock.under(command.args(["--down-limit", "2M", "--seed-after"]));
    let run = Run::start(&mut command);
    let pieces = |count: u64| {
        run.find("some pieces", |line| line["kind"] == "piece.completed" && line["complete"] == count);
    };
    pieces(10);
    clock.jumps_to(TEN_YEARS);
    pieces(25);
    clock.jumps_to(to_1970());
    pieces(40);
    clock.jumps_to(TEN_YEARS);
    run.event("session.completed");
    let (status, lines) = run.interrupt();
    assert!(status.success(), "{status}");
    swarm.assert_main_right();
    // The jumps took place, and nobody announced more often for it: when it began, was complete, and ended.
    let years: Vec<_> = of_kind(&lines, "piece.completed")
        .map(|line| line["time"].as_str().unwrap()[..4].to_owned())
        .collect();
    assert!(
        years.contains(&"1970".to_owned()) && years.iter().any(|year| year.as_str() > "2034"),
        "{years:?}"
    );
    assert!(of_kind(&lines, "tracker.success").count() <= 3, "{lines:#?}");
    assert_eq!(of_kind(&lines, "tracker.failed").count(), 0);
    let mut before = lines.iter().take_while(|line| line["kind"] != "session.completed");
    assert!(!before.any(|line| line["kind"] == "peer.disconnected"), "the link lasts");
    for stats in of_kind(&lines, "stats.update") {
        let rate = stats["rate_down"].as_u64().unwrap();
        assert!(rate < 20 << 20, "{stats}");
    }
    // The next run lives in 1970: what the last one kept counts.
    clock.jumps_to(to_1970());
    let mut command = swarm.leecher_of(&swarm.tracked());
    clock.under(&mut command);
    let (status, lines) = Run::start(&mut command).end();
    assert!(status.success(), "{status}");
    assert_eq!(of_kind(&lines, "session.checked").next().unwrap()["bytes_hashed"], 0);
    assert_eq!(of_kind(&lines, "piece.completed").count(), 0);
}
