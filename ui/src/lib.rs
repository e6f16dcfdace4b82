//! The dashboard.

pub mod format;
pub mod input;
pub mod keymap;
pub mod message;
pub mod state;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod theme;
pub mod view;
pub mod widget;
