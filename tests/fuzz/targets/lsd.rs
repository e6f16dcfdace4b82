//! `checks/lsd.rs` under the fuzzer.

#![no_main]

#[path = "../checks/lsd.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
