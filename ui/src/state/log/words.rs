//! An event in words: one line for the log, keys and values for the opened event.

use tc_core::event::{Event, Kind};

use crate::format;

/// A kind in a word or two, for lines without room for its name: what it is about, where the rest of the
/// line does not say so.
pub fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::PieceCompleted => "piece",
        Kind::PieceHashFailed => "bad piece",
        Kind::MetadataReceived => "metadata",
        Kind::FileCompleted => "file done",
        Kind::PeerConnected => "peer",
        Kind::PeerDisconnected => "peer left",
        Kind::TrackerSuccess => "tracker",
        Kind::TrackerFailed => "tracker failed",
        Kind::TrackerWarning => "tracker warns",
        Kind::LimitReached => "limit",
        Kind::StatsUpdate => "stats",
        Kind::StorageError => "disk",
        Kind::StorageFull => "disk full",
        Kind::ListenOk => "listening",
        Kind::ListenFailed => "not listening",
        Kind::PortmapOk => "port open",
        Kind::PortmapFailed => "port closed",
        Kind::DhtReady => "DHT ready",
        other => other.name().split('.').next_back().unwrap_or_default(),
    }
}

/// One line without the kind and the torrent.
pub fn summary(event: &Event) -> String {
    match event {
        // Of a magnet nothing is known yet; a torrent of no bytes does not parse.
        Event::SessionAdded { size: 0, .. } => "its size comes with the metadata".to_owned(),
        Event::SessionAdded { size, .. } => format::size(*size),
        Event::SessionStarted { message, .. }
        | Event::SessionQueued { message, .. }
        | Event::SessionPaused { message, .. }
        | Event::SessionResumed { message, .. }
        | Event::SessionStopped { message, .. }
        | Event::SessionError { message, .. }
        | Event::StorageError { message, .. }
        | Event::StorageFull { message, .. } => message.to_string(),
        Event::SessionCompleted { size, downloaded, .. } => {
            format!("{}, {} fetched in this run", format::size(*size), format::size(*downloaded))
        }
        Event::SessionRemoved { data_deleted, .. } => {
            (if *data_deleted { "with its files" } else { "files kept" }).to_owned()
        }
        Event::SessionChecked { pieces_have, pieces, bytes_hashed } => format!(
            "{} of {} pieces good, {} hashed",
            format::count((*pieces_have).into()),
            format::count((*pieces).into()),
            format::size(*bytes_hashed)
        ),
        Event::SessionMoved { from, to } => format!("from {from} to {to}"),
        Event::MetadataReceived { size, files, private, .. } => {
            let private = if *private { ", private" } else { "" };
            format!("{}, {}{private}", format::size(*size), plural(files, "file"))
        }
        Event::PieceCompleted { index, size, complete, total } => {
            format!("#{index} {}, {complete} of {total}", format::size((*size).into()))
        }
        Event::PieceHashFailed { index, size, from } => format!(
            "#{index} {} is wrong, from {}",
            format::size((*size).into()),
            format::plural(from.len() as u64, "peer")
        ),
        // The name alone: the folders before it are mostly those of the torrent, whose name stands there
        // already, and would push it out of a narrow line. The opened event has the whole path.
        Event::FileCompleted { path, size } => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            format!("{} {}", tc_core::untrusted::clean(&name.to_string_lossy()), format::size(*size))
        }
        Event::PeerConnected { address, client, incoming, .. } => {
            format!("{address} {client}{}", if *incoming { ", it called" } else { "" })
        }
        Event::PeerDisconnected { address, client, why, .. } => format!("{address} {client}: {why}"),
        Event::PeerBanned { address, why } => format!("{address}: {why}"),
        Event::TrackerSuccess { url, peers, seeds, leechers, interval } => {
            let swarm = match (seeds, leechers) {
                (Some(seeds), Some(leechers)) => {
                    format!("{} {}, ", plural(seeds, "seed"), plural(leechers, "leecher"))
                }
                _ => String::new(),
            };
            let peers = plural(peers, "peer");
            format!("{swarm}{peers}, next {}: {}", format::duration(*interval), host(&url.to_string()))
        }
        Event::TrackerFailed { url, error, retry_in } => {
            let again =
                retry_in.map_or_else(String::new, |wait| format!(", again in {}", format::duration(wait)));
            format!("{}: {error}{again}", host(&url.to_string()))
        }
        Event::TrackerWarning { url, warning } => format!("{}: {warning}", host(&url.to_string())),
        Event::StatsUpdate { rate_down, rate_up, peers, .. } => {
            let peers = plural(peers, "peer");
            format!("↓ {} ↑ {}, {peers}", format::size(*rate_down), format::size(*rate_up))
        }
        Event::DhtReady { family, nodes } => format!("{} over {family}", plural(nodes, "node")),
        Event::ListenOk { address } => address.to_string(),
        Event::ListenFailed { address, error } => format!("{address}: {error}"),
        Event::PortmapOk { transport, by, outside, port, .. } => {
            let at = outside.map_or_else(
                || format!("port {port}"),
                |ip| std::net::SocketAddr::new(ip, *port).to_string(),
            );
            format!("the router lets peers in at {at} over {transport} ({})", by.name())
        }
        Event::PortmapFailed { family, transport, error } => {
            format!("the router does not let peers in over {family} ({transport}): {error}")
        }
        #[allow(
            unreachable_patterns,
            reason = "kinds that come later are shown by their fields until they have words"
        )]
        other => {
            fields(other).iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The payload as keys and values, in the order of the table of kinds.
pub fn fields(event: &Event) -> Vec<(&'static str, String)> {
    // Debug prints `Name { key: value, ... }`; the keys are known, so the values lie between them.
    // `Untrusted` cleans itself there too.
    let text = format!("{event:?}");
    let inner = text.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}').trim());
    let keys = event.kind().info().fields;
    let mut values = Vec::with_capacity(keys.len());
    let mut rest = inner;
    for (at, key) in keys.iter().enumerate() {
        let Some(value) = rest.strip_prefix(&format!("{key}: ")) else { break };
        let next = keys.get(at + 1).and_then(|next| value.find(&format!(", {next}: ")));
        let end = next.unwrap_or(value.len());
        values.push((*key, plain(&value[..end])));
        rest = value[end..].trim_start_matches(", ");
    }
    values
}

