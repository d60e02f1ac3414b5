//! `check`: changes nothing. Asks everything that the other actions would need, and tells it in one table, a row a fact; what
//! is to be done about a row that failed stands below.
//!
//! The registry is greeted first, by the request that would have been refused anyway. Then images and targets are tried as
//! `pull` and `push` would try them, each once; a credential that none of them needed is tried alone.

mod credential;
mod files;
mod image;
mod row;
mod target;

use super::Run;
use super::discovery::listed_places;
use super::journal::{Outcome, Table};
use crate::clone::pipelines;
use crate::credential::Source;
use crate::credential::kind::TokenKind;
use crate::explain::bitbucket::{UserAnswer, diagnose, who_is};
use crate::explain::failure::{Failure, FailureKind, Failures};
use crate::explain::{Context, RunError};
use crate::input::{Checkup, is_taken, nothing};
use crate::names::platform::Platform;
use crate::names::{Host, Reference, Repository, Tag};
use crate::registry::{self, Attachments, SignIn};
use crate::session::Session;
use credential::{CredentialFacts, SignedIn};
use futures_util::stream::{self, StreamExt as _};
use row::{CheckRow, Mark, render, summary};
use std::time::{Duration, Instant, SystemTime};
use time::{Date, OffsetDateTime};

/// What came of looking at something.
enum Tried<T, E> {
    Done(Result<T, E>),
    /// It was not looked at, for this reason.
    Not(&'static str),
}

impl<E> Tried<image::ImageFound<E>, E> {
    fn explained_within<F>(self, explain: impl Fn(E) -> F) -> Tried<image::ImageFound<F>, F> {
        match self {
            Self::Done(Ok(found)) => Tried::Done(Ok(found.explained(explain))),
            Self::Done(Err(error)) => Tried::Done(Err(explain(error))),
            Self::Not(why) => Tried::Not(why),
        }
    }
}

impl<T, E> Tried<T, E> {
    fn found(&self) -> Option<&T> {
        match self {
            Self::Done(found) => found.as_ref().ok(),
            Self::Not(_) => None,
        }
    }

    fn failure(&self) -> Option<&E> {
        match self {
            Self::Done(found) => found.as_ref().err(),
            Self::Not(_) => None,
        }
    }

    fn explained<F>(self, explain: impl FnOnce(E) -> F) -> Tried<T, F> {
        match self {
            Self::Done(found) => Tried::Done(found.map_err(explain)),
            Self::Not(why) => Tried::Not(why),
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy)]
enum Subject<'a> {
    /// With what it must have.
    Image(&'a Reference, Attachments),
    Target(&'a Repository, Option<&'a Tag>),
}

/// What came of one image or target.
enum Look<'a, E = Failure> {
    Image {
        image: &'a Reference,
        tried: Tried<image::ImageFound<E>, E>,
        took: Duration,
    },
    Target {
        repository: &'a Repository,
        tag: Option<&'a Tag>,
        tried: Tried<target::TargetFound, E>,
    },
}

impl Look<'_> {
    /// Whether the registry refused it: what is not there, or could not be asked for, says nothing of a credential.
    fn is_refused(&self, registry: &Host) -> bool {
        let failure = match self {
            Self::Image { image, .. } if image.repository.host() != registry => None,
            Self::Image { tried, .. } => tried.failure(),
            Self::Target { tried, .. } => tried.failure(),
        };
        let is_refusal = |failure: &Failure| matches!(failure.kind, FailureKind::Credential | FailureKind::Refused);
        failure.is_some_and(is_refusal)
    }

    /// Whether it was pushed to, as far as a try goes.
    fn is_pushed_to(&self) -> bool {
        match self {
            Self::Image { .. } => false,
            Self::Target { tried, .. } => tried.found().is_some_and(target::TargetFound::may_be_pushed_to),
        }
    }
}

impl<'a, E> Look<'a, E> {
    /// Which credential of the registry's served.
    fn source(&self, registry: &Host) -> Option<Source> {
        match self {
            Self::Image { image, .. } if image.repository.host() != registry => None,
            Self::Image { tried, .. } => tried.found()?.source,
            Self::Target { tried, .. } => tried.found()?.source,
        }
    }

    fn explained<F>(self, explain: impl Fn(E) -> F) -> Look<'a, F> {
        match self {
            Self::Image { image, tried, took } => Look::Image {
                image,
                tried: tried.explained_within(explain),
                took,
            },
            Self::Target { repository, tag, tried } => Look::Target {
                repository,
                tag,
                tried: tried.explained(explain),
            },
        }
    }
}

