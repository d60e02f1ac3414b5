//! Who may ask: sign-in, tokens, credentials that cannot work, names that are not there.

use super::super::kit::{Kit, TAG, question};
use super::{manifest, to_session, told, uploads};
use crg_pipe::parts::live::{Reply, Rights, TokenFacts};

/// How an access token looks; this one is nobody's.
const MADE_UP_ACCESS_TOKEN: &str = "ATCTT3xFfGN0made-up-by-the-live-kit-of-crg-pipe=00000000";
const MADE_UP: &str = "made-up-by-the-live-kit-of-crg-pipe";

fn facts(facts: &TokenFacts) -> String {
    let kind = if facts.is_jwt {
        "a JSON Web Token"
    } else {
        "an opaque token"
    };
    let granted = match &facts.granted {
        Some(granted) => format!("grants `{granted}`"),
        None => "does not say what it grants".to_owned(),
    };
    format!(
        "{kind} of {} characters for {} s, which {granted}",
        facts.length, facts.seconds
    )
}

fn is_turned_away(reply: &Reply) -> bool {
    matches!(reply.status, 400 | 401 | 403)
}

/// Whether the registry answers at all.
pub(super) async fn sign_in(kit: &mut Kit<'_>) -> bool {
    let greeted = kit.live.greet().await;
    let assumed = "Bearer or Basic, of any realm and service";
    let answer = greeted.clone().unwrap_or_else(|why| why);
    let agrees = greeted
        .as_ref()
        .is_ok_and(|how| how.starts_with("Bearer") || how == "Basic");
    kit.row("How does it ask to be signed in to?", assumed, &answer, agrees);
    greeted.is_ok()
}

pub(super) async fn tokens(kit: &mut Kit<'_>) {
    for (asked, rights, assumed) in [
        (
            "What is a token like that is asked for `pull,push`?",
            Rights::PullPush,
            "any; if it says what it grants, both",
        ),
        (
            "What is a token like that is asked for `pull,delete`?",
            Rights::PullDelete,
            "`prune` asks so; if it says what it grants, both",
        ),
    ] {
        let needs = if rights == Rights::PullDelete { "delete" } else { "push" };
        match kit.live.token(rights).await {
            Ok(None) => kit.skip(asked, assumed, "the registry takes no tokens"),
            Ok(Some(token)) => {
                let has =
                    |granted: &String| granted.contains("pull") && (granted.contains(needs) || granted.contains('*'));
                kit.row(asked, assumed, &facts(&token), token.granted.as_ref().is_none_or(has));
            }
            Err(reply) => kit.row(asked, assumed, &told(&reply), false),
        }
    }
    let (asked, assumed) = (
        "What does Bitbucket's API say of the token?",
        "200 or 403, with `api_token` and the scopes",
    );
    match kit.live.user().await {
        None => kit.skip(asked, assumed, "no answer, or a registry that is not Atlassian's"),
        Some(answer) => {
            let agrees = answer.contains("api_token, scopes");
            kit.row(asked, assumed, &answer, agrees);
        }
    }
    let (asked, assumed) = (
        "What is the built-in credential like?",
        "any shape; it may pull and push here",
    );
    let Some((username, token)) = kit.given.built_in.clone() else {
        kit.skip(asked, assumed, "it is there in a step of Pipelines alone");
        return;
    };
    match kit.live.with_credential(&username, &token) {
        Err(why) => kit.row(asked, assumed, &why, false),
        Ok(live) => {
            let shape = if token.split('.').count() == 3 {
                "a JSON Web Token"
            } else {
                "opaque"
            };
            let shape = format!(
                "{shape}, {} characters, user name of {}",
                token.chars().count(),
                username.chars().count()
            );
            let opened = kit.ask(&live, uploads(&live)).await;
            if let Some(session) = &opened.session {
                kit.ask(&live, to_session("DELETE", session, None, Vec::new())).await;
            }
            let token = match live.token(Rights::PullPush).await {
                Ok(Some(token)) => format!("; with it {}", facts(&token)),
                Ok(None) => String::new(),
                Err(reply) => format!("; no token: {}", told(&reply)),
            };
            let answer = format!("{shape}{token}; an upload: {}", told(&opened));
            kit.row(asked, assumed, &answer, opened.status == 202);
        }
    }
}

