//! One torrent and its links, turn by turn: hunger, interest, calls and farewells.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::actor::{Discovery, Input};
use super::super::control::Wish;
use super::bench::{Bench, HOUR, PIECES, SECOND, piece};
use super::*;
use crate::download::PeerPieces;
use crate::net::dial::DialError;
use crate::peer::{LinkGauge, Report};
use crate::stats::PeerSource;
use crate::types::{BLOCK_SIZE, BlockRef, LinkId};

#[test]
fn an_idle_link_ticks_but_pins_nothing() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    bench.sleep(2 * SECOND);
    let seq = bench.shared.board().since(0).seq;
    assert!(bench.sleep(30 * SECOND) <= 31);
    assert_eq!(bench.shared.board().since(seq).changed.len(), 0);
    let gauge = bench.actor.links[&link].gauge.clone();
    LinkGauge::set(&gauge.downloaded, 5);
    bench.sleep(2 * SECOND);
    assert_eq!(bench.shared.board().since(seq).changed[0].downloaded, 5);
}

#[test]
fn a_hungry_link_is_fed_when_blocks_come_back() {
    let mut bench = Bench::running(false);
    let first = bench.seed("11.0.0.1:1", 1_000);
    let hand = bench.mail(first).hand;
    assert_eq!(hand.len(), PIECES * PIECE / BLOCK_SIZE as usize, "all there is");
    let second = bench.seed("11.0.0.2:1", 1_000);
    // One block of the endgame, which both are asked for.
    let mut fed = bench.mail(second).hand;
    bench.report(second, Report::Hungry(1_000));
    assert_eq!(bench.mail(second).hand.len(), 0);
    bench.report(first, Report::Returned(hand[..5].to_vec()));
    fed.extend(bench.mail(second).hand);
    assert!(hand[..5].iter().all(|block| fed.contains(block)), "{fed:?}");
    bench.report(second, Report::Hungry(1_000));
    bench.report(first, Report::Closed { why: "gone".into(), fault: false });
    assert!(bench.mail(second).hand.len() > 10, "what a link held that has gone");
}

#[test]
fn a_link_that_was_hungry_before_we_lost_interest_is_fed_when_we_find_it() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    bench.report(link, Report::Unchoked(true));
    bench.report(link, Report::Hungry(4));
    assert_eq!(bench.mail(link).hand.len(), 0);
    let first = piece(&bench, 0);
    bench.report(link, Report::Has(first));
    let mail = bench.mail(link);
    assert_eq!((mail.interested, mail.hand.len()), (Some(true), 4));
}

#[test]
fn nobody_holds_a_round_for_each_report() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    bench.report(link, Report::Interested(true));
    assert_eq!(bench.mail(link).choke, Some(false));
    bench.report(link, Report::Interested(false));
    bench.sleep(HOUR);
    let round = bench.actor.upload.next_round();
    bench.report(link, Report::Hungry(1));
    assert_eq!((round, bench.actor.upload.next_round()), (None, None));
}

#[test]
fn what_a_link_moved_after_it_was_let_go_counts_and_is_told() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1", false);
    let gauge = bench.actor.links[&link].gauge.clone();
    LinkGauge::set(&gauge.downloaded, 1_000);
    LinkGauge::set(&gauge.rate_down, 1_000);
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.rate_down, 1_000);
    bench.wish(Wish::Pause);
    assert_eq!((bench.actor.newest.downloaded, bench.actor.newest.rate_down), (1_000, 0));
    LinkGauge::set(&gauge.downloaded, 1_500);
    bench.report(link, Report::Closed { why: "paused".into(), fault: false });
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.downloaded, 1_500);
    assert_eq!(bench.sleep(HOUR), 0);
}

#[test]
fn a_seed_that_hangs_up_on_a_seed_is_not_called_again_soon() {
    let mut bench = Bench::running(true);
    let link = bench.link("11.0.0.1:1", false);
    bench.report(link, Report::Pieces(PeerPieces::All));
    bench.report(link, Report::Closed { why: "closed by the peer".into(), fault: false });
    assert_eq!(bench.actor.pool.next_due(), None, "not while both are seeds");
}

