//! What nobody documents about Bitbucket's registry, or what differs between registries: a test's choice.

use super::answer::Answer;
use regex::Regex;
use serde_json::json;

/// How a client signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// The challenge names a token endpoint.
    Bearer,
    /// The credential goes with every request.
    Basic,
}

/// What a token looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// Three parts; the claims list what was granted.
    Jwt,
    /// Says nothing.
    Opaque,
}

/// What becomes of a token request for several repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combined {
    /// Each is granted what the account may do there.
    Granted,
    /// Only the first one is granted anything.
    OnlyFirst,
    /// 400.
    Refused,
}

/// What a DELETE of a manifest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    /// A tag alone, by its name; a manifest with all its tags, by its digest.
    Tags,
    /// A manifest with all its tags, by its digest; a tag is refused with this status, as docker-registry 2.8 has it.
    Digests(u16),
    /// Nothing: 405, as docker-registry has it unless deletion is turned on.
    Nothing,
    /// It says so, and does nothing.
    Claims,
}

/// How the emulator behaves. `{name}` in an answer's body becomes the package's or the tag's name, as each says.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Settings {
    /// Challenge.
    pub sign_in: SignIn,
    /// The realm of the challenge in place of this emulator's own.
    pub realm: Option<String>,
    /// Tokens.
    pub token_form: TokenForm,
    /// `expires_in`, in seconds.
    pub token_lifetime: u64,
    /// Whether a token answer tells `expires_in` and `issued_at`.
    pub tells_lifetime: bool,
    /// Whether the token endpoint takes POST (OAuth 2) too; else 405.
    pub oauth2: bool,
    /// Whether the token endpoint lets everybody pull who shows no credential, as Docker Hub's does.
    pub public: bool,
    /// Several repositories in one token.
    pub combined: Combined,
    /// The token endpoint's answer, or the registry's with Basic, to a credential that nobody has.
    pub unknown_credential: Answer,
    /// No role or no scope for what was asked; `{name}` is `workspace/package`.
    pub denied: Answer,
    /// No such package; `{name}` is the package without its workspace.
    pub unknown_package: Answer,
    /// No such tag or digest.
    pub unknown_manifest: Answer,
    /// An immutable tag; `{name}` is the tag.
    pub immutable: Answer,
    /// Patterns of immutable tags, workspace-wide.
    pub immutable_tags: Vec<Regex>,
    /// Whether an immutable tag takes the digest that it already has.
    pub immutable_takes_same: bool,
    /// What who has not signed in gets in the place of a challenge, for anything but `/v2/`: registries that hide what is
    /// private.
    pub hides: Option<Answer>,
    /// Whether `/v2/` is answered with 200 to anybody.
    pub open_base: bool,
    /// What a HEAD of a manifest is answered with in the place of what a GET tells.
    pub manifest_head: Option<u16>,
    /// Whether `Docker-Content-Digest` of a manifest is of SHA-512.
    pub names_by_sha512: bool,
    /// Names and values that every answer to a request for a manifest has besides: how many pulls are left, say.
    pub manifest_headers: Vec<(&'static str, &'static str)>,
    /// Whether the first push to a package makes it.
    pub makes_packages: bool,
    /// What a DELETE of a manifest does.
    pub deletes: Deletes,
    /// Tags that are listed besides those that are there.
    pub ghosts: Vec<String>,
    /// Whether `/referrers/` is served.
    pub referrers: bool,
    /// At most so many tags on a page.
    pub page_limit: usize,
    /// How the next page of tags is linked to; none where it is empty. `{next}` becomes the address.
    pub page_links: Vec<String>,
    /// Whether `last` of a list of tags is heeded.
    pub heeds_last: bool,
    /// Whether `n` is; else all come at once.
    pub heeds_n: bool,
    /// Whether `Location` of uploads is absolute.
    pub absolute_locations: bool,
    /// Whether `POST …/uploads/?digest=` takes the blob at once.
    pub single_post: bool,
    /// Whether mounts are done; else every one is a 202.
    pub mounts: bool,
    /// Whether a `Range` is honoured; else every blob comes whole, with 200.
    pub ranges: bool,
    /// Whether blobs lie on another host (`127.0.0.1` in place of the registry's name), to which a GET is redirected.
    pub redirects: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sign_in: SignIn::Bearer,
            realm: None,
            token_form: TokenForm::Jwt,
            token_lifetime: 300,
            tells_lifetime: true,
            oauth2: true,
            public: false,
            combined: Combined::Granted,
            unknown_credential: Answer::error(401, "UNAUTHORIZED", "unauthorized"),
            denied: Answer::error(403, "DENIED", "requested access to the resource is denied"),
            unknown_package: Answer::error_about(
                404,
                "NAME_UNKNOWN",
                "name unknown: {name} does not exist in this workspace",
                &json!({ "name": "{name}" }),
            ),
            unknown_manifest: Answer::error_about(
                404,
                "MANIFEST_UNKNOWN",
                "manifest unknown",
                &json!({ "Reference": "{name}" }),
            ),
            immutable: Answer::error(
                400,
                "TAG_IMMUTABLE",
                "tag {name} is immutable and cannot be overwritten",
            ),
            immutable_tags: Vec::new(),
            immutable_takes_same: true,
            hides: None,
            open_base: false,
            manifest_head: None,
            names_by_sha512: false,
            manifest_headers: Vec::new(),
            makes_packages: false,
            deletes: Deletes::Tags,
            ghosts: Vec::new(),
            referrers: false,
            page_limit: 100,
            page_links: vec!["<{next}>; rel=\"next\"".to_owned()],
            heeds_last: true,
            heeds_n: true,
            absolute_locations: true,
            single_post: false,
            mounts: true,
            ranges: true,
            redirects: false,
        }
    }
}

impl Settings {
    pub(super) fn is_immutable(&self, tag: &str) -> bool {
        self.immutable_tags.iter().any(|pattern| pattern.is_match(tag))
    }
}
