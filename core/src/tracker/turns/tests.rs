//! Turns: nobody asks who may not, and nobody waits for a host that is gone.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::*;

/// The result if it is there without waiting.
fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

const SILENT: Result<(), AnnounceError> = Err(AnnounceError::Timeout);

async fn take(turns: &Turns, host: &str) -> Turn {
    turns.take(host, 1, Urgency::Regular).await.expect("nobody says that it is gone")
}

/// A host that has answered once.
async fn known(turns: &Turns, host: &str) {
    take(turns, host).await.ended(&Ok(()));
}

#[tokio::test]
async fn hosts_that_nobody_asks_are_forgotten() {
    let turns = Turns::new(5, 1);
    for port in 1..5_000 {
        drop(turns.take("t.example", port, Urgency::Regular).await);
    }
    assert!(turns.lock().hosts.len() <= HOSTS);
}

#[tokio::test]
async fn a_busy_host_leaves_room_for_others() {
    let turns = Turns::new(2, 1);
    known(&turns, "a").await;
    known(&turns, "b").await;
    let first = take(&turns, "a").await;
    let mut second = pin!(turns.take("a", 1, Urgency::Regular));
    assert!(now(second.as_mut()).is_none());
    // Who waits for its host takes no place of the others.
    let _other = take(&turns, "b").await;
    drop(first);
    second.await.unwrap();
}

#[tokio::test]
async fn a_host_that_has_not_answered_gets_few_questions_and_one_that_has_gets_more() {
    let turns = Turns::new(50, 6);
    let asking = async |most: usize| {
        let held: Vec<_> = futures(&turns, "a", most).await;
        assert!(now(pin!(turns.take("a", 1, Urgency::Regular))).is_none(), "more than {most}");
        held
    };
    drop(asking(2).await);
    known(&turns, "a").await;
    drop(asking(6).await);
    take(&turns, "a").await.ended(&SILENT);
    drop(asking(2).await);
}

async fn futures(turns: &Turns, host: &str, n: usize) -> Vec<Turn> {
    let mut held = Vec::new();
    for _ in 0..n {
        held.push(take(turns, host).await);
    }
    held
}

#[tokio::test]
async fn hosts_that_do_not_answer_leave_half_of_the_turns_to_those_that_do() {
    let turns = Turns::new(4, 2);
    known(&turns, "good").await;
    let _dead = (take(&turns, "dead.1").await, take(&turns, "dead.2").await);
    let mut third = pin!(turns.take("dead.3", 1, Urgency::Regular));
    assert!(now(third.as_mut()).is_none());
    let _good = futures(&turns, "good", 2).await;
}

#[tokio::test]
async fn all_who_wait_for_a_dead_host_hear_of_it_at_once() {
    let turns = Turns::new(50, 6);
    let (first, second) = (take(&turns, "dead").await, take(&turns, "dead").await);
    let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(turns.take("dead", 1, Urgency::Event))).collect();
    assert!(waiting.iter_mut().all(|wait| now(wait.as_mut()).is_none()));
    let mut another = pin!(turns.take("dead", 2, Urgency::Event));
    assert!(now(another.as_mut()).is_some(), "another port is another host");
    first.ended(&SILENT);
    // One of them has the free turn, the others wait on: once is no proof.
    let has_turn = |result: &Option<Result<Turn, _>>| matches!(result, Some(Ok(_)));
    let turn: Vec<_> = waiting.iter_mut().filter_map(|wait| now(wait.as_mut())).collect();
    assert_eq!(turn.len(), 1);
    second.ended(&SILENT);
    let told: Vec<_> = waiting.iter_mut().skip(1).map(|wait| now(wait.as_mut())).collect();
    assert!(!told.iter().any(has_turn));
    assert!(told.iter().all(|told| matches!(told, Some(Err(AnnounceError::Timeout)))));
    drop(turn);
    // The next one asks again, and finds out whether it has come back.
    take(&turns, "dead").await.ended(&Ok(()));
    assert_eq!(futures(&turns, "dead", 6).await.len(), 6);
}

#[tokio::test]
async fn those_who_gave_up_do_not_pile_up() {
    let turns = Turns::new(50, 6);
    let (asking, _other) = (take(&turns, "silent").await, take(&turns, "silent").await);
    let mut first = Box::pin(turns.take("silent", 1, Urgency::Event));
    assert!(now(first.as_mut()).is_none());
    for _ in 0..5_000 {
        assert!(now(pin!(turns.take("silent", 1, Urgency::Event))).is_none());
    }
    assert!(turns.lock().hosts["silent:1"].waiting.len() <= FEW);
    // Who waits is not forgotten, and comes before those who came later.
    let mut last = Box::pin(turns.take("silent", 1, Urgency::Event));
    assert!(now(last.as_mut()).is_none());
    drop(asking);
    assert!(now(last.as_mut()).is_none());
    assert!(now(first.as_mut()).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_give_up_as_their_turn_comes_hold_nobody_up() {
    let turns = Turns::new(2, 1);
    for round in 0..500 {
        let busy = turns.take("a", 1, Urgency::Event).await.unwrap();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take("a", 1, Urgency::Event).await.map(drop) }
        });
        tokio::task::yield_now().await;
        if round % 2 == 0 {
            waiting.abort();
            drop(busy);
        } else {
            drop(busy);
            waiting.abort();
        }
        let _ = waiting.await;
    }
    assert_eq!(turns.lock().asking, 0);
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let turns = Turns::new(50, 6);
    for _ in 0..5 {
        let refused = AnnounceError::Refused { reason: "no".into(), retry: None };
        take(&turns, "a").await.ended::<()>(&Err(refused));
    }
    assert_eq!(futures(&turns, "a", 6).await.len(), 6);
}

#[tokio::test]
async fn the_most_urgent_question_goes_first_and_who_gave_up_is_passed_over() {
    let turns = Turns::new(1, 1);
    let busy = take(&turns, "a").await;
    let mut regular = pin!(turns.take("a", 1, Urgency::Regular));
    let mut event = pin!(turns.take("b", 1, Urgency::Event));
    let mut gone = Box::pin(turns.take("c", 1, Urgency::Unreported));
    let mut parting = pin!(turns.take("d", 1, Urgency::Unreported));
    assert!(now(regular.as_mut()).is_none() && now(event.as_mut()).is_none());
    assert!(now(gone.as_mut()).is_none() && now(parting.as_mut()).is_none());
    drop(gone);
    drop(busy);
    assert!(now(regular.as_mut()).is_none() && now(event.as_mut()).is_none());
    drop(now(parting.as_mut()).expect("it is the most urgent").unwrap());
    assert!(now(regular.as_mut()).is_none());
    drop(now(event.as_mut()).expect("it comes next").unwrap());
    now(regular.as_mut()).expect("it is the last").unwrap();
}
