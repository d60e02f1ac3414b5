//! The tokens of a shell script: words without their quotes, and the operators between them. Pure.
//!
//! POSIX, "Shell Command Language", 2.2 (quoting), 2.3 (tokens), 2.6 (expansions), 2.7 (redirections), and what bash has besides: `$'…'`,
//! `((…))`, `<(…)`, arrays. Comments, redirections and the texts of here-documents are dropped.

/// What stands for a piece of a word that the pipe cannot be told: a `$` that is none of a variable, `$1`, an array.
pub(super) const UNKNOWN: char = '\u{1}';
/// Deepest substitutions within each other.
const DEEPEST: usize = 50;
/// Longest `((…))`, in characters.
const LONGEST_ARITHMETIC: usize = 200;

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word {
        /// Without quotes.
        text: String,
        /// Whether a part of it was quoted: then it is no word of the shell's own, such as `if`.
        is_quoted: bool,
        /// On which line of the text it begins, from 0.
        line: usize,
    },
    /// What ends a command: `;`, `&`, `|`, two of them, `;;` and the like, a line's end, a bracket.
    Operator(&'static str),
}

/// Cuts a text into tokens.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 0,
        heredocs: Vec::new(),
    };
    let mut all = Vec::new();
    while let Some(token) = lexer.token(0) {
        all.push(token);
    }
    all
}

