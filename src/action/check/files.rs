//! The rows of what the clone's files say: where images are named that could not be made out, and images of steps and
//! services that Pipelines cannot pull. Pure.

use super::super::discovery::MOST_PASSED_OVER;
use super::row::{CheckRow, Mark};
use crate::clone::pipelines::{FILE, ImageFinding, ImageProblem, LookedOver};
use crate::clone::scripts::{ByHand, Instead};
use crate::clone::{ClonePlace, Discovered, PassedOver};
use crate::explain::Page;
use crate::explain::failure::{Failure, FailureKind};
use crate::text::Quoted;

/// Of images that are looked for in Dockerfiles and compose files: what may name more of them. `nothing` is what to say
/// where there is none.
pub(super) fn discovery(discovered: &Discovered, nothing: &str) -> Vec<CheckRow> {
    let mut rows = Vec::new();
    if discovered.images.is_empty() {
        let detail = format!("`IMAGES` is not set, and {nothing}");
        rows.push(CheckRow::new("image", "none", Mark::Information, detail));
    }
    let passed_over = &discovered.passed_over;
    for PassedOver { place, problem } in passed_over.iter().take(MOST_PASSED_OVER) {
        let detail = format!("skipped: {problem}");
        rows.push(CheckRow::new("image", place.to_string(), Mark::Warning, detail));
    }
    if let Some(more @ 1..) = passed_over.len().checked_sub(MOST_PASSED_OVER) {
        rows.push(CheckRow::new(
            "image",
            "",
            Mark::Warning,
            format!("skipped: {more} more"),
        ));
    }
    if let Some(cut) = discovered.cut {
        let detail = format!(
            "the repository has {}; not all of it was looked at: write `IMAGES` if one is missing",
            cut.in_words()
        );
        rows.push(CheckRow::new("image", "", Mark::Warning, detail));
    }
    if discovered.more_images > 0 {
        let detail = format!(
            "the files name {} images more than the {} that are looked for; write `IMAGES`",
            discovered.more_images,
            discovered.images.len()
        );
        rows.push(CheckRow::new("image", "", Mark::Warning, detail));
    }
    rows
}

/// `bitbucket-pipelines.yml`: `None` if there is no such file.
pub(super) fn pipelines(looked_over: Option<Result<LookedOver, PassedOver>>) -> Vec<CheckRow> {
    match looked_over {
        None => vec![CheckRow::new(
            "pipelines",
            FILE,
            Mark::Information,
            "there is none in the clone",
        )],
        Some(Err(PassedOver { place, problem })) => {
            vec![CheckRow::new("pipelines", place.to_string(), Mark::Warning, problem)]
        }
        Some(Ok(LookedOver { findings, by_hand })) => {
            let mut rows: Vec<CheckRow> = findings.iter().map(finding).collect();
            if rows.is_empty() {
                let detail = "no `image` of a step or service that cannot be pulled";
                rows.push(CheckRow::new("pipelines", FILE, Mark::Good, detail));
            }
            rows.extend(by_hand.iter().map(|(place, by_hand)| line_of_script(place, by_hand)));
            rows
        }
    }
}

/// A line that works, and that the pipe could do: information, never a failure.
fn line_of_script(place: &ClonePlace, by_hand: &ByHand) -> CheckRow {
    let command = by_hand.command;
    let detail = match &by_hand.instead {
        Instead::Pipe(entry) => format!("`{command}` by hand; the pipe does it: `{}`", entry.yaml()),
        Instead::Before(entry) => format!(
            "`{command}` pulls an image that needs a credential; put this line before it: `{}`",
            entry.yaml()
        ),
        Instead::Credential(entry) => format!(
            "`{command}` stays, since the pipe does not do the same; put this line before it, so that it needs no login by \
             hand: `{}`",
            entry.yaml()
        ),
        Instead::SignsIn(entry) => format!(
            "`{command}`: leave it out, the pipe signs in by itself; if a later line needs Docker to sign in: `{}`",
            entry.yaml()
        ),
        Instead::Renames(entry) => format!(
            "`{command}`: leave it out, with the `docker push` after it; the pipe does both: `{}`",
            entry.yaml()
        ),
    };
    CheckRow::new(
        "script",
        place.to_string(),
        Mark::Information,
        Quoted::new(&detail).to_string(),
    )
}

