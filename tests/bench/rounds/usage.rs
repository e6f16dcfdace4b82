//! What a process has used, from /proc.

use std::fs;

use super::Sample;

/// Linux shows process times in these on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time so far and the peak of resident memory.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    cpu: f64,
    resident: u64,
}

/// Looks at a process that runs.
pub fn usage(pid: u32) -> Usage {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("the process runs");
    let stat = read("stat");
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15, the state is 3.
    let (_, after_name) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks = after_name.split_whitespace().skip(14 - 3).take(2);
    let ticks: f64 = ticks.map(|field| field.parse::<f64>().expect("a number")).sum();
    let resident = field(&read("status"), "VmHWM").expect("a process has memory");
    Usage { cpu: ticks / TICKS_PER_SECOND, resident }
}

/// A line `Name:   123 kB` of a file under /proc, in bytes.
pub fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

impl Usage {
    /// What has been used since an earlier look; the peak stays what it is.
    pub fn since(self, before: Self) -> Self {
        Self { cpu: self.cpu - before.cpu, ..self }
    }

    /// With the wall time that it took.
    pub const fn over(self, seconds: f64) -> Sample {
        Sample { seconds, cpu: self.cpu, resident: self.resident }
    }
}

impl Sample {
    /// With what another process used meanwhile.
    pub fn and(self, other: Usage) -> Self {
        Self { cpu: self.cpu + other.cpu, resident: self.resident.max(other.resident), ..self }
    }
}
