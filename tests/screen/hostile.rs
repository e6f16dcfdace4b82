//! Words of other people, made to be obeyed by terminals, in every place that can hold them: none of
//! them gets there as more than text.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use sha1::{Digest as _, Sha1};
use tc_core::untrusted::is_harmful;

use crate::scenarios::leave;
use crate::support::home::Home;
use crate::support::pty::Pty;
use crate::support::single::content;

/// A window title, a C1 introducer with a colour, a change of direction.
const EVIL: &str = "\x1b]0;x\x07\u{9b}31m\u{202e}";

fn evil(word: &str) -> Vec<u8> {
    format!("{word}{EVIL}").into_bytes()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

/// A torrent of two files whose every word is hostile. Returns the info-hash, too.
fn torrent(name: &[u8], announce: &[u8]) -> (Vec<u8>, [u8; 20]) {
    let data = content(3, 40_000);
    let file = |length: usize, path: &[u8]| {
        [format!("d6:lengthi{length}e4:pathl").as_bytes(), &text(&evil("dir")), &text(path), b"ee"].concat()
    };
    let hashes: Vec<u8> = data.chunks(16_384).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let info = [
        b"d5:filesl".as_slice(),
        &file(10_000, &evil("one")),
        &file(30_000, &evil("two")),
        b"e4:name",
        &text(name),
        b"12:piece lengthi16384e6:pieces",
        &text(&hashes),
        b"e",
    ]
    .concat();
    let hash = Sha1::digest(&info).into();
    let words = [b"7:comment".as_slice(), &text(&evil("note")), b"10:created by", &text(&evil("maker"))];
    let whole = [b"d8:announce".as_slice(), &text(announce), &words.concat(), b"4:info", &info, b"e"];
    (whole.concat(), hash)
}

/// A tracker with one answer to everybody.
fn tracker(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // A request of this size comes in one piece.
            let _ = stream.read(&mut [0; 2_048]);
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer));
        }
    });
    format!("http://{address}/announce")
}

/// Speaks as much of the protocol as it takes to say who it is (BEP 3, BEP 10).
fn introduce(mut stream: TcpStream, info_hash: [u8; 20]) {
    let mut theirs = [0; 68];
    if stream.read_exact(&mut theirs).is_err() {
        return;
    }
    let mut ours = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\0".to_vec();
    ours.extend_from_slice(&info_hash);
    ours.extend_from_slice(b"-XX0001-\x1b]0;x\x07\xc2\x9b31my");
    let said = [b"d1:mde1:v".as_slice(), &text(&evil("client")), b"e"].concat();
    assert_eq!(ours.len(), theirs.len());
    ours.extend_from_slice(&(said.len() as u32 + 2).to_be_bytes());
    ours.extend_from_slice(&[20, 0]);
    ours.extend_from_slice(&said);
    let _ = stream.write_all(&ours);
    // Until the program hangs up.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// Every escape sequence is one that the dashboard sends, and nothing else is harmful.
#[track_caller]
fn assert_only_ours(bytes: &[u8]) {
    let sent = std::str::from_utf8(bytes).expect("all that is written is UTF-8");
    let mut parts = sent.split('\x1b');
    let plain = |text: &str| {
        let odd = text.chars().find(|c| is_harmful(*c) && !matches!(c, '\r' | '\n'));
        assert_eq!(odd, None, "{text:?}");
    };
    plain(parts.next().expect("a first part"));
    while let Some(part) = parts.next() {
        if let Some(title) = part.strip_prefix("]2;") {
            assert!(title.starts_with('↓') && title.ends_with(" tc"), "{title:?}");
            plain(title);
            plain(parts.next().and_then(|end| end.strip_prefix('\\')).expect("a title ends"));
        } else if let Some(copied) = part.strip_prefix("]52;c;") {
            assert!(copied.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c)), "{copied:?}");
            plain(parts.next().and_then(|end| end.strip_prefix('\\')).expect("a text ends"));
        } else {
            let sequence = part.strip_prefix('[').unwrap_or_else(|| panic!("ESC {part:?}"));
            let end = sequence.find(|c: char| ('@'..='~').contains(&c)).expect("a sequence ends");
            let (parameters, rest) = sequence.split_at(end);
            let known = match &rest[..1] {
                "A" | "B" | "C" | "D" | "H" | "J" | "K" | "X" | "m" => {
                    parameters.chars().all(|c| c.is_ascii_digit() || c == ';')
                }
                "h" | "l" => ["?1049", "?2004", "?25"].contains(&parameters),
                "t" => ["22;2", "23;2"].contains(&parameters),
                _ => false,
            };
            assert!(known, "CSI {sequence:?}");
            plain(&rest[1..]);
        }
    }
}

