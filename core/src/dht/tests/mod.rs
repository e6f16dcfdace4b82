//! The node as a whole: in nets of many under a clock of their own, and against hostile packets.

mod hostile;
mod krpc;
mod net;
mod node;
mod task;
mod trickle;
