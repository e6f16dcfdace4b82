//! Sockets and names.

pub mod dial;
mod greeting;
pub mod interfaces;
pub mod link;
pub mod listen;
pub mod outside;
pub mod race;
pub mod reach;
pub mod resolver;
pub mod scope;
pub mod tls;
pub mod udp;
