//! A row of the table: where a fault hits, what it is, and what is to come of it.

use crate::support::emulator::{Answer, Break, Fault, Kept, Matcher, Settings, on};
use crate::support::image::{Image, ImageBuilder};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// Bytes of the one layer before gzip, which noise does not make smaller.
pub(super) const LAYER: usize = 200_000;
/// The same where an upload breaks off: several times what it may bring again.
pub(super) const LARGE: usize = 3 << 20;

/// Most that is read again before the place where an upload goes on: reading begins where the digest of what went before
/// is known.
pub(super) const WINDOW: u64 = 1 << 20;

/// The image of a cell: a configuration and one layer.
pub(super) fn image(large: bool) -> &'static Image {
    static IMAGES: [OnceLock<Image>; 2] = [const { OnceLock::new() }; 2];
    let size = if large { LARGE } else { LAYER };
    IMAGES[usize::from(large)].get_or_init(|| ImageBuilder::new("faults").layers(1, size).build())
}

/// What is done while the fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Into a layout.
    Pull,
    /// From a layout.
    Push,
    /// From a docker-archive: layers are compressed on the way, and their size not known beforehand.
    PushPlain,
    /// From one registry to another.
    Copy,
    /// From one repository to another of the same registry, by mounts.
    Mount,
    /// Within a repository.
    Retag,
}

impl Action {
    pub(super) const ALL: [Self; 6] = [
        Self::Pull,
        Self::Push,
        Self::PushPlain,
        Self::Copy,
        Self::Mount,
        Self::Retag,
    ];

    /// Whether other clients do it in a way that can be compared.
    pub(super) fn is_of_others(self) -> bool {
        matches!(self, Self::Pull | Self::Push | Self::Copy)
    }

    /// Whether there is a registry to read blobs from.
    fn reads(self) -> bool {
        matches!(self, Self::Pull | Self::Copy)
    }

    fn uploads(self) -> bool {
        matches!(self, Self::Push | Self::PushPlain | Self::Copy)
    }
}

/// Where a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// The lookup of the registry's name.
    Name,
    Token,
    /// What an image of another registry is asked for by, and the target's tag in the same one.
    ManifestHead,
    ManifestGet,
    BlobGet,
    /// Where blobs are redirected to.
    Storage,
    BlobHead,
    MountPost,
    UploadPost,
    /// The layer's bytes on their way: a PUT where its digest is known, else a PATCH.
    Upload,
    /// The request that names the digest of what was sent before.
    UploadEnd,
    ManifestPut,
}

impl Point {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Token => "token",
            Self::ManifestHead => "manifest HEAD",
            Self::ManifestGet => "manifest GET",
            Self::BlobGet => "blob GET",
            Self::Storage => "blob GET, redirected",
            Self::BlobHead => "blob HEAD",
            Self::MountPost => "mount POST",
            Self::UploadPost => "upload POST",
            Self::Upload => "upload PUT or PATCH",
            Self::UploadEnd => "closing PUT",
            Self::ManifestPut => "manifest PUT",
        }
    }

    pub(super) fn is_met_by(self, action: Action) -> bool {
        match self {
            Self::Name | Self::Token => true,
            Self::ManifestHead => matches!(action, Action::Copy | Action::Mount),
            Self::ManifestGet => !matches!(action, Action::Push | Action::PushPlain),
            Self::MountPost => action == Action::Mount,
            Self::BlobHead => matches!(action, Action::Push | Action::Copy),
            Self::BlobGet | Self::Storage => action.reads(),
            Self::UploadPost | Self::Upload => action.uploads(),
            Self::UploadEnd => action == Action::PushPlain,
            Self::ManifestPut => action != Action::Pull,
        }
    }

    /// Whether other clients send such requests.
    pub(super) fn is_of_others(self) -> bool {
        self != Self::ManifestHead
    }

    /// Whether it is of the registry that is read from.
    pub(super) fn is_source(self, action: Action) -> bool {
        matches!(action, Action::Pull | Action::Retag | Action::Mount)
            || (action == Action::Copy
                && matches!(
                    self,
                    Self::ManifestHead | Self::ManifestGet | Self::BlobGet | Self::Storage
                ))
    }

    /// The image that is moved.
    pub(super) fn image(self) -> &'static Image {
        image(self == Self::Upload)
    }

    /// Requests of this kind where nothing goes wrong, for the layer and for the configuration.
    pub(super) fn usual(self) -> usize {
        match self {
            Self::BlobHead | Self::MountPost | Self::UploadPost | Self::UploadEnd => 2,
            _ => 1,
        }
    }

    /// Method and path. A PUT of an upload counts among the bytes only where it brings the layer's.
    pub(super) fn pattern(self, action: Action) -> (&'static str, String) {
        let layer = self.image().blobs()[1].digest();
        let hex = layer.trim_start_matches("sha256:");
        match self {
            // No request: its tries are the name server's to tell.
            Self::Name => ("", String::new()),
            Self::Token => ("GET", "^/token".to_owned()),
            Self::ManifestHead => ("HEAD", "/manifests/".to_owned()),
            Self::ManifestGet => ("GET", "/manifests/".to_owned()),
            Self::BlobGet => ("GET", format!("^/v2/.*/blobs/sha256:{hex}")),
            Self::Storage => ("GET", format!("^/storage/.*{hex}")),
            Self::BlobHead => ("HEAD", "/blobs/sha256:".to_owned()),
            Self::MountPost => ("POST", "/blobs/uploads/.*mount=".to_owned()),
            Self::UploadPost => ("POST", "/blobs/uploads/".to_owned()),
            Self::Upload if action == Action::PushPlain => ("PATCH", "/blobs/uploads/.".to_owned()),
            Self::Upload => ("PUT|PATCH", format!("/blobs/uploads/.*({hex}|_state=[^&]*$)")),
            Self::UploadEnd => ("PUT", "/blobs/uploads/.".to_owned()),
            Self::ManifestPut => ("PUT", "/manifests/".to_owned()),
        }
    }

    pub(super) fn matcher(self, action: Action) -> Matcher {
        let (method, path) = self.pattern(action);
        let matcher = on(method, &path);
        if matches!(self, Self::Token | Self::Storage) {
            matcher
        } else {
            matcher.signed_in()
        }
    }
}

