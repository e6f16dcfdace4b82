//! A link in user space between one client of a test's network and all others: as slow, late and lossy as it
//! is told, also where the kernel has no netem. The client's port has a bridge of its own, and frames between
//! that and the common one go by two TAP devices and what is here.

use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::net::{Host, Net};

mod pipe;

pub use self::pipe::{Counts, Way};

use self::pipe::Pipe;

/// Packets that the kernel keeps for us while this machine is busy; the queue of the link is ours.
const KERNEL_QUEUE: u32 = 10_000;
/// How soon the threads see the end.
const LOOK: Duration = Duration::from_millis(50);

/// A link. Dropping it cuts it.
#[derive(Debug)]
pub struct Link {
    to: Arc<Direction>,
    from: Arc<Direction>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Direction {
    pipe: Mutex<Pipe>,
    entered: Condvar,
    cut: AtomicBool,
}

impl Link {
    /// Puts a client behind a link, which is one way to it and another from it.
    ///
    /// # Panics
    /// Without root or `/dev/net/tun`, and for a client that is behind one already.
    pub fn before(net: &Net, client: &Host, seed: u64, to: Way, from: Way) -> Self {
        let (switch, port) = net.port(client);
        switch.ip(&format!("link add far{port} up type bridge"));
        switch.ip(&format!("link set port{port} master far{port}"));
        let common = Arc::new(device(&switch, format!("near{port}"), "bridge"));
        let own = Arc::new(device(&switch, format!("slow{port}"), &format!("far{port}")));
        let to = Arc::new(Direction::new(to, seed));
        let from = Arc::new(Direction::new(from, !seed));
        let mut threads = Vec::new();
        for (direction, source, sink) in [(&to, &common, &own), (&from, &own, &common)] {
            let (reading, source) = (direction.clone(), source.clone());
            threads.push(std::thread::spawn(move || reading.read(&source)));
            let (writing, sink) = (direction.clone(), sink.clone());
            threads.push(std::thread::spawn(move || writing.write(&sink)));
        }
        Self { to, from, threads }
    }

    /// The same both ways.
    pub fn alike(net: &Net, client: &Host, seed: u64, way: Way) -> Self {
        Self::before(net, client, seed, way, way)
    }

    /// What happened so far to what goes to the client, and to what comes from it.
    pub fn counts(&self) -> (Counts, Counts) {
        (self.to.lock().counts(), self.from.lock().counts())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.to.cut.store(true, Ordering::Relaxed);
        self.from.cut.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn device(switch: &Host, name: String, bridge: &str) -> SyncDevice {
    let to_make = name.clone();
    let made = switch.spawn(move || {
        let builder = DeviceBuilder::new().name(&to_make).layer(Layer::L2).tx_queue_len(KERNEL_QUEUE);
        let device = builder
            .build_sync()
            .unwrap_or_else(|error| panic!("{to_make}: {error} (is there /dev/net/tun?)"));
        device.set_nonblocking(true).expect("it is a file");
        device
    });
    let device = made.join().expect("it said why");
    switch.ip(&format!("link set {name} up master {bridge}"));
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
    let descriptor = device.as_fd();
    let look = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos() as i64 };
    // Whatever it says, the loop looks again.
    let _ = poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&look));
}
