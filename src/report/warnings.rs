//! What is odd about the variables, told before anything is done.

use crate::credential::{Source, expiry};
use crate::input::variables::Variables;
use crate::input::{ActionName, Request};
use crate::text::Quoted;
use std::time::SystemTime;

/// Names that look like a variable's, and variables that the action does not use.
pub(crate) fn of_names(variables: &Variables, action: Option<ActionName>) {
    for (written, meant) in &variables.near_misses {
        let written = Quoted::new(written);
        tracing::warn!("`{written}` is not a variable of this pipe; did you mean `{meant}`?");
    }
    let Some(action) = action else { return };
    for (name, actions) in variables.unused_by(action) {
        let actions = actions.iter().map(|action| action.as_str());
        let actions = actions.collect::<Vec<_>>().join("`, `");
        tracing::warn!("`{name}` is not used by `{action}`, only by `{actions}`");
    }
}

/// What is odd about the credentials, and whether the API token ends soon.
pub(crate) fn of_credentials(request: &Request) {
    for warning in &request.chosen.warnings {
        tracing::warn!("{warning}");
    }
    let mut candidates = request.chosen.candidates.iter();
    let uses_api_token = candidates.any(|credential| credential.source == Source::ApiToken);
    let Some(expires) = request.expires_on.filter(|_| uses_api_token) else {
        return;
    };
    let today = time::OffsetDateTime::from(SystemTime::now()).date();
    if let Some(warning) = expiry::warning(expires, today) {
        tracing::warn!("{warning}");
    }
}
