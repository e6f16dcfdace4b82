//! Tokens: whoever announces must have asked from the same address a short time ago (BEP 5).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use sha1::{Digest, Sha1};

/// A token of ours. Eight bytes are not guessed within ten minutes.
pub type Token = [u8; 8];

/// How long one secret makes tokens (BEP 5); those of the one before it are taken still.
const TURN: Duration = Duration::from_secs(5 * 60);

/// The two secrets.
#[derive(Debug)]
pub struct Tokens {
    /// The one that makes tokens, and the one before it.
    secrets: [[u8; 16]; 2],
    /// When the first one began.
    since: Instant,
}

impl Tokens {
    /// With secrets that nobody knows.
    pub fn new(now: Instant, random: &mut StdRng) -> Self {
        Self { secrets: random.random(), since: now }
    }

    /// The token of whoever asks from this address.
    pub fn issue(&mut self, now: Instant, random: &mut StdRng, ip: IpAddr) -> Token {
        self.turn(now, random);
        make(&self.secrets[0], ip)
    }

    /// Whether that address was given this token, between five and ten minutes ago at the most.
    pub fn accepts(&mut self, now: Instant, random: &mut StdRng, ip: IpAddr, token: &[u8]) -> bool {
        self.turn(now, random);
        self.secrets.iter().any(|secret| make(secret, ip) == token)
    }

    fn turn(&mut self, now: Instant, random: &mut StdRng) {
        let turns = now.saturating_duration_since(self.since).as_secs() / TURN.as_secs();
        if turns == 0 {
            return;
        }
        let newest = self.secrets[0];
        self.secrets = random.random();
        if turns == 1 {
            self.secrets[1] = newest;
            self.since += TURN;
        } else {
            self.since = now;
        }
    }
}

fn make(secret: &[u8; 16], ip: IpAddr) -> Token {
    let mut hash = Sha1::new();
    hash.update(secret);
    match ip {
        IpAddr::V4(ip) => hash.update(ip.octets()),
        IpAddr::V6(ip) => hash.update(ip.octets()),
    }
    let hash: [u8; 20] = hash.finalize().into();
    std::array::from_fn(|n| hash[n])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_token_is_good_from_its_address_and_for_five_to_ten_minutes() {
        let (mut now, mut random) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut tokens = Tokens::new(now, &mut random);
        let (ours, other): (IpAddr, IpAddr) = ([11, 1, 0, 1].into(), [11, 1, 0, 2].into());
        let token = tokens.issue(now, &mut random, ours);
        for _ in 0..2 {
            assert!(tokens.accepts(now, &mut random, ours, &token));
            assert!(!tokens.accepts(now, &mut random, other, &token));
            assert!(!tokens.accepts(now, &mut random, ours, &token[..7]));
            assert!(!tokens.accepts(now, &mut random, ours, b""));
            now += Duration::from_secs(299);
        }
        assert!(tokens.accepts(now, &mut random, ours, &token), "598 s old");
        now += Duration::from_secs(2);
        assert!(!tokens.accepts(now, &mut random, ours, &token), "600 s old");
        // After a long silence nothing old is taken either.
        let token = tokens.issue(now, &mut random, ours);
        assert!(!tokens.accepts(now + Duration::from_secs(601), &mut random, ours, &token));
    }
}
