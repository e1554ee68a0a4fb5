//! `servanda train-topic`: a topic of one's own, from labelled texts to a pack.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::input;
use super::render::{Answer, CliError, Outcome, Screen, count};
use crate::pact::pack::train::{Figures, Sample, Wish, pack_text, train};
use crate::scan::pattern::Window;

/// Arguments of `servanda train-topic`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda train-topic --label pets --out pets.yaml texts.jsonl")]
pub(super) struct TrainTopic {
    /// Lines of JSON: `{"text": …, "label": …}`. Texts whose label is the topic's speak of it, all others do not.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Name of the topic, without `topic.`.
    #[arg(long, value_name = "NAME")]
    label: String,
    /// Where the pack is written; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    /// Largest share of other texts that may be taken for the topic, on texts not trained on.
    #[arg(long, value_name = "SHARE", default_value_t = 0.002)]
    false_positives: f64,
    /// Most words and word pairs.
    #[arg(long, value_name = "NUMBER", default_value_t = 400)]
    phrases: usize,
    /// Fewest texts in which a word must stand.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    least: usize,
    /// Sum over each sentence instead of the whole text.
    #[arg(long)]
    by_sentence: bool,
    /// Language of the texts.
    #[arg(long, value_name = "CODE", default_value = "any")]
    locale: String,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    label: String,
}

impl TrainTopic {
    /// Trains, writes the pack, and prints the figures.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let name = self.label.strip_prefix("topic.").unwrap_or(&self.label);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(CliError::new(format!("`{name}` is no name of a topic")).help("lower-case letters, digits and `_`"));
        }
        if !(0.0..1.0).contains(&self.false_positives) {
            return Err(CliError::new("--false-positives is a share from 0 to 1, such as 0.002"));
        }
        let samples = self.samples(name)?;
        let window = if self.by_sentence { Window::Sentence } else { Window::Text };
        let wish = Wish {
            label: format!("topic.{name}"),
            false_positives: self.false_positives,
            phrases: self.phrases,
            least: self.least,
            window,
        };
        let trained = train(&samples, &wish).map_err(|e| CliError::new(e.to_string()))?;
        let source = format!("Trained from {} by servanda train-topic", count(samples.len(), "text"));
        let pack = pack_text(name, &self.locale, &source, &trained);
        match &self.out {
            Some(path) => input::write_new(path, pack.as_bytes(), self.force)?,
            None if !screen.is_json() => screen.raw(pack.as_bytes())?,
            None => {}
        }
        let weighted = &trained.topic.weighted;
        if screen.is_json() {
            let figures = |f: &Figures| json!({"speaking": f.speaking, "found": f.found, "others": f.others, "wrong": f.wrong});
            screen.json(&json!({"topic": wish.label, "phrases": weighted.groups.len(), "threshold": weighted.threshold,
                "unseen": figures(&trained.unseen), "seen": figures(&trained.seen)}))?;
            return Ok(Outcome::Fine);
        }
        screen.note(format_args!("{} words and pairs, threshold {}", weighted.groups.len(), weighted.threshold));
        for (what, f) in [("texts not trained on", &trained.unseen), ("texts trained on", &trained.seen)] {
            screen.note(format_args!("{what}: found {} of {}, wrongly taken {} of {}", f.found, f.speaking, f.wrong, f.others));
        }
        Ok(Outcome::Fine)
    }

    fn samples(&self, name: &str) -> Result<Vec<Sample>, CliError> {
        let mut samples = Vec::new();
        input::lines(self.path.as_deref(), |number, line| {
            let line: Line = serde_json::from_str(line).map_err(|error| {
                CliError::new(format!("line {number}: {error}")).help("each line is {\"text\": …, \"label\": …}")
            })?;
            let speaks = line.label.strip_prefix("topic.").unwrap_or(&line.label) == name;
            samples.push(Sample { text: line.text, speaks });
            Ok(())
        })?;
        Ok(samples)
    }
}
