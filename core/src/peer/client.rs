//! Which program a peer runs: its own words (BEP 10, `v`), else what its id tells (BEP 20).
//!
//! For people to read; nothing is decided by it, since anyone can claim any name.

use crate::types::PeerId;
use crate::untrusted::Untrusted;

/// How a client packs its version into four characters of an Azureus-style id.
#[derive(Clone, Copy)]
enum Packing {
    /// One number each, the last left out when it is 0: `4520` is 4.5.2, `0D80` is 0.13.8.
    Each,
    /// Two digits and two digits of a decimal fraction: `0155` is 1.55.
    Hundredths,
    /// Two numbers of two digits: `0203` is 2.3.
    Pairs,
    /// Transmission's: one digit and a fraction up to `3000` (3.00), one number each since.
    Transmission,
}

use Packing::{Each, Hundredths, Pairs, Transmission};

/// Azureus style: two characters between dashes, `-qB4520-`.
const AZUREUS: &[(&[u8; 2], &str, Packing)] = &[
    (b"7T", "aTorrent", Each),
    (b"AG", "Ares", Each),
    (b"AZ", "Vuze", Each),
    (b"BC", "BitComet", Hundredths),
    (b"BI", "BiglyBT", Each),
    (b"BL", "BitLord", Each),
    (b"BT", "BitTorrent", Each),
    (b"BW", "BitWombat", Each),
    (b"DE", "Deluge", Each),
    (b"FD", "Free Download Manager", Each),
    (b"FL", "Folx", Each),
    (b"FW", "FrostWire", Each),
    (b"GT", "anacrolix/torrent", Each),
    (b"HL", "Halite", Each),
    (b"KG", "KGet", Each),
    (b"KT", "KTorrent", Each),
    (b"LT", "libtorrent", Each),
    (b"LW", "LimeWire", Each),
    (b"MO", "MonoTorrent", Each),
    (b"PI", "PicoTorrent", Each),
    (b"SD", "Thunder", Each),
    (b"TC", "tc-tui", Each),
    (b"TL", "Tribler", Each),
    (b"TR", "Transmission", Transmission),
    (b"TX", "Tixati", Hundredths),
    (b"UE", "µTorrent Embedded", Each),
    (b"UM", "µTorrent Mac", Each),
    (b"UT", "µTorrent", Each),
    (b"UW", "µTorrent Web", Each),
    (b"WW", "WebTorrent", Pairs),
    (b"XL", "Xunlei", Each),
    (b"lt", "libTorrent (rTorrent)", Each),
    (b"qB", "qBittorrent", Each),
    (b"rQ", "rqbit", Each),
];

/// Shadow style: one character, then up to five digits of base 64, `S58B-----`.
const SHADOW: &[(u8, &str)] = &[
    (b'A', "ABC"),
    (b'O', "Osprey Permaseed"),
    (b'Q', "BTQueue"),
    (b'R', "Tribler"),
    (b'S', "Shadow's client"),
    (b'T', "BitTornado"),
    (b'U', "UPnP NAT Bit Torrent"),
];

/// Dashed style: numbers with dashes between them, `M7-10-5--`.
const DASHED: &[(&[u8], &str)] = &[(b"M", "BitTorrent"), (b"A2-", "aria2"), (b"Q", "Queen Bee")];

/// The client's name and version. `v` is what its extension handshake says, if one came.
pub fn name(peer_id: &PeerId, v: Option<&Untrusted>) -> Untrusted {
    if let Some(own_words) = v.filter(|text| !text.raw().trim().is_empty()) {
        return own_words.clone();
    }
    let id = peer_id.as_bytes();
    azureus(id).or_else(|| dashed(id)).or_else(|| shadow(id)).unwrap_or_else(|| "unknown".to_owned()).into()
}

fn azureus(id: &[u8; 20]) -> Option<String> {
    let [b'-', a, b, version @ .., b'-'] = id.first_chunk::<8>()? else {
        return None;
    };
    let known = AZUREUS.iter().find(|(code, ..)| *code == &[*a, *b]);
    if let Some((_, name, packing)) = known {
        return Some(match packing.read(*version) {
            Some(version) => format!("{name} {version}"),
            None => (*name).to_owned(),
        });
    }
    if !a.is_ascii_alphanumeric() || !(b.is_ascii_alphanumeric() || *b == b'~') {
        return None;
    }
    let code = format!("{}{}", char::from(*a), char::from(*b));
    Some(Each.read(*version).map_or(code.clone(), |version| format!("{code} {version}")))
}

impl Packing {
    fn read(self, packed: [u8; 4]) -> Option<String> {
        let [a, b, c, d] = packed.map(base62);
        match self {
            Each => {
                // Letters in the last place mark a beta in some clients and a number in others.
                let build = d.filter(|build| (1..=9).contains(build)).map(|build| format!(".{build}"));
                Some(format!("{}.{}.{}{}", a?, b?, c?, build.unwrap_or_default()))
            }
            Hundredths => Some(format!("{}.{}{}", 10 * a? + b?, c?, d?)),
            Pairs => Some(format!("{}.{}", 10 * a? + b?, 10 * c? + d?)),
            Transmission if packed[0] <= b'3' => Some(format!("{}.{}{}", a?, b?, c?)),
            Transmission => Some(format!("{}.{}.{}", a?, b?, c?)),
        }
    }
}

