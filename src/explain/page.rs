//! Where the manual explains a failure: one heading of `docs/refusals.md` for each refusal.

use crate::archive::ArchiveErrorKind;
use crate::credential::Choice;
use crate::credential::advice::UnusableReason;
use crate::credential::kind::TokenKind;
use crate::docker_config::ConfigError;
use crate::engine::{self, Cause, Refusal};
use crate::mistake::MistakeKind;
use crate::registry::Reach;

/// Makes the type and, of each of its values, the anchor of its heading.
macro_rules! pages {
    ($($page:ident = $anchor:literal,)*) => {
        /// A heading of `docs/refusals.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Page {
            $(#[doc = $anchor] $page,)*
        }

        impl Page {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$page,)*];

            const fn anchor(self) -> &'static str {
                match self {
                    $(Self::$page => $anchor,)*
                }
            }
        }
    };
}

pages! {
    // The section, for what has no heading of its own.
    ByRegistry = "by-the-registry",
    // One for each refusal, in the page's order.
    AccessToken = "an-access-token-does-not-work",
    AppPassword = "an-app-password-does-not-work",
    DataCenterToken = "a-token-of-bitbucket-data-center-does-not-work",
    WebToken = "an-oidc-token-does-not-work",
    ForeignToken = "a-token-of-another-service-does-not-work",
    BuiltInToken = "the-built-in-token-is-not-an-api-token",
    AccessTokenName = "the-user-name-of-an-access-token-does-not-work",
    Shadowed = "a-variable-hides-the-built-in-credential",
    NoCredential = "there-is-no-credential",
    NoBuiltIn = "the-built-in-credential-did-not-reach-the-pipe",
    NoApiToken = "no-api-token-is-set",
    HalfCredential = "half-of-a-credential-is-set",
    Empty = "a-variable-is-empty",
    NoAction = "action-is-not-set",
    NotFilledIn = "a-variable-was-not-filled-in",
    TokenDamaged = "the-token-was-damaged-when-it-was-stored",
    WrongVariable = "user-name-and-token-are-in-the-wrong-variables",
    PullSecret = "a-pull-secret-needs-an-api-token",
    HalfOfSource = "half-of-a-credential-for-another-registry-is-set",
    ChoiceOfCredential = "credential-holds-something-else",
    StrangeHost = "registry-is-a-strange-host",
    WrongHost = "the-host-is-not-the-container-registry",
    NoWorkspace = "a-name-has-no-workspace",
    ExpiryDate = "the-expiry-date-is-not-a-date",
    Keep = "prune-does-not-know-what-to-keep",
    Value = "a-variable-does-not-take-the-value",
    Reference = "a-name-is-not-the-name-of-an-image",
    Missing = "a-variable-is-missing",
    Together = "variables-do-not-fit-together",
    NotForAction = "the-action-does-not-take-the-image",
    ArchiveName = "an-archive-is-not-named-as-one",
    Output = "the-step-would-not-see-the-file",
    TooManyImages = "too-many-images-for-one-run",
    DaemonAddress = "the-address-of-the-docker-daemon-is-not-valid",
    ProxyAddress = "the-address-of-the-proxy-is-not-valid",
    Certificates = "there-is-no-certificate-to-trust",
    NotAccepted = "the-api-token-was-not-accepted",
    NotKnown = "bitbucket-does-not-know-the-token",
    NotAnEmail = "the-user-name-is-not-an-email-address",
    Altered = "the-token-was-cut-or-altered",
    OddToken = "the-token-looks-like-no-known-token",
    NoScope = "the-token-does-not-have-the-scope",
    NoRoleToWrite = "the-user-does-not-have-the-role-to-write",
    NoRoleToRead = "the-user-does-not-have-the-role-to-read",
    AccessTokenTried = "bitbucket-says-that-it-is-an-access-token",
    OAuthToken = "an-oauth-token-does-not-work",
    RegistryDisagrees = "bitbucket-accepts-the-token-and-the-registry-does-not",
    ScopesUnknown = "the-token-is-valid-and-its-scopes-are-not-known",
    BuiltInNotAccepted = "the-built-in-credential-was-not-accepted",
    LinkedElsewhere = "the-built-in-credential-does-not-reach-the-package",
    MayNotRead = "the-api-token-may-not-read-the-package",
    NeitherReaches = "neither-credential-reaches-the-package",
    NoPush = "the-api-token-is-granted-no-push",
    MayNotWrite = "the-api-token-may-not-write-to-the-package",
    BuiltInMayNotWrite = "the-built-in-credential-may-not-write",
    SourceNotAccepted = "the-other-registry-does-not-accept-the-password",
    SourceDenied = "the-other-registry-refuses-the-image",
    SourceAsks = "the-other-registry-asks-for-a-credential",
    NoPackage = "the-package-is-not-there",
    NoTag = "the-tag-is-not-there",
    NotInTime = "the-image-did-not-come-in-time",
    NoDigest = "the-digest-is-not-there",
    ImageDamaged = "the-image-is-damaged-in-the-registry",
    NoTagOrPackage = "the-tag-or-the-package-is-not-there",
    NothingFits = "no-tag-fits-the-pattern",
    Immutable = "the-tag-is-immutable",
    MayBeImmutable = "the-tag-may-be-immutable",
    NotAttached = "something-that-require-asks-for-is-missing",
    AttachedUnknown = "it-is-not-known-whether-require-is-met",
    Attachment = "a-signature-or-sbom-cannot-be-copied",
    Exists = "the-tag-is-there-already",
    TooManyRequests = "too-many-requests",
    ServerFault = "the-registry-has-a-problem",
    ImageTooLarge = "the-image-is-too-large-for-the-registry",
    OpenRegistry = "the-registry-asks-nobody-to-sign-in",
    NoReason = "the-registry-gives-no-reason",
    NoDeletion = "the-registry-does-not-delete",
    MayNotDelete = "the-credential-may-not-delete",
    DeletionDenied = "the-tag-may-not-be-deleted",
    StillThere = "a-deleted-tag-is-still-there",
    UnknownTags = "tags-of-unknown-images",
    TooMuchToDecide = "the-package-has-too-much-to-decide-on",
    NoDaemon = "there-is-no-docker-daemon",
    DaemonOutOfReach = "the-docker-daemon-is-out-of-reach",
    DaemonSocket = "the-socket-of-the-docker-daemon-may-not-be-opened",
    DaemonSilent = "the-docker-daemon-says-nothing",
    DaemonPlugin = "a-plugin-of-the-docker-daemon-forbids-it",
    NotADaemon = "it-is-not-a-docker-daemon",
    DaemonBroke = "the-docker-daemon-broke-off",
    DaemonStalled = "the-docker-daemon-moves-no-byte",
    DaemonEndless = "the-docker-daemon-writes-without-end",
    DaemonNotFound = "the-docker-daemon-did-not-find-the-image",
    DaemonNoRegistry = "the-docker-daemon-does-not-reach-the-registry",
    DaemonPart = "the-registry-does-not-have-a-part-of-the-image",
    DaemonWrongBytes = "the-docker-daemon-got-other-bytes-or-has-no-space",
    DaemonRefused = "the-docker-daemon-refused",
    NotAnImage = "it-is-not-a-container-image",
    DaemonHasPart = "the-docker-daemon-has-only-a-part-of-the-image",
    OnePlatform = "one-platform-of-several-cannot-be-pushed",
    NotPushed = "what-was-pushed-is-not-in-the-registry",
    NotInDaemon = "the-image-is-not-in-the-docker-daemon",
    OtherPlatform = "the-image-is-for-another-platform",
    NotPulled = "what-was-pulled-is-not-in-the-docker-daemon",
    DaemonGone = "the-image-was-deleted-in-the-meantime",
    DaemonDenied = "the-docker-daemon-was-refused-access",
    DaemonNotAccepted = "the-credential-of-the-docker-daemon-was-not-accepted",
    DaemonLimited = "the-docker-daemon-made-too-many-requests",
    NotPushable = "the-tag-cannot-be-pushed",
    NameNotResolved = "the-host-name-could-not-be-resolved",
    ConnectionRefused = "the-connection-was-refused",
    NoAnswer = "the-registry-did-not-answer-in-time",
    UnknownAuthority = "the-certificate-is-of-an-unknown-authority",
    Certificate = "the-certificate-is-not-valid",
    Tls = "tls-failed",
    StorageOutOfReach = "the-storage-of-the-registry-did-not-answer",
    StorageRefused = "the-storage-of-the-registry-refused",
    TokenServerOutOfReach = "the-token-server-did-not-answer",
    TokenServerOdd = "the-token-server-gave-an-unexpected-answer",
    Proxy = "the-proxy-did-not-answer",
    Portal = "a-web-page-came-in-place-of-an-answer",
    Realm = "the-sign-in-address-is-not-safe",
    Redirect = "a-redirect-was-not-followed",
    UnexpectedAnswer = "the-registry-gave-an-unexpected-answer",
    WrongBytes = "the-bytes-do-not-have-their-digest",
    TooLarge = "the-registry-sent-too-much",
    Encoded = "the-answer-was-encoded",
    OverBudget = "too-much-for-one-run",
    CheckScope = "check-finds-a-missing-scope",
    Expires = "the-api-token-expires",
    NotARegistry = "the-host-is-not-a-registry",
    ImageAccessToken = "a-step-image-signs-in-with-an-access-token",
    ImageHost = "a-step-image-is-on-the-wrong-host",
    ImageName = "a-step-image-has-an-invalid-name",
    NoImages = "no-images-were-found",
    SeveralRegistries = "images-are-on-several-registries",
    NoOtherRegistry = "no-image-is-on-another-registry",
    SameTarget = "source-and-target-are-the-same",
    NoPlatform = "the-image-is-not-there-for-the-platform",
    ArchiveNotThere = "the-archive-is-not-there",
    SeveralImages = "the-archive-has-several-images",
    NoSuchImage = "the-archive-has-no-such-image",
    OtherForm = "the-archive-has-another-form",
    NotATar = "the-archive-is-empty-or-not-a-tar",
    ArchiveDamaged = "the-archive-is-damaged",
    TwoWays = "the-archive-can-be-read-in-two-ways",
    ArchivePartial = "the-archive-does-not-have-all-of-the-image",
    LinksOut = "the-layout-has-links",
    CannotHold = "a-docker-archive-cannot-hold-the-image",
    NotWritable = "the-file-may-not-be-written",
    LoginFile = "the-file-of-login-was-left-alone",
}

