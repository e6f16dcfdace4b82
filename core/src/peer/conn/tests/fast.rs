//! Conversations with the fast extension (BEP 6), `lt_donthave` (BEP 54) and `upload_only` (BEP 21).

use super::*;
use crate::wire::ut_pex::UtPex;

#[test]
fn messages_of_the_fast_extension_end_a_link_that_did_not_agree_on_it() {
    for said in ["< all", "< none", "< suggest 0", "< allow 0", "< reject 0 0 16384"] {
        check(&[(said, "! message of the fast extension, which was not agreed on")]);
    }
}

#[test]
fn a_choke_leaves_requests_to_a_fast_peer_to_be_answered() {
    ready_as(
        "f",
        &[
            (
                ". deal 0/0 0/1 0/2",
                "> request 0 0 16384; > request 0 16384 16384; > request 0 32768 16384; hungry 5",
            ),
            ("< choke", "unchoked false"),
            // What was on its way comes; the rest is rejected, and only then somebody else's.
            ("< piece 0 0 16384", "block 0/0"),
            ("< reject 0 16384 16384", "back 0/1"),
            ("< unchoke", "unchoked true; hungry 9"),
            ("< piece 0 32768 16384", "block 0/2"),
        ],
    );
    // What was dealt and not asked for goes back at once.
    let all = "0/0 0/1 0/2 0/3 1/0 1/1 1/2 1/3";
    let asked: Vec<String> = all
        .split(' ')
        .map(|text| format!("> request {} {} 16384", block(text).piece, block(text).begin()))
        .collect();
    ready_as(
        "f",
        &[(&format!(". deal {all} 2/0"), &asked.join("; ")), ("< choke", "back 2/0; unchoked false")],
    );
}

#[test]
fn what_a_fast_peer_neither_sends_nor_rejects_after_its_choke_goes_back_in_ten_seconds() {
    let asked = "> request 0 0 16384; > request 0 16384 16384; > request 0 32768 16384; hungry 5";
    ready_as(
        "f",
        &[
            (". deal 0/0 0/1 0/2", asked),
            ("< choke", "unchoked false"),
            ("+ 9", ""),
            // What it had sent already comes slowly, and what is behind it has its time anew.
            ("< piece 0 0 16384", "block 0/0"),
            ("+ 9.9", ""),
            ("+ 0.2", "back 0/1 0/2"),
            // It is no fault, and as good as any, when it comes after all.
            ("< piece 0 16384 16384", "block 0/1"),
            ("< reject 0 32768 16384", ""),
        ],
    );
    // Also where it lets us ask again in between: what it is asked then is not meant.
    ready_as(
        "f",
        &[
            (". deal 0/0 0/1 0/2", asked),
            ("< choke", "unchoked false"),
            ("+ 5", ""),
            ("< unchoke", "unchoked true; hungry 5"),
            (". deal 1/0", "> request 1 0 16384; hungry 4"),
            ("< piece 1 0 16384", "block 1/0"),
            ("+ 5.1", "back 0/0 0/1 0/2"),
        ],
    );
}

#[test]
fn our_choke_rejects_what_a_fast_peer_asked_for() {
    let now = Instant::now();
    let have = ours(&[0]);
    let mut conn = Conn::open(now, geometry(), &opening(&have, "f"));
    let asks =
        |conn: &mut Conn, text: &str| conn.on_message(now, message(text), |piece| have.get(piece)).unwrap();
    conn.on_mail(now, mail("unchoke"));
    taken(&mut conn);
    for begin in [0, 16_384, 32_768] {
        asks(&mut conn, &format!("request 0 {begin} 16384"));
    }
    // One is being read; it and the others are refused, the choke first.
    assert_eq!(conn.next_upload().map(|range| range.begin), Some(0));
    assert!(conn.is_reading());
    conn.on_mail(now, mail("choke"));
    assert!(!conn.is_reading());
    let refused = "> Choke; > reject 0 0 16384; > reject 0 16384 16384; > reject 0 32768 16384";
    assert_eq!(taken(&mut conn), refused);
    conn.on_mail(now, mail("choke"));
    assert_eq!(taken(&mut conn), "", "a second choke is none");
}

