//! What a person or a program reads: lines, tables, JSON, colour, progress.
//!
//! Promises: results go to standard output and remarks to standard error; what comes from outside
//! (texts, headers, file names) cannot move the cursor or colour the terminal; colour and progress
//! appear only on a terminal, and colour never when `NO_COLOR` is set. A closed pipe ends the output
//! quietly. Nothing here decides anything.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::base::diagnostic::Diagnostics;
use crate::base::verdict::{Act, Severity};

/// How a command ended, if it could do its work at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Exit code 0.
    Fine,
    /// The thing that was looked at does not hold: exit code 1.
    Failed,
    /// The exit code of what was run.
    Code(u8),
}

impl Outcome {
    /// Fine if `ok`.
    pub(super) fn of(ok: bool) -> Self {
        if ok { Self::Fine } else { Self::Failed }
    }

    /// The worse of the two.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self::of(self == Self::Fine && other == Self::Fine)
    }
}

/// Wrong use or unreadable input: exit code 2.
#[derive(Debug)]
pub(super) struct CliError {
    message: String,
    help: Option<String>,
    /// The reader of our output has gone; nothing is left to be said.
    closed: bool,
    /// It stands in the log already.
    told: bool,
}

impl CliError {
    /// A mistake of the one who called.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, closed: false, told: false }
    }

    /// A file that could not be read or written.
    pub(super) fn file(path: &std::path::Path, error: impl Display) -> Self {
        Self::new(format!("{}: {error}", path.display()))
    }

    /// The same with a way out.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, said elsewhere already.
    pub(super) fn told(self) -> Self {
        Self { told: true, ..self }
    }

    /// Whether it was said elsewhere already.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    /// Whether only the pipe was closed.
    pub(super) fn is_closed_pipe(&self) -> bool {
        self.closed
    }
}

impl Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}

impl std::error::Error for CliError {}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self { message: error.to_string(), help: None, closed: error.kind() == io::ErrorKind::BrokenPipe, told: false }
    }
}

/// What a command hands back.
pub(super) type Answer = Result<Outcome, CliError>;

/// A colour by its meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum Paint {
    /// As it should be.
    Good,
    /// Look at it.
    Warn,
    /// Not as it should be.
    Bad,
    /// Less important than what stands beside it.
    Dim,
    /// A heading.
    Strong,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Dim => "2",
            Self::Strong => "1",
        }
    }
}

/// The two outputs and how they are written.
pub(super) struct Screen {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    json: bool,
    colour: bool,
    progress: bool,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("json", &self.json).field("colour", &self.colour).finish_non_exhaustive()
    }
}

impl Screen {
    /// Standard output and standard error of the process.
    pub(super) fn standard(json: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self {
            out: Box::new(io::BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            json,
            colour: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            progress: io::stderr().is_terminal() && !dumb,
        }
    }

    /// Writers of one's own, without colour.
    #[cfg(test)]
    fn new(out: Box<dyn Write>, err: Box<dyn Write>, json: bool) -> Self {
        Self { out, err, json, colour: false, progress: false }
    }

    /// Whether results are wanted as JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// One line of the result.
    pub(super) fn line(&mut self, text: impl Display) -> Result<(), CliError> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Bytes of the result as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        Ok(self.out.write_all(bytes)?)
    }

