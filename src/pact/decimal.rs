//! Decimal numbers, exact: what stands in a pact, a fact or a tool argument is compared as written.
//!
//! A number is `mantissa × 10^exponent`. Up to [`DIGITS_MAX`] significant digits are kept; of a longer
//! number the rest is remembered as "a little more than shown" ([`Decimal::sticky`]), which is enough to
//! compare it exactly with any number that is short enough to be kept whole. There is no rounding and no
//! floating point; arithmetic that does not fit gives nothing.

use std::cmp::Ordering;
use std::fmt;

/// Significant digits kept.
pub const DIGITS_MAX: usize = 34;

/// Largest exponent, either way. Beyond it a number is no longer data.
const EXPONENT_MAX: i64 = 100_000;

/// An exact decimal number.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    /// Without trailing zeros; the sign is its sign.
    mantissa: i128,
    exponent: i32,
    /// There were further digits, not all zero: the magnitude is a little larger than shown.
    sticky: bool,
}

impl Decimal {
    /// Nought.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0, sticky: false };

    /// The number with this JSON text (`-12.50`, `1e3`; a leading `+` is allowed, as in YAML).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = match bytes.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, bytes),
        };
        let (mut mantissa, mut kept, mut exponent, mut sticky) = (0i128, 0usize, 0i64, false);
        let (mut digits, mut point, mut at) = (0usize, false, 0usize);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    let digit = i128::from(byte - b'0');
                    if kept < DIGITS_MAX {
                        mantissa = mantissa * 10 + digit;
                        kept += usize::from(mantissa != 0);
                        exponent -= i64::from(point);
                    } else {
                        sticky |= digit != 0;
                        exponent += i64::from(!point);
                    }
                }
                b'.' if !point => point = true,
                b'e' | b'E' if digits > 0 => {
                    exponent = exponent.checked_add(exponent_of(bytes.get(at + 1..)?)?)?;
                    return (digits > 0).then(|| Self::new(negative, mantissa, exponent, sticky))?;
                }
                _ => return None,
            }
            at += 1;
        }
        (digits > 0).then(|| Self::new(negative, mantissa, exponent, sticky))?
    }

    fn new(negative: bool, mantissa: i128, exponent: i64, sticky: bool) -> Option<Self> {
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        if exponent.abs() > EXPONENT_MAX {
            return None;
        }
        let exponent = i32::try_from(exponent).ok()?;
        let signed = if negative { -mantissa } else { mantissa };
        let number = Self { mantissa: signed, exponent, sticky };
        Some(if sticky { number } else { number.trimmed() })
    }

    fn trimmed(mut self) -> Self {
        if self.mantissa == 0 {
            return Self::ZERO;
        }
        while self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.exponent += 1;
        }
        self
    }

    /// Whether every digit was kept.
    pub fn is_whole(&self) -> bool {
        !self.sticky
    }

    /// Whether digits beyond the kept ones make it a little larger in magnitude than shown.
    pub fn sticky(&self) -> bool {
        self.sticky
    }

    /// Whether it has no fraction.
    pub fn is_integer(&self) -> bool {
        !self.sticky && self.exponent >= 0
    }

    /// The number as an integer, if it is one that fits.
    pub fn to_i64(&self) -> Option<i64> {
        if !self.is_integer() {
            return None;
        }
        let power = 10i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        i64::try_from(self.mantissa.checked_mul(power)?).ok()
    }

    /// The nearest floating-point number, for reports only.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The sum, if it fits and both are whole.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.aligned(other, i128::checked_add)
    }

    /// The difference, if it fits and both are whole.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.aligned(other, i128::checked_sub)
    }

    /// The product, if it fits and both are whole.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        if self.sticky || other.sticky {
            return None;
        }
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        Self { mantissa, exponent: self.exponent.checked_add(other.exponent)?, sticky: false }.bounded()
    }

    /// The number with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { mantissa: -self.mantissa, ..self }
    }

    fn aligned(self, other: Self, join: fn(i128, i128) -> Option<i128>) -> Option<Self> {
        if self.sticky || other.sticky {
            return None;
        }
        if self.mantissa == 0 || other.mantissa == 0 {
            // Nought has no exponent of its own to align with.
            let mantissa = join(self.mantissa, other.mantissa)?;
            let exponent = if self.mantissa == 0 { other.exponent } else { self.exponent };
            return Self { mantissa, exponent, sticky: false }.bounded();
        }
        let exponent = self.exponent.min(other.exponent);
        let lift = |n: Self| -> Option<i128> {
            let by = u32::try_from(i64::from(n.exponent) - i64::from(exponent)).ok()?;
            n.mantissa.checked_mul(10i128.checked_pow(by)?)
        };
        Self { mantissa: join(lift(self)?, lift(other)?)?, exponent, sticky: false }.bounded()
    }

    /// Trimmed, and refused when it no longer fits the digits kept.
    fn bounded(self) -> Option<Self> {
        let trimmed = self.trimmed();
        let fits = trimmed.mantissa.unsigned_abs() < 10u128.pow(DIGITS_MAX as u32);
        (fits && i64::from(trimmed.exponent).abs() <= EXPONENT_MAX).then_some(trimmed)
    }

    /// Magnitude against magnitude, both not nought.
    fn compare_magnitude(&self, other: &Self) -> Ordering {
        let top = |n: &Self| i64::from(n.exponent) + i64::from(n.mantissa.unsigned_abs().ilog10());
        top(self).cmp(&top(other)).then_with(|| {
            // Same leading place: bring both to as many digits as either has.
            let (a, b) = (self.mantissa.unsigned_abs(), other.mantissa.unsigned_abs());
            let (da, db) = (a.ilog10(), b.ilog10());
            let wide = da.max(db);
            let (a, b) = (a * 10u128.pow(wide - da), b * 10u128.pow(wide - db));
            a.cmp(&b).then(self.sticky.cmp(&other.sticky))
        })
    }
}

