//! What stands around the info dictionary: trackers (BEP 3, 12), web seeds (BEP 17, 19), DHT nodes
//! (BEP 5), remarks.
//!
//! Nothing here is needed. A key of the wrong type counts as absent; what is too much is left out,
//! since a torrent file must not be able to take memory out of proportion to its size.

use std::collections::HashSet;

use serde_bytes::ByteBuf;

use crate::bencode::{self, Limits, Value};
use crate::untrusted::Untrusted;

/// Trackers kept of one torrent. Real ones have up to some hundred.
pub const MAX_TRACKERS: usize = 10_000;

/// Web seeds, and DHT nodes, kept of one torrent.
const MAX_HINTS: usize = 1_000;

/// Bytes of a URL that is kept: what the HTTP world takes.
const MAX_URL: usize = 2_048;

/// Bytes kept of a free text.
const MAX_TEXT: usize = 64 << 10;

/// The optional keys of a torrent file.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) trackers: Vec<Vec<Untrusted>>,
    pub(super) web_seeds: Vec<Untrusted>,
    pub(super) nodes: Vec<(Untrusted, u16)>,
    pub(super) comment: Option<Untrusted>,
    pub(super) created_by: Option<Untrusted>,
    pub(super) creation_date: Option<i64>,
}

impl Around {
    /// Reads the root dictionary of a torrent file.
    pub(super) fn read(root: Value<'_>) -> Self {
        let [announce, announce_list, url_list, httpseeds, nodes] =
            root.pick(["announce", "announce-list", "url-list", "httpseeds", "nodes"]).unwrap_or_default();
        let [comment, comment_utf8, created_by, creation_date] =
            root.pick(["comment", "comment.utf-8", "created by", "creation date"]).unwrap_or_default();
        let mut trackers = announce_list.map(tiers).unwrap_or_default();
        if trackers.is_empty() {
            trackers.extend(announce.and_then(url).map(|url| vec![url]));
        }
        Self {
            trackers,
            web_seeds: urls(url_list).chain(urls(httpseeds)).take(MAX_HINTS).collect(),
            nodes: nodes
                .and_then(Value::list)
                .into_iter()
                .flatten()
                .filter_map(node)
                .take(MAX_HINTS)
                .collect(),
            comment: comment_utf8.and_then(Value::bytes).or(comment.and_then(Value::bytes)).map(text),
            created_by: created_by.and_then(Value::bytes).map(text),
            creation_date: creation_date.and_then(Value::int),
        }
    }
}

/// A text from a torrent, cut to [`MAX_TEXT`].
pub(super) fn text(bytes: &[u8]) -> Untrusted {
    Untrusted::from_bytes(&bytes[..bytes.len().min(MAX_TEXT)])
}

/// BEP 12: a list of lists. A URL counts where it stands first; tiers with none left are dropped.
fn tiers(list: Value<'_>) -> Vec<Vec<Untrusted>> {
    let mut seen = HashSet::new();
    let tiers = list.list().into_iter().flatten().filter_map(Value::list);
    tiers
        .map(|tier| {
            tier.filter(|value| {
                seen.len() < MAX_TRACKERS && value.bytes().is_some_and(|url| seen.insert(url))
            })
            .filter_map(url)
            .collect::<Vec<_>>()
        })
        .filter(|tier| !tier.is_empty())
        .collect()
}

/// One URL, or a list of them.
fn urls(value: Option<Value<'_>>) -> impl Iterator<Item = Untrusted> {
    let one = value.and_then(url);
    one.into_iter().chain(value.and_then(Value::list).into_iter().flatten().filter_map(url))
}

fn url(value: Value<'_>) -> Option<Untrusted> {
    let bytes = value.bytes()?.trim_ascii();
    (!bytes.is_empty() && bytes.len() <= MAX_URL).then(|| Untrusted::from_bytes(bytes))
}

fn node(value: Value<'_>) -> Option<(Untrusted, u16)> {
    // The longest host name has 253 bytes.
    let small = Limits { bytes: 300, depth: 1, tokens: 3, key: 0 };
    let ((host, port), _): ((ByteBuf, u16), _) = bencode::decode(value.raw(), &small).ok()?;
    (!host.is_empty() && port > 0).then(|| (Untrusted::from_bytes(&host), port))
}
