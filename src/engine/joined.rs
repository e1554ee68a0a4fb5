//! Short values side by side, judged as one.
//!
//! A key cut over the values of an object is a key again for whoever reads them in a row. Values are put together
//! as they follow each other, without a separator: by twos, threes and fours, so that what is found has an end
//! on either side, and each longer row as a whole.
//!
//! Little counts over a seam, since ordinary values in a row make numbers and names of every kind:
//!
//! - credentials whose form begins with a mark of its own, such as `ghp_`: no two ordinary values begin with one and
//!   go on with a body of its length by chance. Not those known by a name before them, or by their length alone;
//! - a payment card or a social security number, where each value is one or more of its printed groups
//!   (4-4-4-4, 3-2-4 with its hyphens) and no other number stands beside them in the row.
//!
//! Promises: a finding crosses a seam, so that none is counted twice; it cannot be rewritten; each pattern counts
//! once an event; the work is a fixed multiple of the short values, and nothing is allocated for it. What it will
//! not do: join over a value that is long, prose, or a finding in itself; try other orders.

use super::evaluate::{self, Outcome, Rules, Standing};
use crate::base::limits::{JOINED_MAX, JOINED_VALUE_MAX};
use crate::base::names::DataCategory;
use crate::program::ir::Scan;
use crate::program::page::Page;
use crate::scan;
use crate::scan::pattern::{Kind, Pattern, Verify};
use crate::scan::span::Hit;

/// What a record calls the place of a finding.
const PLACE: &str = "joined";

/// Most values that are joined with an end on either side.
const PIECES: usize = 4;

/// Fewest joined bytes that are looked at: no credential with a mark is shorter.
const LEAST: usize = 12;

/// Longest number with what stands between its groups.
const NUMBER_MAX: usize = 24;

/// The groups in which cards and social security numbers are printed.
const PRINTED: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[3, 2, 4]];

/// A row of values that are numbers, or parts of one.
#[derive(Debug, Default)]
struct Number {
    text: [u8; NUMBER_MAX],
    len: usize,
    values: usize,
    groups: [usize; PIECES],
    count: usize,
    /// It is longer than any number that is looked for.
    long: bool,
}

impl Number {
    fn add(&mut self, text: &str) {
        self.values += 1;
        for group in text.split([' ', '-']).filter(|group| !group.is_empty()) {
            match self.groups.get_mut(self.count) {
                Some(slot) => *slot = group.len(),
                None => self.long = true,
            }
            self.count += 1;
        }
        match self.text.get_mut(self.len..self.len + text.len()) {
            Some(room) => room.copy_from_slice(text.as_bytes()),
            None => self.long = true,
        }
        self.len = (self.len + text.len()).min(NUMBER_MAX);
    }

    /// The row as one number, if its values are the printed groups of one.
    fn whole(&self) -> Option<&str> {
        let groups = self.groups.get(..self.count).filter(|_| self.values > 1 && !self.long)?;
        // Three numbers of three, two and four digits are anything.
        let bare = groups == [3, 2, 4] && self.len == 9;
        (PRINTED.contains(&groups) && !bare).then(|| std::str::from_utf8(self.text.get(..self.len)?).ok()).flatten()
    }
}

/// What scans what was joined, and judges what it finds.
pub(super) struct Looking<'a> {
    pub(super) rules: Rules<'a>,
    pub(super) scan: &'a Scan,
    pub(super) cache: &'a mut scan::Scratch,
    pub(super) hits: &'a mut Vec<Hit>,
    pub(super) standing: Standing,
    pub(super) outcome: &'a mut Outcome,
}

impl Looking<'_> {
    /// Judges the hits of a text that `counts` holds for.
    fn look(&mut self, text: &str, seen: &mut Vec<u32>, counts: impl Fn(&Hit, &Pattern) -> bool) {
        self.hits.clear();
        self.scan.scanner.scan(text, self.cache, self.hits);
        for hit in &*self.hits {
            let counted = self.scan.scanner.pattern(hit.pattern).is_some_and(|pattern| counts(hit, pattern));
            if counted && !seen.contains(&hit.pattern) {
                seen.push(hit.pattern);
                self.outcome.place = Some(PLACE.into());
                evaluate::judge_hit(self.rules, self.scan, hit, self.standing, self.outcome);
                self.outcome.place = None;
            }
        }
    }
}

