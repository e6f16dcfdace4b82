//! What is asked when.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::router::{Router, World, ip};
use crate::portmap::mapper::{CHECK, Order};

const BOTH: [(bool, u16, u16); 2] = [(false, 7000, 7000), (true, 7000, 7000)];

fn speaks(ways: &str) -> Router {
    let has = |way: &str| ways.split(' ').any(|word| word == way);
    Router { pcp: has("pcp"), natpmp: has("natpmp"), upnp: has("upnp"), ..Router::default() }
}

fn check(ways: &str, want: &str) {
    let mut world = World::new(false, speaks(ways));
    world.pass(20);
    assert_eq!(world.states(), [want; 2], "{ways}");
    assert_eq!(world.router.lets_in(world.now).len(), if want.starts_with("failed") { 0 } else { 2 });
}

#[test]
fn the_first_way_that_works_wins() {
    check("pcp natpmp upnp", "PCP 80.1.1.1:7000");
    check("pcp", "PCP 80.1.1.1:7000");
    check("natpmp upnp", "NAT-PMP 80.1.1.1:7000");
    check("upnp", "UPnP 80.1.1.1:7000");
    check("nothing", "failed: the router answers neither PCP, NAT-PMP nor UPnP");
}

#[test]
fn a_way_that_works_is_the_only_one_that_is_asked() {
    let mut world = World::new(false, speaks("pcp natpmp upnp"));
    world.pass(3600);
    assert!(world.router.asked.iter().all(|asked| asked == "pcp"), "{:?}", world.router.asked);
}

#[test]
fn lost_datagrams_are_sent_again() {
    for lost in 1..4 {
        let mut world = World::new(false, speaks("pcp"));
        world.router.lose = lost;
        world.pass(4);
        assert_eq!(world.states(), ["PCP 80.1.1.1:7000"; 2], "{lost} lost");
    }
}

#[test]
fn leases_are_renewed_before_they_end() {
    for ways in ["pcp", "natpmp", "upnp"] {
        let mut world = World::new(false, speaks(ways));
        world.pass(20);
        for minute in 0..600 {
            assert_eq!(world.router.lets_in(world.now), BOTH, "{ways} after {minute} minutes");
            world.pass(60);
        }
    }
}

#[test]
fn what_a_restarted_gateway_forgot_is_there_again_after_the_next_check() {
    for ways in ["pcp", "natpmp", "upnp"] {
        let mut world = World::new(false, speaks(ways));
        world.pass(10_000);
        world.router.restart(world.now);
        assert_eq!(world.router.lets_in(world.now), []);
        world.pass(CHECK.as_secs() + 1);
        assert_eq!(world.router.lets_in(world.now), BOTH, "{ways}");
    }
}

#[test]
fn a_gateway_that_is_away_for_a_minute_gets_its_mappings_back() {
    for ways in ["pcp", "natpmp", "upnp"] {
        let mut world = World::new(false, speaks(ways));
        world.pass(1000);
        let before = world.states();
        world.router.restart(world.now);
        (world.router.pcp, world.router.natpmp, world.router.upnp) = (false, false, false);
        world.pass(60);
        assert_eq!(world.states(), before, "{ways}: its lease has not ended");
        let back = speaks(ways);
        (world.router.pcp, world.router.natpmp, world.router.upnp) = (back.pcp, back.natpmp, back.upnp);
        world.pass(CHECK.as_secs() + 5);
        assert_eq!(world.router.lets_in(world.now), BOTH, "{ways}");
    }
}

#[test]
fn a_gateway_that_is_gone_for_good_is_no_mapping_any_more() {
    for ways in ["pcp", "natpmp"] {
        let mut world = World::new(false, speaks(ways));
        world.pass(100);
        (world.router.pcp, world.router.natpmp) = (false, false);
        world.pass(3700);
        assert_eq!(world.states()[0], "failed: the router answers neither PCP, NAT-PMP nor UPnP", "{ways}");
    }
}

