//! Sockets and names.

pub mod bind;
pub mod dial;
pub mod dns;
pub mod gateway;
mod greeting;
pub mod interfaces;
pub mod link;
pub mod listen;
pub mod outside;
pub mod race;
pub mod reach;
pub mod resolver;
pub mod scope;
pub mod stub;
pub mod tls;
pub mod udp;
