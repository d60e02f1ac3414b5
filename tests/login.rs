//! `login`: the file that it writes, that Docker and skopeo sign in with it, and what it leaves alone.

use crate::support::emulator::{Emulator, Setup, SignIn, User, api_token};
use crate::support::engine::Engine;
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::shop::shop;
use crate::support::skopeo::Skopeo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

on_docker!(
    docker_and_skopeo_sign_in_with_the_file,
    credential_helpers_do_not_hide_the_credential,
);

fn login(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .var("ACTION", "login")
        .var("RETRIES", "0")
}

/// The Secret in a file, and the `config.json` in it.
fn secret(outcome: &Outcome<'_>, path: &str) -> (serde_yaml::Value, Value) {
    let secret: serde_yaml::Value = serde_yaml::from_str(&outcome.file(path).expect("the file")).unwrap();
    let config = secret["data"][".dockerconfigjson"].as_str().expect("a text");
    let config = serde_json::from_slice(&STANDARD.decode(config).unwrap()).unwrap();
    (secret, config)
}

fn config(outcome: &Outcome<'_>, path: &str) -> Value {
    serde_json::from_str(&outcome.file(path).expect("the file")).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

/// The one line to add to the step.
fn line(outcome: &Outcome<'_>) -> String {
    let plain = outcome.plain();
    let lines: Vec<&str> = plain
        .lines()
        .filter_map(|line| line.split_once("`- export ")?.1.strip_suffix('`'))
        .collect();
    assert_eq!(lines.len(), 1, "{plain}");
    format!("export {}", lines[0])
}

/// With a Dockerfile in the clone folder.
fn run_beside_a_dockerfile(pipe: Pipe<'_>) -> Outcome<'_> {
    let dockerfile = "FROM scratch\nCOPY . /\n";
    pipe.file("Dockerfile", dockerfile).api_token().run().succeeds()
}

/// Runs lines of the step after the pipe, with this engine as its Docker service.
fn step(engine: &Engine, clone: &Path, lines: &str) -> String {
    let mut shell = Command::new("sh");
    shell.env("DOCKER_HOST", engine.tcp()).env("PATH", engine.path());
    shell_lines(shell, clone, lines)
}

fn shell_lines(mut shell: Command, clone: &Path, lines: &str) -> String {
    let shell = shell.args(["-ec", lines]).env("BITBUCKET_CLONE_DIR", clone);
    let output = shell.env("HOME", clone).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{lines}\n{said}");
    said
}

fn docker_and_skopeo_sign_in_with_the_file(engine: &Engine) {
    for sign_in in [SignIn::Bearer, SignIn::Basic] {
        let emulator = Emulator::start(Setup::shop().with(|settings| settings.sign_in = sign_in));
        let image = Image::small(&format!("login {sign_in:?}"));
        emulator.put_image("shop/base", "1", &image);
        let outcome = login(&emulator).api_token().run().succeeds();
        let host = emulator.host();
        let auth = STANDARD.encode(format!("{}:{}", Setup::EMAIL, Setup::api_token()));
        assert_eq!(
            config(&outcome, ".docker/config.json"),
            json!({ "auths": { host: { "auth": auth } } })
        );
        let folder = outcome.clone_folder().join(".docker");
        assert_eq!((mode(&folder.join("config.json")), mode(&folder)), (0o600, 0o755));
        assert_eq!(outcome.file(".docker/.gitignore").as_deref(), Some("*\n"));
        assert_eq!(
            outcome.last_line(),
            format!("✔ login: `.docker/config.json` now signs in to `{host}` with the API token")
        );

        let line = line(&outcome);
        assert_eq!(line, "export DOCKER_CONFIG=\"$BITBUCKET_CLONE_DIR\"/.docker");
        let pulled = step(
            engine,
            outcome.clone_folder(),
            &format!("cd /\n{line}\ndocker pull {host}/shop/base:1"),
        );
        assert!(pulled.contains(&image.digest()), "{pulled}");
        let authfile = folder.join("config.json").display().to_string();
        let reference = format!("docker://{host}/shop/base:1");
        let read = Skopeo::new().run(&[
            "inspect",
            "--raw",
            "--tls-verify=false",
            "--authfile",
            &authfile,
            &reference,
        ]);
        assert_eq!(read.succeeds().as_bytes(), image.bytes());
    }
}

#[test]
fn a_file_that_is_there_keeps_what_is_not_ours() {
    let emulator = shop();
    let host = emulator.host();
    let before = json!({
        "proxies": { "default": { "httpProxy": "http://proxy:3128" } },
        "auths": { "ghcr.io": { "auth": "Zm9vOmJhcg==" }, host: { "auth": "b2xkOm9sZA==", "email": "x" } },
        "psFormat": "table {{.ID}}",
    });
    let outcome = login(&emulator)
        .built_in()
        .file("my config/config.json", before.to_string())
        .var("DOCKER_CONFIG", "my config")
        .run()
        .succeeds()
        .says("with the built-in credential");
    let after = config(&outcome, "my config/config.json");
    let mut expected = before;
    expected["auths"][host]["auth"] = STANDARD
        .encode(format!("{}:{}", Setup::BUILT_IN_USERNAME, Setup::BUILT_IN_TOKEN))
        .into();
    assert_eq!(after, expected);
    assert_eq!(mode(&outcome.clone_folder().join("my config/config.json")), 0o600);
    assert_eq!(outcome.file("my config/.gitignore"), None, "the folder is the user's");
    let line = line(&outcome);
    let shown = shell_lines(
        Command::new("sh"),
        outcome.clone_folder(),
        &format!("{line}\ncat \"$DOCKER_CONFIG/config.json\""),
    );
    assert!(shown.contains("psFormat"), "{shown}");
}

fn credential_helpers_do_not_hide_the_credential(engine: &Engine) {
    let emulator = shop();
    let host = emulator.host();
    for (existing, note) in [
        (json!({ "credsStore": "desktop" }), "`credsStore`"),
        (
            json!({ "credHelpers": { host: "ecr-login" } }),
            "docker-credential-ecr-login",
        ),
    ] {
        let outcome = login(&emulator)
            .api_token()
            .file(".docker/config.json", existing.to_string())
            .run()
            .succeeds()
            .says("WARNING: ")
            .says(note);
        let line = line(&outcome);
        step(
            engine,
            outcome.clone_folder(),
            &format!("{line}\ndocker pull {host}/shop/base:1"),
        );
    }
}

#[test]
fn a_wrong_credential_writes_nothing() {
    let emulator = shop();
    let outcome = login(&emulator)
        .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
        .var("ATLASSIAN_API_TOKEN", &api_token("nobody"))
        .run()
        .fails(3)
        .says("did not accept the credential while signing in: 401, “unauthorized”")
        .says("was not accepted for `ada@example.com`")
        .says("it has expired or was revoked");
    assert_eq!(
        outcome.last_line(),
        "✖ login: nothing was changed (exit status 3: credential)"
    );
    assert!(!outcome.clone_folder().join(".docker").exists());
    let kept = login(&emulator)
        .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
        .var("ATLASSIAN_API_TOKEN", &api_token("nobody"))
        .file(".docker/config.json", "{\"auths\":{}}")
        .run()
        .fails(3);
    assert_eq!(kept.file(".docker/config.json").as_deref(), Some("{\"auths\":{}}"));
}

#[test]
fn auto_takes_the_first_credential_that_is_accepted_and_says_which() {
    let emulator = shop();
    login(&emulator)
        .built_in()
        .api_token()
        .run()
        .succeeds()
        .says("with the built-in credential")
        .says("`CREDENTIAL: api-token` writes the API token instead");
    let chosen = login(&emulator)
        .built_in()
        .api_token()
        .var("CREDENTIAL", "api-token")
        .run()
        .succeeds()
        .says("with the API token")
        .never_says("built-in");
    let auth = &config(&chosen, ".docker/config.json")["auths"][emulator.host()]["auth"];
    assert!(
        STANDARD
            .decode(auth.as_str().unwrap())
            .unwrap()
            .starts_with(b"ada@example.com:")
    );

    let gone = Emulator::start(Setup::shop().user(User::new("x@example.com", &api_token("x"))));
    login(&gone)
        .var("BITBUCKET_PACKAGES_USERNAME", "pipelines-other")
        .secret("BITBUCKET_PACKAGES_TOKEN", "of-another-step-0123456789")
        .api_token()
        .run()
        .succeeds()
        .says("with the API token");
}

#[test]
fn a_file_that_docker_would_not_read_is_never_replaced() {
    let emulator = shop();
    for (content, fact) in [
        (
            "{\"auths\": {",
            ".docker/config.json` was left alone: it is not JSON, see line 1",
        ),
        ("[]", "is not a JSON object"),
        ("{\"auths\": []}", "its `auths` is not an object"),
        ("\u{feff}{}", "byte order mark"),
    ] {
        let outcome = login(&emulator)
            .api_token()
            .file(".docker/config.json", content)
            .run()
            .fails(1)
            .says(fact)
            .says("hint: ")
            .says("nothing was changed");
        assert_eq!(outcome.file(".docker/config.json").as_deref(), Some(content));
    }
    let linked = login(&emulator)
        .api_token()
        .file("elsewhere.json", "{}")
        .file(".docker/x", "");
    std::os::unix::fs::symlink("../elsewhere.json", linked.clone_folder().join(".docker/config.json")).unwrap();
    let linked = linked.run().fails(1).says("is a link out of its folder");
    assert_eq!(linked.file("elsewhere.json").as_deref(), Some("{}"));
}

/// A slip in the name must not cost a manifest of the step's own; a Secret of before is renewed.
#[test]
fn only_a_pull_secret_is_replaced_by_one() {
    let emulator = shop();
    let pipe = || login(&emulator).api_token().var("PULL_SECRET", "k8s.yml");
    for content in [
        "apiVersion: apps/v1\nkind: Deployment\n",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ntype: Opaque\n",
        "\u{feff}",
        "x",
    ] {
        let outcome = pipe()
            .file("k8s.yml", content)
            .run()
            .fails(1)
            .says("k8s.yml` was left alone: it exists, and is not a pull secret of this pipe")
            .says("hint: name another file in `PULL_SECRET`")
            .says("nothing was changed");
        assert_eq!(outcome.file("k8s.yml").as_deref(), Some(content));
    }
    let first = pipe().run().succeeds().file("k8s.yml").unwrap();
    for content in [first.as_str(), "", "\n"] {
        let outcome = pipe()
            .var("PULL_SECRET_NAME", "shop/other")
            .file("k8s.yml", content)
            .run()
            .succeeds();
        let (secret, _) = secret(&outcome, "k8s.yml");
        assert_eq!(secret["metadata"]["name"].as_str(), Some("other"));
        assert_eq!(mode(&outcome.clone_folder().join("k8s.yml")), 0o600);
    }
}

#[test]
fn a_build_context_that_holds_the_folder_is_told() {
    let emulator = shop();
    run_beside_a_dockerfile(login(&emulator))
        .says("`docker build` of `Dockerfile` with the context `.` would take the credential into the image")
        .says("add the line `.docker` to `.dockerignore`");
    // Where the Dockerfile has an ignore file of its own, Docker reads no other.
    run_beside_a_dockerfile(login(&emulator).file("Dockerfile.dockerignore", "node_modules\n"))
        .says("add the line `.docker` to `Dockerfile.dockerignore`");
    for ignore in [".docker\n", "**/config.json\n", "*\n!src\n"] {
        run_beside_a_dockerfile(login(&emulator).file(".dockerignore", ignore)).never_says("WARNING");
    }
    run_beside_a_dockerfile(login(&emulator).file(".dockerignore", "node_modules\n.docker\n!.docker/config.json\n"))
        .says("WARNING: ");
    // A context beside the folder does not hold it; the clone as context does.
    run_beside_a_dockerfile(
        login(&emulator)
            .file(".dockerignore", ".docker\n")
            .file("service/Dockerfile", "FROM scratch\n"),
    )
    .never_says("WARNING");
}

#[test]
fn a_folder_that_the_step_would_never_see_is_a_mistake() {
    let emulator = shop();
    for folder in ["/root/.docker", "../.docker"] {
        login(&emulator)
            .api_token()
            .env("BITBUCKET_PIPE_STORAGE_DIR", "/opt/atlassian/pipelines/pipe")
            .var("DOCKER_CONFIG", folder)
            .run()
            .fails(2)
            .no_connection()
            .says(&format!(
                "`DOCKER_CONFIG` is `{folder}`: it is outside the clone, so the step would never see it"
            ));
    }
}

#[test]
fn a_pull_secret_is_one_of_the_api_token() {
    let emulator = shop();
    let pipe = || login(&emulator).built_in().api_token();
    let file = pipe().run().succeeds();
    let file = config(&file, ".docker/config.json");
    for (variables, path, name, namespace) in [
        (&[("PULL_SECRET", "crg.yml")][..], "crg.yml", "crg", None),
        (
            &[
                ("PULL_SECRET", "k8s/pull secret.yml"),
                ("PULL_SECRET_NAME", "shop/crg.apkg.io"),
            ],
            "k8s/pull secret.yml",
            "crg.apkg.io",
            Some("shop"),
        ),
    ] {
        let pipe = variables
            .iter()
            .fold(pipe(), |pipe, (name, value)| pipe.var(name, value));
        let outcome = pipe.file("k8s/x", "").run().succeeds();
        let (secret, found) = secret(&outcome, path);
        assert_eq!(secret["metadata"]["name"].as_str(), Some(name));
        assert_eq!(secret["metadata"]["namespace"].as_str(), namespace);
        let auth = STANDARD.encode(format!("{}:{}", Setup::EMAIL, Setup::api_token()));
        assert_eq!(found, json!({ "auths": { emulator.host(): { "auth": auth } } }));
        // The file of the built-in credential is another.
        assert_ne!(found, file);
        assert_eq!(mode(&outcome.clone_folder().join(path)), 0o600);
        assert!(!outcome.clone_folder().join(".docker").exists());
        let outcome = outcome
            .says("holds the credential, and no `.gitignore` names it")
            .says(&format!("pods use it with `imagePullSecrets: [{{name: \"{name}\"}}]`"));
        // A name may look like a number.
        let printed = outcome.plain();
        let pasted = printed.split("pods use it with `").nth(1).unwrap();
        let pasted: Value = serde_yaml::from_str(pasted.split('`').next().unwrap()).unwrap();
        assert_eq!(pasted["imagePullSecrets"][0]["name"].as_str(), Some(name));
        let named = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        let last = format!(
            "✔ login: `{path}` is the Secret `{named}`, which signs in to `{}` with the API token of `{}`",
            emulator.host(),
            Setup::EMAIL
        );
        assert_eq!(outcome.last_line(), last);
        // The lines that it says, with a `kubectl` that prints what it is given.
        let plain = outcome.plain();
        let (_, lines) = plain.split_once("add these lines after the pipe: `- ").unwrap();
        let (apply, rest) = lines.split_once("` and `- ").unwrap();
        let (remove, _) = rest.split_once('`').unwrap();
        let lines = format!("kubectl() {{ cat \"$3\"; }}\ncd /\n{apply}\n{remove}");
        let shown = shell_lines(Command::new("sh"), outcome.clone_folder(), &lines);
        assert!(shown.contains("kind: Secret"), "{shown}");
        assert!(!outcome.clone_folder().join(path).exists());
    }
}

/// The built-in credential ends with the step, so that it would be refused when the cluster pulls.
#[test]
fn a_pull_secret_never_holds_the_built_in_credential() {
    let emulator = shop();
    let pipe = || login(&emulator).built_in().var("PULL_SECRET", "crg.yml");
    for pipe in [
        pipe(),
        pipe().var("CREDENTIAL", "api-token"),
        pipe()
            .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
            .var("ATLASSIAN_API_TOKEN", Setup::BUILT_IN_TOKEN),
    ] {
        let outcome = pipe
            .run()
            .fails(3)
            .no_connection()
            .says("a pull secret needs an API token: the built-in credential ends with the step")
            .says("Create API token with scopes");
        assert!(!outcome.clone_folder().join("crg.yml").exists());
    }
    pipe()
        .api_token()
        .var("CREDENTIAL", "built-in")
        .run()
        .fails(2)
        .no_connection()
        .says("`CREDENTIAL`: a pull secret needs an API token");
    // One that is not accepted is in no file either, and what is there stays.
    let outcome = pipe()
        .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
        .var("ATLASSIAN_API_TOKEN", &api_token("nobody"))
        .file("crg.yml", "before")
        .run()
        .fails(3);
    assert_eq!(outcome.file("crg.yml").as_deref(), Some("before"));
}

#[test]
fn a_pull_secret_is_told_where_it_would_get_out() {
    let emulator = shop();
    let pipe = || login(&emulator).var("PULL_SECRET", "k8s/crg.yml").file("k8s/x", "");
    run_beside_a_dockerfile(pipe())
        .says("`docker build` of `Dockerfile` with the context `.` would take the credential into the image")
        .says("add the line `k8s/crg.yml` to `.dockerignore`");
    run_beside_a_dockerfile(
        pipe()
            .file(".dockerignore", "k8s\n")
            .file(".gitignore", "k8s/crg.yml\n"),
    )
    .never_says("WARNING");
    let committed = run_beside_a_dockerfile(pipe().file(".dockerignore", "k8s\n").file("k8s/crg.yml", "\n"));
    committed.says("was there before and now holds the credential: if it is in the repository, do not commit it again");
    // Artifacts of the step, for `config.json` too.
    let pipelines = |pattern: &str| {
        format!(
            "pipelines:\n  default:\n    - step:\n        script:\n          - pipe: crgpipe/crg-pipe:0.1.0\n            \
             variables: {{ACTION: login}}\n        artifacts:\n          - '{pattern}'\n"
        )
    };
    for (pattern, is_told) in [("k8s/**", true), ("**/*.yml", true), ("dist/**", false)] {
        let pipe = pipe().file("bitbucket-pipelines.yml", pipelines(pattern)).api_token();
        let outcome = pipe.run().succeeds();
        let told = format!(
            "WARNING: `bitbucket-pipelines.yml:8`: the artifact `{pattern}` of a step with `ACTION: login` would keep \
             `k8s/crg.yml`, which holds the credential"
        );
        assert_eq!(outcome.plain().contains(&told), is_told, "{}", outcome.output);
    }
    login(&emulator)
        .api_token()
        .file("bitbucket-pipelines.yml", pipelines("**"))
        .run()
        .succeeds()
        .says("would keep `.docker/config.json`, which holds the credential");
}

#[test]
fn a_pull_secret_is_inside_the_clone_or_nowhere() {
    let emulator = shop();
    let pipe = |path: &str| {
        login(&emulator)
            .api_token()
            .env("BITBUCKET_PIPE_STORAGE_DIR", "/opt/atlassian/pipelines/pipe")
            .var("PULL_SECRET", path)
    };
    for path in ["/tmp/crg.yml", "../crg.yml", "."] {
        pipe(path).run().fails(2).no_connection().says("`PULL_SECRET` is `");
    }
    pipe("absent/crg.yml").run().fails(1).says("nothing was changed");
    let folder = pipe("k8s").file("k8s/x", "").run().fails(1);
    folder.says("is not a file").says("nothing was changed");
}
