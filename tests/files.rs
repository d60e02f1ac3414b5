//! Files for the step where the step's folders are another user's, as in Pipelines: what the pipe says then, and that
//! it says so before anything is done.

use crate::support::emulator::Emulator;
use crate::support::pipe::Pipe;
use crate::support::shop::shop;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

/// A uid that owns nothing here.
const UID: u32 = 165_536;

/// The binary as another user, in a clone folder that all may write (Pipelines makes it 0777).
pub(crate) fn as_another_user(emulator: &Emulator) -> Pipe<'_> {
    let uid = UID.to_string();
    let setpriv = [
        "setpriv",
        "--reuid",
        &uid,
        "--regid",
        &uid,
        "--clear-groups",
        env!("CARGO_BIN_EXE_crg-pipe"),
    ];
    let pipe = Pipe::of(&setpriv).env("PATH", "/usr/bin:/bin");
    open(pipe, "", 0o777)
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("RETRIES", "0")
}

fn open<'a>(pipe: Pipe<'a>, below: &str, mode: u32) -> Pipe<'a> {
    let path = pipe.clone_folder().join(below);
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    pipe
}

#[test]
fn a_folder_that_is_another_users_is_explained_before_anything_is_done() {
    let emulator = shop();
    let retag = || {
        let pipe = as_another_user(&emulator).file("out/made-by-the-step", "");
        open(pipe, "out", 0o755)
            .var("ACTION", "retag")
            .var("SOURCE", "base:1")
            .var("TAGS", "2")
    };
    for variable in ["OUTPUT_ENV", "REPORT"] {
        let pipe = retag().var(variable, "out/result");
        let folder = pipe.clone_folder().join("out").display().to_string();
        let outcome = pipe
            .run()
            .fails(1)
            .no_connection()
            .says(&format!(
                "`{folder}/result` cannot be written: `{folder}` (mode 0755) belongs to uid 0, and the pipe runs as uid {UID}"
            ))
            .says(&format!("put this line before the pipe: `- mkdir -p {folder} && chmod 777 {folder}`"));
        assert_eq!(
            outcome.last_line(),
            "✖ retag: nothing was changed (exit status 1: other)"
        );
    }
    assert_eq!(emulator.tag("shop/base", "2"), None);

    let done = open(retag(), "out", 0o777)
        .var("OUTPUT_ENV", "out/crg.env")
        .var("REPORT", "out/report.json")
        .run()
        .succeeds();
    assert!(done.file("out/crg.env").unwrap().starts_with("CRG_PIPE_REFERENCE='"));
    let names: Vec<_> = std::fs::read_dir(done.clone_folder().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "nothing else is left: {names:?}");
}

/// The Secret would be lost, and the credential with it: nothing is left behind.
#[test]
fn a_pull_secret_in_another_users_folder_is_explained() {
    let emulator = shop();
    let pipe = as_another_user(&emulator).file("out/made-by-the-step", "");
    let pipe = open(pipe, "out", 0o755)
        .var("ACTION", "login")
        .var("PULL_SECRET", "out/crg.yml");
    let folder = pipe.clone_folder().join("out").display().to_string();
    let outcome = pipe
        .run()
        .fails(1)
        .says(&format!(
            "`{folder}/crg.yml` cannot be written: `{folder}` (mode 0755) belongs to uid 0, and the pipe runs as uid {UID}"
        ))
        .says(&format!("put this line before the pipe: `- mkdir -p {folder} && chmod 777 {folder}`"));
    let names = std::fs::read_dir(outcome.clone_folder().join("out")).unwrap().count();
    assert_eq!(names, 1);
}

