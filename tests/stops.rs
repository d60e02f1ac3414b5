//! Runs that are stopped at any moment, by signals or killed, and disks that are full or may not be written: the end is
//! told, what was there stays valid, and the next run completes what is missing.

mod at_random;

use crate::support::emulator::{Answer, Emulator, Fault, Setup, on};
use crate::support::image::{Blob, Image, ImageBuilder, digest};
use crate::support::pipe::Pipe;
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Two seconds are promised; a machine that runs other tests meanwhile may take longer, and what would not end at all
/// would take a minute.
const AT_ONCE: Duration = Duration::from_secs(10);
/// Until something happens that is bound to.
const PATIENCE: Duration = Duration::from_secs(20);

fn image() -> Image {
    ImageBuilder::new("stops").layers(4, 150_000).build()
}

fn shop() -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &image());
    emulator
}

fn run<'a>(emulator: &'a Emulator, action: &str) -> Pipe<'a> {
    with(Pipe::new(), emulator, action)
}

fn with<'a>(pipe: Pipe<'a>, emulator: &'a Emulator, action: &str) -> Pipe<'a> {
    let pipe = pipe
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("DEBUG", "true")
        .var("ACTION", action);
    match action {
        "pull" => pipe.var("IMAGES", "base:1").var("TO", "oci:out"),
        "retag" => pipe.var("SOURCE", "base:1").var("TAGS", "2"),
        "copy" => pipe.var("SOURCE", "base:1").var("TARGET", "web:1"),
        _ => pipe,
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_signal_ends_a_run_that_waits_for_an_answer() {
    let silent = || Fault::Silence;
    let busy = || Fault::Answer(Answer::new(503).header("Retry-After", "60"));
    for (action, method, path, fault, signal) in [
        ("pull", "GET", "/token", silent(), "TERM"),
        ("pull", "GET", "/manifests/", silent(), "INT"),
        ("pull", "GET", "/blobs/", silent(), "TERM"),
        ("pull", "GET", "/blobs/", busy(), "TERM"),
        ("retag", "PUT", "/manifests/", silent(), "TERM"),
        ("retag", "GET", "/manifests/", busy(), "INT"),
        ("copy", "POST", "/blobs/uploads/", silent(), "INT"),
        ("copy", "POST", "/blobs/uploads/", busy(), "TERM"),
        ("login", "GET", "/v2/", silent(), "TERM"),
    ] {
        let place = format!("{action}: {method} {path}, {fault:?}, SIG{signal}");
        let emulator = shop();
        emulator.script(on(method, path), 1, fault);
        let running = run(&emulator, action).var("REPORT", "report.json").start();
        until(&place, || emulator.unmet() == 0);
        let sent = Instant::now();
        let status = if signal == "TERM" { 143 } else { 130 };
        let outcome = running.signal(signal).wait().fails(status);
        assert!(sent.elapsed() < AT_ONCE, "{place}: {:?}", sent.elapsed());
        assert_eq!(
            outcome.last_line(),
            format!("✖ {action}: stopped by SIG{signal}, nothing was changed (exit status {status})")
        );
        let report = outcome.report.unwrap();
        assert_eq!(report["status"], status, "{place}: {report}");
    }
}

/// A core would lie in the clone, and hold the token.
#[test]
fn no_core_holds_memory() {
    let emulator = shop();
    emulator.script(on("GET", "/manifests/").signed_in(), 100, Fault::Silence);
    let running = run(&emulator, "pull").start();
    until("the request", || {
        emulator.requests().iter().any(|line| line.contains("/v2/")) || !emulator.journal().is_empty()
    });
    assert_eq!(running.proc_file("coredump_filter").trim().trim_start_matches('0'), "");
    running.signal("TERM").wait().fails(143);
}

#[test]
fn a_signal_counts_from_the_first_line_on() {
    let emulator = shop();
    emulator.script(on("GET", "/v2/"), 1, Fault::Silence);
    let running = run(&emulator, "retag").start().until("DEBUG: ");
    running
        .signal("INT")
        .wait()
        .fails(130)
        .says("✖ retag: stopped by SIGINT, nothing was changed");
}

#[test]
fn a_signal_ends_a_run_that_waits_for_a_connection() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = Pipe::new()
        .workspace("shop")
        .api_token()
        .var("REGISTRY", &format!("localhost:{}", deaf.local_addr().unwrap().port()))
        .var("IMAGES", "base:1")
        .var("TO", "oci:out")
        .start();
    let connection = deaf.accept().unwrap();
    let sent = Instant::now();
    running.signal("TERM").wait().fails(143).says("stopped by SIGTERM");
    assert!(sent.elapsed() < AT_ONCE, "{:?}", sent.elapsed());
    drop(connection);
}

/// Every file below `blobs` holds what its name says, and the index can be read if it is there.
fn assert_valid(layout: &Path) {
    let Ok(blobs) = std::fs::read_dir(layout.join("blobs/sha256")) else {
        return;
    };
    for blob in blobs {
        let path = blob.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Nothing else is there, not even of a killed run: `umoci gc` takes every file for a blob.
        assert_eq!(digest(&std::fs::read(&path).unwrap()), format!("sha256:{name}"));
    }
    if let Ok(index) = std::fs::read(layout.join("index.json")) {
        let index: Value = serde_json::from_slice(&index).unwrap();
        assert!(index["manifests"].is_array(), "{index}");
    }
}

/// The files in a folder that are on their way, or were when their run was killed.
fn parts(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.contains(".part")).collect()
}

