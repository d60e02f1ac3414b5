//! `prune`: what it reads, what it tells, what it deletes in which way, and what nothing makes it delete.

mod registries;
mod safety;

use crate::support::emulator::{Answer, Deletes, Emulator, Role, Setup, User, api_token, on};
use crate::support::image::{Image, ImageBuilder};
use crate::support::shop::prune;
use serde_json::{Value, json};

/// An image that was made on this day of 2026.
fn made(seed: &str, day: &str) -> Image {
    let created = json!(format!("2026-{day}T08:00:00Z"));
    ImageBuilder::new(seed).created(created).build()
}

fn build(number: usize) -> Image {
    made(&format!("build-{number}"), &format!("02-{number:02}"))
}

/// `shop/api` with `build-1` to `build-5`, and `latest` of the last one.
fn shop_of(setup: Setup) -> Emulator {
    let emulator = Emulator::start(setup);
    for number in 1..=5 {
        emulator.put_image("shop/api", &format!("build-{number}"), &build(number));
    }
    emulator.put_image("shop/api", "latest", &build(5));
    emulator
}

fn deleting(deletes: Deletes) -> Setup {
    Setup::shop().with(|settings| settings.deletes = deletes)
}

/// Each tag of the report with what became of it, and why.
fn told(report: Option<&Value>) -> Vec<String> {
    let images = report.unwrap()["images"].as_array().unwrap();
    let tag = |image: &Value| {
        let reference = image["reference"].as_str().unwrap();
        reference.rsplit_once(':').unwrap().1.to_owned()
    };
    let rows = images.iter().map(|image| match image["reason"].as_str() {
        Some(reason) => format!("{} {}: {reason}", tag(image), image["outcome"].as_str().unwrap()),
        None => format!("{} {}", tag(image), image["outcome"].as_str().unwrap()),
    });
    rows.collect()
}

/// The requests that delete.
fn deletions(emulator: &Emulator) -> Vec<String> {
    let requests = emulator.requests().into_iter();
    requests.filter(|line| line.starts_with("DELETE")).collect()
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    for dry_run in [None, Some("true"), Some("True")] {
        let emulator = shop_of(Setup::shop());
        let pipe = prune(&emulator, "api")
            .unset("DRY_RUN")
            .var("REPORT", "report.json")
            .var("OUTPUT_ENV", "out.env");
        let pipe = match dry_run {
            Some(value) => pipe.var("DRY_RUN", value),
            None => pipe,
        };
        let host = emulator.host().to_owned();
        let outcome = pipe
            .run()
            .succeeds()
            .says(&format!(
                "INFO: `{host}/shop/api` has 6 tags: 3 stay and 3 go, which frees about "
            ))
            .says(" (an estimate)\n")
            .says("INFO:   stays  latest   2026-02-05  the newest image\n")
            .says("INFO:   stays  build-5  2026-02-05  the newest image\n")
            .says("INFO:   stays  build-4  2026-02-04  number 2 of the newest images\n")
            .says(&format!(
                "INFO:   goes   build-1  2026-02-01  {}\n",
                &build(1).digest()[..19]
            ))
            .says(&format!("✔ prune: 3 of 6 tags of `{host}/shop/api` would go, about "))
            .says("; this was a dry run: to delete them, set `DRY_RUN: 'false'` (")
            .says(" s, built-in credential)\n");
        assert_eq!(emulator.tags("shop/api").len(), 6);
        assert_eq!(deletions(&emulator), [""; 0]);
        assert!(emulator.token_calls().iter().all(|call| !call.contains("delete")));
        assert_eq!(
            told(outcome.report.as_ref()),
            [
                "build-1 to-delete",
                "build-2 to-delete",
                "build-3 to-delete",
                "latest kept: the newest image",
                "build-5 kept: the newest image",
                "build-4 kept: number 2 of the newest images",
            ]
        );
        let env = outcome.file("out.env").unwrap();
        assert_eq!(env, "CRG_PIPE_TAGS='build-1 build-2 build-3'\nCRG_PIPE_COUNT='1'\n");
    }
}

#[test]
fn tags_are_deleted_by_name_where_the_registry_knows_that() {
    let emulator = shop_of(Setup::shop());
    let host = emulator.host().to_owned();
    let outcome = prune(&emulator, "api")
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .says(&format!(
            "INFO: deleting 3 of 6 tags of `{host}/shop/api`, with the built-in credential\n"
        ))
        .says(&format!("INFO: [1/3] `{host}/shop/api:build-1` deleted\n"))
        .says("INFO: [3/3] ")
        .says(&format!("✔ prune: 3 of 6 tags of `{host}/shop/api` deleted, about "));
    assert_eq!(emulator.tags("shop/api"), ["build-4", "build-5", "latest"]);
    let mut deleted = deletions(&emulator);
    deleted.sort();
    assert_eq!(
        deleted,
        [1, 2, 3].map(|number| format!("DELETE /v2/shop/api/manifests/build-{number} 202"))
    );
    assert!(emulator.token_calls()[0].contains("pull%2Cdelete") || emulator.token_calls()[0].contains("pull,delete"));
    assert!(told(outcome.report.as_ref()).contains(&"build-2 deleted".to_owned()));
    // A second run has nothing to do.
    emulator.forget_requests();
    prune(&emulator, "api")
        .run()
        .succeeds()
        .says(&format!("✔ prune: all 3 tags of `{host}/shop/api` stay ("));
    assert_eq!(deletions(&emulator), [""; 0]);
}

