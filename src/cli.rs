//! The command line. A verb or flag is here when it works.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use glob::Pattern;
use tc_core::config::Bind;
use tc_core::settings::MaxActive;
use tc_ui::amount;

use crate::engine::Listen;

/// A keyboard-driven terminal torrent manager.
///
/// Without a command it opens the dashboard. `tc-tui demo` shows it with a small swarm of its own.
#[derive(Debug, Parser)]
#[command(
    name = "tc-tui",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_precedence_over_arg = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do instead of opening the dashboard.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The dashboard's own arguments.
    #[command(flatten)]
    pub dashboard: DashboardArgs,
}

/// What can be done beside the dashboard.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download without a dashboard; exit 0 when all is there and checked
    Get(Box<GetArgs>),
    /// Open the dashboard over a small swarm of its own: needs no network and no files
    Demo(ScreenArgs),
    /// Print what is in a torrent
    Inspect {
        /// A .torrent file, a URL of one, a magnet link or an info-hash
        #[arg(value_hint = ValueHint::FilePath)]
        source: String,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
        /// By what a URL is fetched.
        #[command(flatten)]
        way: WayArgs,
    },
    /// Check data against a torrent; exit 0 when all of it is there and right
    Verify(VerifyArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell to print it for
        shell: Shell,
    },
}

/// `tc-tui [SOURCE]...`
#[derive(Args, Debug)]
pub struct DashboardArgs {
    /// Torrents to add: .torrent files, folders of them, URLs, magnet links, info-hashes
    #[arg(value_name = "SOURCE", value_hint = ValueHint::FilePath, value_parser = source())]
    pub sources: Vec<PathBuf>,
    /// Where files go [default: the XDG download folder]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub download_dir: Option<PathBuf>,
    /// Where the list, resume data and log are kept [default: tc-tui in the XDG state folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    /// How it looks.
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// What all engines take.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// What all dashboards take.
#[derive(Args, Clone, Copy, Debug)]
pub struct ScreenArgs {
    /// Colours; auto has none where the terminal's background is not known
    #[arg(long, value_enum, default_value_t = ThemeName::Auto)]
    pub theme: ThemeName,
}

/// Names of the tables of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ThemeName {
    /// As the environment tells
    Auto,
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// No colours
    Mono,
}

/// `tc-tui get SOURCE...`
#[derive(Args, Debug)]
pub struct GetArgs {
    /// Torrents to get: .torrent files, folders of them, URLs, magnet links, info-hashes
    #[arg(value_name = "SOURCE", required = true, value_hint = ValueHint::FilePath)]
    pub sources: Vec<PathBuf>,
    /// Where files go
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub download_dir: PathBuf,
    /// Where resume data and log are kept [default: .tc-tui in the download folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    /// Print every event as a line of JSON
    #[arg(long)]
    pub json: bool,
    /// Connect to this peer too; may be given several times
    #[arg(long = "peer", value_name = "ADDR:PORT")]
    pub peers: Vec<SocketAddr>,
    /// Keep seeding when all is there, until interrupted; --seed-ratio and --seed-time keep seeding until then
    #[arg(long)]
    pub seed_after: bool,
    /// Get only files whose path fits, for example '*.mkv' or 'Subs/*'; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<Pattern>,
    /// Leave out files whose path fits; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub skip: Vec<Pattern>,
    /// Get pieces in the order of the content, to look into it soon
    #[arg(long)]
    pub sequential: bool,
    /// Get the first and the last piece of each file first, where players and archives look
    #[arg(long)]
    pub first_last: bool,
    /// What all engines take.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// `tc-tui verify TORRENT DIR`
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// A .torrent file
    #[arg(value_hint = ValueHint::FilePath)]
    pub torrent: PathBuf,
    /// The folder that its data was downloaded to: its file, or its folder of files, lies in it
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// By what all leaves.
#[derive(Args, Clone, Debug, Default)]
pub struct WayArgs {
    /// Send everything by this interface or from this address, and nothing while it is not there: peers, DHT,
    /// trackers, names
    #[arg(long, env = "TC_TUI_BIND", hide_env_values = true, value_name = "IFACE|ADDR")]
    pub bind: Option<Bind>,
    /// Ask this name server; may be given several times [default: the system; with --bind those of its name
    /// servers that are not on this machine]
    #[arg(long, value_name = "ADDR")]
    pub name_server: Vec<IpAddr>,
}

/// What all engines take.
#[derive(Args, Debug)]
pub struct EngineArgs {
    /// Accept peers here: PORT, or ADDR:PORT, which is then also the source of outgoing connections;
    /// 0 picks a port; may be given several times
    #[arg(long, value_name = "[ADDR:]PORT")]
    pub listen: Vec<Listen>,
    /// By what all leaves.
    #[command(flatten)]
    pub way: WayArgs,
    /// Begin in the DHT with this node, not with well-known ones; may be given several times
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub dht_bootstrap: Vec<String>,
    /// No DHT: peers come from trackers and by hand, unless --dht-bootstrap is given
    #[arg(long, env = "TC_TUI_NO_DHT", hide_env_values = true)]
    pub no_dht: bool,
    /// Neither call peers over TCP nor let them call: uTP only
    #[arg(long, env = "TC_TUI_NO_TCP", hide_env_values = true, conflicts_with = "no_utp")]
    pub no_tcp: bool,
    /// Neither call peers over uTP nor let them call: TCP only
    #[arg(long, env = "TC_TUI_NO_UTP", hide_env_values = true)]
    pub no_utp: bool,
    /// No peer exchange: peers are neither told of others nor believed about them
    #[arg(long, env = "TC_TUI_NO_PEX", hide_env_values = true)]
    pub no_pex: bool,
    /// No local service discovery: peers on the own network are neither told of torrents nor heard
    #[arg(long, env = "TC_TUI_NO_LSD", hide_env_values = true)]
    pub no_lsd: bool,
    /// Do not ask the router to let peers in (PCP, NAT-PMP, UPnP)
    #[arg(long, env = "TC_TUI_NO_PORTMAP", hide_env_values = true)]
    pub no_portmap: bool,
    /// Download at most this many bytes a second, for example 500K or 2.5M
    #[arg(long, value_name = "RATE", value_parser = amount::rate)]
    pub down_limit: Option<u64>,
    /// Upload at most this many bytes a second
    #[arg(long, value_name = "RATE", value_parser = amount::rate)]
    pub up_limit: Option<u64>,
    /// Take the room of a file on disk as its pieces come, or for all of it at once
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Allocate::Sparse)]
    pub allocate: Allocate,
    /// Call files NAME.part until they are complete; files that have such a name get their own in any case
    #[arg(long)]
    pub part_names: bool,
    /// Keep the files of torrents that are added here until all that is wanted is there, then move them to
    /// the download folder; a torrent of which there is something already stays where it is
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub incomplete_dir: Option<PathBuf>,
    /// Believe that the data of torrents that are added is there where the sizes are right; each piece is
    /// hashed when it is first read, and fetched if it is wrong
    #[arg(long)]
    pub assume_complete: bool,
    /// What others may not do with files and folders that are made, in octal, for example 027 [default: as
    /// the shell has it]
    #[arg(long, value_name = "OCTAL", value_parser = umask)]
    pub umask: Option<u32>,
    /// Encrypt connections to peers: never; where they can, at least the greeting; everything or no connection
    /// [default: as it was set last, at first prefer]
    #[arg(long, value_enum, value_name = "HOW")]
    pub encryption: Option<Encryption>,
    /// Connections over all torrents at most [default: 500, or what the limit of open files allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// Connections of one torrent at most [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_peers: Option<u32>,
    /// Peers that are served at once, over all torrents [default: 100]; 0 serves nobody
    #[arg(long, value_name = "N")]
    pub upload_slots: Option<u32>,
    /// Torrents that download at once, slow and forced ones not counted; the others wait for their turn; none
    /// for no limit [default: 5; for get: none]
    #[arg(long, value_name = "N", value_parser = amount::active)]
    pub max_active: Option<MaxActive>,
    /// Torrents that seed at once [default: none, which is no limit]
    #[arg(long, value_name = "N", value_parser = amount::active)]
    pub max_active_seeds: Option<MaxActive>,
    /// Stop seeding at this ratio of bytes sent to bytes received, for example 1.5
    #[arg(long, value_name = "R", value_parser = amount::ratio)]
    pub seed_ratio: Option<u64>,
    /// Stop seeding after this time, for example 90m, 12h or 14d
    #[arg(long, value_name = "T", value_parser = amount::time)]
    pub seed_time: Option<u64>,
    /// Seconds that trackers are given to hear that we leave
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub stop_timeout: Duration,
    /// Take any certificate of HTTPS trackers at this host; may be given several times
    #[arg(long, value_name = "HOST")]
    pub any_certificate: Vec<String>,
    /// Log into this file [default: one a day in the state folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log_file: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or by part: tc_core=debug
    #[arg(long, value_name = "LEVEL", env = "TC_TUI_LOG", default_value = "info", hide_env_values = true)]
    pub log_level: String,
}

