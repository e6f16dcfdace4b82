//! `checks/dns.rs` under the fuzzer.

#![no_main]

#[path = "../checks/dns.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
