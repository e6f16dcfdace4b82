//! `checks/tracker_url.rs` under the fuzzer.

#![no_main]

#[path = "../checks/tracker_url.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
