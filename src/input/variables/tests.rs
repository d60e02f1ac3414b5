use super::*;

fn read(pairs: &[(&str, &str)]) -> Variables {
    Variables::read(
        pairs
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

#[test]
fn lists_come_counted_or_as_one_string() {
    for (pairs, tags) in [
        (vec![("TAGS", "1.4.2 latest")], vec!["1.4.2", "latest"]),
        (vec![("TAGS", " 1.4.2,latest,\n x ")], vec!["1.4.2", "latest", "x"]),
        (
            vec![("TAGS_COUNT", "2"), ("TAGS_0", "1.10"), ("TAGS_1", "latest")],
            vec!["1.10", "latest"],
        ),
        (
            vec![("TAGS_COUNT", "2"), ("TAGS_0", "c"), ("TAGS_1", "a b")],
            vec!["c", "a", "b"],
        ),
        (vec![], vec![]),
    ] {
        let variables = read(&pairs);
        assert_eq!(variables.tags, tags, "{pairs:?}");
        assert_eq!(variables.mistakes, [], "{pairs:?}");
    }
}

#[test]
fn what_is_no_variable_is_a_mistake() {
    for (pairs, variable, problem) in [
        (vec![("TAGS_COUNT", "many")], "TAGS_COUNT", "not a number"),
        (vec![("TAGS_COUNT", "99999999")], "TAGS_COUNT", "not a number"),
        (
            vec![("TAGS_COUNT", "1"), ("TAGS_0", "a"), ("TAGS", "b")],
            "TAGS",
            "list of that name",
        ),
        (
            vec![("SOURCE_COUNT", "1"), ("SOURCE_0", "a")],
            "SOURCE",
            "takes one value",
        ),
    ] {
        let mistakes = read(&pairs).mistakes;
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes[0].variable, variable);
        assert!(mistakes[0].problem.contains(problem), "{mistakes:?}");
    }
}

/// An unset `$NAME` arrives as nothing: with the default in its place, a step would do something else and end well.
#[test]
fn what_arrives_empty_is_a_mistake() {
    for (pairs, variable, problem) in [
        (vec![("TAGS", "")], "TAGS", "it is empty"),
        (vec![("TAGS", "  ")], "TAGS", "it is empty"),
        (vec![("TAGS", "1.4,")], "TAGS", "an item is empty"),
        (vec![("TAGS", "1.4, ,latest")], "TAGS", "an item is empty"),
        (vec![("TAGS_COUNT", "0")], "TAGS", "it is empty"),
        (
            vec![("TAGS_COUNT", "2"), ("TAGS_0", ""), ("TAGS_1", "a")],
            "TAGS",
            "item 1 is empty",
        ),
        (
            vec![("IMAGES_COUNT", "2"), ("IMAGES_0", "a"), ("IMAGES_1", " ")],
            "IMAGES",
            "item 2 is empty",
        ),
    ] {
        let mistakes = read(&pairs).mistakes;
        assert_eq!(mistakes.len(), 1, "{pairs:?}: {mistakes:?}");
        assert_eq!(mistakes[0].variable, variable);
        assert!(mistakes[0].problem.contains(problem), "{mistakes:?}");
    }
    for (name, _) in NAMES {
        let found = read(&[(name, "")]);
        let may = MAY_BE_EMPTY.contains(&name);
        assert_eq!(found.mistakes.is_empty(), may, "{name}: {:?}", found.mistakes);
    }
    assert_eq!(read(&[("BITBUCKET_TAG", ""), ("DOCKER_HOST", "")]).mistakes, []);
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_matter_only_in_ours() {
    use std::os::unix::ffi::OsStringExt as _;
    let bad = || OsString::from_vec(vec![0x66, 0xff]);
    let variables = Variables::read([
        (OsString::from("TAGS_0"), bad()),
        (OsString::from("OTHER"), bad()),
        (bad(), bad()),
    ]);
    assert_eq!(variables.mistakes.len(), 1);
    assert_eq!(variables.mistakes[0].variable, "TAGS_0");
}

#[test]
fn empty_is_unset_and_names_are_exact() {
    let variables = read(&[("SOURCE", ""), ("source", "x"), ("ACTION", "retag")]);
    assert_eq!(variables.scalars.source, None);
    assert_eq!(variables.scalars.action.as_deref(), Some("retag"));
    assert_eq!(variables.set, ["ACTION"]);
    assert_eq!(variables.near_misses, [("source".to_owned(), "SOURCE")]);
}

#[test]
fn near_misses_are_found_and_strangers_left_alone() {
    for (name, ours) in [
        ("TAG", Some("TAGS")),
        ("IMAGE", Some("IMAGES")),
        ("IMAGE_NAME", Some("SOURCE")),
        ("tags", Some("TAGS")),
        ("ATLASIAN_API_TOKEN", Some("ATLASSIAN_API_TOKEN")),
        ("ATLASSIAN_API_TOKENS", Some("ATLASSIAN_API_TOKEN")),
        ("BITBUCKET_PACKAGE_TOKEN", Some("BITBUCKET_PACKAGES_TOKEN")),
        ("ON_EXISITNG", Some("ON_EXISTING")),
        ("PLATFROM", Some("PLATFORM")),
        ("TAGS_0", None),
        ("BITBUCKET_TAG", None),
        ("PATH", None),
        ("HOME", None),
        ("HOSTNAME", None),
        ("LANG", None),
        ("TERM", None),
        ("CI", None),
        ("DOCKER_HOST", None),
        ("RESOURCE", None),
    ] {
        assert_eq!(near_miss(name), ours, "{name}");
    }
}

#[test]
fn variables_of_another_action_are_seen() {
    let variables = read(&[("TAGS", "a"), ("IMAGES", "b"), ("RETRIES", "1")]);
    assert_eq!(
        variables
            .unused_by(ActionName::Pull)
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
        ["TAGS"]
    );
}

#[test]
fn secrets_are_secrets_from_the_first_moment() {
    let variables = read(&[
        ("ATLASSIAN_API_TOKEN", "ATATT-very-secret"),
        ("BITBUCKET_PACKAGES_TOKEN", "also-secret"),
        ("HTTPS_PROXY", "http://user:pass:word@proxy:3128"),
        ("http_proxy", "user@proxy:3128"),
        ("NO_PROXY", "example.org"),
        ("ORIGIN", "http://user:other@example.org"),
    ]);
    let hidden: Vec<&str> = variables.proxy_passwords.iter().map(Secret::expose).collect();
    assert_eq!(hidden, ["pass:word"]);
    let shown = format!("{variables:?}");
    assert!(
        !shown.contains("very-secret") && !shown.contains("also-secret"),
        "{shown}"
    );
}

/// Else each mention of the variable would read `***`.
#[test]
fn the_name_of_a_variable_is_no_secret() {
    for (value, is_name) in [
        ("$ATLASSIAN_API_TOKEN", true),
        ("${BITBUCKET_PACKAGES_TOKEN}", true),
        (" $ATLASSIAN_API_TOKEN ", true),
        ("$OTHER_TOKEN", false),
        ("ATLASSIAN_API_TOKEN", false),
        ("$ATLASSIAN_API_TOKEN9", false),
    ] {
        assert_eq!(names_ours(&Secret::new(value)), is_name, "{value}");
    }
}
