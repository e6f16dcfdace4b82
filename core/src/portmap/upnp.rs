//! UPnP IGD: what a gateway's description says, and the SOAP messages (WANIPConnection:1 and :2,
//! WANPPPConnection:1, WANIPv6FirewallControl:1).

use std::net::{IpAddr, SocketAddr};

use roxmltree::{Document, Node, ParsingOptions};
use url::Url;

use super::ssdp::{self, Location};

/// Bytes of a page that are read: descriptions of real gateways have some 10 KiB.
pub const MAX_PAGE: usize = 256 << 10;

/// Elements and texts of a page that are taken.
const MAX_NODES: u32 = 10_000;

/// What maps ports over IPv4, the best first: gateways over PPPoE may have both, the other one idle.
const CONNECTIONS: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// What lets in over IPv6.
const FIREWALL: &str = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1";

/// Characters of a gateway's own words that are shown.
const MAX_WORDS: usize = 80;

/// What a gateway can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Where is one?
    Find,
    /// The address outside.
    Address,
    /// Map this port (IPv4).
    Map {
        /// For UDP, not TCP.
        udp: bool,
        /// Our port.
        inside: u16,
        /// The one outside.
        outside: u16,
        /// Seconds; 0: until it is taken back.
        lease: u32,
    },
    /// Is it still mapped to us (IPv4)?
    Check {
        /// For UDP, not TCP.
        udp: bool,
        /// Our port.
        inside: u16,
        /// The one outside.
        outside: u16,
    },
    /// Take it back (IPv4).
    Unmap {
        /// For UDP, not TCP.
        udp: bool,
        /// The port outside.
        outside: u16,
    },
    /// Let in at this port (IPv6).
    Open {
        /// For UDP, not TCP.
        udp: bool,
        /// Our port.
        inside: u16,
        /// Seconds.
        lease: u32,
    },
    /// Let in for longer (IPv6).
    Keep {
        /// Which one.
        pinhole: u16,
        /// Seconds from now.
        lease: u32,
    },
    /// Let in no longer (IPv6).
    Close {
        /// Which one.
        pinhole: u16,
    },
}

/// How a job ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// As asked, or it is as it should be.
    Ok,
    /// The address outside.
    Address(IpAddr),
    /// Let in, by this number (IPv6).
    Opened(u16),
    /// The port outside is mapped to somebody else.
    Foreign,
}

/// How a job failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpnpError {
    /// No gateway of this kind answered.
    #[error("no answer")]
    Silent,
    /// It cannot be reached, or does not speak HTTP.
    #[error("{0}")]
    Http(String),
    /// What it says cannot be read.
    #[error("does not speak it well")]
    Garbage,
    /// It has no such service.
    #[error("does not know how to open ports")]
    NoService,
    /// It says no; the code is that of the service.
    #[error("{}", describe(*.code, .words))]
    Refused {
        /// For example 718.
        code: u16,
        /// What it says, shortened.
        words: String,
    },
}

fn describe(code: u16, words: &str) -> String {
    match code {
        606 => "does not allow it".to_owned(),
        718 => "has given the port to another machine".to_owned(),
        _ if words.is_empty() => format!("error {code}"),
        _ => format!("error {code}: {words}"),
    }
}

/// One service of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its kind.
    pub kind: &'static str,
    /// Where it takes requests.
    pub control: Location,
}

fn parse(xml: &str) -> Result<Document<'_>, UpnpError> {
    // No entities are declared, so none can grow.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).map_err(|_| UpnpError::Garbage)
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.tag_name().name() == name)?;
    child.text().map(str::trim).filter(|text| !text.is_empty())
}

/// The service for a family in the description that was read at `from`. It lies on the gateway itself.
///
/// # Errors
/// The description cannot be read or has none.
pub fn service(xml: &str, from: &Location, v6: bool) -> Result<Service, UpnpError> {
    let document = parse(xml)?;
    let root = document.root_element();
    let base = Url::parse(&format!("http://{}{}", without_scope(from.address), from.path)).ok();
    // URLBase is of the first version, and has to be what the description came from.
    let base = text(root, "URLBase").and_then(|base| Url::parse(base).ok()).or(base);
    let base = base.ok_or(UpnpError::Garbage)?;
    let kinds = if v6 { &[FIREWALL][..] } else { &CONNECTIONS };
    let found = kinds.iter().find_map(|kind| {
        let is_it = |node: &Node<'_, '_>| {
            node.tag_name().name() == "service" && text(*node, "serviceType") == Some(kind)
        };
        let control = text(document.descendants().find(is_it)?, "controlURL")?;
        let control = ssdp::at(&base.join(control).ok()?, from.address)?;
        Some(Service { kind, control })
    });
    found.ok_or(UpnpError::NoService)
}

