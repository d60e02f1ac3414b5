//! What becomes of a `config.json`, as tables.

use super::*;
use crate::credential::Source;

fn merged(existing: &str) -> Result<Merged, Fault> {
    merge(
        Some(existing.as_bytes()),
        &Host::parse("crg.apkg.io").unwrap(),
        &credential(),
    )
}

fn credential() -> Credential {
    Credential {
        source: Source::ApiToken,
        username: "me".to_owned(),
        token: Secret::new("pw"),
    }
}

fn without_space(merged: &Merged) -> String {
    merged.text.expose().chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn the_credential_goes_in_and_all_else_stays_in_order() {
    let ours = r#""crg.apkg.io":{"auth":"bWU6cHc="}"#;
    for (existing, expected) in [
        ("", format!(r#"{{"auths":{{{ours}}}}}"#)),
        (" \n", format!(r#"{{"auths":{{{ours}}}}}"#)),
        (r#"{"auths":null}"#, format!(r#"{{"auths":{{{ours}}}}}"#)),
        (
            r#"{"zeta":1,"auths":{"z.io":{"auth":"eA=="},"a.io":{}},"alpha":{"b":[1.5,null]}}"#,
            format!(
                r#"{{"zeta":1,"auths":{{"z.io":{{"auth":"eA=="}},"a.io":{{}},{ours}}},"alpha":{{"b":[1.5,null]}}}}"#
            ),
        ),
        (
            r#"{"auths":{"crg.apkg.io":{"email":"x","auth":"old","identitytoken":"i","username":"u","password":"p"},"z":{}}}"#,
            r#"{"auths":{"crg.apkg.io":{"email":"x","auth":"bWU6cHc="},"z":{}}}"#.to_owned(),
        ),
        (
            r#"{"a":[6.257203041080542e-234,0.1,1e22]}"#,
            format!(r#"{{"a":[6.257203041080542e-234,0.1,1e+22],"auths":{{{ours}}}}}"#),
        ),
        (
            r#"{"auths":{"crg.apkg.io":null}}"#,
            format!(r#"{{"auths":{{{ours}}}}}"#),
        ),
        (
            r#"{"credsStore":"","credHelpers":null}"#,
            format!(r#"{{"credsStore":"","credHelpers":null,"auths":{{{ours}}}}}"#),
        ),
        (
            r#"{"credHelpers":{"x.io":"ecr"}}"#,
            format!(r#"{{"credHelpers":{{"x.io":"ecr"}},"auths":{{{ours}}}}}"#),
        ),
    ] {
        let merged = merged(existing).unwrap();
        assert_eq!(without_space(&merged), expected, "{existing}");
        assert_eq!(merged.notes, [], "{existing}");
    }
    let fresh = merge(None, &Host::parse("docker.io").unwrap(), &credential()).unwrap();
    assert!(fresh.text.expose().contains("\"https://index.docker.io/v1/\""));
    assert!(fresh.text.expose().starts_with("{\n\t\"auths\""));
}

#[test]
fn helpers_that_would_hide_the_credential_make_way() {
    let removed = merged(r#"{"credHelpers":{"a.io":"x","crg.apkg.io":"pass","z.io":"y"}}"#).unwrap();
    assert!(without_space(&removed).starts_with(r#"{"credHelpers":{"a.io":"x","z.io":"y"},"auths""#));
    assert!(
        removed.notes[0].to_string().contains("`docker-credential-pass`"),
        "{}",
        removed.notes[0]
    );

    let excepted = merged(r#"{"credsStore":"desktop\u001b","credHelpers":{"crg.apkg.io":"pass"}}"#).unwrap();
    assert!(without_space(&excepted).contains(r#""credHelpers":{"crg.apkg.io":""}"#));
    let note = excepted.notes[0].to_string();
    assert!(
        note.contains("docker-credential-desktop\\u{1b}") && !note.contains('\u{1b}'),
        "{note}"
    );
    assert_eq!(
        merged(excepted.text.expose()).unwrap().text,
        excepted.text,
        "a second login changes nothing"
    );
}

#[test]
fn keys_in_any_case_are_docker_s() {
    let ours = r#""crg.apkg.io":{"auth":"bWU6cHc="}"#;
    for (existing, expected, notes) in [
        (
            r#"{"credsstore":"desktop"}"#,
            format!(r#"{{"credsStore":"desktop","credHelpers":{{"crg.apkg.io":""}},"auths":{{{ours}}}}}"#),
            1,
        ),
        (
            r#"{"CredHelpers":{"crg.apkg.io":"pass"}}"#,
            format!(r#"{{"credHelpers":{{}},"auths":{{{ours}}}}}"#),
            1,
        ),
        (
            r#"{"AUTHS":{"crg.apkg.io":{"IdentityToken":"i","Auth":"old","Email":"e"}}}"#,
            r#"{"auths":{"crg.apkg.io":{"Email":"e","auth":"bWU6cHc="}}}"#.to_owned(),
            0,
        ),
        (
            r#"{"Auths":{"a":{}},"auths":{"b":{}}}"#,
            format!(r#"{{"auths":{{"a":{{}},"b":{{}},{ours}}}}}"#),
            0,
        ),
        (
            r#"{"credsStore":"","CREDSSTORE":"pass"}"#,
            format!(r#"{{"credsStore":"pass","credHelpers":{{"crg.apkg.io":""}},"auths":{{{ours}}}}}"#),
            1,
        ),
    ] {
        let merged = merged(existing).unwrap();
        assert_eq!(without_space(&merged), expected, "{existing}");
        assert_eq!(merged.notes.len(), notes, "{existing}");
    }
}

#[test]
fn what_else_the_file_decides_is_told() {
    for (existing, told) in [
        (
            r#"{"auths":{"crg.apkg.io/shop":{"auth":"x"}}}"#,
            Some("has `crg.apkg.io/shop`: skopeo, podman and buildah take that"),
        ),
        (
            r#"{"auths":{"crg.apkg.io/shop/api":{}}}"#,
            Some("`crg.apkg.io/shop/api`"),
        ),
        (
            r#"{"auths":{"crg.apkg.io/v1/":{},"https://crg.apkg.io/shop":{},"crg.apkg.io.x/shop":{}}}"#,
            None,
        ),
        (
            r#"{"cliPluginsExtraDirs":["/x"],"proxies":{"default":{}},"CurrentContext":"x"}"#,
            Some("sets `cliPluginsExtraDirs`, `proxies`, `currentContext`, which stays"),
        ),
        (
            r#"{"currentContext":"default","proxies":{},"psFormat":"x","aliases":null}"#,
            None,
        ),
    ] {
        let notes: Vec<String> = merged(existing)
            .unwrap()
            .notes
            .iter()
            .map(ToString::to_string)
            .collect();
        match told {
            Some(told) => assert!(notes.len() == 1 && notes[0].contains(told), "{existing}: {notes:?}"),
            None => assert!(notes.is_empty(), "{existing}: {notes:?}"),
        }
    }
}

#[test]
fn what_docker_would_not_read_is_never_replaced() {
    for (existing, fact) in [
        ("\u{feff}{}", "byte order mark"),
        ("{", "line 1, column 1"),
        ("{}{}", "not JSON"),
        ("{\n\"a\": tru}", "line 2"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        (r#"{"auths":[]}"#, "`auths`"),
        (r#"{"auths":{"crg.apkg.io":"x"}}"#, "`auths`"),
        (r#"{"credHelpers":"x"}"#, "`credHelpers`"),
        (r#"{"credsStore":{}}"#, "`credsStore`"),
        (r#"{"CREDSSTORE":{}}"#, "`credsStore`"),
        (r#"{"Auths":[]}"#, "`auths`"),
    ] {
        let error = merged(existing).expect_err(existing);
        assert!(error.to_string().contains(fact), "{existing}: {error}");
        let file = "config.json".into();
        let hint = ConfigError::Content { file, fault: error }.hint();
        assert!(!hint.is_empty() && !hint.ends_with('.'), "{hint}");
    }
}

#[test]
fn neither_the_result_nor_an_error_shows_a_secret() {
    let merged = merged(r#"{"auths":{"a.io":{"auth":"aHVudGVyMg=="}}}"#).unwrap();
    let shown = format!("{merged:?}");
    assert!(!shown.contains("aHVudGVyMg") && !shown.contains("bWU6cHc"), "{shown}");
    let error = super::tests::merged(r#"{"auths":{"a.io":{"auth":"hunter2}}"#).expect_err("cut");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}
