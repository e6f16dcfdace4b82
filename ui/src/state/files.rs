//! The files of a torrent as a tree of folders, in torrent order.

use rustc_hash::FxHashSet;
use tc_core::settings::Priority;
use tc_core::stats::FileStats;

use crate::format;

/// One line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The last element of its path, made harmless.
    pub name: String,
    /// Folders above it.
    pub depth: usize,
    /// Bytes of it and all below.
    pub size: u64,
    /// Bytes that are there and checked.
    pub have: u64,
    /// Files below; `None` for a file.
    pub files: Option<usize>,
    /// How much the least and the most wanted of its files are wanted.
    pub priorities: (Priority, Priority),
    /// Of a file: its place in torrent order.
    index: u32,
    /// For a folder: the line after its last descendant.
    end: usize,
}

impl Node {
    /// Whether it is a folder.
    pub const fn is_folder(&self) -> bool {
        self.files.is_some()
    }

    fn looks_same(&self, other: &Self) -> bool {
        self.size == other.size
            && self.priorities == other.priorities
            && self.name == other.name
            && (self.have == other.have
                || format::percent(self.have, self.size) == format::percent(other.have, other.size))
    }
}

/// The tree, flat: a folder stands before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileTree {
    nodes: Vec<Node>,
    /// Lines of folders that are shut.
    shut: FxHashSet<usize>,
}

impl FileTree {
    /// Builds the tree. Files of one folder that stand apart in the torrent make two lines.
    pub fn new(files: &[FileStats]) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        // The folders that are open while reading: their lines and raw names.
        let mut open: Vec<(usize, &str)> = Vec::new();
        for file in files {
            let Some((name, folders)) = file.path.split_last() else { continue };
            let same =
                open.iter().zip(folders).take_while(|((_, open), folder)| *open == folder.raw()).count();
            close(&mut nodes, &mut open, same);
            for folder in &folders[same..] {
                open.push((nodes.len(), folder.raw()));
                nodes.push(Node {
                    name: folder.to_string(),
                    depth: open.len() - 1,
                    size: 0,
                    have: 0,
                    files: Some(0),
                    priorities: (file.priority, file.priority),
                    index: 0,
                    end: 0,
                });
            }
            for (at, _) in &open {
                let node = &mut nodes[*at];
                node.size += file.size;
                node.have += file.have;
                node.files = node.files.map(|files| files + 1);
                let (least, most) = node.priorities;
                node.priorities = (least.min(file.priority), most.max(file.priority));
            }
            let end = nodes.len() + 1;
            nodes.push(Node {
                name: name.to_string(),
                depth: folders.len(),
                size: file.size,
                have: file.have,
                files: None,
                priorities: (file.priority, file.priority),
                index: file.index,
                end,
            });
        }
        close(&mut nodes, &mut open, 0);
        Self { nodes, shut: FxHashSet::default() }
    }

    /// Takes new numbers; says whether anything looks different.
    pub fn update(&mut self, files: &[FileStats]) -> bool {
        let fresh = Self::new(files);
        let same = fresh.nodes.len() == self.nodes.len()
            && fresh.nodes.iter().zip(&self.nodes).all(|(a, b)| a.looks_same(b));
        if fresh.nodes.len() != self.nodes.len() {
            self.shut.clear();
        }
        self.nodes = fresh.nodes;
        !same
    }

    /// The lines that are seen, with their numbers: what is in a shut folder is left out.
    pub fn visible(&self) -> impl Iterator<Item = (usize, &Node)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let line = at;
            let node = self.nodes.get(line)?;
            at = if self.shut.contains(&line) { node.end } else { line + 1 };
            Some((line, node))
        })
    }

    /// Whether there is a folder to open or shut.
    pub fn has_folders(&self) -> bool {
        self.nodes.iter().any(Node::is_folder)
    }

    /// Whether the folder on this line is shut.
    pub fn is_shut(&self, line: usize) -> bool {
        self.shut.contains(&line)
    }

    /// Opens or shuts the folder that is seen at `row`; says whether there is one to do it to.
    pub fn set_shut(&mut self, row: usize, shut: bool) -> bool {
        let Some((line, node)) = self.visible().nth(row) else { return false };
        if !node.is_folder() {
            return false;
        }
        if shut { self.shut.insert(line) } else { self.shut.remove(&line) }
    }

    /// Opens or shuts all folders; those at the root stay open, or nothing would be seen.
    pub fn set_all_shut(&mut self, shut: bool) {
        self.shut.clear();
        let below = |(_, node): &(usize, &Node)| node.is_folder() && node.depth > 0;
        if shut {
            self.shut.extend(self.nodes.iter().enumerate().filter(below).map(|(line, _)| line));
        }
    }

    /// The line that is seen at `row`.
    pub fn at(&self, row: usize) -> Option<(usize, &Node)> {
        self.visible().nth(row)
    }

    /// The places in torrent order of the files at and below a line that are so.
    pub fn files_at(&self, line: usize, are_so: impl Fn(&Node) -> bool) -> Vec<u32> {
        let below = self.nodes.get(line).and_then(|node| self.nodes.get(line..node.end));
        let files = below.unwrap_or_default().iter().filter(|node| !node.is_folder() && are_so(node));
        files.map(|node| node.index).collect()
    }

    /// The path of what is seen at `row`, from the torrent's root.
    pub fn path(&self, row: usize) -> Option<String> {
        let (line, node) = self.at(row)?;
        // A folder above is the nearest line before that is not as deep.
        let above = (0..node.depth).rev().scan(line, |below, depth| {
            let nodes = self.nodes.get(..*below)?;
            *below = nodes.iter().rposition(|node| node.depth == depth)?;
            Some(self.nodes[*below].name.as_str())
        });
        let mut path: Vec<_> = above.collect();
        path.reverse();
        path.push(&node.name);
        Some(path.join("/"))
    }

    /// How much these files are wanted: for each priority those that have it.
    pub fn priorities_of(&self, files: &[u32]) -> Vec<(Priority, Vec<u32>)> {
        let mut sorted = files.to_vec();
        sorted.sort_unstable();
        let have = |priority: &Priority| {
            let have = self.files().filter(|file| file.priorities.0 == *priority).map(|file| file.index);
            have.filter(|index| sorted.binary_search(index).is_ok()).collect::<Vec<_>>()
        };
        let all = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
        all.iter()
            .map(|priority| (*priority, have(priority)))
            .filter(|(_, files)| !files.is_empty())
            .collect()
    }

    /// Every file, in torrent order.
    pub fn files(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| !node.is_folder())
    }

    /// The places in torrent order of all files.
    pub fn all_files(&self) -> Vec<u32> {
        self.files().map(|node| node.index).collect()
    }
}

