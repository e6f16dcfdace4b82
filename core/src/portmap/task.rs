//! The task between a mapper and the gateway: lends it the sockets and the clock, and tells what it is at.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::mapper::{Mapper, Order};
use super::pmp;
use super::upnp::{Done, Service, UpnpError};
use super::upnp_client::{Place, perform};
use crate::net::bind::Way;
use crate::net::gateway::Gateway;
use crate::stats::Mapping;

/// The longest answer is one of PCP (RFC 6887, section 7).
const MAX_ANSWER: usize = 1100;

/// What there is to do, as it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whom to ask, or why nobody is asked.
    pub gateway: Result<Gateway, &'static str>,
    /// Our ports for TCP and UDP.
    pub ports: [Option<u16>; 2],
    /// What sockets leave by.
    pub way: Way,
}

/// What the task of one family needs.
pub struct Setup {
    /// IPv6, not IPv4.
    pub v6: bool,
    /// What there is to do.
    pub wanted: watch::Receiver<Wanted>,
    /// The engine is shutting down.
    pub stopping: watch::Receiver<bool>,
    /// Until then all has to be taken back; asked once that begins.
    pub end: Box<dyn Fn() -> Instant + Send>,
    /// Takes how TCP and UDP are, when it changes.
    pub tell: Box<dyn Fn([Mapping; 2]) + Send>,
    /// Where UPnP gateways are searched for.
    pub group: SocketAddr,
}

type Ended = (Option<Service>, Result<Done, UpnpError>);
type Doing = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Keeps our ports open until the engine stops, and takes them back then.
pub async fn run(setup: Setup) {
    let Setup { v6, mut wanted, mut stopping, end, tell, group } = setup;
    let clock = || Instant::now().into_std();
    let mut mapper = Mapper::new(clock(), v6, StdRng::from_rng(&mut rand::rng()));
    let mut shell = Shell { socket: None, service: None, doing: None, place: None, way: Way::Any, group };
    let (mut told, mut closing): (Option<[Mapping; 2]>, Option<Instant>) = (None, None);
    let mut buffer = vec![0; MAX_ANSWER];
    wanted.mark_changed();
    loop {
        for order in mapper.take_orders() {
            shell.carry_out(order);
        }
        let states = mapper.states();
        if told.as_ref() != Some(&states) {
            tell(states.clone());
            told = Some(states);
        }
        if mapper.is_closed() {
            return;
        }
        let due = mapper.next_due().map(Instant::from_std);
        tokio::select! {
            changed = stopping.wait_for(|stopping| *stopping), if closing.is_none() => {
                drop(changed);
                closing = Some(end());
                mapper.close(clock());
            }
            () = at(closing) => return,
            changed = wanted.changed(), if closing.is_none() => {
                // Whoever wants something tells when the engine stops.
                if changed.is_err() {
                    closing = Some(end());
                    mapper.close(clock());
                    continue;
                }
                let Wanted { gateway, ports, way } = wanted.borrow_and_update().clone();
                shell.go_to(gateway.ok(), way);
                mapper.network(clock(), gateway.map(|gateway| (gateway.address.ip(), gateway.local)));
                mapper.want(clock(), ports);
            }
            received = receive(shell.socket.as_ref(), &mut buffer) => match received {
                Ok(length) => mapper.received(clock(), &buffer[..length]),
                // Nobody takes datagrams there.
                Err(_) => mapper.unreachable(clock()),
            },
            (service, result) = ended(&mut shell.doing) => {
                (shell.service, shell.doing) = (service, None);
                mapper.upnp_ended(clock(), result);
            }
            () = at(due) => mapper.timeout(clock()),
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<usize> {
    match socket {
        Some(socket) => socket.recv(buffer).await,
        None => std::future::pending().await,
    }
}

async fn ended(doing: &mut Option<Doing>) -> Ended {
    match doing {
        Some(doing) => doing.await,
        None => std::future::pending().await,
    }
}

/// What the mapper's orders are carried out with.
struct Shell {
    /// To the gateway's port for PCP and NAT-PMP, and nowhere else: the system drops what others send.
    socket: Option<UdpSocket>,
    service: Option<Service>,
    doing: Option<Doing>,
    place: Option<Gateway>,
    way: Way,
    group: SocketAddr,
}

impl Shell {
    /// To another gateway, or to none. What was on its way to the old one is forgotten.
    fn go_to(&mut self, gateway: Option<Gateway>, way: Way) {
        if (self.place, self.way) == (gateway, way) {
            return;
        }
        (self.place, self.way) = (gateway, way);
        (self.service, self.doing) = (None, None);
        self.socket = gateway.and_then(|gateway| {
            let mut to = gateway.address;
            to.set_port(pmp::PORT);
            let socket = connect(gateway.local, to, way);
            socket.inspect_err(|error| tracing::debug!(%to, %error, "no socket to the gateway")).ok()
        });
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Send(bytes) => {
                // What is not sent is sent again, and then it was no answer.
                let sent = self.socket.as_ref().map(|socket| socket.try_send(&bytes));
                if let Some(Err(error)) = sent {
                    tracing::trace!(%error, "not sent to the gateway");
                }
            }
            Order::Upnp(job) => {
                let Some(Gateway { address, local, interface }) = self.place else { return };
                let place = Place { gateway: address, local, interface, group: self.group, way: self.way };
                self.doing = Some(Box::pin(perform(place, self.service.clone(), job)));
            }
        }
    }
}

fn connect(local: IpAddr, to: SocketAddr, way: Way) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    way.prepare(&socket, to.is_ipv6())?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(local, 0).into())?;
    socket.connect(&to.into())?;
    UdpSocket::from_std(socket.into())
}
