//! From hits to what is replaced: overlapping hits become one region with one label.
//!
//! The label of a region is that of its first hit: least start, then highest score, then first pattern.
//! None of these waits for what comes later, so a stream chooses as a whole text does.

use crate::scan::span::Hit;

/// A range to be replaced, and the pattern that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) pattern: u32,
    score_bp: u16,
}

impl Region {
    pub(crate) fn of(hit: &Hit) -> Self {
        Self { start: hit.start, end: hit.end, pattern: hit.pattern, score_bp: hit.score_bp }
    }

    /// Takes in a hit that does not start before it. False where they do not overlap.
    pub(crate) fn takes(&mut self, hit: &Hit) -> bool {
        if hit.start >= self.end && hit.start != self.start {
            return false;
        }
        if hit.start == self.start && (hit.score_bp, self.pattern) > (self.score_bp, hit.pattern) {
            self.pattern = hit.pattern;
            self.score_bp = hit.score_bp;
        }
        self.end = self.end.max(hit.end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(start: usize, end: usize, pattern: u32, score_bp: u16) -> Hit {
        Hit { start, end, pattern, score_bp, continues: false }
    }

    #[test]
    fn the_first_hit_names_the_region() {
        let mut region = Region::of(&hit(3, 8, 5, 100));
        assert!(region.takes(&hit(3, 6, 7, 100)));
        assert_eq!(region.pattern, 5);
        assert!(region.takes(&hit(3, 6, 7, 200)));
        assert_eq!(region.pattern, 7);
        assert!(region.takes(&hit(5, 20, 1, 900)));
        assert_eq!((region.pattern, region.end), (7, 20));
        assert!(!region.takes(&hit(20, 22, 1, 900)));
    }
}
