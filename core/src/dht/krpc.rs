//! KRPC: the messages of the DHT (BEP 5), with `want` and `nodes6` (BEP 32), `ip` (BEP 42) and `ro` (BEP 43).
//!
//! Reading is lenient where others are odd and an answer is still of use; what a query lacks is told.

use std::net::SocketAddr;

use super::compact::{self, address_len, put_address, put_contact};
use super::id::{Contact, Family, NodeId};
use super::token::Token;
use crate::bencode::{Limits, Value, scan};
use crate::types::InfoHash;

/// The longest datagram that we send (BEP 32).
pub const MAX_SENT: usize = 1_024;

/// What we read. Datagrams of others stay below 1,500 bytes, most of them far.
const LIMITS: Limits = Limits { bytes: 4_096, depth: 16, tokens: 2_000, key: 256 };

/// Contacts that we look at in one answer, of each family: twice what BEP 5 has there.
const MAX_NODES: usize = 2 * super::K;

/// Peers that we look at in one answer: more than fit a datagram of 1,500 bytes.
const MAX_VALUES: usize = 200;

/// Bytes of an error that another sends.
const MAX_TEXT: usize = 200;

/// Our name and version (BEP 20) in `v`.
const VERSION: &[u8; 4] = b"TC\x01\x00";

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// To be echoed, whatever its length.
    pub transaction: &'a [u8],
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A question.
    Query {
        /// Who asks.
        id: NodeId,
        /// What.
        query: Query<'a>,
        /// Of which families it wants contacts, if it says so.
        want: Option<Want>,
        /// It answers nobody and belongs in no table (BEP 43).
        read_only: bool,
    },
    /// An answer.
    Response(Response<'a>),
    /// A refusal: its code, and what it says, in bytes.
    Error(i64, &'a [u8]),
}

/// The four questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// Are you there?
    Ping,
    /// Whom do you know near this point?
    FindNode(NodeId),
    /// Who has this torrent, and whom do you know near it?
    GetPeers(InfoHash),
    /// I have this torrent.
    AnnouncePeer {
        /// Which.
        info_hash: InfoHash,
        /// The port where peers can call; 0 only where it is implied.
        port: u16,
        /// They can call at the port that this datagram comes from, and the other one does not count: uTP
        /// behind a NAT.
        implied: bool,
        /// What the answer to [`GetPeers`](Self::GetPeers) had with it.
        token: &'a [u8],
    },
}

/// Of which families contacts are wanted (BEP 32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// `nodes`.
    pub v4: bool,
    /// `nodes6`.
    pub v6: bool,
}

impl Want {
    /// Those of one family.
    pub const fn only(family: Family) -> Self {
        Self { v4: matches!(family, Family::V4), v6: matches!(family, Family::V6) }
    }
}

/// An answer that came in. Nothing in it was checked but its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// Who answers.
    pub id: NodeId,
    /// Contacts of both families.
    pub nodes: Vec<Contact>,
    /// Peers.
    pub values: Vec<SocketAddr>,
    /// For an announce.
    pub token: Option<&'a [u8]>,
    /// Our address as the other sees it (BEP 42).
    pub ip: Option<SocketAddr>,
}

/// Why a datagram is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed<'a> {
    /// Nothing that could be answered.
    Unreadable,
    /// A query that is refused.
    Refused {
        /// Its transaction.
        transaction: &'a [u8],
        /// Why.
        refusal: Refusal,
    },
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An argument is missing or wrong (203).
    Argument(&'static str),
    /// A question that we do not know (204).
    Method,
}

/// Reads a datagram.
///
/// # Errors
/// It is no message: see [`Malformed`].
pub fn decode(datagram: &[u8]) -> Result<Message<'_>, Malformed<'_>> {
    let unreadable = Malformed::Unreadable;
    let message = scan(datagram, &LIMITS).map_err(|_| unreadable)?.value;
    let fields = message.pick(["t", "y", "q", "a", "r", "e", "ip", "ro"]).ok_or(unreadable)?;
    let [t, y, q, a, r, e, ip, ro] = fields;
    let transaction = t.and_then(Value::bytes).ok_or(unreadable)?;
    let body = match y.and_then(Value::bytes) {
        Some(b"q") => {
            let refused = |refusal| Malformed::Refused { transaction, refusal };
            let read_only = ro.and_then(Value::int) == Some(1);
            query(q, a, read_only).map_err(refused)?
        }
        Some(b"r") => Body::Response(response(r, ip).ok_or(unreadable)?),
        Some(b"e") => {
            let mut list = e.and_then(Value::list).ok_or(unreadable)?;
            let code = list.next().and_then(Value::int).ok_or(unreadable)?;
            let text = list.next().and_then(Value::bytes).unwrap_or_default();
            Body::Error(code, &text[..text.len().min(MAX_TEXT)])
        }
        _ => return Err(unreadable),
    };
    Ok(Message { transaction, body })
}

