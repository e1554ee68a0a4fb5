//! Second opinions on a match, in one table.
//!
//! Promises: a check sees the match, at most `CONTEXT` bytes before it and [`look_ahead`] bytes after
//! it, so that it says the same however a stream was cut; its work is linear in what it sees. It may
//! narrow a match, never widen it.

mod address;
mod number;
mod phone;
mod token;

use super::pattern::Verify;

/// Bytes before a match that its second opinion may look at.
pub(super) const CONTEXT: usize = 64;

/// What a check sees.
#[derive(Clone, Copy, Debug)]
struct Sight<'t> {
    before: &'t [u8],
    text: &'t [u8],
    after: &'t [u8],
}

/// The part of the match that counts, counted from its start.
type Part = Option<(usize, usize)>;

/// Bytes after the match that a check looks at.
pub(super) fn look_ahead(verify: Verify) -> usize {
    match verify {
        Verify::PaymentCard | Verify::UsSsn | Verify::Ipv4 | Verify::Ipv6 => 2,
        Verify::Phone => phone::LOOK_AHEAD,
        Verify::Email => 1,
        Verify::Iban | Verify::Token | Verify::AssignedSecret | Verify::Jwt => 0,
    }
}

/// The part of the match that counts, or none.
pub(super) fn verify(verify: Verify, bytes: &[u8], (start, end): (usize, usize)) -> Option<(usize, usize)> {
    let ahead = (end + look_ahead(verify)).min(bytes.len());
    let sight = Sight {
        before: bytes.get(start.saturating_sub(CONTEXT)..start)?,
        text: bytes.get(start..end)?,
        after: bytes.get(end..ahead)?,
    };
    let whole = |yes: bool| yes.then_some((0, sight.text.len()));
    let (from, to) = match verify {
        Verify::PaymentCard => whole(number::payment_card(sight)),
        Verify::Iban => number::iban(sight),
        Verify::UsSsn => whole(number::us_ssn(sight)),
        Verify::Ipv4 => whole(address::ipv4(sight)),
        Verify::Ipv6 => address::ipv6(sight),
        Verify::Email => whole(address::email(sight)),
        Verify::Phone => phone::phone(sight),
        Verify::Token => whole(token::random(sight.text)),
        Verify::AssignedSecret => token::assigned(sight),
        Verify::Jwt => whole(token::jwt(sight)),
    }?;
    Some((start + from, start + to))
}

/// The digits of a text.
fn digits(text: &[u8]) -> Vec<u8> {
    text.iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').collect()
}

/// Whether one of these lower-case words stands whole in the text.
fn has_word(text: &[u8], words: &[&str]) -> bool {
    text.split(|b| !b.is_ascii_alphanumeric())
        .any(|word| !word.is_empty() && words.iter().any(|wanted| word.eq_ignore_ascii_case(wanted.as_bytes())))
}

/// Whether what stands before and after makes a number part of a larger one: `1.` or `1-` before, `.5`
/// or `-1` after.
fn inside_number(sight: Sight<'_>, marks: &[u8]) -> bool {
    let before = match sight.before {
        [.., digit, mark] => digit.is_ascii_alphanumeric() && marks.contains(mark),
        _ => false,
    };
    let after = match sight.after {
        [mark, digit, ..] => digit.is_ascii_digit() && marks.contains(mark),
        _ => false,
    };
    before || after
}