/// Values as they come, and what they make together.
pub(super) struct Joined<'a, 't> {
    looking: Looking<'a>,
    /// The patterns that have counted.
    seen: Vec<u32>,
    /// The last values of the row, the newest last.
    last: [&'t str; PIECES],
    /// How many values the row has.
    count: usize,
    /// Twos, threes and fours.
    few: &'a mut Page,
    /// Rows.
    rows: &'a mut Page,
    /// Where the open row begins.
    row: usize,
    number: Number,
    /// Bytes of twos, threes and fours so far.
    done: usize,
}

impl<'a, 't> Joined<'a, 't> {
    /// Both pages are empty, and are left so.
    pub(super) fn new(looking: Looking<'a>, [few, rows]: &'a mut [Page; 2]) -> Self {
        Self { looking, seen: Vec::new(), last: [""; PIECES], count: 0, few, rows, row: 0, number: Number::default(), done: 0 }
    }

    /// Adds the next value. `found`: something was found in it alone, so that it ends the row.
    pub(super) fn add(&mut self, text: &'t str, found: bool) {
        let digits = |b: u8| b.is_ascii_digit() || matches!(b, b' ' | b'-');
        if found || text.len() > NUMBER_MAX || !text.bytes().any(|b| b.is_ascii_digit()) || !text.bytes().all(digits) {
            self.end_number();
        } else {
            self.number.add(text);
        }
        if found || !(1..=JOINED_VALUE_MAX).contains(&text.len()) || text.bytes().any(|b| b <= b' ') {
            self.end_row();
        } else {
            self.piece(text);
        }
    }

    /// Ends the row: what comes next stands elsewhere.
    pub(super) fn end(&mut self) {
        self.end_number();
        self.end_row();
    }

    /// Ends the last row and looks at what has not been looked at.
    pub(super) fn finish(mut self) {
        self.end();
        look(&mut self.looking, self.few, &mut self.seen);
        look(&mut self.looking, self.rows, &mut self.seen);
    }

    fn piece(&mut self, text: &'t str) {
        self.last.rotate_left(1);
        if let Some(slot) = self.last.last_mut() {
            *slot = text;
        }
        self.count += 1;
        let longest = if self.done < JOINED_MAX { PIECES } else { 2 };
        for values in 2..=self.count.min(longest) {
            let values = self.last.get(PIECES - values..).unwrap_or_default();
            let bytes = values.iter().map(|value| value.len()).sum::<usize>();
            if bytes < LEAST {
                continue;
            }
            if !self.few.fits(bytes + 1) {
                look(&mut self.looking, self.few, &mut self.seen);
            }
            values.iter().enumerate().for_each(|(at, value)| self.few.put(value, at > 0));
            self.few.put("\n", false);
            self.done += bytes;
        }
        if !self.rows.fits(text.len() + 1) {
            // The row goes on with the values before this one.
            look(&mut self.looking, self.rows, &mut self.seen);
            self.row = 0;
            let kept = (self.count - 1).min(PIECES - 1);
            let before = self.last.get(PIECES - 1 - kept..PIECES - 1).unwrap_or_default();
            before.iter().enumerate().for_each(|(at, value)| self.rows.put(value, at > 0));
        }
        self.rows.put(text, self.count > 1);
    }

    fn end_row(&mut self) {
        if self.count > PIECES {
            self.rows.put("\n", false);
        } else {
            // All of it was looked at by twos, threes and fours, or is one value.
            self.rows.cut(self.row);
        }
        self.row = self.rows.text().len();
        self.count = 0;
    }

