//! `checks/utp_connection.rs` under the fuzzer.

#![no_main]

#[path = "../checks/utp_connection.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
