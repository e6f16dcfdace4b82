//! Extension handshakes as clients send them, and as nobody should.

use proptest::prelude::*;

use super::*;

fn read(payload: &str) -> ExtendedHandshake {
    ExtendedHandshake::parse(payload.as_bytes()).unwrap_or_else(|error| panic!("{payload}: {error}"))
}

fn id(handshake: &ExtendedHandshake, extension: Extension) -> Option<u8> {
    handshake.m.get(extension).map(NonZeroU8::get)
}

#[test]
fn every_key_is_read() {
    let mut payload =
        b"d12:complete_agoi7e1:md11:lt_donthavei7e12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee\
        13:metadata_sizei31235e1:pi6881e4:reqqi2000e11:upload_onlyi1e1:v17:libtorrent/2.0.106:yourip4:"
            .to_vec();
    payload.extend_from_slice(&[203, 0, 113, 9]);
    payload.push(b'e');
    let got = ExtendedHandshake::parse(&payload).unwrap();
    assert_eq!(id(&got, Extension::UtMetadata), Some(2));
    assert_eq!(id(&got, Extension::UtPex), Some(1));
    assert_eq!(id(&got, Extension::UtHolepunch), Some(4));
    assert_eq!(id(&got, Extension::LtDontHave), Some(7));
    assert_eq!(id(&got, Extension::UploadOnly), None);
    let rest = ExtendedHandshake { m: ExtensionIds::default(), ..got };
    let want = ExtendedHandshake {
        m: ExtensionIds::default(),
        v: Some("libtorrent/2.0.10".into()),
        p: Some(6881),
        reqq: Some(2_000),
        yourip: Some([203, 0, 113, 9].into()),
        metadata_size: Some(31_235),
        upload_only: Some(true),
        complete_ago: Some(7),
    };
    assert_eq!(rest, want);
}

#[test]
fn wrong_values_count_as_absent() {
    for payload in [
        "de",
        "d1:mi1ee",
        "d1:mlee",
        "d1:mde1:pi0e4:reqqi0ee",
        "d1:pi70000ee",
        "d1:pi-1ee",
        "d1:p4:6881e",
        "d4:reqqi-1ee",
        "d13:metadata_sizei0ee",
        "d13:metadata_sizei-1ee",
        "d13:metadata_sizei4294967296ee",
        "d13:metadata_sizei9223372036854775808ee",
        "d12:complete_agoi-1ee",
        "d11:upload_only3:yese",
        "d1:vi1ee",
        "d1:v0:e",
        "d6:yourip3:abce",
        "d6:yourip5:abcdee",
        "d5:extralli1eedee1:mdee",
    ] {
        assert_eq!(read(payload), ExtendedHandshake::default(), "{payload}");
    }
}

#[test]
fn what_follows_the_dictionary_is_ignored() {
    assert_eq!(read("d1:pi1eetrailing").p, Some(1));
}

#[test]
fn no_dictionary_is_an_error() {
    for payload in ["", "i1e", "le", "4:abcd", "d", "d1:p", "d1:pi1e1:pi2ee", "di1ei2ee", "HTTP/1.1"] {
        let got = ExtendedHandshake::parse(payload.as_bytes());
        assert_eq!(got, Err(WireError::BadExtendedHandshake), "{payload}");
    }
    for open in ["l", "d1:a"] {
        let deep = format!("d1:a{}", open.repeat(100_000));
        assert!(ExtendedHandshake::parse(deep.as_bytes()).is_err());
        let closed = format!("{deep}i1e{}e", "e".repeat(100_000));
        assert!(ExtendedHandshake::parse(closed.as_bytes()).is_err());
    }
}

#[test]
fn ids_out_of_range_and_shared_ones_are_not_used() {
    let check = |m: &str, pex: Option<u8>, metadata: Option<u8>| {
        let got = read(&format!("d1:md{m}ee"));
        assert_eq!((id(&got, Extension::UtPex), id(&got, Extension::UtMetadata)), (pex, metadata), "{m}");
    };
    check("6:ut_pexi255e", Some(255), None);
    check("6:ut_pexi256e", None, None);
    check("6:ut_pexi-1e", None, None);
    check("6:ut_pexi0e", None, None);
    check("6:ut_pex1:1", None, None);
    check("11:ut_metadatai3e6:ut_pexi3e", None, None);
    check("11:ut_metadatai0e6:ut_pexi0e", None, None);
    check("11:ut_metadatai3e6:ut_pexi4e", Some(4), Some(3));
}

