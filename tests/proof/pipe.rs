//! The runner of the binary, proven with a shell in the binary's place: what it hands over, and that a leak is found.

use crate::support::emulator::{Emulator, Setup};
use crate::support::pipe::Pipe;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn shell(script: &str) -> Pipe<'static> {
    Pipe::of(&["/bin/sh", "-c", script])
}

#[test]
fn variables_arrive_as_pipelines_writes_them() {
    shell("echo $TAGS_COUNT $TAGS_0 $TAGS_1 $BITBUCKET_WORKSPACE; echo err >&2; echo home\"<$HOME>\"; pwd")
        .list("TAGS", &["1.0", "latest"])
        .workspace("shop")
        .run()
        .succeeds()
        .says("2 1.0 latest shop\nerr\nhome<>\n")
        .never_says("cargo");
}

#[test]
fn status_report_and_files_are_read() {
    let outcome = shell("echo '{\"schema\":1}' > report.json; printf '\\033[31mred\\033[0m\\n'; exit 4")
        .var("REPORT", "report.json")
        .working_folder("sub")
        .run()
        .fails(4)
        .says("red");
    assert_eq!(outcome.last_line(), "red");
    assert_eq!(outcome.report.as_ref().unwrap()["schema"], 1);
    assert!(outcome.clone_folder().join("sub/report.json").exists());
}

#[test]
fn a_signal_is_a_status() {
    let running = shell("trap 'echo stopped; exit 143' TERM; echo ready; while :; do sleep 0.01; done").start();
    running.until("ready").signal("TERM").wait().fails(143).says("stopped");
    shell("kill -9 $$").run().fails(137);
}

#[test]
fn requests_of_a_run_are_its_own() {
    let emulator = Emulator::start(Setup::shop());
    let get = || {
        Pipe::of(&["/bin/sh", "-c", "curl -s http://$REGISTRY/v2/"])
            .env("PATH", "/usr/bin:/bin")
            .registry(&emulator)
            .run()
    };
    get().requests(["GET /v2/ 401"]).token_calls(0);
    get().requests(["GET /v2/ 401"]);
    shell("true").registry(&emulator).run().no_connection();
}

#[test]
#[should_panic(expected = "the run did not end within 200ms; it said:\nhanging")]
fn a_run_that_hangs_is_ended() {
    let mut pipe = shell("echo hanging; exec sleep 60");
    pipe = pipe.patience_of(std::time::Duration::from_millis(200));
    pipe.run();
}

/// Each script leaks; `login`'s file alone may hold the credential.
#[test]
fn a_leak_is_found_in_every_form() {
    let (email, token) = (Setup::EMAIL, Setup::api_token());
    let pair = STANDARD.encode(format!("{email}:{token}"));
    let percent = token.replace('=', "%3D");
    let leaks = |script: String| {
        let run = || shell(&script).api_token().run();
        std::panic::catch_unwind(run)
            .err()
            .map(|panic| *panic.downcast::<String>().unwrap())
    };
    for leak in [&token, &pair, &percent, &token[20..40], &STANDARD.encode(&token)] {
        let found = leaks(format!("echo '{leak}'")).expect("found in the output");
        assert!(found.contains("is in the output"), "{found}");
        let found = leaks(format!("echo '{leak}' > file")).expect("found in a file");
        assert!(found.contains("/file"), "{found}");
    }
    assert_eq!(leaks(format!("echo '{pair}' > config.json")), None);
    assert_eq!(leaks(format!("echo '{email} {}'", &token[..4])), None);
}
