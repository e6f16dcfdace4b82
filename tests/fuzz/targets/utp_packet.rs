//! `checks/utp_packet.rs` under the fuzzer.

#![no_main]

#[path = "../checks/utp_packet.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
