//! A link in user space between two places of a test's network: as slow, late and lossy as it is told, also
//! where the kernel has no netem. Its ends are TUN devices, and what the two send to each other goes there.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::net::Host;

mod pipe;

pub use self::pipe::{Counts, Way};

use self::pipe::Pipe;

/// The device's name in both places.
const DEVICE: &str = "slow0";
/// As on most links.
const MTU: u16 = 1_500;
/// Packets that the kernel keeps for us while this machine is busy; the queue of the link is ours.
const KERNEL_QUEUE: u32 = 10_000;
/// How soon the threads see the end.
const LOOK: Duration = Duration::from_millis(50);

/// A link. Dropping it cuts it.
#[derive(Debug)]
pub struct Link {
    there: Arc<Direction>,
    back: Arc<Direction>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Direction {
    pipe: Mutex<Pipe>,
    entered: Condvar,
    cut: AtomicBool,
}

impl Link {
    /// Joins two places, from `a` to `b` one way and back another. It takes the packets between their addresses
    /// of both families and nothing else.
    ///
    /// # Panics
    /// Without root or `/dev/net/tun`.
    pub fn between(a: &Host, b: &Host, seed: u64, there: Way, back: Way) -> Self {
        let (near, far) = (Arc::new(device(a)), Arc::new(device(b)));
        for (from, to) in [(a, b), (b, a)] {
            from.ip(&format!("route add {}/32 dev {DEVICE} src {}", to.v4, from.v4));
            from.ip(&format!("-6 route add {}/128 dev {DEVICE} src {}", to.v6, from.v6));
        }
        let there = Arc::new(Direction::new(there, seed));
        let back = Arc::new(Direction::new(back, !seed));
        let mut threads = Vec::new();
        for (direction, from, to) in [(&there, &near, &far), (&back, &far, &near)] {
            let (reading, from) = (direction.clone(), from.clone());
            threads.push(std::thread::spawn(move || reading.read(&from)));
            let (writing, to) = (direction.clone(), to.clone());
            threads.push(std::thread::spawn(move || writing.write(&to)));
        }
        Self { there, back, threads }
    }

    /// The same both ways.
    pub fn alike(a: &Host, b: &Host, seed: u64, way: Way) -> Self {
        Self::between(a, b, seed, way, way)
    }

    /// What happened so far, from `a` to `b` and back.
    pub fn counts(&self) -> (Counts, Counts) {
        (self.there.lock().counts(), self.back.lock().counts())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.there.cut.store(true, Ordering::Relaxed);
        self.back.cut.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn device(host: &Host) -> SyncDevice {
    let made = host.spawn(|| {
        let device = DeviceBuilder::new().name(DEVICE).mtu(MTU).tx_queue_len(KERNEL_QUEUE).build_sync();
        let device = device.unwrap_or_else(|error| panic!("{DEVICE}: {error} (is there /dev/net/tun?)"));
        device.set_nonblocking(true).expect("it is a file");
        device
    });
    let device = made.join().expect("it said why");
    host.ip(&format!("link set {DEVICE} up"));
    device
}

impl Direction {
    fn new(way: Way, seed: u64) -> Self {
        let pipe = Mutex::new(Pipe::new(way, seed));
        Self { pipe, entered: Condvar::new(), cut: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    fn read(&self, device: &SyncDevice) {
        let mut buffer = [0; 1 << 16];
        while !self.is_cut() {
            let Ok(length) = device.recv(&mut buffer) else {
                // Nothing is there, or the place is gone: then the end is near.
                wait_readable(device);
                continue;
            };
            self.lock().enter(Instant::now(), buffer[..length].to_vec());
            self.entered.notify_one();
        }
    }

    fn write(&self, device: &SyncDevice) {
        while !self.is_cut() {
            let mut pipe = self.lock();
            let now = Instant::now();
            let mut arrived = Vec::new();
            while let Some(packet) = pipe.leave(now) {
                arrived.push(packet);
            }
            if arrived.is_empty() {
                let wait = pipe.next_arrival().map_or(LOOK, |at| at.duration_since(now).min(LOOK));
                drop(self.entered.wait_timeout(pipe, wait));
                continue;
            }
            drop(pipe);
            for packet in arrived {
                // A place that is gone takes nothing.
                let _ = device.send(&packet);
            }
        }
    }
}

fn wait_readable(device: &SyncDevice) {
    let descriptor: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(device);
    let look = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos() as i64 };
    // Whatever it says, the loop looks again.
    let _ = poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&look));
}
