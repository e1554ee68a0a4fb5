//! Addresses of machines and mailboxes.

use std::net::Ipv6Addr;

use super::{Part, Sight, has_word, inside_number};

/// An IPv4 address that can name a machine; not a version.
pub(super) fn ipv4(sight: Sight<'_>) -> bool {
    let mut octets = [0u32; 4];
    let mut parts = sight.text.split(|b| *b == b'.');
    for octet in &mut octets {
        let Some(part) = parts.next() else { return false };
        if part.is_empty() || part.len() > 3 || (part.len() > 1 && part.first() == Some(&b'0')) {
            return false;
        }
        *octet = part.iter().fold(0, |n, b| n * 10 + u32::from(b.wrapping_sub(b'0')));
        if *octet > 255 {
            return false;
        }
    }
    let [first, ..] = octets;
    let names_no_one = matches!(octets, [0 | 127, ..] | [255, 255, _, _] | [_, 0, 0, 0]) || first > 239;
    let product = match sight.before {
        [.., letter, b'/'] => *letter != b'/',
        [.., b'v' | b'V', b'.' | b' '] => true,
        _ => false,
    };
    let near = sight.before.get(sight.before.len().saturating_sub(20)..).unwrap_or_default();
    !names_no_one
        && !product
        && !inside_number(sight, b".-")
        && !has_word(near, &["version", "versions", "ver", "release", "section", "build"])
}

/// An IPv6 address with at least three groups and a digit; what cannot belong to it is cut off.
pub(super) fn ipv6(sight: Sight<'_>) -> Part {
    let text = std::str::from_utf8(sight.text).ok()?;
    if matches!(sight.before, [.., b':' | b'.']) {
        return None;
    }
    let trimmed = text.trim_end_matches(['.', ':']);
    for kept in [text, trimmed] {
        if kept.parse::<Ipv6Addr>().is_ok() {
            let groups = kept.split(':').filter(|group| !group.is_empty()).count();
            let long = kept.split(':').next().is_some_and(|group| group.len() >= 3);
            let digit = kept.bytes().any(|b| b.is_ascii_digit());
            return (digit && (groups >= 3 || (groups >= 2 && long))).then_some((0, kept.len()));
        }
    }
    None
}

/// Endings of file names that are read as a mail domain when an `@` stands before them.
const FILES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "css", "js", "mjs", "ts", "tsx", "jsx", "html", "json", "yaml", "yml",
    "py", "rs", "txt", "xml", "map", "tgz", "lock", "toml",
];

/// Endings that stand for real ones in examples (RFC 6761).
const EXAMPLES: &[&str] = &["example", "test"];

/// A mail address: labels and lengths of RFC 5321, an ending that IANA has given out.
pub(super) fn email(sight: Sight<'_>) -> bool {
    let Some(at) = sight.text.iter().position(|b| *b == b'@') else { return false };
    let (Some(local), Some(domain)) = (sight.text.get(..at), sight.text.get(at + 1..)) else { return false };
    let dotted = |text: &[u8]| text.split(|b| *b == b'.').all(|label| !label.is_empty());
    let label = |label: &[u8]| (1..=63).contains(&label.len()) && label.first() != Some(&b'-') && label.last() != Some(&b'-');
    let ending = domain.rsplit(|b| *b == b'.').next().unwrap_or_default();
    let among = |list: &[&str]| list.iter().any(|other| ending.eq_ignore_ascii_case(other.as_bytes()));
    let given = std::str::from_utf8(ending).is_ok_and(|ending| tld::exist(&ending.to_ascii_lowercase())) || among(EXAMPLES);
    let clone_address = local == b"git" && sight.after == b":";
    dotted(local) && domain.split(|b| *b == b'.').all(label) && given && !among(FILES) && !clone_address
}
