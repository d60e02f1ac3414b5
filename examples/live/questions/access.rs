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
    let assumed = "Bearer with any realm and service, or Basic";
    let answer = greeted.clone().unwrap_or_else(|why| why);
    let agrees = greeted
        .as_ref()
        .is_ok_and(|how| how.starts_with("Bearer") || how == "Basic");
    kit.row("How does it ask for a sign-in?", assumed, &answer, agrees);
    greeted.is_ok()
}

pub(super) async fn tokens(kit: &mut Kit<'_>) {
    for (asked, rights, assumed) in [
        (
            "What does a token for `pull,push` look like?",
            Rights::PullPush,
            "any; if it names what it grants, both",
        ),
        (
            "What does a token for `pull,delete` look like?",
            Rights::PullDelete,
            "as above; `prune` asks for it",
        ),
    ] {
        let needs = if rights == Rights::PullDelete { "delete" } else { "push" };
        match kit.live.token(rights).await {
            Ok(None) => kit.skip(asked, assumed, "the registry uses no tokens"),
            Ok(Some(token)) => {
                let has =
                    |granted: &String| granted.contains("pull") && (granted.contains(needs) || granted.contains('*'));
                kit.row(asked, assumed, &facts(&token), token.granted.as_ref().is_none_or(has));
            }
            Err(reply) => kit.row(asked, assumed, &told(&reply), false),
        }
    }
    let (asked, assumed) = (
        "What does the API token look like?",
        "begins with `ATAT`, of a service account with `ATST`",
    );
    match (kit.given.is_built_in(), kit.given.token_prefix()) {
        (true, _) => kit.skip(asked, assumed, "ATLASSIAN_API_TOKEN is not set"),
        // Of a password no letter is told.
        (false, None) => kit.skip(asked, assumed, "it does not begin with `AT` and two more letters"),
        (false, Some(prefix)) => {
            let agrees = matches!(prefix.as_str(), "ATAT" | "ATST");
            kit.row(asked, assumed, &format!("begins with `{prefix}`"), agrees);
        }
    }
    let (asked, assumed) = (
        "What does Bitbucket's API say about the API token?",
        "200 or 403, with `api_token` and the scopes",
    );
    match kit.live.user().await {
        None => kit.skip(asked, assumed, "no answer, or a registry that is not Atlassian's"),
        Some(answer) => {
            let agrees = answer.contains("`api_token`, scopes `");
            kit.row(asked, assumed, &answer, agrees);
        }
    }
    let (asked, assumed) = (
        "What does the built-in credential look like?",
        "any shape; it may pull and push here",
    );
    let Some((username, token)) = kit.given.built_in.clone() else {
        kit.skip(asked, assumed, "it exists only in a step of Pipelines");
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
        ("How does it refuse a made-up token?", Some(MADE_UP)),
        ("How does it refuse a made-up access token?", Some(MADE_UP_ACCESS_TOKEN)),
        ("How does it refuse a real access token?", given.wrong_kind.as_deref()),
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
            "How does it answer a read of a package that does not exist?",
            "404 `NAME_UNKNOWN`",
            &told(&reply),
            agrees,
        );
        let reply = kit.ask(&live, uploads(&live)).await;
        if let Some(session) = &reply.session {
            kit.ask(&live, to_session("DELETE", session, None, Vec::new())).await;
        }
        let agrees = (400..=499).contains(&reply.status);
        let assumed = "refused: an admin creates packages";
        kit.row("How does it answer an upload to it?", assumed, &told(&reply), agrees);
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
        "How does it answer a read of a tag that does not exist?",
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
            "How does it answer a name of three parts?",
            "400 to 404",
            &told(&reply),
            agrees,
        );
    }
    let reply = kit
        .ask(&live, question("GET", "_catalog?n=1".to_owned(), Rights::Pull))
        .await;
    kit.row(
        "Does it list all repositories (`_catalog`)?",
        "any; the pipe does not use it",
        &told(&reply),
        reply.status != 0,
    );
}

/// Tokens of the same account with one scope.
pub(super) async fn other_scopes(kit: &mut Kit<'_>) {
    let given = kit.given;
    let (asked, assumed) = (
        "How does it refuse an upload with a read-only token?",
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
    let (asked, assumed) = ("Does the scope to write include reading?", "no: 401 or 403");
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
