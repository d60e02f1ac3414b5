//! A cell of the table: one client, one action, one fault, and what came of it.

use super::Client;
use super::case::{Action, Case, Point};
use super::names::Names;
use super::oras;
use crate::support::emulator::{Emulator, Entry, Setup};
use crate::support::image::{Image, digest};
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::skopeo::{Skopeo, write_layout};
use regex::Regex;
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

/// How long other clients may take, in seconds.
const PATIENCE: u64 = 20;
/// How long the pipe may take, in seconds: many times what it takes.
const OUR_PATIENCE: u64 = 90;

/// What came of it.
pub(super) struct Cell {
    pub(super) status: i32,
    /// Requests of the point.
    pub(super) tries: usize,
    /// Bytes of blobs that crossed the wire more than once.
    pub(super) again: u64,
    pub(super) seconds: f64,
    /// What is wrong with what it left behind.
    pub(super) left: Option<String>,
    /// What the client said.
    pub(super) said: String,
}

impl Cell {
    /// How it differs from what is expected of the pipe.
    pub(super) fn wrong(&self, case: &Case, action: Action) -> Option<String> {
        let expected = case.expected(action);
        // On a slow machine another request may seem silent too.
        let most = expected.most + usize::from(case.is_silent());
        let is_right = self.status == expected.status
            && (expected.tries..=most).contains(&self.tries)
            && self.again <= expected.again
            && self.seconds >= expected.seconds
            && self.left.is_none();
        (!is_right).then(|| {
            format!(
                "{}, {}: status {}, {} tries, {} bytes again, {:.1} s, {}; expected {expected:?}\n{}",
                case.point.name(),
                case.fault,
                self.status,
                self.tries,
                self.again,
                self.seconds,
                self.left.as_deref().unwrap_or("nothing wrong left behind"),
                self.said
            )
        })
    }

    /// Whether it ended as a client that survives everything ends.
    pub(super) fn is_done(&self) -> bool {
        self.status == 0 && self.left.is_none()
    }
}

/// The cell; a run that does not end is one too.
pub(super) fn cell(client: Client, case: &Case, action: Action) -> Cell {
    let run = std::panic::AssertUnwindSafe(|| begin(client, case, action));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| Cell {
        status: -1,
        tries: 0,
        again: 0,
        seconds: 0.0,
        left: Some("it did not end".to_owned()),
        said: panic.downcast_ref::<String>().cloned().unwrap_or_default(),
    })
}

fn begin(client: Client, case: &Case, action: Action) -> Cell {
    let at_source = case.point.is_source(action);
    let names = case.unknown_for.map(Names::start);
    let names = names.as_ref();
    let setup = |hit: bool| match (hit, names) {
        (false, None) => Setup::shop(),
        // skopeo takes certificates for both sides of a copy or for none.
        (false, Some(_)) => Setup::shop().tls(Authority::shared()),
        (true, None) => Setup::shop().with(case.settings).opens_after(case.opens_after),
        (true, Some(names)) => names.registry(),
    };
    let source = Emulator::start(setup(at_source));
    source.put_image("shop/base", "1", case.point.image());
    let other = (action == Action::Copy).then(|| Emulator::start(setup(!at_source)));
    let target = other.as_ref().unwrap_or(&source);
    if matches!(action, Action::Push | Action::PushPlain) {
        // Only what is below the tag is pushed; nothing of it may be there before.
        return finish(client, case, action, &Emulator::start(setup(true)), None, names);
    }
    finish(client, case, action, target, Some(&source), names)
}

fn finish(
    client: Client,
    case: &Case,
    action: Action,
    target: &Emulator,
    source: Option<&Emulator>,
    names: Option<&Names>,
) -> Cell {
    let hit = match source {
        Some(source) if case.point.is_source(action) => source,
        _ => target,
    };
    for fault in (case.script)() {
        hit.script(case.point.matcher(action), 1, fault);
    }
    let begun = Instant::now();
    let (status, said, problem) = match client {
        Client::Pipe => by_pipe(action, case, target, source, names),
        Client::Skopeo => by_skopeo(action, case.point.image(), target, source, names),
        Client::Oras => by_oras(action, case.point.image(), target, source),
    };
    let seconds = begun.elapsed().as_secs_f64();
    let tries = names.map_or_else(|| tries(case.point, action, &hit.journal()), Names::lookups);
    let left = match (action, status) {
        (Action::Pull, _) => problem,
        (_, 0) => arrived(action, case.point.image(), target),
        (_, _) => target.tag(repository(action), tag(action)).map(|_| "a tag".to_owned()),
    };
    Cell {
        status,
        tries,
        again: again(action, case.point.image(), target, source),
        seconds,
        left,
        said,
    }
}

