//! The task over real sockets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::dht::task::{self, Dht, Setup};
use crate::dht::{Options, Saved};
use crate::net::resolver::Resolver;
use crate::net::udp::UdpSockets;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_node_with_many_addresses_answers_from_the_one_that_was_asked() {
    let (sockets, takers) = UdpSockets::new(Handle::current());
    let port = sockets.bind("0.0.0.0:0".parse().unwrap()).unwrap().port();
    let (stop, stopping) = watch::channel(false);
    let resolver = Resolver::start(1, None).unwrap();
    let setup = Setup {
        datagrams: takers.dht,
        resolver: resolver.clone(),
        bootstrap: Vec::new(),
        options: Options { allow_inward: true, read_only: false, addresses: [None; 2] },
        saved: Saved::default(),
        utp: true,
        port: watch::channel(Some(port)).1,
        stopping,
        keep: Box::new(drop),
        ready: Box::new(|_, _| {}),
    };
    let node = tokio::spawn(task::run(Dht::new(sockets), setup));
    let ping = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:xx1:y1:qe";
    for ours in ["127.0.0.2", "127.0.0.3"] {
        let ours: IpAddr = ours.parse().unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut answer = [0; 1_500];
        // Until the node has seen that there is a socket.
        let asking = async {
            loop {
                stranger.send_to(ping, (ours, port)).await.unwrap();
                match timeout(Duration::from_millis(500), stranger.recv_from(&mut answer)).await {
                    // It may ask back at once.
                    Ok(Ok((length, from))) if answer[..length].ends_with(b"1:y1:re") => return from,
                    Ok(received) => drop(received.unwrap()),
                    Err(_) => {}
                }
            }
        };
        let from = timeout(PATIENCE, asking).await.expect("it answers");
        assert_eq!(from, SocketAddr::new(ours, port));
    }
    stop.send(true).unwrap();
    timeout(PATIENCE, node).await.unwrap().unwrap();
    resolver.shutdown();
}
