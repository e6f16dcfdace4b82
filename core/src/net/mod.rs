//! Sockets and names.
