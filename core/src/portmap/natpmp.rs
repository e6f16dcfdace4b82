//! Messages of NAT-PMP (RFC 6886), IPv4 only.

use std::net::Ipv4Addr;

/// The version in each message.
pub const VERSION: u8 = 0;

/// Asks for the address outside: the shortest question there is, so it is also how a gateway is tried.
pub const ADDRESS: [u8; 2] = [VERSION, 0];

/// Asks for a mapping of an inside port, or takes it back with a lifetime of 0 seconds.
pub fn map(udp: bool, inside: u16, outside: u16, lifetime: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[1] = if udp { 1 } else { 2 };
    bytes[4..6].copy_from_slice(&inside.to_be_bytes());
    bytes[6..8].copy_from_slice(&outside.to_be_bytes());
    bytes[8..].copy_from_slice(&lifetime.to_be_bytes());
    bytes
}

/// What a gateway answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Seconds since it lost its mappings: it restarted if that is less than it should be (section 3.6).
    pub epoch: u32,
    /// The answer, or the code of an error (section 3.5).
    pub answer: Result<Answer, u16>,
}

/// An answer that is none of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The address outside.
    Address(Ipv4Addr),
    /// A mapping.
    Mapped {
        /// For UDP, not TCP.
        udp: bool,
        /// Our port.
        inside: u16,
        /// The one outside.
        outside: u16,
        /// Seconds that it lasts.
        lifetime: u32,
    },
}

/// Reads an answer; `None`: it is none.
pub fn decode(bytes: &[u8]) -> Option<Reply> {
    let [VERSION, op, code_high, code_low, rest @ ..] = bytes else { return None };
    let (epoch, rest) = rest.split_first_chunk()?;
    let epoch = u32::from_be_bytes(*epoch);
    let code = u16::from_be_bytes([*code_high, *code_low]);
    if *op < 128 {
        return None;
    }
    if code != 0 {
        return Some(Reply { epoch, answer: Err(code) });
    }
    let answer = match (op, rest) {
        (128, [a, b, c, d]) => Answer::Address(Ipv4Addr::new(*a, *b, *c, *d)),
        (129 | 130, [i0, i1, o0, o1, lifetime @ ..]) => Answer::Mapped {
            udp: *op == 129,
            inside: u16::from_be_bytes([*i0, *i1]),
            outside: u16::from_be_bytes([*o0, *o1]),
            lifetime: u32::from_be_bytes(lifetime.try_into().ok()?),
        },
        _ => return None,
    };
    Some(Reply { epoch, answer: Ok(answer) })
}

/// An error in words.
pub fn describe(code: u16) -> String {
    let known = match code {
        1 => "does not speak it",
        2 => "does not allow it",
        3 => "has no network itself",
        4 => "has no room left",
        5 => "does not know the request",
        _ => return format!("error {code}"),
    };
    known.to_owned()
}
