//! Calls over loopback: who wants what encrypted, and what comes of it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::mse;
use crate::types::PeerId;
use crate::wire::handshake::Reserved;

const TORRENT: InfoHash = InfoHash::new([7; 20]);
const CALLER: PeerId = PeerId::new([1; 20]);
const CALLEE: PeerId = PeerId::new([2; 20]);

const fn says(peer_id: PeerId) -> Handshake {
    Handshake { reserved: Reserved::OURS, info_hash: TORRENT, peer_id }
}

struct One;

impl Here for One {
    fn ours(&self, info_hash: &InfoHash) -> Option<Handshake> {
        (*info_hash == TORRENT).then_some(says(CALLEE))
    }

    fn by_sign(&self, sign: &[u8; 20]) -> Option<InfoHash> {
        (*sign == mse::call_sign(&TORRENT)).then_some(TORRENT)
    }
}

fn call(address: SocketAddr, encryption: Encryption) -> Call {
    let (source, bound, ways) = (None, Way::Any, Ways::tcp());
    Call { address, source, bound, ours: says(CALLER), encryption, ways }
}

/// One calls, the other answers as often as it is called.
async fn meet(
    ours: Encryption,
    theirs: Encryption,
) -> (Result<Greeted, DialError>, Vec<Result<Greeted, DialError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (over, mut ended) = tokio::sync::oneshot::channel();
    let answering = tokio::spawn(async move {
        let mut answers = Vec::new();
        loop {
            tokio::select! {
                biased;
                accepted = listener.accept() => {
                    let (stream, from) = accepted.unwrap();
                    answers.push(answer(stream.into(), from, &One, theirs).await);
                }
                _ = &mut ended => return answers,
            }
        }
    });
    let called = dial(call(address, ours)).await;
    let _ = over.send(());
    (called, answering.await.unwrap())
}

#[tokio::test]
async fn each_policy_meets_each_other() {
    use Encryption::{Off, Prefer, Require};
    use LinkEncryption::{All, Handshake, None};
    let check = async |ours, theirs, want: Option<LinkEncryption>, calls: usize| {
        let (called, mut answers) = meet(ours, theirs).await;
        assert_eq!(answers.len(), calls, "{ours:?} {theirs:?}");
        let last = answers.pop().unwrap();
        let Some(want) = want else {
            assert!(called.is_err() && last.is_err(), "{ours:?} {theirs:?}: {called:?} {last:?}");
            return;
        };
        let (mut called, mut answered) = (called.unwrap(), last.unwrap());
        assert_eq!((called.encryption, answered.encryption), (want, want), "{ours:?} {theirs:?}");
        assert_eq!((called.handshake.peer_id, answered.handshake.peer_id), (CALLEE, CALLER));
        // What is said next is understood.
        for (from, to) in [(&mut called, &mut answered)] {
            let mut words = *b"and so on";
            if let Some(cipher) = &mut from.cipher {
                cipher.out.apply(&mut words);
            }
            assert_eq!(words == *b"and so on", want != All);
            from.stream.write_all(&words).await.unwrap();
            let mut heard = [0; 9];
            to.stream.read_exact(&mut heard).await.unwrap();
            if let Some(cipher) = &mut to.cipher {
                cipher.into.apply(&mut heard);
            }
            assert_eq!((&heard, to.early.len()), (b"and so on", 0));
        }
    };
    check(Off, Off, Some(None), 1).await;
    check(Off, Prefer, Some(None), 1).await;
    check(Off, Require, Option::None, 1).await;
    // The second call is plain.
    check(Prefer, Off, Some(None), 2).await;
    check(Prefer, Prefer, Some(Handshake), 1).await;
    check(Prefer, Require, Some(All), 1).await;
    check(Require, Off, Option::None, 1).await;
    check(Require, Prefer, Some(All), 1).await;
    check(Require, Require, Some(All), 1).await;
}

#[tokio::test]
async fn who_does_not_listen_is_called_once_and_another_torrent_is_not_here() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = dial(call(address, Encryption::Prefer)).await;
    assert!(
        matches!(&refused, Err(DialError::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ours = Handshake { info_hash: InfoHash::new([8; 20]), ..says(CALLER) };
    let other = Call { ours, ..call(address, Encryption::Require) };
    let answering = async {
        let (stream, from) = listener.accept().await.unwrap();
        answer(stream.into(), from, &One, Encryption::Prefer).await
    };
    let (called, answered) = tokio::join!(dial(other), answering);
    assert!(called.is_err());
    assert!(matches!(answered, Err(DialError::Mse(MseError::OtherTorrent))), "{answered:?}");
}

#[tokio::test]
async fn messages_that_come_with_the_handshake_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, from) = listener.accept().await.unwrap();
    let theirs = Handshake { reserved: Reserved::default(), info_hash: TORRENT, peer_id: CALLER };
    peer.write_all(&[&theirs.encode()[..], &[0, 0, 0, 1, 2]].concat()).await.unwrap();
    let greeted = answer(stream.into(), from, &One, Encryption::Prefer).await.unwrap();
    assert_eq!(&greeted.early[..], [0, 0, 0, 1, 2]);
}