    fn end_number(&mut self) {
        if self.number.values == 0 {
            return;
        }
        let number = std::mem::take(&mut self.number);
        if let Some(text) = number.whole() {
            self.looking.look(text, &mut self.seen, |hit, pattern| {
                let known = matches!(pattern.verify, Some(Verify::PaymentCard | Verify::UsSsn));
                known && (hit.start, hit.end) == (0, text.trim_end_matches([' ', '-']).len())
            });
        }
    }
}

/// Looks at a page and empties it.
fn look(looking: &mut Looking<'_>, page: &mut Page, seen: &mut Vec<u32>) {
    if page.text().is_empty() {
        return;
    }
    looking.look(page.text(), seen, |hit, pattern| page.crosses(hit.start, hit.end) && has_mark(pattern));
    page.cut(0);
}

/// Whether what a pattern finds is a credential that begins with a mark of its own.
fn has_mark(pattern: &Pattern) -> bool {
    let Kind::Regex(expression) = &pattern.kind else { return false };
    let by_form = matches!(pattern.verify, None | Some(Verify::Filled | Verify::Crc32Tail));
    let credential = pattern.category == DataCategory::Credentials && pattern.context.is_none();
    credential && (pattern.verify == Some(Verify::Jwt) || by_form && is_mark(expression))
}

/// Whether an expression begins with a literal that no ordinary value ends with: four bytes, or three with one that is
/// no letter or digit. Classes and what may be left out count for nothing.
fn is_mark(expression: &str) -> bool {
    let (mut bytes, mut signs) = (0, 0);
    let mut rest = expression.strip_prefix("(?-u:").unwrap_or(expression).strip_prefix(r"\b").unwrap_or_default();
    while let Some(first) = rest.chars().next() {
        let (literal, after) = match first {
            '[' => ("", rest.split_once(']').map_or("", |(_, after)| after)),
            '(' => {
                let (inner, after) = rest.strip_prefix("(?:").and_then(|inner| inner.split_once(')')).unwrap_or_default();
                (inner.split('|').min_by_key(|branch| branch.len()).unwrap_or_default(), after)
            }
            '\\' => {
                let (escaped, after) = rest.split_at_checked(2).unwrap_or_default();
                let class = escaped.ends_with(|c: char| c.is_ascii_alphanumeric());
                (if class { "" } else { escaped.get(1..).unwrap_or_default() }, after)
            }
            // Where a repetition begins, the body does.
            '{' | '+' | '*' | '.' | '|' | ')' => break,
            _ => rest.split_at_checked(first.len_utf8()).unwrap_or_default(),
        };
        // An optional group or byte.
        if let Some(after) = after.strip_prefix('?') {
            rest = after;
            continue;
        }
        let plain = literal
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b':' | b'=' | b'.' | b'~' | b'$'));
        for byte in plain {
            bytes += 1;
            signs += usize::from(!byte.is_ascii_alphanumeric());
        }
        rest = after;
    }
    bytes >= 4 || (bytes == 3 && signs > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::pack::Packs;

    #[test]
    fn a_mark_is_told_from_a_class() {
        for marked in [
            r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
            r"\bgh[opusr]_[A-Za-z0-9]{36,255}\b",
            r"\bSG\.[A-Za-z0-9_-]{16,32}",
            r"\b(?:pub)?key-[a-f0-9]{32}\b",
            r"\b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,99}\b",
        ] {
            assert!(is_mark(marked), "{marked}");
        }
        for plain in [
            r"\bAC[a-f0-9]{32}\b",
            r"\b[a-f0-9]{32}-us\d{1,2}\b",
            r"\bcio[A-Za-z0-9]{32}\b",
            r"\b\d/[0-9]{16}:[a-f0-9]{32}\b",
            r"[a-z]{4}-x",
            r"(?i-u:\bbearer [A-Za-z0-9]{20})",
        ] {
            assert!(!is_mark(plain), "{plain}");
        }
    }

    #[test]
    fn most_formats_of_credentials_have_a_mark_and_nothing_else_has() {
        let (marked, others): (Vec<_>, Vec<_>) = Packs::shipped().entries().partition(|(_, entry)| has_mark(&entry.pattern));
        assert!(marked.len() > 120, "{}", marked.len());
        assert!(marked.iter().all(|(pack, _)| pack.name == "secrets"));
        let named = others.iter().filter(|(_, entry)| entry.pattern.verify == Some(Verify::NamedSecret)).count();
        assert!(named > 80, "{named}");
    }

    #[test]
    fn printed_groups_are_told_from_numbers() {
        let whole = |values: &[&str]| {
            let mut number = Number::default();
            values.iter().for_each(|value| number.add(value));
            number.whole().map(str::to_owned)
        };
        assert_eq!(whole(&["4111", "1111", "1111", "1111"]).as_deref(), Some("4111111111111111"));
        assert_eq!(whole(&["4111 1111 ", "1111-1111"]).as_deref(), Some("4111 1111 1111-1111"));
        assert_eq!(whole(&["536-", "22-", "8731"]).as_deref(), Some("536-22-8731"));
        for ordinary in [
            &["4111111111111111"][..],
            &["41111111", "11111111"],
            &["4111", "1111", "1111", "1111", "1111"],
            &["4111", "1111", "1111", "1111", "2024"],
            &["640", "72", "1080"],
            &["1", "2", "3", "4", "5", "6", "7", "8", "9"],
            &["123456789012345678901234", "1"],
        ] {
            assert_eq!(whole(ordinary), None, "{ordinary:?}");
        }
    }
}
