//! `pull` into real engines, from the emulator: what moves, what does not, what the daemon has afterwards.

mod there;
mod unnamed;

use crate::support::distribution::Distribution;
use crate::support::emulator::{Answer, Emulator, Role, Setup, TokenForm, User, api_token, on};
use crate::support::engine::{Engine, Kind};
use crate::support::gate::Gate;
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::skopeo::Skopeo;

on_docker!(the_socket_serves_as_well, tls_under_a_private_ca);
on_each_engine!(
    each_repository_is_pulled_with_the_credential_that_reaches_it,
    a_missing_image_ends_the_run_before_anything_moves,
    what_is_there_is_not_pulled_again,
    platforms,
    a_digest_needs_no_tag,
    a_tag_that_moves_meanwhile_changes_nothing,
    another_registry_in_the_same_run_gets_no_credential,
    pull_asks_for_pull_alone,
    what_fails_on_the_way_leaves_the_others,
    tags_of_one_image_come_together,
    a_signal_ends_a_pull_at_once,
);

fn pull<'a>(engine: &Engine, emulator: &'a Emulator, images: &str) -> Pipe<'a> {
    pull_into(&engine.tcp(), emulator, images)
}

fn pull_into<'a>(daemon: &str, emulator: &'a Emulator, images: &str) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .docker_host(daemon)
        .var("ACTION", "pull")
        .var("IMAGES", images)
        .var("RETRIES", "0")
}

/// What the daemon has of a registry: `repository tag digest`, sorted.
fn listed(engine: &Engine, host: &str) -> Vec<String> {
    let format = "{{.Repository}} {{.Tag}} {{.Digest}}";
    let all = engine.docker(&["image", "ls", "--all", "--digests", "--format", format]);
    let all = all.succeeds();
    let prefix = format!("{host}/");
    let mut own: Vec<String> = all
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
        .collect();
    own.sort();
    own
}

/// It has this of a registry and no more. Besides an index, podman lists the manifest that it took from it.
fn assert_listed(engine: &Engine, host: &str, expected: &[String]) {
    let mut listed = listed(engine, host);
    if engine.kind() == Kind::Podman {
        let name = |row: &str| row.rsplit_once(' ').map(|(name, _)| name.to_owned());
        let known: Vec<_> = expected.iter().map(|row| name(row)).collect();
        listed.retain(|row| expected.contains(row) || !known.contains(&name(row)));
    }
    assert_eq!(listed, expected);
}

fn platform(engine: &Engine, image: &str) -> Option<String> {
    engine.inspect(image, "{{.Os}}/{{.Architecture}}")
}

fn id(engine: &Engine, image: &str) -> Option<String> {
    engine.inspect(image, "{{.Id}}")
}

fn each_repository_is_pulled_with_the_credential_that_reaches_it(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let (api, base) = (Image::small("pull own"), Image::multi("pull other's"));
    emulator.put_image("shop/api", "1", &api);
    emulator.put_image("shop/base", "2", &base);
    let host = emulator.host();
    let outcome = pull(engine, &emulator, &format!("api:1, {host}/shop/base:2"))
        .built_in()
        .api_token()
        .var("REPORT", "report.json")
        .var("OUTPUT_ENV", "crg.env")
        .run()
        .succeeds()
        .says("INFO: pulling 2 images, up to ")
        .says(", with the built-in credential and the API token")
        .says("INFO: [2/2] pulled `");
    assert_listed(
        engine,
        host,
        &[
            format!("shop/api 1 {}", api.digest()),
            format!("shop/base 2 {}", base.digest()),
        ],
    );
    let last = outcome.last_line();
    assert!(
        last.starts_with("✔ pull: 2 images in the step's Docker daemon ("),
        "{last}"
    );
    assert!(last.ends_with(" s, built-in credential, API token)"), "{last}");
    let images = &outcome.report.as_ref().unwrap()["images"];
    for (number, name, image, credential) in [(0, "api:1", &api, "built-in"), (1, "base:2", &base, "api-token")] {
        assert_eq!(images[number]["reference"], format!("{host}/shop/{name}"));
        assert_eq!(images[number]["digest"], image.digest());
        assert_eq!(images[number]["outcome"], "pulled");
        assert_eq!(images[number]["credential"], credential);
        // Of a layer that comes at once the daemon may tell no byte.
        assert!(images[number]["bytes"].is_u64(), "{images}");
    }
    assert_eq!(
        outcome.file("crg.env").unwrap(),
        format!(
            "CRG_PIPE_REFERENCE_0='{host}/shop/api@{}'\nCRG_PIPE_DIGEST_0='{}'\nCRG_PIPE_TAGS_0='1'\n\
             CRG_PIPE_REFERENCE_1='{host}/shop/base@{}'\nCRG_PIPE_DIGEST_1='{}'\nCRG_PIPE_TAGS_1='2'\n\
             CRG_PIPE_COUNT='2'\n",
            api.digest(),
            api.digest(),
            base.digest(),
            base.digest()
        )
    );
}

