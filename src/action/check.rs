//! `check`: changes nothing. Asks everything that the other actions would need, and prints one table, a row a fact; what is
//! to be done about a row that failed stands below.
//!
//! The registry is greeted first, by the request that would have been refused anyway. Then images and targets are tried as
//! `pull` and `push` would try them, each once; a credential that none of them needed is tried alone.

mod credential;
mod files;
mod image;
mod row;
mod target;

use super::Run;
use super::discovery::named;
use crate::bitbucket::{Answer, Diagnosis, diagnose};
use crate::console;
use crate::credential::kind::Kind;
use crate::credential::{Source, Survey};
use crate::failure::{self, Failure, Failures};
use crate::image::{Host, Reference};
use crate::refusal;
use crate::registry::SignIn;
use crate::report::{Outcome, Record};
use crate::repository::pipelines;
use crate::request::{Checkup, nothing};
use credential::{Known, SignedIn};
use futures_util::stream::{self, StreamExt as _};
use row::{Mark, Row, render, summary};
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};
use time::{Date, OffsetDateTime};

/// What came of looking at something.
enum Tried<T> {
    Done(Result<T, Failure>),
    /// It was not looked at, for this reason.
    Not(&'static str),
}

impl<T> Tried<T> {
    fn found(&self) -> Option<&T> {
        match self {
            Self::Done(found) => found.as_ref().ok(),
            Self::Not(_) => None,
        }
    }

    fn failure(&mut self) -> Option<&mut Failure> {
        match self {
            Self::Done(found) => found.as_mut().err(),
            Self::Not(_) => None,
        }
    }
}

/// What the registry says, each as far as it was tried.
struct Seen {
    greeting: Result<SignIn, Failure>,
    took: Duration,
    /// Each with the time that it took.
    images: Vec<(Tried<image::Found>, Duration)>,
    targets: Vec<Tried<target::Found>>,
    signed_in: Vec<(Source, SignedIn)>,
}

pub(super) async fn run(run: &Run, checkup: &Checkup) -> Result<String, Failures> {
    let start = Instant::now();
    let Some(survey) = &run.survey else {
        return Err(Failure::new(
            failure::Kind::Other,
            "nothing is known of the credentials",
            "report this line",
        )
        .into());
    };
    let asked = credential::to_ask_about(survey);
    let ask = async {
        match asked {
            Some(asked) => run.access.ask_bitbucket(asked).await,
            None => None,
        }
    };
    let (answer, mut seen) = tokio::join!(ask, look(run, checkup, survey));
    let diagnosis = answer
        .as_ref()
        .zip(asked)
        .and_then(|(answer, asked)| diagnose(answer, Kind::of(asked.token.expose()), run.access.writes()));
    if let Some(diagnosis) = &diagnosis {
        seen.explain(diagnosis);
    }
    for (number, (image, (tried, took))) in checkup.images.iter().zip(&seen.images).enumerate() {
        run.record(0, record(number, image, tried.found(), *took));
    }
    let today = OffsetDateTime::from(SystemTime::now()).date();
    let rows = rows(run, checkup, survey, answer.as_ref(), &seen, today);
    tell(run, rows, start)
}

/// Asks the registry.
async fn look(run: &Run, checkup: &Checkup, survey: &Survey) -> Seen {
    let access = &run.access;
    let start = Instant::now();
    let greeting = access.greet().await;
    let took = start.elapsed();
    let blocked = match &greeting {
        Err(_) => Some("not tried: the registry does not answer"),
        Ok(SignIn::Basic | SignIn::Token(_)) if survey.settled.candidates.is_empty() => {
            Some("not tried: there is no credential for it")
        }
        Ok(_) => None,
    };
    let images = stream::iter(&checkup.images).map(|image| async move {
        let start = Instant::now();
        let found = match blocked.filter(|_| image.repository.host() == access.registry()) {
            Some(why) => Tried::Not(why),
            None => Tried::Done(image::look(access, image).await),
        };
        (found, start.elapsed())
    });
    let targets = stream::iter(&checkup.targets).map(|(repository, tag)| async move {
        match blocked {
            Some(why) => Tried::Not(why),
            None => Tried::Done(target::look(access, repository, tag.as_ref()).await),
        }
    });
    let (images, targets): (Vec<_>, Vec<_>) = tokio::join!(
        images.buffered(run.concurrency).collect(),
        targets.buffered(run.concurrency).collect()
    );
    let mut seen = Seen {
        greeting,
        took,
        images,
        targets,
        signed_in: Vec::new(),
    };
    for credential in &survey.settled.candidates {
        let signed_in = match &seen.greeting {
            Err(_) => SignedIn::NotTried,
            Ok(SignIn::Open) => SignedIn::NotAsked,
            // What has served is accepted.
            Ok(_) if seen.has_served(credential.source, checkup, access.registry()) => SignedIn::Accepted,
            Ok(_) => match access.sign_in_with(credential.source).await {
                Ok(()) => SignedIn::Accepted,
                Err(failure) => SignedIn::Refused(failure),
            },
        };
        seen.signed_in.push((credential.source, signed_in));
    }
    seen
}

impl Seen {
    fn has_served(&self, source: Source, checkup: &Checkup, registry: &Host) -> bool {
        let images = checkup.images.iter().zip(&self.images);
        let of_registry = images.filter(|(image, _)| image.repository.host() == registry);
        let images = of_registry.filter_map(|(_, (tried, _))| tried.found()?.source);
        let targets = self.targets.iter().filter_map(|tried| tried.found()?.source);
        images.chain(targets).any(|served| served == source)
    }

