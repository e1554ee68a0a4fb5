//! The ends of the pacts in force, told ahead: what ends soon, each time a mark is passed, and what is over.

use std::collections::HashMap;

use super::state::PactState;

/// How long before the end it is told, in seconds: at first thirty days, then a week, a day and an hour; then the end.
const MARKS: [i64; 5] = [30 * 86_400, 7 * 86_400, 86_400, 3_600, 0];

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// For people.
    pub(super) what: String,
    /// Whether the term is over.
    pub(super) over: bool,
}

/// What was told of which end.
#[derive(Debug, Default)]
pub(super) struct Ends(HashMap<(String, i64), usize>);

impl Ends {
    /// What is to be told now (microseconds since the Unix epoch): of each pact the mark that it has passed since the
    /// last look. A pact whose end is moved is told of anew.
    pub(super) fn look(&mut self, pacts: &[PactState], now_us: i64) -> Vec<Told> {
        let mut told = Vec::new();
        let mut marks = HashMap::new();
        for pact in pacts {
            let Some(end) = pact.expires else { continue };
            let left = end.saturating_sub(now_us.div_euclid(1_000_000));
            let passed = MARKS.iter().filter(|mark| left <= **mark).count();
            let key = (pact.pact.clone(), end);
            if passed > self.0.get(&key).copied().unwrap_or_default() {
                told.push(Told { what: what(pact, end, left), over: left <= 0 });
            }
            marks.insert(key, passed);
        }
        self.0 = marks;
        told
    }
}

/// The end of a pact in words, if it is near.
pub(super) fn near(pact: &PactState, now_us: i64) -> Option<String> {
    let end = pact.expires?;
    let left = end.saturating_sub(now_us.div_euclid(1_000_000));
    (left > 0 && MARKS.iter().any(|mark| left <= *mark)).then(|| what(pact, end, left))
}

/// The end of a pact in words.
fn what(pact: &PactState, end: i64, left: i64) -> String {
    let PactState { pact, version, .. } = pact;
    let day = jiff::Timestamp::from_second(end).map_or_else(|_| end.to_string(), |at| at.to_string());
    if left <= 0 {
        return format!("the term of `{pact}` {version} was over on {day}; bring a newer version, or a notice of extension");
    }
    let (unit, name) = match left {
        ..=3_600 => (60, "minute"),
        3_601..=172_800 => (3_600, "hour"),
        _ => (86_400, "day"),
    };
    // A part of one counts as one.
    let count = (left - 1) / unit + 1;
    let left = if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") };
    format!("`{pact}` {version} ends in {left}, on {day}; bring a newer version, or a notice of extension, before it does")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const END: i64 = 2_000 * DAY;

    fn pact(name: &str, expires: Option<i64>) -> PactState {
        PactState {
            pact: name.to_owned(),
            version: "1.0.0".to_owned(),
            agent: None,
            digest: String::new(),
            signed: true,
            expires,
            predicates: 0,
            unenforced: Vec::new(),
        }
    }

    fn look(ends: &mut Ends, pacts: &[PactState], left: i64) -> Vec<(String, bool)> {
        ends.look(pacts, (END - left) * 1_000_000).into_iter().map(|t| (t.what, t.over)).collect()
    }

    #[test]
    fn each_mark_is_told_once_and_so_is_the_end() {
        let (mut ends, pacts) = (Ends::default(), [pact("a", Some(END)), pact("b", None)]);
        let ends_in = |left: &str| {
            vec![(
                format!(
                    "`a` 1.0.0 ends in {left}, on 1975-06-24T00:00:00Z; bring a newer version, or a notice of extension, before it does"
                ),
                false,
            )]
        };
        assert_eq!(look(&mut ends, &pacts, 31 * DAY), []);
        assert_eq!(look(&mut ends, &pacts, 30 * DAY), ends_in("30 days"));
        assert_eq!(look(&mut ends, &pacts, 29 * DAY), []);
        assert_eq!(look(&mut ends, &pacts, 5 * DAY + 1), ends_in("6 days"));
        assert_eq!(look(&mut ends, &pacts, DAY), ends_in("24 hours"));
        assert_eq!(look(&mut ends, &pacts, 3_599), ends_in("60 minutes"));
        assert_eq!(look(&mut Ends::default(), &pacts, 1), ends_in("1 minute"));
        let over = "the term of `a` 1.0.0 was over on 1975-06-24T00:00:00Z; bring a newer version, or a notice of extension";
        assert_eq!(look(&mut ends, &pacts, 0), [(over.to_owned(), true)]);
        assert_eq!(look(&mut ends, &pacts, -DAY), []);
        // Another end is told of anew, one that is far is not.
        assert_eq!(look(&mut ends, &[pact("a", Some(END + 3 * DAY))], 0).len(), 1);
        assert_eq!(look(&mut ends, &[pact("a", Some(END + 60 * DAY))], 0), []);
        // Who starts late hears it at once.
        assert_eq!(look(&mut Ends::default(), &pacts, 2 * DAY), ends_in("48 hours"));
    }
}