/// Whether connections to peers are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Encryption {
    /// Never; encrypted calls are turned away
    Off,
    /// Where peers can, at least the greeting
    Prefer,
    /// All that is said, or there is no connection
    Require,
}

/// When the room of a file is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Allocate {
    /// As its pieces come
    Sparse,
    /// All of it when it is made, where the file system can do that
    Full,
}

/// A command after an option would be taken for a source of that name.
fn source() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        let is_command =
            Cli::command().get_subcommands().any(|command| path.as_os_str() == command.get_name());
        if is_command {
            Err("a command comes first; a file of this name is written with ./")
        } else {
            Ok(path)
        }
    })
}

/// An hour: longer waits are mistakes.
const LONGEST: f64 = 3600.0;

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 0.0..=LONGEST) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0 to 3600 is wanted".to_owned()),
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Ok(text.to_owned())
        }
        _ => Err("a host with a port is wanted: dht.libtorrent.org:25401, [2001:db8::1]:6881".to_owned()),
    }
}

fn umask(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mask @ 0..=0o777) => Ok(mask),
        _ => Err("up to three digits from 0 to 7 are wanted, as 022".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_arguments_is_sound() {
        Cli::command().debug_assert();
    }

    fn sources(line: &str) -> Option<usize> {
        Cli::try_parse_from(line.split(' ')).ok().map(|cli| match cli.command {
            Some(Command::Get(args)) => args.sources.len(),
            _ => cli.dashboard.sources.len(),
        })
    }

    #[test]
    fn sources_and_verbs_do_not_mix() {
        assert_eq!(sources("tc-tui a.torrent b.torrent"), Some(2));
        assert_eq!(sources("tc-tui get a.torrent --seed-after --peer [::1]:6000"), Some(1));
        assert_eq!(sources("tc-tui get"), None);
        assert_eq!(sources("tc-tui get a --peer nowhere"), None);
        assert_eq!(sources("tc-tui --state-dir x get a"), None);
        assert_eq!(sources("tc-tui --stop-timeout -1"), None);
        assert_eq!(
            ["027", "0", "1000", "9", "u=rwx"].map(|text| umask(text).ok()),
            [Some(23), Some(0), None, None, None]
        );
        assert_eq!(sources("tc-tui --stop-timeout nan"), None);
    }
}
