//! The dashboard.

pub mod format;
pub mod keymap;
pub mod message;
pub mod state;
#[cfg(test)]
mod testing;
pub mod theme;
pub mod view;
pub mod widget;
