//! Torrents good, odd and hostile, each with what must come of it. The names of the groups are the
//! rows of the catalogue of faults: what a row demands stands at its head.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::{Value, json};
use sha1::Digest as _;
use sha2::Sha256;

/// What must come of a torrent.
pub enum Want {
    /// Accepted; the JSON has these values at these pointers.
    Good(Vec<(&'static str, Value)>),
    /// Refused, in one line that has these words.
    Refused(&'static str),
}

/// One torrent.
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    /// The info dictionary, where the case knows it: the hashes must be those of these bytes.
    pub info: Option<Vec<u8>>,
    pub want: Want,
}

/// Bencode of a string, an integer of any digits, a list, a dictionary in the order given.
pub fn s(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [format!("{}:", text.len()).as_bytes(), text].concat()
}
pub fn i(digits: impl Display) -> Vec<u8> {
    format!("i{digits}e").into_bytes()
}
pub fn l(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    [b"l".to_vec(), items.into_iter().collect::<Vec<_>>().concat(), b"e".to_vec()].concat()
}
pub fn d<K: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, Vec<u8>)>) -> Vec<u8> {
    let entries: Vec<_> = entries.into_iter().map(|(key, value)| [s(key), value].concat()).collect();
    [b"d".to_vec(), entries.concat(), b"e".to_vec()].concat()
}

/// A torrent under construction: two dictionaries whose keys come out sorted.
#[derive(Clone, Default)]
pub struct Torrent {
    root: BTreeMap<Vec<u8>, Vec<u8>>,
    info: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub const PIECE: u64 = 16_384;

impl Torrent {
    /// One file `x` of 40,000 bytes.
    pub fn single() -> Self {
        Self::default()
            .with("name", s("x"))
            .with("piece length", i(PIECE))
            .with("length", i(40_000))
            .with("pieces", s([7; 60]))
    }

    /// These files below a folder `t`.
    pub fn multi(files: impl IntoIterator<Item = Vec<u8>>, total: u64) -> Self {
        Self::default()
            .with("name", s("t"))
            .with("piece length", i(PIECE))
            .with("files", l(files))
            .with("pieces", s(vec![7; total.div_ceil(PIECE) as usize * 20]))
    }

    /// A v2 torrent `t` of this tree.
    pub fn v2(tree: Vec<u8>) -> Self {
        Self::default()
            .with("name", s("t"))
            .with("piece length", i(PIECE))
            .with("meta version", i(2))
            .with("file tree", tree)
    }

    pub fn with(mut self, key: &str, value: Vec<u8>) -> Self {
        self.info.insert(key.into(), value);
        self
    }

    pub fn without(mut self, key: &str) -> Self {
        self.info.remove(key.as_bytes());
        self
    }

    pub fn around(mut self, key: &str, value: Vec<u8>) -> Self {
        self.root.insert(key.into(), value);
        self
    }

