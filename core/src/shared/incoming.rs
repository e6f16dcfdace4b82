//! Peers that call us: accepted, greeted within a deadline, and led to their session.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::{Semaphore, mpsc, watch};

use super::{SharedResources, binding, portmap, totals};
use crate::event::{Event, Kind};
use crate::net::link::Stream;
use crate::net::scope::Scope;
use crate::net::udp::Batch;
use crate::net::{dial, listen};
use crate::utp::task::{self, Setup};

/// A taken port is tried again this often.
const RETRY: Duration = Duration::from_secs(30);

/// Connections from one address that have not said yet what they want: a seedbox full of users
/// behind one address needs a few, a flood has a thousand.
const GREETINGS_PER_ADDRESS: usize = 16;

/// Callers that wait to be greeted; more wait in the kernel.
const CALLERS: usize = 16;

/// Peers that are being greeted.
struct Greetings {
    /// Where listeners hand callers over.
    callers: mpsc::Sender<(Stream, SocketAddr)>,
    room: Arc<Semaphore>,
    by_address: Mutex<FxHashMap<std::net::IpAddr, usize>>,
    /// Ends the listeners that there are: what they are bound to is gone.
    end: watch::Sender<()>,
}

/// Listens on every wanted address for as long as the engine runs.
pub fn listen(shared: &Arc<SharedResources>, packets: mpsc::Receiver<Batch>) {
    let (to_callers, callers) = mpsc::channel(CALLERS);
    let greetings = Arc::new(Greetings {
        callers: to_callers,
        room: Arc::new(Semaphore::new(shared.config.max_half_open)),
        by_address: Mutex::default(),
        end: watch::Sender::default(),
    });
    take_callers(shared, callers, greetings.clone());
    let wanted = shared.config.listen.clone();
    // Binding must happen within the runtime, and before the first announce tells a port.
    let _guard = shared.tasks.runtime().enter();
    let missing = bind(shared, &tcp_places(shared, &wanted), &greetings);
    open_udp(shared, &wanted);
    if shared.utp.is_on() {
        shared.utp.set_accepts(!wanted.is_empty());
        let callers = greetings.callers.clone();
        let setup = Setup { packets, callers, stopping: shared.stopping() };
        shared.tasks.spawn(task::run(shared.utp.clone(), setup));
    }
    if !missing.is_empty() || shared.config.bind.is_some() {
        keep_listening(shared, missing, wanted, greetings);
    }
}

/// Where to listen over TCP, as far as that is wanted.
fn tcp_places(shared: &SharedResources, wanted: &[SocketAddr]) -> Vec<SocketAddr> {
    let places = || binding::places(&shared.binding.way(), wanted);
    if shared.config.tcp { places() } else { Vec::new() }
}

/// Binds what can be bound; returns the addresses that are taken.
fn bind(shared: &Arc<SharedResources>, wanted: &[SocketAddr], greetings: &Arc<Greetings>) -> Vec<SocketAddr> {
    let mut missing = Vec::new();
    for bound in listen::bind(wanted, shared.binding.way()) {
        match bound {
            Ok(listener) => {
                let address = listener.address();
                change(shared, |listening| {
                    listening.addresses.push(address);
                    listening.error = None;
                });
                shared.hub.publish(Kind::ListenOk, || Event::ListenOk { address });
                let (callers, mut end) = (greetings.callers.clone(), greetings.end.subscribe());
                shared.tasks.spawn(async move {
                    tokio::select! {
                        () = listener.run(callers) => {}
                        _ = end.changed() => {}
                    }
                });
            }
            Err((address, error)) => {
                missing.push(address);
                let why = format!("port {}: {error}", address.port());
                change(shared, |listening| listening.error = Some(why.as_str().into()));
                shared.hub.publish(Kind::ListenFailed, || Event::ListenFailed {
                    address,
                    error: error.to_string().into(),
                });
            }
        }
    }
    missing
}

/// Opens a UDP socket beside each listener, and beside those that are missing. Who listens nowhere asks
/// trackers all the same. Without TCP these are the listeners.
fn open_udp(shared: &SharedResources, wanted: &[SocketAddr]) {
    let any = crate::config::Config::any(0);
    let bound = shared.listening().addresses;
    let mut common = None;
    let places = binding::places(&shared.binding.way(), if wanted.is_empty() { &any } else { wanted });
    for address in &places {
        let beside = bound.iter().find(|listener| listener.ip() == address.ip());
        let mut beside = *beside.unwrap_or(address);
        if beside.port() == 0 {
            beside.set_port(common.unwrap_or(0));
        }
        let opened = shared.udp.bind(beside);
        let error = match &opened {
            Ok(opened) => {
                common.get_or_insert(opened.port());
                change(shared, |listening| listening.udp.push(*opened));
                (beside.port() != 0 && opened.port() != beside.port()).then(|| "taken".to_owned())
            }
            Err(error) => {
                tracing::warn!(address = %beside, %error, "no UDP socket");
                Some(error.to_string())
            }
        };
        if shared.config.tcp || wanted.is_empty() {
            continue;
        }
        match (error, opened) {
            (None, Ok(address)) => {
                change(shared, |listening| listening.addresses.push(address));
                shared.hub.publish(Kind::ListenOk, || Event::ListenOk { address });
            }
            (error, _) => {
                let error = error.unwrap_or_default();
                let why = format!("UDP port {}: {error}", beside.port());
                change(shared, |listening| listening.error = Some(why.as_str().into()));
                let error = error.as_str().into();
                shared.hub.publish(Kind::ListenFailed, || Event::ListenFailed { address: beside, error });
            }
        }
    }
}

