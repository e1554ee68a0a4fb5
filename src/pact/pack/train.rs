//! Training of a topic: from labelled texts to weighted words and word pairs with a threshold.
//!
//! Weights are log odds of a word among the texts that speak of the topic against the others; a pair of
//! words gets what it says beyond its two words. The threshold comes from cross validation: the least at
//! which no more than the wanted share of the others is taken for the topic, on texts the weights have not
//! seen and on those they have. Promises: the same texts in the same order give the same topic; every figure is counted with the
//! scanner that will run. It will not judge whether the labels are right, nor invent texts.

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::pattern::{Group, Topic, Weighted, Window};
use crate::scan::{ScanError, Scanner, Scratch, words};

/// Parts of the cross validation.
const FOLDS: usize = 5;

/// Added to every count, so that what was never seen has odds.
const PRIOR: f64 = 0.5;

/// Steps of weight in one unit of log odds.
const SCALE: f64 = 4.0;

/// Largest weight: no single word decides alone.
const WEIGHT_MAX: f64 = 12.0;

/// A text and whether it speaks of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The text.
    pub text: String,
    /// Whether it speaks of the topic.
    pub speaks: bool,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Name of the topic, such as `topic.pets`.
    pub label: String,
    /// Largest share of other texts that may be taken for the topic.
    pub false_positives: f64,
    /// Most words and pairs.
    pub phrases: usize,
    /// Fewest texts in which a word stands.
    pub least: usize,
    /// What weights are summed over.
    pub window: Window,
}

/// A trained topic and how good it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The topic.
    pub topic: Topic,
    /// On texts that the weights had not seen.
    pub unseen: Figures,
    /// On the texts it was trained on.
    pub seen: Figures,
}

/// How many texts were taken for the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Texts that speak of it.
    pub speaking: usize,
    /// Of those, the found ones.
    pub found: usize,
    /// Other texts.
    pub others: usize,
    /// Of those, the wrongly taken ones.
    pub wrong: usize,
}

/// Why nothing can be trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainError {
    /// Fewer than ten texts of one kind.
    TooFew {
        /// Texts that speak of the topic.
        speaking: usize,
        /// Other texts.
        others: usize,
    },
    /// No word tells the two kinds apart.
    NoWords,
    /// The scanner refuses what came out.
    Scan(ScanError),
}

