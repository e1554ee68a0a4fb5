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
