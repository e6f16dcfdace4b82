//! What all that leaves is bound to: who looks whether it is there, and where to listen then.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::interfaces::Lookout;
use crate::config::Config;
use crate::net::bind::{Binding, Way};
use crate::net::interfaces::Watcher;
use crate::net::stub::Stub;

/// How often it is looked whether what we are bound to is there. Until then sockets of an interface that is gone
/// send nothing, so it is no leak to notice late.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the interfaces where something is bound to one. Blocks for some milliseconds.
pub fn start(config: &Config) -> io::Result<(Lookout, Binding)> {
    let Some(bind) = &config.bind else { return Ok(Default::default()) };
    let watcher = Watcher::start(LOOK)?;
    let binding = Binding::new(bind.clone(), watcher.watch());
    Ok((Lookout::over(watcher), binding))
}

/// Who looks names up, where that must not be the system.
pub fn stub(config: &Config, binding: &Binding) -> Option<Stub> {
    let own = config.bind.is_some() || !config.name_servers.is_empty();
    own.then(|| Stub::new(binding.clone(), config.name_servers.clone()))
}

/// Where to listen: of the wanted places those that lie on the way.
pub fn places(way: &Way, wanted: &[SocketAddr]) -> Vec<SocketAddr> {
    let on_way = wanted.iter().filter(|place| way.has(place.is_ipv6())).map(|place| {
        let only = way.source(place.is_ipv6()).filter(|_| place.ip().is_unspecified());
        SocketAddr::new(only.unwrap_or(place.ip()), place.port())
    });
    let places: Vec<_> = on_way.collect();
    // Where there are none each is told why.
    if places.is_empty() { wanted.to_vec() } else { places }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::interfaces::Interface;

    #[test]
    fn places_lie_on_the_way() {
        let eth0 = Interface {
            name: "eth0".into(),
            up: true,
            addresses: vec!["10.0.0.7".parse().unwrap()],
            ..Interface::default()
        };
        let check = |bind: &str, wanted: &[&str], want: &[&str]| {
            let parse =
                |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
            let way = Way::new(&bind.parse().unwrap(), std::slice::from_ref(&eth0));
            assert_eq!(places(&way, &parse(wanted)), parse(want), "{bind}");
        };
        let any = ["0.0.0.0:7", "[::]:7"];
        check("eth0", &any, &any[..1]);
        check("10.0.0.7", &any, &["10.0.0.7:7"]);
        check("10.0.0.7", &["127.0.0.1:7", "[::1]:7"], &["127.0.0.1:7"]);
        check("eth0", &["[::]:7"], &["[::]:7"]);
        check("eth1", &any, &any);
        check("eth0", &[], &[]);
    }
}
