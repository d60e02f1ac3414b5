//! `login`: writes the credential into a Docker `config.json` that later lines of the step use.

use super::Run;
use crate::credential::Source;
use crate::docker_config::{self, build_contexts};
use crate::explain::RunError;
use crate::files::{shell_word, shown};
use crate::input::Login;
use std::path::Path;

/// Most Dockerfiles that are warned of.
const MOST_CONTEXTS: usize = 20;

pub(super) async fn run(run: &Run, login: &Login) -> Result<String, RunError> {
    let credential = run.session.sign_in().await?;
    let written = docker_config::write(
        &login.folder,
        run.session.registry(),
        &credential,
        run.step.clone_folder.as_deref(),
    )?;
    for note in &written.notes {
        tracing::warn!("{note}");
    }
    if credential.source == Source::BuiltIn && run.session.api_token().is_some() {
        tracing::info!(
            "the file holds the built-in credential, which reaches this repository's packages only; \
             `CREDENTIAL: api-token` writes the API token instead"
        );
    }
    warn_of_contexts(run, login.folder.path()).await;
    tracing::info!(
        "add this line after the pipe: `- export DOCKER_CONFIG={}`",
        seen_by_step(run, login.folder.path())
    );
    Ok(format!(
        "`{}` now signs in to `{}` with {}",
        shown(in_clone(run, &written.file).unwrap_or(&written.file)),
        run.session.registry(),
        credential.source.in_words()
    ))
}

/// The folder as a line of the step writes it: by the variable that every step has, where it lies in the clone.
fn seen_by_step(run: &Run, folder: &Path) -> String {
    match in_clone(run, folder) {
        Some(below) => format!("\"$BITBUCKET_CLONE_DIR\"/{}", shell_word(below)),
        None => shell_word(folder),
    }
}

fn in_clone<'a>(run: &Run, path: &'a Path) -> Option<&'a Path> {
    path.strip_prefix(run.step.clone_folder.as_ref()?).ok()
}

async fn warn_of_contexts(run: &Run, folder: &Path) {
    let Some(clone) = &run.step.clone_folder else { return };
    let (in_clone, of_folder) = (clone.clone(), folder.to_owned());
    // Beside the loop that hears a signal: a repository may hold much.
    let looking = tokio::task::spawn_blocking(move || build_contexts::exposing(&in_clone, &of_folder));
    let exposing = looking.await.unwrap_or_default();
    if let Some(more @ 1..) = exposing.len().checked_sub(MOST_CONTEXTS) {
        tracing::warn!("{more} Dockerfiles more than are named below would take the credential into an image");
    }
    for exposing in exposing.into_iter().take(MOST_CONTEXTS) {
        let is_clone = exposing.context.as_os_str().is_empty();
        let context = if is_clone { Path::new(".") } else { &exposing.context };
        let below = folder.strip_prefix(clone.join(&exposing.context)).unwrap_or(folder);
        tracing::warn!(
            "`docker build` of `{}` with the context `{}` would take the credential into the image with `COPY .`; \
             add the line `{}` to `{}`",
            shown(&exposing.dockerfile),
            shown(context),
            shown(below),
            shown(&exposing.context.join(".dockerignore"))
        );
    }
}
