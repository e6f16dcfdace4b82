//! The sources of the workspace as text.

use std::fs;
use std::path::Path;

/// One source file.
pub struct Source {
    /// Below the workspace, with `/`.
    pub path: String,
    pub text: String,
}

/// Where sources are.
pub const FOLDERS: [&str; 4] = ["core", "src", "tests", "ui"];

/// A file below the workspace.
pub fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below these folders, in order.
pub fn rust(folders: &[&str]) -> Vec<Source> {
    files(folders).into_iter().filter(|path| path.ends_with(".rs")).map(source).collect()
}

/// All files of text that the project keeps.
pub fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_text = |path: &String| fs::read(root.join(path)).is_ok_and(|b| str::from_utf8(&b).is_ok());
    let documents = ["ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml", "README.md"].map(str::to_owned);
    let folders = [FOLDERS.as_slice(), &[".cargo", ".ci"]].concat();
    files(&folders).into_iter().chain(documents).filter(is_text).map(source).collect()
}

fn source(path: String) -> Source {
    let text = read(&path);
    Source { path, text }
}

fn files(folders: &[&str]) -> Vec<String> {
    let mut left: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    let mut files = Vec::new();
    while let Some(folder) = left.pop() {
        let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder);
        for entry in fs::read_dir(full).expect("a folder of the workspace can be read") {
            let entry = entry.expect("it can be read to its end");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            // What is built or found by fuzzing is no source.
            let is_made = ["/target", "/corpus", "/artifacts"].iter().any(|made| path.ends_with(made));
            match entry.file_type().expect("a file has a type") {
                kind if kind.is_dir() && !is_made => left.push(path),
                kind if kind.is_file() => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

impl Source {
    /// Whether all of it is compiled for tests only.
    pub fn is_test(&self) -> bool {
        let mut parts = self.path.trim_end_matches(".rs").split('/');
        parts.any(|part| matches!(part, "tests" | "testing" | "golden"))
    }

    /// Without comments, and without a test module at the end.
    pub fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        code.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| line.to_owned() + "\n")
            .collect()
    }
}
