//! `checks/udp_tracker.rs` under the fuzzer.

#![no_main]

#[path = "../checks/udp_tracker.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
