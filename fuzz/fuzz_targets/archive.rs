#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

/// In memory where there is such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let top = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let folder = top.join(format!("crg-pipe-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder of our own");
    folder
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| crg_pipe::properties::archive(bytes, &FOLDER));