#[test]
fn every_request_of_a_fast_peer_has_its_answer() {
    check_as(
        "f",
        &[
            ("< request 0 0 16384", "> reject 0 0 16384"),
            (". unchoke", "> Unchoke"),
            ("< request 0 0 16384", "serve 0 0 16384"),
            ("< cancel 0 0 16384", ""),
            ("< request 1 0 16384", "> reject 1 0 16384"),
            ("< request 3 1 2", "> reject 3 1 2"),
            ("< request 0 4294967295 16384", "> reject 0 4294967295 16384"),
            ("< request 0 0 0", "> reject 0 0 0"),
        ],
    );
    let now = Instant::now();
    let mut conn = Conn::open(now, geometry(), &opening(&ours(&[0]), "f"));
    conn.on_mail(now, mail("unchoke"));
    taken(&mut conn);
    let says = |conn: &mut Conn, text: &str| conn.on_message(now, message(text), |_| true).unwrap();
    says(&mut conn, "request 0 0 16384");
    says(&mut conn, "request 0 16384 16384");
    says(&mut conn, "cancel 0 16384 16384");
    assert_eq!(taken(&mut conn), "> reject 0 16384 16384; serve 0 0 16384");
    // Beyond what was granted.
    for _ in 0..REQQ {
        says(&mut conn, "request 0 0 16384");
    }
    says(&mut conn, "request 0 1 2");
    let said = taken(&mut conn);
    assert!(said.starts_with("> reject 0 1 2; serve"), "{said}");
}

#[test]
fn a_flood_of_cancels_ends_the_link() {
    let flood = vec![("< cancel 0 0 16384", ""); MAX_VOID_REQUESTS];
    check(&[&flood[..], &[("< cancel 0 0 16384", "! floods requests")]].concat());
}

#[test]
fn a_beginner_is_told_once_what_it_may_fetch_while_choked_and_gets_it_once() {
    let all = "> AllowedFast(2); > AllowedFast(0); > AllowedFast(1)";
    let now = Instant::now();
    let have = ours(&[0]);
    let start = || {
        let mut conn = Conn::open(now, geometry(), &opening(&have, "f"));
        taken(&mut conn);
        conn
    };
    let says = |conn: &mut Conn, text: &str| {
        conn.on_message(now, message(text), |piece| have.get(piece)).unwrap();
        taken(conn)
    };
    let mut conn = start();
    let said = says(&mut conn, "none");
    let (mut offered, mut want): (Vec<_>, Vec<_>) = (said.split("; ").collect(), all.split("; ").collect());
    assert_eq!(offered.pop(), Some("has []"));
    offered.sort_unstable();
    want.sort_unstable();
    assert_eq!(offered, want);
    assert_eq!(says(&mut conn, "bitfield 80"), "has [#0]", "a late bitfield offers nothing again");
    for begin in [0, 16_384, 32_768, 49_152] {
        let asked = format!("request 0 {begin} 16384");
        assert_eq!(says(&mut conn, &asked), format!("serve 0 {begin} 16384"));
    }
    assert_eq!(says(&mut conn, "request 0 0 16384"), "> reject 0 0 16384", "given already");
    assert_eq!(says(&mut conn, "request 1 0 16384"), "> reject 1 0 16384", "offered, and not there");
    // One that has all needs nothing.
    assert_eq!(says(&mut start(), "all"), "has all");
    // A choke keeps what was allowed.
    let mut conn = start();
    says(&mut conn, "none");
    conn.on_mail(now, mail("unchoke"));
    conn.on_message(now, message("request 0 0 16384"), |_| true).unwrap();
    conn.on_mail(now, mail("choke"));
    assert_eq!(taken(&mut conn), "> Unchoke; > Choke; serve 0 0 16384");
    // Nobody is offered anything where there are no slots.
    let nothing = Opening { allows_fast: false, ..opening(&have, "f") };
    let mut conn = Conn::open(now, geometry(), &nothing);
    taken(&mut conn);
    assert_eq!(says(&mut conn, "none"), "has []");
}

#[test]
fn hunger_among_few_pieces_is_told_anew_when_all_may_be_asked_for() {
    let now = Instant::now();
    let mut conn = Conn::open(now, geometry(), &opening(&ours(&[]), "f"));
    conn.on_mail(now, mail("interested"));
    taken(&mut conn);
    for (said, then) in [("allow 0", "allows #0; hungry 8"), ("unchoke", "unchoked true; hungry 8")] {
        conn.on_message(now, message(said), |_| false).unwrap();
        conn.play(now);
        assert_eq!(taken(&mut conn), then);
    }
}

