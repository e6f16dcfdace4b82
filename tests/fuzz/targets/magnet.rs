//! `checks/magnet.rs` under the fuzzer.

#![no_main]

#[path = "../checks/magnet.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
