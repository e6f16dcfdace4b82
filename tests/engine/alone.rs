//! A test in a process of its own: what it counts (memory, descriptors, threads) is its own.

use std::process::Command;

/// Set in the process of the test.
const MARK: &str = "TC_TEST_ALONE";

/// Runs `body` in a child process that runs nothing but this test. `test` is its full name, as the
/// harness prints it.
pub fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let program = std::env::current_exe().expect("a test knows its program");
    let output = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .expect("a test can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{test}: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Resident memory of this process, bytes.
pub fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux has it");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("it is a number") * 1_024
}

/// Names of the threads of this process.
pub fn threads() -> Vec<String> {
    let list = std::fs::read_dir("/proc/self/task").expect("Linux has it");
    let name = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm")).ok();
    let mut names: Vec<_> = list.flatten().filter_map(name).map(|name| name.trim().to_owned()).collect();
    names.sort_unstable();
    names
}

/// What the open descriptors of this process are, without the numbers of sockets and the like; the
/// one that reads the list is left out.
pub fn descriptors() -> Vec<String> {
    let list = std::fs::read_dir("/proc/self/fd").expect("Linux has it");
    let name = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok();
    let mut names: Vec<_> = list
        .flatten()
        .filter_map(name)
        .map(|target| target.to_string_lossy().split(":[").next().unwrap_or_default().to_owned())
        .filter(|target| !target.ends_with("/fd"))
        .collect();
    names.sort_unstable();
    names
}
