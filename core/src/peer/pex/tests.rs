//! Times are the test's; peers are addresses.

use proptest::prelude::*;

use super::*;
use crate::wire::ut_pex::PexFlags;

const SECOND: Duration = Duration::from_secs(1);

fn address(n: u32) -> SocketAddr {
    SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0001 + (n << 8)), 6881))
}

fn peer(address: SocketAddr) -> PexPeer {
    PexPeer { address, flags: PexFlags::REACHABLE }
}

fn met(peers: impl IntoIterator<Item = u32>) -> FxHashMap<SocketAddr, PexPeer> {
    peers.into_iter().map(|n| (address(n), peer(address(n)))).collect()
}

fn added(peers: impl IntoIterator<Item = SocketAddr>) -> UtPex {
    UtPex { added: peers.into_iter().map(peer).collect(), dropped: Vec::new() }
}

const US: [&str; 2] = ["11.255.0.1:40000", "11.255.0.1:6881"];

fn to() -> [SocketAddr; 2] {
    US.map(|address| address.parse().unwrap())
}

/// What a peer is told at the times when something is due, in seconds.
fn talk(
    telling: &mut Telling,
    start: Instant,
    from: u64,
    until: u64,
    changes: u64,
    who: &FxHashMap<SocketAddr, PexPeer>,
) -> Vec<(u64, UtPex)> {
    let mut said = Vec::new();
    for second in from..until {
        let now = start + SECOND * second as u32;
        if telling.is_due(now, changes)
            && let Some(list) = telling.list(now, changes, to(), who)
        {
            said.push((second, list));
        }
    }
    said
}

#[test]
fn the_first_list_comes_soon_and_the_next_one_a_minute_later() {
    let now = Instant::now();
    let mut telling = Telling::new(now, LinkId(0));
    let said = talk(&mut telling, now, 0, 20, 1, &met(0..3));
    assert_eq!((said.len(), said[0].0, said[0].1.added.len()), (1, 5, 3));
    // One has gone, one has come.
    let said = talk(&mut telling, now, 20, 200, 3, &met(1..4));
    assert_eq!((said.len(), said[0].0), (1, 65));
    assert_eq!(said[0].1, UtPex { added: vec![peer(address(3))], dropped: vec![address(0)] });
    assert_eq!(talk(&mut telling, now, 200, 1_000, 3, &met(1..4)), [], "nothing has changed");
    // What came and went in between is not worth a word.
    assert_eq!(talk(&mut telling, now, 1_000, 1_100, 5, &met(1..4)), []);
}

#[test]
fn links_that_began_together_do_not_stay_together() {
    let now = Instant::now();
    let second = |link| {
        let mut telling = Telling::new(now, LinkId(link));
        talk(&mut telling, now, 0, 20, 1, &met(0..1));
        talk(&mut telling, now, 20, 200, 2, &met(0..2))[0].0
    };
    let seconds: Vec<_> = (0..100).map(second).collect();
    assert_eq!((*seconds.iter().min().unwrap(), *seconds.iter().max().unwrap()), (65, 95));
}

#[test]
fn nobody_hears_of_more_than_fifty_at_a_time_or_of_itself() {
    let now = Instant::now();
    let mut telling = Telling::new(now, LinkId(0));
    let mut who = met(0..120);
    for own in to() {
        who.insert(own, peer(own));
    }
    let said = talk(&mut telling, now, 0, 1_000, 1, &who);
    let sizes: Vec<_> = said.iter().map(|(_, list)| list.added.len()).collect();
    assert_eq!(sizes, [50, 50, 20]);
    assert!(said.windows(2).all(|two| two[1].0 - two[0].0 >= 60));
    assert!(said.iter().flat_map(|(_, list)| &list.added).all(|peer| !to().contains(&peer.address)));
    let said = talk(&mut telling, now, 1_000, 2_000, 2, &met(0..0));
    let sizes: Vec<_> = said.iter().map(|(_, list)| list.dropped.len()).collect();
    assert_eq!(sizes, [50, 50, 20]);
}

#[test]
fn what_is_further_in_is_not_told() {
    let now = Instant::now();
    let inward = ["127.0.0.1:1", "10.0.0.1:1", "169.254.0.1:1", "1.1.1.1:1", "[fc00::1]:1"];
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let who = inward.iter().map(|text| (address(text), peer(address(text)))).collect();
    let told = |to: &str| {
        let to = address(to);
        let mut telling = Telling::new(now, LinkId(0));
        telling.list(now + FIRST, 1, [to, to], &who).map_or(0, |list| list.added.len())
    };
    assert_eq!(["11.0.0.1:1", "10.0.0.2:1", "127.0.0.1:2"].map(told), [1, 3, 4]);
}

