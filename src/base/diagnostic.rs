//! A mistake in a document, with code, place and way out; and how a list of them is told.
//!
//! Pacts, packs, cases and configs complain alike. A list holds every mistake of a document, not the
//! first; beyond [`DIAGNOSTICS_MAX`] they are counted.

use std::fmt::Write as _;

use super::limits::DIAGNOSTICS_MAX;

/// A range of bytes in a source text, with the line and column of its start for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line of the start, from 1.
    pub line: usize,
    /// Column of the start in characters, from 1.
    pub column: usize,
}

/// How bad a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The document works, but not as its author may think.
    Warning,
    /// The document cannot be used.
    Error,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub level: Level,
    /// Stable code, such as `C1` or `unknown_key`.
    pub code: &'static str,
    /// Path of the field, such as `predicates[3].check`; empty for the document.
    pub field: String,
    /// Where.
    pub span: Span,
    /// What is wrong, in one sentence without a final stop.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// All mistakes of one document, in order of place.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// How many more there were.
    more: usize,
    #[serde(skip)]
    errors: usize,
}

impl Diagnostics {
    /// Adds an error.
    pub fn error(&mut self, code: &'static str, field: impl Into<String>, span: Span, message: impl Into<String>) -> &mut Self {
        self.push(Diagnostic { level: Level::Error, code, field: field.into(), span, message: message.into(), help: None })
    }

    /// Adds a warning.
    pub fn warning(&mut self, code: &'static str, field: impl Into<String>, span: Span, message: impl Into<String>) -> &mut Self {
        self.push(Diagnostic { level: Level::Warning, code, field: field.into(), span, message: message.into(), help: None })
    }