struct Lexer<'a> {
    text: &'a str,
    /// What comes next, in bytes.
    at: usize,
    /// From 0.
    line: usize,
    /// Those whose texts begin on the next line.
    heredocs: Vec<Heredoc>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn next_if(&mut self, is_wanted: impl Fn(char) -> bool) -> Option<char> {
        self.peek().filter(|c| is_wanted(*c))?;
        self.next()
    }

    fn sees(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    fn takes(&mut self, text: &str) -> bool {
        let is_next = self.sees(text);
        if is_next {
            self.at += text.len();
            self.line += text.matches('\n').count();
        }
        is_next
    }

    /// The next one; `None` at the end.
    fn token(&mut self, depth: usize) -> Option<Token> {
        loop {
            match self.peek()? {
                ' ' | '\t' | '\r' => drop(self.next()),
                '\\' if self.takes("\\\n") => {}
                '#' => while self.next_if(|c| c != '\n').is_some() {},
                '\n' => {
                    self.next();
                    for heredoc in std::mem::take(&mut self.heredocs) {
                        self.skip(&heredoc);
                    }
                    return Some(Token::Operator("\n"));
                }
                '&' if self.sees("&>") => {
                    self.next();
                    self.redirection(depth);
                }
                '<' | '>' if !self.sees("<(") && !self.sees(">(") => self.redirection(depth),
                '(' if self.arithmetic() => {
                    return Some(Token::Word {
                        text: UNKNOWN.to_string(),
                        is_quoted: true,
                        line: self.line,
                    });
                }
                ';' | '&' | '|' | '(' | ')' => {
                    let operators = [";;&", ";;", ";&", ";", "&&", "&", "||", "|&", "|", "(", ")"];
                    let operator = operators.into_iter().find(|operator| self.takes(operator));
                    return operator.map(Token::Operator);
                }
                _ => {
                    let line = self.line;
                    let (text, is_quoted) = self.word(depth);
                    // `2>` and `2>&1`: the number is no word.
                    let is_number = !is_quoted && text.bytes().all(|b| b.is_ascii_digit());
                    let redirects = matches!(self.peek(), Some('<' | '>'));
                    if (is_quoted || !text.is_empty()) && !(is_number && redirects) {
                        return Some(Token::Word { text, is_quoted, line });
                    }
                }
            }
        }
    }

    /// Goes past a redirection and the word that it takes.
    fn redirection(&mut self, depth: usize) {
        let operators = ["<<<", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let operator = operators.into_iter().find(|operator| self.takes(operator));
        if operator == Some("<<") {
            let heredoc = self.heredoc();
            self.heredocs.push(heredoc);
            return;
        }
        while self.next_if(|c| matches!(c, ' ' | '\t')).is_some() || self.takes("\\\n") {}
        self.word(depth);
    }

    /// Goes past `((…))`, if that is what comes. In doubt it is a subshell in a subshell.
    fn arithmetic(&mut self) -> bool {
        if !self.sees("((") {
            return false;
        }
        let mut open = 0usize;
        for (at, c) in self.rest().char_indices().take(LONGEST_ARITHMETIC) {
            match c {
                '(' => open += 1,
                ')' if open == 2 => return self.rest()[at..].starts_with("))") && self.skip_bytes(at + 2),
                ')' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        false
    }

    fn skip_bytes(&mut self, count: usize) -> bool {
        let end = self.at + count;
        while self.at < end && self.next().is_some() {}
        true
    }

    /// A word up to what ends it, and whether any of it was quoted.
    fn word(&mut self, depth: usize) -> (String, bool) {
        let (mut word, mut is_quoted) = (String::new(), false);
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(escaped) => {
                            is_quoted = true;
                            word.push(literal(escaped));
                        }
                    }
                }
                '\'' => {
                    self.next();
                    is_quoted = true;
                    while let Some(inner) = self.next().filter(|inner| *inner != '\'') {
                        word.push(literal(inner));
                    }
                }
                '"' => {
                    self.next();
                    is_quoted = true;
                    self.quotation(&mut word, depth);
                }
                '`' => self.backquoted(&mut word),
                '$' => is_quoted |= self.dollar(&mut word, false, depth),
                '<' | '>' if self.sees("<(") || self.sees(">(") => {
                    self.next();
                    self.group(depth);
                    word.push(UNKNOWN);
                }
                // An array.
                '(' if word.ends_with('=') => {
                    self.group(depth);
                    word.push(UNKNOWN);
                }
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                c => {
                    self.next();
                    word.push(c);
                }
            }
        }
        (word, is_quoted)
    }

    /// What follows `"`, with the quote that ends it.
    fn quotation(&mut self, word: &mut String, depth: usize) {
        while let Some(c) = self.peek() {
            match c {
                '`' => self.backquoted(word),
                '$' => drop(self.dollar(word, true, depth)),
                _ => {
                    self.next();
                    match c {
                        '"' => return,
                        '\\' => match self.next() {
                            Some('\n') | None => {}
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(literal(escaped)),
                            Some(other) => word.extend(['\\', other]),
                        },
                        c => word.push(c),
                    }
                }
            }
        }
    }

    /// `` `…` ``, as it is written.
    fn backquoted(&mut self, word: &mut String) {
        word.extend(self.next());
        while let Some(c) = self.next() {
            word.push(c);
            match c {
                '`' => return,
                '\\' => word.extend(self.next()),
                _ => {}
            }
        }
    }

    /// What begins with `$`, as it is written; whether it was a quotation.
    fn dollar(&mut self, word: &mut String, is_quoted: bool, depth: usize) -> bool {
        let begin = self.at;
        self.next();
        match self.peek() {
            Some('(') => {
                if !self.arithmetic() {
                    self.group(depth);
                }
            }
            Some('{') => {
                self.next();
                self.braces(is_quoted, depth);
            }
            Some('\'') if !is_quoted => {
                self.next();
                while let Some(c) = self.next().filter(|c| *c != '\'') {
                    if c == '\\' {
                        self.next();
                    }
                    word.push(if c == '\\' { UNKNOWN } else { literal(c) });
                }
                return true;
            }
            Some('"') if !is_quoted => {
                self.next();
                self.quotation(word, depth);
                return true;
            }
            Some(c) if c == '_' || c.is_ascii_alphabetic() => while self.next_if(is_name).is_some() {},
            other => {
                // `$1`, `$?`; or a `$` alone.
                if other.is_some_and(|c| c.is_ascii_digit() || "@*#?-$!".contains(c)) {
                    self.next();
                }
                word.push(UNKNOWN);
                return false;
            }
        }
        word.push_str(&self.text[begin..self.at]);
        false
    }

    /// What follows `${`, up to its `}`.
    fn braces(&mut self, is_quoted: bool, depth: usize) {
        if depth > DEEPEST {
            self.give_up();
        }
        let mut ignored = String::new();
        while let Some(c) = self.peek() {
            match c {
                '$' => drop(self.dollar(&mut ignored, is_quoted, depth + 1)),
                '`' => self.backquoted(&mut ignored),
                _ => {
                    self.next();
                    match c {
                        '}' => return,
                        '\\' => drop(self.next()),
                        '"' => self.quotation(&mut ignored, depth + 1),
                        '\'' if !is_quoted => while self.next().is_some_and(|inner| inner != '\'') {},
                        _ => {}
                    }
                }
            }
        }
    }

    /// What begins with `(`, up to the bracket that ends it: the commands of another shell.
    fn group(&mut self, depth: usize) {
        if depth > DEEPEST {
            self.give_up();
        }
        let (mut open, mut cases, mut is_first) = (0usize, 0usize, true);
        while let Some(token) = self.token(depth + 1) {
            let was_first = std::mem::replace(&mut is_first, matches!(token, Token::Operator(_)));
            match token {
                Token::Operator("(") => open += 1,
                // That of a pattern.
                Token::Operator(")") if cases > 0 && open == 1 => {}
                Token::Operator(")") => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return;
                    }
                }
                Token::Word { text, .. } if was_first && text == "case" => cases += 1,
                Token::Word { text, .. } if was_first && text == "esac" => cases = cases.saturating_sub(1),
                Token::Word { .. } | Token::Operator(_) => {}
            }
        }
    }

    /// What follows `<<`.
    fn heredoc(&mut self) -> Heredoc {
        let trims = self.takes("-");
        while self.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let mut end = String::new();
        let mut quote = None;
        let mut joins = true;
        let is_outside = |c: char| c.is_whitespace() || ";|&<>()".contains(c);
        while let Some(c) = self.next_if(|c| c != '\n' && (quote.is_some() || !is_outside(c))) {
            match c {
                '\'' | '"' if quote.is_none() => {
                    quote = Some(c);
                    joins = false;
                }
                c if quote == Some(c) => quote = None,
                '\\' if quote.is_none() => {
                    joins = false;
                    end.extend(self.next_if(|c| c != '\n'));
                }
                c => end.push(c),
            }
        }
        Heredoc { end, trims, joins }
    }

    /// Goes past the lines of a here-document.
    fn skip(&mut self, heredoc: &Heredoc) {
        let mut is_joined = false;
        while let Some(line) = self.rest().split_inclusive('\n').next() {
            let text = line.strip_suffix('\n').unwrap_or(line);
            let trimmed = if heredoc.trims {
                text.trim_start_matches('\t')
            } else {
                text
            };
            let is_end = trimmed == heredoc.end && !is_joined;
            let slashes = text.len() - text.trim_end_matches('\\').len();
            is_joined = heredoc.joins && slashes % 2 == 1;
            self.skip_bytes(line.len());
            if is_end {
                return;
            }
        }
    }

    /// What is nested deeper than any script is not read on.
    fn give_up(&mut self) {
        self.at = self.text.len();
    }
}

/// A character that stands for itself.
const fn literal(c: char) -> char {
    if c == '$' { UNKNOWN } else { c }
}

/// Whether a name of a variable may have it.
pub(super) const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A text that a command reads from the lines after it.
struct Heredoc {
    /// The line that ends it.
    end: String,
    /// Whether tabs before a line are dropped: `<<-`.
    trims: bool,
    /// Whether a `\` at a line's end joins the next one to it.
    joins: bool,
}
