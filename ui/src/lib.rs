//! The dashboard.

pub mod format;
pub mod input;
pub mod terminal;
