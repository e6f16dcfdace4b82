//! Magnet links as sites write them, and as nobody should.

use proptest::prelude::*;

use super::*;

const HEX: &str = "3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6";
const HEX_V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

fn read(text: &str) -> Magnet {
    Magnet::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn texts(list: &[Untrusted]) -> Vec<&str> {
    list.iter().map(Untrusted::raw).collect()
}

#[test]
fn hashes_of_each_form_are_read() {
    let hex: InfoHash = HEX.parse().unwrap();
    let base32 = BASE32.encode(hex.as_bytes());
    for hash in [HEX, &HEX.to_uppercase(), &base32, &base32.to_lowercase()] {
        let got = read(&format!("magnet:?xt=urn:btih:{hash}"));
        assert_eq!((got.info_hash, got.info_hash_v1, got.info_hash_v2), (hex, Some(hex), None), "{hash}");
        assert_eq!(Magnet::of_hash(hash).unwrap().info_hash, hex);
    }
    let v2 = read(&format!("magnet:?xt=urn:btmh:1220{HEX_V2}"));
    assert_eq!(v2.info_hash_v1, None);
    assert_eq!(v2.info_hash_v2, Some(HEX_V2.parse().unwrap()));
    assert_eq!(v2.info_hash.to_string(), HEX_V2[..40]);
    assert_eq!(Magnet::of_hash(HEX_V2), Some(v2));
    let hybrid = read(&format!("MAGNET:?xt=urn:btmh:1220{HEX_V2}&xt=URN:BTIH:{HEX}"));
    assert_eq!((hybrid.info_hash, hybrid.info_hash_v2), (hex, Some(HEX_V2.parse().unwrap())));
    assert_eq!(read(&format!(" magnet:?xt=urn%3abtih%3A{HEX}\n")).info_hash, hex);
    assert_eq!(read(&format!("magnet:?xt.1=urn:sha1:ABC&xt.2=urn:btih:{HEX}")).info_hash, hex);
}

#[test]
fn what_names_no_torrent_is_refused() {
    for (text, want) in [
        ("", MagnetError::NotMagnet),
        ("magnet:", MagnetError::NotMagnet),
        ("magnet:?", MagnetError::NoHash),
        ("magnet:?dn=name", MagnetError::NoHash),
        ("magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C", MagnetError::NoHash),
        ("magnet:?xt=urn:btih:", MagnetError::BadHash),
        ("magnet:?xt=urn:btih:00", MagnetError::BadHash),
        ("magnet:?xt=urn:btih:3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f", MagnetError::BadHash),
        ("magnet:?xt=urn:btih:3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f60", MagnetError::BadHash),
        ("magnet:?xt=urn:btih:zf9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6", MagnetError::BadHash),
        ("magnet:?xt=urn:btih:3f9c1a77 0e84b6a5c21f0b8e6d4a1b2c3d4e5f6", MagnetError::BadHash),
        ("magnet:?xt=urn:btih:%3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5%", MagnetError::BadHash),
        ("magnet:?xt=urn:btmh:1220abcd", MagnetError::BadHash),
        ("http://example.org/?xt=urn:btih:3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6", MagnetError::NotMagnet),
    ] {
        assert_eq!(Magnet::parse(text), Err(want), "{text}");
    }
    let two = format!("magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{}", HEX.replace('f', "0"));
    assert_eq!(Magnet::parse(&two), Err(MagnetError::TwoHashes));
    let long = format!("magnet:?xt=urn:btih:{HEX}&dn={}", "x".repeat(MAX_LINK));
    assert!(matches!(Magnet::parse(&long), Err(MagnetError::TooLong(_))));
    for text in ["", "abc", "magnet", &HEX[1..], &HEX_V2[1..], "../../etc/passwd"] {
        assert_eq!(Magnet::of_hash(text), None, "{text}");
    }
}

#[test]
fn the_rest_of_a_link_is_kept() {
    let got = read(&format!(
        "magnet:?xt=urn:btih:{HEX}&dn=Sprite+Fright%204K&tr=http%3A%2F%2Ft.example%2Fannounce%3Fkey%3Da%2Bb\
         &tr.1=udp://t.example:80&amp;tr=http%3A%2F%2Ft.example%2Fannounce%3Fkey%3Da%2Bb&ws=https://w.example/f\
         &x.pe=203.0.113.9:6881&x.pe=[2001:db8::1]:51413&x.pe=peer.example:6881&so=0,2,6-8&xl=100&&unknown=1&=x&kt"
    ));
    assert_eq!(got.name.as_ref().unwrap().raw(), "Sprite Fright 4K");
    assert_eq!(texts(&got.trackers), ["http://t.example/announce?key=a+b", "udp://t.example:80"]);
    assert_eq!(got.tiers().len(), 2);
    assert_eq!(texts(&got.web_seeds), ["https://w.example/f"]);
    assert_eq!(got.peers, ["203.0.113.9:6881".parse().unwrap(), "[2001:db8::1]:51413".parse().unwrap()]);
    assert_eq!(got.named_peers, [("peer.example".into(), 6_881)]);
    assert_eq!(got.select.unwrap().to_string(), "0,2,6-8");
}

#[test]
fn what_makes_no_sense_is_dropped_and_the_rest_kept() {
    let many: String = (0..1_500).map(|n| format!("&tr=http://t{n}.example/")).collect();
    let got = read(&format!(
        "magnet:?xt=urn:btih:{HEX}&dn={}&tr=http://a%0d%0aHost:b/&tr=ftp://a/&tr=file:///etc/passwd&tr=&tr=http://&tr=%zz\
         &tr=http://a b/&x.pe=1.2.3.4:0&x.pe=0.0.0.0:80&x.pe=224.0.0.1:80&x.pe=nonsense&x.pe=a/b:80&x.pe=1.2.3.4:70000\
         &so=-4&xs=http://127.0.0.1/x.torrent&as=http://127.0.0.1/{many}",
        "x".repeat(100_000)
    ));
    assert_eq!(got.trackers.len(), MAX_TRACKERS);
    assert_eq!(got.trackers[0].raw(), "http://t0.example/");
    assert_eq!((got.peers.len(), got.named_peers.len(), got.select), (0, 0, None));
    assert_eq!(got.name.unwrap().raw().len(), MAX_NAME);
    // A sign that is no escape is a sign.
    assert_eq!(read(&format!("magnet:?xt=urn:btih:{HEX}&dn=100%")).name.unwrap().raw(), "100%");
    let shown = read(&format!("magnet:?xt=urn:btih:{HEX}&dn=..%2F%1b%5D0;%00%ff")).name.unwrap().to_string();
    assert_eq!(shown, "../\u{fffd}]0;\u{fffd}\u{fffd}");
}

#[test]
fn a_second_link_adds_what_it_knows() {
    let mut link = read(&format!("magnet:?xt=urn:btih:{HEX}&tr=http://a/&x.pe=1.2.3.4:5"));
    link.merge(&read(&format!("magnet:?xt=urn:btih:{HEX}&dn=n&tr=http://a/&tr=http://b/&x.pe=1.2.3.4:6")));
    assert_eq!(texts(&link.trackers), ["http://a/", "http://b/"]);
    assert_eq!((link.peers.len(), link.shown_name().raw()), (2, "n"));
}

proptest! {
    #[test]
    fn a_link_that_was_read_is_read_again_from_what_it_prints(text in "magnet:\\?xt=urn:btih:[0-9a-f]{40}(&(dn|tr|ws|x.pe|so)=.{0,40}){0,6}") {
        if let Ok(link) = Magnet::parse(&text) {
            let printed = link.to_string();
            prop_assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(Magnet::parse(&printed), Ok(link));
        }
    }

    #[test]
    fn no_text_is_too_odd(text in ".{0,200}") {
        let _ = (Magnet::parse(&text), Magnet::of_hash(&text), Magnet::parse(&format!("magnet:?{text}")));
    }
}
