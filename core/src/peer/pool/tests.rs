//! Addresses, and time that is the test's.

use super::*;

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([11, n, 0, 1], 6_000 + u16::from(n)))
}

fn pool(n: u8, now: Instant) -> PeerPool {
    let mut pool = PeerPool::default();
    for n in 0..n {
        assert!(pool.learn(now, address(n), PeerSource::Tracker));
    }
    pool
}

const ANY: Choice<'static> = Choice::ANY;

#[test]
fn who_is_worth_most_to_both_ends_is_dialled_first() {
    let now = Instant::now();
    let mut pool = pool(5, now);
    let rank = |address: SocketAddr| [3, 9, 1, 7, 5][usize::from(address.port() - 6_000)];
    let choice = Choice { rank: &rank, ..ANY };
    assert_eq!(pool.dial(now, 3, &choice), [address(1), address(3), address(4)]);
    // Who failed comes after who did not.
    pool.ended(now, address(1), Outcome::Unreachable);
    assert_eq!(pool.dial(now + FIRST_WAIT, 1, &choice), [address(0)]);
}

#[test]
fn one_public_address_has_one_link_and_a_shared_one_many() {
    let now = Instant::now();
    let mut pool = PeerPool::default();
    for address in ["11.1.0.1:1", "11.1.0.1:2", "[::ffff:11.1.0.1]:3", "10.0.0.1:1", "10.0.0.1:2"] {
        pool.learn(now, address.parse().unwrap(), PeerSource::Tracker);
    }
    assert_eq!(pool.dial(now, 9, &ANY).len(), 3);
    assert_eq!(pool.dial(now, 9, &ANY).len(), 0);
    pool.ended(now, "11.1.0.1:1".parse().unwrap(), Outcome::Ended);
    assert_eq!(pool.dial(now + FIRST_WAIT, 9, &ANY).len(), 1);
    assert_eq!(pool.dial(now + 2 * FIRST_WAIT, 9, &Choice { per_address: 2, ..ANY }).len(), 1);
}

#[test]
fn seeds_leave_each_other_alone_while_both_are() {
    let now = Instant::now();
    let mut pool = pool(2, now);
    pool.set_seeding(true);
    assert_eq!(pool.dial(now, 1, &ANY), [address(0)]);
    pool.ended(now, address(0), Outcome::Seeds);
    let later = now + 100 * MAX_WAIT;
    assert_eq!(pool.dial(later, 9, &ANY), [address(1)]);
    assert_eq!(pool.next_due(), None, "nobody is woken for it");
    // We have lost a piece: seeds are what we need.
    pool.set_seeding(false);
    assert_eq!(pool.dial(later, 9, &ANY), [address(0)]);
}

#[test]
fn an_address_is_dialled_once_at_a_time() {
    let now = Instant::now();
    let mut pool = pool(3, now);
    assert_eq!(pool.dial(now, 2, &ANY).len(), 2);
    assert_eq!(pool.dial(now, 2, &ANY).len(), 1);
    assert_eq!(pool.dial(now, 2, &ANY).len(), 0);
    assert_eq!(pool.busy(), 3);
}

#[test]
fn failures_wait_longer_each_time_and_end() {
    let mut now = Instant::now();
    let mut pool = pool(1, now);
    let mut tries = 0;
    let start = now;
    while let Some(due) = pool.next_due() {
        now = now.max(due);
        let dialled = pool.dial(now, 1, &ANY);
        assert_eq!(dialled.len(), 1);
        pool.ended(now, dialled[0], Outcome::Unreachable);
        assert_eq!(pool.dial(now, 1, &ANY).len(), 0, "no tight loop");
        tries += 1;
    }
    assert_eq!(tries, GIVE_UP);
    assert_eq!(now - start, FIRST_WAIT * (1 + 2 + 4 + 8 + 16));
    assert_eq!(pool.known(), 0);
}

#[test]
fn who_was_named_by_a_person_goes_first_and_is_never_given_up() {
    let mut now = Instant::now();
    let mut pool = pool(5, now);
    pool.learn(now, address(9), PeerSource::Manual);
    assert_eq!(pool.dial(now, 1, &ANY), [address(9)]);
    for _ in 0..20 {
        pool.ended(now, address(9), Outcome::Unreachable);
        now += MAX_WAIT;
        assert_eq!(pool.dial(now, 1, &ANY), [address(9)]);
    }
}

#[test]
fn who_is_banned_is_not_dialled_and_one_that_a_person_named_is_remembered() {
    let now = Instant::now();
    let mut pool = pool(3, now);
    pool.learn(now, address(9), PeerSource::Manual);
    let banned = |other| other == address(1) || other == address(9);
    assert_eq!(pool.dial(now, 9, &Choice { is_banned: &banned, ..ANY }), [address(0), address(2)]);
    assert_eq!(pool.known(), 3);
    assert_eq!(pool.next_due(), Some(now + BANNED_WAIT));
    assert_eq!(pool.dial(now + BANNED_WAIT, 9, &ANY), [address(9)]);
}

#[test]
fn two_links_to_one_address_are_one_too_many() {
    let now = Instant::now();
    let mut pool = pool(1, now);
    assert_eq!(pool.connected(now, address(0), PeerSource::Incoming, LinkId(1)), Ok(PeerSource::Tracker));
    assert_eq!(pool.connected(now, address(0), PeerSource::Incoming, LinkId(2)), Err(LinkId(1)));
    pool.ended(now, address(0), Outcome::Useless);
    assert_eq!(pool.dial(now + FIRST_WAIT, 1, &ANY).len(), 0, "seeds do not call each other again soon");
    assert_eq!(pool.busy(), 0);
}