/// As it stands in a URL or a `Host` header.
pub fn without_scope(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

/// A request to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub action: &'static str,
    /// The page.
    pub body: String,
}

/// What gateways show to their owner beside the mapping.
const DESCRIPTION: &str = "tc-tui";

impl Job {
    /// The request for it, to a service of this kind, from this address of ours; `None`: it takes more than one.
    pub fn request(&self, kind: &str, ours: IpAddr) -> Option<Request> {
        let protocol = |udp: bool| if udp { "UDP" } else { "TCP" }.to_owned();
        // Protocol numbers of IANA.
        let number = |udp: bool| if udp { "17" } else { "6" }.to_owned();
        let (action, arguments) = match self {
            Self::Find => return None,
            Self::Address => ("GetExternalIPAddress", vec![]),
            Self::Map { udp, inside, outside, lease } => (
                "AddPortMapping",
                vec![
                    ("NewRemoteHost", String::new()),
                    ("NewExternalPort", outside.to_string()),
                    ("NewProtocol", protocol(*udp)),
                    ("NewInternalPort", inside.to_string()),
                    ("NewInternalClient", ours.to_string()),
                    ("NewEnabled", "1".to_owned()),
                    ("NewPortMappingDescription", DESCRIPTION.to_owned()),
                    ("NewLeaseDuration", lease.to_string()),
                ],
            ),
            Self::Check { udp, outside, .. } => (
                "GetSpecificPortMappingEntry",
                vec![
                    ("NewRemoteHost", String::new()),
                    ("NewExternalPort", outside.to_string()),
                    ("NewProtocol", protocol(*udp)),
                ],
            ),
            Self::Unmap { udp, outside } => (
                "DeletePortMapping",
                vec![
                    ("NewRemoteHost", String::new()),
                    ("NewExternalPort", outside.to_string()),
                    ("NewProtocol", protocol(*udp)),
                ],
            ),
            Self::Open { udp, inside, lease } => (
                "AddPinhole",
                vec![
                    ("RemoteHost", String::new()),
                    ("RemotePort", "0".to_owned()),
                    ("InternalClient", ours.to_string()),
                    ("InternalPort", inside.to_string()),
                    ("Protocol", number(*udp)),
                    ("LeaseTime", lease.to_string()),
                ],
            ),
            Self::Keep { pinhole, lease } => (
                "UpdatePinhole",
                vec![("UniqueID", pinhole.to_string()), ("NewLeaseTime", lease.to_string())],
            ),
            Self::Close { pinhole } => ("DeletePinhole", vec![("UniqueID", pinhole.to_string())]),
        };
        let arguments: String =
            arguments.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
        // All that stands in it is ours or a number: nothing to escape.
        let body = format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{action} \
             xmlns:u=\"{kind}\">{arguments}</u:{action}></s:Body></s:Envelope>\r\n"
        );
        Some(Request { action, body })
    }

    /// What a page that answers it says. Gateways answer errors with a page too.
    ///
    /// # Errors
    /// It says no, or cannot be read.
    pub fn answer(&self, xml: &str, ours: IpAddr) -> Result<Done, UpnpError> {
        let document = parse(xml)?;
        let find = |name: &str| {
            let node = document.descendants().find(|node| node.tag_name().name() == name)?;
            Some(node.text().unwrap_or_default().trim())
        };
        if let Some(code) = find("errorCode") {
            let code = code.parse().map_err(|_| UpnpError::Garbage)?;
            let words = find("errorDescription").unwrap_or_default();
            return Err(UpnpError::Refused { code, words: words.chars().take(MAX_WORDS).collect() });
        }
        let get = |name: &str| find(name).ok_or(UpnpError::Garbage);
        // Whoever answers with a page of something else has not done it.
        let action = self.request("", ours).map(|request| format!("{}Response", request.action));
        get(action.as_deref().unwrap_or_default())?;
        match self {
            Self::Address => {
                get("NewExternalIPAddress")?.parse().map(Done::Address).map_err(|_| UpnpError::Garbage)
            }
            Self::Open { .. } => get("UniqueID")?.parse().map(Done::Opened).map_err(|_| UpnpError::Garbage),
            Self::Check { inside, .. } => {
                let same = get("NewInternalClient")?.parse() == Ok(ours)
                    && get("NewInternalPort")?.parse() == Ok(*inside);
                Ok(if same { Done::Ok } else { Done::Foreign })
            }
            Self::Find | Self::Map { .. } | Self::Unmap { .. } | Self::Keep { .. } | Self::Close { .. } => {
                Ok(Done::Ok)
            }
        }
    }
}
