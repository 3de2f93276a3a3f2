#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    streamgate_fuzz::targets::run("edge_auth", data);
});
