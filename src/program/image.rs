//! A compiled pact, or the pacts of a portfolio, as one file, `*.pactc`.
//!
//! The file carries the pacts as they were sealed, the portfolio that holds them where there is one, the packs they were compiled with by digest, the digest
//! of the lowered program and the version of the compiler. It holds no tables: the loader compiles the
//! pacts again and compares, so that an image can only ever say what its pacts say. Same pacts, packs and
//! compiler give the same bytes.
//!
//! Layout, numbers little-endian: magic (8), format (u16), sections (u16), length of the whole (u32); a table
//! of sections: kind (u32), offset (u32), length (u32), CRC-32C (u32); the sections, without gaps; SHA-256 of
//! all before; length of the signature (u32: 0 or 96), then key (32) and Ed25519 signature (64) over
//! `servanda image v1`, a line feed and the digest in hexadecimal. The format is 1 for a pact by itself, 2 where a
//! portfolio stands before its pacts, which then are in its order.
//!
//! Promises: nothing of a file is used before all of it was checked; any flipped bit, cut or addition is
//! refused; hostile bytes cost no more than their length and never panic.

use std::fmt;
use std::sync::Arc;

use super::compile::check_packs;
use super::ir::{PackUse, Program};
use super::link::{Member, together};
use crate::base::diagnostic::Diagnostics;
use crate::base::limits::{IMAGE_MAX, PORTFOLIO_PACTS_MAX};
use crate::pact::sealed::{Demands, SealedPact, activate};
use crate::pact::{CheckedPact, Packs, Portfolio, Role, TrustFile, VerifiedPact, read, read_portfolio};
use crate::seal::key::{Digest, Signature, SigningKey, VerifyingKey, digest};

/// First bytes of an image. Not text, broken by line-end conversion, unlike any archive.
const MAGIC: [u8; 8] = *b"\x89PACT\r\n\x1a";

/// Version of the layout: of an image of one pact.
const FORMAT: u16 = 1;

/// The same with a portfolio, which readers of the first would take for damage.
const FORMAT_PORTFOLIO: u16 = 2;

/// Bytes before the table.
const HEADER: usize = 16;

/// Bytes of one entry of the table.
const ENTRY: usize = 16;

/// More sections than any image has.
const SECTIONS_MAX: usize = 64;

/// The compiler as images name it.
pub const COMPILER: &str = concat!("servanda ", env!("CARGO_PKG_VERSION"));

/// What an image's signature is made over, before the digest.
const SIGNED_PREFIX: &str = "servanda image v1\n";

const COMPILED_BY: u32 = 1;
const PACT: u32 = 2;
const PACKS: u32 = 3;
const PROGRAM: u32 = 4;
const PORTFOLIO: u32 = 5;

/// Why an image is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageError {
    /// Not an image at all.
    NotAnImage,
    /// A layout that this build does not read.
    Format(u16),
    /// Larger than any image.
    TooLarge(usize),
    /// Bytes are missing, added or changed. Says what gave it away.
    Damaged(&'static str),
    /// Its own signature does not hold.
    Signature,
    /// A pack is missing here, or is another one than it was compiled with.
    Pack {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A pact in it, or its portfolio, does not compile here.
    Pact(Diagnostics),
    /// It compiles to another program than it says.
    Program,
    /// Meant for another agent.
    Audience {
        /// The agent it binds.
        agent: String,
    },
    /// Before its first day or after its last.
    Term,
    /// Not signed by anyone whose images are taken here; by whom, if anybody.
    Signer(Option<String>),
    /// A pact in it may not be put in force here; says which and why.
    Inactive(String),
}

impl ImageError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnImage => "not_an_image",
            Self::Format(_) => "format",
            Self::TooLarge(_) => "too_large",
            Self::Damaged(_) => "damaged",
            Self::Signature => "signature",
            Self::Pack { .. } => "pack",
            Self::Pact(_) => "pact",
            Self::Program => "program",
            Self::Audience { .. } => "audience",
            Self::Term => "term",
            Self::Signer(_) => "signer",
            Self::Inactive(_) => "inactive",
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnImage => f.write_str("this is no compiled pact"),
            Self::Format(found) => write!(f, "image format {found}; this build reads {FORMAT} and {FORMAT_PORTFOLIO}"),
            Self::TooLarge(bytes) => write!(f, "an image of {bytes} bytes; the limit is {IMAGE_MAX}"),
            Self::Damaged(what) => write!(f, "the image is damaged: {what}"),
            Self::Signature => f.write_str("the image's signature does not hold"),
            Self::Pack { name, message } => write!(f, "pack `{name}`: {message}"),
            Self::Pact(mistakes) => {
                write!(f, "what is in the image has {} mistakes here", mistakes.errors())?;
                mistakes.iter().next().map_or(Ok(()), |first| write!(f, "; the first: {}", first.message))
            }
            Self::Program => f.write_str("what is in the image compiles to another program than the image says"),
            Self::Audience { agent } => write!(f, "the pact binds the agent `{agent}`"),
            Self::Term => f.write_str("the pact is not in force at this time"),
            Self::Signer(None) => f.write_str("the image is not signed; `servanda compile --key` signs it"),
            Self::Signer(Some(who)) => {
                write!(f, "{who} signed the image, and is no key in its time of anyone who may sign images in the role `image`")
            }
            Self::Inactive(why) => write!(f, "a pact in the image may not be put in force: {why}"),
        }
    }
}

