//! Connections under a virtual clock, over a link with a rate, a queue, a delay, losses and reordering.

mod fairness;
mod hostile;
mod net;
mod packet;
mod transfer;
