//! The plan as the log shows it: which tags stay and why, which go. Pure. However many there are, it stays readable; the
//! report has all.

use super::plan::{Plan, Row};
use crate::credential::expiry::day_text;
use crate::text::order::sort_by_key;
use crate::text::{bytes, count};
use std::fmt::Display;

/// So many tags that stay are all listed.
const FEW: usize = 30;
/// Of more, so many of each reason.
const OF_REASON: usize = 3;
/// Most tags that go that are listed.
const MOST_GOING: usize = 50;
/// Longest tag that the columns make room for.
const WIDEST: usize = 40;

/// A line over all of a package, and a line a tag: at most `most` of these.
pub(super) fn lines(package: &impl Display, plan: &Plan, most: usize) -> Vec<String> {
    let (all, going) = (plan.rows.len(), plan.going().count());
    let tags = count(all, "tag");
    let go = if going == 1 { "goes" } else { "go" };
    let mut lines = vec![match (all, all - going) {
        (0, _) => format!("`{package}` has no tags"),
        (_, staying) if staying == all => format!("`{package}` has {tags}, and nothing goes"),
        (_, 0) => format!("`{package}` has {tags}, and all go, {}", estimate(plan)),
        (_, 1) => format!("`{package}` has {tags}: 1 stays and {going} {go}, {}", estimate(plan)),
        (_, staying) => format!(
            "`{package}` has {tags}: {staying} stay and {going} {go}, {}",
            estimate(plan)
        ),
    }];
    let mut rows = staying(plan);
    rows.extend(going_rows(plan));
    if rows.len() > most {
        rows.truncate(most.saturating_sub(1));
        rows.push(Line::more(
            "",
            "more tags than are listed here (`REPORT` lists all)".to_owned(),
        ));
    }
    let width = rows
        .iter()
        .map(|row| row.tag.chars().count())
        .max()
        .unwrap_or_default()
        .min(WIDEST);
    lines.extend(rows.iter().map(|row| row.text(width)));
    lines
}

/// What deleting frees.
fn estimate(plan: &Plan) -> String {
    format!("which frees about {} (an estimate)", bytes(plan.freed))
}

/// A line of the table.
struct Line {
    /// `stays` or `goes`.
    word: &'static str,
    tag: String,
    date: String,
    rest: String,
}

impl Line {
    fn of(row: &Row) -> Self {
        let date = row
            .created
            .map_or_else(|| "no date".to_owned(), |created| day_text(created.date()));
        Self {
            word: if row.stays.is_some() { "stays" } else { "goes" },
            tag: row.tag.to_string(),
            date,
            rest: row
                .stays
                .as_ref()
                .map_or_else(|| row.digest.short().to_string(), ToString::to_string),
        }
    }

    fn more(word: &'static str, rest: String) -> Self {
        Self {
            word,
            tag: String::new(),
            date: String::new(),
            rest,
        }
    }

    fn text(&self, width: usize) -> String {
        let Self { word, tag, date, rest } = self;
        if tag.is_empty() {
            return format!("  {word:<5}  … {rest}");
        }
        format!("  {word:<5}  {tag:<width$}  {date:<10}  {rest}")
    }
}

/// The tags that stay, by their reasons.
fn staying(plan: &Plan) -> Vec<Line> {
    let mut rows: Vec<(&Row, (usize, &str))> = plan
        .rows
        .iter()
        .filter_map(|row| Some((row, row.stays.as_ref()?.group())))
        .collect();
    sort_by_key(&mut rows, |(_, (group, _))| *group);
    let all = rows.len();
    let mut lines = Vec::new();
    for same in rows.chunk_by(|(_, one), (_, other)| one == other) {
        let shown = if all > FEW { OF_REASON } else { same.len() };
        lines.extend(same.iter().take(shown).map(|(row, _)| Line::of(row)));
        if let Some(more @ 1..) = same.len().checked_sub(shown) {
            lines.push(Line::more("stays", format!("and {more} more: {}", same[0].1.1)));
        }
    }
    lines
}

fn going_rows(plan: &Plan) -> Vec<Line> {
    let mut lines: Vec<Line> = plan.going().take(MOST_GOING).map(Line::of).collect();
    if let Some(more @ 1..) = plan.going().count().checked_sub(MOST_GOING) {
        lines.push(Line::more("goes", format!("and {more} more (`REPORT` lists all)")));
    }
    lines
}
