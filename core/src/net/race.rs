//! TCP and uTP after each other: whichever answers first carries the link (RFC 8305 does so with IPv6 and IPv4).
//!
//! Who is known to speak uTP, because it was met over it or others say so, is called over uTP first: it keeps
//! out of everybody's way. All others are called over TCP first, which moves more for less, and most have it;
//! those behind a router that lets in UDP alone, or that listen on nothing else, are reached a moment later.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::link::Stream;
use crate::stats::Transport;
use crate::utp::task::Utp;

/// What the first way has for itself: a round trip to most of the world (RFC 8305 has 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// How a peer can be reached.
#[derive(Clone, Debug)]
pub struct Ways {
    /// Whether TCP is to be tried.
    pub tcp: bool,
    /// uTP; one that is switched off is not tried.
    pub utp: Utp,
    /// What is tried first.
    pub first: Transport,
}

impl Ways {
    /// TCP and nothing else.
    pub fn tcp() -> Self {
        Self { tcp: true, utp: Utp::default(), first: Transport::Tcp }
    }

    /// How to call a peer once more that has hung up on us `over` this: the other way, if there is one; and if
    /// it is to be called `otherwise` anyhow, the same way too.
    pub(super) fn after(&self, over: Transport, address: &SocketAddr, otherwise: bool) -> Option<Self> {
        let has_utp = self.utp.can_reach(address);
        let (first, has_other) = match over {
            Transport::Tcp => (Transport::Utp, has_utp),
            Transport::Utp => (Transport::Tcp, self.tcp),
        };
        if otherwise {
            return Some(Self { first, ..self.clone() });
        }
        has_other.then(|| match first {
            Transport::Tcp => Self::tcp(),
            Transport::Utp => Self { tcp: false, first, utp: self.utp.clone() },
        })
    }

    /// Connects to `address`; `tcp` is how that is done over TCP.
    ///
    /// # Errors
    /// No way leads there; of two ways the error of the second.
    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        tcp: impl Future<Output = io::Result<Stream>>,
    ) -> io::Result<Stream> {
        let utp = async { self.utp.connect(address).await.map(Stream::from) };
        match (self.tcp, self.utp.can_reach(&address), self.first) {
            (true, false, _) => tcp.await,
            (false, _, _) => utp.await,
            (true, true, Transport::Tcp) => race(tcp, utp).await,
            (true, true, Transport::Utp) => race(utp, tcp).await,
        }
    }
}

/// The first of both that succeeds; the second begins when the first fails or has had its head start.
async fn race<T>(
    first: impl Future<Output = io::Result<T>>,
    second: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    match timeout(HEAD_START, &mut first).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(_)) => return second.await,
        Err(_) => {}
    }
    tokio::select! {
        biased;
        done = &mut first => match done {
            Ok(stream) => Ok(stream),
            Err(_) => second.await,
        },
        done = &mut second => match done {
            Ok(stream) => Ok(stream),
            Err(_) => first.await,
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    async fn after(
        milliseconds: u64,
        result: Result<&'static str, io::ErrorKind>,
    ) -> io::Result<&'static str> {
        sleep(Duration::from_millis(milliseconds)).await;
        result.map_err(Into::into)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_wins_and_a_failure_does_not_wait() {
        let no = Err(io::ErrorKind::ConnectionRefused);
        let began = Instant::now();
        let took = |began: Instant| began.elapsed().as_millis();
        assert_eq!(race(after(200, Ok("a")), after(1, Ok("b"))).await.unwrap(), "a");
        assert_eq!(took(began), 200, "the second has not begun");
        let began = Instant::now();
        assert_eq!(race(after(10, no), after(5, Ok("b"))).await.unwrap(), "b");
        assert_eq!(took(began), 15, "it begins at once");
        let began = Instant::now();
        assert_eq!(race(after(9_000, Ok("a")), after(100, Ok("b"))).await.unwrap(), "b");
        assert_eq!(took(began), 350);
        assert_eq!(race(after(400, Ok("a")), after(100, no)).await.unwrap(), "a");
        assert_eq!(race(after(300, no), after(1_000, Ok("b"))).await.unwrap(), "b");
        assert!(race(after(300, no), after(1_000, no)).await.is_err());
    }
}
