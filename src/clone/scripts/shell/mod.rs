//! The commands of a shell script, as far as their words can be told without running it. Pure.
//!
//! POSIX, "Shell Command Language", 2.9 (commands). What only a shell can know (`$(…)`, variables that nobody assigned) stays as it is
//! written; what a script itself sets to something that is not known here makes a word useless ([`UNKNOWN`]).

mod lex;

use lex::{Token, UNKNOWN, is_name, tokens};
use std::collections::{BTreeSet, HashMap};

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;
/// Longest value of a variable that is filled in.
const LONGEST_VALUE: usize = 1024;
/// The value of a variable whose value is not known.
const UNKNOWN_VALUE: &str = "\u{1}";
/// Words before which a command begins (POSIX 2.4).
const RESERVED: [&str; 10] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "function",
];
/// Words after which another command is named.
const BEFORE_A_COMMAND: [&str; 8] = ["time", "exec", "command", "sudo", "env", "nohup", "eval", "builtin"];

/// A command as a shell would run it, its variables not filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// On which line of the text it begins, from 0.
    pub(super) line: usize,
    /// Its words, without quotes, assignments before it and redirections.
    pub(super) words: Vec<String>,
}

/// The variables that the lines so far assign.
#[derive(Debug, Clone, Default)]
pub(super) struct Assigned(HashMap<String, String>);

impl Assigned {
    /// Fills in the variables that are known; all others stay as they are written.
    pub(super) fn fill(&self, word: &str) -> String {
        let mut filled = String::new();
        let mut rest = word;
        while let Some(at) = rest.find('$') {
            filled.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let inner = after.strip_prefix('{').unwrap_or(after);
            let name = &inner[..inner.find(|c: char| !is_name(c)).unwrap_or(inner.len())];
            let is_braced = inner.len() < after.len();
            let is_plain = !is_braced || inner[name.len()..].starts_with('}');
            let length = name.len() + if is_braced { 1 + usize::from(is_plain) } else { 0 };
            match self.0.get(name) {
                // What a shell makes of `${NAME%x}` is its own affair.
                Some(_) if !is_plain => filled.push(UNKNOWN),
                Some(value) if filled.len() + value.len() <= LONGEST_VALUE => filled.push_str(value),
                _ => filled.push_str(&rest[at..=at + length]),
            }
            rest = &after[length..];
            // `$A` in the place of `${B}` takes nothing of what follows to its name.
            if rest.starts_with(is_name)
                && let Some(at) = filled.rfind('$')
                && at + 1 < filled.len()
                && filled[at + 1..].chars().all(is_name)
            {
                filled.insert(at + 1, '{');
                filled.push('}');
            }
        }
        filled.push_str(rest);
        filled
    }

    fn assign(&mut self, name: &str, value: &str) {
        let mut value = self.fill(value);
        if value.len() > LONGEST_VALUE {
            UNKNOWN_VALUE.clone_into(&mut value);
        }
        if self.0.len() < LONGEST_VALUE || self.0.contains_key(name) {
            self.0.insert(name.to_owned(), value);
        }
    }
}

/// The commands of a text, one after the other; what it assigns is known to later ones.
pub(super) fn commands(text: &str, assigned: &mut Assigned) -> Vec<Command> {
    let text = if text.len() > LONGEST { "" } else { text };
    let mut reader = Reader {
        assigned,
        found: Vec::new(),
        within: Vec::new(),
        repeated: 0,
        begins_function: false,
        unsure: BTreeSet::new(),
        chained: BTreeSet::new(),
        users: HashMap::new(),
        lost: BTreeSet::new(),
        last: Vec::new(),
        before: "",
    };
    let mut words: Vec<Word> = Vec::new();
    for token in tokens(text) {
        match token {
            Token::Word { text, is_quoted, line } => words.push(Word { text, is_quoted, line }),
            Token::Operator(operator) => {
                let is_empty = words.is_empty();
                reader.command(std::mem::take(&mut words));
                reader.operator(operator, is_empty);
            }
        }
    }
    reader.command(words);
    reader.settle();
    reader.settle_list();
    let Reader { found, lost, .. } = reader;
    let found = found.into_iter().enumerate().filter(|(at, _)| !lost.contains(at));
    found.map(|(_, command)| command).collect()
}