#[test]
fn when_more_is_wanted_the_useless_are_called_again_and_the_unreachable_are_not() {
    let now = Instant::now();
    let mut pool = pool(2, now);
    assert_eq!(pool.dial(now, 2, &ANY).len(), 2);
    pool.ended(now, address(0), Outcome::Unreachable);
    pool.ended(now, address(1), Outcome::Unreachable);
    let later = now + FIRST_WAIT;
    assert_eq!(pool.dial(later, 2, &ANY).len(), 2);
    assert_eq!(pool.connected(later, address(0), PeerSource::Tracker, LinkId(1)), Ok(PeerSource::Tracker));
    pool.ended(later, address(0), Outcome::Useless);
    pool.ended(later, address(1), Outcome::Unreachable);
    assert_eq!(pool.dial(later, 2, &ANY).len(), 0);
    pool.call_again(later);
    assert_eq!(pool.dial(later, 2, &ANY), [address(0)]);
}

fn wide(n: u32) -> SocketAddr {
    SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0000 + (n << 8)), 1))
}

#[test]
fn a_flood_of_bad_addresses_of_one_source_takes_nothing_from_the_others() {
    let mut now = Instant::now();
    let mut pool = PeerPool::default();
    for n in 0..5_000 {
        pool.learn(now, wide(n), PeerSource::Pex);
    }
    assert_eq!(pool.known(), MAX_HEARSAY);
    // Twelve that a tracker names; they have failed once, and the flood has not.
    let good: Vec<_> = (10_000..10_012).map(wide).collect();
    for address in &good {
        assert!(pool.learn(now, *address, PeerSource::Tracker));
        pool.known.get_mut(address).unwrap().failures = 1;
    }
    let mut dialled = Vec::new();
    for _ in 0..24 {
        dialled.extend(pool.dial(now, 1, &ANY));
    }
    assert_eq!(dialled.iter().filter(|address| good.contains(address)).count(), 12);
    // Silent ones hold no more places than one source may have.
    while let Some(address) = pool.dial(now, 1, &ANY).pop() {
        dialled.push(address);
    }
    assert_eq!(pool.dialling(), 12 + MAX_DIALLING);
    // The flood goes on: what failed makes room for the rest of it, and for nothing else.
    for address in dialled {
        pool.ended(now, address, Outcome::Unreachable);
    }
    now += FIRST_WAIT;
    for n in 5_000..10_000 {
        pool.learn(now, wide(n), PeerSource::Pex);
    }
    assert_eq!(pool.known(), MAX_HEARSAY + good.len());
    assert!(good.iter().all(|address| pool.known.contains_key(address)));
}

#[test]
fn who_had_nobody_to_dial_is_not_ahead_for_it() {
    let now = Instant::now();
    let mut pool = PeerPool::default();
    assert!((0..100).all(|n| pool.learn(now, wide(n), PeerSource::Tracker)));
    assert_eq!(pool.dial(now, 20, &ANY).len(), 20);
    assert!((100..200).all(|n| pool.learn(now, wide(n), PeerSource::Dht)));
    let dialled = pool.dial(now, 10, &ANY);
    assert_eq!(dialled.iter().filter(|address| **address >= wide(100)).count(), 5);
}

#[test]
fn a_trackers_word_takes_the_place_of_a_strangers() {
    let now = Instant::now();
    let mut pool = PeerPool::default();
    assert!(pool.learn(now, wide(1), PeerSource::Pex));
    assert!(!pool.learn(now, wide(1), PeerSource::Tracker));
    assert_eq!(pool.known[&wide(1)].source, PeerSource::Tracker);
    assert!(!pool.learn(now, wide(1), PeerSource::Dht));
    assert_eq!(pool.known[&wide(1)].source, PeerSource::Tracker);
    for (at, source) in [PeerSource::Dht, PeerSource::Pex, PeerSource::Lsd].into_iter().enumerate() {
        for n in 0..1_000 {
            pool.learn(now, wide(10_000 * (at as u32 + 1) + n), source);
        }
    }
    assert!((0..1_000).all(|n| pool.learn(now, wide(50_000 + n), PeerSource::Tracker)));
    let of = |source| pool.known.values().filter(|known| known.source == source).count();
    assert_eq!((pool.known(), of(PeerSource::Tracker)), (MAX_KNOWN, 1_001));
}

#[test]
fn a_seed_does_not_call_whom_others_call_a_seed() {
    let now = Instant::now();
    let mut pool = pool(2, now);
    pool.is_said_to_seed(&address(0));
    pool.set_seeding(true);
    assert_eq!(pool.dial(now, 9, &ANY), [address(1)]);
    pool.set_seeding(false);
    assert_eq!(pool.dial(now, 9, &ANY), [address(0)]);
}

#[test]
fn the_pool_is_bounded() {
    let now = Instant::now();
    let mut pool = PeerPool::default();
    for i in 0..10_000_u32 {
        let address = SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0000 + i), 1));
        pool.learn(now, address, PeerSource::Tracker);
    }
    assert_eq!(pool.known(), MAX_KNOWN);
}
