//! The `tc-tui` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    tc_tui::main()
}
