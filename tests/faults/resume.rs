//! What the table does not tell: where exactly a transfer goes on, cuts at any byte, and a busy host that is left alone.

use super::all;
use super::case::{LARGE, WINDOW, image};
use crate::support::emulator::{Answer, Break, Emulator, Entry, Fault, Kept, Setup, on};
use crate::support::image::{Blob, Image, ImageBuilder};
use crate::support::pipe::Pipe;
use crate::support::skopeo::write_layout;
use std::collections::HashSet;
use std::time::{Duration, Instant};

fn pull(emulator: &Emulator) -> Pipe<'_> {
    Pipe::of_shop(emulator, "pull")
        .var("IMAGES", "base:1")
        .var("TO", "oci:out")
}

/// `base:1` of another registry, with what it takes to read it there.
fn copy<'a>(source: &Emulator, target: &'a Emulator) -> Pipe<'a> {
    Pipe::of_shop(target, "copy")
        .var("SOURCE", &format!("{}/shop/base:1", source.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("TARGET", "web:1")
}

/// Uploads that are cut: after how many bytes, and how often.
const CUTS: [(usize, usize); 3] = [(2 << 20, 1), (1 << 20, 3), (1 << 19, 3)];

/// Cuts the uploads of the layer, and keeps what came.
fn cut(target: &Emulator, (part, cuts): (usize, usize)) {
    let upload = format!("/blobs/uploads/.*{}", &layer().digest()[7..]);
    let fault = Fault::Received(part, Kept::All, Break::Reset);
    target.script(on("PUT", &upload).signed_in(), cuts, fault);
}

/// Each upload brought what was missing, and nothing else.
fn assert_nothing_is_sent_twice(target: &Emulator, (part, cuts): (usize, usize)) {
    let journal = target.journal();
    let puts: Vec<u64> = journal
        .iter()
        .filter(|entry| entry.method == "PUT" && entry.path.contains(&layer().digest()[7..]))
        .map(|entry| entry.received)
        .collect();
    let mut expected = vec![part as u64; cuts];
    expected.push((layer().bytes.len() - cuts * part) as u64);
    assert_eq!(puts, expected);
    assert_eq!(target.open_uploads(), 0);
}

fn layer() -> &'static Blob {
    &image(true).blobs()[1]
}

#[test]
fn a_copy_goes_on_where_the_target_has_got_to() {
    for cuts in CUTS {
        let (source, target) = (Emulator::start(Setup::shop()), Emulator::start(Setup::shop()));
        source.put_image("shop/base", "1", image(true));
        cut(&target, cuts);
        // What was sent again counts once.
        let bytes: usize = image(true).blobs().iter().map(|blob| blob.bytes.len()).sum();
        let tenths = (bytes * 10 + (1 << 19)) >> 20;
        copy(&source, &target)
            .run()
            .succeeds()
            .says(&format!("({}.{} MiB moved, ", tenths / 10, tenths % 10));
        assert_nothing_is_sent_twice(&target, cuts);
        let journal = source.journal();
        let reads = journal
            .iter()
            .filter(|entry| entry.path.contains(&layer().digest()) && entry.authorization.is_some());
        let from: Vec<u64> = reads
            .map(|read| {
                read.range.as_ref().map_or(0, |range| {
                    let from = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
                    from.and_then(|from| from.parse().ok()).expect("all from one byte on")
                })
            })
            .collect();
        assert_eq!(from.len(), cuts.1 + 1, "{from:?}");
        for (stored, from) in (0_u64..).step_by(cuts.0).zip(&from) {
            // The last place before it up to which the digest is known.
            let window = stored.saturating_sub(WINDOW)..=stored;
            assert!(window.contains(from), "{from} for {stored} of {cuts:?}");
        }
    }
}

#[test]
fn a_push_goes_on_where_the_target_has_got_to() {
    for cuts in CUTS {
        let target = Emulator::start(Setup::shop());
        cut(&target, cuts);
        let push = Pipe::of_shop(&target, "push")
            .var("SOURCE", "oci:layout")
            .var("TARGET", "web:1");
        write_layout(&push.clone_folder().join("layout"), image(true));
        push.run().succeeds();
        assert_nothing_is_sent_twice(&target, cuts);
    }
}

#[test]
fn less_than_asked_for_is_not_wrong_and_neither_is_a_range_refused() {
    let image = image(false);
    let layer = &image.blobs()[1];
    let size = layer.bytes.len();
    let (first, second) = (size / 4, size / 2);
    let part = Answer::new(206)
        .header("Content-Range", &format!("bytes {first}-{}/{size}", second - 1))
        .body(layer.bytes.slice(first..second));
    for answer in [part, Answer::new(416)] {
        let (source, target) = (Emulator::start(Setup::shop()), Emulator::start(Setup::shop()));
        source.put_image("shop/base", "1", image);
        let script = || {
            let get = || on("GET", &layer.digest()).signed_in();
            source.script(get(), 1, Fault::Sent(first, Break::Cut));
            source.script(get(), 1, answer.clone());
        };
        script();
        let outcome = pull(&source).run().succeeds();
        let file = outcome
            .clone_folder()
            .join("out/blobs/sha256")
            .join(&layer.digest()[7..]);
        assert_eq!(std::fs::read(file).unwrap(), layer.bytes);
        script();
        copy(&source, &target).run().succeeds();
        assert_eq!(source.unmet(), 0);
    }
}

