//! A queue for disk threads: many post, some take, and taking a whole hand at once is one lock.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue whose length is bounded by those who post: each job holds a credit, or is one of a few
/// per storage.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    jobs: VecDeque<T>,
    open: bool,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { inner: Mutex::new(Inner { jobs: VecDeque::new(), open: true }), filled: Condvar::new() }
    }

    /// Posts a job, or gives it back when the queue is closed.
    pub(crate) fn push(&self, job: T) -> Result<(), T> {
        let mut inner = self.lock();
        if !inner.open {
            return Err(job);
        }
        inner.jobs.push_back(job);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for jobs and moves up to `most` of them to `into`, oldest first. False when the queue
    /// is closed and empty.
    pub(crate) fn take(&self, into: &mut Vec<T>, most: usize) -> bool {
        let mut inner = self.lock();
        while inner.jobs.is_empty() {
            if !inner.open {
                return false;
            }
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let count = most.min(inner.jobs.len());
        into.extend(inner.jobs.drain(..count));
        true
    }

    /// Refuses new jobs; those that wait are still taken.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Jobs are moved in and out whole, so a panic elsewhere leaves the queue usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
