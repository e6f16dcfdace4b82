//! Bytes and pages from gateways.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use crate::portmap::pmp::Epoch;
use crate::portmap::ssdp::{self, Location};
use crate::portmap::upnp::{self, Done, Job, UpnpError};
use crate::portmap::{natpmp, pcp};

const FROM: &str = "192.168.1.1:1900";

fn location(text: &str, from: &str) -> Option<String> {
    let datagram = format!("HTTP/1.1 200 OK\r\nST: x\r\nLocation: {text}\r\n\r\n");
    let found = ssdp::location(datagram.as_bytes(), from.parse().unwrap())?;
    Some(format!("{}{}", found.address, found.path))
}

#[test]
fn a_gateway_is_where_it_answers_from() {
    let check = |text: &str, want: Option<&str>| assert_eq!(location(text, FROM).as_deref(), want, "{text}");
    check("http://192.168.1.1:5000/root.xml?a=b", Some("192.168.1.1:5000/root.xml?a=b"));
    check("http://192.168.1.1/x", Some("192.168.1.1:80/x"));
    for elsewhere in [
        "http://127.0.0.1:5000/",
        "http://192.168.1.2/",
        "http://169.254.169.254/latest",
        "http://80.1.1.1/",
        "http://router.example/",
        "http://localhost/",
        "https://192.168.1.1/",
        "ftp://192.168.1.1/",
        "http://user:word@192.168.1.1/",
        "http://192.168.1.1:0/",
        "http://[::ffff:192.168.1.1]/",
        "http://[::1]/",
        "/root.xml",
        "",
    ] {
        check(elsewhere, None);
    }
    // Numbers that stand for the same address are the same address.
    check("http://0xc0a80101:5000/", Some("192.168.1.1:5000/"));
    check("http://2130706433/", None);
}

#[test]
fn the_gateway_is_heard_and_over_ipv6_whoever_is_on_the_cable_of_itself() {
    let heard = |from: &str, at: &str, gateway: &str, local: &str| {
        let location = Location { address: SocketAddr::new(at.parse().unwrap(), 5000), path: "/".into() };
        ssdp::is_heard(&location, from.parse().unwrap(), gateway.parse().unwrap(), local.parse().unwrap())
    };
    assert!(heard("192.168.1.1", "192.168.1.1", "192.168.1.1", "192.168.1.7"));
    assert!(!heard("192.168.1.2", "192.168.1.2", "192.168.1.1", "192.168.1.7"));
    let ours = |from: &str, at: &str| heard(from, at, "fe80::1", "2a11:0:0:7::9");
    assert!(ours("fe80::1", "2a11:5::1"), "the gateway may name its other address");
    assert!(ours("2a11:0:0:7::1", "2a11:0:0:7::1"));
    assert!(ours("fe80::2", "fe80::2"));
    assert!(!ours("2a11:0:0:7::1", "2a11:0:0:7::2"));
    assert!(!ours("fe80::2", "2a11:5::1"));
    assert!(!ours("2a11:0:0:8::1", "2a11:0:0:8::1"), "from outside");
}

#[test]
fn over_ipv6_it_may_name_its_other_address_and_no_further_in() {
    let from = "[fe80::1%3]:1900";
    let check = |text: &str, want: Option<&str>| assert_eq!(location(text, from).as_deref(), want, "{text}");
    check("http://[fe80::1]:5000/", Some("[fe80::1%3]:5000/"));
    check("http://[2a11::1]:5000/", Some("[2a11::1]:5000/"));
    for elsewhere in [
        "http://[::1]/",
        "http://[fe80::2]/",
        "http://[ff02::1]/",
        "http://[::ffff:7f00:1]/",
        "http://127.0.0.1/",
    ] {
        check(elsewhere, None);
    }
    // From its public address it names that alone.
    let from = "[2a11::1]:1900";
    assert_eq!(location("http://[2a11::1]:5000/", from).as_deref(), Some("[2a11::1]:5000/"));
    assert_eq!(location("http://[2a11::2]:5000/", from), None);
}

fn description(services: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceList><device>\
         <serviceList>{services}</serviceList></device></deviceList></device></root>"
    )
}

fn service(kind: &str, control: &str) -> String {
    format!("<service><serviceType>{kind}</serviceType><controlURL>{control}</controlURL></service>")
}

