//! The only place where names become addresses: own threads, a deadline, a bounded queue, a cache.
//!
//! The system's look-up blocks for as long as it likes, half a minute with a dead server. Here it
//! blocks one of a few threads, never a worker of the runtime; whoever asked gives up at the deadline,
//! and a hundred questions for one name are a single look-up.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use std::collections::HashMap;

use tokio::sync::watch;

use super::stub::Stub;

#[cfg(test)]
mod tests;

/// How long anybody waits for a name.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long an answer is good for. The system does not tell the record's own time; five minutes follow
/// a dynamic address quickly enough.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How long a failure is believed.
const FRESH_FAILURE: Duration = Duration::from_secs(30);

/// Names kept: more trackers than a full seedbox has.
const NAMES: usize = 512;

/// Names that wait for a thread. With all threads stuck the later ones are told so at once.
const QUEUE: usize = 256;

/// Addresses kept of one name and family; some names have a thousand.
const ADDRESSES: usize = 8;

/// Bytes of a host name (RFC 1035).
const MAX_NAME: usize = 253;

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The text cannot be a host name.
    #[error("not a host name")]
    BadName,
    /// The system says so.
    #[error("{0}")]
    Failed(Arc<str>),
    /// The system says nothing.
    #[error("no answer from the name server in {} s", DEADLINE.as_secs())]
    Timeout,
    /// More names are waiting than is reasonable.
    #[error("too many names are being looked up")]
    Busy,
    /// The resolver was shut down.
    #[error("shutting down")]
    Stopped,
}

type Answer = Result<Arc<[IpAddr]>, ResolveError>;
type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Looks names up. Clones share threads and cache; the threads end after the last one is dropped.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
    _last: Arc<CloseOnDrop>,
}

struct CloseOnDrop(Arc<Shared>);

struct Shared {
    lookup: Box<Lookup>,
    /// Held for a look into the cache or the queue, never for a look-up of a name.
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    names: HashMap<Arc<str>, Name>,
    queue: VecDeque<Arc<str>>,
    /// Nothing is looked up any more; what is known still holds.
    only_known: bool,
    closed: bool,
}

enum Name {
    /// Queued or being looked up; whoever asks waits here.
    Pending(watch::Sender<Option<Answer>>),
    Known {
        answer: Answer,
        since: Instant,
    },
}

