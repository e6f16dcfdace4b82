//! Connections over loopback: real sockets, the task between them, and streams.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle as Runtime;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

struct End {
    utp: Utp,
    sockets: UdpSockets,
    address: SocketAddr,
    callers: mpsc::Receiver<(Stream, SocketAddr)>,
    stopping: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn end(address: &str) -> End {
    let (sockets, takers) = UdpSockets::new(Runtime::current());
    let address = sockets.bind(address.parse().unwrap()).unwrap();
    let (to_callers, callers) = mpsc::channel(4);
    let stopping = watch::Sender::new(false);
    let utp = Utp::new(sockets.clone());
    let setup = Setup { packets: takers.utp, callers: to_callers, stopping: stopping.subscribe() };
    let task = tokio::spawn(run(utp.clone(), setup));
    End { utp, sockets, address, callers, stopping, task }
}

/// A connection, and its other end. The first word proves the caller's address.
async fn pair(near: &End, far: &mut End) -> (UtpStream, Stream) {
    let mut stream = timeout(PATIENCE, near.utp.connect(far.address)).await.unwrap().unwrap();
    stream.write_all(b"!").await.unwrap();
    let (mut other, from) = timeout(PATIENCE, far.callers.recv()).await.unwrap().unwrap();
    assert_eq!((from, stream.peer_addr()), (near.address, far.address));
    assert_eq!(other.read_u8().await.unwrap(), b'!');
    assert_eq!(other.local_addr().unwrap(), far.address);
    (stream, other)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_families_carry_bytes_both_ways() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (near, mut far) = (end(address), end(address));
        let (stream, other) = pair(&near, &mut far).await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut other_reader, mut other_writer) = tokio::io::split(other);
        let bytes = content(6_000_000);
        let (there, back) = (bytes.clone(), bytes.clone());
        let send = async {
            let slices = [io::IoSlice::new(&there[..10]), io::IoSlice::new(&there[10..])];
            let wrote = writer.write_vectored(&slices).await.unwrap();
            writer.write_all(&there[wrote..]).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let answer = async {
            other_writer.write_all(&back).await.unwrap();
            other_writer.shutdown().await.unwrap();
        };
        let (mut got, mut other_got) = (Vec::new(), Vec::new());
        let all = async {
            tokio::join!(send, answer, reader.read_to_end(&mut got), other_reader.read_to_end(&mut other_got))
        };
        let (_, _, here, there) = timeout(PATIENCE, all).await.unwrap();
        assert_eq!((here.unwrap(), there.unwrap()), (bytes.len(), bytes.len()));
        assert!(got == bytes && other_got == bytes);
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

#[tokio::test]
async fn nobody_there_and_no_socket_are_errors() {
    let near = end("127.0.0.1:0");
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let error = timeout(PATIENCE, near.utp.connect(silent.local_addr().unwrap())).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let error = near.utp.connect("[::1]:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    let error = Utp::default().connect(near.address).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(near.utp.inner.as_ref().unwrap().lock().waiting.is_empty());
}

#[tokio::test]
async fn a_reader_that_waits_holds_the_writer_up() {
    let (near, mut far) = (end("127.0.0.1:0"), end("127.0.0.1:0"));
    let (mut stream, mut other) = pair(&near, &mut far).await;
    let bytes = content(32 << 20);
    let mut written = 0;
    while let Ok(wrote) = timeout(Duration::from_secs(2), stream.write(&bytes[written..])).await {
        written += wrote.unwrap();
    }
    assert!(written < 10 << 20, "{written} bytes taken for a reader that does not read");
    let writer = tokio::spawn(async move {
        stream.write_all(&bytes[written..]).await.unwrap();
        bytes
    });
    let mut got = Vec::new();
    timeout(PATIENCE, other.read_to_end(&mut got)).await.unwrap().unwrap();
    assert!(got == writer.await.unwrap(), "dropping the stream ended it after all was there");
}

#[tokio::test]
async fn when_the_engine_stops_the_last_words_still_go() {
    let (near, mut far) = (end("127.0.0.1:0"), end("127.0.0.1:0"));
    let (mut stream, mut other) = pair(&near, &mut far).await;
    stream.write_all(b"good-bye").await.unwrap();
    near.stopping.send_replace(true);
    drop(stream);
    timeout(PATIENCE, near.task).await.unwrap().unwrap();
    let mut got = String::new();
    timeout(PATIENCE, other.read_to_string(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, "good-bye");
    assert!(near.utp.connect(far.address).await.is_err());
}

#[tokio::test]
async fn without_a_network_everybody_is_told() {
    let (near, mut far) = (end("127.0.0.1:0"), end("127.0.0.1:0"));
    let (mut stream, _other) = pair(&near, &mut far).await;
    let reader = tokio::spawn(async move { stream.read_u8().await });
    tokio::task::yield_now().await;
    near.sockets.close();
    let error = timeout(PATIENCE, reader).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    timeout(PATIENCE, near.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn callers_that_find_no_place_are_turned_away() {
    let (near, mut far) = (end("127.0.0.1:0"), end("127.0.0.1:0"));
    let mut streams = Vec::new();
    for _ in 0..6 {
        let mut stream = near.utp.connect(far.address).await.unwrap();
        stream.write_all(b"!").await.unwrap();
        streams.push(stream);
    }
    // Four have a place; two see the end.
    let ends = async {
        let mut ended = 0;
        for stream in &mut streams[4..] {
            ended += usize::from(!matches!(stream.read_u8().await, Ok(1..)));
        }
        ended
    };
    assert_eq!(timeout(PATIENCE, ends).await.unwrap(), 2);
    for _ in 0..4 {
        assert!(timeout(PATIENCE, far.callers.recv()).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_moves_much_through_one_connection() {
    let (near, mut far) = (end("127.0.0.1:0"), end("127.0.0.1:0"));
    let (mut stream, mut other) = pair(&near, &mut far).await;
    let length = 64 << 20;
    let began = std::time::Instant::now();
    let writer = tokio::spawn(async move {
        let chunk = content(256 << 10);
        for _ in 0..length / chunk.len() {
            stream.write_all(&chunk).await.unwrap();
        }
    });
    let mut buffer = vec![0; 256 << 10];
    let mut got = 0;
    while got < length {
        got += other.read(&mut buffer).await.unwrap();
    }
    writer.await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(got, length);
    println!("{:.0} MB/s", got as f64 / 1e6 / seconds);
}
