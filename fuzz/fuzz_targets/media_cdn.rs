#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    streamgate_fuzz::targets::run("media_cdn", data);
});