#[test]
fn who_lets_us_go_without_a_byte_is_called_less_and_less_often() {
    let mut bench = Bench::running(false);
    let address: SocketAddr = "11.0.0.1:1".parse().unwrap();
    let mut waits = Vec::new();
    bench.actor.pool.learn(bench.now, address, PeerSource::Manual);
    for _ in 0..4 {
        let link = bench.link("11.0.0.1:1", false);
        bench.report(link, Report::Closed { why: "closed by the peer".into(), fault: false });
        waits.push(bench.actor.pool.next_due().unwrap() - bench.now);
    }
    assert_eq!(waits, [2, 4, 8, 16].map(Duration::from_secs));
}

fn introduced(port: u16) -> Report {
    Report::Introduced {
        client: None,
        listen_port: Some(port),
        your_ip: None,
        upload_only: None,
        takes_dont_have: false,
        takes_pex: false,
        metadata_size: None,
    }
}

#[test]
fn a_caller_names_one_port_and_no_more() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:40000", true);
    for port in 1_000..1_100 {
        bench.report(link, introduced(port));
    }
    assert_eq!(bench.actor.pool.known(), 1);
    assert_eq!(bench.actor.pool.link_to(&"11.0.0.1:1000".parse().unwrap()), Some(link));
}

#[test]
fn a_dial_that_crosses_a_call_leaves_the_link_as_it_is() {
    let mut bench = Bench::running(false);
    let listens: SocketAddr = "11.0.0.1:1000".parse().unwrap();
    bench.actor.pool.learn(bench.now, listens, PeerSource::Tracker);
    bench.turn(Input::Timeout);
    assert_eq!(bench.actor.pool.dialling(), 1);
    let link = bench.link("11.0.0.1:40000", true);
    bench.report(link, introduced(1_000));
    let permit = bench.shared.connection_permit().unwrap();
    let result = Err(DialError::Deadline);
    bench.turn(Input::Discovery(Discovery::Dialled { address: listens, result, permit }));
    assert_eq!(bench.actor.pool.link_to(&listens), Some(link));
    assert_eq!(bench.actor.pool.busy(), 1);
}

#[test]
fn a_dial_that_was_given_up_is_no_failure() {
    let mut bench = Bench::running(false);
    let address: SocketAddr = "11.0.0.1:1000".parse().unwrap();
    bench.actor.pool.learn(bench.now, address, PeerSource::Tracker);
    bench.turn(Input::Timeout);
    bench.wish(Wish::Pause);
    bench.turn(Input::Discovery(Discovery::NotDialled { address }));
    assert_eq!((bench.actor.pool.busy(), bench.actor.pool.known()), (0, 1));
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.pool.dialling(), 1);
}

#[test]
fn who_resumes_is_back_with_its_peers_at_once() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1000", false);
    bench.wish(Wish::Pause);
    assert!(!bench.actor.links.contains_key(&link));
    bench.now += SECOND;
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.pool.dialling(), 1);
}

#[test]
fn a_link_whose_task_panicked_is_let_go_with_what_it_held() {
    let mut bench = Bench::running(false);
    let link = bench.link("11.0.0.1:1000", false);
    assert_eq!(bench.actor.pool.busy(), 1);
    bench.far_ends.clear();
    bench.now += SECOND;
    bench.turn(Input::Timeout);
    assert!(!bench.actor.links.contains_key(&link) && bench.actor.parting.is_empty());
    assert_eq!(bench.actor.pool.busy(), 0);
}

/// The targets of all bans.
fn banned(bench: &Bench) -> Vec<String> {
    bench.shared.bans().iter().map(|ban| ban.target.to_string()).collect()
}

