//! The life of a pact as dates: when it begins, what must be said until when, when it ends.
//!
//! Computed from the document, and from what was signed beside it where that is given. What has no date, since it waits
//! for something to happen, is told beside the dates. A period of hours is rounded up to whole days, so that nobody is
//! told too late.

use jiff::ToSpan as _;
use jiff::civil;

use super::life::{Age, End};
use super::model::{ExtendHow, Pact, Renewal, TerminateOn};
use super::statement::KeyChange;
use super::term::{Date, Period};

/// One date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The day, from its first instant in the pact's zone.
    pub on: Date,
    /// What is due, or happens.
    pub what: String,
}

/// The dates of a pact, in order, and what waits for something to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Dates.
    pub dates: Vec<Entry>,
    /// What has no date.
    pub standing: Vec<String>,
}

impl Calendar {
    /// All of it as JSON, with the days from `now` (Unix seconds) to each date: what `servanda check --calendar
    /// --json` and the admin port answer.
    pub fn report(&self, now: i64) -> serde_json::Value {
        let days = |on: &Date| on.at.saturating_sub(now).div_euclid(86_400);
        let dates = self.dates.iter().map(|e| serde_json::json!({"on": e.on.to_string(), "days": days(&e.on), "what": e.what}));
        serde_json::json!({"dates": dates.collect::<Vec<_>>(), "standing": self.standing})
    }
}

/// The day that lies a period after another, or before it.
fn shifted(from: Date, by: Period, back: bool, zone: &str) -> Option<Date> {
    let (year, month, day) = from.day;
    let date = civil::Date::new(year, month, day).ok()?;
    let days = i64::try_from(by.seconds.div_ceil(86_400)).ok()?;
    let span = i64::from(by.months).months().days(days);
    let there = if back { date.checked_sub(span) } else { date.checked_add(span) };
    Date::parse(&there.ok()?.to_string(), zone)
}

/// What was said beside the document, and what follows from later versions.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// Another end than the document's.
    pub end: Option<&'a End>,
    /// What a later major version makes of it.
    pub age: Option<&'a Age>,
    /// Keys that were announced.
    pub keys: Vec<&'a KeyChange>,
}

/// The calendar of a pact: of its document, and as far as something else was said, of that.
pub fn calendar(pact: &Pact, known: &Known<'_>) -> Calendar {
    let (renewal, zone) = (&pact.renewal, pact.evidence.timezone.as_str());
    let mut out = Calendar::default();
    let mut date = |on: Option<Date>, what: String| out.dates.extend(on.map(|on| Entry { on, what }));
    date(renewal.effective, "the pact comes into force".to_owned());
    match known.end {
        Some(end) if end.terminated => date(Some(end.on), "the pact ends: a signed notice terminates it".to_owned()),
        Some(end) => term(renewal, end.on, zone, &mut date),
        None => renewal.expires.into_iter().for_each(|expires| term(renewal, expires, zone, &mut date)),
    }
    for change in &known.keys {
        date(Some(change.from), format!("{} signs with another key", change.of));
    }
    if let Some(age) = known.age {
        date(age.maintained, format!("this version is in maintenance, after {}", age.by));
        date(age.retired, format!("this version retires, after {}", age.by));
    }
    out.dates.sort_by_key(|entry| entry.on);
    for word in &renewal.review_on {
        out.standing.push(format!("a review is called for by {}", word.as_str().replace('_', " ")));
    }
    for trigger in &renewal.terminate_on {
        out.standing.push(match trigger {
            TerminateOn::PauseOver(period) => format!("a pause longer than {period} ends it"),
            TerminateOn::TierBelow(tier) => format!("a score below {tier} ends it"),
            TerminateOn::ViolationsOver(count) => format!("more than {count} violations end it"),
            word => format!("{} ends it", word.word().replace('_', " ")),
        });
    }
    if let Some(notice) = renewal.notice {
        let after = |period: Option<Period>, what: &str| period.map(|p| format!(", {what} {p} later")).unwrap_or_default();
        let maintenance = after(renewal.maintenance_after, "this version in maintenance");
        let retired = after(renewal.retire_after, "retired");
        out.standing.push(format!("a major change is told {notice} ahead{maintenance}{retired}"));
    }
    out
}

/// The end of the term, and what must be said before it.
fn term(renewal: &Renewal, expires: Date, zone: &str, date: &mut impl FnMut(Option<Date>, String)) {
    let Some(extend) = &renewal.extend else {
        date(Some(expires), "the pact ends; no extension is agreed".to_owned());
        return;
    };
    let until = shifted(expires, extend.by, false, zone);
    let to = until.map_or_else(|| format!("by {}", extend.by), |until| format!("to {until}"));
    let tier = extend.while_tier.as_deref().map(|t| format!(" while the score is {t} or better")).unwrap_or_default();
    let (due, end) = match extend.how {
        ExtendHow::Automatic => ("the coming extension must have been told", format!("the term ends and goes on {to}{tier}")),
        ExtendHow::OptOut => (
            "who objects to the extension must have said so",
            format!("the term ends and goes on {to}{tier}, unless somebody objected"),
        ),
        ExtendHow::Manual => {
            ("an extension must have been signed", format!("the pact ends, unless a signed notice extends it {to}{tier}"))
        }
    };
    if let Some(notice) = extend.notice {
        date(shifted(expires, notice, true, zone), due.to_owned());
    }
    date(Some(expires), end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::{Packs, read};

    fn dates(renewal: &str) -> (Vec<(String, String)>, Vec<String>) {
        let text = format!("format: 1\npenalty: {{score: {{scale: 9, start: 5, tiers: {{gold: 4}}}}}}\nrenewal: {renewal}\n");
        let (pact, mistakes) = read(&text, Packs::shipped());
        let calendar = calendar(pact.unwrap_or_else(|| panic!("{}", mistakes.render("", &text))).pact(), &Known::default());
        (calendar.dates.into_iter().map(|e| (e.on.to_string(), e.what)).collect(), calendar.standing)
    }

    #[test]
    fn a_term_with_a_manual_extension() {
        let (dates, standing) = dates(
            "{effective: 2026-03-31, expires: 2026-09-30, counters_on_extension: reset, review_on: [model_major], terminate_on: [{pause_over: 72h}], \
             extend: {by: 5mo, how: manual, while_tier: gold, notice: 36h}, change: {notice: 30d, retire_after: 90d}}",
        );
        assert_eq!(
            dates,
            [
                ("2026-03-31", "the pact comes into force"),
                ("2026-09-28", "an extension must have been signed"),
                (
                    "2026-09-30",
                    "the pact ends, unless a signed notice extends it to 2027-02-28 while the score is gold or better"
                ),
            ]
            .map(|(on, what)| (on.to_owned(), what.to_owned()))
        );
        assert_eq!(
            standing,
            [
                "a review is called for by model major",
                "a pause longer than 72h ends it",
                "a major change is told 30d ahead, retired 90d later"
            ]
        );
    }

    #[test]
    fn a_draft_has_no_dates() {
        assert_eq!(dates("{expires: 2027-01-01, counters_on_extension: reset}").0.len(), 1);
        assert_eq!(dates("{}"), (Vec::new(), Vec::new()));
    }
}