fn base62(digit: u8) -> Option<u32> {
    let (start, value) = match digit {
        b'0'..=b'9' => (b'0', 0),
        b'A'..=b'Z' => (b'A', 10),
        b'a'..=b'z' => (b'a', 36),
        _ => return None,
    };
    Some(u32::from(digit - start) + value)
}

fn dashed(id: &[u8; 20]) -> Option<String> {
    let (rest, name) = DASHED.iter().find_map(|(start, name)| Some((id.strip_prefix(*start)?, name)))?;
    // At most three numbers stand there; what follows the last dash is random.
    let numbers: Vec<_> =
        rest.split(|byte| *byte == b'-').take(3).map_while(|number| str::from_utf8(number).ok()).collect();
    let is_number = |text: &&str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    (numbers.len() == 3 && numbers.iter().all(is_number)).then(|| format!("{name} {}", numbers.join(".")))
}

fn shadow(id: &[u8; 20]) -> Option<String> {
    let (_, name) = SHADOW.iter().find(|(letter, _)| *letter == id[0])?;
    if &id[6..9] != b"---" {
        return None;
    }
    let digits = id[1..6].iter().rposition(|byte| *byte != b'-').map_or(&[][..], |last| &id[1..=last + 1]);
    let numbers: Option<Vec<_>> = digits.iter().map(|digit| shadow_digit(*digit)).collect();
    let numbers = numbers.filter(|numbers| !numbers.is_empty())?;
    Some(format!("{name} {}", numbers.join(".")))
}

/// Base 64 with letters after digits; the full stop is 62, and a dash, which also pads, 63.
fn shadow_digit(digit: u8) -> Option<String> {
    let value = match digit {
        b'.' => Some(62),
        b'-' => Some(63),
        _ => base62(digit),
    };
    value.map(|value| value.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(start: &[u8], want: &str) {
        let mut id = [0xe9; 20];
        id[..start.len()].copy_from_slice(start);
        assert_eq!(name(&PeerId::new(id), None).raw(), want, "{:?}", start.escape_ascii().to_string());
    }

    #[test]
    fn azureus_style_as_each_client_packs_it() {
        check(b"-TR3000-", "Transmission 3.00");
        check(b"-TR2940-", "Transmission 2.94");
        check(b"-TR4050-", "Transmission 4.0.5");
        check(b"-TR400B-", "Transmission 4.0.0");
        check(b"-LT2010-", "libtorrent 2.0.1");
        check(b"-LT20A0-", "libtorrent 2.0.10");
        check(b"-qB4520-", "qBittorrent 4.5.2");
        check(b"-qB4650-", "qBittorrent 4.6.5");
        check(b"-lt0D80-", "libTorrent (rTorrent) 0.13.8");
        check(b"-DE13F0-", "Deluge 1.3.15");
        check(b"-DE211s-", "Deluge 2.1.1");
        check(b"-UT3560-", "µTorrent 3.5.6");
        check(b"-AZ5761-", "Vuze 5.7.6.1");
        check(b"-BC0155-", "BitComet 1.55");
        check(b"-WW0203-", "WebTorrent 2.3");
        check(b"-rQ9100-", "rqbit 9.1.0");
        check(b"-ZZ1234-", "ZZ 1.2.3.4");
        check(b"-ZZ\x1b[2J-", "ZZ");
    }

    #[test]
    fn our_own_id_reads_as_ours() {
        check(crate::config::PEER_ID_PREFIX, "tc-tui 0.1.0");
    }

    #[test]
    fn older_styles() {
        check(b"S58B-----", "Shadow's client 5.8.11");
        check(b"T03I-----", "BitTornado 0.3.18");
        check(b"A310--001v5Gysr4NxNK", "unknown");
        check(b"M7-10-5--", "BitTorrent 7.10.5");
        check(b"A2-1-36-0-", "aria2 1.36.0");
    }

    #[test]
    fn what_tells_nothing_is_unknown() {
        check(b"", "unknown");
        check(b"-\x1b[1234-", "unknown");
        check(b"-TR3000x", "unknown");
        check(b"S--------", "unknown");
        check(b"M7-10", "unknown");
        check(b"M---------", "unknown");
    }

    #[test]
    fn the_peers_own_words_come_first() {
        let id = PeerId::new(*b"-TR3000-abcdefghijkl");
        assert_eq!(name(&id, Some(&"Transmission 3.00 (x)".into())).raw(), "Transmission 3.00 (x)");
        assert_eq!(name(&id, Some(&"  ".into())).raw(), "Transmission 3.00");
        assert_eq!(name(&id, Some(&"\u{1b}[31mred".into())).to_string(), "\u{fffd}[31mred");
    }

    proptest! {
        #[test]
        fn no_id_panics_and_none_is_harmful(id: [u8; 20], style in 0..4_usize) {
            let mut id = id;
            let start: &[u8] = [&b"-TR"[..], b"S", b"M", b"A2-"][style];
            id[..start.len()].copy_from_slice(start);
            let shown = name(&PeerId::new(id), None);
            prop_assert_eq!(shown.to_string(), shown.raw());
        }
    }
}
