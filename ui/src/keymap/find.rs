//! Which binding of the table a key means, where it was pressed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Binding, Context, KEYMAP, of};
use crate::message::Action;

/// What the keys pressed so far mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This.
    Action(Action),
    /// The start of a sequence.
    Prefix(char),
    /// Nothing here.
    Nothing,
}

/// Looks a key up where `context` is in front; `before` is the start of a sequence.
pub fn find(context: Context, key: KeyEvent, before: Option<char>) -> Found {
    let mut prefix = None;
    for place in context.stack() {
        for binding in KEYMAP.iter().filter(|binding| binding.context == *place) {
            for keys in binding.keys.split(' ') {
                match sequence(keys) {
                    Some((first, second)) => {
                        if before == Some(first) && is(second, key) {
                            return Found::Action(binding.action);
                        }
                        if is(first, key) {
                            prefix = Some(first);
                        }
                    }
                    None if before.is_none() && matches(keys, key) => return Found::Action(binding.action),
                    None => {}
                }
            }
        }
    }
    prefix.filter(|_| before.is_none()).map_or(Found::Nothing, Found::Prefix)
}

/// What a key without a meaning here would do in another pane, where it has one.
pub fn elsewhere(context: Context, key: KeyEvent) -> Option<&'static Binding> {
    const PANES: [Context; 6] = [
        Context::List,
        Context::Listing,
        Context::Torrent,
        Context::Files,
        Context::Trackers,
        Context::Events,
    ];
    let other = PANES.into_iter().filter(|place| !context.stack().contains(place));
    other.flat_map(of).find(|binding| binding.keys.split(' ').any(|keys| matches(keys, key)))
}

/// Two letters that are pressed one after the other.
pub(super) fn sequence(keys: &str) -> Option<(char, char)> {
    let mut chars = keys.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(first), Some(second), None) if first.is_ascii_lowercase() && second.is_ascii_lowercase() => {
            Some((first, second))
        }
        _ => None,
    }
}

fn is(wanted: char, key: KeyEvent) -> bool {
    key.code == KeyCode::Char(wanted) && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// The keys that the table calls by a name.
pub(crate) fn named(name: &str) -> Option<KeyCode> {
    Some(match name {
        "Space" => KeyCode::Char(' '),
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "BackTab" => KeyCode::BackTab,
        "Del" => KeyCode::Delete,
        "Backspace" => KeyCode::Backspace,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "F1" => KeyCode::F(1),
        _ => return None,
    })
}

fn matches(wanted: &str, key: KeyEvent) -> bool {
    let Some(code) = named(wanted) else {
        let mut chars = wanted.chars();
        return match (chars.next(), chars.next()) {
            (Some('^'), Some(letter)) => {
                key.modifiers.contains(KeyModifiers::CONTROL)
                    && key.code == KeyCode::Char(letter.to_ascii_lowercase())
            }
            (Some(letter), None) => is(letter, key),
            _ => false,
        };
    };
    key.code == code && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}
