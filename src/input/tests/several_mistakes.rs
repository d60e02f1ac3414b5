//! What is said where several variables, or all of them, have the same trouble.

use super::*;

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

/// The literal name of a variable is never taken for a value: not as the name of a file, and not as one more wrong word.
#[test]
fn what_was_not_filled_in_is_said_of_every_variable() {
    for (name, actions) in NAMES {
        // Those of credentials have a table of their own.
        if name.contains("USERNAME") || name.contains("PASSWORD") || name.contains("EMAIL") || name.ends_with("_TOKEN")
        {
            continue;
        }
        let values = ["$MY_VALUE", "${MY_VALUE}", "x/$MY_VALUE/y", "oci:$MY_VALUE"];
        for value in &values[..if name == "SOURCE" { 2 } else { 4 }] {
            let mut pairs = vec![("ACTION", actions[0].as_str())];
            pairs.retain(|(known, _)| *known != name);
            pairs.push((name, value));
            let mistakes = bad(&pairs);
            let of_it = mistakes.iter().filter(|told| told.starts_with(&format!("`{name}`")));
            let of_it: Vec<&String> = of_it.collect();
            assert_eq!(of_it.len(), 1, "{pairs:?}: {mistakes:?}");
            assert!(of_it[0].contains("not filled in"), "{pairs:?}: {mistakes:?}");
        }
    }
}
