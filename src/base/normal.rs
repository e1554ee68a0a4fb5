//! The one form in which names from outside are compared.
//!
//! The same word can be written in several ways of Unicode; people see no difference, and some systems make
//! none. It does not fold case and drops nothing: what looks alike but is another name stays another.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// A name in normal form C.
pub fn name(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_many() {
        for written in
            ["caf\u{e9}_\u{1e69}", "cafe\u{301}_s\u{323}\u{307}", "cafe\u{301}_s\u{307}\u{323}", "caf\u{e9}_\u{1e61}\u{323}"]
        {
            assert_eq!(name(written), "caf\u{e9}_\u{1e69}", "{written:?}");
        }
        assert_eq!(name("\u{1100}\u{1161}\u{11a8}"), "\u{ac01}");
        // Other letters, however alike, and other widths and cases are other names.
        for other in ["c\u{430}f\u{e9}", "\u{ff43}afe", "Cafe", "cafe "] {
            assert_eq!(name(other), other);
        }
    }
}