/// What the registry says, each as far as it was tried.
struct RegistryAnswers<'a, S = SignedIn, E = Failure> {
    greeting: Result<SignIn, E>,
    took: Duration,
    /// Images, then targets.
    looks: Vec<Look<'a, E>>,
    signed_in: Vec<(Source, S)>,
}

/// The same before it is explained.
type Unexplained<'a> = RegistryAnswers<'a, Result<SignedIn, RunError>, RunError>;

pub(super) async fn run(run: &Run, checkup: &Checkup) -> Result<String, Failures> {
    let start = Instant::now();
    let asked = credential::to_ask_about(&run.chosen);
    let ask = async {
        match asked {
            Some(asked) => who_is(run.session.network(), run.session.registry(), asked).await,
            None => None,
        }
    };
    let (answer, seen) = tokio::join!(ask, look(run, checkup));
    let diagnosis = answer
        .as_ref()
        .zip(asked)
        .and_then(|(answer, asked)| diagnose(answer, TokenKind::of(asked.token.expose()), run.writes));
    let seen = seen.explained(Context {
        diagnosis: diagnosis.as_ref(),
        ..run.context()
    });
    // What was not tried did not fail.
    let tried = seen.looks.iter().filter_map(|look| match look {
        Look::Image {
            image,
            tried: Tried::Done(found),
            took,
        } => Some((image, found.as_ref().ok(), *took)),
        _ => None,
    });
    for (number, (image, found, took)) in tried.enumerate() {
        let is_good = found.is_some_and(|found| found.unmet.is_none());
        let outcome = if is_good { Outcome::Checked } else { Outcome::Failed };
        let digest = found.map_or(image.digest.as_ref(), |found| Some(&found.digest));
        let page = run
            .journal
            .page_of(number, &image.repository, found.and_then(|found| found.source));
        page.note((0, image.tag.as_ref()), outcome, digest, 0, took);
        if let Some(found) = found {
            let (platforms, size) = found.shape.for_report();
            run.see_as(&found.digest, platforms, size);
            if let Some(attached) = found.attached {
                run.journal.attach(number, attached);
            }
        }
    }
    let today = OffsetDateTime::from(SystemTime::now()).date();
    let rows = rows(run, checkup, answer.as_ref(), &seen, today);
    tell(run, rows, start)
}

async fn look<'a>(run: &Run, checkup: &'a Checkup) -> Unexplained<'a> {
    let session = &run.session;
    let start = Instant::now();
    let greeting = session.greet().await;
    let took = start.elapsed();
    let blocked = match &greeting {
        Err(_) => Some("not tried: the registry does not answer"),
        Ok(SignIn::Basic | SignIn::Token(_)) if run.chosen.candidates.is_empty() => {
            Some("not tried: there is no credential for it")
        }
        Ok(_) => None,
    };
    let images = checkup.images.iter().map(|image| {
        // Nothing fails without what only makes a build faster.
        let is_required = !is_optional(checkup, image);
        Subject::Image(
            image,
            if is_required {
                checkup.required
            } else {
                Attachments::default()
            },
        )
    });
    let targets = checkup.targets.iter();
    let targets = targets.map(|(repository, tag)| Subject::Target(repository, tag.as_ref()));
    let subjects: Vec<Subject<'a>> = images.chain(targets).collect();
    let mut looks: Vec<Option<Look<'a, RunError>>> = subjects.iter().map(|_| None).collect();
    let mut to_look_at: Vec<usize> = (0..subjects.len()).collect();
    loop {
        let again = to_look_at
            .iter()
            .map(|&number| look_at(session, checkup, subjects[number], blocked));
        let again: Vec<Look<'a, RunError>> = stream::iter(again).buffered(run.concurrency).collect().await;
        for (&number, look) in to_look_at.iter().zip(again) {
            looks[number] = Some(look);
        }
        let failed = looks.iter().enumerate();
        let failed = failed.filter_map(|(number, look)| Some((number, look.as_ref()?.failed_image(checkup)?)));
        let (numbers, failed): (Vec<usize>, Vec<(&Reference, &RunError)>) = failed.unzip();
        to_look_at = numbers;
        let is_refused =
            |look: &Look<'a, RunError>| matches!(look, Look::Target { tried, .. } if tried.failure().is_some());
        if looks.iter().flatten().any(is_refused) || !run.waits_for(&failed, registry::Access::Pull).await {
            break;
        }
    }
    let looks = looks.into_iter().flatten().collect();
    let mut seen = Unexplained {
        // Some registries leave the greeting open and challenge what follows: asked again, it costs no request.
        greeting: match greeting {
            Ok(_) => session.greet().await.map_err(RunError::from),
            Err(error) => Err(error.into()),
        },
        took,
        looks,
        signed_in: Vec::new(),
    };
    for credential in &run.chosen.candidates {
        let signed_in = match &seen.greeting {
            Err(_) => Ok(SignedIn::NotTried),
            Ok(SignIn::Open) => Ok(SignedIn::NotAsked),
            // What has served is accepted.
            Ok(_) if seen.has_served(credential.source, session.registry()) => Ok(SignedIn::Accepted),
            Ok(_) => match session.sign_in_with(credential.source).await {
                Ok(true) => Ok(SignedIn::Accepted),
                Ok(false) => Ok(SignedIn::NotAsked),
                Err(error) => Err(error.into()),
            },
        };
        seen.signed_in.push((credential.source, signed_in));
    }
    seen
}

