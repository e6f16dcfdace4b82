//! Messages: what is written is read, and nothing that comes in does harm.

use std::net::SocketAddr;

use proptest::prelude::*;

use crate::dht::krpc::{Answer, Body, MAX_SENT, Malformed, Query, Refusal, Want, ask, decode, refuse};
use crate::dht::{Contact, Family, NodeId};
use crate::types::InfoHash;

const ID: NodeId = NodeId::new(*b"abcdefghij0123456789");

fn query(datagram: &[u8]) -> Query<'_> {
    match decode(datagram).unwrap().body {
        Body::Query { query, .. } => query,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_examples_of_bep_5() {
    let hash = InfoHash::new(*b"mnopqrstuvwxyz123456");
    let target = NodeId::new(*b"mnopqrstuvwxyz123456");
    assert_eq!(query(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"), Query::Ping);
    let find =
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe";
    assert_eq!(query(find), Query::FindNode(target));
    let get =
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe";
    assert_eq!(query(get), Query::GetPeers(hash));
    let announce = b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe";
    let token = b"aoeusnth";
    assert_eq!(query(announce), Query::AnnouncePeer { info_hash: hash, port: 6881, implied: true, token });
    let values =
        decode(b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re");
    let Body::Response(response) = values.unwrap().body else { panic!() };
    assert_eq!((response.id, response.token, response.values.len()), (ID, Some(&token[..]), 2));
    assert_eq!(response.values[0], "97.120.106.101:11893".parse().unwrap());
    let error = decode(b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee").unwrap();
    assert_eq!(error.body, Body::Error(201, b"A Generic Error Ocurred"));
}

#[test]
fn what_a_query_lacks_is_told_and_the_rest_is_dropped() {
    let refused = |datagram: &[u8]| match decode(datagram) {
        Err(Malformed::Refused { transaction: b"aa", refusal }) => Some(refusal),
        Err(Malformed::Unreadable) => None,
        other => panic!("{:?}: {other:?}", datagram.escape_ascii().to_string()),
    };
    let dropped: [&[u8]; 7] = [
        b"",
        b"d",
        b"hello",
        b"d1:y1:qe",
        b"d1:t2:aae",
        b"d1:t2:aa1:y1:xe",
        b"d1:rd2:id19:abcdefghij012345678e1:t2:aa1:y1:re",
    ];
    assert!(dropped.iter().all(|datagram| refused(datagram).is_none()));
    let argument = |datagram: &[u8], text| assert_eq!(refused(datagram), Some(Refusal::Argument(text)));
    argument(b"d1:t2:aa1:y1:qe", "no method");
    argument(b"d1:q4:ping1:t2:aa1:y1:qe", "no arguments");
    argument(b"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe", "invalid id");
    argument(b"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe", "invalid target");
    for port in ["0", "70000", "-1"] {
        let announce = format!(
            "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti{port}e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe"
        );
        argument(announce.as_bytes(), "invalid port");
    }
    let unknown = b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe";
    assert_eq!(refused(unknown), Some(Refusal::Method));
    assert!(matches!(decode(&refuse(b"aa", Refusal::Method)).unwrap().body, Body::Error(204, _)));
    assert!(matches!(decode(&refuse(b"aa", Refusal::Argument("x"))).unwrap().body, Body::Error(203, b"x")));
    // Nested without end, and a packet that is mostly keys.
    assert_eq!(decode(&[b"d1:a".as_slice(), &[b'l'; 2_000]].concat()), Err(Malformed::Unreadable));
    assert_eq!(decode(&[b'd'; 1_400]), Err(Malformed::Unreadable));
}

#[test]
fn lists_of_odd_lengths_are_read_as_far_as_they_make_sense() {
    let odd = b"d1:rd2:id20:abcdefghij01234567895:nodes25:aaaaaaaaaaaaaaaaaaaaaaaaa6:nodes639:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb6:valuesl5:ccccc6:ddddddi7e18:eeeeeeeeeeeeeeeeeeee1:t2:aa1:y1:re";
    let Body::Response(response) = decode(odd).unwrap().body else { panic!() };
    assert_eq!((response.nodes.len(), response.values.len()), (1, 2));
}

fn address() -> impl Strategy<Value = SocketAddr> {
    any::<SocketAddr>().prop_map(|address| SocketAddr::new(address.ip(), address.port()))
}

fn contacts(family: Family) -> impl Strategy<Value = Vec<Contact>> {
    let of = move |address: &SocketAddr| Family::of(address) == family;
    let contact = (any::<[u8; 20]>(), address().prop_filter("family", of));
    let contact = contact.prop_map(|(id, address)| Contact { id: NodeId::new(id), address });
    proptest::collection::vec(contact, 0..=8)
}

proptest! {
    #[test]
    fn questions_come_out_as_they_went_in(
        transaction in proptest::collection::vec(any::<u8>(), 0..40),
        hash: [u8; 20],
        port: Option<u16>,
        token in proptest::collection::vec(any::<u8>(), 0..60),
        want: Option<(bool, bool)>,
        read_only: bool,
    ) {
        let info_hash = InfoHash::new(hash);
        let (port, implied) = (port.unwrap_or_default(), port.unwrap_or_default() == 0 || read_only);
        let want = want.map(|(v4, v6)| Want { v4, v6 });
        let queries = [
            Query::Ping,
            Query::FindNode(NodeId::new(hash)),
            Query::GetPeers(info_hash),
            Query::AnnouncePeer { info_hash, port, implied, token: &token },
        ];
        for query in queries {
            let datagram = ask(&transaction, &ID, &query, want, read_only);
            let message = decode(&datagram).unwrap();
            prop_assert_eq!(message.transaction, &transaction[..]);
            prop_assert_eq!(message.body, Body::Query { id: ID, query, want, read_only });
            let scanned = crate::bencode::scan(&datagram, &crate::bencode::Limits::MESSAGE).unwrap();
            prop_assert!(scanned.canonical && scanned.end == datagram.len());
        }
    }

    #[test]
    fn answers_fit_whatever_they_hold(
        transaction in proptest::collection::vec(any::<u8>(), 0..1_200),
        nodes in contacts(Family::V4),
        nodes6 in contacts(Family::V6),
        values in proptest::collection::vec(address(), 0..120),
        to in address(),
        most in 0..=MAX_SENT,
    ) {
        let family = Family::of(&to);
        let values: Vec<_> = values.into_iter().filter(|peer| Family::of(peer) == family).collect();
        let answer = Answer {
            id: ID,
            nodes: Some(nodes.clone()),
            nodes6: Some(nodes6.clone()),
            token: Some(*b"12345678"),
            values: values.clone(),
        };
        let Some(datagram) = answer.encode(&transaction, &to, most) else {
            prop_assert!(transaction.len() + 100 > most);
            return Ok(());
        };
        prop_assert!(datagram.len() <= most);
        let message = decode(&datagram).unwrap();
        prop_assert_eq!(message.transaction, &transaction[..]);
        let Body::Response(response) = message.body else { panic!() };
        prop_assert_eq!(response.id, ID);
        prop_assert!(response.ip == Some(to) || response.ip.is_none() && response.nodes.is_empty());
        prop_assert!(values.starts_with(&response.values));
        let (v4, v6): (Vec<_>, Vec<_>) = response.nodes.iter().copied().partition(|c| c.address.is_ipv4());
        prop_assert!(nodes.starts_with(&v4) && nodes6.starts_with(&v6));
        if !response.values.is_empty() {
            prop_assert_eq!((v4, v6), (nodes, nodes6), "peers go before contacts do");
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..200_usize, at in 0..200_usize) {
        let _ = decode(&bytes);
        let query = Query::AnnouncePeer { info_hash: InfoHash::new([1; 20]), port: 1, implied: true, token: b"token" };
        let mut datagram = ask(b"aa", &ID, &query, Some(Want { v4: true, v6: true }), true);
        let _ = decode(&datagram[..cut.min(datagram.len())]);
        if let (Some(byte), Some(other)) = (datagram.get_mut(at), bytes.first()) {
            *byte = *other;
            let _ = decode(&datagram);
        }
    }
}
