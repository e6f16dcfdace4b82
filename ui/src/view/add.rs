//! The add dialog: source, folder, start, check; a list of completions; what went wrong in one line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tc_core::untrusted::clean;

use super::{dialog, style, typed, whole};
use crate::format;
use crate::keymap::Context;
use crate::message::AddStart;
use crate::state::AppState;
use crate::state::add::{AddField, AddForm, Candidates};
use crate::state::relocate::MoveForm;
use crate::theme::Role;
use crate::widget::field::Field;
use crate::widget::paint::{Pen, wrap};

/// Columns of a label.
const LABEL: usize = 11;
/// Completions that are seen at once.
const LISTED: usize = 4;

/// Draws the dialog.
pub fn draw(state: &AppState, form: &AddForm, buffer: &mut Buffer) {
    let screen = whole(buffer);
    let title = "Add torrent";
    let inner = if screen.width < 72 || screen.height < 18 {
        dialog::sheet(state, buffer, title, false, Context::Add)
    } else {
        let foot = "Enter add · Tab complete, next field · Esc cancel";
        dialog::frame(state, buffer, dialog::middle(screen, 72, 16), title, foot, false)
    };
    let mut page = Page { state, buffer, inner, y: 0 };
    page.field("Source", &form.source, form.field == AddField::Source);
    page.candidates(form, AddField::Source);
    if form.source.text().is_empty() && form.candidates.is_none() {
        page.note("a .torrent file, a magnet link, a URL or an info-hash", Role::Dim);
    }
    if !form.more.is_empty() || form.duplicates > 0 {
        let skipped = match form.duplicates {
            0 => String::new(),
            n => format!("  ({} skipped)", format::plural(n as u64, "duplicate")),
        };
        page.note(&format!("+ {} more from paste{skipped}", form.more.len()), Role::Dim);
    }
    page.y += 1;
    page.field("Save to", &form.save_to, form.field == AddField::SaveTo);
    page.candidates(form, AddField::SaveTo);
    let free = form.free_in(state);
    let free = free.map(|free| format!("{} free", format::size(free)));
    let usual = form.save_to.text().is_empty().then(|| {
        let folder = clean(&state.global.download_dir.to_string_lossy());
        if folder.is_empty() { "the usual folder".to_owned() } else { folder }
    });
    let note: Vec<_> = usual.into_iter().chain(free).collect();
    if !note.is_empty() {
        page.note(&note.join("   "), Role::Dim);
    }
    page.y += 1;
    let choice =
        |start: AddStart| format!("({}) {}", if start == form.start { '•' } else { ' ' }, start.word());
    page.choice("Start", &AddStart::ALL.map(choice).join("   "), form.field == AddField::Start);
    if form.has_magnet() {
        let files = if form.choose_files {
            "( ) all at once   (•) choose when they are known"
        } else {
            "(•) all at once   ( ) choose when they are known"
        };
        page.choice("Files", files, form.field == AddField::Files);
    }
    let check = if form.assume_complete {
        "( ) what is there   (•) skip: hash when first read"
    } else {
        "(•) what is there   ( ) skip: hash when first read"
    };
    page.choice("Check", check, form.field == AddField::Check);
    page.y += 1;
    page.about(form);
}

