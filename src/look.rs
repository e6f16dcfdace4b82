//! How the dashboard looks and how often it changes here: by the terminal, the locale and the link.

use std::env;
use std::time::Duration;

use jiff::tz::TimeZone;
use rustix::process::{getpid, getsid};
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
        job_control: getsid(None) != Ok(getpid()),
        tick: if surroundings.remote { REMOTE } else { LOCAL },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