fn assert_complete(layout: &Path, image: &Image) {
    assert_valid(layout);
    for name in blobs_of(image) {
        assert!(layout.join("blobs").join(&name).is_file(), "{name}");
    }
    let index = std::fs::read_to_string(layout.join("index.json")).unwrap();
    assert!(index.contains(&image.digest()), "{index}");
}

/// The files below `blobs` that a layout of the image has.
fn blobs_of(image: &Image) -> Vec<String> {
    let images = image.walk();
    let blobs = images.iter().flat_map(|image| image.blobs().iter().map(Blob::digest));
    let manifests = images.iter().map(|image| image.digest());
    blobs.chain(manifests).map(|digest| digest.replace(':', "/")).collect()
}

/// Starts a run and kills it when the registry has been asked so often; false if it had ended by then.
fn kill_after(requests: usize, emulator: &Emulator, pipe: Pipe<'_>) -> bool {
    let before = emulator.journal().len();
    let mut running = pipe.start();
    until("the end of a run, or its request", || {
        emulator.journal().len() >= before + requests || running.has_ended()
    });
    running.signal("KILL").wait().status == 128 + 9
}

#[test]
fn a_layout_survives_kill_at_any_request_and_the_next_run_completes_it() {
    let emulator = shop();
    let mut killed = 0;
    for requests in 0..14 {
        let kept = tempfile::tempdir().unwrap();
        let out = kept.path().join("out");
        let pull = || {
            run(&emulator, "pull")
                .var("BITBUCKET_CLONE_DIR", kept.path().to_str().unwrap())
                .var("TO", &format!("oci:{}", out.display()))
                .var("CONCURRENCY", "1")
        };
        killed += usize::from(kill_after(requests, &emulator, pull()));
        assert_valid(&out);
        pull().run().succeeds();
        assert_complete(&out, &image());
        assert_eq!(parts(&out), Vec::<String>::new(), "after {requests} requests");
    }
    assert!(killed >= 6, "only {killed} runs were killed before their end");
}

#[test]
fn a_killed_run_leaves_no_half_archive() {
    let emulator = shop();
    for form in ["docker-archive", "oci-archive"] {
        let mut killed = 0;
        for requests in 0..12 {
            let kept = tempfile::tempdir().unwrap();
            let file = kept.path().join("image.tar");
            let pull = || {
                run(&emulator, "pull")
                    .var("BITBUCKET_CLONE_DIR", kept.path().to_str().unwrap())
                    .var("TO", &format!("{form}:{}", file.display()))
                    .var("CONCURRENCY", "1")
            };
            killed += usize::from(kill_after(requests, &emulator, pull()));
            let half = std::fs::read(&file).ok();
            pull().run().succeeds();
            assert_eq!(parts(kept.path()), Vec::<String>::new(), "after {requests} requests");
            let whole = std::fs::read(&file).unwrap();
            assert!(
                half.is_none_or(|half| half == whole),
                "{form} after {requests} requests"
            );
        }
        assert!(killed >= 5, "only {killed} runs were killed before their end");
    }
}

