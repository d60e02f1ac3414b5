//! `copy` of many images: lists, patterns, shares of parallel steps, and what is told of them.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;

fn start(setup: Setup) -> Emulator {
    let emulator = Emulator::start(setup);
    emulator.put_image("shop/base", "1", &ImageBuilder::new("base").layers(8, 2000).build());
    emulator
}

fn copy(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("ACTION", "copy")
}

#[test]
fn many_images_with_targets_patterns_and_shares() {
    let emulator = start(Setup::shop());
    for tag in ["20", "20-alpine", "20.1", "18"] {
        emulator.put_image("shop/base", tag, &Image::small(tag));
    }
    emulator.settings(|settings| settings.page_limit = 2);
    let pipe = || copy(&emulator);
    pipe()
        .list("IMAGES", &["base:20*=web", "base:1=api:one"])
        .run()
        .succeeds()
        .says("4 images copied");
    assert_eq!(emulator.tags("shop/web"), ["20", "20-alpine", "20.1"]);
    assert_eq!(emulator.tag("shop/api", "one"), emulator.tag("shop/base", "1"));
    pipe()
        .list("IMAGES", &["base:7*=web"])
        .run()
        .fails(4)
        .says("no tag of `localhost:")
        .says("fits `7*`");
    // The tags of a package that the built-in credential does not reach are listed with the API token.
    pipe().built_in().list("IMAGES", &["base:18*=api"]).run().succeeds();
    assert_eq!(emulator.tags("shop/api"), ["18", "one"]);

    let other = Emulator::start(Setup::shop());
    for step in ["0", "1"] {
        copy(&other)
            .list("IMAGES", &[&format!("{}/shop/base:*", emulator.host())])
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .var("SOURCE_PASSWORD", &Setup::api_token())
            .var("SHARD", "true")
            .env("BITBUCKET_PARALLEL_STEP", step)
            .env("BITBUCKET_PARALLEL_STEP_COUNT", "2")
            .run()
            .succeeds()
            .says("of 2 takes");
    }
    assert_eq!(other.tags("shop/base"), emulator.tags("shop/base"));
}

#[test]
fn an_image_named_twice_is_copied_once_and_a_target_is_for_one_image() {
    let emulator = start(Setup::shop());
    for tag in ["20", "20.1"] {
        emulator.put_image("shop/base", tag, &Image::small(tag));
    }
    let pipe = |images: &[&str]| copy(&emulator).list("IMAGES", images).run();
    pipe(&["base:20*=web", "base:20.1=web", "base:20.1=web:20.1"])
        .succeeds()
        .says("2 images copied");
    // Which of two images a tag points to in the end would be chance.
    for (images, two) in [
        (
            ["base:1=api:x", "base:20=api:x"],
            "both `{}/shop/base:1` and `{}/shop/base:20` go to `{}/shop/api:x`",
        ),
        (
            ["base:1=api:20", "base:*=api"],
            "both `{}/shop/base:1` and `{}/shop/base:20` go to `{}/shop/api:20`",
        ),
    ] {
        pipe(&images).fails(2).says(&two.replace("{}", emulator.host()));
        assert_eq!(emulator.tags("shop/api"), [] as [&str; 0]);
    }
}

#[test]
fn the_last_line_tells_what_was_copied_from_what_was_not() {
    let emulator = start(Setup::shop());
    for tag in ["20", "21"] {
        emulator.put_image("shop/base", tag, &Image::small(tag));
    }
    let pipe = |images: &str| {
        copy(&emulator)
            .var("IMAGES", images)
            .var("ON_EXISTING", "skip")
            .run()
            .succeeds()
    };
    pipe("base:20=web:1").says("copy: `");
    pipe("base:20=web:1 base:20=web:2 base:21=web:3").says("copy: 3 images: 2 copied, 1 unchanged (");
    pipe("base:20=web:1 base:20=web:2").says("copy: 2 images unchanged (");
    pipe("base:21=web:1 base:20=web:2").says("copy: 2 images: 1 unchanged, 1 left alone (");
}

#[test]
fn a_broken_image_is_named_and_does_not_keep_the_others() {
    let emulator = start(Setup::shop().with(|settings| settings.mounts = false));
    let tags: Vec<String> = (1..=12).map(|number| format!("t{number:02}")).collect();
    for tag in &tags {
        emulator.put_image("shop/base", tag, &ImageBuilder::new(tag).layers(1, 500).build());
    }
    let broken = ImageBuilder::new("t05").layers(1, 500).build();
    emulator.lose_blob("shop/base", &broken.config_digest());
    let source = format!("{}/shop/base", emulator.host());
    let pipe = || copy(&emulator).var("IMAGES", "base:t*=web").run().fails(4);
    let failed = format!("] failed: `{source}:t05` → `{}/shop/web`", emulator.host());
    let last = pipe().says(&failed).last_line();
    assert!(last.starts_with("✖ copy: 1 of 12 failed, only `"), "{last}");
    let web = format!("{}/shop/web", emulator.host());
    let names = format!("only `{web}:t01`, `{web}:t02` and 9 more were done (exit");
    assert!(last.contains(&names), "{last}");
    assert_eq!(emulator.tags("shop/web").len(), 11);
    // All else is there: what is begun names it.
    let begun = format!(
        "copying `{source}:t05` to `{}/shop/web`, 899 B; 11 unchanged",
        emulator.host()
    );
    let last = pipe().says(&begun).last_line();
    assert!(
        last.starts_with("✖ copy: 1 of 12 failed, nothing was changed (exit"),
        "{last}"
    );
}

#[test]
fn shares_are_whole_where_a_registry_lists_tags_in_any_order() {
    let emulator = start(Setup::shop());
    for tag in ["t1", "t2", "t3", "t4"] {
        emulator.put_image("shop/base", tag, &Image::small(tag));
    }
    for (step, listed) in [("0", ["t1", "t2", "t3", "t4"]), ("1", ["t2", "t1", "t4", "t3"])] {
        let tags = serde_json::json!({ "name": "shop/base", "tags": listed });
        emulator.script(on("GET", "/tags/list").signed_in(), 1, Answer::new(200).json(&tags));
        copy(&emulator)
            .var("IMAGES", "base:t*=web")
            .var("SHARD", "true")
            .env("BITBUCKET_PARALLEL_STEP", step)
            .env("BITBUCKET_PARALLEL_STEP_COUNT", "2")
            .run()
            .succeeds()
            .says("2 images copied");
    }
    assert_eq!(emulator.tags("shop/web"), ["t1", "t2", "t3", "t4"]);
}

/// gcr holds a lock while it reads a body: a copy within it would wait for its own source for ever.
#[test]
fn a_source_is_open_before_its_target_is_asked_to_read() {
    let (from, to) = (start(Setup::shop()), Emulator::start(Setup::shop()));
    copy(&to)
        .var("SOURCE", &format!("{}/shop/base:1", from.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("TARGET", "web:1")
        .run()
        .succeeds();
    let mut seen = 0;
    for put in to
        .journal()
        .iter()
        .filter(|entry| entry.method == "PUT" && entry.path.contains("/blobs/"))
    {
        let (_, digest) = put.path.split_once("digest=").unwrap();
        let digest = digest.replace("%3A", ":");
        let read = from.journal();
        let read = read
            .iter()
            .find(|entry| entry.method == "GET" && entry.path.ends_with(&digest) && entry.status == 200);
        assert!(read.is_some_and(|read| read.at < put.at), "{digest}: {put:#?}");
        seen += 1;
    }
    assert_eq!(seen, 9, "each blob was written");
}
