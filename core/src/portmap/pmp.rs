//! PCP and NAT-PMP as one: the same questions in two forms, to the same port of the gateway.

use std::net::IpAddr;

use super::{natpmp, pcp};

/// Where gateways take both.
pub const PORT: u16 = 5351;

/// Which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RFC 6887.
    Pcp,
    /// RFC 6886.
    NatPmp,
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The address outside (NAT-PMP alone).
    Address,
    /// A mapping, or its end where `lifetime` is 0.
    Map {
        /// For UDP, not TCP.
        udp: bool,
        /// Our port.
        inside: u16,
        /// The wish for the one outside.
        outside: u16,
        /// Seconds.
        lifetime: u32,
    },
}

/// What came back to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The address outside.
    Address(IpAddr),
    /// A mapping, or its end.
    Mapped {
        /// The port outside.
        outside: u16,
        /// The address outside, where the form tells it.
        address: Option<IpAddr>,
        /// Seconds.
        lifetime: u32,
    },
    /// It does not speak this form.
    Version,
    /// It says no: why.
    Refused(String),
}

/// Who we are to the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Our address there.
    pub local: IpAddr,
    /// What makes our mappings ours, for TCP and UDP.
    pub nonces: [pcp::Nonce; 2],
}

impl Question {
    /// The datagram.
    pub fn encode(self, form: Form, client: Client) -> Vec<u8> {
        match (self, form) {
            (Self::Address, _) => natpmp::ADDRESS.to_vec(),
            (Self::Map { udp, inside, outside, lifetime }, Form::NatPmp) => {
                // What is taken back has no port outside (RFC 6886, section 3.4).
                let outside = if lifetime == 0 { 0 } else { outside };
                natpmp::map(udp, inside, outside, lifetime).to_vec()
            }
            (Self::Map { udp, inside, outside, lifetime }, Form::Pcp) => {
                let nonce = client.nonces[usize::from(udp)];
                pcp::Map { client: client.local, lifetime, nonce, udp, inside, outside }.encode().to_vec()
            }
        }
    }

    /// The reply to it in a datagram, and the gateway's epoch; `None`: it is none.
    pub fn decode(self, form: Form, client: Client, bytes: &[u8]) -> Option<(Option<u32>, Reply)> {
        match form {
            Form::Pcp => self.decode_pcp(client, pcp::decode(bytes)?),
            Form::NatPmp => self.decode_natpmp(natpmp::decode(bytes)?),
        }
    }

    fn decode_pcp(self, client: Client, reply: pcp::Reply) -> Option<(Option<u32>, Reply)> {
        let Self::Map { udp, inside, lifetime: asked, .. } = self else { return None };
        match reply {
            pcp::Reply::Version(_) => Some((None, Reply::Version)),
            pcp::Reply::Refused { code, epoch } => Some((Some(epoch), Reply::Refused(pcp::describe(code)))),
            pcp::Reply::Mapped { epoch, nonce, udp: its, inside: port, outside, address, lifetime } => {
                let ours = nonce == client.nonces[usize::from(udp)] && its == udp && port == inside;
                // What answers a deletion lasts no time, what answers a wish some (a late reply to the other).
                (ours && (asked == 0) == (lifetime == 0)).then_some(())?;
                let address = Some(address).filter(|address| !address.is_unspecified());
                Some((Some(epoch), Reply::Mapped { outside, address, lifetime }))
            }
        }
    }

    fn decode_natpmp(self, reply: natpmp::Reply) -> Option<(Option<u32>, Reply)> {
        let reply_of = match (self, reply.answer) {
            // An error does not always say to what.
            (_, Err(1 | 5)) => Reply::Version,
            (_, Err(code)) => Reply::Refused(natpmp::describe(code)),
            (Self::Address, Ok(natpmp::Answer::Address(address))) => Reply::Address(address.into()),
            (
                Self::Map { udp, inside, lifetime: asked, .. },
                Ok(natpmp::Answer::Mapped { udp: its, inside: port, outside, lifetime }),
            ) if its == udp && port == inside && (asked == 0) == (lifetime == 0) => {
                Reply::Mapped { outside, address: None, lifetime }
            }
            _ => return None,
        };
        Some((Some(reply.epoch), reply_of))
    }
}

/// Seconds in which a gateway counts as one that has just started: two looks at it.
const YOUNG: u32 = 60;

/// Seconds between two replies that are not to the same look.
const AGAIN: u64 = 15;

/// Notices that a gateway lost what it knew (RFC 6886, section 3.6; RFC 6887, section 8.5).
#[derive(Clone, Copy, Debug, Default)]
pub struct Epoch {
    last: Option<(std::time::Instant, u32)>,
}

impl Epoch {
    /// What a reply says now. Whether it restarted since the last one: its clock may be slow, and 2 s off. The RFCs
    /// allow an eighth, which hides a second restart within seconds; here it is a 32nd, because a renewal too many
    /// is all that a wrong guess costs.
    pub fn hear(&mut self, now: std::time::Instant, epoch: u32) -> bool {
        let before = self.last.replace((now, epoch));
        let Some((then, last)) = before else { return false };
        let passed = now.saturating_duration_since(then).as_secs();
        // Who has just started may have done so twice since: its clock would not show it.
        let young = passed >= AGAIN && epoch < YOUNG;
        young || u64::from(epoch) + 2 < u64::from(last) + passed * 31 / 32
    }
}
