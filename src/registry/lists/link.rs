//! `Link` headers (RFC 8288): where the next page of a list is. Pure.

use crate::registry::quoted_string;
use reqwest::header::{HeaderMap, LINK};

/// A header that cannot be read: the page may not be the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadLink;

/// The target of the link whose relation is `next`, in whichever header and wherever in it; `None` on the last page.
pub(super) fn next(headers: &HeaderMap) -> Result<Option<String>, BadLink> {
    let mut found: Option<String> = None;
    for value in headers.get_all(LINK) {
        let mut rest = value.to_str().map_err(|_| BadLink)?;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (link, after) = link(rest)?;
            rest = after;
            if link.is_next() {
                // Of two that differ nobody can say which one goes on.
                if found.as_deref().is_some_and(|known| known != link.target) {
                    return Err(BadLink);
                }
                found = Some(link.target.to_owned());
            }
        }
    }
    Ok(found)
}

struct Link<'a> {
    target: &'a str,
    /// The first `rel`; any other is to be ignored.
    relations: Option<String>,
}

impl Link<'_> {
    fn is_next(&self) -> bool {
        let relations = self.relations.as_deref().unwrap_or_default();
        relations
            .split_ascii_whitespace()
            .any(|one| one.eq_ignore_ascii_case("next"))
    }
}

/// One link, and what follows it.
fn link(text: &str) -> Result<(Link<'_>, &str), BadLink> {
    // Commas and semicolons in an address are its own.
    let (target, mut rest) = text
        .strip_prefix('<')
        .and_then(|text| text.split_once('>'))
        .ok_or(BadLink)?;
    let mut relations = None;
    let mut is_of_another = false;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        match rest.chars().next() {
            None | Some(',') => break,
            Some(';') => rest = rest[1..].trim_start_matches([' ', '\t']),
            Some(_) => return Err(BadLink),
        }
        let end = rest.find(|c: char| " \t=;,".contains(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let after = after.trim_start_matches([' ', '\t']);
        let (value, after) = match after.strip_prefix('=') {
            None => (String::new(), after),
            Some(value) => parameter(value.trim_start_matches([' ', '\t']))?,
        };
        rest = after;
        if name.eq_ignore_ascii_case("rel") && relations.is_none() {
            relations = Some(value);
        } else if name.eq_ignore_ascii_case("anchor") {
            is_of_another = true;
        }
    }
    let link = Link { target, relations };
    // What is next to something else says nothing of this page, and who writes that may mean it all the same.
    if is_of_another && link.is_next() {
        return Err(BadLink);
    }
    Ok((link, rest))
}

/// The value of a parameter, a token or a quoted string, and what follows it.
fn parameter(text: &str) -> Result<(String, &str), BadLink> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| " \t;,".contains(c)).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    quoted_string::read(quoted).map_err(|_| BadLink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn only_the_next_page_is_one() {
        let last = Ok(None);
        let page = |address: &str| Ok(Some(address.to_owned()));
        let bad = Err(BadLink);
        for (headers, found) in [
            (&[][..], last.clone()),
            (
                &["</v2/a/tags/list?last=1>; rel=\"next\""],
                page("/v2/a/tags/list?last=1"),
            ),
            (&["</v2/a/tags/list?last=1>;rel=next"], page("/v2/a/tags/list?last=1")),
            (&["<a> ; title=x ;  rel = next"], page("a")),
            (&["<a>; REL=\"NEXT\""], page("a")),
            // Several links in one, several headers.
            (&["<a>; rel=\"prev\", <b>; rel=\"next\""], page("b")),
            (&["<a>; rel=\"next\", <b>; rel=\"last\""], page("a")),
            (&["<a>; rel=prev", "<b>; rel=next"], page("b")),
            (&["<b>; rel=next", "<a>; rel=prev"], page("b")),
            (&["", ", ,<b>; rel=next,"], page("b")),
            (&["<a>; rel=next", "<a>; rel=next"], page("a")),
            // Signs in an address and in a title.
            (&["<a?last=1,2;3>; rel=next"], page("a?last=1,2;3")),
            (&["<a>; title=\"b, <c>; rel=next\"; rel=prev, <d>; rel=next"], page("d")),
            (&["<a>; title=\"a \\\" b\"; rel=next"], page("a")),
            // Several relations, and only the first `rel`.
            (&["<a>; rel=\"prev next\""], page("a")),
            (&["<a>; rel=\"next last\""], page("a")),
            (&["<a>; rel=\"https://example.org/next\""], last.clone()),
            (&["<a>; rel=prev; rel=next"], last.clone()),
            (&["<a>; rel=nextpage"], last.clone()),
            (&["<a>; title=next"], last.clone()),
            (&["<a>; next"], last.clone()),
            (&["<a>"], last.clone()),
            (&["<a>; rel"], last.clone()),
            (&["<a>; rel=preconnect; anchor=\"#b\""], last.clone()),
            // What is not understood.
            (&["a; rel=next"], bad.clone()),
            (&["<a; rel=next"], bad.clone()),
            (&["a>; rel=next"], bad.clone()),
            (&["<a>; rel=\"next"], bad.clone()),
            (&["<a> rel=next"], bad.clone()),
            (&["<a>; rel=next", "<b>; rel=next"], bad.clone()),
            (&["<a>; rel=next, <b>; rel=next"], bad.clone()),
            (&["<a>; rel=next; anchor=\"#b\""], bad.clone()),
            (&["nonsense"], bad.clone()),
            (&["<a>; rel=prev", "nonsense"], bad.clone()),
        ] {
            let mut map = HeaderMap::new();
            for header in headers {
                map.append(LINK, HeaderValue::from_str(header).unwrap());
            }
            assert_eq!(next(&map), found, "{headers:?}");
        }
        let mut map = HeaderMap::new();
        map.append(LINK, HeaderValue::from_bytes(b"<\xe9>; rel=next").unwrap());
        assert_eq!(next(&map), bad);
    }
}
