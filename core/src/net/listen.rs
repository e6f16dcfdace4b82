//! Where peers call us: TCP listeners, one per address, and the loop that accepts.
//!
//! It accepts and hands over; who may stay (caps per address and in all, bans) is decided by whoever
//! takes the connections. While nobody takes them they wait in the kernel's backlog.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::bind::Way;

use super::link::Stream;

/// Connections that the kernel keeps for us while we are busy. Announces bring callers in bursts of a
/// tracker's `numwant`, 200 at most.
const BACKLOG: i32 = 256;

/// How often a common port is looked for. Each try is one port that the system calls free for one
/// family; that the other family uses it is rare, ten times in a row is another fault.
const TRIES: usize = 10;

/// The first pause after running out of descriptors or memory; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Long enough to cost nothing, short enough that callers in the backlog do not give up.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A listener that is bound and listening.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Binds one listener per address, in order. Those with port 0 get one common port that the system
/// picks. A failure concerns its own address only; the caller reports it and may try again later.
///
/// Must be called within a tokio runtime.
pub fn bind(addresses: &[SocketAddr], way: Way) -> Vec<Result<Listener, (SocketAddr, io::Error)>> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let mut common = None;
        let mut taken = false;
        let bound: Vec<_> = addresses
            .iter()
            .map(|&wanted| {
                let mut address = wanted;
                if let (0, Some(port)) = (wanted.port(), common) {
                    address.set_port(port);
                }
                let result = Listener::bind(address, way);
                if wanted.port() == 0 {
                    match &result {
                        Ok(listener) => common = Some(listener.address.port()),
                        Err(error) => taken |= error.kind() == io::ErrorKind::AddrInUse,
                    }
                }
                result.map_err(|error| (wanted, error))
            })
            .collect();
        if !taken || tries == 0 {
            return bound;
        }
    }
}

impl Listener {
    fn bind(address: SocketAddr, way: Way) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        way.prepare(&socket, address.is_ipv6())?;
        if address.is_ipv6() {
            // IPv4 has a listener of its own; without this the two could not share a port.
            socket.set_only_v6(true)?;
        }
        // Links of the last run may linger in TIME_WAIT; a port in use is still an error.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The address that peers can call, with the port that the system picked.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until nobody takes connections any more. Waits while `taker` is full; stops listening
    /// when dropped.
    pub async fn run(self, taker: mpsc::Sender<(Stream, SocketAddr)>) {
        let mut pause = Duration::ZERO;
        loop {
            // A place first: a connection that nobody can take stays in the backlog.
            let Ok(place) = taker.reserve().await else { return };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = taker.closed() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = Duration::ZERO;
                    place.send((stream.into(), peer));
                }
                Err(error) => {
                    pause = pause_after(&error, pause);
                    if !pause.is_zero() {
                        tracing::warn!(address = %self.address, %error, "cannot accept, pausing");
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    }
}

/// How long to wait after a failed `accept`. Without descriptors or memory the caller stays in the
/// backlog and `accept` fails again at once, so a loop without a pause would spin. Other errors belong
/// to the one connection that was lost (`accept(2)`).
fn pause_after(error: &io::Error, last: Duration) -> Duration {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    if exhausted.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
        (last * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpStream;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn ports(bound: &[Result<Listener, (SocketAddr, io::Error)>]) -> Vec<u16> {
        bound.iter().map(|one| one.as_ref().unwrap().address().port()).collect()
    }

    #[tokio::test]
    async fn port_0_is_one_port_for_both_families() {
        let bound = bind(&addresses(&["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"]), Way::Any);
        let ports = ports(&bound);
        assert_ne!(ports[0], 0);
        assert_eq!(ports, [ports[0]; 3]);
    }

    #[tokio::test]
    async fn any_address_of_both_families_on_one_port() {
        let port = ports(&bind(&addresses(&["127.0.0.1:0"]), Way::Any))[0];
        let any = crate::Config::any(port);
        assert_eq!(ports(&bind(&any, Way::Any)), [port, port]);
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_of_its_own_address_only() {
        let first = bind(&addresses(&["127.0.0.1:0"]), Way::Any);
        let taken = first[0].as_ref().unwrap().address();
        let second = bind(&[taken, "127.0.0.1:0".parse().unwrap()], Way::Any);
        let (address, error) = second[0].as_ref().unwrap_err();
        assert_eq!((*address, error.kind()), (taken, io::ErrorKind::AddrInUse));
        assert!(second[1].is_ok());
    }

    #[tokio::test]
    async fn an_address_of_another_machine_does_not_hinder_the_rest() {
        let bound = bind(&addresses(&["11.255.255.1:0", "127.0.0.1:0"]), Way::Any);
        assert_eq!(bound[0].as_ref().unwrap_err().1.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(bound[1].is_ok());
    }

    #[tokio::test]
    async fn callers_are_handed_over_and_the_port_is_free_afterwards() {
        let listener = bind(&addresses(&["[::1]:0"]), Way::Any).remove(0).unwrap();
        let address = listener.address();
        let (taker, mut taken) = mpsc::channel(1);
        let task = tokio::spawn(listener.run(taker));
        for _ in 0..3 {
            let caller = TcpStream::connect(address).await.unwrap();
            let (stream, peer) = taken.recv().await.unwrap();
            assert_eq!(peer, caller.local_addr().unwrap());
            drop(stream);
        }
        drop(taken);
        task.await.unwrap();
        assert!(bind(&[address], Way::Any)[0].is_ok());
    }

    #[tokio::test]
    async fn callers_wait_while_nobody_takes_them() {
        let listener = bind(&addresses(&["127.0.0.1:0"]), Way::Any).remove(0).unwrap();
        let address = listener.address();
        let (taker, mut taken) = mpsc::channel(1);
        let task = tokio::spawn(listener.run(taker));
        let mut callers = Vec::new();
        for _ in 0..5 {
            callers.push(TcpStream::connect(address).await.unwrap());
        }
        for caller in &mut callers {
            drop(taken.recv().await.unwrap());
            assert_eq!(caller.read(&mut [0]).await.unwrap(), 0);
        }
        task.abort();
    }

    #[test]
    fn running_out_of_descriptors_makes_longer_and_longer_pauses() {
        let no_descriptors = io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
        let mut pause = Duration::ZERO;
        let mut total = Duration::ZERO;
        for _ in 0..10 {
            pause = pause_after(&no_descriptors, pause);
            total += pause;
        }
        assert_eq!(pause, LONGEST_PAUSE);
        assert!(total > Duration::from_secs(8), "{total:?}");
        let lost = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(pause_after(&lost, pause), Duration::ZERO);
    }
}
