//! What changes, breaks off or lies between the plan and a deletion: nothing that stays is lost by it.

use super::{build, deleting, deletions, made, shop_of, told};
use crate::support::emulator::{Answer, Deletes, Emulator, Fault, Setup, on};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Running;
use crate::support::shop::prune;
use serde_json::json;
use std::time::{Duration, Instant};

/// The next deletion is put off by a second.
fn put_off(emulator: &Emulator, path: &str) {
    let busy = Answer::new(503).header("Retry-After", "1");
    emulator.script(on("DELETE", path), 1, busy);
}

/// A run that waits before it asks for its first deletion again.
fn put_off_run(emulator: &Emulator) -> Running<'_> {
    put_off(emulator, "/manifests/build-1");
    let pipe = prune(emulator, "api").var("RETRIES", "2");
    pipe.start().until("trying again in")
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_tag_that_moves_is_left_alone() {
    for deletes in [Deletes::Tags, Deletes::Digests(405)] {
        let emulator = shop_of(deleting(deletes));
        put_off(&emulator, "/manifests/build-1");
        let running = prune(&emulator, "api")
            .var("RETRIES", "2")
            .var("REPORT", "report.json")
            .start();
        let running = running.until("trying again in");
        emulator.put_image("shop/api", "build-1", &made("pushed meanwhile", "03-01"));
        let outcome = running
            .wait()
            .succeeds()
            .says("/shop/api:build-1`: it points to another image now, ");
        assert_eq!(
            emulator.tag("shop/api", "build-1"),
            Some(made("pushed meanwhile", "03-01").digest()),
            "{deletes:?}"
        );
        assert_eq!(emulator.tags("shop/api"), ["build-1", "build-4", "build-5", "latest"]);
        assert!(
            told(outcome.report.as_ref())
                .iter()
                .any(|row| row.starts_with("build-1 skipped: it points to"))
        );
    }
}

#[test]
fn a_tag_that_comes_to_an_image_keeps_it_where_only_images_can_be_deleted() {
    let index = || Image::index(vec![build(3), made("arm64", "02-03")]);
    let emulator = shop_of(deleting(Deletes::Digests(405)));
    let running = put_off_run(&emulator);
    // A rollback, and a new index over an old image.
    emulator.put_image("shop/api", "latest", &build(2));
    emulator.put_image("shop/api", "multi", &index());
    running
        .wait()
        .succeeds()
        .says("/shop/api:build-2`: the same image as `latest`")
        .says("/shop/api:build-3`: part of the multi-platform image `multi`")
        .says("✔ prune: 1 of 6 tags of ")
        .says("; 2 left alone (");
    assert_eq!(
        emulator.tags("shop/api"),
        ["build-2", "build-3", "build-4", "build-5", "latest", "multi"]
    );
    assert!(emulator.manifest("shop/api", &build(3).digest()).is_some());
}

#[test]
fn a_tag_that_goes_and_moves_to_another_image_that_goes_keeps_it() {
    let emulator = shop_of(deleting(Deletes::Digests(405)));
    let running = put_off_run(&emulator);
    emulator.put_image("shop/api", "build-3", &build(2));
    running
        .wait()
        .succeeds()
        .says("/shop/api:build-2`: the same image as `build-3`")
        .says("/shop/api:build-3`: it points to another image now, ")
        .says("✔ prune: 1 of 6 tags of ");
    assert_eq!(
        emulator.tags("shop/api"),
        ["build-2", "build-3", "build-4", "build-5", "latest"]
    );
    assert!(emulator.manifest("shop/api", &build(2).digest()).is_some());
}

#[test]
fn tags_that_are_listed_and_not_there_keep_images_whole() {
    let ghost = |deletes| {
        let emulator = shop_of(deleting(deletes));
        emulator.settings(|settings| settings.ghosts = vec!["ghost".to_owned()]);
        emulator
    };
    // By its name a tag takes nothing else along.
    let emulator = ghost(Deletes::Tags);
    let outcome = prune(&emulator, "api")
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .says("lists 1 tag that is not there: `ghost`");
    assert_eq!(emulator.tags("shop/api"), ["build-4", "build-5", "latest"]);
    assert!(told(outcome.report.as_ref()).contains(&"ghost skipped: it is listed, but not there".to_owned()));
    // Which image it is of is not known.
    let emulator = ghost(Deletes::Digests(405));
    prune(&emulator, "api")
        .run()
        .fails(1)
        .says("lists tags of which it is not known which image they are");
    assert_eq!(emulator.tags("shop/api").len(), 6);
    assert_eq!(deletions(&emulator).len(), 1);
}

