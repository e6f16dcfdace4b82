//! A paste that comes in one read with an Esc before it. crossterm takes `ESC ESC` for one Esc and hands out
//! the rest, `[200~` and what was pasted, as keys that were typed: they must not act.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::message::Message;

/// What is left of the sequence that begins a paste, without its Esc.
const BEGIN: &str = "[200~";

/// Looks through the keys of what was read at once. Nobody types these five behind an Esc within
/// milliseconds.
#[derive(Debug, Default)]
pub struct AfterEsc {
    /// Keys that may be the begin of a paste; `None`: no Esc was just there.
    held: Option<Vec<KeyEvent>>,
    /// What was pasted: all up to the next Esc or the end of what was read, because crossterm swallows the sequence at the
    /// end of the paste.
    pasted: Option<String>,
}

impl AfterEsc {
    /// Takes a key, and gives what it means.
    pub fn key(&mut self, key: KeyEvent) -> Vec<Message> {
        let esc = key.code == KeyCode::Esc;
        match &mut self.pasted {
            // Terminals take Esc out of what they paste: this one was typed.
            Some(_) if esc => {
                let mut news = std::mem::take(self).end();
                news.extend(self.key(key));
                return news;
            }
            Some(text) => {
                text.extend(text_of(key));
                return Vec::new();
            }
            None => {}
        }
        match &mut self.held {
            Some(held) if key.code == KeyCode::Char(next(held)) => {
                held.push(key);
                if held.len() == BEGIN.len() {
                    self.held = None;
                    self.pasted = Some(String::new());
                }
                Vec::new()
            }
            held => {
                let before = std::mem::replace(held, esc.then(Vec::new));
                let keys = before.into_iter().flatten().chain([key]);
                keys.map(Message::Key).collect()
            }
        }
    }

    /// Nothing more came, or something that is no key: gives what was held back.
    pub fn end(self) -> Vec<Message> {
        let keys = self.held.into_iter().flatten().map(Message::Key);
        keys.chain(self.pasted.map(Message::Paste)).collect()
    }
}

/// The character that a paste would go on with.
fn next(held: &[KeyEvent]) -> char {
    BEGIN.chars().nth(held.len()).unwrap_or_default()
}

/// What a terminal sends for a key is what was pasted.
fn text_of(key: KeyEvent) -> Option<char> {
    let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char(char) if plain => Some(char),
        KeyCode::Tab => Some('\t'),
        KeyCode::Enter => Some('\n'),
        // A line feed.
        KeyCode::Char('j') if key.modifiers == KeyModifiers::CONTROL => Some('\n'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(keys: &str) -> Vec<String> {
        let mut after_esc = AfterEsc::default();
        let key = |char| match char {
            '\x1b' => KeyCode::Esc,
            '\n' => KeyCode::Enter,
            char => KeyCode::Char(char),
        };
        let keys = keys.chars().map(|char| KeyEvent::new(key(char), KeyModifiers::NONE));
        let mut news: Vec<_> = keys.flat_map(|key| after_esc.key(key)).collect();
        news.extend(after_esc.end());
        let words = |news: &Message| match news {
            Message::Key(key) => format!("{}", key.code),
            Message::Paste(text) => format!("paste {text:?}"),
            other => format!("{other:?}"),
        };
        news.iter().map(words).collect()
    }

    #[test]
    fn a_paste_behind_an_esc_is_no_keys() {
        assert_eq!(told("a\x1b[200~qq\nd"), ["a", "Esc", "paste \"qq\\nd\""]);
        assert_eq!(told("\x1b[200~"), ["Esc", "paste \"\""]);
        assert_eq!(told("\x1b[200~q\x1bq"), ["Esc", "paste \"q\"", "Esc", "q"]);
    }

    #[test]
    fn keys_behind_an_esc_are_keys() {
        assert_eq!(told("\x1bq"), ["Esc", "q"]);
        assert_eq!(told("\x1b[20q"), ["Esc", "[", "2", "0", "q"]);
        assert_eq!(told("\x1b[2\x1b["), ["Esc", "[", "2", "Esc", "["]);
        assert_eq!(told("[200~q"), ["[", "2", "0", "0", "~", "q"]);
    }
}
