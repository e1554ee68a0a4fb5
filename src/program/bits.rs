//! Small sets: of predicates, patterns, topics, and of data categories.

use crate::base::names::DataCategory;

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Adds one.
    pub fn insert(&mut self, bit: u32) {
        let (word, mask) = (bit as usize / 64, 1u64 << (bit % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(slot) = self.words.get_mut(word) {
            *slot |= mask;
        }
    }

    /// Removes all; keeps the room.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// Whether it is there.
    pub fn contains(&self, bit: u32) -> bool {
        self.words.get(bit as usize / 64).is_some_and(|w| w & (1u64 << (bit % 64)) != 0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words
            .iter()
            .enumerate()
            .flat_map(|(at, &word)| (0..64u32).filter(move |bit| word & (1u64 << bit) != 0).map(move |bit| at as u32 * 64 + bit))
    }

    /// Takes over the members of another set.
    pub fn extend(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// As bytes, lowest bit first, exactly as many as `bits` need: the `checked` key of a record.
    pub fn to_bytes(&self, bits: usize) -> Vec<u8> {
        let mut out: Vec<u8> = self.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        out.resize(bits.div_ceil(8), 0);
        out
    }
}

impl FromIterator<u32> for Bits {
    fn from_iter<I: IntoIterator<Item = u32>>(items: I) -> Self {
        let mut bits = Self::default();
        for item in items {
            bits.insert(item);
        }
        bits
    }
}

/// A set of data categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u8);

impl Categories {
    /// The set of one.
    pub const fn of(category: DataCategory) -> Self {
        Self(1 << category as u8)
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is there.
    pub const fn contains(self, category: DataCategory) -> bool {
        self.0 & (1 << category as u8) != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, in order of declaration.
    pub fn iter(self) -> impl Iterator<Item = DataCategory> {
        DataCategory::ALL.iter().copied().filter(move |c| self.contains(*c))
    }
}

impl FromIterator<DataCategory> for Categories {
    fn from_iter<I: IntoIterator<Item = DataCategory>>(items: I) -> Self {
        items.into_iter().fold(Self::default(), |set, c| set.union(Self::of(c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_back_in_order() {
        let bits: Bits = [130, 0, 63, 64].into_iter().collect();
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 130]);
        assert!(bits.contains(64) && !bits.contains(65) && !bits.contains(4000));
        assert_eq!(bits.to_bytes(131).len(), 17);
        assert_eq!(bits.to_bytes(131)[16], 0b100);
        assert_eq!(bits.count(), 4);
    }

    #[test]
    fn every_category_fits() {
        let all: Categories = DataCategory::ALL.iter().copied().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), DataCategory::ALL);
    }
}
