//! `checks/ut_pex.rs` under the fuzzer.

#![no_main]

#[path = "../checks/ut_pex.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