impl Page {
    /// Its address, of this version's manual.
    #[must_use]
    pub(crate) fn address(self) -> String {
        let manual = concat!(
            "https://bitbucket.org/crgpipe/crg-pipe/src/",
            env!("CARGO_PKG_VERSION"),
            "/docs/refusals.md"
        );
        format!("{manual}#markdown-header-{}", self.anchor())
    }

    /// Of a variable.
    pub(super) const fn of_mistake(kind: MistakeKind) -> Self {
        match kind {
            MistakeKind::Empty => Self::Empty,
            MistakeKind::NotFilledIn => Self::NotFilledIn,
            MistakeKind::NoAction => Self::NoAction,
            MistakeKind::Value => Self::Value,
            MistakeKind::Reference => Self::Reference,
            MistakeKind::WrongHost => Self::WrongHost,
            MistakeKind::NoWorkspace => Self::NoWorkspace,
            MistakeKind::Location => Self::ArchiveName,
            MistakeKind::Output => Self::Output,
            MistakeKind::Missing => Self::Missing,
            MistakeKind::NotForAction => Self::NotForAction,
            MistakeKind::Together => Self::Together,
            MistakeKind::TooMany => Self::TooManyImages,
            MistakeKind::NoImages => Self::NoImages,
            MistakeKind::SameTarget => Self::SameTarget,
            MistakeKind::ExpiryDate => Self::ExpiryDate,
            MistakeKind::Keep => Self::Keep,
            MistakeKind::HalfCredential => Self::HalfCredential,
            MistakeKind::HalfOfSource => Self::HalfOfSource,
            MistakeKind::SeveralRegistries => Self::SeveralRegistries,
            MistakeKind::NoOtherRegistry => Self::NoOtherRegistry,
            MistakeKind::Choice => Self::ChoiceOfCredential,
            MistakeKind::StrangeHost => Self::StrangeHost,
            MistakeKind::PullSecret => Self::PullSecret,
            MistakeKind::TokenDamaged => Self::TokenDamaged,
            MistakeKind::WrongVariable => Self::WrongVariable,
            MistakeKind::DaemonAddress => Self::DaemonAddress,
            MistakeKind::ProxyAddress => Self::ProxyAddress,
            MistakeKind::Certificates => Self::Certificates,
        }
    }

