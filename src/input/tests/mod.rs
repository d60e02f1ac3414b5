//! Variables → request or mistakes, as tables.

mod actions;
mod mistakes;
mod prune;
mod scripts;
mod several_mistakes;
mod values;

use super::*;
use crate::credential::Choice;
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
            // Tables write an empty text for a variable that is not written; what arrives empty has tests of its own.
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

fn check_in(folder: &Path, pairs: &[(&str, &str)]) -> Checked {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Whatever else there is, there is a credential.
    let credential = [
        ("BITBUCKET_PACKAGES_USERNAME", "step"),
        ("BITBUCKET_PACKAGES_TOKEN", "opaque"),
    ];
    let variables = variables(&[&credential, pairs].concat());
    let check = Check::begin(&variables, folder);
    let discovered = check
        .search()
        .map(|search| crate::clone::images(&search.clone, &search.namespace, search.platform.as_ref()));
    check.finish(discovered)
}

fn check(pairs: &[(&str, &str)]) -> Result<Request, Mistakes> {
    check_in(Path::new("/clone"), pairs).request
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

/// Words that are apt to meet in a variable: good values, near ones, and odd ones.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "pull",
            "retag",
            "prune",
            "30d",
            "*",
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
        action in proptest::sample::select(ActionName::ALL.to_vec()),
        set in proptest::collection::btree_map(0..NAMES.len(), value(), 0..12),
        in_pipe: bool,
    ) {
        let mut pairs = vec![("ACTION", action.to_string()), ("BITBUCKET_CLONE_DIR", "/clone".to_owned())];
        pairs.extend(in_pipe.then(|| ("BITBUCKET_PIPE_STORAGE_DIR", "/storage".to_owned())));
        pairs.extend(set.into_iter().map(|(at, value)| (NAMES[at].0, value)));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match check(&pairs) {
            Err(mistakes) => {
                for mistake in texts(&mistakes) {
                    prop_assert!(!mistake.contains('\n') && mistake.chars().count() < 700, "{}", mistake);
                }
            }
            Ok(request) => {
                prop_assert!((1..=32).contains(&request.concurrency));
                match &request.action {
                    Action::Pull(_) => {}
                    Action::Retag(retag) => prop_assert!(*retag.source.repository.host() == request.registry),
                    Action::Push(push) => prop_assert!(*push.target.host() == request.registry),
                    Action::Copy(copy) => prop_assert!(
                        copy.items.iter().all(|item| *item.target.host() == request.registry)
                    ),
                    Action::Check(check) => prop_assert!(
                        check.targets.iter().all(|(target, _)| *target.host() == request.registry)
                    ),
                    Action::Prune(prune) => prop_assert!(
                        prune.packages.iter().all(|package| *package.repository.host() == request.registry)
                            && (prune.keep.is_some() || prune.older_than.is_some())
                    ),
                    Action::Login(Login::Config(output) | Login::PullSecret(output, _)) => {
                        prop_assert!(!in_pipe || output.path().starts_with("/clone"));
                    }
                }
            }
        }
    }
}
