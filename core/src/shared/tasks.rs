//! Every task of an engine, counted: so that a shutdown can wait for them and a test can see that
//! nothing is left.

use tokio::runtime::Handle;
use tokio::sync::watch;

/// Spawns on the engine's runtime and counts what lives.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    alive: watch::Sender<usize>,
}

struct Alive(watch::Sender<usize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|alive| *alive -= 1);
    }
}

impl Tasks {
    /// Tasks on this runtime.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, alive: watch::Sender::new(0) }
    }

    /// Starts a task. It must end by itself when the engine stops.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.alive.send_modify(|alive| *alive += 1);
        let alive = Alive(self.alive.clone());
        self.runtime.spawn(async move {
            let _alive = alive;
            task.await;
        });
    }

    /// Where they run.
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Number of tasks that have not ended.
    pub fn alive(&self) -> usize {
        *self.alive.borrow()
    }

    /// Waits until all tasks have ended.
    pub async fn ended(&self) {
        // The sender is `self`: it cannot be gone while we wait.
        let _ = self.alive.subscribe().wait_for(|alive| *alive == 0).await;
    }
}
