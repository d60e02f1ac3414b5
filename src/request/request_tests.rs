//! Variables → request or mistakes, as tables.

use super::*;
use crate::variables::ACTIONS;
use proptest::prelude::*;
use std::ffi::OsString;

/// The context of a step, with the variables given.
fn variables(pairs: &[(&str, &str)]) -> Variables {
    let context = [
        ("BITBUCKET_WORKSPACE", "shop"),
        ("BITBUCKET_REPO_FULL_NAME", "shop/api"),
    ];
    Variables::read(
        context
            .iter()
            .chain(pairs)
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

fn check(pairs: &[(&str, &str)]) -> Result<Request, Vec<Mistake>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Request::check(&variables(pairs), Path::new("/clone"))
}

fn good(pairs: &[(&str, &str)]) -> Request {
    check(pairs).unwrap_or_else(|mistakes| panic!("{pairs:?}: {mistakes:?}"))
}

/// Each mistake as the user reads it.
fn bad(pairs: &[(&str, &str)]) -> Vec<String> {
    match check(pairs) {
        Ok(request) => panic!("{pairs:?} is taken: {request:?}"),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

fn pulled(pairs: &[(&str, &str)]) -> Pull {
    match good(pairs).action {
        Action::Pull(pull) => pull,
        other => panic!("{other:?}"),
    }
}

fn pushed(pairs: &[(&str, &str)]) -> Push {
    let all = [&[("ACTION", "push")], pairs].concat();
    match good(&all).action {
        Action::Push(push) => push,
        other => panic!("{other:?}"),
    }
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn pull_is_what_is_done_if_nothing_else_is_said() {
    let request = good(&[("IMAGES", "base:1")]);
    assert_eq!(request.registry.as_str(), "crg.apkg.io");
    assert_eq!(request.choice, Choice::Auto);
    assert_eq!(request.network.timeout, Duration::from_secs(60));
    assert_eq!(request.network.retries, 4);
    assert_eq!(request.network.extra_roots.len(), 0);
    assert_eq!(request.concurrency, 8);
    assert_eq!(request.outputs, Outputs::default());
    assert_eq!(request.expires_on, None);
    assert_eq!(request.step.repository.as_deref(), Some("shop/api"));
    assert!(!request.step.in_pipe);
    let pull = pulled(&[("IMAGES", "base:1")]);
    assert_eq!(pull.platform, None);
    assert!(matches!(&pull.to, Destination::Daemon(daemon) if daemon.to_string() == "unix:///var/run/docker.sock"));
    for (action, name, writes) in [
        (vec![("IMAGES", "a")], "pull", false),
        (
            vec![("ACTION", "retag"), ("SOURCE", "a:1"), ("TAGS", "2")],
            "retag",
            true,
        ),
        (vec![("ACTION", "push"), ("SOURCE", "a")], "push", true),
        (vec![("ACTION", " Login ")], "login", false),
        (vec![("ACTION", "check")], "check", false),
        (vec![("ACTION", "check"), ("TARGET", "api")], "check", true),
    ] {
        let request = good(&action);
        assert_eq!((request.action.name(), request.action.writes()), (name, writes));
    }
}

#[test]
fn images_are_whole_references_each_once() {
    let digest = format!("base@sha256:{}", "a".repeat(64));
    for (images, whole) in [
        ("base", vec!["crg.apkg.io/shop/base:latest"]),
        ("base base:latest shop/base", vec!["crg.apkg.io/shop/base:latest"]),
        (
            "base:1,crg.apkg.io/team/tools:2",
            vec!["crg.apkg.io/shop/base:1", "crg.apkg.io/team/tools:2"],
        ),
        ("docker.io/node:20", vec!["docker.io/library/node:20"]),
    ] {
        assert_eq!(texts(&pulled(&[("IMAGES", images)]).images), whole, "{images}");
    }
    // A digest says all: no `latest` beside it.
    assert_eq!(
        texts(&pulled(&[("IMAGES", &digest)]).images),
        [format!("crg.apkg.io/shop/{digest}")]
    );
    let list = pulled(&[("IMAGES_COUNT", "2"), ("IMAGES_0", "a:1"), ("IMAGES_1", "b:1")]);
    assert_eq!(texts(&list.images), ["crg.apkg.io/shop/a:1", "crg.apkg.io/shop/b:1"]);
}

#[test]
fn retag_takes_what_the_registry_has() {
    let action = good(&[
        ("ACTION", "retag"),
        ("SOURCE", "base:1"),
        ("TAGS", "1.4.2 latest 1.4.2"),
        ("ON_EXISTING", "Skip"),
    ])
    .action;
    let Action::Retag(retag) = action else {
        panic!("{action:?}")
    };
    assert_eq!(retag.source.to_string(), "crg.apkg.io/shop/base:1");
    assert_eq!(texts(&retag.tags), ["1.4.2", "latest"]);
    assert_eq!(retag.on_existing, OnExisting::Skip);
}

#[test]
fn a_target_follows_from_the_source() {
    for (source, name, target, tags) in [
        ("api", "api", "crg.apkg.io/shop/api", vec!["latest"]),
        ("api:build", "api:build", "crg.apkg.io/shop/api", vec!["build"]),
        (
            "docker-daemon:api:build",
            "api:build",
            "crg.apkg.io/shop/api",
            vec!["build"],
        ),
        ("team/api:1", "team/api:1", "crg.apkg.io/team/api", vec!["1"]),
        (
            "crg.apkg.io/team/api:1",
            "crg.apkg.io/team/api:1",
            "crg.apkg.io/team/api",
            vec!["1"],
        ),
        (
            "CRG.apkg.io/team/api:1",
            "CRG.apkg.io/team/api:1",
            "crg.apkg.io/team/api",
            vec!["1"],
        ),
        (
            "ghcr.io/acme/deep/api:1",
            "ghcr.io/acme/deep/api:1",
            "crg.apkg.io/shop/api",
            vec!["1"],
        ),
        (
            "docker.io/node:20",
            "docker.io/node:20",
            "crg.apkg.io/shop/node",
            vec!["20"],
        ),
        (
            "localhost:5000/api",
            "localhost:5000/api",
            "crg.apkg.io/shop/api",
            vec!["latest"],
        ),
        // Six letters are a name, whatever their letters are.
        ("facade", "facade", "crg.apkg.io/shop/facade", vec!["latest"]),
    ] {
        let push = pushed(&[("SOURCE", source)]);
        assert_eq!(push.source.to_string(), name);
        assert_eq!(push.target.to_string(), target, "{source}");
        assert_eq!(texts(&push.tags), tags, "{source}");
    }
}

#[test]
fn a_target_that_is_written_counts() {
    let id = format!("sha256:{}", "0123456789abcdef".repeat(4));
    for (source, target, tags, result, set) in [
        ("x:build", "api", "", "crg.apkg.io/shop/api", vec!["build"]),
        ("x", "api", "", "crg.apkg.io/shop/api", vec!["latest"]),
        ("x:build", "api:1", "", "crg.apkg.io/shop/api", vec!["1"]),
        ("x:build", "team/api", "1 2", "crg.apkg.io/team/api", vec!["1", "2"]),
        (
            "x:build",
            "crg.apkg.io/team/api",
            "1",
            "crg.apkg.io/team/api",
            vec!["1"],
        ),
        (&id, "api", "1", "crg.apkg.io/shop/api", vec!["1"]),
        ("0123456789ab", "api", "", "crg.apkg.io/shop/api", vec!["latest"]),
        // What the daemon alone must understand.
        ("no/such/host/MIXED:1", "api", "", "crg.apkg.io/shop/api", vec!["1"]),
    ] {
        let push = pushed(&[("SOURCE", source), ("TARGET", target), ("TAGS", tags)]);
        assert_eq!(push.target.to_string(), result, "{source} {target}");
        assert_eq!(texts(&push.tags), set, "{source} {target}");
    }
}

#[test]
fn pull_without_images_takes_those_that_the_clone_names() {
    let clone = tempfile::tempdir().unwrap();
    let dockerfile = "FROM crg.apkg.io/shop/base:1\nFROM node:20\nFROM crg.apkg.io/shop/tools\n";
    std::fs::write(clone.path().join("Dockerfile"), dockerfile).unwrap();
    let folder = clone.path().to_str().unwrap();
    for images in ["", " , "] {
        let pull = pulled(&[("BITBUCKET_CLONE_DIR", folder), ("IMAGES", images)]);
        assert_eq!(
            texts(&pull.images),
            ["crg.apkg.io/shop/base:1", "crg.apkg.io/shop/tools:latest"]
        );
        let discovered = pull.discovered.unwrap();
        assert_eq!(texts(&discovered.images[1].1), ["Dockerfile:3"]);
    }
    let pull = pulled(&[("BITBUCKET_CLONE_DIR", folder), ("IMAGES", "other:1")]);
    assert_eq!((pull.images.len(), pull.discovered), (1, None));
    // Without a clone folder it is the working folder.
    let request = Request::check(&variables(&[]), clone.path()).unwrap();
    assert!(matches!(request.action, Action::Pull(pull) if pull.images.len() == 2));
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_mistake_names_variable_value_and_cure() {
    let retag = |pairs: &[(&'static str, &'static str)]| {
        [&[("ACTION", "retag"), ("SOURCE", "a:1"), ("TAGS", "2")], pairs].concat()
    };
    let push = |pairs: &[(&'static str, &'static str)]| [&[("ACTION", "push"), ("SOURCE", "a:1")], pairs].concat();
    let pull = |pairs: &[(&'static str, &'static str)]| [&[("IMAGES", "a:1")], pairs].concat();
    for (pairs, mistake) in [
        (
            vec![("ACTION", "mirror")],
            "`ACTION` is `mirror`: there is no such action; write one of `pull`, `retag`, `push`, `copy`, `login`, \
             `check`",
        ),
        (
            vec![],
            "`IMAGES`: `pull` needs images, and there is no Dockerfile and no compose file in `/clone` to find them in; write \
             `IMAGES: 'base:1 tools:2'` or a list, or name images with their host where they are used, as in `FROM \
             crg.apkg.io/",
        ),
        (
            vec![("IMAGES", "packages.atlassian.net/shop/base:1")],
            "`IMAGES` is `packages.atlassian.net/shop/base:1`: `packages.atlassian.net` is not Bitbucket's container \
             registry: no such registry exists; write `crg.apkg.io/shop/base",
        ),
        (
            vec![("IMAGES", "base:$TAG")],
            "`IMAGES` is `base:$TAG`: it holds a `$` or brace",
        ),
        (
            vec![("IMAGES", "base:")],
            "`IMAGES` is `base:`: the tag after the `:` is empty; write a tag",
        ),
        // retag
        (
            vec![("ACTION", "retag"), ("TAGS", "2")],
            "`SOURCE`: `retag` needs the image that is in the registry; write",
        ),
        (
            vec![("ACTION", "retag"), ("SOURCE", "a:1")],
            "`TAGS`: `retag` needs the tags to set; write `TAGS: '1.4.2 latest'`",
        ),
        (
            retag(&[("TARGET", "b")]),
            "`TARGET` is `b`: `retag` stays in the repository of `SOURCE`; leave it out; to bring an image to another repository use `ACTION: copy`",
        ),
        (
            retag(&[("SOURCE", "docker-daemon:a:1")]),
            "`SOURCE` is `docker-daemon:a:1`: `retag` works inside the registry, not on `docker-daemon:`; write",
        ),
        (
            retag(&[("SOURCE", "docker.io/a:1")]),
            "`SOURCE` is `docker.io/a:1`: it is on `docker.io`, but `REGISTRY` is `crg.apkg.io`; `retag` stays",
        ),
        (
            retag(&[("SOURCE", "A:1")]),
            "`SOURCE` is `A:1`: `shop/A` has capital letters",
        ),
        (
            retag(&[("TAGS", "shop/a:2")]),
            "`TAGS` is `shop/a:2`: it is a whole reference; write the tags alone",
        ),
        (
            retag(&[("TAGS", "feature/x")]),
            "`TAGS` is `feature/x`: `feature/x` is no tag; a tag has up to 128",
        ),
        (
            retag(&[("ON_EXISTING", "never")]),
            "`ON_EXISTING` is `never`: there is no such choice; write `overwrite`, `skip` or `fail`",
        ),
        // push
        (
            vec![("ACTION", "push")],
            "`SOURCE`: `push` needs the image that the step has built; write the name given to",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "  ")],
            "`SOURCE`: `push` needs the image",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "oci-archive:a.tar")],
            "`SOURCE` is `oci-archive:a.tar`: no target follows from it; write `TARGET: package`",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "docker-daemon:")],
            "`SOURCE` is `docker-daemon:`: it names no image; write the name that `docker image ls` shows",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "sha256:0123456789abcdef")],
            "`SOURCE` is `sha256:0123456789abcdef`: it is an image ID, which names no target; write `TARGET: package`",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "0123456789ab")],
            "`SOURCE` is `0123456789ab`: it is an image ID, which names no target; write `TARGET: package`",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "ghcr.io/acme/API:1")],
            "`SOURCE` is `ghcr.io/acme/API:1`: no target follows from it: `shop/API` has capital letters, which \
             repository names cannot have; write `TARGET: package`",
        ),
        (
            push(&[("SOURCE", "a:b:c")]),
            "`SOURCE` is `a:b:c`: `b:c` is no tag; write the name that `docker image ls`",
        ),
        (
            push(&[("TARGET", "api:1"), ("TAGS", "2")]),
            "`TARGET` is `api:1`: it has the tag `1`, and `TAGS` is set too; write the tags in one of them",
        ),
        (
            push(&[(
                "TARGET",
                "api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            )]),
            "it has a digest, which the image itself decides; write `package` or `package:tag`",
        ),
        (
            push(&[("TARGET", "docker.io/shop/api")]),
            "`TARGET` is `docker.io/shop/api`: it is on `docker.io`, but what is written goes to `REGISTRY`, `crg.apkg.io`",
        ),
        (
            push(&[("TARGET", "bitbucket.org/shop/api")]),
            "`bitbucket.org` is not Bitbucket's container registry",
        ),
        // all
        (pull(&[("PLATFORM", "arm64")]), "`PLATFORM` is `arm64`: "),
        (pull(&[("DOCKER_HOST", "ssh://x")]), "`DOCKER_HOST` is `ssh://x`: "),
        (
            pull(&[("REGISTRY", "https://crg.apkg.io")]),
            "`REGISTRY` is `https://crg.apkg.io`: ",
        ),
        (
            pull(&[("REGISTRY", "bitbucket.org")]),
            "`REGISTRY` is `bitbucket.org`: it is not Bitbucket's container registry: that host serves Git",
        ),
        (
            pull(&[("CREDENTIAL", "ATATTsecret")]),
            "`CREDENTIAL`: it names which credential to use, and there is no such choice; write `auto`, `built-in`",
        ),
        (pull(&[("TOKEN_EXPIRES_ON", "soon")]), "`TOKEN_EXPIRES_ON` is `soon`: "),
        (
            pull(&[("DEBUG", "yes")]),
            "`DEBUG` is `yes`: it is a switch; write `'true'` or `'false'`",
        ),
        (
            pull(&[("ALLOW_UNSUPPORTED_TOKEN", "1")]),
            "`ALLOW_UNSUPPORTED_TOKEN` is `1`: it is a switch",
        ),
        (
            pull(&[("REPORT", "out.json"), ("OUTPUT_ENV", "./out.json")]),
            "`OUTPUT_ENV` is `./out.json`: it is the file of `REPORT` too; write two names",
        ),
    ] {
        let mistakes = bad(&pairs);
        assert_eq!(mistakes.len(), 1, "{pairs:?}: {mistakes:?}");
        assert!(mistakes[0].contains(mistake), "{mistake}\n{}", mistakes[0]);
        assert!(
            !mistakes[0].ends_with('.') && !mistakes[0].contains("ATATT"),
            "{}",
            mistakes[0]
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mistakes = bad(&[
        ("ACTION", "push"),
        ("TARGET", "api:1:2"),
        ("TAGS", "-x -x a/b:c"),
        ("PLATFORM", "?"),
        ("ON_EXISTING", "?"),
        ("DOCKER_HOST", "ssh://x"),
        ("REGISTRY", "?"),
        ("CREDENTIAL", "?"),
        ("TIMEOUT", "0"),
        ("RETRIES", "21"),
        ("CONCURRENCY", "33"),
        ("DEBUG", "?"),
        ("TOKEN_EXPIRES_ON", "?"),
        ("CA_CERTIFICATE", "/no/such/file"),
        ("IMAGES_COUNT", "?"),
    ]);
    let mut named: Vec<&str> = mistakes
        .iter()
        .filter_map(|mistake| mistake.split('`').nth(1))
        .collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "CA_CERTIFICATE",
            "CONCURRENCY",
            "CREDENTIAL",
            "DEBUG",
            "DOCKER_HOST",
            "IMAGES_COUNT",
            "ON_EXISTING",
            "PLATFORM",
            "REGISTRY",
            "RETRIES",
            "SOURCE",
            "TAGS",
            "TAGS",
            "TARGET",
            "TIMEOUT",
            "TOKEN_EXPIRES_ON",
        ],
        "{mistakes:#?}"
    );
}

#[test]
fn numbers_have_ranges() {
    for (name, lowest, highest) in [("CONCURRENCY", 1, 32), ("RETRIES", 0, 20), ("TIMEOUT", 1, 3600_u64)] {
        for number in [lowest, highest] {
            let request = good(&[("IMAGES", "a"), (name, &format!(" {number} "))]);
            let got = match name {
                "CONCURRENCY" => request.concurrency as u64,
                "RETRIES" => u64::from(request.network.retries),
                _ => request.network.timeout.as_secs(),
            };
            assert_eq!(got, number, "{name}");
        }
        let above = (highest + 1).to_string();
        for text in ["-1", "1.5", "many", "0x10", "99999999999999999999", &above] {
            let cure =
                format!("is `{text}`: it is no number in its range; write a whole number from {lowest} to {highest}");
            assert_eq!(bad(&[("IMAGES", "a"), (name, text)]), [format!("`{name}` {cure}")]);
        }
    }
    assert_eq!(bad(&[("IMAGES", "a"), ("CONCURRENCY", "0")]).len(), 1);
}

#[test]
fn switches_and_choices_forgive_case_and_space() {
    for (text, on) in [("true", true), (" TRUE ", true), ("false", false), ("False", false)] {
        good(&[("IMAGES", "a"), ("DEBUG", text), ("ALLOW_UNSUPPORTED_TOKEN", text)]);
        assert_eq!(is_on(Some(text)), on, "{text}");
    }
    assert!(!is_on(None) && !is_on(Some("yes")));
    for (text, choice) in [
        ("auto", Choice::Auto),
        (" Built-In ", Choice::BuiltIn),
        ("API-TOKEN", Choice::ApiToken),
    ] {
        assert_eq!(good(&[("IMAGES", "a"), ("CREDENTIAL", text)]).choice, choice);
    }
    for (text, on_existing) in [
        ("overwrite", OnExisting::Overwrite),
        (" Skip ", OnExisting::Skip),
        ("FAIL", OnExisting::Fail),
    ] {
        assert_eq!(
            pushed(&[("SOURCE", "a"), ("ON_EXISTING", text)]).on_existing,
            on_existing
        );
    }
    let registry = good(&[("IMAGES", "a"), ("REGISTRY", " LOCALHOST:5000 ")]);
    assert_eq!(registry.registry.as_str(), "localhost:5000");
    let platform = pulled(&[("IMAGES", "a"), ("PLATFORM", " linux/arm/v7 ")]).platform;
    assert_eq!(platform.unwrap().to_string(), "linux/arm/v7");
}

#[test]
fn check_takes_what_there_is_and_needs_nothing() {
    let checkup = |pairs: &[(&str, &str)]| match good(&[&[("ACTION", "check")], pairs].concat()).action {
        Action::Check(checkup) => checkup,
        other => panic!("{other:?}"),
    };
    let targets = |text: &str| {
        let targets = checkup(&[("IMAGES", "a"), ("TARGET", text)]).targets;
        let named = targets.into_iter().map(|(target, tag)| match tag {
            Some(tag) => format!("{target}:{tag}"),
            None => target.to_string(),
        });
        named.collect::<Vec<_>>()
    };
    assert_eq!(targets(""), [""; 0]);
    assert_eq!(
        targets(" api, web:1\napi "),
        ["crg.apkg.io/shop/api", "crg.apkg.io/shop/web:1"]
    );
    let images = checkup(&[("IMAGES", "base base:latest docker.io/node:20")]);
    assert_eq!(
        texts(&images.images),
        ["crg.apkg.io/shop/base:latest", "docker.io/library/node:20"]
    );
    assert_eq!(images.discovered, None);
    // Nothing found is told by the table.
    let nothing = checkup(&[]);
    assert_eq!((nothing.images.len(), nothing.targets.len()), (0, 0));
    assert_eq!(nothing.discovered, Some(Discovered::default()));
    for bad_target in ["docker.io/a/b", "api@sha256:0", "api:1:2"] {
        assert_eq!(
            bad(&[("ACTION", "check"), ("TARGET", bad_target)]).len(),
            1,
            "{bad_target}"
        );
    }
}

#[test]
fn output_paths_start_at_the_working_folder() {
    for (report, path) in [
        ("report.json", "/clone/report.json"),
        ("./out/../report.json", "/clone/report.json"),
        ("/anywhere/report.json", "/anywhere/report.json"),
    ] {
        let request = good(&[("IMAGES", "a"), ("REPORT", report), ("OUTPUT_ENV", "images.env")]);
        assert_eq!(request.outputs.report.as_deref(), Some(Path::new(path)));
        assert_eq!(request.outputs.env.as_deref(), Some(Path::new("/clone/images.env")));
    }
    let folder = |pairs: &[(&str, &str)]| match good(&[&[("ACTION", "login")], pairs].concat()).action {
        Action::Login(login) => login.folder,
        other => panic!("{other:?}"),
    };
    assert_eq!(folder(&[]), Path::new("/clone/.docker"));
    assert_eq!(
        folder(&[("BITBUCKET_CLONE_DIR", "/opt/clone")]),
        Path::new("/opt/clone/.docker")
    );
    assert_eq!(folder(&[("DOCKER_CONFIG", "auth")]), Path::new("/clone/auth"));
}

#[test]
fn in_a_pipe_the_step_must_see_what_is_written() {
    let in_pipe = |clone: &'static str, name: &'static str, path: &'static str| {
        check(&[
            ("ACTION", "login"),
            ("BITBUCKET_CLONE_DIR", clone),
            ("BITBUCKET_PIPE_STORAGE_DIR", "/opt/storage"),
            (name, path),
        ])
    };
    for name in ["REPORT", "OUTPUT_ENV", "DOCKER_CONFIG"] {
        for (clone, path, problem) in [
            ("/clone", "out", None),
            ("/clone/", "/clone/deep/out", None),
            (".", "out", None),
            ("/opt/clone", "/opt/clone/out", None),
            ("/opt/clone", "../opt/clone/out", None),
            ("/clone", "/clone/../etc/out", Some("it is outside the clone")),
            ("/clone", "../out", Some("it is outside the clone")),
            ("/clone", "/cloned/out", Some("it is outside the clone")),
            ("/clone", "/tmp/out", Some("it is outside the clone")),
            ("/opt/clone", "out", Some("it is outside the clone")),
            ("/clone", ".", Some("it is the clone itself")),
            ("/clone", "/clone/out/..", Some("it is the clone itself")),
        ] {
            let found = in_pipe(clone, name, path).err();
            let found = found.map(|mistakes| texts(&mistakes));
            match (problem, found) {
                (None, None) => {}
                (Some(problem), Some(mistakes)) => {
                    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
                    let start = format!("`{name}` is `{path}`: {problem}");
                    assert!(mistakes[0].starts_with(&start), "{start}\n{}", mistakes[0]);
                    assert!(mistakes[0].contains("; write a path below `/"), "{}", mistakes[0]);
                }
                (expected, found) => panic!("{clone} {path}: {expected:?} {found:?}"),
            }
        }
    }
}

