//! Runs that are killed at random moments, wherever they are: between requests, within a write, before a rename.

use super::{assert_complete, assert_valid, run};
use crate::support::emulator::{Emulator, Setup};
use crate::support::image::{Image, ImageBuilder, digest};
use crate::support::pipe::Pipe;
use serde_json::Value;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Runs of each kind that are killed.
const KILLS: u32 = 30;
/// As many at least must not have ended before.
const LEAST: u32 = KILLS / 4;
/// Repeats the moments of a run that failed, as shares of what an undisturbed one takes.
const SEED: &str = "CRG_PIPE_TESTS_SEED";
/// The login that was there before.
const OTHER: &str = "b3RoZXI6c2VjcmV0";

/// What is done, and what holds whenever it is cut short.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Layout,
    Archive,
    Login,
    Copy,
}

/// Where it is done: nothing there was met by another run.
struct Place {
    source: Emulator,
    target: Emulator,
    folder: TempDir,
}

/// Two platforms, so that there are manifests below the one that the tag names.
fn image() -> Image {
    let platform = |name| ImageBuilder::new(name).platform("linux", name, None).layers(3, 150_000);
    Image::index(vec![platform("amd64").build(), platform("s390x").build()])
}

impl Place {
    fn new(image: &Image) -> Self {
        let place = Self {
            source: Emulator::start(Setup::shop()),
            target: Emulator::start(Setup::shop()),
            folder: tempfile::tempdir().unwrap(),
        };
        place.source.put_image("shop/base", "1", image);
        let config = format!(r#"{{"auths": {{"example.org": {{"auth": "{OTHER}"}}}}, "detachKeys": "ctrl-e,e"}}"#);
        std::fs::write(place.config(), config).unwrap();
        place
    }

    fn below(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn layout(&self) -> PathBuf {
        self.below("layout")
    }

    fn archive(&self) -> PathBuf {
        self.below("image.tar")
    }

    fn config(&self) -> PathBuf {
        self.below("config.json")
    }

    fn pipe(&self, deed: Deed) -> Pipe<'_> {
        let pipe = match deed {
            Deed::Layout => run(&self.source, "pull").var("TO", &format!("oci:{}", self.layout().display())),
            Deed::Archive => run(&self.source, "pull").var("TO", &format!("oci-archive:{}", self.archive().display())),
            Deed::Login => run(&self.source, "login").var("DOCKER_CONFIG", self.folder.path().to_str().unwrap()),
            Deed::Copy => run(&self.target, "copy")
                .var("SOURCE", &format!("{}/shop/base:1", self.source.host()))
                .var("SOURCE_USERNAME", Setup::EMAIL)
                .var("SOURCE_PASSWORD", &Setup::api_token()),
        };
        pipe.var("BITBUCKET_CLONE_DIR", self.folder.path().to_str().unwrap())
    }

    /// What holds at any moment.
    fn assert_sound(&self, deed: Deed, image: &Image) {
        match deed {
            Deed::Layout => assert_valid(&self.layout()),
            Deed::Archive if self.archive().exists() => self.assert_whole(image),
            Deed::Copy if self.target.tag("shop/web", "1").is_some() => self.assert_copied(image),
            Deed::Login => drop(self.read_config()),
            Deed::Archive | Deed::Copy => {}
        }
    }

    /// What holds after a run that ended by itself.
    fn assert_done(&self, deed: Deed, image: &Image) {
        match deed {
            Deed::Layout => assert_complete(&self.layout(), image),
            Deed::Archive => self.assert_whole(image),
            Deed::Login => assert!(self.read_config()["auths"][self.source.host()].is_object()),
            Deed::Copy => self.assert_copied(image),
        }
    }

    /// The archive holds all of the image, each blob under its digest.
    fn assert_whole(&self, image: &Image) {
        let mut archive = tar::Archive::new(std::fs::File::open(self.archive()).unwrap());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            if let Some(hex) = path.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) {
                assert_eq!(digest(&bytes), format!("sha256:{hex}"));
            }
            found.push(path);
        }
        for name in super::blobs_of(image) {
            assert!(found.contains(&format!("blobs/{name}")), "{name} is not in {found:?}");
        }
        assert!(found.iter().any(|path| path == "index.json"), "{found:?}");
    }

    /// The tag names the image, and all below it is there.
    fn assert_copied(&self, image: &Image) {
        assert_eq!(self.target.tag("shop/web", "1"), Some(image.digest()));
        for image in image.walk() {
            let manifest = self.target.manifest("shop/web", &image.digest());
            assert_eq!(manifest.as_ref(), Some(image.bytes()));
            for blob in image.blobs() {
                assert!(self.target.has_blob("shop/web", &blob.digest()), "{}", blob.digest());
            }
        }
    }

    /// `config.json`, with all that others wrote into it.
    fn read_config(&self) -> Value {
        let config: Value = serde_json::from_slice(&std::fs::read(self.config()).unwrap()).unwrap();
        assert_eq!(config["auths"]["example.org"]["auth"], OTHER, "{config}");
        assert_eq!(config["detachKeys"], "ctrl-e,e", "{config}");
        config
    }
}

/// From 0 to 1, the same for the same seed and number (`SplitMix64`).
fn share(seed: u64, number: u32) -> f64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(number) + 1));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
}

#[allow(clippy::print_stdout, reason = "shown where the test fails")]
fn survives_kill_at_random_moments(deed: Deed) {
    let image = image();
    let seed = std::env::var(SEED).map_or_else(
        |_| RandomState::new().hash_one(deed as u8),
        |seed| seed.parse().unwrap(),
    );
    println!("{SEED}={seed}");
    // The shortest of some: a moment is then rarely after the end.
    let undisturbed = (0..3).map(|_| {
        let place = Place::new(&image);
        let outcome = place.pipe(deed).run().succeeds();
        place.assert_done(deed, &image);
        outcome.seconds
    });
    let length = undisturbed.fold(f64::INFINITY, f64::min);
    let mut killed = 0;
    for number in 0..KILLS {
        let place = Place::new(&image);
        let moment = length * share(seed, number);
        println!("kill {number} after {:.1} of {:.1} ms", moment * 1e3, length * 1e3);
        let running = place.pipe(deed).start();
        // Not until something is ready, but for chance.
        std::thread::sleep(Duration::from_secs_f64(moment));
        killed += u32::from(running.signal("KILL").wait().status == 128 + 9);
        place.assert_sound(deed, &image);
        place.pipe(deed).run().succeeds();
        place.assert_done(deed, &image);
    }
    assert!(killed >= LEAST, "only {killed} runs were killed before their end");
}

#[test]
fn a_layout_survives_kill_at_random_moments_and_the_next_run_completes_it() {
    survives_kill_at_random_moments(Deed::Layout);
}

#[test]
fn an_archive_is_never_half_after_kill_at_random_moments() {
    survives_kill_at_random_moments(Deed::Archive);
}

#[test]
fn a_login_survives_kill_at_random_moments() {
    survives_kill_at_random_moments(Deed::Login);
}

#[test]
fn a_tag_names_no_incomplete_image_after_kill_at_random_moments() {
    survives_kill_at_random_moments(Deed::Copy);
}