impl Resolver {
    /// Starts this many threads over a stub of our own, or over the system's resolver.
    ///
    /// # Errors
    /// There are no threads to be had.
    pub fn start(threads: usize, stub: Option<Stub>) -> io::Result<Self> {
        if let Some(stub) = stub {
            return Self::with_lookup(threads, move |name| stub.look_up(name));
        }
        Self::with_lookup(threads, |name| Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect()))
    }

    /// Starts this many threads over `lookup`, which may block and is called without any lock.
    pub fn with_lookup(
        threads: usize,
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let lookup = Box::new(lookup);
        let shared = Arc::new(Shared { lookup, state: Mutex::default(), work: Condvar::new() });
        let resolver = Self { shared: shared.clone(), _last: Arc::new(CloseOnDrop(shared.clone())) };
        for i in 0..threads.max(1) {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("names-{i}")).spawn(move || shared.work())?;
        }
        Ok(resolver)
    }

    /// The addresses of `host`, a name or a literal address with or without brackets, each with `port`;
    /// at most eight of each family, never none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let with_port =
            |ips: &[IpAddr]| Ok(ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect::<Vec<_>>());
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return with_port(&[ip]);
        }
        let mut pending = match self.shared.ask(host)? {
            Asked::Known(answer) => return with_port(&answer?),
            Asked::Pending(pending) => pending,
        };
        let answer = tokio::time::timeout(DEADLINE, pending.wait_for(Option::is_some)).await;
        match answer {
            Err(_) => Err(ResolveError::Timeout),
            Ok(Err(_)) => Err(ResolveError::Stopped),
            Ok(Ok(answer)) => with_port(&answer.clone().ok_or(ResolveError::Stopped)??),
        }
    }

    /// Forgets what failed: there is another way to ask now.
    pub fn try_again(&self) {
        let failed = |name: &Name| matches!(name, Name::Known { answer: Err(_), .. });
        self.shared.lock().names.retain(|_, name| !failed(name));
    }

    /// From now on answers only from what it knows, however old that is: at the exit nobody waits for a
    /// name server.
    pub fn only_known(&self) {
        self.shared.lock().only_known = true;
    }

    /// Ends the threads, those stuck in a look-up once it returns, and fails who waits. Does not block.
    pub fn shutdown(&self) {
        self.shared.close();
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

enum Asked {
    Known(Answer),
    Pending(watch::Receiver<Option<Answer>>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so what it guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, host: &str) -> Result<Asked, ResolveError> {
        let visible = |byte: u8| byte.is_ascii_graphic() && !b"/\\@?#[]:%".contains(&byte);
        if host.is_empty() || host.len() > MAX_NAME || !host.bytes().all(visible) {
            return Err(ResolveError::BadName);
        }
        let host: Arc<str> = host.to_ascii_lowercase().into();
        let mut state = self.lock();
        if state.closed {
            return Err(ResolveError::Stopped);
        }
        match state.names.get(&host) {
            Some(Name::Pending(pending)) => return Ok(Asked::Pending(pending.subscribe())),
            Some(Name::Known { answer, since }) if is_fresh(answer, *since) => {
                return Ok(Asked::Known(answer.clone()));
            }
            Some(Name::Known { answer, .. }) if state.only_known => return Ok(Asked::Known(answer.clone())),
            _ => {}
        }
        if state.only_known {
            return Err(ResolveError::Stopped);
        }
        if state.queue.len() >= QUEUE {
            return Err(ResolveError::Busy);
        }
        state.make_room();
        let (sender, receiver) = watch::channel(None);
        state.names.insert(host.clone(), Name::Pending(sender));
        state.queue.push_back(host);
        self.work.notify_one();
        Ok(Asked::Pending(receiver))
    }

    /// One thread's life.
    fn work(&self) {
        while let Some(host) = self.next_name() {
            let answer = match (self.lookup)(&host) {
                Ok(ips) => pick(ips),
                Err(error) => Err(ResolveError::Failed(error.to_string().into())),
            };
            let known = Name::Known { answer: answer.clone(), since: Instant::now() };
            let before = self.lock().names.insert(host, known);
            if let Some(Name::Pending(waiting)) = before {
                waiting.send_replace(Some(answer));
            }
        }
    }

    /// The next name that somebody still waits for; `None` at the end.
    fn next_name(&self) -> Option<Arc<str>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            match state.queue.pop_front() {
                Some(host) if state.is_wanted(&host) => return Some(host),
                Some(host) => drop(state.names.remove(&host)),
                None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queue.clear();
        // Dropping the senders tells whoever waits.
        state.names.clear();
        drop(state);
        self.work.notify_all();
    }
}

impl State {
    fn is_wanted(&self, host: &str) -> bool {
        matches!(self.names.get(host), Some(Name::Pending(waiting)) if waiting.receiver_count() > 0)
    }

    /// Keeps the cache below its size: what is stale goes, else what is oldest. Names being looked up
    /// stay; the queue and the number of threads bound those.
    fn make_room(&mut self) {
        if self.names.len() < NAMES {
            return;
        }
        self.names.retain(|_, name| match name {
            Name::Pending(_) => true,
            Name::Known { answer, since } => is_fresh(answer, *since),
        });
        if self.names.len() < NAMES {
            return;
        }
        let known = self.names.iter().filter_map(|(host, name)| match name {
            Name::Known { since, .. } => Some((*since, host.clone())),
            Name::Pending(_) => None,
        });
        if let Some((_, oldest)) = known.min() {
            self.names.remove(&oldest);
        }
    }
}

fn is_fresh(answer: &Answer, since: Instant) -> bool {
    since.elapsed() < if answer.is_ok() { FRESH } else { FRESH_FAILURE }
}

/// A few addresses of each family, in the system's order (RFC 6724), without repeats.
fn pick(ips: Vec<IpAddr>) -> Answer {
    let (mut picked, mut v4, mut v6) = (Vec::new(), 0, 0);
    for ip in ips {
        let count = if ip.is_ipv4() { &mut v4 } else { &mut v6 };
        if *count < ADDRESSES && !picked.contains(&ip) {
            *count += 1;
            picked.push(ip);
        }
    }
    if picked.is_empty() {
        return Err(ResolveError::Failed("the name has no address".into()));
    }
    Ok(picked.into())
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.shared.lock();
        write!(f, "Resolver({} names, {} waiting)", state.names.len(), state.queue.len())
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(&resolver, name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