/// Where they point cannot be asked, and each may be a name of an image that goes.
#[test]
fn texts_that_are_listed_and_are_not_tags_keep_images_whole() {
    let odd = |deletes| {
        let emulator = shop_of(deleting(deletes));
        emulator.settings(|settings| settings.ghosts = vec!["v1+meta".to_owned(), "a/b".to_owned()]);
        emulator
    };
    let emulator = odd(Deletes::Tags);
    prune(&emulator, "api")
        .run()
        .succeeds()
        .says("/shop/api` is not whole: it lists `a/b`, which is not a tag\n")
        .says("/shop/api` is not whole: it lists `v1+meta`, which is not a tag\n");
    assert_eq!(emulator.tags("shop/api"), ["build-4", "build-5", "latest"]);
    let emulator = odd(Deletes::Digests(405));
    prune(&emulator, "api")
        .run()
        .fails(1)
        .says("lists tags of which it is not known which image they are");
    assert_eq!((emulator.tags("shop/api").len(), deletions(&emulator).len()), (6, 1));
}

#[test]
fn a_list_that_does_not_end_or_is_none_deletes_nothing() {
    let emulator = shop_of(Setup::shop().with(|settings| {
        settings.page_limit = 2;
        settings.page_links = vec!["</v2/shop/api/tags/list?n=2>; rel=\"next\"".to_owned()];
    }));
    prune(&emulator, "api")
        .run()
        .fails(1)
        .says("a page that names itself as the next one");
    for answer in [
        Answer::new(200).body("<html>sign in</html>"),
        Answer::new(200).json(&json!({ "name": "shop/api" })),
        Answer::new(200).json(&json!({ "name": "shop/api", "tags": [7] })),
    ] {
        let emulator = shop_of(Setup::shop());
        emulator.script(on("GET", "/tags/list"), 9, answer);
        prune(&emulator, "api").run().fails(1);
        assert_eq!(deletions(&emulator), [""; 0]);
    }
    // What cannot be read of one image keeps all.
    let emulator = shop_of(Setup::shop());
    emulator.script(on("GET", "/manifests/build-5").signed_in(), 9, Answer::new(500));
    prune(&emulator, "api").run().fails(6);
    let emulator = shop_of(Setup::shop());
    emulator.script(
        on("GET", &format!("/blobs/{}", build(4).config_digest())),
        9,
        Answer::new(200).body("{}"),
    );
    prune(&emulator, "api").run().fails(1);
    assert_eq!((emulator.tags("shop/api").len(), deletions(&emulator).len()), (6, 0));
}

#[test]
fn what_a_registry_claims_is_looked_at() {
    let emulator = shop_of(deleting(Deletes::Claims));
    prune(&emulator, "api")
        .run()
        .fails(1)
        .says("answered that it deleted `shop/api:build-1`, and still has it")
        .says("nothing was changed");
    // A page in the place of an answer did nothing.
    let emulator = shop_of(Setup::shop());
    emulator.script(on("DELETE", "/manifests/"), 99, Answer::new(200).body("<html>"));
    prune(&emulator, "api").run().fails(5).says("nothing was changed");
    assert_eq!(emulator.tags("shop/api").len(), 6);
}

#[test]
fn a_signal_leaves_whole_deletions_and_the_report_names_them() {
    let emulator = shop_of(Setup::shop());
    emulator.script(on("DELETE", "/manifests/build-2"), 1, Fault::Silence);
    let running = prune(&emulator, "api").var("REPORT", "report.json").start();
    let running = running.until("build-3` deleted");
    until("the deletion", || emulator.unmet() == 0);
    let host = emulator.host().to_owned();
    let outcome = running.signal("TERM").wait().fails(143);
    assert_eq!(
        outcome.last_line(),
        format!(
            "✖ prune: stopped by SIGTERM, only `{host}/shop/api:build-1`, `{host}/shop/api:build-3` were done (exit status 143)"
        )
    );
    assert_eq!(
        told(outcome.report.as_ref())[..3],
        ["build-1 deleted", "build-2 deleting", "build-3 deleted"]
    );
    assert_eq!(emulator.tags("shop/api"), ["build-2", "build-4", "build-5", "latest"]);
    // The next run does the rest.
    prune(&emulator, "api").run().succeeds().says("1 of 4 tags of ");
}