#[test]
fn a_gateway_without_leases_is_given_none() {
    let mut world = World::new(false, Router { permanent_only: true, ..speaks("upnp") });
    world.pass(20);
    assert_eq!(world.states(), ["UPnP 80.1.1.1:7000"; 2]);
    assert!(world.router.mappings.values().all(|(_, until)| until.is_none()));
    world.router.restart(world.now);
    world.pass(CHECK.as_secs() + 1);
    assert_eq!(world.router.lets_in(world.now), BOTH);
    world.mapper.close(world.now);
    world.pass(1);
    assert!(world.mapper.is_closed() && world.router.mappings.is_empty());
}

#[test]
fn a_port_of_another_machine_is_left_to_it() {
    let mut world = World::new(false, Router { taken: vec![7000], ..speaks("upnp") });
    world.pass(20);
    let [(false, 7000, tcp), (true, 7000, udp)] = world.router.lets_in(world.now)[..] else { panic!() };
    assert_eq!(tcp, udp, "one port is announced for both");
    assert!(tcp >= 49_160);
    // PCP chooses itself.
    let mut world = World::new(false, Router { taken: vec![7000], ..speaks("pcp") });
    world.pass(20);
    assert_eq!(world.states(), ["PCP 80.1.1.1:7001"; 2]);
    // Somebody takes it while the gateway restarts.
    let mut world = World::new(false, speaks("upnp"));
    world.pass(20);
    world.router.mappings.insert((false, 7000), (22, None));
    world.router.taken = vec![7000];
    world.pass(CHECK.as_secs() + 1);
    assert_ne!(world.mapper.states()[0].port(), Some(7000));
    world.mapper.close(world.now);
    world.pass(1);
    assert_eq!(world.router.lets_in(world.now), [(false, 22, 7000)], "what is another's stays");
}

#[test]
fn a_gateway_on_which_all_ports_are_taken_is_asked_a_few_times() {
    let mut world = World::new(false, Router { taken: (0..=u16::MAX).collect(), ..speaks("upnp") });
    world.pass(20);
    assert_eq!(world.states(), ["failed: UPnP: the router has given the port to another machine"; 2]);
    let maps = world.router.asked.iter().filter(|asked| *asked == "Map").count();
    assert!(maps <= 12, "{maps}");
}

#[test]
fn all_is_taken_back_at_the_end() {
    for ways in ["pcp", "natpmp", "upnp"] {
        let mut world = World::new(false, speaks(ways));
        world.pass(100);
        world.mapper.close(world.now);
        world.pass(1);
        assert!(world.mapper.is_closed(), "{ways}");
        assert_eq!(world.router.lets_in(world.now), [], "{ways}");
        assert_eq!(world.mapper.next_due(), None);
    }
}

#[test]
fn what_may_have_been_given_is_taken_back_too() {
    for ways in ["pcp", "natpmp"] {
        let mut world = World::new(false, speaks(ways));
        if ways == "natpmp" {
            world.pass(4);
            let mut again = World::new(false, speaks(ways));
            std::mem::swap(&mut world, &mut again);
            // PCP first, which it does not speak, and the address.
            for _ in 0..2 {
                answer_one(&mut world);
            }
        }
        // The gateway did it, and its answer was lost.
        let orders = world.mapper.take_orders();
        let [Order::Send(bytes)] = &orders[..] else { panic!("{orders:?}") };
        world.router.lose = 0;
        assert!(world.router_answers(bytes));
        world.mapper.close(world.now);
        world.pass(1);
        assert!(world.mapper.is_closed(), "{ways}");
        assert_eq!(world.router.lets_in(world.now), [], "{ways}");
    }
}

fn answer_one(world: &mut World) {
    for order in world.mapper.take_orders() {
        let Order::Send(bytes) = order else { panic!("{order:?}") };
        world.deliver(&bytes);
    }
}