impl std::error::Error for ImageError {}

/// Writes an image of a program. `sealed` are the documents it was compiled from, as sealed or as written: one, or those
/// of `portfolio` in its order.
///
/// # Errors
/// When it would be larger than any image may be.
pub fn write(
    program: &Program,
    portfolio: Option<&str>,
    sealed: &[&str],
    key: Option<&SigningKey>,
) -> Result<Vec<u8>, ImageError> {
    let packs: Vec<String> = program.packs().iter().map(|p| format!("{}\t{}\t{}\n", p.name, p.version, p.digest)).collect();
    let packs = packs.concat();
    let mut sections: Vec<(u32, &[u8])> = vec![(COMPILED_BY, COMPILER.as_bytes())];
    sections.extend(portfolio.map(|text| (PORTFOLIO, text.as_bytes())));
    sections.extend(sealed.iter().map(|text| (PACT, text.as_bytes())));
    sections.push((PACKS, packs.as_bytes()));
    sections.push((PROGRAM, program.digest()));
    let format = if portfolio.is_some() { FORMAT_PORTFOLIO } else { FORMAT };

    let body = HEADER + ENTRY * sections.len();
    let content: usize = sections.iter().map(|(_, bytes)| bytes.len()).sum();
    let signature = if key.is_some() { 96 } else { 0 };
    let total = body + content + 32 + 4 + signature;
    if total > IMAGE_MAX || sections.len() > SECTIONS_MAX {
        return Err(ImageError::TooLarge(total));
    }
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&format.to_le_bytes());
    out.extend_from_slice(&(sections.len() as u16).to_le_bytes());
    out.extend_from_slice(&(total as u32).to_le_bytes());
    let mut at = body;
    for (kind, bytes) in &sections {
        for number in [*kind, at as u32, bytes.len() as u32, crc32c::crc32c(bytes)] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        at += bytes.len();
    }
    for (_, bytes) in &sections {
        out.extend_from_slice(bytes);
    }
    let sum = digest(&out);
    out.extend_from_slice(&sum.0);
    out.extend_from_slice(&(signature as u32).to_le_bytes());
    if let Some(key) = key {
        out.extend_from_slice(key.verifying().as_bytes());
        out.extend_from_slice(&key.sign(&signed_bytes(&sum)).0);
    }
    Ok(out)
}

fn signed_bytes(sum: &Digest) -> Vec<u8> {
    format!("{SIGNED_PREFIX}{}", sum.hex()).into_bytes()
}

/// An image whose bytes were all checked.
#[derive(Clone, Debug)]
pub struct Image {
    digest: Digest,
    compiler: String,
    portfolio: Option<Arc<str>>,
    pacts: Vec<Arc<str>>,
    packs: Vec<PackUse>,
    program: [u8; 32],
    signer: Option<VerifyingKey>,
}

