//! Extension handshakes: whatever a peer says about itself, what is kept is in range.

use tc_core::untrusted::is_harmful;
use tc_core::wire::extended::{ExtendedHandshake, Extension};

pub fn check(bytes: &[u8]) {
    let Ok(theirs) = ExtendedHandshake::parse(bytes) else { return };
    assert_ne!(theirs.p, Some(0));
    assert_ne!(theirs.reqq, Some(0));
    assert_ne!(theirs.metadata_size, Some(0));
    if let Some(name) = &theirs.v {
        let shown = name.to_string();
        assert!(!shown.is_empty() && shown.chars().count() <= 100);
        assert!(!shown.chars().any(is_harmful));
    }
    let ids: Vec<_> = Extension::ALL.iter().filter_map(|extension| theirs.m.get(*extension)).collect();
    assert!((1..ids.len()).all(|at| !ids[..at].contains(&ids[at])), "an id for two extensions");
    let mut merged = theirs.m;
    merged.update(&theirs.m);
    assert_eq!(merged, theirs.m);
}
