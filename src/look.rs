//! How the dashboard looks and how often it changes here: by the terminal, the locale and the link.

use std::time::Duration;
use std::{env, fs};

use jiff::tz::TimeZone;
use tc_ui::Settings;
use tc_ui::theme::{Environment, Theme, Wish};

use crate::cli::{ScreenArgs, ThemeName};

/// How often numbers change on a local terminal, and over a link that is paid in bytes or patience.
const LOCAL: Duration = Duration::from_millis(500);
const REMOTE: Duration = Duration::from_secs(1);

/// What the environment says about the terminal.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    colours: Environment,
    /// The locale's characters: the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set.
    locale: String,
    remote: bool,
}

impl Surroundings {
    /// This process's.
    pub fn now() -> Self {
        Self::of(|name| env::var(name).unwrap_or_default())
    }

    fn of(variable: impl Fn(&str) -> String) -> Self {
        let first = |names: &[&str]| {
            names.iter().map(|name| variable(name)).find(|value| !value.is_empty()).unwrap_or_default()
        };
        Self {
            colours: Environment {
                term: variable("TERM"),
                colorterm: variable("COLORTERM"),
                no_color: variable("NO_COLOR"),
                colorfgbg: variable("COLORFGBG"),
            },
            locale: first(&["LC_ALL", "LC_CTYPE", "LANG"]),
            remote: !first(&["SSH_CONNECTION", "SSH_TTY", "TMUX", "STY"]).is_empty(),
        }
    }

    /// Whether lines and arrows beyond ASCII come out as such. An unset locale is C.
    fn is_utf8(&self) -> bool {
        let locale = self.locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    }
}

/// The dashboard's settings.
pub fn settings(args: ScreenArgs, surroundings: &Surroundings) -> Settings {
    let wish = match args.theme {
        ThemeName::Auto => Wish::Auto,
        ThemeName::Dark => Wish::Dark,
        ThemeName::Light => Wish::Light,
        ThemeName::Mono => Wish::Mono,
    };
    Settings {
        theme: Theme::choose(wish, &surroundings.colours),
        ascii: !surroundings.is_utf8(),
        zone: TimeZone::system(),
        job_control: !fs::read_to_string("/proc/self/stat").is_ok_and(|stat| leads_session(&stat)),
        tick: if surroundings.remote { REMOTE } else { LOCAL },
    }
}

/// Whether a process leads its session, by its line of `/proc/PID/stat` (proc_pid_stat(5)): then no shell waits
/// that could continue it. `getsid(2)` will not do: it answers 0, which is no process id, where the leader is
/// outside of our PID namespace, as in a container that a terminal was lent to.
fn leads_session(stat: &str) -> bool {
    // The name of the program, in brackets, may hold anything.
    let Some((id, rest)) = stat.split_once(' ') else { return false };
    let session = rest.rsplit_once(')').and_then(|(_, fields)| fields.split_ascii_whitespace().nth(3));
    session == Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_leader_has_no_shell_to_return_to() {
        assert!(leads_session("71 (tc-tui) S 1 71 71 34816 71 4194304"));
        assert!(!leads_session("72 (tc-tui) S 71 72 71 34816 72 4194304"));
        // The leader is in another PID namespace.
        assert!(!leads_session("9 (tc-tui) S 0 0 0 34816 0 4194304"));
        assert!(leads_session("5 (a ) 1 2) S 1 5 5 0 -1 0"));
        for odd in ["", "5", "5 (x", "5 (x) S 1"] {
            assert!(!leads_session(odd), "{odd:?}");
        }
    }

    #[test]
    fn locale_and_link_decide() {
        let check = |variables: &[(&str, &str)], ascii, tick| {
            let value = |name: &str| {
                variables
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map_or(String::new(), |(_, value)| (*value).to_owned())
            };
            let args = ScreenArgs { theme: ThemeName::Auto };
            let settings = settings(args, &Surroundings::of(value));
            assert_eq!((settings.ascii, settings.tick), (ascii, tick), "{variables:?}");
        };
        check(&[], true, LOCAL);
        check(&[("LANG", "de_DE.UTF-8")], false, LOCAL);
        check(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], true, LOCAL);
        check(&[("LC_CTYPE", "C.utf8"), ("SSH_TTY", "/dev/pts/1")], false, REMOTE);
        check(&[("LANG", "de_DE.ISO-8859-1"), ("TMUX", "x")], true, REMOTE);
    }
}