fn change(shared: &SharedResources, change: impl FnOnce(&mut super::Listening)) {
    shared.listening.send_modify(change);
    tell_port(shared);
}

/// Tells the port that peers can call, if it is another one now.
pub fn tell_port(shared: &SharedResources) {
    let port = portmap::outside_port(shared, &shared.listening.borrow());
    shared.port.send_if_modified(|told| std::mem::replace(told, port) != port);
}

/// Tries those that are missing again, and all of them when what they are bound to is gone or back.
fn keep_listening(
    shared: &Arc<SharedResources>,
    mut missing: Vec<SocketAddr>,
    mut wanted: Vec<SocketAddr>,
    greetings: Arc<Greetings>,
) {
    let (mut stopping, mut binding) = (shared.stopping(), shared.binding.clone());
    let is_bound = shared.config.bind.is_some();
    let engine = Arc::downgrade(shared);
    let mut way = binding.way();
    shared.tasks.spawn(async move {
        while is_bound || !missing.is_empty() {
            let try_again = !missing.is_empty() && way.nowhere().is_none();
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep(RETRY), if try_again => {}
                now = binding.changed(way) => {
                    way = now;
                    let Some(shared) = engine.upgrade() else { return };
                    unlisten(&shared, &mut wanted, &greetings);
                    missing = tcp_places(&shared, &wanted);
                }
            }
            let Some(shared) = engine.upgrade() else { return };
            missing = bind(&shared, &missing, &greetings);
            if is_bound {
                open_udp(&shared, &wanted);
                // Sessions look what has become of their links, whether or not the port is another one.
                shared.port.send_modify(|_| {});
                totals::refresh(&shared);
            }
        }
    });
}

/// Closes all sockets that peers can call. A port that the system picked is asked for again.
fn unlisten(shared: &SharedResources, wanted: &mut [SocketAddr], greetings: &Greetings) {
    for address in wanted.iter_mut().filter(|address| address.port() == 0) {
        address.set_port(shared.port.borrow().unwrap_or(0));
    }
    greetings.end.send_replace(());
    shared.udp.unbind();
    shared.resolver.try_again();
    change(shared, |listening| *listening = super::Listening::default());
}

/// Takes callers from all listeners, until the engine stops; then the listeners end too.
fn take_callers(
    shared: &Arc<SharedResources>,
    mut callers: mpsc::Receiver<(Stream, SocketAddr)>,
    greetings: Arc<Greetings>,
) {
    let mut stopping = shared.stopping();
    let engine = Arc::downgrade(shared);
    shared.tasks.spawn(async move {
        loop {
            let caller = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                caller = callers.recv() => caller,
            };
            let (Some((stream, address)), Some(shared)) = (caller, engine.upgrade()) else { return };
            greet(&shared, stream, address, &greetings);
        }
    });
}

/// Greets one peer in a task of its own; too many at once, or from one address, are turned away.
fn greet(shared: &Arc<SharedResources>, stream: Stream, address: SocketAddr, greetings: &Arc<Greetings>) {
    // Nobody is told that there is a listener who knows them.
    if shared.is_banned(address) {
        return;
    }
    let Some(guard) = Greeting::begin(greetings, address) else { return };
    let engine: Weak<SharedResources> = Arc::downgrade(shared);
    let (registry, encryption) = (shared.registry.clone(), shared.settings().encryption);
    let mut stopping = shared.stopping();
    shared.tasks.spawn(async move {
        let greeted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            greeted = dial::answer(stream, address, &*registry, encryption) => greeted,
        };
        drop(guard);
        let greeted = match greeted {
            Ok(greeted) => greeted,
            Err(error) => {
                tracing::trace!(%address, %error, "not let in");
                return;
            }
        };
        if let Some(shared) = engine.upgrade() {
            // A caller on our own network says nothing about the router.
            if Scope::of(address.ip()) == Scope::Public {
                shared.incoming_seen.store(true, Ordering::Relaxed);
            }
        }
        if let Some(door) = registry.find(&greeted.handshake.info_hash) {
            // A session that has enough to do lets the peer call again.
            let _ = door.incoming.try_send(greeted);
        }
    });
}

/// One peer that is being greeted.
struct Greeting {
    greetings: Arc<Greetings>,
    address: std::net::IpAddr,
    _room: tokio::sync::OwnedSemaphorePermit,
}

impl Greeting {
    fn begin(greetings: &Arc<Greetings>, address: SocketAddr) -> Option<Self> {
        let room = greetings.room.clone().try_acquire_owned().ok()?;
        let mut by_address = greetings.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let there = by_address.entry(address.ip()).or_default();
        if *there >= GREETINGS_PER_ADDRESS {
            return None;
        }
        *there += 1;
        Some(Self { greetings: greetings.clone(), address: address.ip(), _room: room })
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut by_address = self.greetings.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = by_address.get_mut(&self.address) {
            *there -= 1;
            if *there == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