/// Tries one of them; `blocked` is why `REGISTRY` is not asked.
async fn look_at<'a>(
    session: &Session,
    checkup: &Checkup,
    subject: Subject<'a>,
    blocked: Option<&'static str>,
) -> Look<'a, RunError> {
    let start = Instant::now();
    match subject {
        Subject::Image(image, required) => {
            let tried = match blocked.filter(|_| image.repository.host() == session.registry()) {
                Some(why) => Tried::Not(why),
                None => Tried::Done(image::look(session, image, required, &platforms(checkup, image)).await),
            };
            let took = start.elapsed();
            Look::Image { image, tried, took }
        }
        Subject::Target(repository, tag) => {
            let tried = match blocked {
                Some(why) => Tried::Not(why),
                None => Tried::Done(target::look(session, repository, tag).await),
            };
            Look::Target { repository, tag, tried }
        }
    }
}

impl<'a> Look<'a, RunError> {
    /// The image that it could not find or read, and that nothing does without.
    fn failed_image(&self, checkup: &Checkup) -> Option<(&'a Reference, &RunError)> {
        match self {
            Self::Image { image, tried, .. } => {
                let error = tried.failure()?;
                (!is_optional(checkup, image)).then_some((*image, error))
            }
            Self::Target { .. } => None,
        }
    }
}

impl<'a> Unexplained<'a> {
    fn has_served(&self, source: Source, registry: &Host) -> bool {
        self.looks.iter().any(|look| look.source(registry) == Some(source))
    }