fn a_missing_image_ends_the_run_before_anything_moves(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/api", "1", &Image::small("pull none"));
    let gate = Gate::before(&engine.tcp(), |_| {});
    let outcome = pull(engine, &emulator, "api:1 api:2 nothing:1")
        .docker_host(&gate.tcp())
        .api_token()
        .run()
        .fails(4)
        .says("refused reading `shop/api:2`: 404 MANIFEST_UNKNOWN")
        .says("tags that are there: `1`")
        .says("nothing does not exist in this workspace");
    assert_eq!(
        outcome.last_line(),
        "✖ pull: nothing was changed (exit status 4: not-found)"
    );
    assert_listed(engine, emulator.host(), &[]);
    assert_eq!(emulator.blob_bytes_sent(), 0);
    let asked = gate.requests();
    assert!(!asked.iter().any(|line| line.starts_with("POST")), "{asked:?}");
}

fn what_is_there_is_not_pulled_again(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let (first, second) = (Image::multi("pull twice"), Image::small("pull moved"));
    emulator.put_image("shop/base", "1", &first);
    emulator.put_image("shop/base", "2", &second);
    let name = format!("{}/shop/base:1", emulator.host());
    let pull = |images: &str| pull(engine, &emulator, images).api_token().run().succeeds();
    pull("base:1 base:2");
    let bytes = emulator.blob_bytes_sent();
    let gate = Gate::before(&engine.tcp(), |_| {});
    self::pull(engine, &emulator, "base:1")
        .api_token()
        .docker_host(&gate.tcp())
        .run()
        .succeeds()
        .never_says("INFO")
        .says("✔ pull: 1 image already in the step's Docker daemon: `");
    assert_eq!(emulator.blob_bytes_sent(), bytes);
    let asked = gate.requests();
    assert!(!asked.iter().any(|line| line.contains("/images/create")), "{asked:?}");

    // Something else took the name meanwhile: it is given back, and still nothing moves.
    let other = format!("{}/shop/base:2", emulator.host());
    let right = id(engine, &name);
    engine.docker(&["tag", &other, &name]).succeeds();
    assert_ne!(id(engine, &name), right);
    pull("base:1").says("✔ pull: 1 image in the step's Docker daemon: `");
    assert_eq!(id(engine, &name), right);
    assert_eq!(emulator.blob_bytes_sent(), bytes);

    // The registry's tag has moved: the daemon's follows.
    emulator.put_image("shop/base", "1", &second);
    pull("base:1");
    assert_eq!(id(engine, &name), id(engine, &other));
    assert_eq!(
        emulator.blob_bytes_sent(),
        bytes,
        "the daemon has that image by its other tag"
    );
}

