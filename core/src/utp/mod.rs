//! uTP (BEP 29): streams over UDP that give way to everybody else's packets (LEDBAT).
//!
//! [`node`] is one for all connections and sees no socket and no clock: datagrams and times go in, datagrams
//! and news come out.
//!
//! [`connection`] is one of them: [`outgoing`] cuts what is written into packets and finds out which are
//! lost, [`incoming`] puts packets in order. [`ledbat`] says how much may be under way, by the [`delay`] that
//! it causes; [`mtu`] how large packets are, [`rtt`] how long to wait. [`packet`] is what they look like,
//! [`seq`] numbers that wrap.
//!
//! The shells: [`task`] lends the node sockets and clock, [`stream`] is a connection as its owner has it.

mod connection;
mod delay;
mod incoming;
mod ledbat;
mod mtu;
pub mod node;
mod outgoing;
pub mod packet;
mod rtt;
pub mod seq;
pub mod stream;
pub mod task;

#[cfg(test)]
mod tests;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UtpError {
    /// Nobody answered the call.
    #[error("no answer")]
    NoAnswer,
    /// The other side knows of no such connection (any more).
    #[error("reset by the other side")]
    Reset,
    /// Nothing was heard for too long.
    #[error("nothing heard for too long")]
    TimedOut,
    /// It was closed on this side.
    #[error("closed")]
    Closed,
    /// There are as many connections as there may be.
    #[error("too many connections")]
    TooMany,
}
