//! What the gateway lets in, as plain data for the screen.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::untrusted::Untrusted;

/// The protocol by which a gateway was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MappingProtocol {
    /// Port Control Protocol, RFC 6887.
    #[serde(rename = "PCP")]
    Pcp,
    /// NAT Port Mapping Protocol, RFC 6886.
    #[serde(rename = "NAT-PMP")]
    NatPmp,
    /// UPnP Internet Gateway Device.
    #[serde(rename = "UPnP")]
    Upnp,
}

impl MappingProtocol {
    /// As people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        }
    }
}

/// Whether the gateway lets peers in at one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mapping {
    /// It is not asked.
    Off {
        /// Why not.
        why: Untrusted,
    },
    /// It is being asked.
    Searching,
    /// It does.
    Mapped {
        /// How it was asked.
        by: MappingProtocol,
        /// The address that peers call, where the gateway told it. May be private itself: behind a second
        /// gateway.
        outside: Option<IpAddr>,
        /// The port that peers call.
        port: u16,
    },
    /// It does not; it will be asked again.
    Failed {
        /// Why.
        why: Untrusted,
    },
}

impl Default for Mapping {
    fn default() -> Self {
        Self::Off { why: "switched off".into() }
    }
}

impl Mapping {
    /// The port that peers call, where there is one.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Mapped { port, .. } => Some(*port),
            _ => None,
        }
    }
}

/// The listening port at the gateway. Of two values the first is of IPv4, the second of IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingStats {
    /// For TCP.
    pub tcp: [Mapping; 2],
    /// For UDP.
    pub udp: [Mapping; 2],
}
