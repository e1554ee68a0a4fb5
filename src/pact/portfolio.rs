//! A portfolio: the pacts that one agent works under, the task types of each, and what each weighs.
//!
//! A task type under several pacts obeys the stricter of them in every part, a type that is not known all of them at
//! once. Promises: an empty portfolio, a weight that counts for nothing and weights that are no parts of one whole
//! have no type. What it will not do: open the files it names, or look into the pacts; linking does
//! ([`link`](crate::program::link)).

use std::collections::BTreeSet;

use crate::base::diagnostic::Span;

use super::decimal::Decimal;

/// The pacts that one agent works under.
#[derive(Clone, Debug, PartialEq)]
pub struct Portfolio {
    /// DID of the agent.
    pub agent: String,
    /// Its pacts, in order of the document.
    pub pacts: Vec<Entry>,
}

/// One pact of a portfolio.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its file, from the folder of the portfolio on.
    pub pact: String,
    /// Task types that stand under it; empty: every one.
    pub tasks: BTreeSet<String>,
    /// What its score weighs.
    pub weight: Decimal,
    /// Place of its entry.
    pub span: Span,
}

impl Portfolio {
    /// Whether another says the same, wherever in its text.
    pub fn says(&self, other: &Self) -> bool {
        fn entries(portfolio: &Portfolio) -> impl Iterator<Item = (&str, &BTreeSet<String>, Decimal)> {
            portfolio.pacts.iter().map(|entry| (entry.pact.as_str(), &entry.tasks, entry.weight))
        }
        self.agent == other.agent && entries(self).eq(entries(other))
    }

    /// Every task type that some pact names, each once, in order.
    pub fn tasks(&self) -> BTreeSet<&str> {
        self.pacts.iter().flat_map(|entry| &entry.tasks).map(String::as_str).collect()
    }

    /// Places of the pacts that govern a task of this type: those that name it or name none. All of them where the
    /// type is not known or no pact names it.
    pub fn under(&self, task: Option<&str>) -> BTreeSet<usize> {
        let known = task.filter(|task| self.pacts.iter().any(|entry| entry.tasks.contains(*task)));
        let governs = |entry: &Entry| known.is_none_or(|task| entry.tasks.is_empty() || entry.tasks.contains(task));
        self.pacts.iter().enumerate().filter(|(_, entry)| governs(entry)).map(|(at, _)| at).collect()
    }

    /// The composite of the pacts' scores, given in their order and on one scale: Σ weight × score, never without the
    /// lowest. None where a score is missing: what was not measured is not made up.
    pub fn composite(&self, scores: &[Option<Decimal>]) -> Option<Composite> {
        if scores.len() != self.pacts.len() {
            return None;
        }
        let (mut sum, mut lowest) = (Decimal::ZERO, None::<(usize, Decimal)>);
        for (at, (entry, score)) in self.pacts.iter().zip(scores).enumerate() {
            let score = (*score)?;
            sum = sum.checked_add(entry.weight.checked_mul(score)?)?;
            if lowest.is_none_or(|(_, least)| score < least) {
                lowest = Some((at, score));
            }
        }
        lowest.map(|(pact, lowest)| Composite { score: sum, lowest, pact })
    }
}

/// Scores of several pacts as one figure, beside the part that it could hide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Composite {
    /// Σ weight × score.
    pub score: Decimal,
    /// The lowest score.
    pub lowest: Decimal,
    /// Place of the pact that has it, the first of equals.
    pub pact: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::read_portfolio;

    const SAMPLE: &str = "agent: did:web:vendor.example:agents:desk
pacts:
  - {pact: support.yaml, tasks: [support, routing], weight: 0.40}
  - {pact: billing.yaml, tasks: [billing, support], weight: 0.45}
  - {pact: house.yaml, weight: 0.15}
";

    fn sample() -> Portfolio {
        let (portfolio, mistakes) = read_portfolio(SAMPLE);
        portfolio.unwrap_or_else(|| panic!("{}", mistakes.render("portfolio", SAMPLE)))
    }

    #[test]
    fn a_task_stands_under_the_pacts_that_name_it_and_an_unknown_one_under_all() {
        let under = |task| sample().under(task).into_iter().collect::<Vec<_>>();
        assert_eq!(under(Some("support")), [0, 1, 2]);
        assert_eq!(under(Some("routing")), [0, 2]);
        assert_eq!(under(Some("billing")), [1, 2]);
        assert_eq!(under(Some("gossip")), [0, 1, 2]);
        assert_eq!(under(None), [0, 1, 2]);
    }

    #[test]
    fn comments_change_nothing_of_what_it_says() {
        let read = |text: &str| read_portfolio(text).0.unwrap();
        assert!(sample().says(&read(&format!("# of the desk\n{SAMPLE}"))));
        for (from, to) in [
            ("agents:desk", "agents:other"),
            ("billing.yaml", "other.yaml"),
            ("[support, routing]", "[support]"),
            ("{pact: house.yaml, weight: 0.15}", "{pact: house.yaml, tasks: [support], weight: 0.15}"),
        ] {
            assert!(SAMPLE.contains(from) && !sample().says(&read(&SAMPLE.replace(from, to))), "{from}");
        }
        assert!(!sample().says(&read(&SAMPLE.replace("0.40", "0.41").replace("0.45", "0.44"))));
    }

    #[test]
    fn a_composite_stands_beside_the_lowest() {
        let scores = [900, 820, 610].map(|n| Some(Decimal::from(n)));
        let composite = sample().composite(&scores).unwrap();
        assert_eq!(composite.score.to_string(), "820.5");
        assert_eq!((composite.lowest, composite.pact), (Decimal::from(610), 2));
        assert_eq!(sample().composite(&[scores[0], None, scores[2]]), None, "what was not measured is not made up");
        assert_eq!(sample().composite(&scores[..2]), None);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text = "agent: desk
colour: blue
pacts:
  - {pact: a.yaml, tasks: [], weight: 0.5}
  - {pact: a.yaml, tasks: [x, x], weight: 0}
  - {tasks: [y], weigth: 0.2}
";
        let (portfolio, mistakes) = read_portfolio(text);
        assert_eq!(portfolio, None);
        let told: Vec<(&str, &str, usize)> = mistakes.iter().map(|d| (d.code, d.field.as_str(), d.span.line)).collect();
        assert_eq!(
            told,
            [
                ("bad_did", "agent", 1),
                ("unknown_key", "colour", 2),
                ("empty", "pacts[0].tasks", 4),
                ("duplicate", "pacts[1].pact", 5),
                ("duplicate", "pacts[1].tasks[1]", 5),
                ("out_of_range", "pacts[1].weight", 5),
                ("missing_key", "pacts[2].pact", 6),
                ("missing_key", "pacts[2].weight", 6),
                ("unknown_key", "pacts[2].weigth", 6),
            ],
            "{}",
            mistakes.render("portfolio", text)
        );
        let (_, mistakes) = read_portfolio(&SAMPLE.replace("0.15", "0.10"));
        assert!(mistakes.iter().any(|d| d.code == "weights" && d.message.contains("0.95")), "{mistakes:?}");
        assert!(read_portfolio("agent: did:web:a.example\npacts: []\n").0.is_none(), "an empty one has no type");
    }
}