fn platforms(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let multi = Image::multi("pull platforms");
    let arm = ImageBuilder::new("pull arm alone")
        .platform("linux", "arm64", Some("v8"))
        .build();
    emulator.put_image("shop/base", "multi", &multi);
    emulator.put_image("shop/base", "arm", &arm);
    let name = |tag: &str| format!("{}/shop/base:{tag}", emulator.host());
    let pull = |images: &str| pull(engine, &emulator, images).api_token();

    pull("base:multi").run().succeeds();
    assert_eq!(platform(engine, &name("multi")).as_deref(), Some("linux/amd64"));
    let digests = engine.inspect(&name("multi"), "{{json .RepoDigests}}").unwrap();
    assert!(digests.contains(&multi.digest()), "{digests}");

    // Another one under the same tag, as its own manifest's digest; and back again.
    let arm_child = multi.children()[1].digest();
    let outcome = pull("base:multi")
        .var("PLATFORM", "linux/arm64")
        .var("OUTPUT_ENV", "crg.env")
        .run()
        .succeeds();
    assert_eq!(platform(engine, &name("multi")).as_deref(), Some("linux/arm64"));
    let digests = engine.inspect(&name("multi"), "{{json .RepoDigests}}").unwrap();
    assert!(digests.contains(&arm_child), "{digests}");
    let env = outcome.file("crg.env").unwrap();
    assert!(env.contains(&format!("CRG_PIPE_DIGEST='{arm_child}'")), "{env}");
    pull("base:multi").var("PLATFORM", "linux/amd64").run().succeeds();
    assert_eq!(platform(engine, &name("multi")).as_deref(), Some("linux/amd64"));
    pull("base:multi")
        .var("PLATFORM", "linux/arm64/v8")
        .run()
        .succeeds()
        .says("1 image in the step's Docker daemon");
    assert_eq!(platform(engine, &name("multi")).as_deref(), Some("linux/arm64"));

    pull("base:multi")
        .var("PLATFORM", "linux/s390x")
        .run()
        .fails(4)
        .says("/shop/base:multi` is not there for linux/s390x")
        .says("it is there for linux/amd64, linux/arm64;");

    // A manifest of one platform only.
    pull("base:arm")
        .var("PLATFORM", "linux/amd64")
        .run()
        .fails(4)
        .says("/shop/base:arm` is not there for linux/amd64")
        .says("it is there for linux/arm64;");
    assert_eq!(id(engine, &name("arm")), None);
    pull("base:arm").var("PLATFORM", "linux/arm64").run().succeeds();
    assert_eq!(engine.config_digest(&name("arm")), Some(arm.config_digest()));
}

fn a_digest_needs_no_tag(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::multi("pull digest");
    emulator.put_image("shop/base", "1", &image);
    let by_digest = format!("base@{}", image.digest());
    let outcome = pull(engine, &emulator, &by_digest)
        .api_token()
        .var("OUTPUT_ENV", "crg.env")
        .run()
        .succeeds();
    assert_listed(
        engine,
        emulator.host(),
        &[format!("shop/base <none> {}", image.digest())],
    );
    assert!(
        outcome.file("crg.env").unwrap().contains("CRG_PIPE_TAGS=''"),
        "{:?}",
        outcome.file("crg.env")
    );
    // With a tag beside it, the digest decides and the tag names it.
    pull(engine, &emulator, &format!("base:mine@{}", image.digest()))
        .api_token()
        .run()
        .succeeds()
        .says("(0 B moved");
    assert_listed(engine, emulator.host(), &[format!("shop/base mine {}", image.digest())]);
}

