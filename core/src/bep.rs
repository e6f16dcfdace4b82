//! Which BEPs are spoken: one table, which prints the one of the README.

/// How much of a BEP works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All that a client does.
    Yes,
    /// This much.
    Partly(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Bep {
    /// Its number.
    pub number: u16,
    /// What it is about, in a few words.
    pub words: &'static str,
    /// How much of it works.
    pub support: Support,
    /// The name of a test that shows it; the suite `docs` looks for it in the sources.
    pub test: &'static str,
}

const fn bep(number: u16, words: &'static str, support: Support, test: &'static str) -> Bep {
    Bep { number, words, support, test }
}

/// The table, by number. A BEP is here when some of it works.
pub const BEPS: &[Bep] = {
    use Support::{Partly, Yes};
    &[
        bep(3, "peer protocol, .torrent files, HTTP trackers", Yes, "libtorrent_seeds_we_download"),
        bep(5, "DHT", Yes, "the_dht_brings_us_to_libtorrent"),
        bep(6, "fast extension", Yes, "libtorrent_and_we_speak_the_fast_extension"),
        bep(7, "IPv6 from trackers", Yes, "libtorrent_seeds_we_download_over_ipv6"),
        bep(
            9,
            "magnet links",
            Partly("v1 and hybrid, by either hash; a v2-only one gets its metadata"),
            "a_magnet_of_libtorrent_is_downloaded",
        ),
        bep(10, "extension protocol", Yes, "every_key_is_read"),
        bep(11, "peers that tell of peers", Yes, "libtorrent_tells_us_of_a_peer"),
        bep(12, "several trackers, in tiers", Yes, "a_tier_is_shuffled_and_who_answers_comes_first"),
        bep(14, "peers on the own network", Yes, "libtorrent_is_found_on_our_own_network"),
        bep(15, "UDP trackers", Yes, "a_udp_tracker_brings_us_to_libtorrent"),
        bep(20, "peer ids", Yes, "our_own_id_reads_as_ours"),
        bep(
            21,
            "peers that only upload",
            Yes,
            "upload_only_is_said_by_message_where_that_is_taken_and_by_a_second_handshake_else",
        ),
        bep(23, "compact peer lists", Yes, "compact_peers"),
        bep(24, "our address as trackers see it", Yes, "trackers_that_name_us_do_not_make_us_call_ourselves"),
        bep(27, "private torrents", Yes, "a_private_torrent_meets_neither_dht_nor_pex_nor_lsd"),
        bep(29, "uTP", Yes, "utp_alone_with_libtorrent"),
        bep(31, "trackers that say when to try again", Yes, "who_says_never_is_not_asked_again_in_this_run"),
        bep(32, "DHT over IPv6", Yes, "the_dht_brings_us_to_libtorrent_over_ipv6"),
        bep(40, "canonical peer priority", Yes, "the_examples_of_the_specification"),
        bep(41, "paths and pass-keys for UDP trackers", Yes, "an_announce_with_the_pass_key_of_its_url"),
        bep(42, "node ids that fit their address", Yes, "the_id_follows_the_address_that_others_see"),
        bep(
            43,
            "nodes that only read",
            Yes,
            "who_only_asks_is_in_no_table_and_who_only_reads_is_not_even_asked",
        ),
        bep(47, "pad files and attributes", Partly("pad files; no links"), "a_pad_file_takes_no_name"),
        bep(
            48,
            "figures of trackers",
            Yes,
            "a_torrent_at_rest_shows_what_its_tracker_knows_while_somebody_looks",
        ),
        bep(
            52,
            "version 2 and hybrid torrents",
            Partly("read and checked; a hybrid is transferred as v1"),
            "agrees_with_the_definition",
        ),
        bep(53, "magnet links that select files", Yes, "files_are_chosen_before_anything_is_fetched"),
        bep(54, "pieces that are taken back", Yes, "a_piece_that_the_peer_lost_is_void_or_rejected"),
    ]
};

/// The table for the README.
pub fn markdown() -> String {
    let mut text = "| BEP | what | support | shown by the test |\n| --- | --- | --- | --- |\n".to_owned();
    for Bep { number, words, support, test } in BEPS {
        let support = match support {
            Support::Yes => "yes",
            Support::Partly(much) => much,
        };
        text += &format!(
            "| [{number}](https://www.bittorrent.org/beps/bep_{number:04}.html) | {words} | {support} | `{test}` |\n"
        );
    }
    text
}
