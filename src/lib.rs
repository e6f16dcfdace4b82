//! The program around engine and dashboard: command line, logging, signals, demo.

#![forbid(unsafe_code)]

pub mod cli;
pub mod crash;
pub mod dashboard;
pub mod demo;
pub mod dirs;
pub mod engine;
pub mod get;
pub mod inspect;
pub mod json;
pub mod logging;
pub mod look;
pub mod progress;
pub mod rate;
pub mod signals;
pub mod source;
pub mod system;
pub mod verify;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tc_core::untrusted::clean;

use self::cli::{Cli, Command};

/// The whole program: reads the command line, does what it says, and says how that went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Get(args)) => get::run(&args),
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Inspect { source, json }) => {
            inspect::run(&source, json, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Verify(args)) => verify::run(&args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "tc-tui", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        None => dashboard::run(&cli.dashboard),
    };
    let code = outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    });
    if crash::happened() { ExitCode::from(crash::EXIT_CODE) } else { code }
}

/// One line on standard error, harmless whatever it quotes.
pub(crate) fn complain(message: &str) {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "tc-tui: {}", clean(message));
}