#[test]
fn what_a_peer_allows_is_asked_for_while_it_chokes_us() {
    check_as(
        "f",
        &[
            (". interested", "> Interested"),
            ("< allow 1", "allows #1; hungry 8"),
            ("< allow 1", ""),
            ("< allow 3", ""),
            (". deal 1/0 2/0", "> request 1 0 16384; back 2/0; hungry 7"),
            ("< piece 1 0 16384", "block 1/0"),
            (". deal 1/1", "> request 1 16384 16384; hungry 8"),
            // It does not give it after all: not asked again.
            ("< reject 1 16384 16384", "back 1/1; refuses #1"),
            (". deal 1/1", "back 1/1"),
            ("< suggest 1", "suggests #1"),
            ("< suggest 3", ""),
        ],
    );
}

#[test]
fn a_peer_that_unchokes_and_rejects_is_asked_less_and_less_often() {
    ready_as(
        "f",
        &[
            (". deal 0/0", "> request 0 0 16384; hungry 7"),
            ("< reject 0 0 16384", "back 0/0"),
            ("+ 0.9", ""),
            (". deal 0/0", ""),
            ("+ 0.1", "> request 0 0 16384; hungry 7"),
            ("< reject 0 0 16384", "back 0/0"),
            ("+ 1.9", ""),
            ("+ 0.1", ""),
            (". deal 0/0", "> request 0 0 16384; hungry 7"),
            // A block makes up for it.
            ("< piece 0 0 16384", "block 0/0"),
            (". deal 0/1", "> request 0 16384 16384; hungry 9"),
            ("< reject 0 16384 16384", "back 0/1"),
            (". deal 0/1", ""),
            ("+ 1", "> request 0 16384 16384; hungry 9"),
        ],
    );
}

#[test]
fn a_lost_piece_is_told_by_their_id_and_its_requests_are_answered() {
    let intro = "< introduces d1:md11:lt_donthavei7eee";
    check_as(
        "xf",
        &[
            (". lost 0", ""),
            (intro, "introduced None None"),
            (". lost 0", "> extended 7 00000000"),
            // Told and lost before it was sent: nothing to say.
            (". have 1, lost 1", ""),
            (". have 1", "> Have(1)"),
            ("< introduces d1:md11:lt_donthavei0eee", "introduced None None"),
            (". lost 1", ""),
        ],
    );
    let now = Instant::now();
    for (agreed, said) in [("f", "> reject 0 0 16384"), ("", "")] {
        let mut conn = Conn::open(now, geometry(), &opening(&ours(&[0]), agreed));
        conn.on_mail(now, mail("unchoke"));
        taken(&mut conn);
        conn.on_message(now, message("request 0 0 16384"), |_| true).unwrap();
        conn.on_mail(now, mail("lost 0"));
        assert_eq!(taken(&mut conn), said);
    }
}

#[test]
fn a_piece_that_the_peer_lost_is_void_or_rejected() {
    let asked = (". deal 1/0 1/1", "> request 1 0 16384; > request 1 16384 16384; hungry 6");
    let id = Extension::LtDontHave.our_id();
    let lost = format!("< extended {id} 00000001");
    ready_as("x", &[asked, (&lost, "back 1/0 1/1; has not #1"), ("< piece 1 0 16384", "block 1/0")]);
    ready_as("xf", &[asked, (&lost, "has not #1"), ("< reject 1 0 16384", "back 1/0")]);
    check_as(
        "x",
        &[
            (&format!("< extended {id} 000001"), ""),
            ("< extended 99 00000001", ""),
            (&format!("< extended {id} 00000003"), "! has piece 3 of 3"),
        ],
    );
}

#[test]
fn a_seed_that_changes_its_mind_again_and_again_is_let_go() {
    let lost = format!("< extended {} 00000001", Extension::LtDontHave.our_id());
    let mut steps = vec![("< all", "has all")];
    for _ in 0..MAX_TURNS {
        steps.extend([(lost.as_str(), "has not #1"), ("< have 1", "has #1")]);
    }
    steps.push((&lost, "! takes back what it has, again and again"));
    check_as("xf", &steps);
}

