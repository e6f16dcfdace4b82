//! A line of text that is typed, with the keys of readline.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// Characters a field takes; a longer paste is cut.
const LONGEST: usize = 4_096;

/// A field and its caret.
#[derive(Clone, Debug, Default)]
pub struct Field(Input);

impl Field {
    /// A field that holds `text`, the caret behind it.
    pub fn new(text: &str) -> Self {
        Self(Input::new(text.to_owned()))
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        self.0.value()
    }

    /// Characters before the caret.
    pub fn caret(&self) -> usize {
        self.0.cursor()
    }

    /// Takes a key; says whether the text changed, `None` where the key is none for a field.
    pub fn key(&mut self, key: KeyEvent) -> Option<bool> {
        let request = request(key)?;
        if matches!(request, InputRequest::InsertChar(_)) && self.text().chars().count() >= LONGEST {
            return Some(false);
        }
        Some(self.0.handle(request).is_some_and(|changed| changed.value))
    }

    /// Takes pasted text as it is, on one line and without control characters.
    pub fn paste(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text().chars().count());
        for c in text.trim().chars().filter(|c| !c.is_control()).take(room) {
            self.0.handle(InputRequest::InsertChar(c));
        }
    }
}

fn request(key: KeyEvent) -> Option<InputRequest> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Char('a') if ctrl => InputRequest::GoToStart,
        KeyCode::Char('e') if ctrl => InputRequest::GoToEnd,
        KeyCode::Char('u') if ctrl => InputRequest::DeleteFromStart,
        KeyCode::Char('w') if ctrl => InputRequest::DeletePrevWord,
        KeyCode::Char('k') if ctrl => InputRequest::DeleteTillEnd,
        KeyCode::Char('y') if ctrl => InputRequest::Yank,
        KeyCode::Char('h') if ctrl => InputRequest::DeletePrevChar,
        KeyCode::Char('d') if ctrl => InputRequest::DeleteNextChar,
        KeyCode::Char('b') if ctrl => InputRequest::GoToPrevChar,
        KeyCode::Char('f') if ctrl => InputRequest::GoToNextChar,
        KeyCode::Char('b') if alt => InputRequest::GoToPrevWord,
        KeyCode::Char('f') if alt => InputRequest::GoToNextWord,
        KeyCode::Char(c) if !ctrl && !alt => InputRequest::InsertChar(c),
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        _ => return None,
    })
}
