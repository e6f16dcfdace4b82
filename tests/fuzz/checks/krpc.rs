//! Datagrams of the DHT: reading them never panics, what is read can be written and read again, and a node
//! that takes them answers the sender alone, in few bytes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tc_core::dht::krpc::{self, Body, MAX_SENT, Malformed};
use tc_core::dht::{Node, Options, Saved};

pub fn check(bytes: &[u8]) {
    match krpc::decode(bytes) {
        Ok(message) => {
            if let Body::Query { id, query, want, read_only } = message.body {
                let again = krpc::ask(message.transaction, &id, &query, want, read_only);
                let Ok(read) = krpc::decode(&again) else { panic!("what we write is read") };
                assert_eq!(read, message);
            }
        }
        Err(Malformed::Refused { transaction, refusal }) => {
            assert!(krpc::decode(&krpc::refuse(transaction, refusal)).is_ok());
        }
        Err(Malformed::Unreadable) => {}
    }
    let now = Instant::now();
    let mut node = Node::new(now, [1; 32], Options::default(), &Saved::default());
    node.open([true; 2], Some(6881));
    for (n, from) in ["11.1.0.1:6881", "[2a11::1]:6881", "127.0.0.1:1"].into_iter().enumerate() {
        let from: SocketAddr = from.parse().expect("an address");
        let now = now + Duration::from_millis(n as u64);
        node.received(now, from, bytes);
        for (to, answer) in node.take_sends() {
            assert_eq!(to, from);
            assert!(answer.len() <= MAX_SENT && krpc::decode(&answer).is_ok());
        }
        node.timeout(now);
        node.take_sends().iter().for_each(|(_, question)| assert!(krpc::decode(question).is_ok()));
        assert_eq!(node.stats(now).nodes, [0, 0], "nobody has answered");
    }
}