fn query<'a>(
    method: Option<Value<'a>>,
    arguments: Option<Value<'a>>,
    read_only: bool,
) -> Result<Body<'a>, Refusal> {
    let keys = ["id", "target", "info_hash", "port", "implied_port", "token", "want"];
    let method = method.and_then(Value::bytes).ok_or(Refusal::Argument("no method"))?;
    let arguments = arguments.and_then(|value| value.pick(keys)).ok_or(Refusal::Argument("no arguments"))?;
    let [id, target, info_hash, port, implied_port, token, want] = arguments;
    let id = id.and_then(point).ok_or(Refusal::Argument("invalid id"))?;
    let hash = || {
        let hash = info_hash.and_then(point).ok_or(Refusal::Argument("invalid info_hash"))?;
        Ok(InfoHash::new(*hash.as_bytes()))
    };
    let query = match method {
        b"ping" => Query::Ping,
        b"find_node" => Query::FindNode(target.and_then(point).ok_or(Refusal::Argument("invalid target"))?),
        b"get_peers" => Query::GetPeers(hash()?),
        b"announce_peer" => {
            let implied = implied_port.and_then(Value::int).is_some_and(|implied| implied != 0);
            let named = port.and_then(Value::int).and_then(|port| u16::try_from(port).ok());
            let port = named.unwrap_or_default();
            if port == 0 && !implied {
                return Err(Refusal::Argument("invalid port"));
            }
            let token = token.and_then(Value::bytes).ok_or(Refusal::Argument("no token"))?;
            Query::AnnouncePeer { info_hash: hash()?, port, implied, token }
        }
        _ => return Err(Refusal::Method),
    };
    let want = want.and_then(Value::list).map(|list| {
        list.filter_map(Value::bytes).fold(Want { v4: false, v6: false }, |want, word| Want {
            v4: want.v4 || word == b"n4",
            v6: want.v6 || word == b"n6",
        })
    });
    Ok(Body::Query { id, query, want, read_only })
}

fn response<'a>(r: Option<Value<'a>>, ip: Option<Value<'a>>) -> Option<Response<'a>> {
    let [id, nodes, nodes6, values, token] = r?.pick(["id", "nodes", "nodes6", "values", "token"])?;
    let packed = |value: Option<Value<'a>>, family| {
        compact::contacts(value.and_then(Value::bytes).unwrap_or_default(), family).take(MAX_NODES)
    };
    let values = values.and_then(Value::list).into_iter().flatten().take(MAX_VALUES);
    Some(Response {
        id: point(id?)?,
        nodes: packed(nodes, Family::V4).chain(packed(nodes6, Family::V6)).collect(),
        values: values.filter_map(|value| compact::address(value.bytes()?)).collect(),
        token: token.and_then(Value::bytes),
        ip: ip.and_then(Value::bytes).and_then(compact::address),
    })
}

fn point(value: Value<'_>) -> Option<NodeId> {
    NodeId::try_from(value.bytes()?).ok()
}

/// A question of ours.
pub fn ask(
    transaction: &[u8],
    id: &NodeId,
    query: &Query<'_>,
    want: Option<Want>,
    read_only: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(b"d1:ad2:id");
    string(&mut out, id.as_bytes());
    let method: &[u8] = match query {
        Query::Ping => b"ping",
        Query::FindNode(target) => {
            out.extend_from_slice(b"6:target");
            string(&mut out, target.as_bytes());
            b"find_node"
        }
        Query::GetPeers(hash) => {
            out.extend_from_slice(b"9:info_hash");
            string(&mut out, hash.as_bytes());
            b"get_peers"
        }
        Query::AnnouncePeer { info_hash, port, implied, token } => {
            if *implied {
                out.extend_from_slice(b"12:implied_porti1e");
            }
            out.extend_from_slice(b"9:info_hash");
            string(&mut out, info_hash.as_bytes());
            // BEP 5: the key is there in either case.
            out.extend_from_slice(format!("4:porti{port}e5:token").as_bytes());
            string(&mut out, token);
            b"announce_peer"
        }
    };
    if let Some(want) = want {
        out.extend_from_slice(b"4:wantl");
        for (wanted, word) in [(want.v4, b"n4"), (want.v6, b"n6")] {
            if wanted {
                string(&mut out, word);
            }
        }
        out.push(b'e');
    }
    out.extend_from_slice(b"e1:q");
    string(&mut out, method);
    if read_only {
        out.extend_from_slice(b"2:roi1e");
    }
    close(&mut out, transaction, b'q');
    out
}

