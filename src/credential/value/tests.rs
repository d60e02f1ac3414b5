use super::super::kind::tests::{atlassian, noise};
use super::*;
use proptest::prelude::*;

const ALL: [Meant; 3] = [Meant::Username, Meant::ApiToken, Meant::BuiltInToken];

fn problems(value: &str, meant: Meant) -> String {
    let problems: Vec<String> = mistakes("NAME", value, meant).into_iter().map(|m| m.problem).collect();
    problems.join("; ")
}

#[test]
fn sound_values_pass() {
    let token = atlassian("ATATT3xFfGF0", 192);
    assert_eq!(problems(&token, Meant::ApiToken), "");
    for name in [
        "me@example.org",
        "x-token-auth",
        "jane_doe",
        "npm_bot",
        "O'Neil@example.org",
        "a$b@example.org",
    ] {
        assert_eq!(problems(name, Meant::Username), "", "{name}");
    }
    for built_in in [
        token.as_str(),
        "a b",
        "50%3Doff",
        "pa$$word",
        "\"half",
        "it's",
        "$ecret-text!",
    ] {
        assert_eq!(problems(built_in, Meant::BuiltInToken), "", "{built_in}");
    }
}

#[test]
fn each_fault_of_form_is_named() {
    let token = atlassian("ATATT3xFfGF0", 192);
    for meant in ALL {
        let good = if meant == Meant::Username {
            "me@example.org"
        } else {
            token.as_str()
        };
        for (bad, says) in [
            (format!("\"{good}\""), "quotation marks"),
            (format!("'{good}'"), "quotation marks"),
            (format!("{good}\n"), "line break"),
            (format!("{good}\r\n"), "line break"),
            (format!(" {good}"), "white space"),
            (format!("{good}\t"), "white space"),
            (format!("{good}\u{7}"), "control character"),
            (format!("“{good}”"), "quotation marks"),
            (format!("‘{good}’"), "quotation marks"),
            (format!("„{good}“"), "quotation marks"),
            (format!("«{good}»"), "quotation marks"),
            (format!("\u{feff}{good}"), "invisible character"),
            (format!("{good}\u{200b}"), "invisible character"),
            (format!("\u{2060}{good}"), "invisible character"),
            (format!("{}\u{ad}{}", &good[..5], &good[5..]), "invisible character"),
            (format!("{good}\u{a0}"), "white space"),
            ("$ATLASSIAN_API_TOKEN".to_owned(), "not filled in"),
            ("${ATLASSIAN_API_TOKEN}".to_owned(), "not filled in"),
            ("'$_NAME'".to_owned(), "not filled in"),
            ("${NAME:-}".to_owned(), "not filled in"),
            (format!("${{USER}}{good}"), "not filled in"),
        ] {
            assert!(
                problems(&bad, meant).contains(says),
                "{bad:?} {meant:?}: {}",
                problems(&bad, meant)
            );
        }
    }
    assert!(problems(&token.replace('=', "%3D"), Meant::ApiToken).contains("URL-encoded"));
    assert!(problems(&token.replace('=', "%3d"), Meant::ApiToken).contains("URL-encoded"));
    assert!(problems(&format!("{}\n{}", &token[..80], &token[80..]), Meant::ApiToken).contains("line break"));
    assert!(problems(&format!("\"{token}"), Meant::ApiToken).contains("quotation marks"));
    for (bad, says) in [
        (format!("“{token}"), "it holds quotation marks"),
        (format!("{token}”"), "it holds quotation marks"),
        (
            token.replace('3', "³"),
            "it holds a character that is not ASCII, as no token does",
        ),
        (
            token.replace('T', "Т"),
            "it holds a character that is not ASCII, as no token does",
        ),
        (
            format!("{token}…"),
            "it holds a character that is not ASCII, as no token does",
        ),
        (format!("me@example.org:{token}"), "it holds a `:`, which no token has"),
        (format!("{token}:me@example.org"), "it holds a `:`, which no token has"),
        (
            format!("token: {token}"),
            "it holds white space; it holds a `:`, which no token has",
        ),
    ] {
        assert_eq!(problems(&bad, Meant::ApiToken), says, "{bad}");
    }
    assert!(problems("$USER@example.org", Meant::Username).contains("not filled in"));
    assert!(problems("\"me@example.org\" ", Meant::Username).contains("quotation marks; it holds white space"));
}

#[test]
fn a_token_in_place_of_a_user_name_is_noticed_and_not_shown() {
    let token = atlassian("ATATT3xFfGF0", 192);
    assert!(problems(&token, Meant::Username).contains("a token, not a user name"));
    assert!(problems(&format!("me@example.org:{token}"), Meant::Username).contains("cannot hold `:`"));
    for bad in [
        token.clone(),
        format!("me@example.org:{token}"),
        format!("me@example.org {token}"),
        format!("\"{token}\""),
        format!("me@example.org:{}", noise(30)),
        format!("{} ", noise(12)),
    ] {
        for mistake in mistakes("ATLASSIAN_ACCOUNT_EMAIL", &bad, Meant::Username) {
            assert_eq!(mistake.value, None, "{mistake}");
        }
    }
}

#[test]
fn a_user_name_is_shown_a_token_never() {
    let mistake = &mistakes("ATLASSIAN_ACCOUNT_EMAIL", "'me@example.org'", Meant::Username)[0];
    assert_eq!(mistake.value.as_deref(), Some("'me@example.org'"));
    for meant in [Meant::ApiToken, Meant::BuiltInToken] {
        for mistake in mistakes("NAME", "'me@example.org\n'", meant) {
            assert_eq!(mistake.value, None);
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[\\PC\n\r\t$'\"{}:@%]*") {
        for meant in ALL {
            for mistake in mistakes("NAME", &text, meant) {
                prop_assert!(!mistake.to_string().contains('\n'));
            }
        }
    }
}
