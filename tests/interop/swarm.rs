//! Swarms that share: five of ours, then three of ours and every other client, around a seed that is slower
//! than all of them; and one seed of ours for every other client.

use std::time::{Duration, Instant};

use crate::clients::make::{ALL, Make};
use crate::clients::other::Options;
use crate::clients::ours::Ours;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;
use crate::transfer::of_kind;
use crate::wait::Deadline;

const SIZE: u64 = 32 << 20;
const PIECE: u32 = 256 << 10;
/// What the seed may send: all at once, each leecher fetching all for itself, it would be six.
const COPIES: u64 = 3;
/// The seed's limit, bytes per second.
const LIMIT: u64 = 1 << 20;
/// Three copies at the limit take 96 s.
const SWARM_SECONDS: u64 = 240;

#[test]
fn five_of_ours_share_what_one_slow_seed_sends() {
    let content = Content::single(SIZE, PIECE, 21);
    let Some(mut lab) = Lab::new("five_of_ours_share", &[Make::Libtorrent], content, Family::V4) else {
        return;
    };

    let mut ours: Vec<_> = (1..=5).map(|number| one_of_ours(&mut lab, number)).collect();
    let mut other = lab.other(Make::Libtorrent, "other");
    for host in ours.iter().map(|(_, host, _)| host).chain([&other.host]) {
        lab.tracker.wait(host, lab::ready(), |announce| announce.left == SIZE);
    }

    // The seed comes last. It dials the six that the tracker names.
    let start = Instant::now();
    let slow = Options { upload_limit: LIMIT, ..Options::default() };
    let mut seed = lab.other_seed(Make::Libtorrent, &slow);
    let deadline = Deadline::seconds(SWARM_SECONDS);
    for (name, _, client) in &ours {
        client.event("session.completed", deadline);
        lab.assert_same(name);
    }
    other.wait_seeding(deadline);
    lab.assert_same_at(other.make, "other");

    let least = Duration::from_secs(SIZE / LIMIT * 3 / 4);
    assert!(start.elapsed() > least, "done after {:?}: the seed's limit did not hold", start.elapsed());
    let sent = seed.uploaded();
    assert!(sent <= COPIES * SIZE, "the seed sent {:.2} copies", sent as f64 / SIZE as f64);
    for (name, _, client) in &mut ours {
        let (status, lines) = client.interrupt();
        assert!(status.success(), "{name}: {status}");
        let last = of_kind(&lines, "stats.update").last().expect("one comes at the end");
        let uploaded = last["uploaded"].as_u64().expect("a number");
        assert!(uploaded >= PIECE.into(), "{name} sent {uploaded} bytes");
    }
}

#[test]
fn three_of_ours_share_with_every_other_client() {
    let test = "three_of_ours_share_with_every_other_client";
    let Some(mut lab) = Lab::new(test, &ALL, Content::mixed(81), Family::V4) else { return };
    let size = lab.size();
    // Ours come first, in the middle and last: some are dialled, some dial.
    let mut ours = vec![one_of_ours(&mut lab, 1)];
    let mut others = Vec::new();
    for make in ALL {
        others.push(lab.other(make, make.name()));
        if make == Make::Aria2 {
            ours.push(one_of_ours(&mut lab, 2));
        }
    }
    ours.push(one_of_ours(&mut lab, 3));
    let hosts = ours.iter().map(|(_, host, _)| host).chain(others.iter().map(|other| &other.host));
    for host in hosts {
        lab.tracker.wait(host, lab::ready(), |announce| announce.left == size);
    }

    let slow = Options { upload_limit: 4 * LIMIT, ..Options::default() };
    let mut seed = lab.other_seed(Make::Libtorrent, &slow);
    let deadline = Deadline::seconds(SWARM_SECONDS);
    for (name, _, client) in &ours {
        client.event("session.completed", deadline);
        lab.assert_same(name);
    }
    for other in &mut others {
        other.wait_seeding(deadline);
        lab.assert_same_at(other.make, other.make.name());
    }

    // Eight copies were made. The seed did not make them alone, and each of ours did its share.
    let sent = seed.uploaded();
    assert!(sent <= 4 * size, "the seed sent {:.2} copies", sent as f64 / size as f64);
    for (name, _, client) in &mut ours {
        let (status, lines) = client.interrupt();
        assert!(status.success(), "{name}: {status}");
        assert_eq!(of_kind(&lines, "peer.banned").count(), 0, "{name}");
        assert_eq!(of_kind(&lines, "piece.hash_failed").count(), 0, "{name}");
        let last = of_kind(&lines, "stats.update").last().expect("one comes at the end");
        let uploaded = last["uploaded"].as_u64().expect("a number");
        assert!(uploaded >= PIECE.into(), "{name} sent {uploaded} bytes");
    }
}

#[test]
fn our_seed_serves_every_other_client_at_once() {
    let test = "our_seed_serves_every_other_client_at_once";
    let Some(mut lab) = Lab::new(test, &ALL, Content::mixed(82), Family::V4) else { return };
    let (_, mut seed) = lab.our_seed();
    let mut others: Vec<_> = ALL.iter().map(|make| lab.other(*make, make.name())).collect();
    let deadline = lab::transfer();
    for other in &mut others {
        other.wait_seeding(deadline);
        lab.assert_same_at(other.make, other.make.name());
    }
    let (status, lines) = seed.interrupt();
    assert!(status.success(), "{status}");
    assert_eq!(of_kind(&lines, "peer.banned").count(), 0);
}

fn one_of_ours(lab: &mut Lab, number: u32) -> (String, Host, Ours) {
    let name = format!("ours{number}");
    let (host, client) = lab.ours(&name, &["--seed-after"]);
    (name, host, client)
}