/// One row.
pub(super) struct Case {
    pub(super) point: Point,
    /// What happens, for the table.
    pub(super) fault: &'static str,
    /// What the requests of that point meet, one after the other. Made when the row is run: it may hold a date.
    pub(super) script: fn() -> Vec<Fault>,
    pub(super) settings: fn(&mut Settings),
    pub(super) opens_after: Duration,
    /// Where the registry is reached by its name: how long from the first lookup on it has no address.
    pub(super) unknown_for: Option<Duration>,
    expected: Expected,
    but: Option<(Action, usize, u64)>,
    only: Option<&'static [Action]>,
}

/// What is to come of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) status: i32,
    /// Requests of that point, for one blob.
    pub(super) tries: usize,
    /// At most so many, where it is a matter of luck how many were on their way.
    pub(super) most: usize,
    /// Most bytes of blobs that cross the wire again.
    pub(super) again: u64,
    /// It takes at least so long.
    pub(super) seconds: f64,
}

impl Case {
    pub(super) fn new(point: Point, fault: &'static str, tries: usize, script: fn() -> Vec<Fault>) -> Self {
        Self {
            point,
            fault,
            script,
            settings: |_| (),
            opens_after: Duration::ZERO,
            unknown_for: None,
            expected: Expected {
                status: 0,
                tries,
                most: tries,
                again: 0,
                seconds: 0.0,
            },
            but: None,
            only: None,
        }
    }

    /// At most so many tries.
    pub(super) fn most(mut self, tries: usize) -> Self {
        self.expected.most = tries;
        self
    }

    /// Up to so many bytes may cross the wire again; of a copy as many on each side.
    pub(super) fn again(mut self, bytes: u64) -> Self {
        self.expected.again = bytes;
        self
    }

    /// Whether something waits for nothing: only there is time short, so that a slow machine is no fault.
    pub(super) fn is_silent(&self) -> bool {
        let waits = |fault: &Fault| {
            matches!(
                fault,
                Fault::Silence | Fault::Sent(_, Break::Stall | Break::Drip) | Fault::Received(_, _, Break::Stall)
            )
        };
        (self.script)().iter().any(waits)
    }

    /// The pause that was asked for is kept.
    pub(super) fn takes(mut self, seconds: f64) -> Self {
        self.expected.seconds = seconds;
        self
    }

    pub(super) fn fails(mut self, status: i32) -> Self {
        self.expected.status = status;
        self
    }

    pub(super) fn with(mut self, settings: fn(&mut Settings)) -> Self {
        self.settings = settings;
        self
    }

    pub(super) fn opens_after(mut self, seconds: f64) -> Self {
        self.opens_after = Duration::from_secs_f64(seconds);
        self
    }

    /// The registry is reached by its name, which has no address for so long.
    pub(super) fn unknown_for(mut self, time: Duration) -> Self {
        self.unknown_for = Some(time);
        self
    }

    /// For this action other tries, and other bytes again, on both sides together.
    pub(super) fn but(mut self, action: Action, tries: usize, again: u64) -> Self {
        self.but = Some((action, tries, again));
        self
    }

    /// What is to come of it where an action meets it.
    pub(super) fn expected(&self, action: Action) -> Expected {
        match self.but {
            Some((other, tries, again)) if other == action => Expected {
                tries,
                most: tries,
                again,
                ..self.expected
            },
            // What is sent again to one registry has to be read again from the other.
            _ if action == Action::Copy => Expected {
                again: 2 * self.expected.again,
                ..self.expected
            },
            // The source and the target's tag are asked for at once, and each looks the name up again by itself.
            _ if action == Action::Mount && self.unknown_for.is_some() => Expected {
                most: self.expected.most + 1,
                ..self.expected
            },
            _ => self.expected,
        }
    }

    /// Of the actions that meet the point, only these.
    pub(super) fn only(mut self, actions: &'static [Action]) -> Self {
        self.only = Some(actions);
        self
    }

    pub(super) fn actions(&self) -> Vec<Action> {
        let meets =
            |action: &Action| self.point.is_met_by(*action) && self.only.is_none_or(|only| only.contains(action));
        Action::ALL.into_iter().filter(meets).collect()
    }
}

/// A refusal, as registries word it.
pub(super) fn busy(status: u16) -> Answer {
    let code = if status == 429 {
        "TOOMANYREQUESTS"
    } else {
        "UNAVAILABLE"
    };
    Answer::error(status, code, "later, please")
}

/// A refusal with `Retry-After` in seconds.
pub(super) fn busy_for(status: u16, seconds: u64) -> Fault {
    busy(status).header("Retry-After", &seconds.to_string()).into()
}

/// A refusal with a date in `Retry-After`, one to two seconds from now.
pub(super) fn busy_until() -> Fault {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    busy(429).header("Retry-After", &date).into()
}

pub(super) fn sent(at: usize, how: Break) -> Fault {
    Fault::Sent(at, how)
}

pub(super) fn received(at: usize, kept: Kept, how: Break) -> Fault {
    Fault::Received(at, kept, how)
}
