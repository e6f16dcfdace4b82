//! Keys, pastes and sizes of a terminal in any order: the dashboard never panics and stays within its
//! screen. Replayed in the tests of `tc-ui`, which have the torrents that it shows.

pub fn check(bytes: &[u8]) {
    tc_ui::testing::replay(bytes);
}
