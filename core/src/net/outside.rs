//! Our own addresses as others see them. A tracker is believed (BEP 24), and so is our own gateway. What peers say (BEP 10 `yourip`)
//! is a hint that anybody may lie about: networks have one voice each, and two must agree.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::net::scope::{Scope, network};

/// Voices that are kept of each family, the newest: our address may change.
const VOICES: usize = 32;

/// What networks say.
#[derive(Debug, Default)]
pub struct Outside {
    /// Who said what, by family of the answer: IPv4, IPv6.
    voices: [VecDeque<(IpAddr, IpAddr)>; 2],
    /// What a tracker said last.
    told: [Option<IpAddr>; 2],
    /// What our gateway says, while it maps our port.
    mapped: [Option<IpAddr>; 2],
}

impl Outside {
    /// A peer at `voice` sees us at `ip`. Addresses that nobody outside can see are no news.
    pub fn hear(&mut self, voice: IpAddr, ip: IpAddr) {
        let (voice, ip) = (network(voice.to_canonical()), ip.to_canonical());
        if Scope::of(ip) != Scope::Public {
            return;
        }
        let voices = &mut self.voices[usize::from(ip.is_ipv6())];
        voices.retain(|(other, _)| *other != voice);
        if voices.len() == VOICES {
            voices.pop_front();
        }
        voices.push_back((voice, ip));
    }

    /// A tracker sees us at this address.
    pub fn told(&mut self, ip: IpAddr) {
        let ip = ip.to_canonical();
        self.told[usize::from(ip.is_ipv6())] = Some(ip);
    }

    /// Our gateway says that this is our address, or nothing any more.
    pub fn mapped(&mut self, v6: bool, ip: Option<IpAddr>) {
        self.mapped[usize::from(v6)] = ip;
    }

    /// What a tracker says, else our gateway, else what most peers say, if two or more do.
    pub fn address(&self, v6: bool) -> Option<IpAddr> {
        let family = usize::from(v6);
        self.told[family].or(self.mapped[family]).or_else(|| self.heard(v6))
    }

    fn heard(&self, v6: bool) -> Option<IpAddr> {
        let (most, _, ip) = self.loudest(v6)?;
        (most >= 2).then_some(ip)
    }

    /// What more than half of the voices say, if at least so many do: for what a few liars must not move.
    pub fn agreed(&self, v6: bool, least: usize) -> Option<IpAddr> {
        let (most, all, ip) = self.loudest(v6)?;
        (most >= least && most * 2 > all).then_some(ip)
    }

    /// How many say the same, of how many.
    fn loudest(&self, v6: bool) -> Option<(usize, usize, IpAddr)> {
        let voices = &self.voices[usize::from(v6)];
        let count = |ip: &IpAddr| voices.iter().filter(|(_, other)| other == ip).count();
        let (most, ip) = voices.iter().map(|(_, ip)| (count(ip), *ip)).max()?;
        Some((most, voices.len(), ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &[(&str, &str)]) -> Outside {
        let mut outside = Outside::default();
        said.iter().for_each(|(voice, ip)| outside.hear(voice.parse().unwrap(), ip.parse().unwrap()));
        outside
    }

    #[test]
    fn two_networks_must_agree_and_most_are_right() {
        let check = |said: &[(&str, &str)], want: Option<&str>| {
            let want = want.map(|ip| ip.parse().unwrap());
            assert_eq!(heard(said).address(false), want, "{said:?}");
        };
        check(&[("11.1.0.1", "80.1.1.1")], None);
        check(&[("11.1.0.1", "80.1.1.1"), ("11.1.0.2", "80.1.1.1")], None);
        check(&[("11.1.0.1", "80.1.1.1"), ("11.2.0.1", "80.1.1.1")], Some("80.1.1.1"));
        let said = ["80.1.1.1", "80.1.1.2", "80.1.1.1", "80.1.1.2", "80.1.1.1"];
        let voices: Vec<String> = (0..5).map(|n| format!("11.{n}.0.1")).collect();
        let said: Vec<_> = voices.iter().map(String::as_str).zip(said).collect();
        check(&said, Some("80.1.1.1"));
        check(&[("11.1.0.1", "10.0.0.7"), ("11.2.0.1", "10.0.0.7"), ("11.3.0.1", "127.0.0.1")], None);
        // The last word of each counts, and the families are apart.
        check(&[("11.1.0.1", "80.1.1.1"), ("11.2.0.1", "80.1.1.1"), ("11.2.0.9", "80.1.1.2")], None);
        let both = [("11.1.0.1", "2a11::1"), ("2a12::1", "2a11::1")];
        check(&both, None);
        assert_eq!(heard(&both).address(true), Some("2a11::1".parse().unwrap()));
    }

    #[test]
    fn more_than_half_must_agree_where_it_matters() {
        let said = ["80.1.1.1", "80.1.1.1", "80.1.1.2", "80.1.1.1", "80.1.1.2", "80.1.1.2", "80.1.1.1"];
        let voices: Vec<String> = (0..7).map(|n| format!("11.{n}.0.1")).collect();
        let agreed = |n: usize| {
            let said: Vec<_> = voices.iter().map(String::as_str).zip(said).take(n).collect();
            heard(&said).agreed(false, 3)
        };
        let first = Some([80, 1, 1, 1].into());
        assert_eq!([2, 4, 5, 6, 7].map(agreed), [None, first, first, None, first]);
    }

    #[test]
    fn a_tracker_is_believed() {
        let mut outside = heard(&[("11.1.0.1", "80.1.1.1"), ("11.2.0.1", "80.1.1.1")]);
        outside.told("::ffff:80.1.1.9".parse().unwrap());
        assert_eq!((outside.address(false), outside.address(true)), (Some([80, 1, 1, 9].into()), None));
    }

    #[test]
    fn a_gateway_comes_before_peers_and_after_trackers() {
        let mut outside = heard(&[("11.1.0.1", "80.1.1.1"), ("11.2.0.1", "80.1.1.1")]);
        outside.mapped(false, Some([80, 1, 1, 3].into()));
        assert_eq!(outside.address(false), Some([80, 1, 1, 3].into()));
        outside.told([80, 1, 1, 9].into());
        assert_eq!(outside.address(false), Some([80, 1, 1, 9].into()));
        let mut outside = heard(&[("11.1.0.1", "80.1.1.1"), ("11.2.0.1", "80.1.1.1")]);
        outside.mapped(false, Some([80, 1, 1, 3].into()));
        outside.mapped(false, None);
        assert_eq!(outside.address(false), Some([80, 1, 1, 1].into()));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut outside = Outside::default();
        for n in 0..10_000_u32 {
            outside.hear(std::net::Ipv4Addr::from(0x0b00_0000 + (n << 8)).into(), [80, 1, 1, 1].into());
        }
        assert_eq!(outside.voices[0].len(), VOICES);
    }
}
