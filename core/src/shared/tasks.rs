//! Every task of an engine, counted: so that a shutdown can wait for them and a test can see that
//! nothing is left.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};

/// Spawns on the engine's runtime and counts what lives.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    /// The right to keep a processor busy.
    cores: Arc<Semaphore>,
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
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { runtime, cores: Arc::new(Semaphore::new(cores)), alive: watch::Sender::new(0) }
    }

    /// Does on a thread of its own, of this name, what would keep one of the runtime's busy for long; as many at once
    /// as there are cores. `None`: the system gives no thread. Who does not wait for it any more is not held up
    /// by it.
    pub fn compute<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let cores = self.cores.clone();
        async move {
            let permit = cores.acquire_owned().await.ok()?;
            let (answer, result) = oneshot::channel();
            let work = move || {
                let _permit = permit;
                let _ = answer.send(work());
            };
            std::thread::Builder::new().name(name.into()).spawn(work).ok()?;
            result.await.ok()
        }
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
