//! Small parts of the screen.

pub mod field;
pub mod paint;