    /// With what Bitbucket says of the API token in what was refused to it.
    fn explained(self, context: Context<'_>) -> RegistryAnswers<'a> {
        let explain = |error: RunError| error.explain(context);
        let looks = self.looks.into_iter().map(|look| look.explained(explain));
        let signed_in = self.signed_in.into_iter();
        let refused = |error| SignedIn::Refused(explain(error));
        RegistryAnswers {
            greeting: self.greeting.map_err(explain),
            took: self.took,
            looks: looks.collect(),
            signed_in: signed_in
                .map(|(source, signed_in)| (source, signed_in.unwrap_or_else(refused)))
                .collect(),
        }
    }
}

/// All rows, in the order in which a reader asks: who, where, what.
fn rows(
    run: &Run,
    checkup: &Checkup,
    answer: Option<&UserAnswer>,
    seen: &RegistryAnswers<'_>,
    today: Date,
) -> Vec<CheckRow> {
    let registry = run.session.registry();
    let clone = run.step.clone_or_working_folder();
    let needs_push =
        |look: &Look<'_>| matches!(look, Look::Target { .. }) && look.source(registry) != Some(Source::BuiltIn);
    let is_served = |look: &Look<'_>| look.source(registry) == Some(Source::ApiToken);
    // Without a refusal, what was let through proves the token's scopes; a public image alone may need none.
    let is_refused = seen.looks.iter().any(|look| look.is_refused(registry));
    let mut rows = credential::rows(&CredentialFacts {
        chosen: &run.chosen,
        signed_in: &seen.signed_in,
        answer,
        has_pulled: !is_refused && seen.looks.iter().any(is_served),
        has_pushed: !is_refused && seen.looks.iter().any(|look| is_served(look) && look.is_pushed_to()),
        needs_push: seen.looks.iter().any(needs_push),
        expires_on: run.expires_on,
        today,
    });
    rows.push(greeting(registry, seen));
    let mut looks = seen.looks.iter().peekable();
    while let Some(Look::Image { image, tried, .. }) = looks.next_if(|look| matches!(look, Look::Image { .. })) {
        rows.push(match tried {
            Tried::Done(Err(Failure { kind, .. }))
                if matches!(kind, FailureKind::NotFound | FailureKind::Other) && is_optional(checkup, image) =>
            {
                let detail = match kind {
                    FailureKind::NotFound => "is not there; a build only takes longer without it",
                    _ => "cannot be used; a build only takes longer without it",
                };
                CheckRow::new("image", image.to_string(), Mark::Warning, detail).with_places(places(checkup, image))
            }
            Tried::Done(found) => image::row(image, places(checkup, image), found),
            Tried::Not(why) => CheckRow::new("image", image.to_string(), Mark::Information, *why),
        });
    }
    if let Some(discovered) = &checkup.discovered {
        rows.extend(files::discovery(discovered, &nothing(discovered, clone, registry)));
    }
    for look in looks {
        if let Look::Target { repository, tag, tried } = look {
            rows.push(match tried {
                Tried::Done(found) => target::row(repository, *tag, found),
                Tried::Not(why) => CheckRow::new("target", repository.to_string(), Mark::Information, *why),
            });
        }
    }
    let is_there = clone.join(pipelines::FILE).exists();
    rows.extend(files::pipelines(is_there.then(|| {
        let mut looked_over = pipelines::look_over(clone, registry, run.step.workspace.as_deref())?;
        looked_over
            .by_hand
            .retain(|(_, by_hand)| is_taken(by_hand.instead.entry(), &run.step));
        Ok(looked_over)
    })));
    rows
}

fn greeting(registry: &Host, seen: &RegistryAnswers<'_>) -> CheckRow {
    let answers = match &seen.greeting {
        Ok(SignIn::Open) => "asks for no sign-in".to_owned(),
        Ok(SignIn::Basic) => "takes user name and password with each request".to_owned(),
        Ok(SignIn::Token(realm)) => format!("takes tokens of `{realm}`"),
        Err(failure) => {
            let detail = match failure.kind {
                FailureKind::Unreachable => "does not answer",
                _ => "does not answer as a registry does",
            };
            return CheckRow::failed("registry", registry.to_string(), detail, failure.clone());
        }
    };
    let took = match seen.took {
        took if took < Duration::from_secs(1) => format!("{} ms", took.as_millis()),
        took => format!("{:.1} s", took.as_secs_f64()),
    };
    let detail = format!("answers in {took}; {answers}");
    CheckRow::new("registry", registry.to_string(), Mark::Good, detail)
}

/// Whether the clone names an image only as one that makes a build faster.
fn is_optional(checkup: &Checkup, image: &Reference) -> bool {
    let images = checkup.discovered.iter().flat_map(|discovered| &discovered.images);
    let mut named = images.filter(|found| found.image == *image).peekable();
    named.peek().is_some() && named.all(|found| found.is_optional)
}

/// The platforms that the clone's files take an image for; none for the daemon's own.
fn platforms<'a>(checkup: &'a Checkup, image: &Reference) -> Vec<&'a Platform> {
    let images = checkup.discovered.iter().flat_map(|discovered| &discovered.images);
    let needed = images.filter(|found| found.image == *image && !found.is_optional);
    needed.filter_map(|found| found.platform.as_ref()).collect()
}

/// Where the clone names an image.
fn places(checkup: &Checkup, image: &Reference) -> Option<String> {
    let mut images = checkup.discovered.as_ref()?.images.iter();
    images
        .find(|found| found.image == *image)
        .map(|found| listed_places(&found.places))
}

/// Keeps the table for who prints it; what failed is the run's to tell.
fn tell(run: &Run, rows: Vec<CheckRow>, start: Instant) -> Result<String, Failures> {
    run.table.replace(Table {
        text: render(&rows),
        warnings: rows.iter().flat_map(|row| row.warnings.clone()).collect(),
        facts: rows.iter().map(CheckRow::fact).collect(),
    });
    let summary = summary(&rows);
    match Failures::of(rows.into_iter().filter_map(|row| row.failure).collect()) {
        Some(failures) => Err(failures),
        None => Ok(format!("{summary} ({:.1} s)", start.elapsed().as_secs_f64())),
    }
}
