//! The dashboard.

pub mod input;
pub mod terminal;