fn repository(action: Action) -> &'static str {
    if action == Action::Retag {
        "shop/base"
    } else {
        "shop/web"
    }
}

fn tag(action: Action) -> &'static str {
    if action == Action::Retag { "2" } else { "1" }
}

/// Status, output, and what is wrong with a layout that was written.
fn by_pipe(
    action: Action,
    case: &Case,
    target: &Emulator,
    source: Option<&Emulator>,
    names: Option<&Names>,
) -> (i32, String, Option<String>) {
    let image = case.point.image();
    let pipe = names
        .map_or_else(Pipe::new, Names::pipe)
        .workspace("shop")
        .registry(target)
        .api_token()
        // Every run is searched for secrets; this shows the most.
        .var("DEBUG", "true")
        .var("RETRIES", "2")
        .var("TIMEOUT", if case.is_silent() { "2" } else { "60" })
        .patience(OUR_PATIENCE);
    let pipe = match (action, source) {
        (Action::Pull, _) => pipe.var("ACTION", "pull").var("IMAGES", "base:1").var("TO", "oci:out"),
        (Action::Mount, _) => pipe
            .var("ACTION", "copy")
            .var("SOURCE", "base:1")
            .var("TARGET", "web:1"),
        (Action::Retag, _) => pipe.var("ACTION", "retag").var("SOURCE", "base:1").var("TAGS", "2"),
        (Action::Copy, Some(source)) => pipe
            .var("ACTION", "copy")
            .var("SOURCE", &format!("{}/shop/base:1", source.host()))
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .var("SOURCE_PASSWORD", &Setup::api_token())
            .var("TARGET", "web:1"),
        (Action::PushPlain, _) => pipe
            .file("image.tar", image.docker_archive(&["web:1"]))
            .var("ACTION", "push")
            .var("SOURCE", "docker-archive:image.tar")
            .var("TARGET", "web:1"),
        _ => {
            let pipe = pipe
                .var("ACTION", "push")
                .var("SOURCE", "oci:layout")
                .var("TARGET", "web:1");
            write_layout(&pipe.clone_folder().join("layout"), image);
            pipe
        }
    };
    let outcome = pipe.run();
    let problem = match action {
        Action::Pull => pulled(image, &outcome.clone_folder().join("out"), outcome.status == 0),
        _ => None,
    };
    (outcome.status, outcome.plain(), problem)
}

fn by_skopeo(
    action: Action,
    image: &Image,
    target: &Emulator,
    source: Option<&Emulator>,
    names: Option<&Names>,
) -> (i32, String, Option<String>) {
    let skopeo = Skopeo::new().patience(PATIENCE);
    let skopeo = match (names, target.authority_pem()) {
        (Some(names), Some(pem)) => skopeo.by(&names.wrapper()).trusting(&pem),
        _ => skopeo,
    };
    let layout = skopeo.folder().join("layout");
    let at = |emulator: &Emulator, name: &str| format!("docker://{}/{name}", emulator.host());
    let credential = format!("{}:{}", Setup::EMAIL, Setup::api_token());
    let (reads, writes) = (["--src-creds", &credential], ["--dest-creds", &credential]);
    let (options, from, to) = match (action, source) {
        (Action::Pull, _) => (
            reads.to_vec(),
            at(target, "shop/base:1"),
            format!("oci:{}:1", layout.display()),
        ),
        (_, Some(source)) => (
            [reads, writes].concat(),
            at(source, "shop/base:1"),
            at(target, "shop/web:1"),
        ),
        (_, None) => {
            write_layout(&layout, image);
            (
                writes.to_vec(),
                format!("oci:{}", layout.display()),
                at(target, "shop/web:1"),
            )
        }
    };
    let called = skopeo.copy(&options, &from, &to);
    let status = i32::from(!called.succeeded);
    let problem = match action {
        Action::Pull => pulled(image, &layout, called.succeeded),
        _ => None,
    };
    (status, called.output, problem)
}

