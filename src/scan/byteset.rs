//! Sets of byte values.

/// A set of byte values.
pub(super) type ByteSet = [u64; 4];

/// Whether a byte is in a set.
pub(super) fn in_set(set: &ByteSet, byte: u8) -> bool {
    set.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
}

/// Puts a byte into a set.
pub(super) fn put(set: &mut ByteSet, byte: u8) {
    if let Some(word) = set.get_mut(usize::from(byte >> 6)) {
        *word |= 1 << (byte & 63);
    }
}

/// The set of these bytes.
pub(super) fn set_of(bytes: impl IntoIterator<Item = u8>) -> ByteSet {
    let mut set = [0; 4];
    bytes.into_iter().for_each(|byte| put(&mut set, byte));
    set
}

/// A table of letters, digits and these signs: quicker to ask than a set.
#[expect(clippy::indexing_slicing, reason = "constant loops over 256 places, checked at compile time")]
pub(super) const fn letters_digits_and(signs: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    table
}
