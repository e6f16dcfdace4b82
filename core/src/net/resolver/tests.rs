//! The resolver over look-ups of the test's own: quick, failing, stuck.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A gate that look-ups stand at until the test lets them go, and a count of those that came.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
    came: AtomicUsize,
}

impl Gate {
    fn pass(&self) {
        self.came.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// Opens the gate also when the test fails, so that no thread is left behind.
struct OpenAtEnd(Arc<Gate>);

impl Drop for OpenAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

fn counting(lookup: fn(&str) -> io::Result<Vec<IpAddr>>) -> (Resolver, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let resolver = Resolver::with_lookup(2, move |name| {
        counter.fetch_add(1, Ordering::SeqCst);
        lookup(name)
    });
    (resolver.unwrap(), count)
}

fn gated(threads: usize) -> (Resolver, OpenAtEnd) {
    let gate = Arc::new(Gate::default());
    let inner = gate.clone();
    let resolver = Resolver::with_lookup(threads, move |_| {
        inner.pass();
        Ok(vec![[11, 0, 0, 1].into()])
    });
    (resolver.unwrap(), OpenAtEnd(gate))
}

fn one(_: &str) -> io::Result<Vec<IpAddr>> {
    Ok(vec![[11, 0, 0, 1].into(), "2a11::1".parse().unwrap(), [11, 0, 0, 1].into()])
}

#[tokio::test]
async fn names_become_addresses_once() {
    let (resolver, count) = counting(one);
    let want: Vec<SocketAddr> = vec!["11.0.0.1:80".parse().unwrap(), "[2a11::1]:80".parse().unwrap()];
    assert_eq!(resolver.resolve("Tracker.example", 80).await, Ok(want.clone()));
    assert_eq!(resolver.resolve("tracker.EXAMPLE", 80).await, Ok(want));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    resolver.resolve("other.example", 80).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn literal_addresses_need_no_look_up() {
    let (resolver, count) = counting(one);
    for host in ["11.0.0.9", "2a11::9", "[2a11::9]"] {
        assert_eq!(resolver.resolve(host, 80).await.unwrap().len(), 1, "{host}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn failures_are_told_and_believed_for_a_while() {
    let (resolver, count) = counting(|_| Err(io::Error::other("no such name")));
    for _ in 0..3 {
        let error = resolver.resolve("nowhere.example", 1).await.unwrap_err();
        assert_eq!(error.to_string(), "no such name");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (resolver, _) = counting(|_| Ok(Vec::new()));
    assert!(matches!(resolver.resolve("empty.example", 1).await, Err(ResolveError::Failed(_))));
}

#[tokio::test]
async fn texts_that_are_no_names_reach_no_system() {
    let (resolver, count) = counting(one);
    let long = "x".repeat(254);
    for host in ["", " ", "a b", "a\0b", "a/b", "a@b", "a:1", "[::1", "fe80::1%eth0", "\u{430}", &long] {
        assert_eq!(resolver.resolve(host, 1).await, Err(ResolveError::BadName), "{host:?}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_thousand_addresses_are_cut() {
    let (resolver, _) = counting(|_| {
        let v4 = (0..1_000u32).map(|i| IpAddr::from((0x0b00_0000 + i).to_be_bytes()));
        Ok(v4.chain(["2a11::1".parse().unwrap()]).collect())
    });
    assert_eq!(resolver.resolve("many.example", 1).await.unwrap().len(), ADDRESSES + 1);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_look_up_holds_nobody_longer_than_the_deadline() {
    let (resolver, gate) = gated(1);
    let Asked::Pending(_first) = resolver.shared.ask("stuck.example").unwrap() else { panic!() };
    while gate.0.came.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let begin = tokio::time::Instant::now();
    assert_eq!(resolver.resolve("stuck.example", 1).await, Err(ResolveError::Timeout));
    assert_eq!(begin.elapsed().as_secs(), DEADLINE.as_secs());
    let behind = resolver.resolve("behind.example", 1).await;
    assert_eq!(behind, Err(ResolveError::Timeout));
    assert_eq!(gate.0.came.load(Ordering::SeqCst), 1, "a second name waits for the one thread");
}

#[tokio::test]
async fn many_questions_for_one_name_are_one_look_up() {
    let (resolver, gate) = gated(4);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.resolve("busy.example", 1).await })
        })
        .collect();
    while gate.0.came.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    gate.0.open();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().len(), 1);
    }
    assert_eq!(gate.0.came.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_queue_is_bounded_and_names_that_nobody_waits_for_are_skipped() {
    let (resolver, gate) = gated(1);
    let Asked::Pending(_first) = resolver.shared.ask("first.example").unwrap() else { panic!() };
    while gate.0.came.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let mut waiting = Vec::new();
    for i in 0..QUEUE {
        waiting.push(resolver.shared.ask(&format!("n{i}.example")).unwrap());
    }
    assert_eq!(resolver.resolve("one-too-many.example", 1).await, Err(ResolveError::Busy));
    waiting.clear();
    gate.0.open();
    let last = loop {
        match resolver.resolve("last.example", 1).await {
            Err(ResolveError::Busy) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    assert_eq!(last.unwrap().len(), 1);
    assert_eq!(gate.0.came.load(Ordering::SeqCst), 2, "first and last");
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let (resolver, _) = counting(one);
    for i in 0..NAMES + 50 {
        resolver.resolve(&format!("n{i}.example"), 1).await.unwrap();
    }
    assert!(resolver.shared.lock().names.len() <= NAMES);
}

#[tokio::test]
async fn shutdown_fails_who_waits() {
    let (resolver, _gate) = gated(1);
    let waiting = tokio::spawn({
        let resolver = resolver.clone();
        async move { resolver.resolve("stuck.example", 1).await }
    });
    while resolver.shared.lock().names.is_empty() {
        tokio::task::yield_now().await;
    }
    resolver.shutdown();
    assert_eq!(waiting.await.unwrap(), Err(ResolveError::Stopped));
    assert_eq!(resolver.resolve("late.example", 1).await, Err(ResolveError::Stopped));
}

#[test]
fn threads_end_with_the_last_handle() {
    let (resolver, count) = counting(one);
    drop(resolver.clone());
    assert_eq!(Arc::strong_count(&count), 2, "the look-up lives");
    drop(resolver);
    let deadline = Instant::now() + Duration::from_secs(10);
    while Arc::strong_count(&count) > 1 {
        assert!(Instant::now() < deadline, "threads still hold the resolver");
        std::thread::yield_now();
    }
}
