//! Port mapping: the gateway is asked to let peers in at our port, over IPv4 (NAT) and IPv6 (firewall).
//!
//! One [`mapper`] for each family decides what is asked when, and sees no socket and no clock; `task` lends
//! it both. PCP is asked first, then its forerunner NAT-PMP, then UPnP IGD: the first that lets one of our two
//! ports in is the way, until it fails.

mod line;
pub mod mapper;
pub mod natpmp;
pub mod pcp;
mod pmp;
pub mod ssdp;
pub mod task;
pub mod upnp;
pub mod upnp_client;

#[cfg(test)]
mod tests;
