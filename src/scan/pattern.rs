//! What is looked for: patterns with a name, and topics.
//!
//! A pattern is one detector: a regular expression, a list of phrases, or a long form that is swallowed
//! from its opening to its close, or groups of weighted phrases whose sum tips over. A topic is such groups too.

use crate::base::names::{DataCategory, words};

/// One detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What a hit is called, such as `pii.email`.
    pub label: String,
    /// The entry that defines it, such as `pii.email.common`.
    pub detector: String,
    /// The pack it comes from; `own` for a pact's own.
    pub pack: String,
    /// How it is matched.
    pub kind: Kind,
    /// A second opinion on each match.
    pub verify: Option<Verify>,
    /// How sure a hit is, in hundredths of a percent.
    pub score_bp: u16,
    /// The category of the data that a hit is.
    pub category: DataCategory,
    /// Longest match in bytes. Must be given for a regular expression without a finite longest match;
    /// of a match that could be longer, the longest that fits counts.
    pub bytes_max: Option<usize>,
}

/// How a pattern is matched. Per pattern the leftmost match counts, of those at one place the longest,
/// and matches do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular expression in the syntax of the `regex` crate. `\d \w \s \b` mean ASCII.
    Regex(String),
    /// Phrases: whole words, ASCII case ignored, any short run of white space and punctuation between words.
    Phrases(Vec<String>),
    /// From a match of the regular expression `open` to the end of the literal `close`, or of the text.
    Long {
        /// Regular expression of the opening.
        open: String,
        /// Literal that ends the form.
        close: String,
    },
    /// Weighted phrases: the hit is the phrase with which the sum reaches the threshold, and the sum begins anew.
    Weighted(Weighted),
}

/// Groups of phrases whose weights are summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// The groups; each counts once in a window.
    pub groups: Vec<Group>,
    /// The sum that is asked for, at least 1.
    pub threshold: u32,
    /// What is summed over.
    pub window: Window,
}

/// Phrases that mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What any of them adds; less than nothing for what speaks against it.
    pub weight: i32,
    /// The phrases.
    pub phrases: Vec<String>,
}

/// What weights are summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// From one end of a sentence to the next: a full stop, an exclamation or question mark before white space, a closing
    /// quote or bracket or the end of the text; a CJK full stop; an empty line; and at most 240 bytes.
    Sentence,
    /// The last so many bytes.
    Bytes(u32),
    /// The whole text.
    Text,
}

/// A list of weighted phrases that together speak of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, such as `topic.legal_interpretation`.
    pub label: String,
    /// The pack it comes from.
    pub pack: String,
    /// Its phrases, and the sum from which a text speaks of it.
    pub weighted: Weighted,
}

words! {
    /// A second opinion on a match, by name.
    Verify {
        /// Payment card: scheme, length, Luhn.
        PaymentCard = "payment_card",
        /// IBAN: country, length, mod 97.
        Iban = "iban",
        /// US social security number: ranges that are given out.
        UsSsn = "us_ssn",
        /// IPv4 address, not a version.
        Ipv4 = "ipv4",
        /// IPv6 address.
        Ipv6 = "ipv6",
        /// Telephone number: country plans and common national shapes.
        Phone = "phone",
        /// E-mail address: lengths and labels.
        Email = "email",
        /// A token that looks random.
        Token = "token",
        /// The value of an assignment, if it looks random: the hit is the value alone.
        AssignedSecret = "assigned_secret",
        /// A JSON Web Token: the header decodes to a JSON object.
        Jwt = "jwt",
    }
}
