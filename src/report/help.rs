//! What `--help` prints: for those who run the binary outside Pipelines.

use crate::input::ActionName;

/// What the binary is, its actions and its variables.
#[must_use]
pub fn text() -> String {
    let actions = ActionName::ALL.map(|action| format!("  {:<7} {}", action.as_str(), action.about()));
    include_str!("help.txt")
        .trim_end()
        .replacen("VERSION", env!("CARGO_PKG_VERSION"), 1)
        .replacen("ACTIONS", &actions.join("\n"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::NAMES;

    #[test]
    fn it_lists_every_action_and_every_variable_with_its_actions() {
        let text = text();
        for action in ActionName::ALL {
            let line = format!("\n  {action} ");
            assert!(text.contains(&line), "{action}");
        }
        for (name, actions) in NAMES {
            if name == "ACTION" {
                continue;
            }
            let used = if actions.len() == ActionName::ALL.len() {
                "all".to_owned()
            } else {
                actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let start = format!("  {name} ");
            let line = text.lines().find(|line| line.starts_with(&start));
            let line = line.unwrap_or_else(|| panic!("`{name}` is missing"));
            let rest = line[start.len()..].trim_start();
            assert!(rest.starts_with(&format!("{used} ")), "{line}");
        }
    }

    #[test]
    fn it_fits_a_terminal() {
        for line in text().lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
}