#[test]
fn a_session_that_takes_no_more_is_begun_anew() {
    let (source, target) = (Emulator::start(Setup::shop()), Emulator::start(Setup::shop()));
    let image = image(true);
    source.put_image("shop/base", "1", image);
    let layer = &image.blobs()[1];
    let put = || on("PUT", &format!("/blobs/uploads/.*{}", &layer.digest()[7..])).signed_in();
    target.script(put(), 1, Fault::Received(2 << 20, Kept::All, Break::Reset));
    target.script(put(), 1, Answer::error(416, "BLOB_UPLOAD_INVALID", "out of order"));
    copy(&source, &target).run().succeeds();
    let puts = target.journal();
    let mut puts = puts
        .iter()
        .filter(|entry| entry.method == "PUT" && entry.path.contains(&layer.digest()[7..]));
    let last = puts.next_back().unwrap();
    assert_eq!(
        last.received,
        layer.bytes.len() as u64,
        "all of it, into another session"
    );
    let sessions: HashSet<&str> = puts.chain([last]).map(session_of).collect();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
}

#[test]
fn a_session_with_more_than_was_made_is_begun_anew() {
    let emulator = Emulator::start(Setup::shop());
    let cut = Fault::Received(1 << 20, Kept::All, Break::Reset);
    emulator.script(on("PATCH", "/blobs/uploads/.").signed_in(), 1, cut);
    let too_much = Answer::new(204).header("Range", "0-99999999");
    emulator.script(on("GET", "/blobs/uploads/.").signed_in(), 1, too_much);
    let outcome = Pipe::of_shop(&emulator, "push")
        .file("image.tar", image(true).docker_archive(&["web:1"]))
        .var("SOURCE", "docker-archive:image.tar")
        .var("TARGET", "web:1")
        .run()
        .succeeds();
    let journal = outcome.journal();
    let patches: Vec<u64> = journal
        .iter()
        .filter(|entry| entry.method == "PATCH")
        .map(|entry| entry.received)
        .collect();
    assert_eq!(emulator.unmet(), 0);
    assert!(
        matches!(patches[..], [_, whole] if whole >= LARGE as u64),
        "{patches:?}"
    );
}

fn session_of(entry: &Entry) -> &str {
    entry.path.split('?').next().unwrap_or_default()
}

#[test]
fn cuts_at_any_byte_lose_nothing() {
    let image = ImageBuilder::new("cuts").layers(1, 20_000).build();
    let layer = image.blobs()[1].digest();
    let seeds: Vec<u64> = (1..=24).collect();
    all(&seeds, |&seed| {
        let emulator = Emulator::start(Setup::shop());
        emulator.put_image("shop/base", "1", &image);
        let mut number = seed;
        for _ in 0..3 {
            // Knuth's MMIX generator: any bytes will do, the same each time.
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from((number >> 33) % 21_000).unwrap();
            let how = if number >> 63 == 0 { Break::Cut } else { Break::Reset };
            emulator.script(on("GET", &layer).signed_in(), 1, Fault::Sent(at, how));
        }
        let outcome = pull(&emulator).var("RETRIES", "3").run().succeeds();
        let file = outcome.clone_folder().join("out/blobs/sha256").join(&layer[7..]);
        assert_eq!(std::fs::read(file).unwrap(), image.blobs()[1].bytes, "seed {seed}");
    });
}

#[test]
fn a_host_that_is_busy_is_left_alone_by_all() {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &ImageBuilder::new("busy").layers(40, 1000).build());
    let busy = super::case::busy_for(429, 1);
    emulator.script(on("GET", "/blobs/").signed_in(), 1, busy);
    let outcome = pull(&emulator)
        .var("CONCURRENCY", "2")
        .var("RETRIES", "1")
        .run()
        .succeeds();
    let entries = outcome.journal();
    let refused = entries.iter().position(|entry| entry.status == 429).unwrap();
    // Some may have been on their way; then there is silence, and then the others.
    let times: Vec<_> = entries[refused..].iter().map(|entry| entry.at).collect();
    let is_quiet = |pair: &[Instant]| pair[1].saturating_duration_since(pair[0]) > Duration::from_millis(800);
    let lines: Vec<String> = entries.iter().map(Entry::line).collect();
    let quiet = times.windows(2).position(is_quiet);
    let quiet = quiet.unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(times.len() - quiet > 2, "{quiet} came at once: {lines:#?}");
    let told = outcome.plain();
    assert_eq!(told.matches("trying again").count(), 1, "one line each:\n{told}");
    assert!(told.contains("later, please"), "{told}");
}

#[test]
fn a_slow_target_does_not_make_the_source_silent() {
    let (source, target) = (Emulator::start(Setup::shop()), Emulator::start(Setup::shop()));
    source.put_image("shop/base", "1", &Image::small("slow"));
    // Longer than `TIMEOUT`: while the target rests, nobody reads what the source sends.
    target.script(
        on("POST", "/blobs/uploads/").signed_in(),
        1,
        super::case::busy_for(503, 4),
    );
    copy(&source, &target)
        .var("TIMEOUT", "3")
        .run()
        .succeeds()
        .says(&format!("`{}` is left alone for 4 s, as it asked", target.host()))
        .never_says("silent");
}

#[test]
fn debug_tells_of_what_got_no_answer() {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", image(false));
    emulator.script(on("GET", "/manifests/1").signed_in(), 1, Fault::Silence);
    emulator.script(on("GET", "^/token"), 1, Fault::Reset);
    pull(&emulator)
        .var("TIMEOUT", "2")
        .var("DEBUG", "true")
        .run()
        .succeeds()
        .says("/v2/shop/base/manifests/1 → no answer: it was silent for too long")
        .says("→ no answer: the connection broke: ");
}
