//! Where an answer redirects to. Whether it is followed is the rule's (`trust`). Pure.

use super::error::ErrorKind;
use reqwest::header::{HeaderValue, LOCATION};
use reqwest::{Response, Url};

/// Where an answer redirects to; `None` if it does not.
///
/// # Errors
/// It does not say where.
pub(super) fn redirect_target(response: &Response) -> Result<Option<Url>, ErrorKind> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let target = response.headers().get(LOCATION).map(HeaderValue::to_str);
    match target.map(|target| target.map(|target| response.url().join(target))) {
        Some(Ok(Ok(target))) => Ok(Some(target)),
        // What stands there instead may be a secret of those who run it.
        Some(_) => Err(ErrorKind::Protocol("a redirect to what is not a URL".to_owned())),
        None => Err(ErrorKind::Protocol("a redirect without a `Location`".to_owned())),
    }
}