fn a_tag_that_moves_meanwhile_changes_nothing(engine: &Engine) {
    let emulator = std::sync::Arc::new(Emulator::start(Setup::shop()));
    let (resolved, newer) = (Image::small("pull resolved"), Image::small("pull newer"));
    emulator.put_image("shop/base", "1", &resolved);
    let mover = emulator.clone();
    let gate = Gate::before(&engine.tcp(), move |line| {
        if line.contains("/images/create") {
            mover.put_image("shop/base", "1", &newer);
        }
    });
    pull(engine, &emulator, "base:1")
        .docker_host(&gate.tcp())
        .api_token()
        .run()
        .succeeds();
    assert_ne!(emulator.tag("shop/base", "1"), Some(resolved.digest()), "it has moved");
    assert_listed(engine, emulator.host(), &[format!("shop/base 1 {}", resolved.digest())]);
}

#[test]
fn an_absent_daemon_is_explained() {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("pull nowhere"));
    for (address, fact) in [
        ("tcp://127.0.0.1:9", "nothing listens there"),
        ("unix:///nonexistent/docker.sock", "there is no such socket"),
    ] {
        pull_into(address, &emulator, "base:1")
            .api_token()
            .run()
            .fails(6)
            .says(&format!("no Docker daemon at `{address}`"))
            .says(fact)
            .says("services: [docker]")
            .says("✖ pull: nothing was changed (exit status 6: unreachable)");
    }
    // Both faults are told at once, and the image's decides.
    pull_into("tcp://127.0.0.1:9", &emulator, "base:none")
        .api_token()
        .run()
        .fails(4)
        .says("tags that are there: `1`")
        .says("services: [docker]");
}

fn the_socket_serves_as_well(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::small("pull socket");
    emulator.put_image("shop/base", "1", &image);
    pull(engine, &emulator, "base:1")
        .docker_host(&engine.socket())
        .api_token()
        .run()
        .succeeds();
    assert_listed(engine, emulator.host(), &[format!("shop/base 1 {}", image.digest())]);
}

fn another_registry_in_the_same_run_gets_no_credential(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("pull ours"));
    let other = Distribution::setup().recorded().start();
    let image = Image::multi("pull theirs");
    let foreign = format!("{}/tools/lint:3", other.host());
    Skopeo::new().push(&image, &foreign).succeeds();
    pull(engine, &emulator, &format!("base:1 {foreign}"))
        .api_token()
        .run()
        .succeeds()
        .says(&format!("pulled `{foreign}`"))
        .says("s, API token)")
        .says("✔ pull: 2 images");
    assert_listed(engine, &other.host(), &[format!("tools/lint 3 {}", image.digest())]);
    pull(engine, &emulator, &format!("base:1 {}/tools/none:1", other.host()))
        .api_token()
        .run()
        .fails(4)
        .says("refused reading `tools/none:1`")
        .never_says("Create → Package");
}

fn tls_under_a_private_ca(engine: &Engine) {
    let image = Image::multi("pull tls");
    let setup = |authority| {
        let setup = Setup::shop().named("host.docker.internal").listen(engine.bridge());
        let emulator = Emulator::start(setup.tls(authority));
        emulator.put_image("shop/base", "1", &image);
        emulator
    };
    let emulator = setup(Authority::shared());
    let run = |emulator| {
        pull(engine, emulator, "base:1")
            .api_token()
            .var("CREDENTIAL", "api-token")
    };
    run(&emulator).run().succeeds();
    assert_listed(engine, emulator.host(), &[format!("shop/base 1 {}", image.digest())]);

    run(&emulator)
        .unset("CA_CERTIFICATE")
        .run()
        .fails(6)
        .says("no secure connection to `host.docker.internal:")
        .says("CA_CERTIFICATE");

    // A CA that the pipe trusts and the daemon does not.
    let stranger: &'static Authority = Box::leak(Box::new(Authority::new()));
    let emulator = setup(stranger);
    run(&emulator)
        .run()
        .fails(6)
        .says("the Docker daemon does not trust the registry")
        .says("x509")
        .says("`CA_CERTIFICATE` is for this pipe only")
        .says("nothing was changed");

    let local = Emulator::start(Setup::shop().tls(Authority::shared()));
    local.put_image("shop/base", "1", &image);
    pull(engine, &local, "base:1").api_token().run().succeeds();
}

