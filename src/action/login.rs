//! `login`: writes the credential into a Docker `config.json` that later lines of the step use, or into a Secret with which a
//! Kubernetes cluster pulls.

use super::Run;
use crate::clone::pipelines;
use crate::credential::{Credential, Source};
use crate::docker_config::pull_secret::{SecretName, manifest};
use crate::docker_config::{self, CONFIG, ConfigError, build_contexts};
use crate::explain::RunError;
use crate::files::{Output, shell_word, shown};
use crate::input::Login;
use crate::text::Quoted;
use std::path::Path;

/// Most Dockerfiles, and most artifacts, that are warned of.
const MOST_WARNINGS: usize = 20;

pub(super) async fn run(run: &Run, login: &Login) -> Result<String, RunError> {
    let credential = run.session.sign_in().await?;
    match login {
        Login::Config(folder) => config(run, folder, &credential).await,
        Login::PullSecret(file, name) => secret(run, (file, name), &credential).await,
    }
}

async fn config(run: &Run, folder: &Output, credential: &Credential) -> Result<String, RunError> {
    let written = docker_config::write(
        folder,
        run.session.registry(),
        credential,
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
    warn_of_takers(run, &folder.path().join(CONFIG), folder.path()).await;
    tracing::info!(
        "add this line after the pipe: `- export DOCKER_CONFIG={}`",
        seen_by_step(run, folder.path())
    );
    Ok(format!(
        "`{}` now signs in to `{}` with {}",
        shown(in_clone(run, &written.file).unwrap_or(&written.file)),
        run.session.registry(),
        credential.source.in_words()
    ))
}

async fn secret(run: &Run, (file, name): (&Output, &SecretName), credential: &Credential) -> Result<String, RunError> {
    let registry = run.session.registry();
    let text = manifest(name, registry, credential).map_err(|fault| ConfigError::Content {
        file: file.path().to_owned(),
        fault,
    })?;
    if let Some(note) = docker_config::write_secret(file, &text, run.step.clone_folder.as_deref())? {
        tracing::warn!("{note}");
    }
    warn_of_takers(run, file.path(), file.path()).await;
    tracing::info!(
        "add these lines after the pipe: `- kubectl apply --filename {0}` and `- rm {0}`; pods use it with \
         `imagePullSecrets: [{{name: \"{1}\"}}]`",
        seen_by_step(run, file.path()),
        name.name()
    );
    Ok(format!(
        "`{}` is the Secret `{name}`, which signs in to `{registry}` with the API token of `{}`",
        shown(in_clone(run, file.path()).unwrap_or(file.path())),
        Quoted::new(&credential.username)
    ))
}

/// A path as a line of the step writes it: by the variable that every step has, where it lies in the clone.
fn seen_by_step(run: &Run, path: &Path) -> String {
    match in_clone(run, path) {
        Some(below) => format!("\"$BITBUCKET_CLONE_DIR\"/{}", shell_word(below)),
        None => shell_word(path),
    }
}

fn in_clone<'a>(run: &Run, path: &'a Path) -> Option<&'a Path> {
    path.strip_prefix(run.step.clone_folder.as_ref()?).ok()
}

/// Warns of image builds and artifacts that would take `file` along, in which the credential is. `ignored` is what to keep out of
/// a build: the file, or its folder.
async fn warn_of_takers(run: &Run, file: &Path, ignored: &Path) {
    let Some(clone) = &run.step.clone_folder else { return };
    let (in_clone, of_file) = (clone.clone(), file.to_owned());
    // Beside the loop that hears a signal: a repository may hold much.
    let looking = tokio::task::spawn_blocking(move || {
        let exposing = build_contexts::exposing(&in_clone, &of_file);
        let within = build_contexts::within(&in_clone, &of_file);
        let keeping = within.and_then(|(clone, file)| {
            let below = file.strip_prefix(&clone).ok()?;
            Some(pipelines::keeping(&clone, below))
        });
        (exposing, keeping.unwrap_or_default())
    });
    let (exposing, keeping) = looking.await.unwrap_or_default();
    for (count, what) in [(exposing.len(), "Dockerfiles"), (keeping.len(), "artifacts")] {
        if let Some(more @ 1..) = count.checked_sub(MOST_WARNINGS) {
            tracing::warn!("{more} {what} more than are named below would take the credential along");
        }
    }
    for exposing in exposing.into_iter().take(MOST_WARNINGS) {
        let is_clone = exposing.context.as_os_str().is_empty();
        let context = if is_clone { Path::new(".") } else { &exposing.context };
        let below = ignored.strip_prefix(clone.join(&exposing.context)).unwrap_or(ignored);
        tracing::warn!(
            "`docker build` of `{}` with the context `{}` would take the credential into the image with `COPY .`; \
             add the line `{}` to `{}`",
            shown(&exposing.dockerfile),
            shown(context),
            shown(below),
            shown(&exposing.ignore)
        );
    }
    for keeping in keeping.into_iter().take(MOST_WARNINGS) {
        tracing::warn!(
            "`{}`: the artifact `{}` of a step with `ACTION: login` would keep `{}`, which holds the credential, for all who may \
             see the pipeline; write a narrower pattern",
            keeping.place,
            keeping.pattern,
            shown(file.strip_prefix(clone).unwrap_or(file))
        );
    }
}
