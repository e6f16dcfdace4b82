//! Panics: the terminal first, then the message, then an orderly end with an exit code that tells.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the program ends with after a panic on any thread; the same as std's for the main thread.
pub const EXIT_CODE: u8 = 101;

static HAPPENED: AtomicBool = AtomicBool::new(false);

/// From now on a panic on any thread gives the terminal back, prints its message, is logged, and
/// calls `tell`, so that the program can end in order.
pub fn watch(tell: impl Fn() + Send + Sync + 'static) {
    tc_ui::terminal::restore_on_panic();
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        next(panic);
        tracing::error!("{panic}");
        HAPPENED.store(true, Ordering::Release);
        tell();
    }));
}

/// Whether any thread panicked since [`watch`].
pub fn happened() -> bool {
    HAPPENED.load(Ordering::Acquire)
}

/// Panics if the environment asks for it at this `point`; only in builds with debug assertions, for
/// the tests of what a panic leaves behind.
pub fn test_point(point: &str) {
    #[cfg(debug_assertions)]
    if std::env::var_os("TC_TUI_TEST_PANIC").is_some_and(|wanted| wanted == point) {
        panic!("asked to panic at {point}");
    }
    #[cfg(not(debug_assertions))]
    let _ = point;
}