    pub fn info(&self) -> Vec<u8> {
        d(self.info.clone())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut root = self.root.clone();
        root.entry(b"info".to_vec()).or_insert_with(|| self.info());
        d(root)
    }
}

pub fn file(path: &[&str], length: u64) -> Vec<u8> {
    d([("length", i(length)), ("path", l(path.iter().map(s)))])
}

fn pad(length: u64) -> Vec<u8> {
    d([("attr", s("p")), ("length", i(length)), ("path", l([s(".pad"), s(length.to_string())]))])
}

fn leaf(properties: Vec<(&str, Vec<u8>)>) -> Vec<u8> {
    d([("", d(properties))])
}

fn v2_file(length: u64, root: [u8; 32]) -> Vec<u8> {
    leaf(vec![("length", i(length)), ("pieces root", s(root))])
}

fn node(left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
    Sha256::digest([left, right].concat()).into()
}

const A: [u8; 32] = [1; 32];
const B: [u8; 32] = [2; 32];
const C: [u8; 32] = [3; 32];

/// Root of a file of three pieces of 16 KiB, whose layer is `A B C`.
fn three() -> [u8; 32] {
    node(node(A, B), node(C, [0; 32]))
}

/// A v2 torrent of one file of three pieces, with these piece layers.
fn layered(layers: Vec<u8>) -> Torrent {
    Torrent::v2(d([("t", v2_file(40_000, three()))])).around("piece layers", layers)
}

/// A hybrid of `a` (20,000 bytes) and `b` (5 bytes); the v1 half as given.
fn hybrid(files: Vec<Vec<u8>>, total: u64) -> Torrent {
    let mut torrent = Torrent::v2(d([("a", v2_file(20_000, node(A, B))), ("b", v2_file(5, C))]))
        .around("piece layers", d([(node(A, B), s([A, B].concat()))]));
    torrent.info.extend(Torrent::multi(files, total).info);
    torrent
}

#[derive(Default)]
struct Table(Vec<Case>);

impl Table {
    fn good(&mut self, name: &str, torrent: Torrent, want: &[(&'static str, Value)]) {
        let (bytes, info) = (torrent.bytes(), Some(torrent.info()));
        self.0.push(Case { name: name.into(), bytes, info, want: Want::Good(want.to_vec()) });
    }

    fn good_bytes(&mut self, name: &str, bytes: Vec<u8>, info: &[u8], want: &[(&'static str, Value)]) {
        let want = Want::Good(want.to_vec());
        self.0.push(Case { name: name.into(), bytes, info: Some(info.to_vec()), want });
    }

    fn bad(&mut self, name: &str, torrent: Torrent, words: &'static str) {
        self.bad_bytes(name, torrent.bytes(), words);
    }

    fn bad_bytes(&mut self, name: &str, bytes: impl Into<Vec<u8>>, words: &'static str) {
        self.0.push(Case { name: name.into(), bytes: bytes.into(), info: None, want: Want::Refused(words) });
    }

    /// A name or path element, and what stands on disk for it.
    fn element(&mut self, name: &str, raw: impl AsRef<[u8]>, on_disk: &str) {
        let raw = raw.as_ref();
        let entry = d([("length", i(5)), ("path", l([s("d"), s(raw)]))]);
        let path = format!("t/d/{on_disk}");
        self.good(&format!("M1 path: {name}"), Torrent::multi([entry], 5), &[("/files/0/path", json!(path))]);
        let single = Torrent::single().with("name", s(raw));
        self.good(&format!("M1 name: {name}"), single, &[("/files/0/path", json!(on_disk))]);
        if !raw.is_empty() {
            let tree = Torrent::v2(d([("d", d([(raw, v2_file(5, A))]))]));
            self.good(&format!("M1 v2 key: {name}"), tree, &[("/files/0/path", json!(path))]);
        }
    }
}

/// Every case but the very large ones.
pub fn all() -> Vec<Case> {
    let mut table = Table::default();
    plain(&mut table);
    names(&mut table);
    numbers(&mut table);
    not_torrents(&mut table);
    spellings(&mut table);
    around(&mut table);
    version_2(&mut table);
    hybrids(&mut table);
    table.0
}

fn plain(t: &mut Table) {
    t.good(
        "a single file",
        Torrent::single(),
        &[
            ("/name", json!("x")),
            ("/info_hash_v2", json!(null)),
            ("/total_size", json!(40_000)),
            ("/piece_length", json!(16_384)),
            ("/pieces", json!(3)),
            ("/private", json!(false)),
            ("/trackers", json!([])),
            ("/web_seeds", json!([])),
            ("/files", json!([{"path": "x", "length": 40_000}])),
        ],
    );
    let files = [file(&["a"], 20_000), file(&["d", "b"], 0), file(&["d", "c"], 20_000)];
    t.good(
        "several files, one of them empty (M18)",
        Torrent::multi(files, 40_000),
        &[
            ("/files/0", json!({"path": "t/a", "length": 20_000})),
            ("/files/1", json!({"path": "t/d/b", "length": 0})),
            ("/files/2", json!({"path": "t/d/c", "length": 20_000})),
        ],
    );
    t.good("a list of one file", Torrent::multi([file(&["a"], 5)], 5), &[("/files/0/path", json!("t/a"))]);
    let padded = [file(&["a"], 20_000), pad(12_768), file(&["b"], 5)];
    t.good(
        "M19 pad files are hidden, and count for pieces",
        Torrent::multi(padded, 32_773),
        &[
            ("/total_size", json!(20_005)),
            ("/pieces", json!(3)),
            ("/files", json!([{"path": "t/a", "length": 20_000}, {"path": "t/b", "length": 5}])),
        ],
    );
    let link = d([("attr", s("l")), ("path", l([s("link")])), ("symlink path", l([s(".."), s("etc")]))]);
    let through = file(&["link", "passwd"], 5);
    t.good(
        "M3 a symbolic link is left out, and a file through it is a file in a folder",
        Torrent::multi([link, through], 5),
        &[("/files", json!([{"path": "t/link/passwd", "length": 5}]))],
    );
    t.good(
        "M12 unknown keys in info count for the hash",
        Torrent::single().with("source", s("X")).with("x_cross_seed", s("y")).with("entropy", l([i(1)])),
        &[],
    );
    t.good(
        "`length` beside `files`",
        Torrent::multi([file(&["a"], 5)], 5).with("length", i(7)),
        &[("/total_size", json!(5))],
    );
    let old = d([("length", i(5)), ("path", l([s(b"\xe4")])), ("path.utf-8", l([s("ä")]))]);
    t.good(
        "path.utf-8 and name.utf-8",
        Torrent::multi([old], 5).with("name.utf-8", s("ü")),
        &[("/name", json!("ü")), ("/files/0/path", json!("ü/ä"))],
    );
    t.good("private", Torrent::single().with("private", i(1)), &[("/private", json!(true))]);
    t.good("M13 private=2", Torrent::single().with("private", i(2)), &[("/private", json!(true))]);
    t.good("M13 private=-1", Torrent::single().with("private", i(-1)), &[("/private", json!(true))]);
    t.good("private=0", Torrent::single().with("private", i(0)), &[("/private", json!(false))]);
    t.good("M13 private=\"1\"", Torrent::single().with("private", s("1")), &[("/private", json!(false))]);
}

/// M1, M2, M3, M5: what a name can do.
fn names(t: &mut Table) {
    t.element("empty", "", "_");
    t.element("dot", ".", "_");
    t.element("dot dot", "..", "__");
    t.element("absolute", "/etc/passwd", "_etc_passwd");
    t.element("slash", "a/../../b", "a_.._.._b");
    t.element("backslash", "..\\..\\b", ".._.._b");
    t.element("NUL", "a\0b", "a_b");
    t.element("overlong dots", b"\xc0\xae\xc0\xae", "____");
    t.element("overlong slash", b"..\xc0\xaf..", "..__..");
    t.element("not UTF-8", b"\xfe\xffx", "__x");
    t.element("ESC", "a\x1b[31mb", "a_[31mb");
    t.element("OSC 52", "\x1b]52;c;AAAA\x07", "_]52;c;AAAA_");
    t.element("C1 CSI", "a\u{9b}2Jb", "a_2Jb");
    t.element("CR LF", "a\r\nb", "a__b");
    t.element("bidi override", "gpj.\u{202e}exe", "gpj._exe");
    t.element("zero width", "a\u{200b}b", "a_b");
    t.element("tag characters", "a\u{e0041}b", "a_b");
    t.element("line separator", "a\u{2028}b", "a_b");
    t.element("dots and spaces that are fine", "... a. ", "... a. ");
    t.element("300 bytes", format!("{}.mkv", "é".repeat(150)), &format!("{}.mkv", "é".repeat(125)));

    let files = [file(&["a"], 5), file(&["a"], 6), file(&["A"], 7)];
    t.good(
        "M3 two entries with one path; M4 case is told apart",
        Torrent::multi(files, 18),
        &[
            ("/files/0/path", json!("t/a")),
            ("/files/1/path", json!("t/a.1")),
            ("/files/2/path", json!("t/A")),
        ],
    );
    t.good(
        "M3 one path once it is sanitised",
        Torrent::multi([file(&["a/b"], 5), file(&["a\\b"], 5)], 10),
        &[("/files/0/path", json!("t/a_b")), ("/files/1/path", json!("t/a_b.1"))],
    );
    t.good(
        "M3 a file that is a folder too",
        Torrent::multi([file(&["a.d"], 5), file(&["a.d", "b"], 5)], 10),
        &[("/files/0/path", json!("t/a.1.d")), ("/files/1/path", json!("t/a.d/b"))],
    );
    let deep: Vec<&str> = vec!["d"; 1_000];
    t.bad(
        "M5 a path of 1,000 elements",
        Torrent::multi([file(&deep, 5)], 5),
        "1001 elements, more than the 256",
    );
    let long = "n".repeat(255);
    let long: Vec<&str> = vec![&long; 20];
    t.bad("M5 a path longer than PATH_MAX", Torrent::multi([file(&long, 5)], 5), "bytes, more than the 3072");
    t.good(
        "M2 control characters in every text",
        Torrent::single()
            .with("name", s("n\x1b]0;x\x07\u{202e}"))
            .around("comment", s("c\x1b[2J"))
            .around("created by", s("p\r\n\u{9b}"))
            .around("announce", s("http://a/\x1b[2J\u{202e}"))
            .around("url-list", s("http://w/\u{e0041}\x7f")),
        &[
            ("/trackers", json!([["http://a/\x1b[2J\u{202e}"]])),
            ("/web_seeds/0", json!("http://w/\u{e0041}\x7f")),
        ],
    );
    t.good(
        "M2 a name that is not UTF-8",
        Torrent::single().with("name", s(b"a\xff")),
        &[("/name", json!("a\u{fffd}"))],
    );
}

/// M6, M7, M8, M18: numbers that are no sizes.
fn numbers(t: &mut Table) {
    for (got, words) in [
        ("0", "piece length is 0"),
        ("-16384", "piece length is -16384"),
        ("1099511627776", "piece length is 1099511627776"),
        ("4294967296", "piece length is 4294967296"),
        ("9223372036854775808", "not a number of bytes"),
        ("99999999999999999999999", "malformed integer"),
    ] {
        t.bad(&format!("M6 piece length {got}"), Torrent::single().with("piece length", i(got)), words);
    }
    t.bad(
        "M6 piece length a string",
        Torrent::single().with("piece length", s("16384")),
        "`piece length` is not",
    );
    t.bad("M6 no piece length", Torrent::single().without("piece length"), "`piece length` is missing");
    t.good(
        "M6 a piece length that is no power of two",
        Torrent::single().with("piece length", i(20_000)).with("pieces", s([7; 40])),
        &[("/pieces", json!(2))],
    );
    t.bad("M7 half a hash", Torrent::single().with("pieces", s([7; 59])), "59 bytes");
    t.bad(
        "M7 a hash too few",
        Torrent::single().with("pieces", s([7; 40])),
        "has 2 hashes, but 40000 bytes of content make 3",
    );
    t.bad("M7 a hash too many", Torrent::single().with("pieces", s([7; 80])), "has 4 hashes");
    t.bad("M7 no hashes", Torrent::single().with("pieces", s("")), "has 0 hashes");
    t.bad("M7 pieces a list", Torrent::single().with("pieces", l([])), "`pieces` is not a string");
    t.bad("M7 no pieces", Torrent::single().without("pieces"), "`pieces` is missing");
    let max = i64::MAX;
    for got in ["-1", "-9223372036854775808", "18446744073709551615", "9223372036854775808", "\x30-1"] {
        t.bad(&format!("M8 length {got:?}"), Torrent::single().with("length", i(got)), "");
    }
    t.bad(
        "M8 length 2^70",
        Torrent::single().with("length", i("1180591620717411303424")),
        "malformed integer",
    );
    t.bad("M8 length a string", Torrent::single().with("length", s("5")), "length of file 1");
    t.bad("M8 the largest length", Torrent::single().with("length", i(max)), "pieces, more than the 2097152");
    t.bad("M8 no length", Torrent::single().without("length"), "`length` is missing");
    let sum = [file(&["a"], max as u64), file(&["b"], max as u64), file(&["c"], 7)];
    t.bad("M8 a sum that wraps to 5", Torrent::multi(sum, 5), "files 1 to 2 have more than");
    let negative = d([("length", i(-5)), ("path", l([s("b")]))]);
    t.bad("M8 one negative of several", Torrent::multi([file(&["a"], 10), negative], 5), "length of file 2");
    let pieces = 2_097_152;
    t.bad(
        "too many pieces",
        Torrent::single().with("length", i((pieces + 1) * PIECE)),
        "2097153 pieces, more than the 2097152",
    );
    t.bad(
        "M18 a file of nothing",
        Torrent::single().with("length", i(0)).with("pieces", s("")),
        "nothing to download",
    );
    t.bad(
        "M18 files of nothing",
        Torrent::multi([file(&["a"], 0), file(&["b"], 0)], 0),
        "nothing to download",
    );
    t.bad("pads and nothing else", Torrent::multi([pad(5)], 5), "nothing to download");
    t.bad("no files", Torrent::multi([], 0), "no files");
    t.bad("files a string", Torrent::single().with("files", s("a")), "`files` is not a list");
    t.bad("files of numbers", Torrent::single().with("files", l([i(1)])), "not a list of dictionaries");
    t.bad("a file without a path", Torrent::multi([d([("length", i(5))])], 5), "path of file 1");
    t.bad("a file with an empty path", Torrent::multi([file(&[], 5)], 5), "path of file 1");
    let number = d([("length", i(5)), ("path", l([s("a"), i(1)]))]);
    t.bad("a path with a number in it", Torrent::multi([number], 5), "path of file 1");
    let string = d([("length", i(5)), ("path", s("a"))]);
    t.bad("a path that is a string", Torrent::multi([string], 5), "path of file 1");
    t.bad("a file without a length", Torrent::multi([d([("path", l([s("a")]))])], 5), "length of file 1");
}

/// M9, M10: what is no torrent at all.
fn not_torrents(t: &mut Table) {
    t.bad_bytes("M9 empty file", "", "empty");
    t.bad_bytes("M9 line ends", "\n\n", "empty");
    t.bad_bytes("M9 zeros", vec![0; 1_000], "unexpected byte 0x00");
    t.bad_bytes("M9 HTML", "<!doctype html><html>404</html>", "a web page");
    t.bad_bytes("M9 JSON", "{\"error\": \"not found\"}", "JSON");
    t.bad_bytes("M9 gzip", b"\x1f\x8b\x08\0\0\0\0\0", "a gzip file");
    t.bad_bytes("a zip file", b"PK\x03\x04zip", "a zip file");
    t.bad_bytes(
        "M9 magnet text",
        "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "a magnet link",
    );
    t.bad_bytes("M9 a list", l([d([("info", Torrent::single().info())])]), "not a dictionary");
    t.bad_bytes("M9 a number", i(1), "not a dictionary");
    t.bad_bytes("M9 a string", s("torrent"), "not a dictionary");
    t.bad_bytes("M9 an empty dictionary", "de", "`info` is missing");
    t.bad_bytes("M9 info a list", d([("info", l([]))]), "`info` is not a dictionary");
    t.bad_bytes("M9 info a string", d([("info", s("x"))]), "`info` is not a dictionary");
    t.bad_bytes("M9 info empty", d([("info", d::<&str>([]))]), "`name` is missing");
    t.bad("no name", Torrent::single().without("name"), "`name` is missing");
    t.bad("name a number", Torrent::single().with("name", i(1)), "`name` is missing");

    for depth in [1_000, 100_000, 5_000_000] {
        t.bad_bytes(&format!("M10 {depth} lists"), vec![b'l'; depth], "nested deeper than 64");
        t.bad_bytes(&format!("M10 {depth} dictionaries"), b"d1:a".repeat(depth), "nested deeper than 64");
    }
    let closed = [vec![b'l'; 100_000], vec![b'e'; 100_000]].concat();
    t.bad("M10 nested in an unknown key", Torrent::single().with("x", closed), "nested deeper than 64");
    t.bad_bytes("M10 an unclosed dictionary", &Torrent::single().bytes()[..100], "only");
    let whole = Torrent::single().bytes();
    t.bad_bytes("M10 without its last byte", &whole[..whole.len() - 1], "ends too early");
    t.bad_bytes("M10 a string of 10^11", "d4:info99999999999:x", "malformed string length");
    t.bad_bytes("M10 a string of 2^64+4", "d4:info18446744073709551620:xxxxe", "malformed string length");
    t.bad_bytes("M10 a string of 1 GiB in 20 bytes", "d4:info1073741824:xx", "only 2 bytes are left");
    t.bad_bytes("M10 an integer of 1 MB", i("1".repeat(1_000_000)), "malformed integer");
    t.bad_bytes("M10 a string length of 1 MB", "1".repeat(1_000_000), "malformed string length");
    t.bad_bytes(
        "M10 an unclosed integer of 16 MB",
        ["d1:ai", &"1".repeat(16_000_000)].concat(),
        "malformed integer",
    );
    t.bad_bytes("M10 more than 3 M values", l((0..3_000_001).map(|_| s(""))), "more than 3000000 values");
    t.bad_bytes("keys that are numbers", "di1ei2ee", "key that is not a string");
    t.bad_bytes("a key without a value", "d4:infoe", "key without a value");
    t.bad_bytes("a plus sign", "d4:infoi+5ee", "malformed integer");
    t.bad("a key of 1 MB", Torrent::single().with(&"k".repeat(1 << 20), i(1)), "key of 1048576 bytes");
}

/// M11: bencode that is not canonical. The hash is that of the bytes as they stand.
fn spellings(t: &mut Table) {
    let info = Torrent::single().info();
    let around = |info: &[u8]| [b"d4:info", info, b"e"].concat();
    let unsorted = d([
        ("pieces", s([7; 60])),
        ("name", s("x")),
        ("length", i("040000")),
        ("extra", i("-0")),
        ("piece length", i(PIECE)),
    ]);
    t.good_bytes(
        "M11 unsorted keys, leading zero, -0",
        around(&unsorted),
        &unsorted,
        &[("/total_size", json!(40_000))],
    );
    let zero = [b"d6:lengthi5e04:name1:x12:piece lengthi16384e6:pieces020:", &[7; 20][..], b"e"].concat();
    t.good_bytes("M11 leading zeros in lengths", around(&zero), &zero, &[("/total_size", json!(5))]);
    let late = [b"d8:url-list0:4:info", &info[..], b"8:announce3:u:pe"].concat();
    t.good_bytes("M11 unsorted around info", late, &info, &[("/trackers", json!([["u:p"]]))]);
    let twice = [b"d4:info", &info[..], b"4:info", &info[..], b"e"].concat();
    t.bad_bytes("M11 two info dicts", twice, "same dictionary key twice");
    let apart = [b"d4:info", &info[..], b"1:ai1e4:info", &info[..], b"e"].concat();
    t.bad_bytes("M11 two info dicts with a key between", apart, "same dictionary key twice");
    let name = d([("length", i(5)), ("name", s("a")), ("pieces", s([7; 20])), ("name", s("b"))]);
    t.bad_bytes("M11 two names", around(&name), "same dictionary key twice");
    for (what, tail) in
        [("newline", "\n"), ("CR LF", "\r\n"), ("NUL", "\0"), ("a second torrent", "d4:infodee")]
    {
        let bytes = [&around(&info)[..], tail.as_bytes()].concat();
        t.good_bytes(&format!("M11 {what} after the end"), bytes, &info, &[]);
    }
    let binary = d([(&b"\xff\xfe"[..], i(1)), (b"info", info.clone())]);
    t.good_bytes("a key that is not UTF-8", binary, &info, &[]);
}

/// M13, M14 and the trackers: keys that may be anything.
fn around(t: &mut Table) {
    let tiers = l([l([s("http://a/1"), s("http://a/2")]), l([]), l([s("udp://b:1")])]);
    t.good(
        "tiers win over announce",
        Torrent::single().around("announce", s("http://c")).around("announce-list", tiers),
        &[("/trackers", json!([["http://a/1", "http://a/2"], ["udp://b:1"]]))],
    );
    t.good(
        "an empty announce-list does not",
        Torrent::single().around("announce", s("http://c")).around("announce-list", l([l([])])),
        &[("/trackers", json!([["http://c"]]))],
    );
    for (name, list) in [
        ("flat", l([s("http://a")])),
        ("a string", s("http://a")),
        ("a number", i(1)),
        ("of numbers", l([l([i(1)])])),
        ("of empty strings", l([l([s(""), s("  ")])])),
        ("of dictionaries", l([d([("a", i(1))])])),
    ] {
        t.good(
            &format!("M13 announce-list {name}"),
            Torrent::single().around("announce", s("http://c")).around("announce-list", list),
            &[("/trackers", json!([["http://c"]]))],
        );
    }
    t.good(
        "a tracker named twice",
        Torrent::single()
            .around("announce-list", l([l([s("u:a"), s("u:a")]), l([s("u:a")]), l([s(" u:b\n")])])),
        &[("/trackers", json!([["u:a"], ["u:b"]]))],
    );
    t.good("M13 announce a number", Torrent::single().around("announce", i(5)), &[("/trackers", json!([]))]);
    t.good(
        "web seeds as a string",
        Torrent::single().around("url-list", s("http://w/")),
        &[("/web_seeds", json!(["http://w/"]))],
    );
    t.good(
        "web seeds of both kinds",
        Torrent::single()
            .around("url-list", l([s("http://w/"), i(1), s("")]))
            .around("httpseeds", l([s("http://h/")])),
        &[("/web_seeds", json!(["http://w/", "http://h/"]))],
    );
    let odd = [("comment", i(1)), ("created by", l([])), ("creation date", s("today")), ("encoding", i(8))];
    let odd = odd.into_iter().fold(Torrent::single(), |torrent, (key, value)| torrent.around(key, value));
    t.good(
        "M13 remarks of other types",
        odd.around("url-list", d([("a", i(1))])).around("nodes", s("x")),
        &[],
    );
    for date in ["9223372036854775807", "-9223372036854775808", "253402300800", "18446744073709551615"] {
        t.good(&format!("M14 creation date {date}"), Torrent::single().around("creation date", i(date)), &[]);
    }
    let nodes =
        [l([s("10.0.0.1"), i(6_881)]), l([s("h"), i(-1)]), l([i(1), i(2)]), s("x"), l([s("h"), i(70_000)])];
    t.good("nodes good and bad", Torrent::single().around("nodes", l(nodes)), &[]);
    let many = l((0..20_000).map(|n| l([s(format!("http://t/{n}"))])));
    t.good(
        "M17 20,000 trackers are cut to 10,000",
        Torrent::single().around("announce-list", many),
        &[("/trackers/9999/0", json!("http://t/9999"))],
    );
}

/// M15, M16: version 2.
fn version_2(t: &mut Table) {
    t.good(
        "v2, one file",
        layered(d([(three(), s([A, B, C].concat()))])),
        &[
            ("/info_hash", json!(null)),
            ("/total_size", json!(40_000)),
            ("/pieces", json!(3)),
            ("/files", json!([{"path": "t", "length": 40_000}])),
        ],
    );
    let tree = d([
        ("a", v2_file(20_000, node(A, B))),
        ("d", d([("b", leaf(vec![("length", i(0))])), ("c", v2_file(5, A))])),
    ]);
    t.good(
        "v2, several files, each starting with a piece",
        Torrent::v2(tree).around("piece layers", d([(node(A, B), s([A, B].concat()))])),
        &[
            ("/total_size", json!(20_005)),
            ("/pieces", json!(3)),
            ("/files/0/path", json!("t/a")),
            ("/files/1/path", json!("t/d/b")),
            ("/files/2/path", json!("t/d/c")),
        ],
    );
    // Two pieces of 64 KiB: the layer is two levels above the blocks.
    let wide = Torrent::v2(d([("t", v2_file(70_000, node(A, B)))])).with("piece length", i(65_536));
    let layers = d([(node(A, B), s([A, B].concat()))]);
    t.good("v2, longer pieces", wide.around("piece layers", layers), &[("/pieces", json!(2))]);
    // Three pieces of 32 KiB: what is missing on the right is the node above two zero blocks.
    let zero = node([0; 32], [0; 32]);
    let root = node(node(A, B), node(C, zero));
    let padded = Torrent::v2(d([("t", v2_file(90_000, root))])).with("piece length", i(32_768));
    t.good(
        "v2, a layer that is filled up",
        padded.around("piece layers", d([(root, s([A, B, C].concat()))])),
        &[],
    );
    t.good(
        "M16 no piece layers",
        Torrent::v2(d([("t", v2_file(40_000, three()))])),
        &[("/pieces", json!(3))],
    );
    t.good("M16 piece layers empty", layered(d::<&str>([])), &[("/pieces", json!(3))]);
    let link = leaf(vec![("attr", s("l")), ("length", i(0)), ("symlink path", l([s("x")]))]);
    t.good(
        "v2, a symbolic link is left out",
        Torrent::v2(d([("a", link), ("b", v2_file(5, A))])),
        &[("/files", json!([{"path": "b", "length": 5}]))],
    );
    let remark = d([("", d([("attr", s("h"))])), ("a", v2_file(5, A)), ("b", v2_file(5, A))]);
    t.good(
        "v2, remarks about a folder",
        Torrent::v2(d([("d", remark)])),
        &[("/files/1/path", json!("t/d/b"))],
    );

    let one = |properties: Vec<(&str, Vec<u8>)>| Torrent::v2(d([("t", leaf(properties))]));
    t.bad(
        "M15 root of 31 bytes",
        one(vec![("length", i(5)), ("pieces root", s([1; 31]))]),
        "31 bytes instead of 32",
    );
    t.bad("M15 no root", one(vec![("length", i(5))]), "0 bytes instead of 32");
    t.bad("M15 root a number", one(vec![("length", i(5)), ("pieces root", i(1))]), "0 bytes instead of 32");
    t.bad("M15 zero root", one(vec![("length", i(5)), ("pieces root", s([0; 32]))]), "all zeros");
    t.bad("M8 v2 negative length", one(vec![("length", i(-5)), ("pieces root", s(A))]), "length of file 1");
    t.bad("M18 v2 of nothing", one(vec![("length", i(0))]), "nothing to download");
    t.bad(
        "M15 wrong layer",
        layered(d([(three(), s([A, B, A].concat()))])),
        "does not hash to its `pieces root`",
    );
    t.bad("M15 foreign layer", layered(d([(A, s([A, B].concat()))])), "belongs to no file");
    t.bad("M15 layer key of 3 bytes", layered(d([("abc", s([A, B].concat()))])), "belongs to no file");
    t.bad(
        "M15 layer cut",
        layered(d([(three(), s(&[A, B, C].concat()[..95]))])),
        "has 95 bytes, but its file needs 96",
    );
    t.bad(
        "M15 layer too short",
        layered(d([(three(), s([A, B].concat()))])),
        "has 64 bytes, but its file needs 96",
    );
    t.bad("M15 layer too long", layered(d([(three(), s([A, B, C, A].concat()))])), "has 128 bytes");
    t.bad("M15 layer a number", layered(d([(three(), i(1))])), "`piece layers` is not");
    t.bad("M15 layers a list", layered(l([])), "`piece layers` is not");
    let small = Torrent::v2(d([("t", v2_file(5, A))])).around("piece layers", d([(A, s(A))]));
    t.bad("M15 layer of a file of one piece", small, "belongs to no file of more than one piece");
    t.bad("M15 the tree's root is a file", Torrent::v2(v2_file(5, A)), "root of the file tree is a file");
    let siblings = d([("", d([("length", i(5)), ("pieces root", s(A))])), ("b", v2_file(5, A))]);
    t.bad("M15 '' with siblings", Torrent::v2(d([("t", siblings)])), "is a folder too");
    let after = d([("b", v2_file(5, A)), ("", d([("length", i(5)), ("pieces root", s(A))]))]);
    t.bad("M15 '' after siblings", Torrent::v2(d([("t", after)])), "is a folder too");
    t.bad("v2 tree of numbers", Torrent::v2(d([("t", i(1))])), "`file tree` is not");
    t.bad("v2 properties a list", Torrent::v2(d([("t", d([("", l([]))]))])), "`file tree` is not");
    t.bad("v2 tree a list", Torrent::v2(l([])), "`file tree` is not");
    t.bad("v2 tree empty", Torrent::v2(d::<&str>([])), "no files");
    t.bad("v2 without a tree", Torrent::single().with("meta version", i(2)), "`file tree` is missing");
    t.bad(
        "M6 v2 piece length 20000",
        Torrent::v2(d([("t", v2_file(5, A))])).with("piece length", i(20_000)),
        "power of two",
    );
    t.bad(
        "M6 v2 piece length 8192",
        Torrent::v2(d([("t", v2_file(5, A))])).with("piece length", i(8_192)),
        "power of two",
    );
    for version in [0, 1, 3, -2] {
        // BEP 52: checked first, so nothing else that is wrong may be said.
        let torrent = Torrent::default().with("meta version", i(version)).with("file tree", i(1));
        t.bad(&format!("M15 meta version {version}"), torrent, "only versions 1 and 2 are known");
    }
    t.bad(
        "meta version a string",
        Torrent::single().with("meta version", s("2")),
        "`meta version` is not a number",
    );
    let deep = (0..100).fold(v2_file(5, A), |inner, _| d([("d", inner)]));
    t.bad("M5 v2 tree of 100 levels", Torrent::v2(deep), "nested deeper than 64");
    let many = d([("a", v2_file(1 << 40, A)), ("b", v2_file(i64::MAX as u64, B))]);
    t.bad("M8 v2 sum", Torrent::v2(many), "files 1 to 2 have more than");
}

/// M15: hybrids whose halves differ.
fn hybrids(t: &mut Table) {
    let (a, b) = (|| file(&["a"], 20_000), || file(&["b"], 5));
    let good = hybrid(vec![a(), pad(12_768), b()], 32_773);
    t.good(
        "a hybrid",
        good.clone(),
        &[
            ("/total_size", json!(20_005)),
            ("/pieces", json!(3)),
            ("/files", json!([{"path": "t/a", "length": 20_000}, {"path": "t/b", "length": 5}])),
        ],
    );
    t.good("a hybrid with a pad at its end", hybrid(vec![a(), pad(12_768), b(), pad(16_379)], 49_152), &[]);
    let mut single = Torrent::v2(d([("x", v2_file(40_000, three()))]));
    single.info.extend(Torrent::single().info);
    t.good("a hybrid of one file", single.clone(), &[("/files", json!([{"path": "x", "length": 40_000}]))]);
    t.bad("M15 hybrid with another name", single.with("name", s("y")), "differ at file 1: other names");
    t.bad("M15 hybrid without pads", hybrid(vec![a(), b()], 20_005), "does not start it with a piece");
    t.bad(
        "M15 hybrid with a wrong pad",
        hybrid(vec![a(), pad(12_767), b()], 32_772),
        "does not start it with a piece",
    );
    t.bad(
        "M15 hybrid, other length",
        hybrid(vec![a(), pad(12_768), file(&["b"], 6)], 32_774),
        "other lengths",
    );
    t.bad("M15 hybrid, other order", hybrid(vec![b(), pad(16_379), a()], 36_384), "other names");
    t.bad(
        "M15 hybrid, a file more in v1",
        hybrid(vec![a(), pad(12_768), b(), pad(16_379), file(&["c"], 1)], 49_153),
        "v2 part has fewer files",
    );
    t.bad("M15 hybrid, a file less in v1", hybrid(vec![a()], 20_000), "v1 part has fewer files");
    t.bad("M15 hybrid with bad pieces", good.clone().with("pieces", s([7; 40])), "has 2 hashes");
    t.bad("M15 hybrid without pieces", good.clone().without("pieces"), "`pieces` is missing");
    t.bad(
        "M15 hybrid with a wrong layer",
        good.around("piece layers", d([(node(A, B), s([A, A].concat()))])),
        "does not hash",
    );
}

/// M17 and M10: large ones, which must take little time and memory. Made one at a time.
pub fn large() -> Vec<fn() -> Case> {
    fn good(name: &str, torrent: Torrent) -> Case {
        let (bytes, info) = (torrent.bytes(), Some(torrent.info()));
        Case { name: name.into(), bytes, info, want: Want::Good(Vec::new()) }
    }
    fn bad(name: &str, bytes: Vec<u8>, words: &'static str) -> Case {
        Case { name: name.into(), bytes, info: None, want: Want::Refused(words) }
    }
    vec![
        || {
            let files = (0..100_000).map(|n| file(&["folder", &format!("file {n}.bin")], 5));
            good("M17 100,000 files", Torrent::multi(files, 500_000))
        },
        || {
            good(
                "M17 100,000 equal paths",
                Torrent::multi((0..100_000).map(|_| file(&["d", "same"], 5)), 500_000),
            )
        },
        || {
            let files = (0..100_000).map(|n| file(&[&format!("{}{:06}", "x".repeat(250), n / 2)], 5));
            good("100,000 names, long and alike in pairs", Torrent::multi(files, 500_000))
        },
        || {
            let files =
                (0..50_000).flat_map(|n| [file(&[&n.to_string()], 5), file(&[&n.to_string(), "b"], 5)]);
            good("50,000 files that are folders too", Torrent::multi(files, 500_000))
        },
        || {
            let element = "é".repeat(120);
            let path: Vec<&str> = vec![&element; 12];
            good("60 MB of long paths", Torrent::multi((0..20_000).map(|_| file(&path, 5)), 100_000))
        },
        || good("M17 200,000 pieces", Torrent::multi([file(&["a"], 200_000 * PIECE)], 200_000 * PIECE)),
        || good("2,097,152 pieces", Torrent::multi([file(&["a"], 2_097_152 * PIECE)], 2_097_152 * PIECE)),
        || {
            let deep = (0..58).fold(
                (0..50_000).map(|n| (format!("{n:05}"), v2_file(5, A))).collect(),
                |inner: Vec<_>, _| vec![("d".to_owned(), d(inner))],
            );
            good("50,000 files at the bottom of a v2 tree", Torrent::v2(d(deep)))
        },
        || {
            let hashes = vec![A; 1_000_000];
            let mut level = hashes.clone();
            let mut pad = [0; 32];
            while level.len() > 1 {
                if level.len() % 2 == 1 {
                    level.push(pad);
                }
                level = level.chunks(2).map(|pair| node(pair[0], pair[1])).collect();
                pad = node(pad, pad);
            }
            let tree = d([("t", v2_file(1_000_000 * PIECE, level[0]))]);
            good(
                "a piece layer of a million hashes",
                Torrent::v2(tree).around("piece layers", d([(level[0], s(hashes.concat()))])),
            )
        },
        || {
            let keys = (0..700_000).rev().map(|n| (format!("{n:06}"), s("")));
            good("700,000 unsorted keys", Torrent::single().around("x", d(keys)))
        },
        || {
            let torrent = Torrent::multi((0..450_000).map(|_| file(&["a"], 5)), 450_000 * 5)
                .with("name", s([b'n'; 255]));
            bad("450,000 files below a long name", torrent.bytes(), "file list would take more than")
        },
        || {
            bad(
                "500,000 files",
                Torrent::multi((0..500_000).map(|_| file(&["a"], 5)), 2_500_000).bytes(),
                "more than 3000000 values",
            )
        },
        || good("499,000 equal files", Torrent::multi((0..499_000).map(|_| file(&["a"], 5)), 499_000 * 5)),
        || {
            let tiers = l((0..700_000).map(|n| l([s(format!("{n:06}"))])));
            good("700,000 tiers", Torrent::single().around("announce-list", tiers))
        },
        || {
            let tiers =
                l((0..15_000).map(|n| l([s([&[0xff; 2_000][..], format!("{n:06}").as_bytes()].concat())])));
            good("15,000 long trackers that are not UTF-8", Torrent::single().around("announce-list", tiers))
        },
        || {
            good(
                "a comment of 30 MB that is not UTF-8",
                Torrent::single().around("comment", s(vec![0xff; 30 << 20])),
            )
        },
        || good("a name of 30 MB that is not UTF-8", Torrent::single().with("name", s(vec![0xff; 30 << 20]))),
        || bad("64 MiB and a byte", vec![b'l'; (64 << 20) + 1], "67108865 bytes, more than the 67108864"),
        || bad("64 MiB of lists", vec![b'l'; 64 << 20], "nested deeper than 64"),
        || bad("64 MiB of digits", vec![b'1'; 64 << 20], "malformed string length"),
        || {
            bad(
                "64 MiB of keys",
                [
                    b"d".to_vec(),
                    (0..5_000_000).map(|n| format!("7:{n:07}0:")).collect::<String>().into_bytes(),
                ]
                .concat(),
                "more than 3000000 values",
            )
        },
    ]
}