#[test]
fn one_line_opens_a_layout_of_another_user_and_it_is_told_before_a_blob_moves() {
    let emulator = shop();
    for (made, closed) in [
        ("out/x", "out"),
        ("out/layout/x", "out/layout"),
        ("out/layout/blobs/sha256/x", "out/layout"),
        ("out/layout/blobs/sha256/x", "out/layout/blobs/sha256"),
    ] {
        emulator.forget_requests();
        let mut pipe = as_another_user(&emulator).file(made, "");
        for folder in ["out", "out/layout", "out/layout/blobs", "out/layout/blobs/sha256"] {
            if pipe.clone_folder().join(folder).is_dir() {
                pipe = open(pipe, folder, if folder == closed { 0o755 } else { 0o777 });
            }
        }
        let layout = pipe.clone_folder().join("out/layout").display().to_string();
        pipe.var("IMAGES", "base:1")
            .var("TO", "oci:out/layout")
            .run()
            .fails(1)
            .says(&format!("`- mkdir -p {layout} && chmod -R 777 {layout}`"));
        let blobs = emulator
            .requests()
            .iter()
            .filter(|line| line.contains("/blobs/"))
            .count();
        assert_eq!(blobs, 0, "{closed}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_explained() {
    let emulator = shop();
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("ACTION", "retag")
        .var("SOURCE", "base:1")
        .var("TAGS", "2")
        .var("OUTPUT_ENV", "none/crg.env")
        .run()
        .fails(1)
        .no_connection()
        .says("there is not a folder `")
        .says("put this line before the pipe: `- mkdir -p ");
}

#[test]
fn a_socket_that_may_not_be_opened_is_explained() {
    let emulator = shop();
    let pipe = as_another_user(&emulator).var("ACTION", "pull").var("IMAGES", "base:1");
    let socket = pipe.clone_folder().join("docker.sock");
    let _daemon = UnixListener::bind(&socket).unwrap();
    open(pipe, "docker.sock", 0o600)
        .docker_host(&format!("unix://{}", socket.display()))
        .run()
        .fails(6)
        .says("the socket may not be opened")
        .says("hint: run the pipe's container as root, as Pipelines does");
}

#[test]
fn a_config_that_may_not_be_read_is_left_alone() {
    let emulator = shop();
    let pipe = as_another_user(&emulator)
        .var("ACTION", "login")
        .file(".docker/config.json", "{}");
    let outcome = open(open(pipe, ".docker/config.json", 0o600), ".docker", 0o777)
        .run()
        .fails(1)
        .says("/.docker/config.json` was left alone, since it may not be read: it (mode 0600)")
        .says(&format!("belongs to uid 0, and the pipe runs as uid {UID}"))
        .says("put this line before the pipe: `- chmod -R a+rwX ")
        .says("nothing was changed");
    assert_eq!(outcome.file(".docker/config.json").as_deref(), Some("{}"));
}

const OUTSIDE: &str = "is a link that leads outside the clone";

/// Action, variable, its value and what is said of it.
const LEADING_OUT: &[(&str, &str, &str, &str)] = &[
    ("retag", "REPORT", "out/r.json", OUTSIDE),
    ("retag", "REPORT", "out/new/r.json", OUTSIDE),
    ("retag", "OUTPUT_ENV", "out/r.env", OUTSIDE),
    ("retag", "OUTPUT_ENV", "in/../out/r.env", OUTSIDE),
    ("retag", "REPORT", "./in//../out/./r.json", OUTSIDE),
    ("retag", "REPORT", "../r.json", "`REPORT`"),
    ("retag", "REPORT", "in/../../r.json", "`REPORT`"),
    ("retag", "OUTPUT_ENV", "/dev/stdout", "`OUTPUT_ENV`"),
    ("retag", "REPORT", "/proc/self/cwd/../r.json", "`REPORT`"),
    ("login", "PULL_SECRET", "out/secret.yaml", OUTSIDE),
    ("pull", "TO", "oci-archive:in/../out/a.tar", OUTSIDE),
    ("pull", "TO", "oci:../layout", "`TO`"),
    ("pull", "TO", "oci:out", OUTSIDE),
    ("pull", "TO", "oci:out/layout", OUTSIDE),
    ("pull", "TO", "oci-archive:out/a.tar", OUTSIDE),
    ("pull", "TO", "docker-archive:out/a.tar:base:1", OUTSIDE),
    ("pull", "TO", "oci-archive:device", "is a link to a folder or a device"),
    ("pull", "TO", "docker-archive:in", "is a link to a folder or a device"),
    ("login", "DOCKER_CONFIG", "out/.docker", OUTSIDE),
];

/// A link in the clone may be anybody's, committed long ago: whatever the variable, nothing is written where it leads out.
#[test]
fn no_link_of_the_clone_takes_an_output_out_of_it() {
    let emulator = shop();
    let elsewhere = tempfile::tempdir().unwrap();
    let in_pipe = |action: &str| {
        let pipe = Pipe::new()
            .workspace("shop")
            .registry(&emulator)
            .api_token()
            .env("BITBUCKET_PIPE_STORAGE_DIR", "/opt/atlassian/pipelines/pipe")
            .var("ACTION", action)
            .file("real/x", "");
        for (link, target) in [
            ("out", elsewhere.path().to_str().unwrap()),
            ("in", "real"),
            ("device", "/dev/stdout"),
        ] {
            std::os::unix::fs::symlink(target, pipe.clone_folder().join(link)).unwrap();
        }
        match action {
            "retag" => pipe.var("SOURCE", "base:1").var("TAGS", "2"),
            "pull" => pipe.var("IMAGES", "base:1"),
            _ => pipe,
        }
    };
    for (action, variable, value, words) in LEADING_OUT {
        in_pipe(action)
            .var(variable, value)
            .run()
            .fails(2)
            .no_connection()
            .says(words);
        let left: Vec<_> = std::fs::read_dir(elsewhere.path()).unwrap().collect();
        assert!(left.is_empty(), "{variable}={value}: {left:?}");
    }
    // A link that stays inside is a folder like any other.
    let done = in_pipe("retag").var("REPORT", "in/r.json").run().succeeds();
    assert!(done.clone_folder().join("real/r.json").is_file());
}

#[test]
fn a_credential_goes_into_no_folder_that_is_a_link() {
    let emulator = shop();
    for target in ["public", "/nonexistent/elsewhere"] {
        let pipe = Pipe::new()
            .workspace("shop")
            .registry(&emulator)
            .api_token()
            .var("ACTION", "login")
            .file("public/index.html", "");
        std::os::unix::fs::symlink(target, pipe.clone_folder().join(".docker")).unwrap();
        let outcome = pipe.run().fails(1).says("/.docker").says("is a link");
        assert_eq!(outcome.file("public/config.json"), None, "{target}");
    }
}

/// Names of parts cannot be foretold, so nothing that was committed is in their way.
#[test]
fn committed_parts_stop_no_report() {
    let emulator = shop();
    let mut pipe = Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("ACTION", "retag")
        .var("SOURCE", "base:1")
        .var("TAGS", "2")
        .var("REPORT", "r.json");
    for number in 0..150 {
        pipe = pipe.file(&format!(".r.json.1-{number}.part"), "");
    }
    let outcome = pipe.run().succeeds();
    assert!(outcome.file("r.json").is_some());
}

/// A pipe that was committed or made by the step has no end to wait for, and a name that a file shares with another is not
/// written through.
#[test]
fn what_is_no_file_of_its_own_is_neither_waited_for_nor_written_through() {
    let emulator = shop();
    let with = |action: &str| {
        let pipe = Pipe::new().workspace("shop").registry(&emulator).api_token();
        let pipe = pipe.var("ACTION", action).patience(20);
        match action {
            "retag" => pipe.var("SOURCE", "base:1").var("TAGS", "2"),
            "login" => pipe,
            _ => pipe.var("IMAGES", "base:1"),
        }
    };
    let mut wrong = Vec::new();
    for (action, variable, value, path, status, words) in [
        ("login", "DEBUG", "true", ".docker/config.json", 1, "config.json"),
        ("login", "DEBUG", "true", ".dockerignore", 0, "now signs in to"),
        ("login", "DEBUG", "true", ".gitignore", 0, "now signs in to"),
        (
            "login",
            "DEBUG",
            "true",
            "bitbucket-pipelines.yml",
            0,
            "now signs in to",
        ),
        ("login", "PULL_SECRET", "secret.yaml", "secret.yaml", 1, "is not a file"),
        ("pull", "TO", "docker-archive:a.tar", "a.tar", 1, "is not a file"),
        ("pull", "TO", "oci-archive:a.tar", "a.tar", 1, "is not a file"),
        ("pull", "TO", "oci:layout", "layout/index.json", 1, "index.json"),
        ("pull", "TO", "oci:layout", "layout", 1, "is not a folder"),
    ] {
        let pipe = with(action).var(variable, value);
        let fifo = pipe.clone_folder().join(path);
        std::fs::create_dir_all(fifo.parent().unwrap()).unwrap();
        let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
        assert!(made.success());
        let outcome = pipe.run();
        if outcome.status != status || !outcome.plain().contains(words) {
            wrong.push(format!("{action} {path}: {}", outcome.output));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (action, variable, path) in [
        ("login", "", ".docker/config.json"),
        ("retag", "REPORT", "r.json"),
        ("retag", "OUTPUT_ENV", "r.env"),
        ("pull", "TO", "a.tar"),
    ] {
        let pipe = with(action).file("public", "{}").file(".docker/x", "");
        let pipe = match variable {
            "" => pipe,
            "TO" => pipe.var("TO", &format!("oci-archive:{path}")),
            variable => pipe.var(variable, path),
        };
        let folder = pipe.clone_folder();
        std::fs::hard_link(folder.join("public"), folder.join(path)).unwrap();
        let outcome = pipe.run().succeeds();
        assert_eq!(outcome.file("public").as_deref(), Some("{}"), "{path}");
    }
}