    /// Of the file that `login` writes.
    pub(super) const fn of_config(error: &ConfigError) -> Self {
        match error {
            ConfigError::Output(_) | ConfigError::Unreadable { .. } => Self::NotWritable,
            ConfigError::Content { .. }
            | ConfigError::TooLong { .. }
            | ConfigError::Link { .. }
            | ConfigError::NoFile { .. }
            | ConfigError::Reading { .. }
            | ConfigError::Foreign { .. } => Self::LoginFile,
        }
    }

    /// Of a credential that cannot work.
    pub(super) const fn of_credential(reason: &UnusableReason) -> Self {
        match reason {
            UnusableReason::TokenKind { kind, .. } => Self::of_token(*kind),
            UnusableReason::BuiltInToken => Self::BuiltInToken,
            UnusableReason::Username { .. } => Self::AccessTokenName,
            UnusableReason::Shadowed { .. } => Self::Shadowed,
            UnusableReason::EndsWithStep => Self::PullSecret,
            UnusableReason::NoCredential { choice, .. } => match choice {
                Choice::Auto => Self::NoCredential,
                Choice::BuiltIn => Self::NoBuiltIn,
                Choice::ApiToken => Self::NoApiToken,
            },
        }
    }

    const fn of_token(kind: TokenKind) -> Self {
        match kind {
            TokenKind::AccessToken => Self::AccessToken,
            TokenKind::AppPassword => Self::AppPassword,
            TokenKind::DataCenterToken => Self::DataCenterToken,
            TokenKind::PipelinesOidc | TokenKind::AtlassianJwt => Self::WebToken,
            TokenKind::OtherJwt
            | TokenKind::EcrPassword
            | TokenKind::AwsAccessKey
            | TokenKind::DockerHub
            | TokenKind::GitHub
            | TokenKind::GitLab
            | TokenKind::Npm => Self::ForeignToken,
            TokenKind::UserApiToken | TokenKind::ServiceAccountToken | TokenKind::OldApiToken | TokenKind::Unknown => {
                Self::OddToken
            }
        }
    }

