//! Patterns of the event log as a person types or pastes them: they name kinds that there are, or one is
//! told back in a way that is harmless to show.

use tc_core::event::{EventBus, KINDS};
use tc_core::untrusted::is_harmful;

pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let known = |word: &str| {
        KINDS.iter().any(|kind| {
            let family = kind.name.split('.').next().unwrap_or_default();
            word == "*" || word == kind.name || word == format!("{family}.*")
        })
    };
    let mut words = text.split_whitespace();
    match EventBus::hub().subscribe(&text) {
        Ok(_) => assert!(words.next().is_some() && text.split_whitespace().all(known)),
        Err(error) => {
            assert!(text.contains(&error.pattern));
            assert!(text.trim().is_empty() || words.any(|word| word == error.pattern && !known(word)));
            assert!(!error.to_string().chars().any(is_harmful), "{error:?}");
        }
    }
}
