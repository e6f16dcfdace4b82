//! `checks/wire_message.rs` under the fuzzer.

#![no_main]

#[path = "../checks/wire_message.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