#[test]
fn where_to_report_is_known_although_the_rest_is_wrong() {
    let variables = variables(&[("ACTION", "?"), ("REPORT", "r.json")]);
    let outputs = Request::outputs(&variables, Path::new("/clone"));
    assert_eq!(outputs.report.as_deref(), Some(Path::new("/clone/r.json")));
}

#[test]
fn certificates_come_as_text_or_file() {
    let certificate = || {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
    };
    let (one, two) = (certificate(), certificate());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let bundle = format!("a comment\n{one}\n{two}");
    let (path, empty, broken) = (
        file("ca.pem", &bundle),
        file("empty.pem", ""),
        file(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
    );
    for (value, count) in [
        (one.clone(), 1),
        (bundle.clone(), 2),
        (one.replace('\n', "\\n"), 1),
        (one.replace('\n', "\r\n"), 1),
        (format!(" {path}\n"), 2),
    ] {
        let request = good(&[("IMAGES", "a"), ("CA_CERTIFICATE", &value)]);
        assert_eq!(request.network.extra_roots.len(), count, "{value}");
    }
    let relative = Request::check(
        &variables(&[("IMAGES", "a"), ("CA_CERTIFICATE", "ca.pem")]),
        folder.path(),
    );
    assert_eq!(relative.unwrap().network.extra_roots.len(), 2);
    let no_certificate = "it holds no certificate in PEM form; write the PEM text or the path of a PEM file";
    for (value, told) in [
        (
            empty.as_str(),
            format!("`CA_CERTIFICATE` is `{empty}`: {no_certificate}"),
        ),
        (
            broken.as_str(),
            format!("`CA_CERTIFICATE` is `{broken}`: {no_certificate}"),
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            format!("`CA_CERTIFICATE`: {no_certificate}"),
        ),
        (
            "/no/such/file",
            "`CA_CERTIFICATE` is `/no/such/file`: the file cannot be read (".to_owned(),
        ),
        (
            "/dev/zero",
            "`CA_CERTIFICATE` is `/dev/zero`: the file cannot be read (it is longer than any list of certificates)"
                .to_owned(),
        ),
    ] {
        let mistakes = bad(&[("IMAGES", "a"), ("CA_CERTIFICATE", value)]);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].starts_with(&told), "{told}\n{}", mistakes[0]);
    }
}

