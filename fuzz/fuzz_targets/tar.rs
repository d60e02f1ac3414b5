#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| crg_pipe::properties::tar(bytes));
