//! Whether peers can call us, in words.

use tc_core::stats::{GlobalStats, Mapping};

/// The same for the header: the port, `✓` once somebody has called from outside, and that the router lets them in.
pub fn mark(global: &GlobalStats) -> Option<String> {
    let own = global.listening.first()?.port();
    let seen = if global.incoming_seen { " ✓" } else { "" };
    let mapped = if matches!(gateway(global), Some(Mapping::Mapped { .. })) { " mapped" } else { "" };
    Some(format!("port {own}{seen}{mapped}"))
}

/// What the gateway does where it matters; `None`: nothing. Behind a NAT it is IPv4 that needs it; a firewall for IPv6
/// alone is told of where it is all. Without TCP it is UDP that tells.
fn gateway(global: &GlobalStats) -> Option<&Mapping> {
    let families = global.mapping.tcp.iter().zip(&global.mapping.udp);
    let mut all = families.flat_map(|(tcp, udp)| [tcp, udp]);
    all.find(|mapping| !matches!(mapping, Mapping::Off { .. }))
}

/// The port, whether anybody has called, and what the gateway does; `None`: nobody can call.
pub fn port(global: &GlobalStats) -> Option<String> {
    let own = global.listening.first()?.port();
    let seen = if global.incoming_seen { "peers call" } else { "nobody has called from outside yet" };
    let mut text = format!("{own}   {seen}");
    match gateway(global) {
        None | Some(Mapping::Off { .. }) => {}
        Some(Mapping::Searching) => text += "   asking the router",
        Some(Mapping::Mapped { by, outside, port }) => {
            let at = outside
                .map_or_else(|| port.to_string(), |ip| std::net::SocketAddr::new(ip, *port).to_string());
            text += &format!("   the router lets them in at {at} ({})", by.name());
        }
        Some(Mapping::Failed { why }) => text += &format!("   {why}"),
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
        let listening = vec!["0.0.0.0:51413".parse().unwrap()];
        let mut global = GlobalStats { listening, ..GlobalStats::default() };
        global.mapping.udp[0] = Mapping::Searching;
        let want = format!("{nobody}   asking the router");
        assert_eq!(port(&global), Some(want), "there is no TCP");
    }
}