struct Word {
    text: String,
    is_quoted: bool,
    line: usize,
}

/// What may be open where a command stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Bracket,
    /// What is assigned further down is known at its beginning too: a loop, a function.
    Repeated,
    Other,
}

struct Reader<'a> {
    assigned: &'a mut Assigned,
    found: Vec<Command>,
    within: Vec<Within>,
    /// How many of these are repeated.
    repeated: usize,
    /// Whether `name()` is before what comes.
    begins_function: bool,
    /// Variables that were assigned in what is open, which may not come about.
    unsure: BTreeSet<String>,
    /// The same of a list such as `a && B=1`.
    chained: BTreeSet<String>,
    /// The commands of loops and functions that use a variable, by their places.
    users: HashMap<String, Vec<usize>>,
    /// Those of them that it was assigned for after all.
    lost: BTreeSet<usize>,
    /// What the command before an operator has assigned.
    last: Vec<String>,
    /// The operator before the command.
    before: &'static str,
}

impl Reader<'_> {
    fn command(&mut self, words: Vec<Word>) {
        self.last.clear();
        for name in words.iter().flat_map(|word| defaulted(&word.text)) {
            self.forget(name);
        }
        let mut words = words.into_iter().peekable();
        // Assignments and words like `if` come before the command; `sudo` and `env` may have options.
        let mut skipped = false;
        let mut alone = Vec::new();
        while let Some(word) = words.peek() {
            let text = word.text.as_str();
            let is_reserved = !word.is_quoted && !skipped && RESERVED.contains(&text);
            let before = BEFORE_A_COMMAND.contains(&text);
            let assigns = assignment(text).map(|(name, value)| (name.to_owned(), value));
            if !(is_reserved || before || assigns.is_some() || skipped && text.starts_with('-')) {
                break;
            }
            let is_function = is_reserved && text == "function";
            if is_reserved {
                self.reserved(text);
            }
            alone.extend(assigns);
            skipped |= before;
            words.next();
            if is_function {
                words.next();
            }
        }
        let Some(first) = words.peek() else {
            for (name, value) in alone {
                self.assign(&name, &value);
            }
            return;
        };
        let (line, is_quoted) = (first.line, first.is_quoted);
        let words: Vec<String> = words.map(|word| word.text).collect();
        let names = words[1..].iter().filter(|word| word.chars().all(is_name));
        match words[0].as_str() {
            "fi" | "done" | "esac" | "}" if !is_quoted => self.end(),
            "case" if !is_quoted => self.open(Within::Other),
            "for" | "select" if !is_quoted => {
                self.open(Within::Repeated);
                names.take(1).for_each(|name| self.forget(name));
            }
            "export" | "readonly" | "declare" | "local" | "typeset" => {
                for (name, value) in words.iter().filter_map(|word| assignment(word)) {
                    self.assign(name, &value);
                }
            }
            "read" | "unset" | "getopts" | "mapfile" | "readarray" => names.for_each(|name| self.forget(name)),
            "printf" if words.get(1).is_some_and(|option| option == "-v") => {
                words.get(2).into_iter().for_each(|name| self.forget(name));
            }
            _ => {
                if self.repeated > 0 {
                    for name in words.iter().flat_map(|word| used(word)) {
                        self.users.entry(name.to_owned()).or_default().push(self.found.len());
                    }
                }
                self.found.push(Command {
                    line,
                    words: words.iter().map(|word| self.assigned.fill(word)).collect(),
                });
            }
        }
    }

    fn reserved(&mut self, word: &str) {
        match word {
            "if" => self.open(Within::Other),
            "{" => self.begin(Within::Other),
            "while" | "until" => self.open(Within::Repeated),
            "function" => self.begins_function = true,
            "elif" | "else" => self.settle(),
            _ => {}
        }
    }

    /// What comes after a command; `is_empty`: none was there.
    fn operator(&mut self, operator: &'static str, is_empty: bool) {
        match operator {
            // `name()`.
            "(" if !is_empty => {
                self.open(Within::Bracket);
                self.begins_function = true;
            }
            "(" => self.begin(Within::Bracket),
            // Else it is that of a pattern of `case`, or ends a function in brackets.
            ")" if self.within.last() == Some(&Within::Bracket) => self.end(),
            ";;" | ";&" | ";;&" => self.settle(),
            // It was another shell's.
            "|" | "|&" | "&" => {
                let last = std::mem::take(&mut self.last);
                for name in last {
                    self.set(&name, UNKNOWN_VALUE);
                }
            }
            // A list goes on after `&&` and a line's end.
            "\n" if is_empty => return,
            _ => {}
        }
        if !matches!(operator, "&&" | "||" | "|" | "|&" | "(" | ")") {
            self.settle_list();
        }
        self.before = operator;
    }

    /// A group, or the body of a function.
    fn begin(&mut self, what: Within) {
        let is_function = std::mem::take(&mut self.begins_function);
        self.open(if is_function { Within::Repeated } else { what });
    }

    fn open(&mut self, what: Within) {
        self.repeated += usize::from(what == Within::Repeated);
        self.within.push(what);
    }

    fn end(&mut self) {
        let was_repeated = self.within.pop() == Some(Within::Repeated);
        self.repeated -= usize::from(was_repeated);
        self.settle();
    }

    fn set(&mut self, name: &str, value: &str) {
        self.assigned.assign(name, value);
        self.lost.extend(self.users.remove(name).into_iter().flatten());
    }

    fn assign(&mut self, name: &str, value: &str) {
        self.set(name, value);
        self.last.push(name.to_owned());
        if !self.within.is_empty() {
            self.unsure.insert(name.to_owned());
        }
        if matches!(self.before, "&&" | "||" | "|" | "|&") {
            self.chained.insert(name.to_owned());
        }
    }

    fn forget(&mut self, name: &str) {
        self.assign(name, UNKNOWN_VALUE);
    }

    /// Where a branch ends, what was assigned in it may have another value.
    fn settle(&mut self) {
        for name in std::mem::take(&mut self.unsure) {
            self.set(&name, UNKNOWN_VALUE);
        }
    }

    /// The same of a list.
    fn settle_list(&mut self) {
        self.before = "";
        for name in std::mem::take(&mut self.chained) {
            self.set(&name, UNKNOWN_VALUE);
        }
    }
}

/// The variables that a word uses.
fn used(word: &str) -> impl Iterator<Item = &str> {
    word.split('$').skip(1).map(|after| {
        let name = after.strip_prefix('{').unwrap_or(after);
        &name[..name.find(|c: char| !is_name(c)).unwrap_or(name.len())]
    })
}

/// The variables that a word sets where they are not: `${NAME:=x}`.
fn defaulted(word: &str) -> impl Iterator<Item = &str> {
    word.split("${").skip(1).filter_map(|after| {
        let (name, rest) = after.split_at(after.find(|c: char| !is_name(c))?);
        (rest.starts_with('=') || rest.starts_with(":=")).then_some(name)
    })
}

/// `NAME=value`, or `NAME+=value`.
fn assignment(word: &str) -> Option<(&str, String)> {
    let (name, value) = word.split_once('=')?;
    let (name, value) = match name.strip_suffix('+') {
        Some(name) => (name, format!("${{{name}}}{value}")),
        None => (name, value.to_owned()),
    };
    let is = !name.is_empty() && name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit());
    is.then_some((name, value))
}

#[cfg(test)]
mod tests;
