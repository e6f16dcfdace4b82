//! The add dialog, and what of a pasted text is a torrent.

use tc_core::magnet::Magnet;
use tc_core::types::InfoHash;

use super::AppState;
use crate::message::{AddRequest, AddStart, Preview};
use crate::widget::field::Field;

/// The fields of the dialog, from top to bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddField {
    /// What to add.
    #[default]
    Source,
    /// Where its files go.
    SaveTo,
    /// When they start.
    Start,
    /// Of a magnet: all of its files, or those that are chosen when they are known.
    Files,
    /// Data that is there is hashed, or believed.
    Check,
}

/// Candidates of a completion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Whole texts, best first.
    pub texts: Vec<String>,
    /// The one that Tab has put into the field.
    pub chosen: Option<usize>,
}

impl Candidates {
    /// Goes to the one below or above, round the ends, and gives it.
    pub fn step(&mut self, by: isize) -> Option<String> {
        let at = self.chosen.map_or(if by > 0 { -1 } else { 0 }, |at| at as isize);
        let next = (at + by).rem_euclid(self.texts.len().max(1) as isize) as usize;
        self.chosen = Some(next);
        self.texts.get(next).cloned()
    }

    /// The one that was chosen.
    pub fn taken(self) -> Option<String> {
        self.chosen.and_then(|at| self.texts.into_iter().nth(at))
    }
}

/// What the ways that a path may go on come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// There is none.
    Nothing,
    /// There is one: it is taken.
    One(String),
    /// What all begin with, and the list of them.
    Many(String, Candidates),
}

impl Offered {
    /// For a text that was typed.
    pub fn of(text: &str, mut texts: Vec<String>) -> Self {
        match texts.len() {
            0 => Self::Nothing,
            1 => Self::One(texts.remove(0)),
            _ => {
                let common = common_start(&texts);
                let start = if common.len() > text.len() { common } else { text.to_owned() };
                Self::Many(start, Candidates { texts, chosen: None })
            }
        }
    }
}

fn common_start(texts: &[String]) -> String {
    let Some((first, rest)) = texts.split_first() else { return String::new() };
    let end = first
        .char_indices()
        .take_while(|(at, c)| {
            rest.iter().all(|text| text.get(*at..).is_some_and(|tail| tail.starts_with(*c)))
        })
        .map(|(at, c)| at + c.len_utf8())
        .last()
        .unwrap_or(0);
    first[..end].to_owned()
}

/// The add dialog.
#[derive(Clone, Debug, Default)]
pub struct AddForm {
    /// What to add.
    pub source: Field,
    /// More sources of the same paste.
    pub more: Vec<String>,
    /// Sources of the paste that were there twice.
    pub duplicates: usize,
    /// Where the files go; empty: the usual folder.
    pub save_to: Field,
    /// When they start.
    pub start: AddStart,
    /// Data that is there is believed by its size, and hashed when it is first read.
    pub assume_complete: bool,
    /// A magnet pauses when its files are known, so that they can be chosen.
    pub choose_files: bool,
    /// The field that is typed into.
    pub field: AddField,
    /// How the path may go on, while a list is open.
    pub candidates: Option<Candidates>,
    /// Free bytes where the files go.
    pub free: Option<u64>,
    /// What the source holds.
    pub preview: Option<Result<Preview, String>>,
    /// Why the last try failed, in one line.
    pub error: Option<String>,
    /// Requests that wait for their answer.
    pub waiting: usize,
    /// Sources that could not be added and stay in the dialog.
    pub failed: Vec<String>,
}

impl AddForm {
    /// A dialog for these sources.
    pub fn new(mut sources: Vec<String>, duplicates: usize) -> Self {
        let first = if sources.is_empty() { String::new() } else { sources.remove(0) };
        Self { source: Field::new(&first), more: sources, duplicates, ..Self::default() }
    }

    /// Free bytes where the files go, the usual folder included.
    pub fn free_in(&self, state: &AppState) -> Option<u64> {
        self.free.or_else(|| state.global.free_space.filter(|_| self.save_to.text().is_empty()))
    }

    /// The text field that is typed into.
    pub fn typed(&mut self) -> Option<&mut Field> {
        match self.field {
            AddField::Source => Some(&mut self.source),
            AddField::SaveTo => Some(&mut self.save_to),
            AddField::Start | AddField::Files | AddField::Check => None,
        }
    }

