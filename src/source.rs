//! SOURCE on the command line and in the add dialog: `.torrent` files and folders of them, URLs of such files, magnet
//! links and bare info-hashes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tc_core::Metainfo;
use tc_core::magnet::Magnet;
use tc_core::tracker::{AtUrl, FetchError, mask_url};
use tc_core::untrusted::clean;
use tc_ui::Found;

/// Where a torrent is to come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A `.torrent` file.
    File(PathBuf),
    /// A URL of one.
    Url(String),
    /// A magnet link, or an info-hash.
    Magnet(Box<Magnet>),
}

impl Source {
    /// What a text stands for. What lies on disk under such a name is a file all the same.
    ///
    /// # Errors
    /// A magnet link that names no torrent.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        let text = path.to_string_lossy();
        let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
        if path.exists() {
            Ok(Self::File(path.to_owned()))
        } else if begins("magnet:") {
            Ok(Self::Magnet(Magnet::parse(&text).with_context(|| shortened(&text))?.into()))
        } else if begins("http://") || begins("https://") {
            Ok(Self::Url(text.into_owned()))
        } else if let Some(magnet) = Magnet::of_hash(&text) {
            Ok(Self::Magnet(magnet.into()))
        } else {
            Ok(Self::File(path.to_owned()))
        }
    }

    /// Reads the file, or fetches it; a link is read already.
    ///
    /// # Errors
    /// There is no usable torrent.
    pub fn load(&self, fetch: impl FnOnce(&str) -> Result<AtUrl, FetchError>) -> anyhow::Result<Found> {
        match self {
            Self::File(path) => Ok(Found::Whole(metainfo(path)?.into())),
            Self::Magnet(magnet) => Ok(Found::Link(magnet.clone())),
            Self::Url(url) => {
                let shown = || mask_url(&url.as_str().into()).to_string();
                match fetch(url).with_context(shown)? {
                    AtUrl::Magnet(magnet) => Ok(Found::Link(magnet)),
                    AtUrl::File(torrent) => {
                        Ok(Found::Whole(Metainfo::parse(torrent).with_context(shown)?.into()))
                    }
                }
            }
        }
    }

    /// How it is named in an error.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => clean(&path.to_string_lossy()),
            Self::Url(url) => mask_url(&url.as_str().into()).to_string(),
            Self::Magnet(magnet) => magnet.shown_name().to_string(),
        }
    }
}

/// What the sources stand for: a folder stands for the `.torrent` files in it, by name.
///
/// # Errors
/// A source is a folder without torrents, or a magnet link that names none.
pub fn all(sources: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut all = Vec::new();
    for source in sources {
        if source.is_dir() {
            all.extend(torrents_in(source)?.into_iter().map(Source::File));
        } else {
            all.push(Source::of(source)?);
        }
    }
    Ok(all)
}

/// Whether a file is named like a torrent.
pub fn is_torrent(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("torrent"))
}

fn torrents_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut files = read().with_context(|| format!("cannot read {}", folder.display()))?;
    files.retain(|path| is_torrent(path));
    if files.is_empty() {
        bail!("no .torrent file in {}", folder.display());
    }
    files.sort();
    Ok(files)
}

/// The start of a long text.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    let text = clean(text);
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Reads and checks one torrent.
///
/// # Errors
/// It cannot be read, is too long or no plain file, or is no usable torrent.
pub fn metainfo(path: &Path) -> anyhow::Result<Metainfo> {
    Metainfo::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_torrents() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.torrent", "a.TORRENT", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let got = all(&[folder.path().to_owned(), "other.torrent".into()]).unwrap();
        let names: Vec<_> = got.iter().map(Source::shown).collect();
        let below = |name: &str| folder.path().join(name).display().to_string();
        assert_eq!(names, [below("a.TORRENT"), below("b.torrent"), "other.torrent".into()]);
    }

    #[test]
    fn what_cannot_be_a_torrent_is_said_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let check = |source: &Path, want: &str| {
            let refused = |_: &str| Err(FetchError::Url);
            let error = all(&[source.to_owned()]).and_then(|all| all[0].load(refused)).unwrap_err();
            assert!(format!("{error:#}").contains(want), "{error:#}");
        };
        check(folder.path(), "no .torrent file in");
        check(&folder.path().join("missing"), "No such file");
        check(Path::new("/dev/zero"), "not a");
        check(Path::new("magnet:?xt=urn:btih:00"), "info-hash is none");
        check(Path::new("http://h/x"), "http://h/x: not an http");
    }

    #[test]
    fn links_hashes_and_urls_are_told_from_files() {
        let hash = "3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6";
        let of = |text: &str| Source::of(Path::new(text)).unwrap();
        for text in [hash.to_owned(), format!("magnet:?xt=urn:btih:{hash}"), format!("{hash}{}", &hash[..24])]
        {
            assert!(matches!(of(&text), Source::Magnet(_)), "{text}");
        }
        assert_eq!(of("HTTPS://h/x"), Source::Url("HTTPS://h/x".into()));
        for text in ["x.torrent", "./x", "magnet", &hash[1..]] {
            assert_eq!(of(text), Source::File(text.into()));
        }
    }
}