fn by_oras(
    action: Action,
    image: &Image,
    target: &Emulator,
    source: Option<&Emulator>,
) -> (i32, String, Option<String>) {
    let (status, said, folder) = oras::copy(action, image, (target, source), PATIENCE);
    let problem = match action {
        Action::Pull => pulled(image, &folder.path().join("layout"), status == 0),
        _ => None,
    };
    (status, said, problem)
}

/// What is wrong with a layout: each file that has a digest for a name has that digest, and a pull that succeeded
/// brought all of the image, one that failed no index.
fn pulled(image: &Image, layout: &Path, succeeded: bool) -> Option<String> {
    let blobs = layout.join("blobs/sha256");
    for file in std::fs::read_dir(&blobs).into_iter().flatten().flatten() {
        let bytes = std::fs::read(file.path()).unwrap();
        if digest(&bytes).trim_start_matches("sha256:") != file.file_name() {
            return Some(format!("{} has other bytes", file.path().display()));
        }
    }
    let index = std::fs::read_to_string(layout.join("index.json")).unwrap_or_default();
    if index.contains(&image.digest()) != succeeded {
        return Some(format!("the index is {index:?}"));
    }
    let missing = image
        .blobs()
        .iter()
        .find(|blob| !blobs.join(&blob.digest()[7..]).is_file());
    missing
        .filter(|_| succeeded)
        .map(|blob| format!("{} is missing", blob.digest()))
}

/// What is missing at the target of a run that succeeded.
pub(super) fn arrived(action: Action, image: &Image, target: &Emulator) -> Option<String> {
    let package = repository(action);
    let Some(found) = target.tag(package, tag(action)) else {
        return Some("no tag".to_owned());
    };
    if action != Action::PushPlain && found != image.digest() {
        return Some(format!("the tag is {found}"));
    }
    let missing = descriptors(target, package, &found)
        .into_iter()
        .find(|(blob, _)| !target.has_blob(package, blob));
    missing.map(|(blob, _)| format!("{blob} is missing"))
}

/// Digests and sizes of what a manifest names.
fn descriptors(target: &Emulator, package: &str, reference: &str) -> Vec<(String, u64)> {
    let Some(manifest) = target.manifest(package, reference) else {
        return Vec::new();
    };
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let descriptor = |blob: &Value| Some((blob["digest"].as_str()?.to_owned(), blob["size"].as_u64()?));
    layers.chain([&manifest["config"]]).filter_map(descriptor).collect()
}

/// Requests of the point for one blob.
fn tries(point: Point, action: Action, journal: &[Entry]) -> usize {
    let (method, path) = point.pattern(action);
    let path = Regex::new(&path).unwrap();
    let is_met = |entry: &&Entry| {
        method.split('|').any(|method| method == entry.method)
            && path.is_match(&entry.path)
            && (entry.authorization.is_some() || matches!(point, Point::Token | Point::Storage))
    };
    let requests = journal.iter().filter(is_met).count();
    // Those of the other blob do not count; a client that gave up may not have come to it.
    (requests + 1).saturating_sub(point.usual()).max(requests.min(1))
}

/// Bytes of the layer that were read or written more than once. The configuration is read before the layers are, to
/// know the image's platform, and small.
pub(super) fn again(action: Action, image: &Image, target: &Emulator, source: Option<&Emulator>) -> u64 {
    let (layer, size) = (image.blobs()[1].digest(), image.blobs()[1].bytes.len() as u64);
    let is_upload = |entry: &Entry| entry.path.contains("/blobs/uploads/");
    let read: u64 = source.map_or(0, |source| {
        let entries = source.journal();
        let reads = entries
            .iter()
            .filter(|entry| entry.method == "GET" && entry.status < 300);
        reads
            .filter(|entry| entry.path.contains(&layer))
            .map(|entry| entry.sent)
            .sum()
    });
    let written: u64 = target
        .journal()
        .iter()
        .filter(|entry| is_upload(entry))
        .map(|entry| entry.received)
        .sum();
    let wanted: u64 = match action {
        Action::Pull | Action::Retag | Action::Mount => 0,
        Action::Push | Action::Copy => image.blobs().iter().map(|blob| blob.bytes.len() as u64).sum(),
        Action::PushPlain => {
            let put = descriptors(target, repository(action), tag(action));
            put.iter().map(|(_, size)| size).sum()
        }
    };
    read.saturating_sub(size) + written.saturating_sub(wanted)
}
