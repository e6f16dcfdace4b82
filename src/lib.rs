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
pub mod memory;
pub mod progress;
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
    memory::fit();
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Get(args)) => get::run(&args),
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Inspect { source, json, way }) => {
            inspect::run(&source, json, &way, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Verify(args)) => verify::run(&args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "tc-tui", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        None => dashboard::run(&cli.dashboard),
    };
    let code = outcome.unwrap_or_else(|error| {
        complain(&words(&error));
        ExitCode::FAILURE
    });
    if crash::happened() { ExitCode::from(crash::EXIT_CODE) } else { code }
}

/// An error with its causes, each once: some say theirs themselves.
fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.ends_with(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// One line on standard error, harmless whatever it quotes.
pub(crate) fn complain(message: &str) {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "tc-tui: {}", clean(message));
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let io = || std::io::Error::from_raw_os_error(11);
        let said = anyhow::Error::from(tc_core::Error::Start(io()));
        assert_eq!(super::words(&said), format!("cannot start the engine: {}", io()));
        let unsaid = Err::<(), _>(io()).context("inner").context("outer").unwrap_err();
        assert_eq!(super::words(&unsaid), format!("outer: inner: {}", io()));
    }
}