fn read(page: &str) -> Result<String, UpnpError> {
    let from = Location { address: "192.168.1.1:5000".parse().unwrap(), path: "/a/root.xml".into() };
    let found = upnp::service(page, &from, false)?;
    Ok(format!(
        "{} at {}{}",
        found.kind.rsplit(':').nth(1).unwrap(),
        found.control.address,
        found.control.path
    ))
}

const WAN: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";

#[test]
fn services_are_found_on_the_gateway_and_nowhere_else() {
    let check = |control: &str, want: &str| {
        let got = read(&description(&service(WAN, control)));
        assert_eq!(got.unwrap_or_else(|error| error.to_string()), want, "{control}");
    };
    check("/ctl/IPConn", "WANIPConnection at 192.168.1.1:5000/ctl/IPConn");
    check("ctl", "WANIPConnection at 192.168.1.1:5000/a/ctl");
    check("http://192.168.1.1:49152/ctl", "WANIPConnection at 192.168.1.1:49152/ctl");
    let nowhere = "does not know how to open ports";
    for elsewhere in
        ["http://127.0.0.1/x", "//127.0.0.1/x", "http://169.254.169.254/", "file:///etc/passwd", ""]
    {
        check(elsewhere, nowhere);
    }
    // The best of those that are there.
    let ppp = service("urn:schemas-upnp-org:service:WANPPPConnection:1", "/ppp");
    let both = description(&(ppp.clone() + &service(WAN, "/ip")));
    assert_eq!(read(&both).unwrap(), "WANIPConnection at 192.168.1.1:5000/ip");
    assert_eq!(read(&description(&ppp)).unwrap(), "WANPPPConnection at 192.168.1.1:5000/ppp");
    assert_eq!(read(&description("")), Err(UpnpError::NoService));
}

#[test]
fn pages_that_grow_nest_or_lie_are_garbage() {
    let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><r>&b;</r>";
    let outside = "<!DOCTYPE r [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><r>&a;</r>";
    let many = format!("<r>{}</r>", "<a/>".repeat(20_000));
    for page in [bomb, outside, &many, "", "<r>", "\u{1b}]0;title\u{7}", &"<a>".repeat(50_000)] {
        assert_eq!(read(page), Err(UpnpError::Garbage));
    }
}

fn ours() -> IpAddr {
    "192.168.1.7".parse().unwrap()
}

fn answer(job: &Job, body: &str) -> Result<Done, UpnpError> {
    let page = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:u=\"{WAN}\"><s:Body>{body}</s:Body></s:Envelope>"
    );
    job.answer(&page, ours())
}

#[test]
fn answers_to_jobs() {
    let map = Job::Map { udp: false, inside: 7000, outside: 7000, lease: 3600 };
    assert_eq!(answer(&map, "<u:AddPortMappingResponse/>"), Ok(Done::Ok));
    assert_eq!(answer(&map, "<u:DeletePortMappingResponse/>"), Err(UpnpError::Garbage));
    let fault = |code: &str| {
        format!(
            "<s:Fault><detail><UPnPError><errorCode>{code}</errorCode><errorDescription>\u{9b}31m{}\
             </errorDescription></UPnPError></detail></s:Fault>",
            "x".repeat(1000)
        )
    };
    let Err(UpnpError::Refused { code: 718, words }) = answer(&map, &fault("718")) else { panic!() };
    assert_eq!(words.chars().count(), 80);
    assert_eq!(answer(&map, &fault("many")), Err(UpnpError::Garbage));
    let address = |ip: &str| {
        let body = format!(
            "<u:GetExternalIPAddressResponse><NewExternalIPAddress>{ip}</NewExternalIPAddress>\
             </u:GetExternalIPAddressResponse>"
        );
        answer(&Job::Address, &body)
    };
    assert_eq!(address(" 80.1.1.1 "), Ok(Done::Address([80, 1, 1, 1].into())));
    assert_eq!(address(""), Err(UpnpError::Garbage));
    let entry = |ip: &str, port: u16| {
        let check = Job::Check { udp: true, inside: 7000, outside: 7001 };
        let body = format!(
            "<u:GetSpecificPortMappingEntryResponse><NewInternalPort>{port}</NewInternalPort>\
             <NewInternalClient>{ip}</NewInternalClient></u:GetSpecificPortMappingEntryResponse>"
        );
        answer(&check, &body)
    };
    assert_eq!(entry("192.168.1.7", 7000), Ok(Done::Ok));
    assert_eq!(entry("192.168.1.8", 7000), Ok(Done::Foreign));
    assert_eq!(entry("192.168.1.7", 7001), Ok(Done::Foreign));
    let open = Job::Open { udp: true, inside: 7000, lease: 3600 };
    let opened = "<u:AddPinholeResponse><UniqueID>9</UniqueID></u:AddPinholeResponse>";
    assert_eq!(answer(&open, opened), Ok(Done::Opened(9)));
}