#[test]
fn a_gateway_that_does_not_answer_holds_up_no_exit() {
    let mut world = World::new(false, speaks("pcp"));
    world.pass(100);
    world.router.pcp = false;
    world.mapper.close(world.now);
    world.pass(8);
    assert!(world.mapper.is_closed());
}

#[test]
fn another_gateway_or_address_begins_anew() {
    let mut world = World::new(false, speaks("pcp"));
    world.pass(100);
    world.mapper.network(world.now, Ok((ip("192.168.1.1"), ip("192.168.1.7"))));
    assert_eq!(world.states(), ["PCP 80.1.1.1:7000"; 2], "nothing has changed");
    world.mapper.network(world.now, Ok((ip("192.168.2.1"), ip("192.168.2.7"))));
    assert_eq!(world.states(), ["searching"; 2]);
    world.router = speaks("upnp");
    world.router.started = Some(world.now);
    world.pass(20);
    assert_eq!(world.states(), ["UPnP 80.1.1.1:7000"; 2]);
    world.mapper.network(world.now, Err("no gateway"));
    assert_eq!(world.states(), ["off: no gateway"; 2]);
    world.router.asked.clear();
    world.pass(10_000);
    assert_eq!(world.router.asked, [""; 0]);
}

#[test]
fn another_port_of_ours_replaces_the_one_before() {
    for ways in ["pcp", "natpmp", "upnp"] {
        let mut world = World::new(false, speaks(ways));
        world.pass(100);
        world.mapper.want(world.now, [Some(8000), None]);
        world.pass(5);
        assert_eq!(world.router.lets_in(world.now), [(false, 8000, 8000)], "{ways}");
        assert_eq!(world.states()[1], "off: nobody can call");
    }
}

#[test]
fn pinholes_are_opened_kept_and_closed() {
    let mut world = World::new(true, speaks("upnp"));
    world.pass(20);
    assert_eq!(world.states(), ["UPnP ?:7000"; 2]);
    for minute in 0..200 {
        let open: Vec<_> =
            world.router.lets_in(world.now).iter().map(|(udp, port, _)| (*udp, *port)).collect();
        assert_eq!(open, [(false, 7000), (true, 7000)], "after {minute} minutes");
        world.pass(60);
    }
    world.router.restart(world.now);
    world.pass(121);
    assert_eq!(world.router.lets_in(world.now).len(), 2);
    world.mapper.close(world.now);
    world.pass(1);
    assert!(world.mapper.is_closed() && world.router.mappings.is_empty());
}

#[test]
fn who_has_nothing_is_asked_less_and_less() {
    let mut world = World::new(false, speaks("nothing"));
    world.pass(3600);
    let first = world.router.asked.len();
    world.pass(3600);
    let second = world.router.asked.len() - first;
    assert!(second < first / 2 && second > 0, "{first}, then {second}");
    world.router.natpmp = true;
    world.pass(1801);
    assert_eq!(world.states(), ["NAT-PMP 80.1.1.1:7000"; 2]);
}

#[test]
fn a_gateway_that_says_anything_keeps_nobody_busy() {
    for (seed, v6) in (0..40).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut world = World::new(v6, Router { chaos: Some(StdRng::seed_from_u64(seed)), ..speaks("all") });
        world.pass(3600);
        let asked = world.router.asked.len();
        assert!(asked < 3600, "{seed}: {asked} questions in an hour");
        world.mapper.close(world.now);
        world.pass(30);
        assert!(world.mapper.is_closed(), "{seed}");
    }
}

#[test]
fn a_gateway_that_restarts_all_the_time_is_not_asked_all_the_time() {
    let mut world = World::new(false, speaks("pcp"));
    for _ in 0..60 {
        world.router.restart(world.now + Duration::from_secs(1));
        world.router.started = Some(world.now);
        world.pass(60);
    }
    assert!(world.router.asked.len() < 60 * 12, "{}", world.router.asked.len());
}
