//! A torrent file at a URL that a person named, by the rules under which trackers are asked: each hop is checked,
//! and what comes is bounded in size and time.

use bytes::Bytes;
use tokio::time::timeout;
use url::Url;

use super::super::query::AnnounceUrl;
use super::{AnnounceError, HttpTracker, Page};
use crate::bencode::Limits;
use crate::magnet::{Magnet, MagnetError};
use crate::net::reach::Family;

/// Bytes of a torrent file: as many as are read from a disk.
const MAX_TORRENT: usize = Limits::TORRENT.bytes as usize;

/// What is at a URL.
#[derive(Clone, Debug)]
pub enum AtUrl {
    /// A file, unchecked.
    File(Bytes),
    /// Nothing but a redirect to this link.
    Magnet(Box<Magnet>),
}

/// Why nothing came from a URL.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It cannot be asked.
    #[error("not an http or https URL")]
    Url,
    /// The network, the server or one that it sends us to.
    #[error(transparent)]
    Http(#[from] AnnounceError),
    /// More than a torrent file has.
    #[error("more than {} MiB, no torrent file is as large", MAX_TORRENT >> 20)]
    TooLarge,
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    Stopping,
    /// It leads to a magnet link that is none.
    #[error("it leads to a magnet link: {0}")]
    Magnet(#[from] MagnetError),
}

impl HttpTracker {
    /// What is at this URL, which a person named: it may lead into their own network, and redirects from there
    /// no further in. Takes as long as an announce at most, over both address families together.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<AtUrl, FetchError> {
        let url = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let first = AnnounceUrl { url: url.ok_or(FetchError::Url)?, plain: true };
        let deadline = self.inner.options.deadline;
        let over = |family| self.inner.page(family, &first, deadline, false, MAX_TORRENT);
        let both = async {
            match over(Family::V4).await {
                Ok(page) => Ok(page),
                // The second error tells of a host that has no IPv4 address.
                Err(AnnounceError::Resolve(_)) => over(Family::V6).await,
                Err(v4 @ (AnnounceError::Network(_) | AnnounceError::Timeout)) => {
                    over(Family::V6).await.map_err(|_| v4)
                }
                Err(v4) => Err(v4),
            }
        };
        let page = timeout(deadline, both).await.unwrap_or(Err(AnnounceError::Timeout));
        let Page { status, body, is_magnet, .. } = page.map_err(|error| match error {
            AnnounceError::TooLarge => FetchError::TooLarge,
            other => FetchError::Http(other),
        })?;
        if is_magnet {
            return Ok(AtUrl::Magnet(Magnet::parse(&String::from_utf8_lossy(&body))?.into()));
        }
        if !status.is_success() {
            return Err(AnnounceError::Status(status.as_u16()).into());
        }
        Ok(AtUrl::File(body.into()))
    }
}
