//! A gateway in memory, and a world in which a mapper talks to it: no socket, no clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::portmap::mapper::{Mapper, Order};
use crate::portmap::pcp;
use crate::portmap::upnp::{Done, Job, UpnpError};
use crate::stats::Mapping;

pub const OUTSIDE: [u8; 4] = [80, 1, 1, 1];

/// What a mapping leads to, and when it ends.
type Entry = (u16, Option<Instant>);

#[derive(Default)]
pub struct Router {
    pub pcp: bool,
    pub natpmp: bool,
    pub upnp: bool,
    /// UPnP error 725.
    pub permanent_only: bool,
    /// Ports outside of other machines.
    pub taken: Vec<u16>,
    /// By UDP or not, and the port outside; of IPv6 by the number of the pinhole.
    pub mappings: HashMap<(bool, u16), Entry>,
    pub started: Option<Instant>,
    /// So many datagrams are lost.
    pub lose: u32,
    pub pinholes: u16,
    /// It says anything at all.
    pub chaos: Option<StdRng>,
    /// All that it was asked.
    pub asked: Vec<String>,
}

impl Router {
    fn epoch(&self, now: Instant) -> u32 {
        self.started.map_or(0, |started| now.duration_since(started).as_secs() as u32)
    }

    pub fn restart(&mut self, now: Instant) {
        self.mappings.clear();
        self.started = Some(now);
    }

    /// The mappings that have not ended, in order: UDP or not, inside, outside.
    pub fn lets_in(&self, now: Instant) -> Vec<(bool, u16, u16)> {
        let lasting = self.mappings.iter().filter(|(_, (_, until))| until.is_none_or(|until| until > now));
        let mut all: Vec<_> =
            lasting.map(|((udp, outside), (inside, _))| (*udp, *inside, *outside)).collect();
        all.sort_unstable();
        all
    }

    fn map(&mut self, now: Instant, udp: bool, inside: u16, outside: u16, lifetime: u32) -> u16 {
        if lifetime == 0 {
            self.mappings.retain(|(its, _), (port, _)| (*its, *port) != (udp, inside));
            return 0;
        }
        let outside = if self.taken.contains(&outside) { outside + 1 } else { outside };
        let until = now + Duration::from_secs(lifetime.into());
        self.mappings.insert((udp, outside), (inside, Some(until)));
        outside
    }

    fn datagram(&mut self, now: Instant, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.lose > 0 {
            self.lose -= 1;
            return None;
        }
        let (is_pcp, epoch) = (bytes[0] == pcp::VERSION, self.epoch(now).to_be_bytes());
        self.asked.push(if is_pcp { "pcp" } else { "natpmp" }.into());
        if let Some(random) = &mut self.chaos {
            // As if it answered, with something wrong in it.
            let mut answer = bytes.to_vec();
            answer.resize(60.max(bytes.len()), 0);
            answer[1] |= 128;
            for _ in 0..random.random_range(0..4) {
                let at = random.random_range(0..answer.len());
                answer[at] = random.random();
            }
            answer.truncate(random.random_range(1..=60));
            return Some(answer);
        }
        match (is_pcp, self.pcp, self.natpmp) {
            (true, true, _) => {
                let mut answer = bytes.to_vec();
                answer[1] |= 128;
                answer[8..12].copy_from_slice(&epoch);
                let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
                let lifetime = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
                let outside = self.map(now, bytes[36] == 17, word(40), word(42), lifetime);
                answer[42..44].copy_from_slice(&outside.to_be_bytes());
                answer[44..60].copy_from_slice(&std::net::Ipv4Addr::from(OUTSIDE).to_ipv6_mapped().octets());
                Some(answer)
            }
            // A gateway that knows the forerunner alone says so in its form (RFC 6886, section 3.5).
            (true, false, true) => Some([&[0, 128, 0, 1][..], &epoch].concat()),
            (false, _, true) if bytes.len() == 2 => Some([&[0, 128, 0, 0][..], &epoch, &OUTSIDE].concat()),
            (false, _, true) => {
                let udp = bytes[1] == 1;
                let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
                let lifetime = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
                let outside = self.map(now, udp, word(4), word(6), lifetime);
                let head = [0, bytes[1] + 128, 0, 0];
                Some([&head[..], &epoch, &bytes[4..6], &outside.to_be_bytes(), &bytes[8..12]].concat())
            }
            _ => None,
        }
    }