    /// Whether no image and no target was refused.
    fn is_all_granted(&self) -> bool {
        let images = self.images.iter().all(|(tried, _)| tried.found().is_some());
        images && self.targets.iter().all(|tried| tried.found().is_some())
    }

    /// Puts what Bitbucket says of the API token into what was refused to it.
    fn explain(&mut self, diagnosis: &Diagnosis) {
        let images = self.images.iter_mut().filter_map(|(tried, _)| tried.failure());
        let targets = self.targets.iter_mut().filter_map(Tried::failure);
        let credentials = self.signed_in.iter_mut().filter_map(|(_, signed_in)| match signed_in {
            SignedIn::Refused(failure) => Some(failure),
            _ => None,
        });
        for failure in images.chain(targets).chain(credentials) {
            *failure = refusal::diagnosed(failure.clone(), diagnosis);
        }
    }
}

/// All rows, in the order in which a reader asks: who, where, what.
fn rows(run: &Run, checkup: &Checkup, survey: &Survey, answer: Option<&Answer>, seen: &Seen, today: Date) -> Vec<Row> {
    let registry = run.access.registry();
    let clone = run.step.clone_or_working_folder();
    let is_built_in =
        |tried: &Tried<target::Found>| tried.found().and_then(|found| found.source) == Some(Source::BuiltIn);
    let mut rows = credential::rows(&Known {
        survey,
        signed_in: &seen.signed_in,
        answer,
        is_proved: seen.is_all_granted() && seen.has_served(Source::ApiToken, checkup, registry),
        needs_push: !seen.targets.iter().all(is_built_in),
        expires_on: run.expires_on,
        today,
    });
    rows.push(greeting(registry, seen));
    for (image, (tried, _)) in checkup.images.iter().zip(&seen.images) {
        rows.push(match tried {
            Tried::Done(found) => image::row(image, places(checkup, image), found),
            Tried::Not(why) => Row::new("image", image.to_string(), Mark::Information, *why),
        });
    }
    if let Some(discovered) = &checkup.discovered {
        rows.extend(files::discovery(discovered, &nothing(discovered, clone, registry)));
    }
    for ((repository, tag), tried) in checkup.targets.iter().zip(&seen.targets) {
        rows.push(match tried {
            Tried::Done(found) => target::row(repository, tag.as_ref(), found),
            Tried::Not(why) => Row::new("target", repository.to_string(), Mark::Information, *why),
        });
    }
    let is_there = clone.join(pipelines::FILE).exists();
    rows.extend(files::pipelines(
        is_there.then(|| pipelines::look_over(clone, registry)),
    ));
    rows
}

fn greeting(registry: &Host, seen: &Seen) -> Row {
    let answers = match &seen.greeting {
        Ok(SignIn::Open) => "asks for no sign-in".to_owned(),
        Ok(SignIn::Basic) => "takes user name and password with each request".to_owned(),
        Ok(SignIn::Token(realm)) => format!("takes tokens of `{realm}`"),
        Err(failure) => {
            let detail = match failure.kind {
                failure::Kind::Unreachable => "does not answer",
                _ => "does not answer as a registry does",
            };
            return Row::failed("registry", registry.to_string(), detail, failure.clone());
        }
    };
    let took = match seen.took {
        took if took < Duration::from_secs(1) => format!("{} ms", took.as_millis()),
        took => format!("{:.1} s", took.as_secs_f64()),
    };
    let detail = format!("answers in {took}; {answers}");
    Row::new("registry", registry.to_string(), Mark::Good, detail)
}

/// Where the clone names an image.
fn places(checkup: &Checkup, image: &Reference) -> Option<String> {
    let mut images = checkup.discovered.as_ref()?.images.iter();
    images.find(|(of, _)| of == image).map(|(_, places)| named(places))
}

fn record(number: usize, image: &Reference, found: Option<&image::Found>, took: Duration) -> Record {
    Record {
        image: number,
        repository: image.repository.clone(),
        tag: image.tag.clone(),
        digest: found.map(|found| found.digest.clone()).or_else(|| image.digest.clone()),
        bytes: 0,
        took,
        outcome: found.map_or(Outcome::Failed, |_| Outcome::Checked),
        credential: found.and_then(|found| found.source),
    }
}

/// Prints the table and keeps it for the report; what failed is the run's to tell.
fn tell(run: &Run, rows: Vec<Row>, start: Instant) -> Result<String, Failures> {
    console::plain(render(&rows).trim_end());
    for (warning, hint) in rows.iter().flat_map(|row| &row.warnings) {
        tracing::warn!("{warning}");
        if let Some(hint) = hint {
            console::detail(&format!("hint: {hint}"));
        }
    }
    *run.facts.lock().unwrap_or_else(PoisonError::into_inner) = rows.iter().map(Row::fact).collect();
    let summary = summary(&rows);
    match Failures::of(rows.into_iter().filter_map(|row| row.failure).collect()) {
        Some(failures) => Err(failures),
        None => Ok(format!("{summary} ({:.1} s)", start.elapsed().as_secs_f64())),
    }
}
