//! Small parts of the screen.

pub mod field;
pub mod graph;
pub mod paint;