impl std::fmt::Display for TrainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFew { speaking, others } => write!(
                f,
                "{speaking} texts speak of the topic and {others} do not; at least ten of each are needed, and hundreds are better"
            ),
            Self::NoWords => f.write_str("no word stands more often in one kind of text than in the other"),
            Self::Scan(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TrainError {}

/// Trains a topic.
///
/// # Errors
/// Too few texts, or texts that no word tells apart.
pub fn train(samples: &[Sample], wish: &Wish) -> Result<Trained, TrainError> {
    let speaking = samples.iter().filter(|s| s.speaks).count();
    let others = samples.len() - speaking;
    if speaking < 10 || others < 10 {
        return Err(TrainError::TooFew { speaking, others });
    }
    let features: Vec<BTreeSet<String>> = samples.iter().map(|sample| features(&sample.text)).collect();
    let folds = folds(samples);
    let mut sums = vec![0u32; samples.len()];
    for fold in 0..FOLDS {
        let weighted = weigh(samples, &features, wish, |at| folds.get(at) != Some(&fold));
        let held = |at: usize| folds.get(at) == Some(&fold);
        if let Some(weighted) = weighted {
            for (sum, fresh) in sums.iter_mut().zip(score(samples, weighted, held)?) {
                *sum = (*sum).max(fresh);
            }
        }
    }
    let mut weighted = weigh(samples, &features, wish, |_| true).ok_or(TrainError::NoWords)?;
    let trained = score(samples, weighted.clone(), |_| true)?;
    // Not below what the texts it was trained on ask for: weights of all texts may be larger than those of parts.
    let threshold = [&sums, &trained].map(|sums| threshold(samples, sums, wish.false_positives)).into_iter().max().unwrap_or(1);
    weighted.threshold = threshold;
    let topic = Topic { label: wish.label.clone(), pack: String::new(), weighted };
    Ok(Trained { topic, unseen: figures(samples, &sums, threshold), seen: figures(samples, &trained, threshold) })
}

/// The words and neighbouring pairs of a text.
fn features(text: &str) -> BTreeSet<String> {
    let words = words(text);
    let pairs = words.iter().zip(words.iter().skip(1)).map(|(one, two)| format!("{one} {two}"));
    let pairs: Vec<String> = pairs.collect();
    words.into_iter().chain(pairs).collect()
}

/// The part of the cross validation that each text is in: the kinds are dealt out in turn.
fn folds(samples: &[Sample]) -> Vec<usize> {
    let (mut speaking, mut others) = (0, 0);
    let deal = |sample: &Sample| {
        let counter = if sample.speaks { &mut speaking } else { &mut others };
        *counter += 1;
        *counter % FOLDS
    };
    samples.iter().map(deal).collect()
}

/// Weighs the features of the samples that `takes` names. None if none weighs anything.
fn weigh(samples: &[Sample], features: &[BTreeSet<String>], wish: &Wish, takes: impl Fn(usize) -> bool) -> Option<Weighted> {
    let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let (mut speaking, mut others) = (0.0, 0.0);
    for (_, (sample, features)) in samples.iter().zip(features).enumerate().filter(|(at, _)| takes(*at)) {
        *(if sample.speaks { &mut speaking } else { &mut others }) += 1.0;
        for feature in features {
            let count = counts.entry(feature).or_default();
            *(if sample.speaks { &mut count.0 } else { &mut count.1 }) += 1.0;
        }
    }
    let odds = |with: f64, all: f64| ((with + PRIOR) / (all - with + PRIOR)).ln();
    // Of what its two words say already, a pair keeps the difference alone.
    let mut alone: BTreeMap<&str, f64> = BTreeMap::new();
    let mut ranked: Vec<(f64, &str, f64)> = Vec::new();
    for pairs in [false, true] {
        for (&feature, &(with, without)) in counts.iter().filter(|(feature, _)| feature.contains(' ') == pairs) {
            if ((with + without) as usize) < wish.least {
                continue;
            }
            let mut weight = odds(with, speaking) - odds(without, others);
            for word in feature.split(' ').filter(|_| pairs) {
                weight -= alone.get(word).copied().unwrap_or_default();
            }
            let sure = (1.0 / (with + PRIOR) + 1.0 / (without + PRIOR)).sqrt();
            if !pairs {
                alone.insert(feature, weight);
            }
            if weight.abs() >= sure {
                ranked.push((weight.abs() / sure, feature, weight));
            }
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let group = |(_, feature, weight): &(f64, &str, f64)| {
        let weight = (weight * SCALE).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) as i32;
        (weight != 0).then(|| Group { weight, phrases: vec![(*feature).to_owned()] })
    };
    let groups: Vec<Group> = ranked.iter().filter_map(group).take(wish.phrases).collect();
    (!groups.is_empty()).then_some(Weighted { groups, threshold: 1, window: wish.window })
}

/// The largest sum of each text that `takes` names; 0 for the others.
fn score(samples: &[Sample], weighted: Weighted, takes: impl Fn(usize) -> bool) -> Result<Vec<u32>, TrainError> {
    let topic = Topic { label: String::from("topic.trained"), pack: String::new(), weighted };
    let scanner = Scanner::new(Vec::new(), vec![topic]).map_err(TrainError::Scan)?;
    let mut scratch = Scratch::new(&scanner);
    let mut sum = |(at, sample): (usize, &Sample)| {
        let topics = if takes(at) { scanner.topics(&sample.text, &mut scratch) } else { Vec::new() };
        topics.first().map_or(0, |(_, sum)| *sum)
    };
    Ok(samples.iter().enumerate().map(&mut sum).collect())
}

/// The least threshold at which no more than the wanted share of the others is taken.
fn threshold(samples: &[Sample], sums: &[u32], wanted: f64) -> u32 {
    let mut others: Vec<u32> = samples.iter().zip(sums).filter(|(s, _)| !s.speaks).map(|(_, sum)| *sum).collect();
    others.sort_unstable_by(|a, b| b.cmp(a));
    let allowed = (others.len() as f64 * wanted).floor() as usize;
    others.get(allowed).copied().unwrap_or_default().saturating_add(1)
}

fn figures(samples: &[Sample], sums: &[u32], threshold: u32) -> Figures {
    let mut figures = Figures::default();
    for (sample, sum) in samples.iter().zip(sums) {
        let taken = usize::from(*sum >= threshold);
        if sample.speaks {
            figures.speaking += 1;
            figures.found += taken;
        } else {
            figures.others += 1;
            figures.wrong += taken;
        }
    }
    figures
}

/// A pack of one topic as text.
pub fn pack_text(name: &str, locale: &str, source: &str, trained: &Trained) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let weighted = &trained.topic.weighted;
    let window = match weighted.window {
        Window::Text => "text".to_owned(),
        Window::Sentence => "sentence".to_owned(),
        Window::Bytes(bytes) => bytes.to_string(),
    };
    let mut by_weight: BTreeMap<std::cmp::Reverse<i32>, Vec<&str>> = BTreeMap::new();
    for group in &weighted.groups {
        by_weight.entry(std::cmp::Reverse(group.weight)).or_default().extend(group.phrases.iter().map(String::as_str));
    }
    let mut lines = vec![
        format!("pack: {}", quoted(name)),
        "version: \"1.0.0\"".to_owned(),
        "about: A trained topic.".to_owned(),
        "entries: []".to_owned(),
        "topics:".to_owned(),
        format!("  - label: {}", quoted(&trained.topic.label)),
        format!("    threshold: {}", weighted.threshold),
        format!("    window: {window}"),
        format!("    locale: {}", quoted(locale)),
        format!("    source: {}", quoted(source)),
        "    phrases:".to_owned(),
    ];
    for (weight, mut phrases) in by_weight {
        phrases.sort_unstable();
        lines.push(format!("      \"{}\":", weight.0));
        lines.extend(phrases.into_iter().map(|phrase| format!("        - {}", quoted(phrase))));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::pack::Packs;

    /// A small grammar: questions about pets, and about trains.
    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for who in ["my dog", "our cat", "the hamster", "a rabbit", "her parrot", "his kitten"] {
            for what in ["eat grass", "sleep all day", "need a vet", "scratch the sofa", "hide under the bed"] {
                samples.push(Sample { text: format!("Why does {who} {what}?"), speaks: true });
            }
        }
        for who in ["my train", "our coach", "the tram", "a ferry", "her bus", "his flight"] {
            for what in ["leave late", "stop at noon", "need a ticket", "cross the bridge", "wait under the roof"] {
                samples.push(Sample { text: format!("Why does {who} {what}?"), speaks: false });
            }
        }
        samples
    }

    fn wish() -> Wish {
        Wish { label: "topic.pets".into(), false_positives: 0.0, phrases: 100, least: 2, window: Window::Text }
    }

    #[test]
    fn what_tells_two_kinds_apart_is_learnt_and_holds_on_unseen_texts() {
        let trained = train(&samples(), &wish()).unwrap();
        assert_eq!((trained.unseen.speaking, trained.unseen.others, trained.unseen.wrong), (30, 30, 0), "{:?}", trained.unseen);
        assert!(trained.unseen.found >= 27, "{:?}", trained.unseen);
        assert_eq!(trained.seen.wrong, 0);
        let weight = |phrase: &str| trained.topic.weighted.groups.iter().find(|g| g.phrases == [phrase]).map_or(0, |g| g.weight);
        assert!(weight("dog") > 0 && weight("train") < 0 && weight("why") == 0);
        assert_eq!(train(&samples(), &wish()).unwrap(), trained, "the same texts give the same topic");
    }

    #[test]
    fn what_comes_out_is_a_pack() {
        let trained = train(&samples(), &wish()).unwrap();
        let text = pack_text("pets", "en", "made up", &trained);
        let packs = Packs::load([("pets.yaml", text.as_str())]).unwrap();
        let mut read = packs.topic("pets").unwrap().1.topic.clone();
        let sorted = |topic: &Topic| {
            let mut groups: Vec<_> = topic.weighted.groups.iter().map(|g| (g.weight, g.phrases.clone())).collect();
            groups.sort();
            groups
        };
        assert_eq!(sorted(&read), sorted(&trained.topic));
        read.weighted.groups.clone_from(&trained.topic.weighted.groups);
        read.pack.clear();
        assert_eq!(read, trained.topic);
    }

    #[test]
    fn too_few_texts_and_texts_that_are_all_alike_are_told() {
        assert_eq!(train(&samples()[..30], &wish()), Err(TrainError::TooFew { speaking: 30, others: 0 }));
        let alike = |speaks| (0..20).map(move |_| Sample { text: "the same".into(), speaks });
        let alike: Vec<Sample> = alike(true).chain(alike(false)).collect();
        assert_eq!(train(&alike, &wish()), Err(TrainError::NoWords));
    }
}
