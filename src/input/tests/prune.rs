//! What `prune` takes from its variables, and what it refuses before anything is read.

use super::*;

fn pruned(pairs: &[(&str, &str)]) -> Prune {
    match good(&[&[("ACTION", "prune")], pairs].concat()).action {
        Action::Prune(prune) => prune,
        other => panic!("{other:?}"),
    }
}

fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
    bad(&[&[("ACTION", "prune")], pairs].concat())
}

/// `package`, or `package:pattern pattern`.
fn packages(images: &str) -> Vec<String> {
    let prune = pruned(&[("IMAGES", images), ("KEEP", "1")]);
    let named = prune.packages.iter().map(|package| {
        let patterns: Vec<&str> = package.selected.iter().map(Pattern::as_str).collect();
        format!("{} {}", package.repository, patterns.join(" "))
            .trim_end()
            .to_owned()
    });
    named.collect()
}

#[test]
fn images_name_packages_with_or_without_patterns() {
    for (images, named) in [
        ("api", vec!["crg.apkg.io/shop/api"]),
        ("api shop/api crg.apkg.io/shop/api", vec!["crg.apkg.io/shop/api"]),
        ("api team/api", vec!["crg.apkg.io/shop/api", "crg.apkg.io/team/api"]),
        ("api:build-*", vec!["crg.apkg.io/shop/api build-*"]),
        (
            "api:build-* api:pr-?,web",
            vec!["crg.apkg.io/shop/api build-* pr-?", "crg.apkg.io/shop/web"],
        ),
        ("api:build-7", vec!["crg.apkg.io/shop/api build-7"]),
        // All tags, however that is written.
        ("api:* api", vec!["crg.apkg.io/shop/api"]),
        ("api:**", vec!["crg.apkg.io/shop/api"]),
    ] {
        assert_eq!(packages(images), named, "{images}");
    }
    let digest = format!("api@sha256:{}", "a".repeat(64));
    for (images, problem) in [
        ("", "`IMAGES`: `prune` needs the packages to look through"),
        (&*digest, "it names one image by its digest, and `prune` deletes tags"),
        (
            "docker.io/node",
            "it is on `docker.io`, but `REGISTRY` is `crg.apkg.io`",
        ),
        (
            "api api:build-*",
            "`api` is named twice, with all of its tags and with some of them",
        ),
        (
            "api:build-* api",
            "`api` is named twice, with all of its tags and with some of them",
        ),
        (
            "ap*",
            "`IMAGES` is `ap*`: a pattern is for tags, and this one is in the package's name",
        ),
        (
            "*:build-1",
            "a pattern is for tags, and this one is in the package's name",
        ),
        (
            "shop/?pi:v*",
            "a pattern is for tags, and this one is in the package's name",
        ),
        ("api:", "`IMAGES` is `api:`: "),
        ("api:[ab]", "`IMAGES` is `api:[ab]`: "),
        ("api:a=b", "`IMAGES` is `api:a=b`: "),
    ] {
        let told = mistakes(&[("IMAGES", images), ("KEEP", "1")]);
        assert!(told.len() == 1 && told[0].contains(problem), "{images}: {told:?}");
    }
}

#[test]
fn something_must_stay() {
    let needs = "`KEEP`: `prune` needs to know what stays, and neither `KEEP` nor `OLDER_THAN` is set";
    assert!(mistakes(&[("IMAGES", "api")])[0].starts_with(needs));
    assert!(mistakes(&[("IMAGES", "api"), ("KEEP_TAGS", "v*")])[0].starts_with(needs));
    let prune = pruned(&[("IMAGES", "api"), ("OLDER_THAN", "30d"), ("KEEP_TAGS", "v*, latest v*")]);
    assert_eq!((prune.keep, prune.dry_run), (None, true));
    assert_eq!(prune.older_than, Some(time::Duration::days(30)));
    let kept: Vec<&str> = prune.keep_tags.iter().map(Pattern::as_str).collect();
    assert_eq!(kept, ["v*", "latest"]);
    let listed = pruned(&[
        ("IMAGES", "api"),
        ("KEEP", " 20 "),
        ("KEEP_TAGS_COUNT", "2"),
        ("KEEP_TAGS_0", "v*"),
        ("KEEP_TAGS_1", "latest"),
    ]);
    assert_eq!((listed.keep.map(usize::from), listed.keep_tags.len()), (Some(20), 2));
    for (keep, problem) in [
        ("0", "`KEEP` is `0`: it would keep no image at all"),
        ("00", "it would keep no image at all"),
        ("-1", "it is not a number of images"),
        ("20.5", "it is not a number of images"),
        ("all", "it is not a number of images"),
        ("9999999", "it is not a number of images"),
        ("99999999999999999999999", "it is not a number of images"),
    ] {
        let told = mistakes(&[("IMAGES", "api"), ("KEEP", keep)]);
        assert!(told.len() == 1 && told[0].contains(problem), "{keep}: {told:?}");
    }
}

