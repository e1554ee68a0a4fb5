//! What stands around a match: words that speak for it, words that speak against it, or nothing at all.
//!
//! A number of nine digits is anything; behind the word "passport" it is a passport. Promises: at most
//! [`BEFORE`] bytes before the match and the declared bytes after it are looked at, so that the score of a
//! hit does not depend on how a stream was cut; the work is linear in these bytes for each word. Words are
//! found whole, ASCII case ignored; `_` and a capital after a small letter part words too (`userSsn`).

use super::pattern::Context;

/// Bytes before a match in which words are looked for.
pub(super) const BEFORE: usize = 64;

/// Bytes after a match that are looked at where a lone match counts: room for a full stop and a line end.
const LONE: usize = 3;

/// Bytes after the match that decide its score.
pub(super) fn look_ahead(context: &Context) -> usize {
    // One more: whether a word ends shows in the byte behind it.
    let words = if context.after == 0 { 0 } else { context.after + 1 };
    if context.lone_bp.is_some() { words.max(LONE) } else { words }
}

/// What decided the score of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground<'c> {
    /// A word for it, and where it stands.
    For(&'c str, usize),
    /// A word against it, and where it stands.
    Against(&'c str, usize),
    /// Nothing stands beside it.
    Lone,
    /// What stands beside it says nothing.
    Silent,
}

/// The score of a match at this place, in hundredths of a percent; none where it does not count.
pub(super) fn score(context: &Context, plain_bp: u16, bytes: &[u8], place: (usize, usize)) -> Option<u16> {
    decide(context, plain_bp, bytes, place).0
}

/// The score, and what decided it.
pub(super) fn decide<'c>(
    context: &'c Context,
    plain_bp: u16,
    bytes: &[u8],
    (start, end): (usize, usize),
) -> (Option<u16>, Ground<'c>) {
    let from = start.saturating_sub(BEFORE);
    let to = (end + context.after).min(bytes.len());
    let near = |words: &'c [String]| {
        words.iter().find_map(|word| {
            let behind = || (context.after > 0).then(|| find(bytes, (end, to), word)).flatten();
            Some((word.as_str(), find(bytes, (from, start), word).or_else(behind)?))
        })
    };
    if let Some((word, at)) = near(&context.words) {
        return (Some(context.score_bp), Ground::For(word, at));
    }
    if let Some((word, at)) = near(&context.not) {
        return (None, Ground::Against(word, at));
    }
    match context.lone_bp {
        Some(lone) if is_lone(bytes, (start, end)) => (Some(lone.max(plain_bp)), Ground::Lone),
        _ => ((plain_bp > 0).then_some(plain_bp), Ground::Silent),
    }
}

/// Where a word stands whole between two places.
fn find(bytes: &[u8], (from, to): (usize, usize), word: &str) -> Option<usize> {
    let (space, word) = (bytes.get(from..to)?, word.as_bytes());
    #[cfg(test)]
    super::check::count(space.len());
    let at = space.windows(word.len().max(1)).enumerate().position(|(at, part)| {
        part.eq_ignore_ascii_case(word) && parted(bytes, from + at) && {
            let behind = from + at + word.len();
            // A plural is the same word.
            let plural = bytes.get(behind).is_some_and(|b| b.eq_ignore_ascii_case(&b's'));
            parted(bytes, behind) || (plural && parted(bytes, behind + 1))
        }
    });
    at.map(|at| from + at)
}

/// Whether a word may begin or end here: letters stand on one side at most, or a capital begins. Scripts
/// other than Latin are not parted by bytes, so next to them any place will do.
fn parted(bytes: &[u8], at: usize) -> bool {
    let (Some(one), Some(two)) = (at.checked_sub(1).and_then(|before| bytes.get(before)), bytes.get(at)) else { return true };
    !one.is_ascii_alphabetic() || !two.is_ascii_alphabetic() || (one.is_ascii_lowercase() && two.is_ascii_uppercase())
}

/// Whether there is nothing in the text but the match, marks and white space.
fn is_lone(bytes: &[u8], (start, end): (usize, usize)) -> bool {
    let empty = |space: &[u8]| std::str::from_utf8(space).is_ok_and(|text| !text.chars().any(char::is_alphanumeric));
    let rest = bytes.get(end..).unwrap_or_default();
    start < BEFORE && rest.len() < LONE && empty(rest) && empty(bytes.get(..start).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(after: usize) -> Context {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect();
        Context {
            words: words(&["ssn", "social security"]),
            not: words(&["order"]),
            after,
            score_bp: 9_000,
            lone_bp: Some(5_000),
        }
    }

    fn at(text: &str, after: usize) -> Option<u16> {
        let start = text.find('1').unwrap();
        let end = text.rfind(|c: char| c.is_ascii_digit()).unwrap() + 1;
        score(&context(after), 0, text.as_bytes(), (start, end))
    }

    #[test]
    fn words_are_whole_and_near() {
        for text in
            ["my SSN: 123", "user_ssn=123", "userSsn 123", "the ssns 123", "Social Security no. 123", "ssn for the order 123"]
        {
            assert_eq!(at(text, 0), Some(9_000), "{text}");
        }
        for text in ["lessn 123", "ssnake 123", &format!("ssn {} 123", ".".repeat(64)), "order 123", "a 123"] {
            assert_eq!(at(text, 0), None, "{text}");
        }
        assert_eq!(at("123 is my ssn.", 12), Some(9_000));
        assert_eq!(at("123 is my ssn.", 9), None);
        assert_eq!(at("123 is my ssn.", 0), None);
    }

    #[test]
    fn the_word_that_decided_is_told() {
        let told = |text: &str| {
            let start = text.find('1').unwrap();
            let context = context(12);
            let (score, ground) = decide(&context, 0, text.as_bytes(), (start, start + 3));
            (score, format!("{ground:?}"))
        };
        assert_eq!(told("my SSN: 123"), (Some(9_000), r#"For("ssn", 3)"#.to_owned()));
        assert_eq!(told("123 (my ssn)"), (Some(9_000), r#"For("ssn", 8)"#.to_owned()));
        assert_eq!(told("order 123"), (None, r#"Against("order", 0)"#.to_owned()));
        assert_eq!(told("123"), (Some(5_000), "Lone".to_owned()));
        assert_eq!(told("a 123 b"), (None, "Silent".to_owned()));
    }

    #[test]
    fn a_lone_match_counts_on_its_own() {
        for text in ["123", "\"123\"", " (123)\n", "123.\n"] {
            assert_eq!(at(text, 0), Some(5_000), "{text:?}");
        }
        for text in ["123 x", "a 123", "123 ..."] {
            assert_eq!(at(text, 0), None, "{text:?}");
        }
    }
}
