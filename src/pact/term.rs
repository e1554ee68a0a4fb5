//! Versions, periods, windows and dates, each with one textual form.
//!
//! A period may have calendar months (`6mo`), which have no fixed length; where two periods are compared a
//! month counts thirty days. A date is the instant of 00:00 in the pact's own zone.

use std::fmt;

use jiff::ToSpan as _;
use jiff::civil;
use jiff::tz::TimeZone;

/// Seconds that a month counts where lengths are compared.
const MONTH_S: u64 = 30 * 86_400;

/// Longest period: a hundred years.
const PERIOD_MAX_S: u64 = 100 * 366 * 86_400;

/// A version of the promise: `major.minor.patch`, without pre-release and build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SemVer {
    /// Another promise.
    pub major: u32,
    /// More of the same.
    pub minor: u32,
    /// The same.
    pub patch: u32,
}

impl SemVer {
    /// The version with this text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let plain =
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'));
            plain.then(|| part.parse().ok()).flatten()
        });
        let version = Self { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for SemVer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A length of time: `90s`, `30m`, `24h`, `7d`, `2w`, `6mo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// Calendar months.
    pub months: u32,
    /// Seconds.
    pub seconds: u64,
}

impl Period {
    /// The period with this text: a whole number and a unit.
    pub fn parse(text: &str) -> Option<Self> {
        let cut = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(cut)?;
        let number: u64 = number.parse().ok()?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            "mo" => {
                let months = u32::try_from(number).ok()?;
                return (u64::from(months) * MONTH_S <= PERIOD_MAX_S).then_some(Self { months, seconds: 0 });
            }
            _ => return None,
        };
        let seconds = number.checked_mul(seconds)?;
        (seconds <= PERIOD_MAX_S).then_some(Self { months: 0, seconds })
    }

    /// Its length in seconds, a month counted as thirty days.
    pub fn about_seconds(self) -> u64 {
        self.seconds.saturating_add(u64::from(self.months).saturating_mul(MONTH_S))
    }

    /// The instant in Unix seconds that lies this long after another, months counted by the calendar of a
    /// zone. Beyond what a calendar holds: never.
    pub fn after(self, at: i64, zone: &str) -> i64 {
        let there = || {
            let from = jiff::Timestamp::from_second(at).ok()?.to_zoned(TimeZone::get(zone).ok()?);
            let span = i64::from(self.months).months().seconds(i64::try_from(self.seconds).ok()?);
            Some(from.checked_add(span).ok()?.timestamp().as_second())
        };
        there().unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months > 0 {
            return write!(f, "{}mo", self.months);
        }
        for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
            // Up to three days people think in hours.
            let days = unit == "d" && self.seconds <= 3 * 86_400;
            if self.seconds > 0 && self.seconds.is_multiple_of(seconds) && !days {
                return write!(f, "{}{unit}", self.seconds / seconds);
            }
        }
        write!(f, "{}s", self.seconds)
    }
}

/// What a statistic looks at: a time, or the last so many interactions (`100n`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// The last so long.
    Time(Period),
    /// The last so many.
    Count(u64),
}

impl Window {
    /// The window with this text.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(count) = text.strip_suffix('n')
            && !count.is_empty()
            && count.bytes().all(|b| b.is_ascii_digit())
        {
            return count.parse().ok().filter(|n| *n > 0).map(Self::Count);
        }
        Period::parse(text).filter(|p| p.about_seconds() > 0).map(Self::Time)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(period) => write!(f, "{period}"),
            Self::Count(count) => write!(f, "{count}n"),
        }
    }
}

/// A day, and the instant at which it begins in the pact's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Unix seconds of 00:00 in the pact's zone.
    pub at: i64,
    /// Year, month, day as written.
    pub day: (i16, i8, i8),
}

impl Date {
    /// The day with this text (`2026-12-01`) in this IANA zone.
    pub fn parse(text: &str, zone: &str) -> Option<Self> {
        if text.len() != 10 {
            return None;
        }
        let date: civil::Date = text.parse().ok()?;
        let zone = TimeZone::get(zone).ok()?;
        // A day whose midnight does not exist begins with its first instant.
        let at = date.to_zoned(zone).ok()?.timestamp().as_second();
        Some(Self { at, day: (date.year(), date.month(), date.day()) })
    }

    /// The day, in this IANA zone, in which an instant in Unix seconds lies; it keeps the instant.
    pub fn of(at: i64, zone: &str) -> Option<Self> {
        let date = jiff::Timestamp::from_second(at).ok()?.to_zoned(TimeZone::get(zone).ok()?).date();
        Some(Self { at, day: (date.year(), date.month(), date.day()) })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.day;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Whether `name` is a zone of the IANA database.
pub fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(SemVer::parse("2.1.0"), Some(SemVer { major: 2, minor: 1, patch: 0 }));
        for bad in ["2.1", "2.1.0.0", "02.1.0", "v2.1.0", "2.1.x", "", "2..0", "2.1.0-rc1", "+2.1.0"] {
            assert_eq!(SemVer::parse(bad), None, "{bad}");
        }
        assert!(SemVer::parse("2.10.0") > SemVer::parse("2.9.9"));
    }

    #[test]
    fn periods_and_windows() {
        assert_eq!(Period::parse("90s"), Some(Period { months: 0, seconds: 90 }));
        assert_eq!(Period::parse("6mo"), Some(Period { months: 6, seconds: 0 }));
        assert_eq!(Period::parse("2w").unwrap().about_seconds(), 14 * 86_400);
        for bad in ["", "d", "1", "-1d", "1.5h", "1y", "99999999999999999999d", "1 d", "5000mo"] {
            assert_eq!(Period::parse(bad), None, "{bad}");
        }
        for (text, shown) in
            [("90s", "90s"), ("120s", "2m"), ("2w", "14d"), ("48h", "48h"), ("96h", "4d"), ("6mo", "6mo"), ("0s", "0s")]
        {
            let period = Period::parse(text).unwrap();
            assert_eq!(period.to_string(), shown);
            assert_eq!(Period::parse(shown), Some(period));
        }
        assert_eq!(Window::parse("100n").unwrap().to_string(), "100n");
        assert_eq!(Window::parse("100n"), Some(Window::Count(100)));
        assert_eq!(Window::parse("7d"), Some(Window::Time(Period { months: 0, seconds: 7 * 86_400 })));
        assert_eq!((Window::parse("0n"), Window::parse("0d"), Window::parse("n")), (None, None, None));
    }

    #[test]
    fn a_period_after_an_instant() {
        let march = Date::parse("2026-03-01", "Europe/Berlin").unwrap().at;
        let after = |text| Period::parse(text).unwrap().after(march, "Europe/Berlin");
        assert_eq!(after("1mo"), Date::parse("2026-04-01", "Europe/Berlin").unwrap().at, "over the change to summer time");
        assert_eq!((after("30d"), after("0s")), (march + 30 * 86_400, march));
        assert_eq!(Period::parse("1d").unwrap().after(i64::MAX, "UTC"), i64::MAX);
        assert_eq!(Period::parse("1d").unwrap().after(0, "Nowhere"), i64::MAX, "what cannot be told is never");
    }

    #[test]
    fn dates_are_midnight_in_the_zone() {
        assert_eq!(Date::parse("2026-12-01", "UTC").unwrap().at, 1_796_083_200);
        assert_eq!(Date::parse("2026-12-01", "Europe/Berlin").unwrap().at, 1_796_083_200 - 3_600);
        // Midnight was skipped here by the change to summer time.
        assert!(Date::parse("2018-11-04", "America/Sao_Paulo").is_some());
        assert_eq!(Date::parse("2026-02-30", "UTC"), None);
        assert_eq!(Date::parse("2026-1-1", "UTC"), None);
        assert_eq!(Date::parse("2026-12-01", "Berlin"), None);
        assert_eq!(Date::parse("2026-12-01", "UTC").unwrap().to_string(), "2026-12-01");
        let instant = Date::of(1_796_083_200 - 1, "Europe/Berlin").unwrap();
        assert_eq!((instant.to_string().as_str(), instant.at), ("2026-12-01", 1_796_083_199));
        assert_eq!(Date::of(0, "Nowhere"), None);
    }
}
