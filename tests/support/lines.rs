//! JSON lines that a child process prints: all are kept, and can be waited for in any order.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use serde_json::Value;

use crate::wait::Deadline;

/// How many of the last lines a failure shows.
const SHOWN: usize = 30;

/// All lines so far.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    shared: Arc<(Mutex<Heard>, Condvar)>,
}

#[derive(Debug, Default)]
struct Heard {
    lines: Vec<Value>,
    ended: bool,
}

impl Lines {
    /// Collects the lines of `stream` on a thread that ends with it.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let into = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // What is no JSON is kept as a string: a failure shows it, and no test takes it for an event.
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                into.change(|heard| heard.lines.push(value));
            }
            into.change(|heard| heard.ended = true);
        });
        lines
    }

    fn change(&self, how: impl FnOnce(&mut Heard)) {
        let (heard, changed) = &*self.shared;
        how(&mut heard.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }

    /// The first line that `wanted` accepts, among those that came and those that come.
    ///
    /// # Errors
    /// The last lines, when the deadline passes or the stream ends first.
    pub fn find(&self, deadline: Deadline, mut wanted: impl FnMut(&Value) -> bool) -> Result<Value, String> {
        let (heard, changed) = &*self.shared;
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = 0;
        loop {
            if let Some(line) = heard.lines[seen..].iter().find(|line| wanted(line)) {
                return Ok(line.clone());
            }
            seen = heard.lines.len();
            let (false, Some(left)) = (heard.ended, deadline.left()) else {
                let why = if heard.ended { "the stream ended" } else { "the deadline passed" };
                return Err(format!("{why}; the last lines:\n{}", last(&heard.lines)));
            };
            heard = changed.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All lines up to the end of the stream.
    ///
    /// # Errors
    /// The last lines, when the deadline passes first.
    pub fn to_end(&self, deadline: Deadline) -> Result<Vec<Value>, String> {
        let (heard, changed) = &*self.shared;
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        while !heard.ended {
            let Some(left) = deadline.left() else {
                return Err(format!("the deadline passed; the last lines:\n{}", last(&heard.lines)));
            };
            heard = changed.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(heard.lines.clone())
    }
}

fn last(lines: &[Value]) -> String {
    let from = lines.len().saturating_sub(SHOWN);
    lines[from..].iter().map(|line| format!("  {line}\n")).collect()
}