/// An answer of ours.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Our name.
    pub id: NodeId,
    /// IPv4 contacts, if they are wanted.
    pub nodes: Option<Vec<Contact>>,
    /// IPv6 contacts, if they are wanted.
    pub nodes6: Option<Vec<Contact>>,
    /// For an announce.
    pub token: Option<Token>,
    /// Peers of the family of the question.
    pub values: Vec<SocketAddr>,
}

impl Answer {
    /// With nothing but our name.
    pub const fn bare(id: NodeId) -> Self {
        Self { id, nodes: None, nodes6: None, token: None, values: Vec::new() }
    }

    /// Packs it for whoever asked, in at most `most` bytes: peers are left out first, then contacts, then how
    /// we see the other. `None` where not even our name fits.
    pub fn encode(mut self, transaction: &[u8], to: &SocketAddr, most: usize) -> Option<Vec<u8>> {
        let mut tells_ip = true;
        loop {
            let out = self.write(transaction, tells_ip.then_some(to));
            let over = out.len().saturating_sub(most);
            if over == 0 {
                return Some(out);
            }
            let list = [&mut self.nodes6, &mut self.nodes].into_iter().find(|list| list.is_some());
            if !self.values.is_empty() {
                // With the two or three bytes around each.
                let drop = over.div_ceil(address_len(Family::of(&self.values[0])) + 2);
                self.values.truncate(self.values.len().saturating_sub(drop));
            } else if let Some(list) = list {
                if list.as_mut().and_then(Vec::pop).is_none() {
                    *list = None;
                }
            } else if !std::mem::take(&mut tells_ip) {
                return None;
            }
        }
    }

    fn write(&self, transaction: &[u8], to: Option<&SocketAddr>) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.push(b'd');
        if let Some(to) = to {
            out.extend_from_slice(format!("2:ip{}:", address_len(Family::of(to))).as_bytes());
            put_address(&mut out, to);
        }
        out.extend_from_slice(b"1:rd2:id");
        string(&mut out, self.id.as_bytes());
        for (key, nodes) in [(&b"5:nodes"[..], &self.nodes), (b"6:nodes6", &self.nodes6)] {
            if let Some(nodes) = nodes {
                let mut packed = Vec::with_capacity(nodes.len() * 38);
                nodes.iter().for_each(|contact| put_contact(&mut packed, contact));
                out.extend_from_slice(key);
                string(&mut out, &packed);
            }
        }
        if let Some(token) = &self.token {
            out.extend_from_slice(b"5:token");
            string(&mut out, token);
        }
        if !self.values.is_empty() {
            out.extend_from_slice(b"6:valuesl");
            for peer in &self.values {
                out.extend_from_slice(format!("{}:", address_len(Family::of(peer))).as_bytes());
                put_address(&mut out, peer);
            }
            out.push(b'e');
        }
        out.push(b'e');
        close(&mut out, transaction, b'r');
        out
    }
}

/// A refusal of ours.
pub fn refuse(transaction: &[u8], refusal: Refusal) -> Vec<u8> {
    let (code, text) = match refusal {
        Refusal::Argument(text) => (203, text),
        Refusal::Method => (204, "method unknown"),
    };
    let mut out = format!("d1:eli{code}e{}:{text}e", text.len()).into_bytes();
    close(&mut out, transaction, b'e');
    out
}

fn close(out: &mut Vec<u8>, transaction: &[u8], kind: u8) {
    out.extend_from_slice(b"1:t");
    string(out, transaction);
    out.extend_from_slice(b"1:v");
    string(out, VERSION);
    out.extend_from_slice(b"1:y");
    string(out, &[kind]);
    out.push(b'e');
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}