    /// Of a Docker daemon.
    pub(super) const fn of_daemon(error: &engine::Error) -> Self {
        match error {
            engine::Error::Unreachable { cause, .. } => match cause {
                Cause::Refused | Cause::NoSocket => Self::NoDaemon,
                Cause::Permission => Self::DaemonSocket,
                Cause::NameNotResolved | Cause::TimedOut | Cause::Other => Self::DaemonOutOfReach,
            },
            engine::Error::Broken { .. } => Self::DaemonBroke,
            engine::Error::Stalled { is_network: true, .. } => Self::DaemonStalled,
            engine::Error::Stalled { .. } => Self::DaemonSilent,
            engine::Error::Plugin { .. } => Self::DaemonPlugin,
            engine::Error::NoSuchImage { .. } => Self::NotInDaemon,
            engine::Error::Registry { refusal, .. } => match refusal {
                Refusal::Unauthorized => Self::DaemonNotAccepted,
                Refusal::Denied => Self::DaemonDenied,
                Refusal::NameUnknown | Refusal::ManifestUnknown => Self::DaemonGone,
                Refusal::PartUnknown => Self::DaemonPart,
                Refusal::TooManyRequests => Self::DaemonLimited,
                Refusal::Immutable | Refusal::Other | Refusal::Unstated => Self::NotPushable,
            },
            engine::Error::RegistryUnreachable { .. } => Self::DaemonNoRegistry,
            engine::Error::Platform { .. } => Self::NoPlatform,
            engine::Error::NoSpace { .. } | engine::Error::WrongBytes { .. } => Self::DaemonWrongBytes,
            engine::Error::Layer { .. } | engine::Error::Daemon { .. } => Self::DaemonRefused,
            engine::Error::NotResolved { .. } => Self::DaemonNotFound,
            engine::Error::Incomplete { .. } => Self::DaemonHasPart,
            engine::Error::Endless { .. } => Self::DaemonEndless,
            engine::Error::Protocol { .. } => Self::NotADaemon,
        }
    }

