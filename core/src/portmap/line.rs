//! One of our two ports, TCP or UDP, as a gateway treats it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::stats::{Mapping, MappingProtocol};

/// Leases are taken for no shorter and no longer than this, whatever a gateway says: it must neither keep us
/// busy nor let us forget it.
const LEASES: std::ops::RangeInclusive<u32> = 60..=24 * 60 * 60;

/// What a gateway gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub by: MappingProtocol,
    /// Our port then.
    pub inside: u16,
    pub outside: u16,
    /// The address outside, where the protocol tells it for each mapping.
    pub address: Option<IpAddr>,
    /// The number of an IPv6 pinhole.
    pub pinhole: Option<u16>,
    /// When it ends; `None`: when it is taken back.
    pub until: Option<Instant>,
    /// When it is to be renewed.
    pub renew_at: Option<Instant>,
}

impl Held {
    /// It lasts so many seconds from now; 0: until it is taken back.
    pub fn last(&mut self, now: Instant, lease: u32) {
        let lease = Duration::from_secs(lease.clamp(*LEASES.start(), *LEASES.end()).into());
        self.until = Some(now + lease);
        // Half-way, as RFC 6886, section 3.3, wants it.
        self.renew_at = Some(now + lease / 2);
    }

    /// It was to be renewed, and nobody answered: again after half of what is left.
    pub fn renew_later(&mut self, now: Instant, least: Duration) {
        let left = self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(now));
        self.renew_at = Some(now + (left / 2).clamp(least, Duration::from_secs(3600)));
    }
}

/// What is wanted of a port, and what came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// Our port.
    pub want: Option<u16>,
    pub held: Option<Held>,
    /// The way that is tried does not work for it: until then.
    pub refused: Option<Instant>,
    /// Why it failed, until it is mapped.
    pub failed: Option<String>,
    /// The port outside that we would like.
    pub outside: Option<u16>,
    /// How often that was taken by somebody else.
    pub conflicts: u8,
    /// The gateway takes no lease (UPnP error 725).
    pub permanent: bool,
    /// The gateway wants the same port on both sides (UPnP error 724).
    pub same_port: bool,
    /// It should be looked whether it is still there.
    pub check_due: bool,
    /// It was asked for, and not answered.
    pub unsure: bool,
}

impl Line {
    /// It is wanted and not there, and the way may bring it.
    pub fn is_open(&self) -> bool {
        self.want.is_some() && self.held.is_none() && self.refused.is_none()
    }

    /// The port outside to ask for.
    pub fn wish(&self) -> u16 {
        let inside = self.want.unwrap_or_default();
        if self.same_port { inside } else { self.outside.unwrap_or(inside) }
    }

    /// Begins from nothing, as with another gateway.
    pub fn forget(&mut self) {
        *self = Self { want: self.want, ..Self::default() };
    }

    /// The way does not work for it.
    pub fn refuse(&mut self, until: Instant, why: &str) {
        self.held = None;
        self.check_due = false;
        self.refused = Some(until);
        self.failed = Some(why.to_owned());
    }

    /// As it is told: `address` is that of all mappings.
    pub fn state(&self, address: Option<IpAddr>) -> Mapping {
        match (&self.held, &self.failed) {
            (Some(held), _) => {
                Mapping::Mapped { by: held.by, outside: held.address.or(address), port: held.outside }
            }
            (None, Some(why)) => Mapping::Failed { why: why.as_str().into() },
            (None, None) => Mapping::Searching,
        }
    }
}
