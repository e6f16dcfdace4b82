//! What a name server answers: reading it never panics, and brings so many addresses of the family that was asked
//! for.

use tc_core::net::dns;

pub fn check(bytes: &[u8]) {
    for v6 in [false, true] {
        let asked = dns::question(7, "tracker.example", v6).expect("a name");
        // As it is, and behind a head that fits.
        let behind = [&[0, 7, 0x81, 0x80, 0, 1, 0, 64, 0, 0, 0, 0], &asked[12..], bytes].concat();
        for answer in [bytes, &behind] {
            if let Some(Ok(found)) = dns::answer(&asked, answer) {
                assert!(found.len() <= 64 && found.iter().all(|ip| ip.is_ipv6() == v6));
            }
        }
    }
    if let Ok(name) = std::str::from_utf8(bytes) {
        assert!(dns::question(1, name, true).is_none_or(|asked| asked.len() <= 271));
    }
}
