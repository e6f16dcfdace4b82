//! Documents that are printed from the tables that drive the code. `UPDATE_DOCS=1` prints them.

use std::fs;
use std::path::Path;

use tc_core::{bep, event};

use crate::sources::{self, FOLDERS};

/// What stands in `file` between `<!-- name -->` and `<!-- /name -->` is `want`.
#[track_caller]
fn check_block(file: &str, name: &str, want: &str) {
    let text = sources::read(file);
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let parts = text.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?)));
    let (before, (block, after)) = parts.unwrap_or_else(|| panic!("{file} has no block {open:?}"));
    let want = format!("\n{}\n\n", want.trim());
    if block == want {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1"),
        "the block {name} of {file} is out of date; UPDATE_DOCS=1 cargo tidy prints it again"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::write(path, format!("{before}{open}{want}{close}{after}")).expect("a document can be written");
}

/// One test for all blocks: two at once would write one file.
#[test]
fn documents_show_what_the_tables_say() {
    check_block("README.md", "keys", &tc_ui::keymap::markdown());
    check_block("README.md", "beps", &bep::markdown());
    check_block("ARCHITECTURE.md", "events", &event::markdown());
}

#[test]
fn every_bep_is_shown_by_a_test() {
    let sources = sources::rust(&FOLDERS);
    for bep in bep::BEPS {
        let test = format!("fn {}()", bep.test);
        let is_test = |text: &str| {
            text.split_once(&test).is_some_and(|(before, _)| {
                before
                    .lines()
                    .rev()
                    .take(4)
                    .any(|line| line.trim().starts_with("#[") && line.contains("test"))
            })
        };
        assert!(
            sources.iter().any(|source| is_test(&source.text)),
            "BEP {}: no test {}",
            bep.number,
            bep.test
        );
    }
    assert!(bep::BEPS.is_sorted_by_key(|bep| bep.number));
}

/// Every link of the documents that leads to a file of the workspace.
#[test]
fn links_lead_somewhere() {
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        for link in sources::read(file).split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            let is_elsewhere = target.is_empty() || target.contains("://");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
            assert!(is_elsewhere || path.exists(), "{file} links to {target}, which is not there");
        }
    }
}

/// The map of ARCHITECTURE.md has a row for each module of the three packages, and for no other.
#[test]
fn the_map_is_complete() {
    let text = sources::read("ARCHITECTURE.md");
    let map = text.split_once("### `core/src`").and_then(|(_, map)| map.split_once("\n## "));
    let map = map.expect("ARCHITECTURE.md has a map").0;
    let rows = map.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
    let mut rows: Vec<_> = rows.map(str::to_owned).collect();
    let modules = ["core/src/lib.rs", "ui/src/lib.rs", "src/lib.rs"].map(sources::read);
    let modules = modules.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let module = line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?;
        (!matches!(module, "golden" | "testing" | "tests")).then(|| module.to_owned())
    });
    let mut modules: Vec<_> = modules.collect();
    modules.sort();
    rows.sort();
    let only_in = |these: &[String], those: &[String]| {
        these.iter().filter(|name| !those.contains(name)).cloned().collect::<Vec<_>>().join(", ")
    };
    let (gone, new) = (only_in(&rows, &modules), only_in(&modules, &rows));
    assert!(rows == modules, "the map of ARCHITECTURE.md lacks a row for: {new}; has one too many: {gone}");
}
