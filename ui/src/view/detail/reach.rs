//! Whether peers can call us, in words.

use tc_core::stats::{GlobalStats, Mapping};

/// The port, whether anybody has called, and what the gateway does; `None`: nobody can call.
pub fn port(global: &GlobalStats) -> Option<String> {
    let own = global.listening.first()?.port();
    let seen = if global.incoming_seen { "peers call" } else { "nobody has called yet" };
    let mut text = format!("{own}   {seen}");
    // Behind a NAT it is IPv4 that needs the gateway; a firewall for IPv6 alone is told of where it is all.
    // Without TCP it is UDP that tells.
    let families = global.mapping.tcp.iter().zip(&global.mapping.udp);
    let mut all = families.flat_map(|(tcp, udp)| [tcp, udp]);
    let Some(mapping) = all.find(|mapping| !matches!(mapping, Mapping::Off { .. })) else {
        return Some(text);
    };
    match mapping {
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

    fn check(mapping: Mapping, seen: bool, want: &str) {
        let mut global = GlobalStats { incoming_seen: seen, ..GlobalStats::default() };
        assert_eq!(port(&global), None);
        global.listening = vec!["0.0.0.0:51413".parse().unwrap()];
        global.mapping.tcp[0] = mapping;
        assert_eq!(port(&global).as_deref(), Some(want));
    }

    #[test]
    fn what_is_known_is_said() {
        check(Mapping::default(), false, "51413   nobody has called yet");
        check(Mapping::Searching, true, "51413   peers call   asking the router");
        let mapped = |outside| Mapping::Mapped { by: MappingProtocol::Upnp, outside, port: 51414 };
        let outside = Some("80.1.1.1".parse().unwrap());
        let at = "51413   peers call   the router lets them in at";
        check(mapped(outside), true, &format!("{at} 80.1.1.1:51414 (UPnP)"));
        check(mapped(None), true, &format!("{at} 51414 (UPnP)"));
        let why = "UPnP: the router does not allow it";
        check(Mapping::Failed { why: why.into() }, false, &format!("51413   nobody has called yet   {why}"));
        let listening = vec!["0.0.0.0:51413".parse().unwrap()];
        let mut global = GlobalStats { listening, ..GlobalStats::default() };
        global.mapping.udp[0] = Mapping::Searching;
        let want = "51413   nobody has called yet   asking the router";
        assert_eq!(port(&global).as_deref(), Some(want), "there is no TCP");
    }
}