/// What cannot work fails the run. A credential may also come from elsewhere than the file tells, so the rest is to be
/// looked at.
fn finding(finding: &ImageFinding) -> CheckRow {
    let fails = match finding.problem {
        ImageProblem::AccessToken(_) => Some((FailureKind::Credential, Page::ImageAccessToken)),
        ImageProblem::WrongHost(_) => Some((FailureKind::NotFound, Page::ImageHost)),
        ImageProblem::Name(..) => Some((FailureKind::NotFound, Page::ImageName)),
        ImageProblem::BuiltIn(_)
        | ImageProblem::GitUsername
        | ImageProblem::NoEmail(_)
        | ImageProblem::NoCredential => None,
    };
    let detail = match finding.problem {
        ImageProblem::AccessToken(_) => "an `image` that signs in with an access token",
        ImageProblem::Name(..) => "an `image` whose name cannot be pulled",
        ImageProblem::GitUsername => "an `image` that signs in with a username for Git",
        ImageProblem::NoEmail(_) => "an `image` that signs in with a username that is not an e-mail address",
        ImageProblem::WrongHost(_) => "an `image` of a host that has no packages of Bitbucket",
        ImageProblem::BuiltIn(_) => "an `image` that signs in with the built-in credential",
        ImageProblem::NoCredential => "an `image` without a credential",
    };
    let (place, message) = (finding.place.to_string(), finding.message());
    let message = format!("{place}: {message}");
    match fails {
        Some((kind, page)) => {
            let failure = Failure::new(kind, page, message, finding.hint());
            CheckRow::failed("pipelines", place, detail, failure)
        }
        None => CheckRow::new("pipelines", place, Mark::Warning, detail)
            .with_warnings(vec![(message, Some(finding.hint()))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clone::{ClonePlace, Spent};
    use std::path::PathBuf;

    fn place(file: &str, line: usize) -> ClonePlace {
        ClonePlace {
            file: PathBuf::from(file),
            line: Some(line),
        }
    }

    fn marks(rows: &[CheckRow]) -> Vec<(&str, Mark)> {
        rows.iter().map(|row| (row.subject.as_str(), row.mark)).collect()
    }

    #[test]
    fn what_cannot_work_fails_and_the_rest_is_to_be_looked_at() {
        let found = |problem| ImageFinding {
            place: place(FILE, 7),
            image: "crg.apkg.io/shop/build:1".to_owned(),
            problem,
        };
        for (problem, mark, kind) in [
            (
                ImageProblem::AccessToken("x-token-auth".to_owned()),
                Mark::Failed,
                Some(FailureKind::Credential),
            ),
            (
                ImageProblem::WrongHost("no registry"),
                Mark::Failed,
                Some(FailureKind::NotFound),
            ),
            (
                ImageProblem::Name("why".to_owned(), "crg.apkg.io/shop/build:1".to_owned()),
                Mark::Failed,
                Some(FailureKind::NotFound),
            ),
            (ImageProblem::GitUsername, Mark::Warning, None),
            (ImageProblem::NoEmail("jdoe".to_owned()), Mark::Warning, None),
            (ImageProblem::BuiltIn("BITBUCKET_PACKAGES_TOKEN"), Mark::Warning, None),
            (ImageProblem::NoCredential, Mark::Warning, None),
        ] {
            let rows = pipelines(Some(Ok(LookedOver {
                findings: vec![found(problem)],
                ..LookedOver::default()
            })));
            assert_eq!(marks(&rows), [("bitbucket-pipelines.yml:7", mark)]);
            assert_eq!(rows[0].failure.as_ref().map(|failure| failure.kind), kind);
            let hint = rows[0].fact().hint.expect("what to write instead");
            assert!(hint.contains("username: $ATLASSIAN_ACCOUNT_EMAIL") && hint.contains("a pipe cannot help here"));
        }
        assert_eq!(marks(&pipelines(Some(Ok(LookedOver::default())))), [(FILE, Mark::Good)]);
        assert_eq!(marks(&pipelines(None)), [(FILE, Mark::Information)]);
        let unread = PassedOver {
            place: place(FILE, 3),
            problem: "no YAML".to_owned(),
        };
        assert_eq!(
            marks(&pipelines(Some(Err(unread)))),
            [("bitbucket-pipelines.yml:3", Mark::Warning)]
        );
    }

    #[test]
    fn no_image_is_information_and_what_was_passed_over_is_told() {
        let mut discovered = Discovered::default();
        let rows = discovery(&discovered, "there is nothing");
        assert_eq!(marks(&rows), [("none", Mark::Information)]);
        assert_eq!(rows[0].detail, "`IMAGES` is not set, and there is nothing");
        discovered.passed_over = (1..=MOST_PASSED_OVER + 2)
            .map(|line| PassedOver {
                place: place("Dockerfile", line),
                problem: "why".to_owned(),
            })
            .collect();
        discovered.cut = Some(Spent::Time);
        let rows = discovery(&discovered, "there is nothing");
        assert_eq!(rows.len(), 1 + MOST_PASSED_OVER + 2);
        assert_eq!(
            (rows[1].subject.as_str(), rows[1].mark),
            ("Dockerfile:1", Mark::Warning)
        );
        assert_eq!(rows[1 + MOST_PASSED_OVER].detail, "skipped: 2 more");
    }
}