fn pull_asks_for_pull_alone(engine: &Engine) {
    let (email, token) = ("reader@example.com", api_token("pull reader"));
    let reader = User::new(email, &token)
        .scopes(&["read:package:bitbucket"])
        .role("shop/images", Role::Read);
    for form in [TokenForm::Jwt, TokenForm::Opaque] {
        let emulator = Emulator::start(
            Setup::shop()
                .user(reader.clone())
                .with(|settings| settings.token_form = form),
        );
        emulator.put_image("shop/base", "1", &Image::small("pull read only"));
        emulator.put_image("shop/web", "1", &Image::small("pull not allowed"));
        let pull = |images: &str| {
            pull(engine, &emulator, images)
                .var("ATLASSIAN_ACCOUNT_EMAIL", email)
                .var("ATLASSIAN_API_TOKEN", &token)
        };
        let outcome = pull("base:1").run().succeeds();
        let journal = outcome.journal();
        assert!(!journal.iter().any(|entry| entry.path.contains("push")), "{journal:#?}");
        pull("web:1")
            .run()
            .fails(3)
            .says("read:package:bitbucket")
            .says("does not have the role Read")
            .says("nothing was changed");
    }
}

fn what_fails_on_the_way_leaves_the_others(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("pull whole"));
    emulator.put_image("shop/api", "1", &Image::small("pull broken"));
    emulator.script(
        on("GET", "/v2/shop/api/blobs/").signed_in(),
        9,
        Answer::error(403, "DENIED", "no blobs for you"),
    );
    let outcome = pull(engine, &emulator, "base:1 api:1")
        .api_token()
        .var("REPORT", "report.json")
        .run()
        .fails(3)
        .says("the registry refused access: pulling `")
        .says(match engine.kind() {
            // Before 5 it tells the status alone.
            Kind::Podman => "the daemon's words: ",
            _ => "no blobs for you",
        })
        .says("does not have the role Read on the repository that `api` is linked to");
    let last = outcome.last_line();
    assert!(
        last.starts_with("✖ pull: only `") && last.contains("/shop/base:1` was done"),
        "{last}"
    );
    let images = &outcome.report.as_ref().unwrap()["images"];
    assert_eq!(
        (&images[0]["outcome"], &images[1]["outcome"]),
        (&"pulled".into(), &"failed".into())
    );
    assert_eq!(listed(engine, emulator.host()).len(), 1);
}

fn tags_of_one_image_come_together(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::multi("pull two tags");
    let tags = ["1", "1.0", "1.0.0", "1.0.0-1", "latest", "stable"];
    for tag in tags {
        emulator.put_image("shop/base", tag, &image);
    }
    let images = tags.map(|tag| format!("base:{tag}")).join(" ");
    pull(engine, &emulator, &images).api_token().run().succeeds();
    let listed = tags.map(|tag| format!("shop/base {tag} {}", image.digest()));
    assert_listed(engine, emulator.host(), &listed);
}

fn a_signal_ends_a_pull_at_once(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("pull signal"));
    let (arrived, arrival) = std::sync::mpsc::channel();
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let end = std::sync::Mutex::new(end);
    let gate = Gate::before(&engine.tcp(), move |line| {
        if line.contains("/images/create") {
            arrived.send(()).unwrap();
            let _ = end.lock().unwrap().recv();
        }
    });
    let running = pull(engine, &emulator, "base:1")
        .docker_host(&gate.tcp())
        .api_token()
        .start();
    arrival.recv().unwrap();
    let outcome = running.signal("TERM").wait().fails(143);
    drop(ended);
    assert_eq!(
        outcome.last_line(),
        "✖ pull: stopped by SIGTERM, nothing was changed (exit status 143)"
    );
}
