//! The `tc-tui` binary.

fn main() {}
