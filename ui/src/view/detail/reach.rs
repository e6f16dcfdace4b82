//! Whether peers can call us, in words.

use tc_core::stats::{GlobalStats, Mapping};

/// The same for the header: the port, `✓` once somebody has called from outside, and that the router lets them in.
pub fn mark(global: &GlobalStats) -> Option<String> {
    let own = global.listening.first()?.port();
    let seen = if global.incoming_seen { " ✓" } else { "" };
    let mapped = if matches!(gateway(global), Mapping::Mapped { .. }) { " mapped" } else { "" };
    Some(format!("port {own}{seen}{mapped}"))
}

/// What the gateway does where it matters. Behind a NAT it is IPv4 that needs it; a firewall for IPv6 alone is told of
/// where it is all.
const fn gateway(global: &GlobalStats) -> &Mapping {
    let [v4, v6] = &global.mapping.tcp;
    if matches!(v4, Mapping::Off { .. }) { v6 } else { v4 }
}

/// The port, whether anybody has called, and what the gateway does; `None`: nobody can call.
pub fn port(global: &GlobalStats) -> Option<String> {
    let own = global.listening.first()?.port();
    let seen = if global.incoming_seen { "peers call" } else { "nobody has called from outside yet" };
    let mut text = format!("{own}   {seen}");
    match gateway(global) {
        Mapping::Off { .. } => {}
        Mapping::Searching => text += "   asking the router",
        Mapping::Mapped { by, outside, port } => {
            let at = outside
                .map_or_else(|| port.to_string(), |ip| std::net::SocketAddr::new(ip, *port).to_string());
            text += &format!("   the router lets them in at {at} ({})", by.name());
        }
        Mapping::Failed { why } => text += &format!("   {why}"),
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use tc_core::stats::MappingProtocol;

    use super::*;

    fn check(mapping: Mapping, seen: bool, short: &str, want: &str) {
        let mut global = GlobalStats { incoming_seen: seen, ..GlobalStats::default() };
        assert_eq!(port(&global), None);
        global.listening = vec!["0.0.0.0:51413".parse().unwrap()];
        global.mapping.tcp[0] = mapping;
        assert_eq!(port(&global).as_deref(), Some(want));
        assert_eq!(mark(&global).as_deref(), Some(short));
    }

    #[test]
    fn what_is_known_is_said() {
        check(Mapping::default(), false, "port 51413", "51413   nobody has called from outside yet");
        check(Mapping::Searching, true, "port 51413 ✓", "51413   peers call   asking the router");
        let mapped = |outside| Mapping::Mapped { by: MappingProtocol::Upnp, outside, port: 51414 };
        let outside = Some("80.1.1.1".parse().unwrap());
        let way = "the router lets them in at";
        check(
            mapped(outside),
            true,
            "port 51413 ✓ mapped",
            &format!("51413   peers call   {way} 80.1.1.1:51414 (UPnP)"),
        );
        let nobody = "51413   nobody has called from outside yet";
        check(mapped(None), false, "port 51413 mapped", &format!("{nobody}   {way} 51414 (UPnP)"));
        let why = "UPnP: the router does not allow it";
        check(Mapping::Failed { why: why.into() }, false, "port 51413", &format!("{nobody}   {why}"));
    }
}