/// Draws the dialog that moves data.
pub fn relocate(state: &AppState, form: &MoveForm, buffer: &mut Buffer) {
    let screen = whole(buffer);
    let title = match form.torrents.as_slice() {
        [one] => state.table.row(one).map_or_else(String::new, |row| format!("Move {}", row.name)),
        many => format!("Move {}", format::plural(many.len() as u64, "torrent")),
    };
    let inner = if screen.width < 72 || screen.height < 18 {
        dialog::sheet(state, buffer, &title, false, Context::MoveTo)
    } else {
        let foot = "Enter move · Tab complete · Esc cancel";
        dialog::frame(state, buffer, dialog::middle(screen, 72, 12), &title, foot, false)
    };
    let mut page = Page { state, buffer, inner, y: 0 };
    page.field("Move to", &form.to, true);
    page.list(form.candidates.as_ref());
    if let Some(free) = form.free {
        page.note(&format!("{} free", format::size(free)), Role::Dim);
    }
    if let Some(error) = &form.error {
        page.note(&clean(error), Role::Warn);
    }
    page.y += 1;
    let rows = form.torrents.iter().filter_map(|info_hash| state.table.row(info_hash));
    let size = rows.fold(0u64, |sum, row| sum.saturating_add(row.stats.have));
    page.line("Holds", &format::size(size), Role::Text);
    page.note("Transfers stop meanwhile and then go on.", Role::Dim);
    page.note("Nothing that is there already is replaced.", Role::Dim);
}

/// Writes line by line.
struct Page<'a> {
    state: &'a AppState,
    buffer: &'a mut Buffer,
    inner: Rect,
    y: u16,
}

impl Page<'_> {
    fn line(&mut self, label: &str, text: &str, role: Role) {
        let mut pen = Pen::new(self.buffer, self.inner, self.y);
        pen.left(label, LABEL, style(self.state, Role::Dim)).put(text, style(self.state, role));
        self.y += 1;
    }

    /// What Space changes.
    fn choice(&mut self, label: &str, text: &str, focused: bool) {
        if focused {
            self.line(label, text, Role::Sel);
            self.note("Space changes it", Role::Dim);
        } else {
            self.line(label, text, Role::Text);
        }
    }

    fn note(&mut self, text: &str, role: Role) {
        self.line("", text, role);
    }

    fn field(&mut self, label: &str, field: &Field, focused: bool) {
        let room = usize::from(self.inner.width).saturating_sub(LABEL);
        if focused {
            self.line(label, &typed(field, room, self.state.look.ascii), Role::Input);
        } else {
            self.line(label, &clean(field.text()), Role::Text);
        }
    }

    fn candidates(&mut self, form: &AddForm, field: AddField) {
        self.list(form.candidates.as_ref().filter(|_| form.field == field));
    }

    fn list(&mut self, candidates: Option<&Candidates>) {
        let Some(Candidates { texts, chosen }) = candidates else { return };
        let top = chosen.unwrap_or(0).saturating_sub(LISTED - 1);
        for (at, text) in texts.iter().enumerate().skip(top).take(LISTED) {
            let role = if *chosen == Some(at) { Role::Sel } else { Role::Text };
            self.note(&clean(text), role);
        }
        if texts.len() > top + LISTED {
            self.note(&format!("… {} more", texts.len() - top - LISTED), Role::Dim);
        }
    }

    fn about(&mut self, form: &AddForm) {
        match &form.preview {
            Some(Ok(preview)) => {
                let here = preview.info_hash.is_some_and(|hash| self.state.table.row(&hash).is_some());
                let content = match preview.content {
                    Some((files, size)) => {
                        format!("{}  {}", format::plural(files as u64, "file"), format::size(size))
                    }
                    None => "files and size come later".to_owned(),
                };
                self.line("Holds", &format!("{}  {content}", clean(&preview.name)), Role::Text);
                if here {
                    self.note("already on the list", Role::Warn);
                }
                let size = preview.content.map(|(_, size)| size);
                if form.free_in(self.state).zip(size).is_some_and(|(free, size)| free < size) {
                    self.note("more than is free there", Role::Warn);
                }
            }
            Some(Err(why)) => self.line("Holds", &clean(why), Role::Warn),
            None => {}
        }
        if let Some(error) = &form.error {
            for line in wrap(&clean(error), usize::from(self.inner.width).saturating_sub(LABEL)) {
                self.note(&line, Role::Err);
            }
        } else if form.waiting > 0 {
            self.note("adding…", Role::Dim);
        }
    }
}