/// Leaves folders until `depth` are open.
fn close(nodes: &mut [Node], open: &mut Vec<(usize, &str)>, depth: usize) {
    let end = nodes.len();
    for (at, _) in open.drain(depth.min(open.len())..) {
        nodes[at].end = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> FileTree {
        let file = |(index, path): (usize, &&str)| FileStats {
            index: index as u32,
            path: path.split('/').map(Into::into).collect(),
            size: 10,
            have: 5,
            priority: if index == 1 { Priority::Skip } else { Priority::Normal },
        };
        FileTree::new(&paths.iter().enumerate().map(file).collect::<Vec<_>>())
    }

    fn check(tree: &FileTree, want: &[&str]) {
        let seen: Vec<_> = tree
            .visible()
            .map(|(_, node)| format!("{}{}:{}", " ".repeat(node.depth), node.name, node.size))
            .collect();
        assert_eq!(seen, want);
    }

    #[test]
    fn folders_sum_up_and_shut() {
        let mut tree = tree(&["t/a/1", "t/a/2", "t/b/3", "t/4"]);
        check(&tree, &["t:40", " a:20", "  1:10", "  2:10", " b:10", "  3:10", " 4:10"]);
        assert!(tree.set_shut(1, true));
        check(&tree, &["t:40", " a:20", " b:10", "  3:10", " 4:10"]);
        assert!(!tree.set_shut(3, true), "a file");
        assert!(tree.set_shut(0, true));
        check(&tree, &["t:40"]);
        assert!(!tree.set_shut(7, true), "past the end");
    }

    #[test]
    fn a_folder_stands_for_the_files_below_and_shows_their_mix() {
        let mut tree = tree(&["t/a/1", "t/a/2", "t/b/3", "t/4"]);
        let check = |tree: &FileTree, row, files: &[u32], priorities| {
            let (line, node) = tree.at(row).unwrap();
            assert_eq!((tree.files_at(line, |_| true), node.priorities), (files.to_vec(), priorities));
        };
        let (skip, normal) = (Priority::Skip, Priority::Normal);
        check(&tree, 0, &[0, 1, 2, 3], (skip, normal));
        check(&tree, 3, &[1], (skip, skip));
        check(&tree, 4, &[2], (normal, normal));
        tree.set_all_shut(true);
        check(&tree, 1, &[0, 1], (skip, normal));
        check(&tree, 2, &[2], (normal, normal));
        assert_eq!(tree.visible().count(), 4);
        tree.set_all_shut(false);
        assert_eq!(tree.visible().count(), 7);
        assert_eq!(tree.all_files(), [0, 1, 2, 3]);
        let before = tree.priorities_of(&[3, 1, 0]);
        assert_eq!(before, [(skip, vec![1]), (normal, vec![0, 3])]);
        let paths: Vec<_> = (0..8).map_while(|row| tree.path(row)).collect();
        assert_eq!(paths, ["t", "t/a", "t/a/1", "t/a/2", "t/b", "t/b/3", "t/4"]);
    }

    #[test]
    fn one_file_and_none() {
        check(&tree(&["alone.iso"]), &["alone.iso:10"]);
        check(&tree(&[]), &[]);
    }
}