    /// Gives the diagnostic added last its way out.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        if self.more == 0
            && let Some(last) = self.list.last_mut()
        {
            last.help = Some(help.into());
        }
        self
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) -> &mut Self {
        self.errors += usize::from(diagnostic.level == Level::Error);
        if self.list.len() < DIAGNOSTICS_MAX {
            self.list.push(diagnostic);
        } else {
            self.more += 1;
        }
        self
    }

    /// Takes over another list.
    pub fn extend(&mut self, other: Self) {
        self.more += other.more;
        let beyond = other.errors.saturating_sub(other.list.iter().filter(|d| d.level == Level::Error).count());
        self.errors += beyond;
        for diagnostic in other.list {
            self.push(diagnostic);
        }
    }

    /// Whether the document cannot be used.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors, those beyond the kept ones included.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The kept ones.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Brings the list into order of place.
    pub fn sort(&mut self) {
        self.list.sort_by(|a, b| (a.span.start, a.code).cmp(&(b.span.start, b.code)));
    }

    /// The list as a person reads it: place, message, source line, way out.
    pub fn render(&self, name: &str, source: &str) -> String {
        let lines: Vec<&str> = source.lines().collect();
        let mut out = String::new();
        for d in &self.list {
            let level = if d.level == Level::Error { "error" } else { "warning" };
            let mut write = || -> std::fmt::Result {
                writeln!(out, "{level}[{}]: {}", d.code, d.message)?;
                let field = if d.field.is_empty() { String::new() } else { format!("  ({})", d.field) };
                if d.span.line == 0 {
                    writeln!(out, "  --> {name}{field}")?;
                } else {
                    writeln!(out, "  --> {name}:{}:{}{field}", d.span.line, d.span.column)?;
                    if let Some(line) = lines.get(d.span.line - 1) {
                        let number = d.span.line.to_string();
                        // Of a long line, as JSON likes them, what stands around the place.
                        let before = d.span.column - 1;
                        let cut = if before > 120 { before - 60 } else { 0 };
                        let dots = if cut > 0 { "…" } else { "" };
                        let shown: String = without_passwords(line).chars().skip(cut).take(160).collect();
                        let room = shown.chars().count().saturating_sub(before - cut).max(1);
                        let width = d.span.end.saturating_sub(d.span.start).clamp(1, room.min(80));
                        let blanks = " ".repeat(before - cut + dots.chars().count());
                        writeln!(out, " {number} | {dots}{shown}")?;
                        writeln!(out, " {} | {blanks}{}", " ".repeat(number.len()), "^".repeat(width))?;
                    }
                }
                if let Some(help) = &d.help {
                    writeln!(out, "  help: {help}")?;
                }
                Ok(())
            };
            // Writing to a String cannot fail.
            if write().is_err() {
                break;
            }
        }
        if self.more > 0 {
            out.push_str("… and ");
            out.push_str(&self.more.to_string());
            out.push_str(" more\n");
        }
        out
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A line as it may be shown: what stands in a URL between the name of a user and the host is blotted out, letter by letter,
/// so that places in the line stay.
fn without_passwords(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, url)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let ends = url.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"')).unwrap_or(url.len());
        let (url, behind) = url.split_at_checked(ends).unwrap_or((url, ""));
        match url.rsplit_once('@').and_then(|(who, host)| Some((who.split_once(':')?, host))) {
            Some(((user, password), host)) => {
                out.push_str(user);
                out.push(':');
                out.extend(password.chars().map(|_| '*'));
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(url),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The candidate nearest to `word`, if near enough to be a slip: for "did you mean".
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    candidates.into_iter().map(|c| (distance(word, c), c)).filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let width = b.len() + 1;
    let mut table = vec![0usize; (a.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let value = if i == 0 {
                j
            } else if j == 0 {
                i
            } else {
                let get = |k: usize| table.get(k).copied().unwrap_or(usize::MAX / 2);
                let same = a.get(i - 1) == b.get(j - 1);
                let mut best = (get(at(i - 1, j)) + 1).min(get(at(i, j - 1)) + 1).min(get(at(i - 1, j - 1)) + usize::from(!same));
                if i > 1 && j > 1 && a.get(i - 1) == b.get(j - 2) && a.get(i - 2) == b.get(j - 1) {
                    best = best.min(get(at(i - 2, j - 2)) + 1);
                }
                best
            };
            if let Some(slot) = table.get_mut(at(i, j)) {
                *slot = value;
            }
        }
    }
    table.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_strangers_are_not() {
        assert_eq!(nearest("predicatse", ["packs", "predicates", "penalty"]), Some("predicates"));
        assert_eq!(nearest("zzz", ["packs", "predicates"]), None);
        assert_eq!(nearest("at", ["act"]), None);
    }

    #[test]
    fn renders_place_line_and_help() {
        let mut list = Diagnostics::default();
        list.error("unknown_key", "pakcs", Span { start: 10, end: 15, line: 2, column: 1 }, "unknown key `pakcs`")
            .help("did you mean `packs`?");
        let text = list.render("a.yaml", "format: 1\npakcs: {}\n");
        assert_eq!(
            text,
            "error[unknown_key]: unknown key `pakcs`\n  --> a.yaml:2:1  (pakcs)\n 2 | pakcs: {}\n   | ^^^^^\n  help: did you mean `packs`?\n"
        );
    }

    #[test]
    fn passwords_of_urls_are_not_shown() {
        for (line, shown) in [
            ("  - nats: {url: 'nats://ann:s3/c@et@h:4222', x: 1}", "  - nats: {url: 'nats://ann:*******@h:4222', x: 1}"),
            ("a: postgres://ann:é@h/d b: \"http://h:80/p\"", "a: postgres://ann:*@h/d b: \"http://h:80/p\""),
            ("http://ann@h and http://", "http://ann@h and http://"),
        ] {
            assert_eq!(without_passwords(line), shown);
        }
    }

    #[test]
    fn of_a_long_line_the_place_is_shown() {
        let mut list = Diagnostics::default();
        let source = format!("{{\"a\": \"{}\", \"pakcs\": 1}}", "x".repeat(5_000));
        let start = source.find("\"pakcs").unwrap();
        let span = Span { start, end: start + 7, line: 1, column: start + 1 };
        list.error("unknown_key", "pakcs", span, "unknown key `pakcs`").help("x");
        let text = list.render("a.json", &source);
        assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[3].chars().position(|c| c == '^').unwrap();
        let under: String = lines[2].chars().skip(caret).take(7).collect();
        assert_eq!(under, "\"pakcs\"");
    }

    #[test]
    fn counts_beyond_the_ceiling() {
        let mut list = Diagnostics::default();
        for _ in 0..DIAGNOSTICS_MAX + 7 {
            list.error("x", "", Span::default(), "x");
        }
        assert_eq!((list.errors(), list.iter().count()), (DIAGNOSTICS_MAX + 7, DIAGNOSTICS_MAX));
        assert!(list.render("a", "").contains("7 more"));
    }
}
