//! A fault of ours, in a whole process: one redacted line, how to report it, and status 1.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use crg_pipe::{panic as fault, pipe};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Says to a process of these tests that it is the one that panics, as soon as this file is there.
const PANICS_AT: &str = "CRG_PIPE_TESTS_PANIC_AT";
const REPORTED: &str = "; please report this line at https://bitbucket.org/crgpipe/crg-pipe/issues";

fn retag<'a>(pipe: Pipe<'a>, emulator: &'a Emulator) -> Pipe<'a> {
    pipe.workspace("shop")
        .registry(emulator)
        .api_token()
        .var("DEBUG", "true")
        .var("ACTION", "retag")
        .var("SOURCE", "base:1")
        .var("TAGS", "2")
}

/// The last line is the only one that tells of the panic, and holds these words.
fn assert_told(outcome: &Outcome<'_>, words: &str) {
    let last = outcome.last_line();
    let begin = concat!("✖ this is a fault of crg-pipe ", env!("CARGO_PKG_VERSION"), " at ");
    assert!(last.starts_with(begin) && last.ends_with(REPORTED), "{last}");
    assert!(last.contains(words), "{last}");
    let plain = outcome.plain();
    let told = plain
        .lines()
        .filter(|line| line.contains("a fault of crg-pipe"))
        .count();
    assert_eq!(told, 1, "{plain}");
    for word in ["panicked at", "RUST_BACKTRACE", "stack backtrace"] {
        assert!(!plain.contains(word), "{plain}");
    }
}

/// The real binary, where the machine lets it start no thread: the runtime that it stands on panics then.
#[test]
fn a_panic_of_the_binary_is_one_line() {
    let emulator = Emulator::start(Setup::shop());
    let binary = env!("CARGO_BIN_EXE_crg-pipe");
    // The limit is for each user, and root has none.
    let program = [
        "setpriv",
        "--reuid",
        "165537",
        "--regid",
        "165537",
        "--clear-groups",
        "prlimit",
        "--nproc=1",
        binary,
    ];
    // Without `IMAGES` the clone is looked through, on a thread of its own.
    let pipe = retag(Pipe::of(&program), &emulator).env("PATH", "/usr/bin:/bin");
    let outcome = pipe.var("ACTION", "pull").unset("SOURCE").unset("TAGS").run().fails(1);
    assert_told(&outcome, "OS can't spawn worker thread");
}

/// The library as `main` uses it, in a process that these tests start from themselves: what it panics with holds the
/// token of the run that goes on, in every form in which one travels.
#[test]
fn a_panic_in_the_middle_of_a_run_tells_no_secret() {
    if let Some(file) = std::env::var_os(PANICS_AT) {
        panics(Path::new(&file));
    }
    let emulator = Emulator::start(Setup::shop());
    let busy = Answer::new(503).header("Retry-After", "60");
    emulator.script(on("GET", "/manifests/").signed_in(), 1, busy);
    let tests = std::env::current_exe().unwrap();
    let name = concat!(module_path!(), "::a_panic_in_the_middle_of_a_run_tells_no_secret");
    let (_, name) = name.split_once("::").unwrap();
    let program = [tests.to_str().unwrap(), "--exact", name, "--nocapture", "--quiet"];
    let pipe = retag(Pipe::of(&program), &emulator);
    let file = pipe.clone_folder().join("now");
    let running = pipe.env(PANICS_AT, file.to_str().unwrap()).start();
    let running = running.until("trying again in 60");
    std::fs::write(file, "").unwrap();
    let outcome = running.wait().fails(1);
    assert_told(&outcome, "in the middle of a run: *** ***== *** ***; second line");
}

/// Runs the pipe, and panics beside it once the file is there.
fn panics(file: &Path) -> ! {
    let variable = |name| std::env::var(name).unwrap();
    let (username, token) = (variable("ATLASSIAN_ACCOUNT_EMAIL"), variable("ATLASSIAN_API_TOKEN"));
    let pair = format!("{username}:{token}");
    let url_encoded = token.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
        text
    });
    fault::tell_of_panics(true);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = std::env::current_dir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let panics = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            panic!(
                "in the middle of a run: {token} {} {} {url_encoded}\nsecond line",
                STANDARD.encode(&pair),
                URL_SAFE_NO_PAD.encode(&token),
            );
        };
        tokio::join!(pipe::run(std::env::vars_os(), &folder, true), panics)
    });
    unreachable!("a panic ends the process")
}
