//! The clients of other makes: which there are, and what is peculiar to each.

use std::path::PathBuf;

use super::driver;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// libtorrent-rasterbar through its Python binding, from PyPI.
    Libtorrent,
    /// transmission-daemon.
    Transmission,
    /// aria2c.
    Aria2,
    /// rtorrent.
    Rtorrent,
    /// qbittorrent-nox.
    Qbittorrent,
}

/// All of them.
pub const ALL: [Make; 5] =
    [Make::Libtorrent, Make::Transmission, Make::Aria2, Make::Rtorrent, Make::Qbittorrent];

impl Make {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Libtorrent => "libtorrent",
            Self::Transmission => "transmission",
            Self::Aria2 => "aria2",
            Self::Rtorrent => "rtorrent",
            Self::Qbittorrent => "qBittorrent",
        }
    }

    /// The version that `tests/support/install` installs on Debian 12, which README names.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Libtorrent => "2.1.1",
            Self::Transmission => "3.00",
            Self::Aria2 => "1.36.0",
            Self::Rtorrent => "0.9.8",
            Self::Qbittorrent => "4.5.2",
        }
    }

    /// The program as it is installed.
    ///
    /// # Errors
    /// That it is not there.
    pub fn program(self) -> Result<PathBuf, String> {
        let name = match self {
            Self::Libtorrent => {
                let python = driver::python();
                return if python.exists() { Ok(python) } else { Err("libtorrent is missing".to_owned()) };
            }
            Self::Transmission => "transmission-daemon",
            Self::Aria2 => "aria2c",
            Self::Rtorrent => "rtorrent",
            Self::Qbittorrent => "qbittorrent-nox",
        };
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders)
            .map(|folder| folder.join(name))
            .find(|path| path.exists())
            .ok_or_else(|| format!("{name} is missing"))
    }

    /// The script that runs it.
    pub const fn script(self) -> &'static str {
        match self {
            Self::Libtorrent => "libtorrent_driver.py",
            Self::Transmission => "transmission_driver.py",
            Self::Aria2 => "aria2_driver.py",
            Self::Rtorrent => "rtorrent_driver.py",
            Self::Qbittorrent => "qbittorrent_driver.py",
        }
    }

    /// Whether it makes files of no bytes.
    pub const fn makes_empty_files(self) -> bool {
        !matches!(self, Self::Transmission)
    }
}
