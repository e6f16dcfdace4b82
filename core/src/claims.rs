//! Which torrents use which files, so that no two write the same one.
//!
//! A torrent claims its *roots*: what it puts directly into its save path, most often one name. Files
//! are only compared where one root lies in another, so a list of ten thousand torrents costs a few
//! look-ups. Paths are compared as they are written: nothing here asks the disk, and a symbolic link
//! between two folders is not seen through.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::sync::watch;

use crate::metainfo::FileEntry;
use crate::untrusted::Untrusted;

#[cfg(test)]
mod tests;

/// A claim, to take it back by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(u64);

/// The files of all torrents on a list.
#[derive(Debug, Default)]
pub struct Claims {
    claims: FxHashMap<ClaimId, Claim>,
    /// By absolute path. What lies below a path follows it in this order.
    roots: BTreeMap<PathBuf, Vec<ClaimId>>,
    next: u64,
}

#[derive(Debug)]
struct Claim {
    name: Untrusted,
    files: Arc<[FileEntry]>,
    save_path: PathBuf,
    /// It was taken off the list; its files are free when this is true.
    leaving: Option<watch::Receiver<bool>>,
}

/// Somebody else uses a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Which.
    pub path: PathBuf,
    /// Who.
    pub by: String,
}

impl Claims {
    /// Whether these files are free, the folder `state` and what lies in it being taken.
    ///
    /// # Errors
    /// The first file that is not.
    pub fn look(&self, state: Option<&Path>, save_path: &Path, files: &[FileEntry]) -> Result<(), InUse> {
        self.look_past(&[], state, save_path, files)
    }

    /// The same for one that has claims already, which do not stand in its own way.
    ///
    /// # Errors
    /// The first file that is not free.
    pub fn look_past(
        &self,
        own: &[ClaimId],
        state: Option<&Path>,
        save_path: &Path,
        files: &[FileEntry],
    ) -> Result<(), InUse> {
        let save_path = absolute(save_path);
        let wanted = Files::of(&save_path, files);
        if let Some(state) = state.map(absolute)
            && let Some(path) =
                wanted.first_at(&state).or(save_path.starts_with(&state).then_some(&save_path))
        {
            return Err(InUse { path: path.clone(), by: "the state folder".into() });
        }
        let near = self.near(&save_path, files).filter(|(id, _)| !own.contains(id));
        for claim in near.map(|(_, claim)| claim).filter(|claim| claim.leaving.is_none()) {
            let mut theirs = claim.files();
            if let Some(path) = theirs.find_map(|path| wanted.first_at(&path).cloned()) {
                return Err(InUse { path, by: format!("the torrent {}", claim.name) });
            }
        }
        Ok(())
    }

    /// Those that use these files as yet and are about to let them go.
    pub fn leaving(&self, save_path: &Path, files: &[FileEntry]) -> Vec<watch::Receiver<bool>> {
        let save_path = absolute(save_path);
        let near = self.near(&save_path, files).filter_map(|(_, claim)| claim.leaving.clone());
        near.filter(|ended| !*ended.borrow()).collect()
    }

    /// These files are used from now on.
    pub fn add(&mut self, save_path: &Path, name: Untrusted, files: Arc<[FileEntry]>) -> ClaimId {
        self.next += 1;
        let (id, save_path) = (ClaimId(self.next), absolute(save_path));
        for root in roots(&save_path, &files) {
            self.roots.entry(root).or_default().push(id);
        }
        self.claims.insert(id, Claim { name, files, save_path, leaving: None });
        id
    }

    /// These files are free once `ended` says so.
    pub fn leave(&mut self, id: ClaimId, ended: watch::Receiver<bool>) {
        if let Some(claim) = self.claims.get_mut(&id) {
            claim.leaving = Some(ended);
        }
        let is_over = |claim: &Claim| claim.leaving.as_ref().is_some_and(|ended| *ended.borrow());
        // Those that left before, near this one; the rest is found when somebody comes near it.
        let near = self.claims.get(&id).map(|claim| roots(&claim.save_path, &claim.files));
        let over: Vec<_> = near
            .iter()
            .flatten()
            .filter_map(|root| self.roots.get(root))
            .flatten()
            .filter(|id| self.claims.get(id).is_some_and(is_over))
            .copied()
            .collect();
        over.into_iter().for_each(|id| self.forget(id));
    }

    /// These files are not used any more.
    pub fn forget(&mut self, id: ClaimId) {
        let Some(claim) = self.claims.remove(&id) else { return };
        for root in roots(&claim.save_path, &claim.files) {
            if let Some(ids) = self.roots.get_mut(&root) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.roots.remove(&root);
                }
            }
        }
    }

    /// Of these claims those are given up that are on none of these files in these folders.
    pub fn keep_at(&mut self, ids: &mut Vec<ClaimId>, places: &[(PathBuf, Arc<[FileEntry]>)]) {
        let places: Vec<_> = places.iter().map(|(folder, files)| (absolute(folder), files)).collect();
        let is_at = |claim: &Claim| {
            places.iter().any(|(folder, files)| *folder == claim.save_path && **files == claim.files)
        };
        let is_there = |id: &ClaimId| self.claims.get(id).is_some_and(is_at);
        let (kept, given_up): (Vec<_>, Vec<_>) = ids.drain(..).partition(is_there);
        given_up.into_iter().for_each(|id| self.forget(id));
        *ids = kept;
    }

    /// The claims with a root in, at or around one of these.
    fn near(&self, save_path: &Path, files: &[FileEntry]) -> impl Iterator<Item = (ClaimId, &Claim)> {
        let mut near = BTreeSet::new();
        for root in roots(save_path, files) {
            near.extend(root.ancestors().filter_map(|above| self.roots.get(above)).flatten());
            let below = self.roots.range(root.clone()..).take_while(|(path, _)| path.starts_with(&root));
            near.extend(below.flat_map(|(_, ids)| ids));
        }
        near.into_iter().filter_map(|id| Some((id, self.claims.get(&id)?)))
    }
}

impl Claim {
    fn files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let files = self.files.iter().filter(|file| !file.pad);
        files.map(|file| self.save_path.join(&file.path))
    }
}

/// The files of one torrent, by absolute path.
struct Files(BTreeSet<PathBuf>);

impl Files {
    fn of(save_path: &Path, files: &[FileEntry]) -> Self {
        let files = files.iter().filter(|file| !file.pad);
        Self(files.map(|file| save_path.join(&file.path)).collect())
    }

    /// A file that is this path, lies below it, or stands where a folder on the way to it must be.
    fn first_at(&self, path: &Path) -> Option<&PathBuf> {
        let below = self.0.range(path.to_path_buf()..).next().filter(|file| file.starts_with(path));
        below.or_else(|| path.ancestors().find_map(|above| self.0.get(above)))
    }
}

fn roots(save_path: &Path, files: &[FileEntry]) -> BTreeSet<PathBuf> {
    let files = files.iter().filter(|file| !file.pad);
    files.filter_map(|file| Some(save_path.join(file.path.components().next()?))).collect()
}

/// The path from the root folder on, without `.` and `..`.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
