//! How many trackers have yet to hear that we leave: counted, so that the screen can say how many are left.

use tokio::sync::watch;

/// Counts good-byes that are on their way or wait for their turn.
#[derive(Clone, Debug, Default)]
pub struct Goodbyes(watch::Sender<usize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Goodbye(watch::Sender<usize>);

impl Goodbyes {
    /// One more.
    pub fn begin(&self) -> Goodbye {
        self.0.send_modify(|left| *left += 1);
        Goodbye(self.0.clone())
    }

    /// How many are left.
    pub fn left(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }
}

impl Drop for Goodbye {
    fn drop(&mut self) {
        self.0.send_modify(|left| *left -= 1);
    }
}