#[test]
fn no_word_of_other_people_is_obeyed() {
    let home = Home::new();
    let peer = TcpListener::bind("127.0.0.2:0").expect("a port");
    let port = peer.local_addr().expect("it is bound").port().to_be_bytes();
    let refusing = [b"d14:failure reason".as_slice(), &text(&evil("refused")), b"e"].concat();
    let naming = [b"d8:intervali1800e5:peers6:".as_slice(), &[127, 0, 0, 2], &port, b"e"].concat();
    let (refused, _) = torrent(&evil("refused-torrent"), tracker(refusing).as_bytes());
    let (met, info_hash) = torrent(&evil("met-torrent"), tracker(naming).as_bytes());
    thread::spawn(move || {
        peer.incoming().map_while(Result::ok).for_each(|stream| introduce(stream, info_hash));
    });
    let files = [home.write("refused.torrent", refused), home.write("met.torrent", met)];
    let files = files.map(|file| file.display().to_string());
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (100, 30), &[]);
    // Added under the eyes of the dashboard, so that no event is missed.
    pty.see_dashboard().paste(&files.join("\n")).see("+ 1 more").keys("\r").see_no("Add torrent");
    pty.see("refused-torrent")
        .see("met-torrent")
        .keys("snk")
        .see_no("sort by")
        .keys("gg\r")
        .see("‹ met-torrent");
    pty.keys("1").see("note").see("maker").keys("2").see("one").see("two");
    pty.keys("3").see("client").keys("6").see("tracker.success");
    pty.keys("\x1b")
        .see("tc  ↓")
        .keys("j\r")
        .see("‹ refused-torrent")
        .keys("4")
        .see("failing")
        .see("]0;x")
        .keys("\x1b")
        .see("tc  ↓");
    // The log, an opened event, the dialogs, the clipboard.
    pty.keys("L")
        .see("kept")
        .see("refused")
        .keys("kkkk\r")
        .see("about")
        .keys("\x1b")
        .see("kept")
        .keys("L")
        .see("tc  ↓");
    pty.keys("d").see("Remove 1 torrent").keys("\x1b").see_no("Remove 1 torrent");
    pty.keys("a")
        .see("Add torrent")
        .keys(&files[0])
        .see("already on the list")
        .keys("\x1b")
        .see_no("Add torrent");
    pty.keys("yn").see("sent to the clipboard");
    pty.wait("a text on the clipboard", |pty| !pty.heard().clipboard.is_empty());
    // Pasted words are typed, not obeyed; a terminal takes its own marks out of a paste.
    pty.keys("/").paste("\u{9b}31m\u{202e}zzz").see("zzz").keys("\x1b").see_no("zzz");
    assert_eq!(pty.heard().bells, 0);
    assert!(pty.heard().titles.iter().all(|title| title.ends_with(" tc")), "{:?}", pty.heard().titles);
    assert_only_ours(&pty.bytes);
    let copied = pty.heard().clipboard.concat();
    let copied = data_encoding::BASE64.decode(copied.as_bytes()).expect("base64");
    let copied = String::from_utf8(copied).expect("text");
    assert!(copied.starts_with("refused-torrent") && !copied.contains(is_harmful), "{copied:?}");
    // What is said after the dashboard, too.
    pty.keys("dy").see("u undo");
    pty.keys("qq");
    assert_eq!(pty.exit_code(), 0);
    pty.assert_restored();
    assert!(pty.text().contains("removed 1 torrent"), "{}", pty.text());
    assert_only_ours(&pty.bytes);
}

#[test]
fn a_hostile_file_that_is_no_torrent_is_told_harmlessly() {
    let home = Home::new();
    let name = format!("no{}", EVIL.replace('/', ""));
    home.write(&format!("{name}.torrent"), evil("d"));
    let mut pty = Pty::start(&home, &["--listen", "127.0.0.1:0"], (80, 24), &[]);
    pty.see_dashboard().paste(&format!("{}/no\u{202e}.torrent", home.folder().display()));
    pty.see("Add torrent").keys("\r").see("No such file").keys("\x1b").see_no("Add torrent");
    assert_only_ours(&pty.bytes);
    leave(pty);
    // Printed without a dashboard.
    let output = home.run(&[&format!("{name}.torrent")]);
    assert!(!String::from_utf8_lossy(&output.stderr).trim_end().contains(is_harmful));
}
