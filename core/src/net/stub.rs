//! Names without the system's resolver: questions to name servers over sockets that leave where they may (RFC
//! 1035). The system's own look-up cannot be told by which interface to ask.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::bind::Binding;
use super::dns::{self, DnsError};
use super::scope::Scope;

/// Where name servers take questions.
const PORT: u16 = 53;

/// How long one server is waited for. Twice three of them are asked within a resolver's ten seconds at most.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How often all servers are asked: datagrams may get lost.
const ROUNDS: usize = 2;

/// Name servers of the system that are asked (`resolv.conf(5)`).
const MAX_SERVERS: usize = 3;

/// The longest answer over UDP without extensions is 512 bytes; some servers send more.
const MAX_ANSWER: usize = 4096;

/// Bytes of the system's files that are read.
const MAX_FILE: u64 = 1 << 20;

/// Asks name servers. Blocks: for the resolver's threads.
#[derive(Debug)]
pub struct Stub {
    binding: Binding,
    servers: Vec<IpAddr>,
}

impl Stub {
    /// Asks these servers, or where there are none those of the system that are not on this machine.
    pub const fn new(binding: Binding, servers: Vec<IpAddr>) -> Self {
        Self { binding, servers }
    }

    /// The addresses of a name.
    ///
    /// # Errors
    /// No server may be asked or answers, or there are no addresses.
    pub fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if name.eq_ignore_ascii_case("localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let named = hosts(&read(Path::new("/etc/hosts")), name);
        if !named.is_empty() {
            return Ok(named);
        }
        let system = || servers(&read(Path::new("/etc/resolv.conf")));
        let servers = if self.servers.is_empty() { system() } else { self.servers.clone() };
        if servers.is_empty() {
            // What runs on this machine asks on by whatever way it likes.
            return Err(io::Error::other(
                "the name servers of the system are on this machine: name another one",
            ));
        }
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for server in std::iter::repeat_n(&servers, ROUNDS).flatten() {
            match self.ask(SocketAddr::new(*server, PORT), name) {
                Err(error) => last = error,
                found => return found,
            }
        }
        Err(last)
    }

    /// Both families of one server. What one of them brings is enough.
    fn ask(&self, server: SocketAddr, name: &str) -> io::Result<Vec<IpAddr>> {
        let [v4, v6] = [false, true].map(|v6| self.ask_for(server, name, v6));
        match (v4, v6) {
            (Ok(mut v4), Ok(v6)) => {
                v4.extend(v6);
                Ok(v4)
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    fn ask_for(&self, server: SocketAddr, name: &str, v6: bool) -> io::Result<Vec<IpAddr>> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "not a host name");
        let question = dns::question(rand::random(), name, v6).ok_or_else(wrong)?;
        match self.over_udp(server, &question)? {
            Err(DnsError::Truncated) => self.over_tcp(server, &question)?,
            answer => answer,
        }
        .map_err(io::Error::other)
    }

    fn over_udp(&self, server: SocketAddr, question: &[u8]) -> io::Result<Result<Vec<IpAddr>, DnsError>> {
        let socket = self.socket(server, Type::DGRAM)?;
        socket.connect(&server.into())?;
        let socket = std::net::UdpSocket::from(socket);
        let end = Instant::now() + PATIENCE;
        socket.send(question)?;
        let mut buffer = [0; MAX_ANSWER];
        loop {
            // Not zero, which would be for ever.
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            let length = socket.recv(&mut buffer)?;
            if let Some(answer) = dns::answer(question, &buffer[..length]) {
                return Ok(answer);
            }
        }
    }

    fn over_tcp(&self, server: SocketAddr, question: &[u8]) -> io::Result<Result<Vec<IpAddr>, DnsError>> {
        let socket = self.socket(server, Type::STREAM)?;
        socket.connect_timeout(&server.into(), PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut stream = TcpStream::from(socket);
        // A name has 255 bytes at most.
        let length = question.len() as u16;
        stream.write_all(&[&length.to_be_bytes()[..], question].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut bytes = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut bytes)?;
        dns::answer(question, &bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// A socket that leaves where it may.
    fn socket(&self, server: SocketAddr, kind: Type) -> io::Result<Socket> {
        let (way, v6) = (self.binding.way(), server.is_ipv6());
        let socket = Socket::new(Domain::for_address(server), kind, None)?;
        way.prepare(&socket, v6)?;
        if let Some(source) = way.source(v6) {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Ok(socket)
    }
}

/// What can be read of a file; nothing is as good as an empty one.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    if let Err(error) = read {
        tracing::debug!(path = %path.display(), %error, "not read");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split('#').next().unwrap_or_default().split_whitespace()
}

/// The name servers in a `resolv.conf` that are not on this machine.
fn servers(text: &str) -> Vec<IpAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = words(line);
        (words.next()? == "nameserver").then_some(words.next()?.parse().ok()?)
    });
    servers.take(MAX_SERVERS).filter(|ip| Scope::of(*ip) != Scope::Loopback).collect()
}

/// The addresses of a name in a `hosts` file.
fn hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let found = text.lines().filter_map(|line| {
        let mut words = words(line);
        let ip = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(ip)
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_read() {
        let text = "# by hand\nnameserver 127.0.0.53\nnameserver 10.0.0.1 # home\nsearch example\nnameserver ::1\n\
            nameserver 9.9.9.9\nnameserver\nnameserver x\n";
        assert_eq!(servers(text), ["10.0.0.1".parse::<IpAddr>().unwrap()], "three at most, and none of ours");
        let text = "10.0.0.5 Tracker tracker.example # old\n2a11::5 tracker.example\nx tracker.example\n";
        assert_eq!(hosts(text, "TRACKER.example").len(), 2);
        assert_eq!(hosts(text, "old"), [] as [IpAddr; 0]);
    }

    #[test]
    fn nobody_is_asked_where_nothing_may_leave() {
        let (_, interfaces) = tokio::sync::watch::channel(Vec::new().into());
        let binding = Binding::new("wg0".parse().unwrap(), interfaces);
        let stub = Stub::new(binding, vec![Ipv4Addr::LOCALHOST.into()]);
        let error = stub.look_up("tracker.example").unwrap_err();
        assert_eq!(error.to_string(), "wg0 is not there");
    }
}
