//! Environments, whatever is in them.

use super::fits_in_the_log;
use crate::credential::{Chosen, Credential, Source};
use crate::input::variables::Variables;
use crate::input::{Action, Check, Checked, Checkup, Copy, Login, Outputs, Request};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

/// A part of every secret in the environment.
const SECRET: &str = "Xk3-correct-horse-battery-staple-Xk3";

/// Every environment makes a request that cannot hold nonsense, or mistakes that can be read; and nothing in either shows a
/// secret. The bytes are lines of `NAME=value`, or parts with a zero byte between them; `folder` is empty, and the clone.
pub fn variables(bytes: &[u8], folder: &Path) {
    // A fuzzer learns what it is compared with.
    if bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
        return;
    }
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    let mut environment: Vec<(OsString, OsString)> = Vec::new();
    for part in bytes.split(|b| *b == separator) {
        let end = part.iter().position(|b| *b == b'=').unwrap_or(part.len());
        let (name, value) = (&part[..end], part.get(end + 1..).unwrap_or_default());
        let mut value = value.to_vec();
        if name.ends_with(b"TOKEN") || name.ends_with(b"PASSWORD") {
            value.extend(SECRET.bytes());
        }
        if name.ends_with(b"_PROXY") {
            value = [b"http://me:", SECRET.as_bytes(), b"@", &value].concat();
        }
        // These would have any file read, and any folder walked.
        if name == b"CA_CERTIFICATE" && !value.starts_with(b"-----BEGIN") || name == b"BITBUCKET_CLONE_DIR" {
            continue;
        }
        environment.push((OsString::from_vec(name.to_vec()), OsString::from_vec(value)));
    }
    environment.push(("BITBUCKET_CLONE_DIR".into(), folder.into()));

    let variables = Variables::read(environment.iter().cloned());
    tells_nothing(&format!("{variables:?}"));
    let check = Check::begin(&variables, folder);
    let discovered = check
        .search()
        .map(|search| crate::clone::images(&search.clone, &search.namespace, search.platform.as_ref()));
    let Checked { outputs, request, .. } = check.finish(discovered);
    match request {
        Err(mistakes) => {
            for mistake in &mistakes {
                fits_in_the_log(&mistake.to_string());
                tells_nothing(&format!("{mistake} {mistake:?}"));
            }
        }
        Ok(request) => {
            tells_nothing(&format!("{request:?}"));
            makes_sense(&request, &outputs, folder);
            // What is required is never dropped in silence.
            if let Action::Copy(Copy { required, .. }) | Action::Check(Checkup { required, .. }) = &request.action {
                assert_eq!(required.is_empty(), variables.required.is_empty());
            }
            can_be_told(&request.chosen);
        }
    }
}

fn makes_sense(request: &Request, outputs: &Outputs, clone: &Path) {
    assert!((1..=32).contains(&request.concurrency));
    assert!((1..=3600).contains(&request.network.timeout.as_secs()) && request.network.retries <= 20);
    assert!(request.wait.as_secs() <= 7200);
    let ours = |host: &crate::names::Host| assert_eq!(*host, request.registry);
    match &request.action {
        Action::Retag(retag) => ours(retag.source.repository.host()),
        Action::Push(push) => ours(push.target.host()),
        Action::Copy(copy) => copy.items.iter().for_each(|item| ours(item.target.host())),
        Action::Login(login) => {
            let (Login::Config(output) | Login::PullSecret(output, _)) = login;
            assert!(!request.step.in_pipe || output.path().starts_with(clone));
            let is_lasting = |credential: &Credential| credential.source != Source::BuiltIn;
            assert!(matches!(login, Login::Config(_)) || request.chosen.candidates.iter().all(is_lasting));
        }
        Action::Prune(prune) => {
            prune
                .packages
                .iter()
                .for_each(|package| ours(package.repository.host()));
            // Something stays, whatever else is written.
            assert!(prune.keep.is_some() || prune.older_than.is_some_and(time::Duration::is_positive));
            assert!(prune.keep_tags.iter().all(|pattern| !pattern.fits_everything()));
        }
        Action::Pull(_) | Action::Check(_) => {}
    }
    if let Some((host, _)) = request.action.source_credential() {
        assert_ne!(host, request.registry);
    }
    for file in [&outputs.report, &outputs.env].into_iter().flatten() {
        assert!(
            !request.step.in_pipe || file.path().starts_with(clone),
            "{}",
            file.path().display()
        );
    }
}

fn can_be_told(chosen: &Chosen) {
    assert!(!chosen.candidates.is_empty() || chosen.ends_run().is_some());
    for warning in &chosen.warnings {
        fits_in_the_log(&warning.to_string());
        tells_nothing(&warning.to_string());
    }
    for why in chosen.unusable.iter().map(|(_, why)| why).chain(&chosen.absent) {
        why.message().lines().for_each(fits_in_the_log);
        tells_nothing(&format!("{why} {}", why.hint()));
    }
}

fn tells_nothing(shown: &str) {
    assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
}