#[test]
fn upload_only_is_said_by_message_where_that_is_taken_and_by_a_second_handshake_else() {
    check_as(
        "x",
        &[
            (". upload-only", "> extended 0"),
            (". upload-only", ""),
            ("< introduces d1:md11:upload_onlyi3eee", "introduced None None"),
            (". download-too", "> extended 3 00"),
            (". upload-only", "> extended 3 01"),
        ],
    );
    check(&[(". upload-only", "")]);
    let id = Extension::UploadOnly.our_id();
    check_as(
        "x",
        &[
            (&format!("< extended {id} 01"), "upload only true"),
            (&format!("< extended {id} 00"), "upload only false"),
            (&format!("< extended {id} 0000"), ""),
        ],
    );
}

#[test]
fn port_goes_out_after_what_we_have_and_counts_once_where_both_have_a_node() {
    let have = ours(&[1]);
    let dht = Reserved::default().with_dht();
    let with = |agreed, port| {
        let opening = Opening { agreed, dht_port: port, ..opening(&have, "") };
        Conn::open(Instant::now(), geometry(), &opening)
    };
    let now = Instant::now();
    for (agreed, port, said) in
        [(dht, Some(7), true), (dht, None, false), (Reserved::default(), Some(7), false)]
    {
        let mut conn = with(agreed, port);
        assert_eq!(taken(&mut conn).ends_with("> Port(7)"), said);
    }
    let mut conn = with(dht, Some(7));
    taken(&mut conn);
    for port in [9, 10] {
        conn.on_message(now, Message::Port(port), |_| true).unwrap();
    }
    assert_eq!(taken(&mut conn), "node at 9", "else it could have us ask anybody");
    let mut conn = with(Reserved::default(), None);
    taken(&mut conn);
    conn.on_message(now, Message::Port(9), |_| true).unwrap();
    assert_eq!(taken(&mut conn), "");
}

#[test]
fn lists_of_peers_go_both_ways_where_both_take_them() {
    let have = ours(&[1]);
    let now = Instant::now();
    let open = |takes_pex| {
        let ours = OurHandshake { takes_pex, ..OurHandshake::default() };
        let mut conn = Conn::open(now, geometry(), &Opening { ours, ..opening(&have, "x") });
        taken(&mut conn);
        conn
    };
    let list = |port| UtPex { added: Vec::new(), dropped: vec![([11, 0, 0, 1], port).into()] };
    let id = Extension::UtPex.our_id();
    let says = |conn: &mut Conn, now, port| {
        let payload = list(port).encode();
        conn.on_message(now, Message::Extended { id, payload }, |_| true)
    };
    let mut conn = open(true);
    says(&mut conn, now, 1).unwrap();
    says(&mut conn, now + Duration::from_secs(1), 2).unwrap();
    assert_eq!(taken(&mut conn), "lost 11.0.0.1:1", "the next one comes too soon");
    for second in 2..5 {
        says(&mut conn, now + Duration::from_secs(second), 3).unwrap();
    }
    let sixth = says(&mut conn, now + Duration::from_secs(5), 3);
    assert_eq!(sixth, Err(PeerFault::PexFlood));
    // What is no list says nothing.
    let mut conn = open(true);
    conn.on_message(now, Message::Extended { id, payload: Bytes::from_static(b"i7e") }, |_| true).unwrap();
    assert_eq!(taken(&mut conn), "");
    // It takes none, so it is sent none.
    let mail = || Mail { pex: Some(list(9)), ..Mail::default() };
    conn.on_mail(now, mail());
    assert_eq!(taken(&mut conn), "");
    let introduction = Bytes::from_static(b"d1:md6:ut_pexi7eee");
    conn.on_message(now, Message::Extended { id: 0, payload: introduction }, |_| true).unwrap();
    taken(&mut conn);
    conn.on_mail(now, mail());
    assert!(taken(&mut conn).starts_with("> extended 7 "));
    // We take none: a private torrent.
    let mut conn = open(false);
    for _ in 0..20 {
        says(&mut conn, now, 1).unwrap();
    }
    assert_eq!(taken(&mut conn), "");
}
