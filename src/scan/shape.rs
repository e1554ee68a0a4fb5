//! What one glance at eight bytes tells of a place: whether digits are near, and where the word at hand ends.
//!
//! Most words of ordinary text are shorter than what most expressions want. Promises: an expression that can match at a place
//! is let begin there by the shape of that place.

use super::byteset::{ByteSet, set_of};
use super::opening::{DIGITS_WITHIN, OPENING, TOPS, all, between};

/// Bytes that the table of pairs has looked at already.
pub(super) const PAIR: usize = 2;

/// Where the word ends: unknown, at each byte of an opening behind the pair, or not within it.
const ENDS: usize = OPENING - PAIR + 2;

/// How many shapes there are.
pub(super) const SHAPES: usize = 2 * ENDS;

/// The shape of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape(usize);

impl Shape {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self(0);

    /// Every shape, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SHAPES).map(Self)
    }

    /// The place behind the pair that tells most: few expressions go on behind a short word.
    #[inline]
    pub(super) fn telling(self) -> usize {
        (self.0 % ENDS).saturating_sub(1).min(OPENING - PAIR - 1)
    }

    /// Its number, below [`SHAPES`].
    pub(super) fn index(self) -> usize {
        self.0
    }
}

/// The shapes of places where an expression can match, one bit each: by what can stand behind the pair, as far as each match
/// has it, and by the fewest digits that a match has.
pub(super) fn shapes(behind: &[ByteSet], digits: u8) -> u16 {
    let ascii = |wanted: fn(&u8) -> bool| set_of((0..0x80).filter(wanted));
    let words = [ascii(u8::is_ascii_alphanumeric), ascii(u8::is_ascii_alphabetic)];
    let gaps = ascii(|byte| !byte.is_ascii_alphanumeric());
    let meets = |one: &ByteSet, two: &ByteSet| one.iter().zip(two).any(|(one, two)| one & two != 0);
    let mut shapes = 0;
    for (bare, word) in words.iter().enumerate() {
        if bare == 1 && digits > 0 {
            continue;
        }
        let lets = |end: usize| {
            // Behind the end of the word nothing is known.
            let known = behind.iter().take((end + 1).min(OPENING - PAIR));
            known.enumerate().all(|(at, set)| meets(set, if at == end { &gaps } else { word }))
        };
        let lets = std::iter::once(true).chain((0..ENDS - 1).map(lets));
        shapes = lets.zip(bare * ENDS..).fold(shapes, |shapes, (lets, at)| shapes | u16::from(lets) << at);
    }
    shapes
}

/// Bytes that a sight is of, and those of them at which the shape can be told.
const SEEN: usize = u64::BITS as usize;
pub(super) const BLOCK: usize = SEEN - DIGITS_WITHIN;

/// What the bytes of a stretch of text are, one bit each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    gaps: u64,
    /// What has not arrived may be one.
    digits: u64,
    /// Not ASCII, or not there.
    unknown: u64,
}

impl Sight {
    /// What `bytes` begin with; `last` if the text ends with them.
    pub(super) fn new(bytes: &[u8], last: bool) -> Self {
        let mut sight = Self { gaps: 0, digits: 0, unknown: 0 };
        let bytes = bytes.get(..SEEN).unwrap_or(bytes);
        let (eights, rest) = bytes.as_chunks();
        let mut at = 0;
        for eight in eights {
            sight.put(*eight, at);
            at += 8;
        }
        if bytes.len() < SEEN {
            let mut eight = [0; 8];
            eight.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            sight.put(eight, at);
            let beyond = u64::MAX << bytes.len();
            sight.unknown |= beyond;
            sight.digits = if last { sight.digits & !beyond } else { sight.digits | beyond };
        }
        sight
    }

    /// Adds eight bytes that stand at a place of it.
    #[inline]
    fn put(&mut self, eight: [u8; 8], at: usize) {
        let word = u64::from_le_bytes(eight);
        // Tops are taken out first, so that no byte carries into the next.
        let plain = word & !TOPS;
        let digits = between(plain, b'0', b'9');
        let letters = between(plain | all(0x20), b'a', b'z');
        // The top of each byte comes to one bit of the highest byte.
        let bits = |tops: u64| ((tops & TOPS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56 << at;
        self.gaps |= bits(!(digits | letters));
        self.digits |= bits(digits & !word);
        self.unknown |= bits(word);
    }

    /// The shape of a place among the first [`BLOCK`].
    #[inline]
    pub(super) fn shape(self, at: usize) -> Shape {
        let from = |bits: u64| bits >> (at % SEEN);
        let gaps = from(self.gaps) >> PAIR | 1 << (OPENING - PAIR);
        let unknown = from(self.unknown) & u64::MAX >> (SEEN - OPENING) != 0;
        let end = if unknown { 0 } else { 1 + gaps.trailing_zeros() as usize };
        let digits = from(self.digits) & u64::MAX >> (SEEN - DIGITS_WITHIN) != 0;
        Shape(end + if digits { 0 } else { ENDS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(shape: Shape) -> u16 {
        1 << shape.index()
    }

    impl Shape {
        fn new(end: Option<usize>, bare: bool) -> Self {
            Self(end.map_or(0, |end| 1 + end - PAIR) + if bare { ENDS } else { 0 })
        }
    }

    #[test]
    fn a_block_at_once_is_as_its_bytes_one_by_one() {
        let text: Vec<u8> = (0..40u32)
            .flat_map(|at| format!("a{}B {at}c\u{e9}_Z9:xyzxyzxyz ", "q".repeat(at as usize % 9)).into_bytes())
            .collect();
        for end in [0, 1, 7, 8, 63, 64, 65, 100, 128, 129, 500] {
            let text = &text[..end];
            for last in [false, true] {
                for from in 0..end.min(3) {
                    let mut sight = Sight::new(&text[from..], last);
                    for (at, place) in (from..end).enumerate() {
                        if at % BLOCK == 0 {
                            sight = Sight::new(&text[place..], last);
                        }
                        let eight = text.get(place..place + 8).filter(|eight| eight.is_ascii());
                        let gap = |eight: &[u8]| (2..8).find(|at| !eight[*at].is_ascii_alphanumeric()).unwrap_or(8);
                        let near = &text[place..end.min(place + 16)];
                        let bare = !near.iter().any(u8::is_ascii_digit) && (last || near.len() == 16);
                        assert_eq!(sight.shape(at % BLOCK), Shape::new(eight.map(gap), bare), "{end} {last} {from} {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_place_must_hold_decides_its_shapes() {
        let letters = set_of(b'a'..=b'z');
        let any = [u64::MAX; 4];
        // Four letters behind the pair: the word does not end before the seventh byte.
        let four = shapes(&[letters; 4], 0);
        for end in PAIR..=OPENING {
            for bare in [false, true] {
                assert_eq!(four & one(Shape::new(Some(end), bare)) != 0, end >= PAIR + 4, "{end} {bare}");
            }
        }
        assert_ne!(four & one(Shape::UNKNOWN), 0);
        // Two of any kind and a hyphen.
        let hyphen = shapes(&[any, any, set_of(*b"-")], 0);
        for end in PAIR..=OPENING {
            assert_eq!(hyphen & one(Shape::new(Some(end), true)) != 0, end <= PAIR + 2, "{end}");
        }
        // Digits.
        let digits = shapes(&[set_of(b'0'..=b'9')], 1);
        assert!(Shape::all().filter(|shape| digits & one(*shape) != 0).all(|shape| shape.index() < ENDS));
        assert_eq!(shapes(&[], 0), u16::MAX);
    }
}