#[test]
fn a_killed_login_leaves_a_file_that_docker_reads() {
    let emulator = shop();
    let before = r#"{"auths": {"example.org": {"auth": "b3RoZXI6c2VjcmV0"}}, "detachKeys": "ctrl-e,e"}"#;
    for requests in 0..4 {
        let kept = tempfile::tempdir().unwrap();
        let file = kept.path().join("config.json");
        std::fs::write(&file, before).unwrap();
        let login = || {
            run(&emulator, "login")
                .var("BITBUCKET_CLONE_DIR", kept.path().to_str().unwrap())
                .var("DOCKER_CONFIG", kept.path().to_str().unwrap())
        };
        kill_after(requests, &emulator, login());
        let config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(config["auths"]["example.org"]["auth"], "b3RoZXI6c2VjcmV0");
        login().run().succeeds();
        let config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(config["detachKeys"], "ctrl-e,e", "{config}");
        assert!(config["auths"][emulator.host()].is_object(), "{config}");
    }
}

/// Runs in a mount namespace of its own, with a small file system at `disk` in the clone folder: first as `options`
/// say, then, with `again`, once more when it was made larger and may be written.
fn on_a_disk<'a>(emulator: &'a Emulator, action: &str, options: &str, before: &str) -> Pipe<'a> {
    let script = format!(
        r#"mount -t tmpfs -o size=300k none disk || exit 99
{before}
mount -o remount,{options} disk
"$0"; first=$?
echo; echo "first status $first"; (cd disk && find . -type f | sort)
mount -o remount,rw,size=30m disk
cp -a disk first
"$0"; second=$?
cp -a disk second
exit $second"#
    );
    let program = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        &script,
        env!("CARGO_BIN_EXE_crg-pipe"),
    ];
    let pipe = Pipe::of(&program)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .file("disk/.keep", "");
    with(pipe, emulator, action)
}

#[test]
fn a_full_disk_is_told_and_a_layout_on_it_is_completed_later() {
    let emulator = shop();
    let outcome = on_a_disk(&emulator, "pull", "size=300k", "")
        .var("TO", "oci:disk/out")
        .run()
        .succeeds()
        .says("first status 1")
        .says(" the disk is full\n")
        .says("free space earlier in the step")
        .says("✖ pull: nothing was changed (exit status 1: other)");
    assert_valid(&outcome.clone_folder().join("first/out"));
    assert_complete(&outcome.clone_folder().join("second/out"), &image());
}

#[test]
fn a_full_disk_holds_no_half_archive() {
    let emulator = shop();
    for form in ["docker-archive", "oci-archive"] {
        let outcome = on_a_disk(&emulator, "pull", "size=300k", "")
            .var("TO", &format!("{form}:disk/image.tar"))
            .run()
            .succeeds()
            .says("first status 1")
            .says(" the disk is full\n")
            .says("free space earlier in the step");
        let left: Vec<_> = std::fs::read_dir(outcome.clone_folder().join("first"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, Vec::<std::ffi::OsString>::new(), "{form}");
        assert!(outcome.clone_folder().join("second/image.tar").is_file());
    }
}

#[test]
fn a_full_disk_takes_no_configuration_away() {
    let emulator = shop();
    let fill = r#"printf '{"auths": {}, "detachKeys": "x"}' > disk/config.json
dd if=/dev/zero of=disk/fill bs=1k count=400 2>/dev/null; cat /dev/zero >> disk/fill 2>/dev/null"#;
    let outcome = on_a_disk(&emulator, "login", "size=300k", fill)
        .var("DOCKER_CONFIG", "disk")
        .run()
        .succeeds()
        .says("first status 1")
        .says(" the disk is full\n")
        .says("free space earlier in the step");
    let first = outcome.file("first/config.json").unwrap();
    assert_eq!(first, r#"{"auths": {}, "detachKeys": "x"}"#);
    let second: Value = serde_json::from_str(&outcome.file("second/config.json").unwrap()).unwrap();
    assert_eq!(second["detachKeys"], "x", "{second}");
    assert!(second["auths"][emulator.host()].is_object());
}

#[test]
fn a_folder_that_may_only_be_read_is_told() {
    let emulator = shop();
    for (action, name, value) in [
        ("pull", "TO", "oci:disk/out"),
        ("pull", "TO", "docker-archive:disk/image.tar"),
        ("pull", "TO", "oci-archive:disk/image.tar"),
        ("retag", "OUTPUT_ENV", "disk/crg.env"),
        ("retag", "REPORT", "disk/report.json"),
        ("login", "DOCKER_CONFIG", "disk"),
    ] {
        let outcome = on_a_disk(&emulator, action, "ro", "")
            .var(name, value)
            .run()
            .succeeds()
            .says("first status 1")
            .says("the file system is read-only");
        assert_eq!(
            std::fs::read_dir(outcome.clone_folder().join("first")).unwrap().count(),
            0,
            "{action} {name}={value}"
        );
    }
    assert_eq!(emulator.open_uploads(), 0);
}