#[test]
fn images_are_deleted_by_digest_where_the_registry_knows_no_more() {
    for status in [400, 405] {
        let emulator = shop_of(deleting(Deletes::Digests(status)));
        // Two tags of one image that goes, and one of an image that stays though its tag is old.
        emulator.put_image("shop/api", "same-as-1", &build(1));
        emulator.put_image("shop/api", "stable", &build(2));
        let outcome = prune(&emulator, "api")
            .var("KEEP_TAGS", "stable")
            .var("REPORT", "report.json")
            .run()
            .succeeds()
            .says("does not delete a tag by its name: images are deleted by their digests, with all their tags\n")
            .says("INFO: [3/3] ");
        assert_eq!(
            emulator.tags("shop/api"),
            ["build-2", "build-4", "build-5", "latest", "stable"]
        );
        let digests = [build(1), build(3)].map(|image| format!("DELETE /v2/shop/api/manifests/{} 202", image.digest()));
        let mut deleted = deletions(&emulator);
        let first = deleted.remove(0);
        assert!(first.ends_with(&format!(" {status}")), "{first}");
        deleted.sort();
        let mut digests = digests.to_vec();
        digests.sort();
        assert_eq!(deleted, digests);
        assert!(told(outcome.report.as_ref()).contains(&"build-2 kept: the same image as `stable`".to_owned()));
    }
}

#[test]
fn a_registry_that_deletes_nothing_is_told_with_what_would_go() {
    let emulator = shop_of(deleting(Deletes::Nothing));
    let outcome = prune(&emulator, "api")
        .var("REPORT", "report.json")
        .run()
        .fails(5)
        .says("refused deleting `shop/api@sha256:")
        .says("405 UNSUPPORTED")
        .says("these would go: `build-1`, `build-2`, `build-3`\n")
        .says("✖ prune: nothing was changed (exit status 5: refused)");
    assert_eq!(emulator.tags("shop/api").len(), 6);
    assert_eq!(deletions(&emulator).len(), 2);
    assert_eq!(outcome.report.as_ref().unwrap()["error"]["kind"], "refused");
}

#[test]
fn immutable_tags_are_left_and_said() {
    let emulator = shop_of(Setup::shop().immutable("^build-2$"));
    let outcome = prune(&emulator, "api")
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .says("left alone: `")
        .says("/shop/api:build-2`: the registry says that it is immutable (")
        .says("2 of 6 tags of ")
        .says("; 1 left alone (");
    assert_eq!(emulator.tags("shop/api"), ["build-2", "build-4", "build-5", "latest"]);
    assert!(
        told(outcome.report.as_ref())
            .iter()
            .any(|row| row.starts_with("build-2 skipped: the registry says"))
    );
    // By digest the same: with its image all its tags stay.
    let by_digest = shop_of(deleting(Deletes::Digests(405)).immutable("^build-2$"));
    prune(&by_digest, "api").run().succeeds().says("; 1 left alone (");
    assert_eq!(by_digest.tags("shop/api"), ["build-2", "build-4", "build-5", "latest"]);
}

#[test]
fn patterns_and_ages_choose() {
    for (images, variables, goes) in [
        (
            "api:build-*",
            vec![("KEEP", "2")],
            vec!["build-1", "build-2", "build-3"],
        ),
        ("api:build-1", vec![("KEEP", "1")], vec![]),
        (
            "api",
            vec![("KEEP", "1"), ("KEEP_TAGS", "build-1 *-3")],
            vec!["build-2", "build-4"],
        ),
        (
            "api",
            vec![("OLDER_THAN", "1h")],
            vec!["build-1", "build-2", "build-3", "build-4", "build-5", "latest"],
        ),
        ("api", vec![("OLDER_THAN", "36500d")], vec![]),
        ("api", vec![("KEEP", "4"), ("OLDER_THAN", "1d")], vec!["build-1"]),
    ] {
        let emulator = shop_of(Setup::shop());
        let pipe = prune(&emulator, images).unset("KEEP");
        let pipe = variables.iter().fold(pipe, |pipe, (name, value)| pipe.var(name, value));
        pipe.run().succeeds();
        let left = emulator.tags("shop/api");
        for tag in ["build-1", "build-2", "build-3", "build-4", "build-5", "latest"] {
            let stays = left.iter().any(|left| left == tag);
            assert_eq!(stays, !goes.contains(&tag), "{images} {variables:?}: {tag}");
        }
    }
}