    /// The result as one JSON document, for people who pipe it and for programs.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|e| CliError::new(e.to_string()))?;
        self.line(text)
    }

    /// The result as one line of JSON.
    pub(super) fn json_line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// A remark.
    pub(super) fn note(&mut self, text: impl Display) {
        // Nobody is left to hear that standard error is closed.
        drop(self.flush());
        drop(writeln!(self.err, "{text}"));
    }

    /// The mistakes of a document, as remarks.
    pub(super) fn diagnostics(&mut self, name: &str, source: &str, list: &Diagnostics) {
        if !list.is_empty() {
            let text = list.render(name, source);
            self.note(safe_lines(text.trim_end()));
        }
    }

    /// Hands on what is buffered.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        Ok(self.out.flush()?)
    }

    /// Text in a colour, where colours are wanted.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
    }

    /// An act in its colour, padded to the longest.
    pub(super) fn act(&self, act: Act) -> String {
        let paint = match act {
            Act::Allow => Paint::Good,
            Act::Flag | Act::Redact => Paint::Warn,
            Act::Hold | Act::Block => Paint::Bad,
        };
        self.paint(paint, &format!("{:<6}", act.as_str()))
    }

    /// A severity in its colour.
    pub(super) fn severity(&self, severity: Severity) -> String {
        let paint = match severity {
            Severity::Minor => Paint::Dim,
            Severity::Major => Paint::Warn,
            Severity::Critical => Paint::Bad,
        };
        self.paint(paint, severity.as_str())
    }

    /// A bar for work whose size is known, shown after a second and only on a terminal.
    pub(super) fn progress(&self, what: &'static str, total: u64) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar
    }

    /// A turning sign for work whose size is not known.
    pub(super) fn spinner(&self, what: &'static str) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// A table of words in aligned columns; the last column is not padded.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a heading.
    pub(super) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.iter().map(|h| (*h).to_owned()).collect()] }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|c| safe(&c).into_owned()).collect());
    }

    /// Whether there is nothing below the heading.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// Writes it.
    pub(super) fn print(&self, screen: &mut Screen) -> Result<(), CliError> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| self.rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (at, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if c + 1 == columns {
                    line.push_str(cell);
                } else {
                    line.push_str(cell);
                    line.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(cell.chars().count())));
                }
            }
            let line = line.trim_end();
            let line = if at == 0 { screen.paint(Paint::Dim, line) } else { line.to_owned() };
            screen.line(line)?;
        }
        Ok(())
    }
}

/// Text from outside, with everything that could act on a terminal or hide from a reader written out.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().any(acts) { Cow::Owned(escape(text, false)) } else { Cow::Borrowed(text) }
}

/// The same for a text whose line ends are ours.
pub(super) fn safe_lines(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| c != '\n' && acts(c)) { Cow::Owned(escape(text, true)) } else { Cow::Borrowed(text) }
}

/// Control characters, and the invisible ones that turn the direction of writing or break lines.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn escape(text: &str, keep_lines: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if keep_lines => out.push('\n'),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// At most `limit` characters of a text, made safe, with an ellipsis for the rest.
pub(super) fn short(text: &str, limit: usize) -> String {
    let safe = safe(text);
    if safe.chars().count() <= limit {
        return safe.into_owned();
    }
    safe.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// A count of bytes as people say it.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = "KiB";
    for next in UNITS.iter().skip(1) {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A number with its noun.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_from_outside_acts_on_the_terminal() {
        assert_eq!(safe("a\x1b[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\nd");
        assert_eq!(safe_lines("a\nb\x07"), "a\nb\\u{7}");
        assert!(matches!(safe("Grüße, 世界"), Cow::Borrowed(_)));
    }

    #[test]
    fn sizes_and_counts_as_people_say_them() {
        assert_eq!([bytes(0), bytes(1023), bytes(1024), bytes(3 << 20)], ["0 B", "1023 B", "1.0 KiB", "3.0 MiB"]);
        assert_eq!([count(1, "record"), count(2, "record")], ["1 record", "2 records"]);
        assert_eq!(short("abcdef", 4), "abc…");
    }

    #[test]
    fn tables_align_and_do_not_trail() {
        let sink = Sink::default();
        let mut screen = Screen::new(Box::new(sink.clone()), Box::new(io::sink()), false);
        let mut table = Table::new(["id", "act"]);
        table.row(["refund-size".to_owned(), "hold".to_owned()]);
        table.row(["x".to_owned(), String::new()]);
        table.print(&mut screen).unwrap();
        assert_eq!(String::from_utf8(sink.0.lock().unwrap().clone()).unwrap(), "id           act\nrefund-size  hold\nx\n");
    }
}
