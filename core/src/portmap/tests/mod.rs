//! Gateways that behave, and such that do not.

mod client;
mod mapper;
mod messages;
mod router;
