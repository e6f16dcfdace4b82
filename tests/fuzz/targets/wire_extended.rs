//! `checks/wire_extended.rs` under the fuzzer.

#![no_main]

#[path = "../checks/wire_extended.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