    /// The requests that the dialog stands for.
    pub fn requests(&self) -> Vec<AddRequest> {
        std::iter::once(self.source.text())
            .chain(self.more.iter().map(String::as_str))
            .map(str::trim)
            .filter(|source| !source.is_empty())
            .map(|source| AddRequest {
                source: source.to_owned(),
                save_to: self.save_to.text().trim().to_owned(),
                start: self.start,
                assume_complete: self.assume_complete,
                choose_files: self.choose_files && self.has_magnet(),
            })
            .collect()
    }

    /// Whether files of it come to be known later.
    pub fn has_magnet(&self) -> bool {
        std::iter::once(self.source.text()).chain(self.more.iter().map(String::as_str)).any(is_magnet)
    }

    /// The fields that there are, from top to bottom.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = AddField> + Clone + use<> {
        let files = self.has_magnet();
        [AddField::Source, AddField::SaveTo, AddField::Start, AddField::Files, AddField::Check]
            .into_iter()
            .filter(move |field| files || *field != AddField::Files)
    }

    /// The torrent behind the first source, if it is known.
    pub fn known(&self) -> Option<InfoHash> {
        self.preview.as_ref()?.as_ref().ok()?.info_hash
    }
}

/// What of a pasted text is a source, in its order, and how many were there twice. `None`: nothing.
pub fn sources(pasted: &str) -> Option<(Vec<String>, usize)> {
    let mut found: Vec<String> = Vec::new();
    let mut duplicates = 0;
    let mut take = |source: &str| {
        let source = source.to_owned();
        if found.contains(&source) { duplicates += 1 } else { found.push(source) }
    };
    for line in pasted.lines().map(unquoted) {
        // A line that is one path may hold blanks.
        if is_path(line) {
            take(line);
        } else {
            line.split_whitespace().map(unquoted).filter(|word| is_source(word)).for_each(&mut take);
        }
    }
    (!found.is_empty()).then_some((found, duplicates))
}

fn is_source(word: &str) -> bool {
    is_magnet(word) || is_path(word) || is_torrent_url(word)
}

/// A magnet link or a bare info-hash.
pub fn is_magnet(word: &str) -> bool {
    let word = word.trim();
    word.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("magnet:?"))
        || Magnet::of_hash(word).is_some()
}

fn is_torrent_url(word: &str) -> bool {
    let path = word.split(['?', '#']).next().unwrap_or(word);
    is_url(word) && path.ends_with(".torrent")
}

/// What is fetched over HTTP.
pub fn is_url(word: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| word.starts_with(scheme))
}

fn is_path(text: &str) -> bool {
    let begins = ["/", "~/", "./", "../", "$", "file:///"].iter().any(|start| text.starts_with(start));
    text.ends_with(".torrent")
        && (begins || !text.contains(char::is_whitespace) && !text.contains("://"))
        && text.matches(".torrent").count() == 1
}

/// Without the quotes that terminals put round a dropped path.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pasted: &str, want: &[&str], duplicates: usize) {
        let want = (!want.is_empty()).then(|| (want.iter().map(ToString::to_string).collect(), duplicates));
        assert_eq!(sources(pasted), want, "{pasted:?}");
    }

    #[test]
    fn what_of_a_paste_is_a_source() {
        check(
            "/srv/a.torrent\n'/srv/with blank.torrent'\n",
            &["/srv/a.torrent", "/srv/with blank.torrent"],
            0,
        );
        check("a.torrent b.torrent a.torrent", &["a.torrent", "b.torrent"], 1);
        check("/x/a.torrent /x/b.torrent", &["/x/a.torrent", "/x/b.torrent"], 0);
        check(
            "magnet:?xt=urn:btih:aa https://h/x.torrent?k=1",
            &["magnet:?xt=urn:btih:aa", "https://h/x.torrent?k=1"],
            0,
        );
        check(&"a".repeat(40), &[&"a".repeat(40)], 0);
        check("dyq:quit\n", &[], 0);
        check("https://h/page.html see readme.txt", &[], 0);
        check("", &[], 0);
    }

    #[test]
    fn the_common_start_ends_between_characters() {
        let check = |texts: &[&str], want: &str| {
            assert_eq!(common_start(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()), want);
        };
        check(&["/srv/dl/video/", "/srv/dl/virtual/"], "/srv/dl/vi");
        check(&["日本", "日語"], "日");
        check(&["ä", "ö"], "");
        check(&[], "");
    }
}
