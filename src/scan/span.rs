//! Places found in a text.
//!
//! Promises: a hit names bytes of the text that was handed in, on character boundaries; a list of hits
//! is sorted by (start, end, pattern). Rejoining the pieces of a long hit gives what one scan of the
//! whole text gives.

/// A place in a text that a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// First byte; in a stream counted from its start.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Index into the scanner's patterns.
    pub pattern: u32,
    /// How sure the pattern is, in hundredths of a percent.
    pub score_bp: u16,
    /// Whether this is a later piece of the hit of the same pattern that ends where this one starts.
    pub continues: bool,
}

/// Joins the pieces in which a stream gives long hits, so that the list equals that of one whole scan.
pub fn join_pieces(hits: &mut Vec<Hit>) {
    let mut whole: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits.drain(..) {
        let open = if hit.continues {
            whole.iter_mut().rev().find(|before| before.pattern == hit.pattern && before.end == hit.start)
        } else {
            None
        };
        match open {
            Some(before) => before.end = hit.end,
            None => whole.push(hit),
        }
    }
    whole.sort_unstable();
    *hits = whole;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_one_hit() {
        let hit = |start, end, pattern, continues| Hit { start, end, pattern, score_bp: 1, continues };
        let mut hits = vec![hit(0, 5, 1, false), hit(2, 3, 0, false), hit(5, 9, 1, true), hit(9, 12, 1, true)];
        join_pieces(&mut hits);
        assert_eq!(hits, [hit(0, 12, 1, false), hit(2, 3, 0, false)]);
    }
}