/// Two links send the blocks of piece 0, of which there are four; `liar` turns a bit in its first one.
fn spoil(bench: &mut Bench, honest: LinkId, liar: LinkId) {
    let first = piece(bench, 0);
    for number in 0..(PIECE as u32 / BLOCK_SIZE) {
        let (block, from) =
            (BlockRef { piece: first, block: number }, if number % 2 == 0 { honest } else { liar });
        let mut data = bench.block(block);
        data[0] ^= u8::from(number == 1);
        bench.report(from, Report::Block(block));
        LinkGauge::set(&bench.actor.links[&from].gauge.downloaded, 1);
        bench.write_block(block, data, from);
    }
    bench.disk_until(|bench| bench.actor.totals.wasted > 0);
}

#[test]
fn a_liar_that_is_gone_is_banned_when_the_piece_is_good() {
    let mut bench = Bench::running(false);
    let (honest, liar) = (bench.seed("11.0.0.1:1", 0), bench.seed("11.0.0.2:1", 0));
    spoil(&mut bench, honest, liar);
    assert_eq!(banned(&bench), [""; 0], "it may have been either");
    bench.report(liar, Report::Closed { why: "gone".into(), fault: false });
    bench.events();
    bench.write(piece(&bench, 0));
    bench.disk_until(|bench| !bench.shared.bans().is_empty());
    assert_eq!(banned(&bench), ["11.0.0.2"]);
    assert_eq!(bench.shared.bans()[0].reason.to_string(), "its block 1 of piece 0 was bad");
    assert_eq!(bench.events(), ["piece.completed", "file.completed", "peer.banned"]);
    assert!(bench.actor.links.contains_key(&honest));
    assert!(bench.shared.is_banned("11.0.0.2:77".parse().unwrap()), "it called from another port");
}

#[test]
fn what_a_banned_link_sent_of_other_pieces_is_asked_for_again() {
    let mut bench = Bench::running(false);
    let (honest, liar) = (bench.seed("11.0.0.1:1", 0), bench.seed("11.0.0.2:1", 0));
    let half = BlockRef { piece: piece(&bench, 1), block: 0 };
    bench.report(liar, Report::Block(half));
    bench.write_block(half, vec![9; BLOCK_SIZE as usize], liar);
    spoil(&mut bench, honest, liar);
    bench.write(piece(&bench, 0));
    bench.disk_until(|bench| bench.actor.download.partials() == 0);
    assert_eq!(banned(&bench), ["11.0.0.2"]);
    bench.events();
    bench.write(piece(&bench, 1));
    let second = piece(&bench, 1);
    bench.disk_until(|bench| bench.actor.download.have().get(second));
    assert!(!bench.events().contains(&"piece.hash_failed"), "its lie cost one block of the piece");
}

#[test]
fn a_person_bans_and_lifts_and_links_follow() {
    let mut bench = Bench::running(false);
    let (first, second) = (bench.link("11.0.0.1:1", true), bench.link("11.0.0.2:1", false));
    assert!(bench.shared.ban("11.0.0.1:9".parse().unwrap()));
    assert!(!bench.shared.ban("11.0.0.1:9".parse().unwrap()), "it is banned");
    bench.sleep(2 * SECOND);
    assert!(!bench.actor.links.contains_key(&first) && bench.actor.links.contains_key(&second));
    let ban = bench.shared.bans()[0].clone();
    assert_eq!((ban.reason.to_string().as_str(), ban.left > 86_000), ("banned by hand", true));
    assert!(bench.shared.lift_ban(ban.target));
    assert_eq!(banned(&bench), [""; 0]);
}

#[test]
fn a_banned_caller_that_names_its_port_is_known_again() {
    let mut bench = Bench::running(false);
    // On loopback a ban is by port, and who calls has another one each time.
    assert!(bench.shared.ban("127.0.0.1:6000".parse().unwrap()));
    let link = bench.link("127.0.0.1:50000", true);
    let introduced = Report::Introduced {
        client: None,
        listen_port: Some(6000),
        your_ip: None,
        upload_only: None,
        takes_dont_have: false,
        takes_pex: false,
        metadata_size: None,
    };
    bench.report(link, introduced);
    assert!(!bench.actor.links.contains_key(&link));
}