#[test]
fn lists_are_taken_once_a_minute_and_a_flood_ends_the_link() {
    let start = Instant::now();
    let hears = |seconds: &[u64]| {
        let mut pace = Pace::default();
        seconds.iter().map(|at| pace.hears(start + SECOND * *at as u32)).collect::<Vec<_>>()
    };
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(hears(&[0, 60, 115, 180]), [yes; 4], "a network may hold one back");
    assert_eq!(hears(&[0, 1, 59, 60]), [yes, no, yes, no]);
    assert_eq!(hears(&[0, 20, 40, 60, 80, 100, 120]), [yes, no, no, yes, no, no, yes]);
    assert_eq!(hears(&[0, 1, 2, 3, 4, 5]), [yes, no, no, no, no, None]);
}

#[test]
fn a_peer_is_believed_this_much_and_no_more() {
    let from: IpAddr = [11, 9, 0, 1].into();
    let take = |named: &mut Named, list| named.take(from, false, list).len();
    let mut named = Named::default();
    // One network.
    let crowd = (0..40).map(|n| SocketAddr::from(([12, 0, 0, n], 1)));
    assert_eq!(take(&mut named, added(crowd)), MAX_OF_NETWORK);
    // All that it has not taken back, over any number of lists.
    let mut taken = MAX_OF_NETWORK;
    for list in 0..100 {
        taken += take(&mut named, added((0..50).map(|n| address(list * 50 + n))));
    }
    assert_eq!(taken, MAX_NAMED);
    assert_eq!(take(&mut named, added([address(0)])), 0, "it is known");
    let mut list = added([address(9_000)]);
    list.dropped = vec![address(0), address(1)];
    assert_eq!(take(&mut named, list), 1);
}

#[test]
fn nobody_sends_us_inward() {
    let inward = ["127.0.0.1:1", "10.0.0.1:1", "169.254.169.254:80", "[::1]:1", "[fe80::1]:1", "[fc00::1]:1"];
    let nowhere = ["0.0.0.0:1", "255.255.255.255:1", "224.0.0.1:1", "1.1.1.1:0", "[ff02::1]:1"];
    let list = || added(inward.iter().chain(&nowhere).map(|address| address.parse().unwrap()));
    let take = |from: &str, inward| Named::default().take(from.parse().unwrap(), inward, list()).len();
    assert_eq!(take("1.2.3.4", false), 0);
    assert_eq!(take("10.0.0.9", false), 2);
    assert_eq!(take("127.0.0.9", false), 4);
    assert_eq!(take("1.2.3.4", true), inward.len(), "an embedder says so");
}

proptest! {
    #[test]
    fn who_follows_the_lists_knows_whom_we_know(steps in prop::collection::vec(
        (prop::collection::btree_set(0..150_u32, 0..120), 1..400_u64), 1..12,
    )) {
        let start = Instant::now();
        let mut telling = Telling::new(start, LinkId(3));
        let (mut knows, mut at, mut last) = (FxHashSet::default(), 0, None);
        let mut follow = |telling: &mut Telling, from, until, changes, who: &FxHashMap<_, _>| {
            for (second, list) in talk(telling, start, from, until, changes, who) {
                assert!(last.is_none_or(|last| second >= last + 60) && !list.is_empty());
                last = Some(second);
                assert!(list.added.len() <= MAX_PEERS && list.dropped.len() <= MAX_PEERS);
                for address in list.dropped {
                    assert!(knows.remove(&address), "dropped, and never added");
                }
                for PexPeer { address, .. } in list.added {
                    assert!(who.contains_key(&address) && knows.insert(address), "added twice");
                }
            }
            knows.clone()
        };
        let mut who = met([]);
        for (changes, (peers, span)) in steps.into_iter().enumerate() {
            who = met(peers);
            follow(&mut telling, at, at + span, changes as u64, &who);
            at += span;
        }
        let knows = follow(&mut telling, at, at + 1_000, 1_000, &who);
        prop_assert_eq!(knows, who.keys().copied().collect::<FxHashSet<_>>());
    }
}
