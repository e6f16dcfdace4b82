//! Screens kept as text files. `UPDATE_GOLDEN=1` rewrites them; a reader reviews the difference.

use std::path::Path;

/// Compares a screen with `tests/<suite>/goldens/<name>.txt`. In rows that hold one of the words of
/// `masked`, digits become `#`: for figures that are never twice the same.
#[track_caller]
pub fn compare(suite: &str, name: &str, screen: &str, masked: &[&str]) {
    let got = mask(screen, masked);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(suite).join("goldens").join(name);
    let path = path.with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, &got).expect("the golden file can be written");
        return;
    }
    let want = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 makes it", path.display()));
    assert!(got == want, "{name} differs.\nkept:\n{want}\nnow:\n{got}");
}

fn mask(screen: &str, masked: &[&str]) -> String {
    let digits = |row: &str| row.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
    let row = |row: &str| {
        let is_masked = masked.iter().any(|word| row.contains(word));
        (if is_masked { digits(row) } else { row.to_owned() }) + "\n"
    };
    screen.lines().map(row).collect()
}
