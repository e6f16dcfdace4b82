//! The table is sound: no key twice, no name twice, nothing that multiplexers eat.

use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyEvent};

use super::find::sequence;
use super::*;

#[test]
fn no_place_has_a_key_twice() {
    for context in Context::ALL {
        let mut seen = HashSet::new();
        for place in context.stack() {
            for key in of(*place).flat_map(|binding| binding.keys.split(' ')) {
                // On the map of pieces these move to the side, and only Esc goes back.
                let sideways = ["h", "Left", "l", "Right"].contains(&key);
                if context == Context::Pieces && *place != Context::Pieces && sideways {
                    continue;
                }
                assert!(seen.insert(key), "{context:?}: {key}");
            }
        }
    }
}

#[test]
fn no_key_hides_behind_the_start_of_a_sequence() {
    for context in Context::ALL {
        let keys: Vec<_> = context
            .stack()
            .iter()
            .flat_map(|place| of(*place))
            .flat_map(|binding| binding.keys.split(' '))
            .collect();
        for (first, _) in keys.iter().filter_map(|keys| sequence(keys)) {
            assert!(!keys.contains(&first.to_string().as_str()), "{context:?}: {first}");
        }
    }
}

#[test]
fn every_key_is_one_and_does_what_the_table_says() {
    for context in Context::ALL {
        for binding in of(context) {
            assert!(!binding.words.is_empty());
            for key in binding.keys.split(' ') {
                let (before, event) = press(key);
                let front = if context.stack().contains(&context) { context } else { Context::List };
                assert_eq!(find(front, event, before), Found::Action(binding.action), "{context:?} {key}");
            }
        }
    }
}

#[test]
fn action_names_are_unique() {
    let mut seen = HashSet::new();
    for binding in KEYMAP {
        assert!(seen.insert(binding.id), "{}", binding.id);
    }
}

#[test]
fn nothing_needs_a_key_that_terminals_and_multiplexers_take() {
    // Suspending is the one thing that is asked for with the terminal's own key.
    for binding in KEYMAP.iter().filter(|binding| binding.action != Action::Suspend) {
        let free = binding.keys.split(' ').any(|key| {
            !["^A", "^B", "^S", "^Q", "^Z", "^G", "^O", "^P", "^N", "^T"].contains(&key)
                && !key.starts_with('F')
                || key == "F"
        });
        assert!(free, "{}", binding.id);
    }
}

#[test]
fn every_tab_sort_key_and_quick_filter_has_a_key() {
    let bound: Vec<_> = KEYMAP.iter().map(|binding| binding.action).collect();
    let wanted = Tab::ALL
        .map(Action::OpenTab)
        .into_iter()
        .chain(SortKey::ALL.map(Action::Sort))
        .chain(StatusFilter::ALL.map(Action::Quick));
    for action in wanted {
        assert!(bound.contains(&action), "{action:?}");
    }
}

#[test]
fn the_readme_table_has_every_key() {
    let text = markdown();
    for binding in KEYMAP {
        assert!(text.contains(&format!("`{}`", binding.id)), "{}", binding.id);
    }
}

/// The key event for a word of the table, and the start of the sequence it ends.
fn press(key: &str) -> (Option<char>, KeyEvent) {
    if let Some((first, second)) = sequence(key) {
        return (Some(first), KeyCode::Char(second).into());
    }
    (None, crate::testing::key(key))
}
