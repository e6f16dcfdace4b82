//! A system that gives us little address space (`ulimit -v`): the C library must not waste it.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, getrlimit};

/// What glibc's allocator reads when a program starts: how many arenas it may have. Each reserves 64 MiB of
/// address space, and it wants one for each of our twenty threads.
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// With less address space than this, arenas may leave no room for the stacks of threads.
const ENOUGH: u64 = 4 << 30;

/// Starts the program anew with one arena where address space is scarce: threads then share it, which
/// costs some time and no room. Where that cannot be done the program goes on as it is.
pub fn fit() {
    let scarce = getrlimit(Resource::As).current.is_some_and(|limit| limit < ENOUGH);
    if !scarce || env::var_os(ARENAS).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut args = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    // Returns only where it fails.
    let _ = command.args(args).env(ARENAS, "1").exec();
}
