//! Waiting for something to become true, never longer than a deadline.

use std::time::{Duration, Instant};

/// Between two looks. Short beside what is waited for (seconds), long beside what a look costs.
const LOOK: Duration = Duration::from_millis(100);

/// When waiting is over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So many seconds from now.
    pub fn seconds(seconds: u64) -> Self {
        Self(Instant::now() + Duration::from_secs(seconds))
    }

    /// What is left of it; `None` once it has passed.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// Looks until `look` finds something, and returns that.
///
/// # Panics
/// When the deadline passes first; `what` says what did not happen.
pub fn until<T>(deadline: Deadline, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        let Some(left) = deadline.left() else { panic!("in vain waited for {what}") };
        rest(left.min(LOOK));
    }
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a condition with a deadline")]
fn rest(time: Duration) {
    std::thread::sleep(time);
}
