//! What has to be fetched before it can be added. A server may take a minute, and nothing else waits for it: each of
//! these has a thread of its own, as far as there are some.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{ERRANDS, Runner};
use crate::message::{AddRequest, Answer, Message};

/// Fetches that run at once: a slow server or two hold up nobody, and four times 64 MiB at the most is what a machine has.
pub(crate) const FETCHES: usize = 4;

/// The additions that wait or run.
pub(super) struct Fetches {
    runner: Arc<Runner>,
    /// A leaf lock, held to change a field.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// At most [`ERRANDS`].
    waiting: VecDeque<AddRequest>,
    /// At most [`FETCHES`].
    threads: usize,
}

impl Fetches {
    pub(super) fn new(runner: Arc<Runner>) -> Arc<Self> {
        Arc::new(Self { runner, state: Mutex::default() })
    }

    /// Fetches and adds it beside what else is done; an answer that is known at once is given.
    pub(super) fn post(self: &Arc<Self>, request: AddRequest) -> Option<Answer> {
        let mut state = self.state();
        if state.waiting.len() == ERRANDS {
            return Some(Answer::too_much(request));
        }
        state.waiting.push_back(request);
        if state.threads == FETCHES {
            return None;
        }
        state.threads += 1;
        drop(state);
        let this = self.clone();
        if thread::Builder::new().name("fetch".into()).spawn(move || this.run()).is_err() {
            // Slowly is better than not at all.
            self.run();
        }
        None
    }

    /// Works until nothing waits. The end of the engine ends each fetch at once.
    fn run(&self) {
        while let Some(request) = self.next() {
            let answer = self.runner.add(&request);
            if self.runner.outbox.send(Message::Answer(answer)).is_err() {
                // Nobody is there any more to be told.
                self.state().waiting.clear();
            }
        }
    }

    fn next(&self) -> Option<AddRequest> {
        let mut state = self.state();
        let next = state.waiting.pop_front();
        state.threads -= usize::from(next.is_none());
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one element or number, so a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