#[test]
fn a_later_handshake_changes_only_what_it_names() {
    let mut ids = read("d1:md11:ut_metadatai3e6:ut_pexi4eee").m;
    ids.update(&read("d1:md6:ut_pexi0eee").m);
    assert_eq!((ids.get(Extension::UtPex), ids.get(Extension::UtMetadata)), (None, NonZeroU8::new(3)));
    ids.update(&read("d1:md6:ut_pexi9eee").m);
    assert_eq!(ids.get(Extension::UtPex), NonZeroU8::new(9));
}

#[test]
fn a_clients_name_is_cut_and_harmless() {
    let long = read(&format!("d1:v60000:{}e", "x".repeat(60_000))).v.unwrap();
    assert_eq!(long.raw().len(), MAX_NAME);
    let wide = read(&format!("d1:v400:{}e", "\u{1f980}".repeat(100))).v.unwrap();
    assert_eq!(wide.raw().chars().count(), MAX_NAME);
    assert_eq!(read("d1:v6:a\u{1b}[31me").v.unwrap().to_string(), "a\u{fffd}[31m");
}

#[test]
fn an_ipv4_address_in_ipv6_form_is_ipv4() {
    let mut payload = b"d6:yourip16:".to_vec();
    payload.extend_from_slice(&Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets());
    payload.push(b'e');
    assert_eq!(ExtendedHandshake::parse(&payload).unwrap().yourip, Some([192, 0, 2, 1].into()));
}

#[test]
fn a_private_torrent_offers_neither_metadata_nor_peers() {
    let said = |sharing| {
        let bytes = OurHandshake { metadata_size: Some(7), sharing, ..OurHandshake::default() }.encode();
        (String::from_utf8_lossy(&bytes).into_owned(), ExtendedHandshake::parse(&bytes).unwrap())
    };
    let (_, public) = said(Sharing::Public);
    assert_eq!((id(&public, Extension::UtMetadata), public.metadata_size), (Some(1), Some(7)));
    let (text, private) = said(Sharing::Private);
    assert!(!text.contains("ut_") && !text.contains("metadata"), "{text}");
    assert_eq!(id(&private, Extension::LtDontHave), Some(Extension::LtDontHave.our_id()));
    // One that was offered before is taken back.
    let (text, closed) = said(Sharing::NoLonger);
    assert!(text.contains("11:ut_metadatai0e"), "{text}");
    let mut ids = public.m;
    ids.update(&closed.m);
    assert_eq!((ids.get(Extension::UtMetadata), closed.metadata_size), (None, None));
}

proptest! {
    #[test]
    fn ours_reads_back_and_is_short(
        port: Option<u16>,
        v4: Option<[u8; 4]>,
        v6: [u8; 16],
        upload_only: bool,
        complete_ago: Option<u32>,
        metadata_size: Option<u32>,
        takes_pex: bool,
    ) {
        let yourip = v4.map(IpAddr::from).unwrap_or_else(|| IpAddr::from(v6)).to_canonical();
        let ours = OurHandshake {
            port,
            yourip: Some(yourip),
            upload_only,
            complete_ago,
            metadata_size,
            sharing: Sharing::Public,
            takes_pex,
        };
        let bytes = ours.encode();
        prop_assert!(bytes.len() < 500);
        prop_assert!(bencode::scan(&bytes, &Limits::MESSAGE).is_ok_and(|scan| scan.canonical));
        let got = ExtendedHandshake::parse(&bytes).unwrap();
        for extension in Extension::OURS {
            let offered = extension != Extension::UtPex || takes_pex;
            let id = id(&got, extension);
            prop_assert_eq!(id, offered.then(|| extension.our_id()));
            prop_assert_eq!(id.and_then(Extension::received), offered.then_some(extension));
        }
        prop_assert_eq!(got.clone(), ExtendedHandshake {
            m: got.m,
            v: Some(CLIENT.into()),
            p: port.filter(|port| *port > 0),
            reqq: Some(OUR_REQQ),
            yourip: Some(yourip),
            upload_only: Some(upload_only),
            complete_ago,
            metadata_size: metadata_size.filter(|size| *size > 0),
        });
    }

    #[test]
    fn no_bytes_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "(d|e|l|i[-0-9]{1,20}e|1:[mpv]|6:ut_pex|4:reqq|6:yourip|4:abcd){0,20}",
    ) {
        let _ = ExtendedHandshake::parse(&bytes);
        let _ = ExtendedHandshake::parse(format!("d{text}e").as_bytes());
    }
}
