//! What the tests of the screen share: keys by name, torrents by description.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The key with this name, as the keymap writes it.
pub fn key(name: &str) -> KeyEvent {
    let code = match name {
        "Space" => KeyCode::Char(' '),
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "BackTab" => KeyCode::BackTab,
        "Del" => KeyCode::Delete,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Backspace" => KeyCode::Backspace,
        "F1" => KeyCode::F(1),
        name => {
            let letter = name.chars().next_back().expect("a key has a name");
            if name.len() > 1 && name.starts_with('^') {
                return KeyEvent::new(KeyCode::Char(letter.to_ascii_lowercase()), KeyModifiers::CONTROL);
            }
            KeyCode::Char(letter)
        }
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}