/// Credentials that cannot work.
pub(super) async fn strangers(kit: &mut Kit<'_>) {
    let assumed = "400, 401 or 403";
    let given = kit.given;
    let cases = [
        ("What is said to a token that nobody has?", Some(MADE_UP)),
        (
            "What is said to a token that looks like an access token, and is nobody's?",
            Some(MADE_UP_ACCESS_TOKEN),
        ),
        (
            "What is said to a real token of a kind that does not work?",
            given.wrong_kind.as_deref(),
        ),
    ];
    for (asked, token) in cases {
        let Some(token) = token else {
            kit.skip(asked, assumed, "WRONG_KIND_TOKEN is not set");
            continue;
        };
        match kit.live.with_credential(&given.username, token) {
            Err(why) => kit.skip(asked, assumed, &why),
            Ok(live) => {
                let reply = kit
                    .ask(&live, question("GET", manifest(&live, "none"), Rights::Pull))
                    .await;
                kit.row(asked, assumed, &told(&reply), is_turned_away(&reply));
            }
        }
    }
}

/// What is not there.
pub(super) async fn names(kit: &mut Kit<'_>) {
    let unknown = format!("{}/{TAG}no-such-package-{}", kit.given.workspace, kit.id);
    if let Ok(live) = kit.live.at(&unknown) {
        let reply = kit
            .ask(&live, question("GET", manifest(&live, "none"), Rights::Pull))
            .await;
        let agrees = reply.code == "NAME_UNKNOWN";
        kit.row(
            "What is said to a read of a package that is not there?",
            "404 `NAME_UNKNOWN`",
            &told(&reply),
            agrees,
        );
        let reply = kit.ask(&live, uploads(&live)).await;
        if let Some(session) = &reply.session {
            kit.ask(&live, to_session("DELETE", session, None, Vec::new())).await;
        }
        let agrees = (400..=499).contains(&reply.status);
        let assumed = "refused: an admin makes a package, and no push does";
        kit.row("What is said to an upload to it?", assumed, &told(&reply), agrees);
    }
    let live = kit.live.clone();
    let reply = kit
        .ask(
            &live,
            question("GET", manifest(&live, "live-kit-no-such-tag"), Rights::Pull),
        )
        .await;
    let agrees = reply.status == 404 && reply.code == "MANIFEST_UNKNOWN";
    kit.row(
        "What is said to a tag that is not there?",
        "404 `MANIFEST_UNKNOWN`",
        &told(&reply),
        agrees,
    );
    if let Ok(nested) = kit.live.at(&format!("{}/nested", kit.given.path())) {
        let reply = kit
            .ask(&nested, question("GET", manifest(&nested, "none"), Rights::Pull))
            .await;
        let agrees = matches!(reply.status, 400..=404);
        kit.row(
            "What is said to a name of three parts?",
            "400 to 404: there is none",
            &told(&reply),
            agrees,
        );
    }
    let reply = kit
        .ask(&live, question("GET", "_catalog?n=1".to_owned(), Rights::Pull))
        .await;
    kit.row(
        "Is there a catalogue?",
        "nothing: it is not used",
        &told(&reply),
        reply.status != 0,
    );
}

/// Tokens of the same account with one scope.
pub(super) async fn other_scopes(kit: &mut Kit<'_>) {
    let given = kit.given;
    let (asked, assumed) = (
        "What is said to an upload with a token that may only read?",
        "401 or 403, or a token without `push`",
    );
    match given
        .read_only
        .as_deref()
        .map(|token| kit.live.with_credential(&given.username, token))
    {
        None => kit.skip(asked, assumed, "READ_ONLY_TOKEN is not set"),
        Some(Err(why)) => kit.skip(asked, assumed, &why),
        Some(Ok(live)) => {
            let reply = kit.ask(&live, uploads(&live)).await;
            if let Some(session) = &reply.session {
                kit.ask(&live, to_session("DELETE", session, None, Vec::new())).await;
            }
            kit.row(asked, assumed, &told(&reply), is_turned_away(&reply));
        }
    }
    let (asked, assumed) = ("Does the scope to write let read?", "no: 401 or 403");
    match given
        .write_only
        .as_deref()
        .map(|token| kit.live.with_credential(&given.username, token))
    {
        None => kit.skip(asked, assumed, "WRITE_ONLY_TOKEN is not set"),
        Some(Err(why)) => kit.skip(asked, assumed, &why),
        Some(Ok(live)) => {
            let path = manifest(&live, "live-kit-no-such-tag");
            let reply = kit.ask(&live, question("GET", path, Rights::Pull)).await;
            kit.row(asked, assumed, &told(&reply), is_turned_away(&reply));
        }
    }
}
