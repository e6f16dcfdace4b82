//! Sockets and names.

pub mod resolver;
pub mod scope;
