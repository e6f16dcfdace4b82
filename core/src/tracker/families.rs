//! One announce over each address family that a tracker has (BEP 7), and one answer of both.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::announce::{AnnounceError, AnnounceReply};
use super::reply;

/// Once one address family brought an answer, how long the other is waited for: a machine with broken
/// IPv6 should not find its peers later than one without.
const OTHER_FAMILY: Duration = Duration::from_secs(3);

/// Merges the answers of both; one is enough. Of two errors the one that the tracker itself told.
pub async fn both(
    v4: impl Future<Output = Result<AnnounceReply, AnnounceError>>,
    v6: impl Future<Output = Result<AnnounceReply, AnnounceError>>,
    deadline: Duration,
) -> Result<AnnounceReply, AnnounceError> {
    let (mut v4, mut v6) = (pin!(v4), pin!(v6));
    let late = || Err(AnnounceError::Timeout);
    let (v4, v6) = tokio::select! {
        v4 = &mut v4 => {
            let patience = if v4.is_ok() { OTHER_FAMILY } else { deadline };
            let v6 = timeout(patience, v6).await.unwrap_or_else(|_| late());
            (v4, v6)
        }
        v6 = &mut v6 => {
            let patience = if v6.is_ok() { OTHER_FAMILY } else { deadline };
            let v4 = timeout(patience, v4).await.unwrap_or_else(|_| late());
            (v4, v6)
        }
    };
    match (v4, v6) {
        (Ok(v4), Ok(v6)) => Ok(reply::merge(v4, v6)),
        (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only),
        // What the tracker itself says tells more than a network that is not there.
        (Err(_), Err(refusal @ AnnounceError::Refused { .. })) => Err(refusal),
        (Err(v4), Err(_)) => Err(v4),
    }
}
