//! `checks/resume.rs` under the fuzzer.

#![no_main]

#[path = "../checks/resume.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
