//! What the fuzzer keeps of the screen (`tests/fuzz/seeds/keys`).

use std::fs;
use std::path::Path;

#[test]
fn the_kept_keys_pass() {
    let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/seeds/keys"));
    let mut kept = 0;
    for entry in fs::read_dir(seeds).expect("the target has seeds") {
        let path = entry.expect("it can be listed").path();
        let bytes = fs::read(&path).expect("it can be read");
        let played = std::panic::catch_unwind(|| crate::testing::replay(&bytes));
        assert!(played.is_ok(), "{} does not pass", path.display());
        kept += 1;
    }
    assert!(kept > 0);
}