/// The exponent after `e`; far beyond every bound it is only kept as far.
fn exponent_of(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |n, b| (n * 10 + i64::from(b - b'0')).min(EXPONENT_MAX * 1000));
    Some(if negative { -value } else { value })
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self { mantissa: i128::from(value), exponent: 0, sticky: false }.trimmed()
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    /// The order of the numbers. Two that are both cut off after the same digits count as equal; a number
    /// in a pact is never cut off, so a comparison with one is exact.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.mantissa.signum(), other.mantissa.signum()) {
            (a, b) if a != b => a.cmp(&b),
            (0, _) => Ordering::Equal,
            (1, _) => self.compare_magnitude(other),
            _ => other.compare_magnitude(self),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (0..=20).contains(&self.exponent) {
            return write!(f, "{}{}", self.mantissa, "0".repeat(self.exponent.unsigned_abs() as usize));
        }
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let places = self.exponent.unsigned_abs() as usize;
        if self.exponent < 0 && places <= 40 {
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            return write!(f, "{sign}{whole}.{fraction}");
        }
        write!(f, "{sign}{digits}e{}", self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn compares_as_written() {
        assert_eq!(d("500"), d("500.0"));
        assert_eq!(d("5e2"), d("500"));
        assert!(d("500.00000000000000000000000000000000000000000001") > d("500"));
        assert!(d("499.99999999999999999999999999999999999999999999") < d("500"));
        assert!(d("-500.00000000000000000000000000000000000000000001") < d("-500"));
        assert!(d("9007199254740993") > d("9007199254740992"));
        assert_eq!(d("-0"), Decimal::ZERO);
        assert!(d("1e-300") > Decimal::ZERO);
        assert!(d("1e300") > d("1e299"));
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-", ".", "1e", "e1", "1.2.3", "0x1", "1e+", "NaN", "1 ", "--1"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
        assert!(Decimal::parse("1e999999999999999999999").is_none());
        assert_eq!(d("0e999999999999999999999"), Decimal::ZERO);
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["0", "1", "-12.5", "0.001", "900", "123456789012345678901234567890"] {
            assert_eq!(d(text).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_integers(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000) {
            let (x, y) = (Decimal::from(a), Decimal::from(b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.checked_add(y).unwrap().to_i64(), Some(a + b));
            prop_assert_eq!(x.checked_sub(y).unwrap().to_i64(), Some(a - b));
            prop_assert_eq!(x.checked_mul(y).unwrap().to_i64(), Some(a * b));
            prop_assert_eq!(Decimal::parse(&a.to_string()), Some(x));
        }

        #[test]
        fn order_is_that_of_scaled_integers(a in -99_999i64..99_999, b in -99_999i64..99_999, e in 0i64..6, f in 0i64..6) {
            let (x, y) = (d(&format!("{a}e-{e}")), d(&format!("{b}e-{f}")));
            let (s, t) = (a * 10i64.pow((6 - e) as u32), b * 10i64.pow((6 - f) as u32));
            prop_assert_eq!(x.cmp(&y), s.cmp(&t));
        }

        #[test]
        fn text_round_trips(a in any::<i64>(), e in -60i32..60) {
            let x = d(&format!("{a}e{e}"));
            prop_assert_eq!(d(&x.to_string()), x);
        }
    }
}