/// A pattern that is misspelt keeps nothing, or lets nothing go; and an age alone may let everything go.
#[test]
fn patterns_that_nothing_fits_and_packages_that_lose_all_are_told() {
    let emulator = shop_of(Setup::shop());
    emulator.put_image("shop/web", "v1", &build(1));
    let host = emulator.host().to_owned();
    let dry = |images: &str, keep_tags: &str| {
        prune(&emulator, images)
            .unset("DRY_RUN")
            .var("KEEP_TAGS", keep_tags)
            .run()
            .succeeds()
    };
    dry("api:biuld-* web", "v* lastest")
        .says(&format!(
            "WARNING: no tag of `{host}/shop/api` fits `biuld-*` of `IMAGES`\n"
        ))
        .says("WARNING: no tag fits `lastest` of `KEEP_TAGS`: it keeps nothing\n")
        // Of several packages one may have such tags, and another not.
        .never_says("fits `v*`");
    dry("api:build-* api:latest", "latest").never_says("WARNING: no tag");
    prune(&shop_of(Setup::shop()), "web:v*")
        .var("KEEP_TAGS", "v*")
        .run()
        .succeeds()
        .never_says("WARNING: no tag");
    prune(&emulator, "api")
        .unset("DRY_RUN")
        .unset("KEEP")
        .var("OLDER_THAN", "1h")
        .run()
        .succeeds()
        .says(&format!(
            "WARNING: no tag of `{host}/shop/api` stays: to keep the newest"
        ));
}

#[test]
fn what_the_clone_names_stays() {
    let emulator = shop_of(Setup::shop());
    let host = emulator.host().to_owned();
    prune(&emulator, "api")
        .file("Dockerfile", format!("FROM {host}/shop/api:build-1\n"))
        .file(
            "bitbucket-pipelines.yml",
            format!("image: x\n# {host}/shop/api@{}\n", build(2).digest()),
        )
        .file(
            "compose.yml",
            format!("services:\n  api:\n    build: .\n    image: {host}/shop/api:build-3\n"),
        )
        .run()
        .succeeds()
        .says("INFO:   stays  build-1  2026-02-01  named in Dockerfile:1\n")
        .says("INFO:   stays  build-2  2026-02-02  named in bitbucket-pipelines.yml:2\n")
        .says("INFO:   stays  build-3  2026-02-03  named in compose.yml:4\n");
    assert_eq!(
        emulator.tags("shop/api"),
        ["build-1", "build-2", "build-3", "build-4", "build-5", "latest"]
    );
}

#[test]
fn several_packages_are_planned_before_the_first_is_touched() {
    let emulator = shop_of(Setup::shop());
    emulator.put_image("shop/web", "1", &build(1));
    emulator.put_image("shop/web", "2", &build(2));
    prune(&emulator, "web api")
        .var("KEEP", "1")
        .run()
        .succeeds()
        .says("INFO: deleting 5 of 8 tags of 2 packages, with the built-in credential\n")
        .says("✔ prune: 5 of 8 tags of 2 packages deleted, about ");
    assert_eq!(emulator.tags("shop/web"), ["2"]);
    // One that cannot be read keeps the others.
    prune(&emulator, "web unknown")
        .var("OLDER_THAN", "1h")
        .unset("KEEP")
        .run()
        .fails(4)
        .says("unknown does not exist in this workspace");
    assert_eq!(emulator.tags("shop/web"), ["2"]);
}

#[test]
fn nothing_is_tried_with_a_persons_token_because_the_steps_may_not_delete() {
    let emulator = shop_of(Setup::shop().built_in_only_reads());
    prune(&emulator, "api")
        .api_token()
        .run()
        .fails(5)
        .says("INFO:   goes   build-1")
        .says("grants no `delete` on `shop/api`")
        .says("`CREDENTIAL: api-token`");
    assert_eq!((emulator.tags("shop/api").len(), deletions(&emulator).len()), (6, 0));
    // What the step cannot read, the person may delete.
    emulator.put_image("shop/base", "1", &build(1));
    emulator.put_image("shop/base", "2", &build(2));
    prune(&emulator, "base")
        .var("KEEP", "1")
        .api_token()
        .run()
        .succeeds()
        .says("API token)");
    assert_eq!(emulator.tags("shop/base"), ["2"]);
}

#[test]
fn a_role_that_is_missing_ends_the_run_after_few_refusals() {
    let bob = User::new("bob@example.com", &api_token("bob"))
        .package_scopes()
        .role("shop/api", Role::Write);
    let emulator = shop_of(Setup::shop().user(bob).with(|settings| settings.page_limit = 7));
    for number in 6..30 {
        emulator.put_image(
            "shop/api",
            &format!("old-{number}"),
            &made(&format!("old {number}"), "01-01"),
        );
    }
    emulator.script(
        on("DELETE", "/manifests/"),
        100,
        Answer::error(403, "DENIED", "requested access to the resource is denied"),
    );
    prune(&emulator, "api")
        .var("RETRIES", "0")
        .run()
        .fails(5)
        .says("403 DENIED")
        .says("your workspace may have a rule that makes tags like this immutable")
        .says("nothing was changed");
    assert_eq!(emulator.tags("shop/api").len(), 30);
    assert_eq!(deletions(&emulator).len(), 5);
}