/// Words that are apt to meet in a variable: good values, near ones, and odd ones.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "pull",
            "retag",
            "push",
            "login",
            "copy",
            "docker.io/node:2*",
            "a=b:1",
            "base:1",
            "shop/base:1",
            "crg.apkg.io/shop/base:1",
            "docker-daemon:api",
            "sha256:0123456789abcdef",
            "1.4.2 latest",
            "linux/arm64/v8",
            "overwrite",
            "true",
            "../x",
            "8",
            "::",
            "@",
            "/",
            "tcp://h:1",
            "oci:x",
            "2027-03-01",
            "localhost:5000",
            "[::1]:5000",
            "é",
            "\u{0}",
            "-----BEGIN",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9:/@._$ -]{0,40}",
        "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn no_variables_break_the_check(
        action in proptest::sample::select(ACTIONS.to_vec()),
        set in proptest::collection::btree_map(0..crate::variables::NAMES.len(), value(), 0..12),
        in_pipe: bool,
    ) {
        let mut pairs = vec![("ACTION", action.to_owned()), ("BITBUCKET_CLONE_DIR", "/clone".to_owned())];
        pairs.extend(in_pipe.then(|| ("BITBUCKET_PIPE_STORAGE_DIR", "/storage".to_owned())));
        pairs.extend(set.into_iter().map(|(at, value)| (crate::variables::NAMES[at].0, value)));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match check(&pairs) {
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                for mistake in texts(&mistakes) {
                    prop_assert!(!mistake.contains('\n') && mistake.chars().count() < 700, "{}", mistake);
                }
            }
            Ok(request) => {
                prop_assert!((1..=32).contains(&request.concurrency));
                match &request.action {
                    Action::Pull(pull) => prop_assert!(!pull.images.is_empty()),
                    Action::Retag(retag) => prop_assert!(
                        !retag.tags.is_empty() && *retag.source.repository.host() == request.registry
                    ),
                    Action::Push(push) => prop_assert!(
                        !push.tags.is_empty() && *push.target.host() == request.registry
                    ),
                    Action::Copy(copy) => prop_assert!(
                        !copy.items.is_empty()
                            && copy.items.iter().all(|item| *item.target.host() == request.registry)
                    ),
                    Action::Check(check) => prop_assert!(
                        check.targets.iter().all(|(target, _)| *target.host() == request.registry)
                    ),
                    Action::Login(login) => prop_assert!(!in_pipe || login.folder.starts_with("/clone")),
                }
            }
        }
    }
}