    fn job(&mut self, now: Instant, job: &Job) -> Result<Done, UpnpError> {
        let name = format!("{job:?}");
        self.asked.push(name.split(' ').next().unwrap().to_owned());
        if let Some(random) = &mut self.chaos {
            let codes = [401, 402, 501, 606, 704, 714, 718, 724, 725, 726];
            return match random.random_range(0..16) {
                0 => Err(UpnpError::Silent),
                1 => Err(UpnpError::Garbage),
                2 => Err(UpnpError::Http("closed".into())),
                3 => Ok(Done::Foreign),
                4 => Ok(Done::Opened(random.random())),
                5 => Ok(Done::Address(IpAddr::from(random.random::<[u8; 4]>()))),
                6..9 => Ok(Done::Ok),
                _ => {
                    let code = codes[random.random_range(0..codes.len())];
                    Err(UpnpError::Refused { code, words: "no".into() })
                }
            };
        }
        if !self.upnp {
            return Err(UpnpError::Silent);
        }
        let no = |code| Err(UpnpError::Refused { code, words: String::new() });
        let until = |lease: u32| (lease > 0).then(|| now + Duration::from_secs(lease.into()));
        match *job {
            Job::Find => Ok(Done::Ok),
            Job::Address => Ok(Done::Address(OUTSIDE.into())),
            Job::Map { outside, .. } if self.taken.contains(&outside) => no(718),
            Job::Map { lease: 1.., .. } if self.permanent_only => no(725),
            Job::Map { udp, inside, outside, lease } => {
                self.mappings.insert((udp, outside), (inside, until(lease)));
                Ok(Done::Ok)
            }
            Job::Check { udp, outside, inside } => match self.mappings.get(&(udp, outside)) {
                Some((port, _)) if *port == inside => Ok(Done::Ok),
                Some(_) => Ok(Done::Foreign),
                None => no(714),
            },
            Job::Unmap { udp, outside } => match self.mappings.remove(&(udp, outside)) {
                Some(_) => Ok(Done::Ok),
                None => no(714),
            },
            Job::Open { udp, inside, lease } => {
                self.pinholes += 1;
                self.mappings.insert((udp, self.pinholes), (inside, until(lease)));
                Ok(Done::Opened(self.pinholes))
            }
            Job::Keep { pinhole, lease } => {
                let found = self.mappings.iter_mut().find(|((_, number), _)| *number == pinhole);
                let Some((_, entry)) = found else { return no(704) };
                entry.1 = until(lease);
                Ok(Done::Ok)
            }
            Job::Close { pinhole } => {
                self.mappings.retain(|(_, number), _| *number != pinhole);
                Ok(Done::Ok)
            }
        }
    }
}

pub struct World {
    pub now: Instant,
    pub mapper: Mapper,
    pub router: Router,
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl World {
    pub fn new(v6: bool, router: Router) -> Self {
        let now = Instant::now();
        let mapper = Mapper::new(now, v6, StdRng::seed_from_u64(7));
        let mut world = Self { now, mapper, router };
        world.router.started = Some(now);
        let network = if v6 { ("fe80::1", "2a11::7") } else { ("192.168.1.1", "192.168.1.7") };
        world.mapper.network(now, Ok((ip(network.0), ip(network.1))));
        world.mapper.want(now, [Some(7000); 2]);
        world
    }

    /// Lets so many seconds pass.
    pub fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        // More turns than a mapper that does not spin needs.
        for _ in 0..100_000 {
            self.carry_out();
            match self.mapper.next_due() {
                Some(due) if due <= end => self.now = self.now.max(due),
                _ => {
                    self.now = end;
                    return;
                }
            }
            self.mapper.timeout(self.now);
        }
        panic!("it spins");
    }

    fn carry_out(&mut self) {
        loop {
            let orders = self.mapper.take_orders();
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::Send(bytes) => {
                        if let Some(answer) = self.router.datagram(self.now, &bytes) {
                            self.mapper.received(self.now, &answer);
                        }
                    }
                    Order::Upnp(job) => {
                        let result = self.router.job(self.now, &job);
                        self.mapper.upnp_ended(self.now, result);
                    }
                }
            }
        }
    }

    /// TCP and UDP in a word.
    pub fn states(&self) -> [String; 2] {
        self.mapper.states().map(|state| match state {
            Mapping::Mapped { by, outside, port } => {
                format!("{} {}:{port}", by.name(), outside.map_or("?".into(), |ip| ip.to_string()))
            }
            Mapping::Failed { why } => format!("failed: {why}"),
            Mapping::Searching => "searching".into(),
            Mapping::Off { why } => format!("off: {why}"),
        })
    }
}

impl World {
    /// The gateway does what it is asked, and its answer is lost. Whether it did.
    pub fn router_answers(&mut self, bytes: &[u8]) -> bool {
        self.router.datagram(self.now, bytes).is_some()
    }

    /// The gateway is asked, and its answer arrives.
    pub fn deliver(&mut self, bytes: &[u8]) {
        if let Some(answer) = self.router.datagram(self.now, bytes) {
            self.mapper.received(self.now, &answer);
        }
    }
}
