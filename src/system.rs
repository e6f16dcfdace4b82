//! What the dashboard needs of the system: paths as people type them, and what lies behind them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use etcetera::home_dir;
use tc_core::Metainfo;
use tc_core::untrusted::{clean, is_harmful};
use tc_ui::message::Preview;
use tc_ui::{Fetch, Found, System};

use crate::source::{self, Source};

/// Entries of a folder that are looked at, and paths that are offered: more is no help while typing.
const LOOKED_AT: usize = 20_000;
const OFFERED: usize = 200;

/// The file system under the dashboard.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl System for Disk {
    fn torrent(&self, source: &str, fetch: &Fetch<'_>) -> Result<Found, String> {
        let source = match Source::of(Path::new(source.trim())).map_err(one_line)? {
            Source::File(_) => Source::File(torrent_file(source)?),
            other => other,
        };
        source.load(fetch).map_err(one_line)
    }

    fn is_remote(&self, source: &str) -> bool {
        matches!(Source::of(Path::new(source.trim())), Ok(Source::Url(_)))
    }

    fn folder(&self, typed: &str) -> Result<PathBuf, String> {
        let path = expand(typed)?;
        // A relative path is meant from here, also when the engine takes the torrent up again.
        std::path::absolute(&path).map_err(|error| format!("{}: {error}", clean(typed)))
    }

    fn preview(&self, source: &str) -> Result<Preview, String> {
        match Source::of(Path::new(source.trim())).map_err(one_line)? {
            Source::File(_) => {
                let metainfo = source::metainfo(&torrent_file(source)?).map_err(one_line)?;
                Ok(Preview {
                    info_hash: Some(metainfo.info_hash),
                    name: metainfo.name.to_string(),
                    content: Some((file_count(&metainfo), metainfo.total_size())),
                })
            }
            Source::Magnet(magnet) => Ok(Preview {
                info_hash: Some(magnet.info_hash),
                name: magnet.shown_name().to_string(),
                content: None,
            }),
            other => Ok(Preview { info_hash: None, name: other.shown(), content: None }),
        }
    }

    fn complete(&self, typed: &str, folders_only: bool) -> (Vec<String>, Option<u64>) {
        let (folder_typed, start) =
            typed.rsplit_once('/').map_or(("", typed), |(folder, start)| (&typed[..=folder.len()], start));
        let Ok(folder) = expand(if folder_typed.is_empty() { "." } else { folder_typed }) else {
            return (Vec::new(), None);
        };
        let mut names = names_in(&folder, start, folders_only);
        // Folders lead on, so they come first.
        names.sort_by(|a, b| (!a.ends_with('/'), a).cmp(&(!b.ends_with('/'), b)));
        names.truncate(OFFERED);
        let candidates = names.into_iter().map(|name| format!("{folder_typed}{name}")).collect();
        let free = expand(typed).ok().and_then(|path| free_space(&path));
        (candidates, free)
    }
}

fn torrent_file(source: &str) -> Result<PathBuf, String> {
    let path = expand(source)?;
    if path.is_dir() {
        return Err(format!("{} is a folder; the path of a .torrent file is wanted", clean(source)));
    }
    Ok(path)
}

fn file_count(metainfo: &Metainfo) -> usize {
    metainfo.files.iter().filter(|file| !file.pad).count()
}

fn one_line(error: anyhow::Error) -> String {
    let text = clean(&format!("{error:#}"));
    // The number of a system's error helps nobody who fills in a form.
    match (text.find(" (os error "), text.ends_with(')')) {
        (Some(at), true) => text[..at].to_owned(),
        _ => text,
    }
}

/// The names in a folder that begin like this: folders, with a `/` at their end, and torrent files.
/// Names that cannot be typed or shown as they are are left out.
fn names_in(folder: &Path, start: &str, folders_only: bool) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let is_hidden = name.starts_with('.') && !start.starts_with('.');
        if !name.starts_with(start) || is_hidden || name.contains(is_harmful) {
            return None;
        }
        // Followed: a link to a folder leads on like one.
        if fs::metadata(entry.path()).ok()?.is_dir() {
            return Some(name + "/");
        }
        (!folders_only && source::is_torrent(Path::new(&name))).then_some(name)
    };
    entries.take(LOOKED_AT).flatten().filter_map(name).collect()
}

/// Free bytes for us where the path points: at its nearest folder that is there.
fn free_space(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let stat = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// A path as a shell would read it: `~` is the home folder, `$NAME` and `${NAME}` at the start of an
/// element are the environment's.
fn expand(typed: &str) -> Result<PathBuf, String> {
    if typed.is_empty() {
        return Err("a path is wanted".to_owned());
    }
    expand_with(typed, home_dir().ok(), |name| env::var_os(name))
}

fn expand_with(
    typed: &str,
    home: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, String> {
    let mut path = PathBuf::new();
    if typed.starts_with('/') {
        path.push("/");
    }
    for (place, element) in typed.split('/').enumerate() {
        match (place, element) {
            (0, "~") => path.push(home.as_ref().ok_or("the home folder is not known")?),
            (_, element) if element.starts_with('$') => {
                let name = element.trim_start_matches(['$', '{']).trim_end_matches('}');
                let value = variable(name).ok_or_else(|| format!("there is no ${} here", clean(name)))?;
                // An absolute value in the middle would replace what stands before it.
                let value = PathBuf::from(value);
                if place > 0 && value.is_absolute() {
                    return Err(format!("${} is a whole path", clean(name)));
                }
                path.push(value);
            }
            (_, element) => path.push(element),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_in_a_shell() {
        let check = |typed: &str, want: Result<&str, &str>| {
            let variable = |name: &str| match name {
                "DATA" => Some("/data".into()),
                "USER" => Some("me".into()),
                _ => None,
            };
            let got = expand_with(typed, Some("/home/me".into()), variable);
            assert_eq!(got, want.map(PathBuf::from).map_err(str::to_owned), "{typed}");
        };
        check("~/in", Ok("/home/me/in"));
        check("~", Ok("/home/me"));
        check("~other/in", Ok("~other/in"));
        check("a/~", Ok("a/~"));
        check("$DATA/in", Ok("/data/in"));
        check("/srv/${USER}/in", Ok("/srv/me/in"));
        check("/srv/$DATA", Err("$DATA is a whole path"));
        check("$NOTHING", Err("there is no $NOTHING here"));
        check("a$b/c", Ok("a$b/c"));
        check("relative/x", Ok("relative/x"));
    }

    #[test]
    fn completion_offers_folders_first_then_torrents() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["deb.torrent", "deb.txt", "other.torrent", ".deb.torrent", "de\u{202e}b.torrent"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("debs")).unwrap();
        let below = |name: &str| format!("{}/{name}", folder.path().display());
        let check = |start: &str, folders_only, want: &[&str]| {
            let (candidates, free) = Disk.complete(&below(start), folders_only);
            assert_eq!(candidates, want.iter().map(|name| below(name)).collect::<Vec<_>>());
            assert!(free.is_some());
        };
        check("de", false, &["debs/", "deb.torrent"]);
        check("de", true, &["debs/"]);
        check(".d", false, &[".deb.torrent"]);
        check("zzz", false, &[]);
    }

    #[test]
    fn what_is_no_torrent_is_said_in_one_harmless_line() {
        let check = |source: &str| {
            let error = Disk.preview(source).unwrap_err();
            assert!(!error.is_empty() && !error.contains(is_harmful), "{error:?}");
        };
        check("");
        check("magnet:?xt=urn:btih:00");
        check("/dev/null");
        check("evil\u{1b}[2J\n");
    }
}