#[test]
fn an_index_goes_before_its_parts_and_a_signature_before_its_image() {
    let index = Image::index(vec![build(1), build(2)]);
    let signature = format!("{}.sig", build(3).digest().replace(':', "-"));
    let stock = |emulator: &Emulator| {
        emulator.put_image("shop/api", "multi", &index);
        emulator.put_image("shop/api", &signature, &Image::small("signature"));
        emulator.put_image(
            "shop/api",
            "sbom",
            &Image::referrer_of(&build(4), "application/spdx+json"),
        );
    };
    let emulator = shop_of(deleting(Deletes::Digests(405)));
    stock(&emulator);
    // The index cannot be deleted: so its parts stay.
    emulator.script(
        on("DELETE", &index.digest()),
        9,
        Answer::error(409, "CONFLICT", "not now"),
    );
    prune(&emulator, "api")
        .run()
        .fails(5)
        .says("/shop/api:build-1`: part of the multi-platform image `multi`");
    assert_eq!(
        emulator.tags("shop/api"),
        ["build-1", "build-2", "build-4", "build-5", "latest", "multi", "sbom"],
        "the signature and its image are gone, and the SBOM of an image that stays is there"
    );
    emulator.forget_script();
    emulator.forget_requests();
    prune(&emulator, "api").run().succeeds();
    assert_eq!(emulator.tags("shop/api"), ["build-4", "build-5", "latest", "sbom"]);
    let order = deletions(&emulator);
    let at = |digest: String| order.iter().position(|line| line.contains(&digest)).unwrap();
    assert!(
        at(index.digest()) < at(build(1).digest()).min(at(build(2).digest())),
        "{order:?}"
    );
}

#[test]
fn what_has_no_usable_date_stays_and_is_listed() {
    let emulator = shop_of(Setup::shop());
    for (tag, created, why) in [
        ("null", json!(null), "its image has no usable date"),
        ("text", json!("yesterday"), "its image has no usable date"),
        ("number", json!(7), "its image has no usable date"),
        ("epoch", json!("1970-01-01T00:00:00Z"), "its image has no usable date"),
        ("zero", json!("0001-01-01T00:00:00Z"), "its image has no usable date"),
        (
            "ahead",
            json!("2999-01-01T00:00:00Z"),
            "the date of its image is in the future",
        ),
    ] {
        emulator.put_image("shop/api", tag, &ImageBuilder::new(tag).created(created).build());
        let outcome = prune(&emulator, "api").var("REPORT", "report.json").run().succeeds();
        assert!(
            told(outcome.report.as_ref()).contains(&format!("{tag} kept: {why}")),
            "{tag}: {}",
            outcome.plain()
        );
    }
    assert_eq!(emulator.tags("shop/api").len(), 3 + 6);
}

#[test]
fn thousands_of_tags_make_a_short_table_and_a_whole_report() {
    let emulator = Emulator::start(Setup::shop());
    for number in 1..=1500 {
        let day = format!("{:02}-{:02}", 1 + number / 28 % 6, 1 + number % 28);
        emulator.put_image(
            "shop/api",
            &format!("build-{number}"),
            &made(&format!("{}", number / 3), &day),
        );
    }
    let outcome = prune(&emulator, "api")
        .var("KEEP", "600")
        .unset("DRY_RUN")
        .var("CONCURRENCY", "32")
        .var("REPORT", "report.json")
        .patience(60)
        .run()
        .succeeds()
        .says("INFO:   stays  … and ")
        .says(" more: of the newest images\n")
        .says(" more (`REPORT` lists all)\n");
    let lines = outcome.plain().lines().count();
    assert!(lines < 80, "{lines} lines");
    assert_eq!(told(outcome.report.as_ref()).len(), 1500);
    assert!(outcome.last_line().chars().count() < 200, "{}", outcome.last_line());
}

/// A run that is killed at any moment leaves each tag that is there whole, and the next run does the rest.
#[test]
fn whenever_it_is_killed_what_is_left_is_whole() {
    let index = Image::index(vec![build(1), build(2), build(3)]);
    let whole = |emulator: &Emulator| {
        for tag in emulator.tags("shop/api") {
            let manifest = emulator
                .manifest("shop/api", &tag)
                .unwrap_or_else(|| panic!("{tag} leads nowhere"));
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
            for part in manifest["manifests"].as_array().into_iter().flatten() {
                let digest = part["digest"].as_str().unwrap();
                assert!(
                    emulator.manifest("shop/api", digest).is_some(),
                    "{tag} has lost {digest}"
                );
            }
        }
    };
    for deletes in [Deletes::Tags, Deletes::Digests(405)] {
        for requests in 0..12 {
            let emulator = shop_of(deleting(deletes));
            emulator.put_image("shop/api", "multi", &index);
            emulator.put_image("shop/api", "kept", &Image::index(vec![made("kept", "01-01"), build(4)]));
            let running = prune(&emulator, "api").var("KEEP_TAGS", "kept").start();
            // So many requests after the first deletion was asked for.
            let after = || {
                let lines = emulator.requests();
                let first = lines.iter().position(|line| line.starts_with("DELETE"));
                first.map_or(0, |first| lines.len() - first)
            };
            until("the deletions", || after() > requests);
            running.signal("KILL").wait();
            whole(&emulator);
            prune(&emulator, "api").var("KEEP_TAGS", "kept").run().succeeds();
            assert_eq!(
                emulator.tags("shop/api"),
                ["build-4", "build-5", "kept", "latest"],
                "{deletes:?}, killed after {requests} requests"
            );
            whole(&emulator);
        }
    }
}