impl Image {
    /// Reads an image: structure, check sums, digest, and its own signature if it has one. Whether its
    /// signer, its pacts and its packs are trusted is the caller's question.
    ///
    /// # Errors
    /// When a single bit of it is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        if bytes.len() > IMAGE_MAX {
            return Err(ImageError::TooLarge(bytes.len()));
        }
        let mut cursor = Cursor { rest: bytes };
        if cursor.take(MAGIC.len()) != Some(&MAGIC) {
            return Err(ImageError::NotAnImage);
        }
        let cut = ImageError::Damaged("it is cut short");
        let format = cursor.u16().ok_or_else(|| cut.clone())?;
        if format != FORMAT && format != FORMAT_PORTFOLIO {
            return Err(ImageError::Format(format));
        }
        let count = usize::from(cursor.u16().ok_or_else(|| cut.clone())?);
        if cursor.u32() != u32::try_from(bytes.len()).ok() {
            return Err(ImageError::Damaged("its length is not what it says"));
        }
        if count > SECTIONS_MAX {
            return Err(ImageError::Damaged("it has too many sections"));
        }
        let mut table = Vec::with_capacity(count);
        for _ in 0..count {
            let mut number = || cursor.u32().ok_or_else(|| cut.clone());
            table.push((number()?, number()?, number()?, number()?));
        }
        let mut sections = Vec::with_capacity(count);
        let mut at = HEADER + ENTRY * count;
        for (kind, offset, length, crc) in table {
            if offset as usize != at {
                return Err(ImageError::Damaged("its sections have gaps"));
            }
            let section = cursor.take(length as usize).ok_or_else(|| cut.clone())?;
            if crc32c::crc32c(section) != crc {
                return Err(ImageError::Damaged("a section's check sum is wrong"));
            }
            at += section.len();
            sections.push((kind, section));
        }
        let sum = digest(bytes.get(..at).unwrap_or_default());
        if cursor.take(32) != Some(&sum.0) {
            return Err(ImageError::Damaged("its digest is wrong"));
        }
        let signer = match cursor.u32() {
            Some(0) => None,
            Some(96) => Some(signer(&mut cursor, &sum)?),
            _ => return Err(ImageError::Damaged("its signature has a wrong length")),
        };
        if !cursor.rest.is_empty() {
            return Err(ImageError::Damaged("bytes follow its end"));
        }
        let image = Self::assemble(sum, &sections, signer)?;
        if image.portfolio.is_some() != (format == FORMAT_PORTFOLIO) {
            return Err(ImageError::Damaged("its format is not that of what it holds"));
        }
        Ok(image)
    }

    fn assemble(sum: Digest, sections: &[(u32, &[u8])], signer: Option<VerifyingKey>) -> Result<Self, ImageError> {
        let mut image = Self {
            digest: sum,
            compiler: String::new(),
            portfolio: None,
            pacts: Vec::new(),
            packs: Vec::new(),
            program: [0; 32],
            signer,
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| ImageError::Damaged("a text in it is not UTF-8"));
        let mut seen = (0, 0, 0);
        for (kind, bytes) in sections {
            match *kind {
                COMPILED_BY => {
                    seen.0 += 1;
                    text(bytes)?.clone_into(&mut image.compiler);
                }
                PORTFOLIO if image.portfolio.is_none() => image.portfolio = Some(text(bytes)?.into()),
                PACT => image.pacts.push(text(bytes)?.into()),
                PACKS => {
                    seen.1 += 1;
                    image.packs = packs(text(bytes)?).ok_or(ImageError::Damaged("its list of packs is wrong"))?;
                }
                PROGRAM => {
                    seen.2 += 1;
                    image.program = (*bytes).try_into().map_err(|_| ImageError::Damaged("its program has no digest"))?;
                }
                PORTFOLIO => return Err(ImageError::Damaged("it has two portfolios")),
                _ => return Err(ImageError::Damaged("it has a section of an unknown kind")),
            }
        }
        let pacts = if image.portfolio.is_some() { 1..=PORTFOLIO_PACTS_MAX } else { 1..=1 };
        if seen != (1, 1, 1) || !pacts.contains(&image.pacts.len()) {
            return Err(ImageError::Damaged("a section is missing or stands twice"));
        }
        Ok(image)
    }

    /// Digest of the whole, signature apart.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Who compiled it.
    pub fn compiler(&self) -> &str {
        &self.compiler
    }

    /// The portfolio in it, as written; none: it holds one pact by itself.
    pub fn portfolio(&self) -> Option<&str> {
        self.portfolio.as_deref()
    }

    /// The pacts in it, as sealed or as written, in the order of the portfolio.
    pub fn pacts(&self) -> &[Arc<str>] {
        &self.pacts
    }

    /// The packs it was compiled with.
    pub fn packs(&self) -> &[PackUse] {
        &self.packs
    }

    /// Whose signature it bears; verified, not trusted.
    pub fn signer(&self) -> Option<&VerifyingKey> {
        self.signer.as_ref()
    }

    /// Compiles what is in it again and compares. `members` are the documents of [`Image::pacts`] as the caller has
    /// read and, in trusted mode, verified them; `packs` are the only ones that may be used.
    ///
    /// # Errors
    /// When a pack is another one, or it does not compile, or to another program.
    pub fn program(&self, members: &[Member<'_>], packs: &Packs) -> Result<Program, ImageError> {
        for used in &self.packs {
            let error = |message: String| ImageError::Pack { name: used.name.to_string(), message };
            let Some(here) = packs.get(&used.name) else { return Err(error("not known here".to_owned())) };
            if here.digest != *used.digest {
                return Err(error(format!("compiled with {} ({}), here is {}", used.version, used.digest, here.version)));
            }
        }
        let portfolio = self.folio()?;
        let program = together(portfolio.as_ref(), members, packs).map_err(|mistakes| ImageError::Pact(mistakes.all()))?;
        // Another compiler may lower to other tables; pact and packs are the same, which is what was agreed.
        if self.compiler == COMPILER && *program.digest() != self.program {
            return Err(ImageError::Program);
        }
        Ok(program)
    }

    /// Whether one of `signers` has signed it: in the role `image`, with a key in its time. An image bears no
    /// date, so that time is `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// Nobody has, or somebody whose signature does not count.
    pub fn check_signer<'d>(
        &self,
        trust: &TrustFile,
        signers: impl IntoIterator<Item = &'d String>,
        now: i64,
    ) -> Result<(), ImageError> {
        let key = self.signer.as_ref().ok_or(ImageError::Signer(None))?;
        let counts = signers.into_iter().any(|did| trust.allows(did, key, Role::Image, now));
        if counts { Ok(()) } else { Err(ImageError::Signer(Some(key.did_key()))) }
    }

    /// Opens an image as a deployment does: each pact in it must be activated under these demands, one of
    /// `signers` must have signed the image unless none is named, and every pack must be trusted.
    ///
    /// # Errors
    /// What speaks against it.
    pub fn open(&self, packs: &Packs, demands: &Demands<'_>, signers: &[String]) -> Result<Program, ImageError> {
        if !signers.is_empty() {
            let nobody = TrustFile::default();
            self.check_signer(demands.trust.unwrap_or(&nobody), signers, demands.now)?;
        }
        let agent = self.folio()?.map(|portfolio| portfolio.agent);
        if let Some(agent) = agent.filter(|agent| demands.agent.is_some_and(|here| here != agent)) {
            return Err(ImageError::Audience { agent });
        }
        let verified = self.checked(packs)?.into_iter().map(|checked| {
            let id = checked.pact().id.clone();
            let active = SealedPact::new(checked).and_then(|sealed| activate(sealed, demands));
            active.map_err(|error| ImageError::Inactive(format!("`{id}`: {error}")))
        });
        let verified: Vec<VerifiedPact> = verified.collect::<Result<_, _>>()?;
        let members: Vec<Member<'_>> =
            verified.iter().map(|pact| Member { pact: pact.checked(), signed: !pact.is_unsigned(), until: None }).collect();
        let program = self.program(&members, packs)?;
        check_packs(&program, packs, demands.trust).map_err(ImageError::Pact)?;
        Ok(program)
    }

    /// Opens an image without asking for trust: reads the pacts in it as they stand.
    ///
    /// # Errors
    /// As [`Image::program`].
    pub fn program_unsigned(&self, packs: &Packs) -> Result<Program, ImageError> {
        let checked = self.checked(packs)?;
        let members: Vec<Member<'_>> = checked.iter().map(|pact| Member { pact, signed: false, until: None }).collect();
        self.program(&members, packs)
    }

    fn checked(&self, packs: &Packs) -> Result<Vec<CheckedPact>, ImageError> {
        let read = |text: &Arc<str>| {
            let (checked, mistakes) = read(text, packs);
            checked.ok_or(ImageError::Pact(mistakes))
        };
        self.pacts.iter().map(read).collect()
    }

    fn folio(&self) -> Result<Option<Portfolio>, ImageError> {
        let Some(text) = &self.portfolio else { return Ok(None) };
        let (portfolio, mistakes) = read_portfolio(text);
        portfolio.map(Some).ok_or(ImageError::Pact(mistakes))
    }
}

