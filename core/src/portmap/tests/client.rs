//! Gateways over sockets of this machine: what they may and may not make us do.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use crate::net::bind::Way;
use crate::portmap::upnp::{Done, Job, UpnpError};
use crate::portmap::upnp_client::{Place, perform};

const GATEWAY: &str = "127.0.0.31";
const OURS: &str = "127.0.0.32";

/// A page that says where services are.
const DESCRIPTION: &str = "<root><device><serviceList><service>\
    <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
    <controlURL>/control</controlURL></service></serviceList></device></root>";

/// What it does to whoever asks for a page.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers with this.
    Page(&'static str),
    /// Sends a page without end.
    Endless,
    /// Takes the question, and says nothing.
    Mute,
    /// Sends them elsewhere.
    Redirect(SocketAddr),
}

struct Fake {
    place: Place,
    asked: Arc<AtomicUsize>,
}

async fn http(manner: Manner) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((GATEWAY, 0)).await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut question = [0; 4096];
                let _ = stream.read(&mut question).await;
                match manner {
                    Manner::Page(page) => {
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
                        let _ = stream.write_all(head.as_bytes()).await;
                    }
                    Manner::Endless => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n<root>").await;
                        while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
                    }
                    Manner::Mute => std::future::pending().await,
                    Manner::Redirect(to) => {
                        let head = format!(
                            "HTTP/1.1 302 Found\r\nLocation: http://{to}/\r\nContent-Length: 0\r\n\r\n"
                        );
                        let _ = stream.write_all(head.as_bytes()).await;
                    }
                }
            });
        }
    });
    (address, asked)
}

/// Answers searches from `from` with a location.
async fn ssdp(from: &str, location: String) -> SocketAddr {
    let socket = UdpSocket::bind((from, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, to) = socket.recv_from(&mut buffer).await.unwrap();
            assert!(buffer[..length].starts_with(b"M-SEARCH * HTTP/1.1\r\n"));
            let answer = format!("HTTP/1.1 200 OK\r\nLOCATION: {location}\r\n\r\n");
            socket.send_to(answer.as_bytes(), to).await.unwrap();
        }
    });
    address
}

fn place(group: SocketAddr) -> Place {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    Place { gateway: SocketAddr::new(ip(GATEWAY), 0), local: ip(OURS), interface: 0, group, way: Way::Any }
}

async fn fake(manner: Manner) -> Fake {
    let (page, asked) = http(manner).await;
    let group = ssdp(GATEWAY, format!("http://{page}/root.xml")).await;
    Fake { place: place(group), asked }
}

#[tokio::test]
async fn a_gateway_is_found_and_asked() {
    let fake = fake(Manner::Page(DESCRIPTION)).await;
    let (service, found) = perform(fake.place, None, Job::Find).await;
    assert_eq!(found, Ok(Done::Ok));
    let mut service = service.unwrap();
    assert_eq!(service.control.path, "/control");
    // The same server answers all questions alike: with a page that is no answer.
    let (kept, result) = perform(fake.place, Some(service.clone()), Job::Address).await;
    assert_eq!((kept, result), (Some(service.clone()), Err(UpnpError::Garbage)));
    let page = "<r><AddPortMappingResponse/></r>";
    service.control.address = http(Manner::Page(page)).await.0;
    let map = Job::Map { udp: true, inside: 7000, outside: 7000, lease: 3600 };
    assert_eq!(perform(fake.place, Some(service), map).await.1, Ok(Done::Ok));
}

#[tokio::test(start_paused = true)]
async fn answers_from_elsewhere_are_nobodys() {
    let (page, asked) = http(Manner::Page(DESCRIPTION)).await;
    // Another machine names the gateway, and the gateway another machine.
    let other = ssdp("127.0.0.33", format!("http://{page}/root.xml")).await;
    assert_eq!(perform(place(other), None, Job::Find).await, (None, Err(UpnpError::Silent)));
    let port = page.port();
    for elsewhere in [format!("127.0.0.1:{port}"), "169.254.169.254".into(), format!("localhost:{port}")] {
        let group = ssdp(GATEWAY, format!("http://{elsewhere}/root.xml")).await;
        assert_eq!(perform(place(group), None, Job::Find).await, (None, Err(UpnpError::Silent)));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn pages_without_end_are_cut_short() {
    let fake = fake(Manner::Endless).await;
    let (_, result) = perform(fake.place, None, Job::Find).await;
    assert!(matches!(result, Err(UpnpError::Http(_))), "{result:?}");
    assert!(fake.asked.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let (inward, asked) = http(Manner::Page(DESCRIPTION)).await;
    let fake = fake(Manner::Redirect(inward)).await;
    assert_eq!(perform(fake.place, None, Job::Find).await.1, Err(UpnpError::Garbage));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_gateway_that_says_nothing_holds_up_a_job_for_seconds() {
    let fake = fake(Manner::Mute).await;
    let start = std::time::Instant::now();
    assert_eq!(perform(fake.place, None, Job::Find).await, (None, Err(UpnpError::Silent)));
    assert!(start.elapsed() < Duration::from_secs(60), "it is bounded");
}
