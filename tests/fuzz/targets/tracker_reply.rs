//! `checks/tracker_reply.rs` under the fuzzer.

#![no_main]

#[path = "../checks/tracker_reply.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