/// Without the marks of `Debug`: quotes and `Some(…)`.
fn plain(value: &str) -> String {
    let value = value.strip_prefix("Some(").and_then(|inner| inner.strip_suffix(')')).unwrap_or(value);
    let value = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value);
    if value == "None" { String::new() } else { tc_core::untrusted::clean(value) }
}

fn plural(number: &u32, one: &str) -> String {
    format::plural((*number).into(), one)
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_an_event() {
        let event = Event::TrackerFailed {
            url: "https://old.example/announce".into(),
            error: "HTTP 503, retry_in: 3".into(),
            retry_in: Some(90),
        };
        let got = fields(&event);
        assert_eq!(got[0], ("url", "https://old.example/announce".to_owned()));
        assert_eq!(got.len(), 3, "{got:?}");
        assert_eq!(summary(&event), "old.example: HTTP 503, retry_in: 3, again in 1m30s");
    }

    #[test]
    fn magnets_files_and_the_dht_are_told_in_words() {
        let added = Event::SessionAdded { name: "x".into(), size: 0 };
        assert_eq!(summary(&added), "its size comes with the metadata");
        let metadata =
            |private| Event::MetadataReceived { name: "x".into(), size: 3 << 20, files: 7, private };
        assert_eq!(summary(&metadata(false)), "3.00M, 7 files");
        assert_eq!(summary(&metadata(true)), "3.00M, 7 files, private");
        assert_eq!(short(Kind::MetadataReceived), "metadata");
        let file = Event::FileCompleted { path: "The Show/Season 1/S01E02.mkv".into(), size: 8 << 20 };
        assert_eq!(summary(&file), "S01E02.mkv 8.00M");
        let ready = Event::DhtReady { family: "IPv6".into(), nodes: 1 };
        assert_eq!((short(Kind::DhtReady), summary(&ready).as_str()), ("DHT ready", "1 node over IPv6"));
    }

    #[test]
    fn hostile_text_stays_harmless() {
        let event = Event::SessionError { message: "a\u{1b}]0;x\u{7}".into(), code: "io".into() };
        assert!(fields(&event).iter().all(|(_, value)| !value.contains('\u{1b}')));
        assert!(!summary(&event).contains('\u{1b}'));
    }
}