#[test]
fn ages_have_a_unit() {
    for (age, hours) in [
        ("12h", 12),
        (" 30d ", 720),
        ("8w", 1344),
        ("1h", 1),
        ("36500d", 876_000),
        ("007d", 168),
    ] {
        let prune = pruned(&[("IMAGES", "api"), ("OLDER_THAN", age)]);
        assert_eq!(prune.older_than, Some(time::Duration::hours(hours)), "{age}");
    }
    for (age, problem) in [
        ("0d", "every image is older than that"),
        ("0h", "every image is older than that"),
        ("30", "it is not an age"),
        ("d", "it is not an age"),
        ("-3d", "it is not an age"),
        ("1.5d", "it is not an age"),
        ("30 days", "it is not an age"),
        ("3m", "it is not an age"),
        ("36501d", "it is not an age"),
        ("99999999999999999999d", "it is not an age"),
        ("9223372036854775807w", "it is not an age"),
        ("2999-01-01", "it is not an age"),
        ("é", "it is not an age"),
    ] {
        let told = mistakes(&[("IMAGES", "api"), ("OLDER_THAN", age)]);
        assert!(told.len() == 1 && told[0].contains(problem), "{age}: {told:?}");
    }
}

#[test]
fn patterns_that_fit_every_tag_are_refused() {
    for pattern in ["*", "**", "?*", "*?", "*?*"] {
        let told = mistakes(&[("IMAGES", "api"), ("KEEP", "1"), ("KEEP_TAGS", pattern)]);
        let problem = format!("`KEEP_TAGS` is `{pattern}`: every tag fits it, so nothing could ever go");
        assert!(told.len() == 1 && told[0].starts_with(&problem), "{told:?}");
    }
    for pattern in ["??*", "?", "v*", "*-rc"] {
        pruned(&[("IMAGES", "api"), ("KEEP", "1"), ("KEEP_TAGS", pattern)]);
    }
    for (pattern, problem) in [
        ("api:v*", "it is a reference"),
        ("crg.apkg.io/shop/api", "it is a reference"),
        ("sha256@x", "it is a reference"),
        ("v[0-9]", "`KEEP_TAGS` is `v[0-9]`: "),
        ("$X", "`KEEP_TAGS` is `$X`: "),
    ] {
        let told = mistakes(&[("IMAGES", "api"), ("KEEP", "1"), ("KEEP_TAGS", pattern)]);
        assert!(told.len() == 1 && told[0].contains(problem), "{pattern}: {told:?}");
    }
}

#[test]
fn only_false_deletes() {
    for (dry_run, is_dry) in [
        ("", true),
        ("true", true),
        (" TRUE ", true),
        ("false", false),
        ("False", false),
    ] {
        let prune = pruned(&[("IMAGES", "api"), ("KEEP", "1"), ("DRY_RUN", dry_run)]);
        assert_eq!(prune.dry_run, is_dry, "{dry_run:?}");
        assert_eq!(Action::Prune(prune).writes(), !is_dry);
    }
    for dry_run in ["no", "0", "off", "falsch"] {
        let told = mistakes(&[("IMAGES", "api"), ("KEEP", "1"), ("DRY_RUN", dry_run)]);
        assert!(told.len() == 1 && told[0].contains("it is a switch"), "{told:?}");
    }
}

#[test]
fn what_only_prune_uses_is_never_meant_for_a_pull() {
    for (name, value) in [
        ("KEEP", "3"),
        ("KEEP_TAGS", "v*"),
        ("OLDER_THAN", "3d"),
        ("DRY_RUN", "false"),
    ] {
        let told = bad(&[("IMAGES", "api"), (name, value)]);
        assert!(
            told.len() == 1 && told[0].ends_with("write `ACTION: prune`"),
            "{told:?}"
        );
    }
}
