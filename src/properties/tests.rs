//! A short run of each fuzz target: its seeds, the seeds with a few bytes changed, and any bytes.

use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Bytes with parts taken out, put in from elsewhere, or changed: what a fuzzer does, without its memory.
fn changed(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = seeds(target);
    let change = (
        any::<prop::sample::Index>(),
        0usize..9,
        prop::collection::vec(any::<u8>(), 0..5),
    );
    let near = (prop::sample::select(seeds), prop::collection::vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
        for (at, taken, put) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + taken).min(bytes.len());
            bytes.splice(at..end, put);
        }
        bytes
    });
    prop_oneof![4 => near, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// Two tests of a target: its seeds hold, and so does what is like them.
macro_rules! target {
    ($target:ident, $holds:expr) => {
        mod $target {
            use super::*;

            #[test]
            fn seeds_hold() {
                let seeds = seeds(stringify!($target));
                assert!(seeds.len() >= 3, "{} seeds", seeds.len());
                let folder = tempfile::tempdir().unwrap();
                for seed in &seeds {
                    $holds(seed, folder.path());
                }
            }

            #[test]
            fn what_is_like_a_seed_holds() {
                let folder = tempfile::tempdir().unwrap();
                proptest!(|(bytes in changed(stringify!($target)))| $holds(&bytes, folder.path()));
            }
        }
    };
}

target!(reference, |bytes: &[u8], _: &Path| crate::properties::reference(bytes));
target!(challenge, |bytes: &[u8], _: &Path| crate::properties::challenge(bytes));
target!(address, |bytes: &[u8], _: &Path| crate::properties::address(bytes));
target!(redaction, |bytes: &[u8], _: &Path| crate::properties::redaction(bytes));
target!(manifest, |bytes: &[u8], _: &Path| crate::properties::manifest(bytes));
target!(tags, |bytes: &[u8], _: &Path| crate::properties::tags(bytes));
target!(referrers, |bytes: &[u8], _: &Path| crate::properties::referrers(bytes));
target!(tar, |bytes: &[u8], _: &Path| crate::properties::tar(bytes));
target!(archive, crate::properties::archive);
target!(dockerfile, crate::properties::repository);
target!(variables, |bytes: &[u8], folder: &Path| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::properties::variables(bytes, folder);
});
target!(
    docker_config,
    |bytes: &[u8], _: &Path| crate::properties::docker_config(bytes)
);
