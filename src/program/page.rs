//! A page: lines of values that stand side by side, and where one of them begins behind another.
//!
//! Promises: it never grows beyond [`PAGE`]; used again, it allocates nothing.

/// Bytes of a page.
const PAGE: usize = 4096;

/// Lines of joined values.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    /// By byte, 64 a word: whether a value begins there behind another.
    seams: Vec<u64>,
}

impl Page {
    /// Whether there is room for so many bytes more.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.text.len() + bytes < PAGE
    }

    /// Adds a text that fits; with a seam, it stands behind another value.
    pub(crate) fn put(&mut self, text: &str, seam: bool) {
        let at = self.text.len();
        if seam {
            self.seams.resize(self.seams.len().max(at / 64 + 1), 0);
            self.seams.get_mut(at / 64).into_iter().for_each(|bits| *bits |= 1 << (at % 64));
        }
        self.text.push_str(text);
    }

    /// Takes back all from `len` on, which is where something was put.
    pub(crate) fn cut(&mut self, len: usize) {
        self.seams.truncate(len.div_ceil(64));
        if let Some(bits) = self.seams.get_mut(len / 64) {
            *bits &= (1 << (len % 64)) - 1;
        }
        self.text.truncate(len);
    }

    /// What stands on it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a seam lies within one line between these places.
    pub(crate) fn crosses(&self, start: usize, end: usize) -> bool {
        let seam = |at: usize| self.seams.get(at / 64).is_some_and(|bits| bits >> (at % 64) & 1 == 1);
        let line = self.text.as_bytes().get(start..end).is_some_and(|line| !line.contains(&b'\n'));
        line && (start + 1..end).any(seam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seams_lie_where_values_meet_and_go_with_what_is_cut() {
        let mut page = Page::default();
        let ten = "0123456789";
        for at in 0..20 {
            page.put(ten, at % 2 == 1);
        }
        page.put("\n", false);
        for at in 0..page.text().len() {
            let seam = at % 20 == 10 && at < 200;
            assert_eq!(at > 0 && page.crosses(at - 1, at + 1), seam, "{at}");
        }
        assert!(!page.crosses(199, 201), "the end of a line is no seam");
        page.cut(130);
        assert!(page.crosses(109, 111) && page.text().len() == 130);
        for _ in 0..7 {
            page.put(ten, false);
        }
        assert!((130..200).all(|at| !page.crosses(at - 1, at + 1)), "what was cut leaves no seam");
        assert!(page.fits(PAGE - 201) && !page.fits(PAGE - 200));
        page.cut(0);
        assert!(page.text().is_empty() && !page.crosses(0, 200));
    }
}