#[test]
fn requests_name_us_and_what_is_wanted() {
    let map = Job::Map { udp: true, inside: 7000, outside: 7001, lease: 3600 };
    let request = map.request(WAN, ours()).unwrap();
    assert_eq!(request.action, "AddPortMapping");
    for part in [
        "<u:AddPortMapping xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">",
        "<NewExternalPort>7001</NewExternalPort>",
        "<NewProtocol>UDP</NewProtocol>",
        "<NewInternalPort>7000</NewInternalPort>",
        "<NewInternalClient>192.168.1.7</NewInternalClient>",
        "<NewLeaseDuration>3600</NewLeaseDuration>",
    ] {
        assert!(request.body.contains(part), "{part} in {}", request.body);
    }
    roxmltree::Document::parse(&request.body).unwrap();
    assert_eq!(Job::Find.request(WAN, ours()), None);
}

#[test]
fn clocks_of_gateways_may_be_slow_and_not_go_back() {
    let check = |said: &[(u64, u32)], want: bool| {
        let (mut epoch, start) = (Epoch::default(), std::time::Instant::now());
        let at = |seconds: u64| start + std::time::Duration::from_secs(seconds);
        let last = said.iter().map(|(seconds, said)| epoch.hear(at(*seconds), *said)).last();
        assert_eq!(last, Some(want), "{said:?}");
    };
    check(&[(0, 1000)], false);
    check(&[(0, 1000), (80, 1080)], false);
    check(&[(0, 1000), (80, 1076)], false);
    check(&[(0, 1000), (80, 1070)], true);
    // A gateway that had just started, and starts again.
    check(&[(0, 3), (30, 27)], true);
    check(&[(0, 1000), (0, 998)], false);
    check(&[(0, 1000), (30, 0)], true);
    check(&[(0, 1000), (30, 0), (31, 1)], false);
    check(&[(0, 1), (30, 29)], true);
    check(&[(0, 1), (30, 29), (30, 29), (60, 59), (90, 89)], false);
    check(&[(0, u32::MAX), (30, u32::MAX)], true);
}

#[test]
fn errors_in_another_form_tell_the_version() {
    assert_eq!(pcp::decode(&[0, 129, 0, 1, 0, 0, 0, 7]), Some(pcp::Reply::Version(0)));
    assert_eq!(natpmp::decode(&[2, 129, 0, 1, 0, 0, 0, 7]), None);
    let reply = natpmp::Reply { epoch: 7, answer: Err(1) };
    assert_eq!(natpmp::decode(&[0, 129, 0, 1, 0, 0, 0, 7]), Some(reply));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_not(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), version in 0..3_u8) {
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        let _ = (natpmp::decode(&bytes), pcp::decode(&bytes));
        let from: SocketAddr = FROM.parse().unwrap();
        let _ = ssdp::location(&bytes, from);
    }

    #[test]
    fn any_text_is_a_page_or_garbage(text in "(<[a-z/!?]*>|[a-z&;]){0,40}", location in ".{0,60}") {
        let _ = read(&text);
        let _ = answer(&Job::Address, &text);
        let _ = ssdp::location(format!("HTTP/1.1 200\r\nlocation: {location}\r\n").as_bytes(), FROM.parse().unwrap());
    }

    #[test]
    fn what_pcp_maps_reads_as_it_was_written(
        nonce in any::<[u8; 12]>(), udp in any::<bool>(), inside in 1..u16::MAX, outside in any::<u16>(), lifetime in any::<u32>(),
    ) {
        let map = pcp::Map { client: ours(), lifetime, nonce, udp, inside, outside };
        let mut bytes = map.encode().to_vec();
        prop_assert_eq!(pcp::decode(&bytes), None, "a question is no answer");
        bytes[1] |= 128;
        bytes[8..12].copy_from_slice(&9_u32.to_be_bytes());
        let address: IpAddr = [0, 0, 0, 0].into();
        prop_assert_eq!(
            pcp::decode(&bytes),
            Some(pcp::Reply::Mapped { epoch: 9, nonce, udp, inside, outside, address, lifetime })
        );
    }
}
