//! Variables that all actions share: numbers, switches, paths, certificates.

use super::*;
use crate::files::Output;
use std::process::Command;

#[test]
fn numbers_have_ranges() {
    for (name, lowest, highest) in [
        ("CONCURRENCY", 1, 32),
        ("RETRIES", 0, 20),
        ("TIMEOUT", 1, 3600_u64),
        ("WAIT", 0, 7200),
    ] {
        for number in [lowest, highest] {
            let request = good(&[("IMAGES", "a"), (name, &format!(" {number} "))]);
            let got = match name {
                "CONCURRENCY" => request.concurrency as u64,
                "RETRIES" => u64::from(request.network.retries),
                "WAIT" => request.wait.as_secs(),
                _ => request.network.timeout.as_secs(),
            };
            assert_eq!(got, number, "{name}");
        }
        let above = (highest + 1).to_string();
        let of_what = if matches!(name, "TIMEOUT" | "WAIT") {
            " of seconds"
        } else {
            ""
        };
        for text in ["-1", "1.5", "many", "0x10", "5s", "5m", "99999999999999999999", &above] {
            let problem = if text == above {
                "it is out of range"
            } else {
                "it is not a whole number"
            };
            let cure = format!("is `{text}`: {problem}; write a whole number{of_what} from {lowest} to {highest}");
            assert_eq!(bad(&[("IMAGES", "a"), (name, text)]), [format!("`{name}` {cure}")]);
        }
    }
    assert_eq!(bad(&[("IMAGES", "a"), ("CONCURRENCY", "0")]).len(), 1);
}

#[test]
fn switches_and_choices_forgive_case_and_space() {
    for (text, on) in [("true", true), (" TRUE ", true), ("false", false), ("False", false)] {
        let switches = [
            ("DEBUG", text),
            ("CODE_INSIGHTS", text),
            ("ALLOW_UNSUPPORTED_TOKEN", text),
        ];
        let checked = check_in(Path::new("/clone"), &[&[("IMAGES", "a")], &switches[..]].concat());
        assert_eq!((checked.debug, checked.insights.is_some()), (on, on), "{text}");
        checked.request.unwrap();
    }
    let wrong = check_in(
        Path::new("/clone"),
        &[("IMAGES", "a"), ("DEBUG", "yes"), ("CODE_INSIGHTS", "1")],
    );
    assert_eq!((wrong.debug, wrong.insights), (false, None));
    assert_eq!(wrong.request.unwrap_err().len(), 2);
    for (text, choice) in [
        ("auto", Choice::Auto),
        (" Built-In ", Choice::BuiltIn),
        ("API-TOKEN", Choice::ApiToken),
    ] {
        assert_eq!(good(&[("IMAGES", "a"), ("CREDENTIAL", text)]).chosen.choice, choice);
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
fn output_paths_start_at_the_working_folder() {
    for (report, path) in [
        ("report.json", "/clone/report.json"),
        ("./out/../report.json", "/clone/report.json"),
        ("/anywhere/report.json", "/anywhere/report.json"),
    ] {
        let pairs = [("IMAGES", "a"), ("REPORT", report), ("OUTPUT_ENV", "images.env")];
        let outputs = check_in(Path::new("/clone"), &pairs).outputs;
        assert_eq!(outputs.report.as_ref().map(Output::path), Some(Path::new(path)));
        assert_eq!(
            outputs.env.as_ref().map(Output::path),
            Some(Path::new("/clone/images.env"))
        );
    }
    let folder = |pairs: &[(&str, &str)]| match good(&[&[("ACTION", "login")], pairs].concat()).action {
        Action::Login(Login::Config(folder)) => folder.path().to_owned(),
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
    let checked = check_in(Path::new("/clone"), &[("ACTION", "?"), ("REPORT", "r.json")]);
    assert_eq!(checked.action, None);
    let outputs = checked.outputs;
    assert_eq!(
        outputs.report.as_ref().map(Output::path),
        Some(Path::new("/clone/r.json"))
    );
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
    let relative = check_in(folder.path(), &[("IMAGES", "a"), ("CA_CERTIFICATE", "ca.pem")]);
    assert_eq!(relative.request.unwrap().network.extra_roots.len(), 2);
    // Nobody writes to it.
    let pipe = folder.path().join("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
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
        (
            pipe.as_str(),
            format!("`CA_CERTIFICATE` is `{pipe}`: the file cannot be read (it is a pipe, not a file)"),
        ),
    ] {
        let mistakes = bad(&[("IMAGES", "a"), ("CA_CERTIFICATE", value)]);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].starts_with(&told), "{told}\n{}", mistakes[0]);
    }
}
