//! Bytes as what happens at a terminal, for the fuzzer: keys, pastes, sizes and time in any order.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tc_core::untrusted::is_harmful;

use super::{Stage, deliveries, rows, torrents};
use crate::message::Message;

/// Keys that are no letters.
const NAMED: [KeyCode; 18] = [
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Tab,
    KeyCode::BackTab,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Delete,
    KeyCode::Backspace,
    KeyCode::Insert,
    KeyCode::F(1),
    KeyCode::F(12),
    KeyCode::Null,
];

/// Steps after which the rest is left away: what fails, fails in a few.
const STEPS: usize = 200;

/// Plays the bytes: the first two are the size, then each is a step.
///
/// # Panics
/// The dashboard does, or draws what leaves its screen or what a terminal would obey.
pub fn replay(bytes: &[u8]) {
    let Some((&[width, height], mut rest)) = bytes.split_first_chunk::<2>() else { return };
    let size = |width: u8, height: u8| (u16::from(width).max(1), u16::from(height / 4).max(1));
    let list = if width % 8 == 0 { Vec::new() } else { torrents() };
    let mut stage = Stage::new(size(width, height), list);
    stage.state.look.ascii = height % 4 == 0;
    stage.tell(Message::Deliveries(deliveries()));
    for _ in 0..STEPS {
        let Some((&step, after)) = rest.split_first() else { break };
        rest = after;
        match step {
            b' '..=b'~' => stage.press(KeyCode::Char(char::from(step)).into()),
            0..=17 => stage.press(NAMED[usize::from(step)].into()),
            18..=31 => stage.wait(Duration::from_millis(1 << (step - 18 + 3))),
            127..=159 => {
                let letter = char::from(step - 127 + b'a').min('z');
                stage.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL));
            }
            160..=191 => {
                // A paste: so many bytes.
                let (text, after) = rest.split_at(rest.len().min(usize::from(step) - 159));
                rest = after;
                stage.tell(Message::Paste(String::from_utf8_lossy(text).into_owned()));
            }
            192..=207 => {
                let Some((&[width, height], after)) = rest.split_first_chunk::<2>() else { break };
                rest = after;
                let (columns, lines) = size(width, height);
                stage.tell(Message::Resize(columns, lines));
            }
            208..=223 => drop(stage.rows()),
            // Letters that no keyboard map knows.
            _ => {
                let c = char::from_u32(
                    u32::from(step - 224) << 12 | u32::from(rest.first().copied().unwrap_or(0)),
                );
                stage.press(KeyCode::Char(c.unwrap_or('\u{fffd}')).into());
            }
        }
    }
    let buffer = stage.buffer();
    for row in rows(&buffer) {
        assert!(!row.contains(is_harmful), "{row:?}");
    }
}
