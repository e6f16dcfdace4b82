//! `checks/wire_handshake.rs` under the fuzzer.

#![no_main]

#[path = "../checks/wire_handshake.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