    /// Of no answer, where it is the registry's own or of a kind that is the same for all.
    pub(super) const fn of_reach(reach: &Reach) -> Self {
        match reach {
            Reach::Name => Self::NameNotResolved,
            Reach::ConnectionRefused => Self::ConnectionRefused,
            Reach::UnknownIssuer => Self::UnknownAuthority,
            Reach::Certificate(_) => Self::Certificate,
            Reach::Tls(_) => Self::Tls,
            Reach::Timeout | Reach::Drip | Reach::Broken(_) => Self::NoAnswer,
            Reach::NoTunnel | Reach::ProxyAuthorization => Self::Proxy,
        }
    }

    /// Of an archive or layout.
    pub(super) const fn of_archive(kind: &ArchiveErrorKind) -> Self {
        use ArchiveErrorKind as Kind;
        match kind {
            Kind::NotFound | Kind::EndsAtColon { .. } => Self::ArchiveNotThere,
            Kind::Denied(_) | Kind::Output(_) => Self::NotWritable,
            Kind::NotOfKind { .. } | Kind::FileSystem { .. } | Kind::Compressed { .. } => Self::OtherForm,
            Kind::Empty | Kind::NotATar { .. } => Self::NotATar,
            Kind::Ambiguous { .. } => Self::SeveralImages,
            Kind::NoSuchImage { .. } | Kind::NoImages { .. } => Self::NoSuchImage,
            Kind::LinksOut { .. } => Self::LinksOut,
            Kind::Partial { .. } => Self::ArchivePartial,
            Kind::TwoWays { .. } => Self::TwoWays,
            Kind::CannotHold { .. } => Self::CannotHold,
            Kind::Unreadable(_)
            | Kind::LayerCompressed { .. }
            | Kind::Damaged { .. }
            | Kind::Hostile { .. }
            | Kind::TooLarge { .. }
            | Kind::Missing { .. }
            | Kind::WrongDigest { .. } => Self::ArchiveDamaged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::failure::Failures;
    use crate::input::Check;
    use crate::input::variables::Variables;
    use std::collections::HashSet;
    use std::path::Path;

    /// The anchor that Bitbucket gives a heading.
    fn anchor(heading: &str) -> String {
        let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        let plain: String = heading.to_lowercase().chars().filter(is_kept).collect();
        plain
            .split([' ', '-'])
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("-")
    }

    #[test]
    fn every_link_leads_to_a_heading_and_no_two_headings_are_alike() {
        let page = include_str!("../../docs/refusals.md");
        let headings = page.lines().filter(|line| line.starts_with('#'));
        let anchors: Vec<String> = headings
            .map(|line| anchor(line.trim_start_matches(['#', ' '])))
            .collect();
        let distinct: HashSet<&String> = anchors.iter().collect();
        assert_eq!(distinct.len(), anchors.len(), "two headings have the same anchor");
        let mut linked = HashSet::new();
        for page in Page::ALL {
            assert!(linked.insert(page.anchor()), "two pages lead to {}", page.anchor());
            assert!(
                anchors.iter().any(|anchor| anchor == page.anchor()),
                "{page:?}: {}",
                page.anchor()
            );
            assert!(page.address().ends_with(&format!("#markdown-header-{}", page.anchor())));
        }
        // A heading that quotes what is printed, and that nothing links to, is forgotten, or not of an error.
        let (mut unlinked, mut heading) = (Vec::new(), "");
        for line in page.lines() {
            if let Some(next) = line.strip_prefix("### ") {
                heading = next;
            } else if line.starts_with("> ") && !linked.contains(&*anchor(heading)) && !unlinked.contains(&heading) {
                unlinked.push(heading);
            }
        }
        assert_eq!(unlinked, NOT_LINKED);
    }

    /// Headings of warnings, which the pipe does not print as an error.
    const NOT_LINKED: &[&str] = &["A step image cannot be pulled"];

    /// The pages of all that is wrong with these variables.
    fn pages_of(variables: &[(&str, &str)]) -> Vec<Page> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let variables = Variables::read(variables);
        let check = Check::begin(&variables, Path::new("/nowhere"));
        match check.finish(None).request {
            Ok(_) => Vec::new(),
            Err(mistakes) => Failures::from(mistakes).iter().map(|failure| failure.page).collect(),
        }
    }

    #[test]
    fn each_kind_of_mistake_leads_to_its_heading() {
        let copy = [
            ("ACTION", "copy"),
            ("BITBUCKET_WORKSPACE", "shop"),
            ("CREDENTIAL", "auto"),
        ];
        let sources = [("SOURCE_USERNAME", "ada"), ("SOURCE_PASSWORD", "secret")];
        for (variables, page) in [
            (&[("SOURCE", "api:1"), ("TARGET", "api")][..], Page::SameTarget),
            (&[("SOURCE", "docker.io/node"), ("TAGS", "")], Page::Empty),
            (&[("SOURCE", "docker.io/node:$TAG")], Page::NotFilledIn),
            (&[("SOURCE", "packages.atlassian.net/shop/api")], Page::WrongHost),
            (&[("SOURCE", "crg.apkg.io/api")], Page::NoWorkspace),
            (&[("SOURCE", "docker.io/node"), ("WAIT", "-1")], Page::Value),
            (&[("SOURCE", "docker.io/Node")], Page::Reference),
            (&[("SOURCE", "oci:image")], Page::NotForAction),
            (&[("SOURCE", "docker.io/node"), ("IMAGES", "api")], Page::Together),
            (&[], Page::Missing),
            (
                &[("SOURCE", "docker.io/node"), ("HTTPS_PROXY", "a b")],
                Page::ProxyAddress,
            ),
            (
                &[("SOURCE", "docker.io/node"), ("CA_CERTIFICATE", "x")],
                Page::Certificates,
            ),
            (
                &[("SOURCE", "docker.io/node"), ("TOKEN_EXPIRES_ON", "x")],
                Page::ExpiryDate,
            ),
            (
                &[("SOURCE", "docker.io/node"), ("CREDENTIAL", "x")],
                Page::ChoiceOfCredential,
            ),
            (&[("SOURCE", "docker.io/node"), sources[0]], Page::HalfOfSource),
            (
                &[("SOURCE", "api"), ("TARGET", "web"), sources[0], sources[1]],
                Page::NoOtherRegistry,
            ),
            (
                &[("IMAGES", "docker.io/a quay.io/b"), sources[0], sources[1]],
                Page::SeveralRegistries,
            ),
            (
                &[("SOURCE", "docker.io/node"), ("BITBUCKET_PACKAGES_TOKEN", "jwt")],
                Page::HalfCredential,
            ),
            (
                &[("ACTION", "pull"), ("IMAGES", "a:1"), ("TO", "out.tar")],
                Page::ArchiveName,
            ),
            (
                &[("ACTION", "pull"), ("IMAGES", "a:1"), ("DOCKER_HOST", "x")],
                Page::DaemonAddress,
            ),
            (&[("ACTION", "pull")], Page::NoImages),
            (&[("ACTION", "prune"), ("IMAGES", "a")], Page::Keep),
            (
                &[("ACTION", "login"), ("PULL_SECRET", "x"), ("CREDENTIAL", "built-in")],
                Page::PullSecret,
            ),
        ] {
            let all = [&copy[..], variables].concat();
            assert_eq!(pages_of(&all), [page], "{variables:?}");
        }
    }
}
