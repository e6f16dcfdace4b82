//! The task between the sockets and those who ask UDP trackers: carries out what the client decides.

use std::collections::HashMap;
use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::client::{Answer, Question, RequestId, UdpClient};
use crate::net::udp::{Datagram, UdpSockets};
use crate::tracker::announce::AnnounceError;

/// One question of somebody who waits.
#[derive(Debug)]
pub struct Ask {
    /// Where; of one family.
    pub addresses: Vec<SocketAddr>,
    /// What.
    pub question: Question,
    /// Until when.
    pub deadline: Instant,
    /// For the answer.
    pub answer: Answers,
}

type Answers = oneshot::Sender<Result<Answer, AnnounceError>>;

/// Runs until nobody can ask or nothing can be received any more.
pub async fn run(
    mut asks: mpsc::Receiver<Ask>,
    mut replies: mpsc::Receiver<Datagram>,
    sockets: UdpSockets,
    allow_inward_peers: bool,
) {
    let mut client = UdpClient::new(StdRng::from_rng(&mut rand::rng()), allow_inward_peers);
    let mut waiting: HashMap<RequestId, Answers> = HashMap::new();
    loop {
        let due = client.next_due();
        let timeout = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ask = asks.recv() => {
                let Some(Ask { addresses, question, deadline, answer }) = ask else { return };
                // Those who gave up need no repeats.
                waiting.retain(|id, answer| {
                    let wanted = !answer.is_closed();
                    if !wanted {
                        client.cancel(*id);
                    }
                    wanted
                });
                let now = Instant::now();
                let patience = deadline.saturating_duration_since(now);
                let id = client.ask(now.into_std(), &addresses, question, patience);
                waiting.insert(id, answer);
            }
            datagram = replies.recv() => {
                let Some(Datagram { from, bytes, .. }) = datagram else { return };
                client.received(Instant::now().into_std(), from, &bytes);
            }
            () = timeout => client.timeout(Instant::now().into_std()),
        }
        for (to, packet) in client.take_sends() {
            if let Err(error) = sockets.send(to, None, &packet).await {
                client.unreachable(to, &error.to_string());
            }
        }
        for (id, result) in client.take_done() {
            if let Some(answer) = waiting.remove(&id) {
                // Whoever asked may have given up meanwhile.
                let _ = answer.send(result);
            }
        }
    }
}