/// Whether a program may be put in force for this agent at this time. `agent` is empty where none is configured.
///
/// # Errors
/// When the pact binds another agent, has not begun or has ended.
pub fn admit(program: &Program, agent: &str, now_us: i64) -> Result<(), ImageError> {
    let bound = &program.identity().agent;
    if !agent.is_empty() && !bound.is_empty() && **bound != *agent {
        return Err(ImageError::Audience { agent: bound.to_string() });
    }
    if program.in_force(now_us) { Ok(()) } else { Err(ImageError::Term) }
}

fn signer(cursor: &mut Cursor<'_>, sum: &Digest) -> Result<VerifyingKey, ImageError> {
    let key: Option<&[u8; 32]> = cursor.take(32).and_then(|b| b.try_into().ok());
    let signature: Option<&[u8; 64]> = cursor.take(64).and_then(|b| b.try_into().ok());
    let (Some(key), Some(signature)) = (key, signature) else { return Err(ImageError::Damaged("it is cut short")) };
    let key = VerifyingKey::from_bytes(key).map_err(|_| ImageError::Signature)?;
    key.verify(&signed_bytes(sum), &Signature(*signature)).map_err(|_| ImageError::Signature)?;
    Ok(key)
}

fn packs(text: &str) -> Option<Vec<PackUse>> {
    text.lines()
        .map(|line| {
            let mut fields = line.split('\t');
            let used = PackUse { name: fields.next()?.into(), version: fields.next()?.into(), digest: fields.next()?.into() };
            fields.next().is_none().then_some(used)
        })
        .collect()
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests;
