//! `servanda sign` and `servanda verify`: who promised what, when, and whether it may be enforced; the same
//! for notices, approvals, reinstatements and subscriptions.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::render::{Answer, CliError, Outcome, Paint, Screen, Table, safe};
use super::source;
use super::statement::{self, Found};
use super::{folio, input};
use crate::base::clock::{Clock as _, SystemClock};
use crate::pact::sealed::REQUIRED;
use crate::pact::{
    Beside, CheckedPact, Demands, Packs, PactError, PactSignature, Role, SealedPact, SignedStatement, TrustFile, activate,
    read_trust,
};
use crate::proxy::identity::{Resolver, Web};
use crate::seal::SigningKey;

/// Arguments of `servanda sign`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda sign support.pact.yaml --key agent.key --role agent -o support.pact.json")]
pub(super) struct Sign {
    /// The pact, notice, approval, reinstatement or subscription, as written or already signed by another.
    file: PathBuf,
    /// The secret key of the party.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// As what: agent, counterparty or guarantor.
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    role: Role,
    /// Where the sealed pact goes; without it `NAME.pact.json` beside the file.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "one of agent, counterparty, guarantor".to_owned())
}

/// Seconds since the Unix epoch.
fn now_s() -> i64 {
    SystemClock::new().wall_us().div_euclid(1_000_000)
}

impl Sign {
    /// Adds the signature.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let key = SigningKey::from_file(&self.key).map_err(|e| CliError::new(e.to_string()))?;
        match statement::read(&self.file, screen) {
            Found::None => {}
            Found::Broken => return Ok(Outcome::Failed),
            Found::Statement(signed) => return self.statement(*signed, &key, screen),
        }
        let Some(source) = source::read(&self.file, screen)? else { return Ok(Outcome::Failed) };
        let out = self.out.clone().unwrap_or_else(|| beside(&self.file));
        let sealed = SealedPact::new(source.checked).and_then(|sealed| sealed.sign(&key, self.role, now_s()));
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                screen.note(format_args!("{}: {error}", self.file.display()));
                return Ok(Outcome::Failed);
            }
        };
        let text = sealed.to_json().map_err(|e| CliError::new(e.to_string()))?;
        std::fs::write(&out, text).map_err(|e| CliError::file(&out, e))?;
        let digest = sealed.checked().digest().hex();
        if screen.is_json() {
            screen.json(&json!({"file": out, "pact_digest": digest, "signatures": signatures(sealed.signatures())}))?;
        } else {
            screen.line(format_args!("{}  sha256:{digest}", out.display()))?;
            table(screen, sealed.signatures())?;
        }
        Ok(Outcome::Fine)
    }
}

impl Sign {
    /// Adds the signature to a statement.
    fn statement(&self, signed: SignedStatement, key: &SigningKey, screen: &mut Screen) -> Answer {
        let out = self.out.clone().unwrap_or_else(|| beside(&self.file));
        let signed = match signed.sign(key, self.role, now_s()) {
            Ok(signed) => signed,
            Err(error) => {
                screen.note(format_args!("{}: {error}", self.file.display()));
                return Ok(Outcome::Failed);
            }
        };
        let text = signed.to_json().map_err(|e| CliError::new(e.to_string()))?;
        std::fs::write(&out, text).map_err(|e| CliError::file(&out, e))?;
        let says = signed.statement().to_string();
        if screen.is_json() {
            screen.json(&json!({"file": out, "kind": signed.statement().kind().as_str(), "says": says,
                "digest": signed.digest().hex(), "signatures": signatures(signed.signatures())}))?;
        } else {
            screen.line(format_args!("{}  {}", out.display(), super::render::safe(&says)))?;
            table(screen, signed.signatures())?;
        }
        Ok(Outcome::Fine)
    }
}

/// `a/b.pact.yaml` to `a/b.pact.json`.
fn beside(file: &Path) -> PathBuf {
    file.with_extension("json")
}

fn signatures(list: &[PactSignature]) -> Vec<serde_json::Value> {
    list.iter().map(|s| json!({"role": s.role.as_str(), "by": s.by, "key": s.key.multibase(), "at": date(s.at)})).collect()
}

fn date(at: i64) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |t| t.to_string())
}

fn table(screen: &mut Screen, list: &[PactSignature]) -> Result<(), CliError> {
    let mut table = Table::new(["role", "by", "at", "key"]);
    for s in list {
        table.row([s.role.as_str().to_owned(), s.by.clone(), date(s.at), s.key.multibase()]);
    }
    if table.is_empty() { screen.line("nobody has signed") } else { table.print(screen) }
}

/// Arguments of `servanda verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda verify support.pact.json --trust trusted-keys.yaml")]
pub(super) struct Verify {
    /// A sealed pact, a portfolio with its pacts, an image, or a signed notice, approval, reinstatement or subscription.
    file: PathBuf,
    /// The pact that a statement must speak of.
    #[arg(long, value_name = "FILE")]
    pact: Option<PathBuf>,
    /// Who counts. Without it signatures are compared with the keys they name, and nobody vouches for those.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Roles that must have signed.
    #[arg(long, value_name = "ROLES", value_delimiter = ',', value_parser = parse_role, requires = "trust")]
    require: Vec<Role>,
    /// The agent that the pact must bind.
    #[arg(long, value_name = "DID")]
    agent: Option<String>,
}

impl Verify {
    /// Looks at the signatures.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let trust = self.trust.as_deref().map(|path| trust(path, screen)).transpose()?.flatten();
        if self.trust.is_some() && trust.is_none() {
            return Ok(Outcome::Failed);
        }
        match statement::read(&self.file, screen) {
            Found::None => {}
            Found::Broken => return Ok(Outcome::Failed),
            Found::Statement(signed) => return self.statement(&signed, trust.as_ref(), screen),
        }
        let Some(folio) = folio::read(&self.file, Packs::shipped(), screen)? else { return Ok(Outcome::Failed) };
        if let Some(Err(error)) = folio.opened() {
            return self.failed(screen, &error.to_string(), error.code());
        }
        let image_signer = folio.image.as_ref().and_then(|image| image.signer()).map(crate::seal::VerifyingKey::did_key);
        let mut verified = Vec::new();
        for source in folio.pacts {
            let of = folio.portfolio.as_ref().map_or_else(String::new, |_| format!("`{}`: ", source.checked.pact().id));
            match self.verified(source.checked, trust.as_ref()) {
                Ok(sealed) => verified.push(sealed),
                Err((why, code)) => return self.failed(screen, &format!("{of}{why}"), code),
            }
        }
        if screen.is_json() {
            let one = |sealed: &SealedPact| json!({"pact": sealed.checked().pact().id, "digest": sealed.checked().digest().hex(), "signatures": signatures(sealed.signatures())});
            let pacts: Vec<Value> = verified.iter().map(one).collect();
            screen.json(
                &json!({"file": self.file, "ok": true, "trusted": trust.is_some(), "image_signer": image_signer, "pacts": pacts}),
            )?;
            return Ok(Outcome::Fine);
        }
        for sealed in &verified {
            let digest = sealed.checked().digest().hex();
            screen.line(format_args!("{} {}  sha256:{digest}", self.file.display(), safe(&sealed.checked().pact().id)))?;
            table(screen, sealed.signatures())?;
        }
        if let Some(signer) = image_signer {
            screen.line(format_args!("image signed by {signer}"))?;
        }
        let verdict = match trust {
            Some(_) => screen.paint(Paint::Good, "the signatures fit, and the trust file vouches for them"),
            None => screen.paint(Paint::Warn, "the signatures fit; nobody vouches for their keys (give --trust FILE)"),
        };
        screen.line(verdict)?;
        Ok(Outcome::Fine)
    }

    /// A pact whose signatures fit and, with a trust file, count; or why not, with a stable word.
    fn verified(&self, checked: CheckedPact, trust: Option<&TrustFile>) -> Result<SealedPact, (String, &'static str)> {
        let told = |error: PactError| (error.to_string(), error.code());
        let sealed = SealedPact::new(checked).map_err(told)?;
        if trust.is_none() && sealed.signatures().is_empty() {
            return Err(("nobody has signed".to_owned(), "unsigned"));
        }
        let require = if self.require.is_empty() { REQUIRED } else { &self.require };
        let (agent, beside) = (self.agent.as_deref(), Beside::default());
        let demands = Demands { trust, require, agent, now: now_s(), beside };
        activate(sealed.clone(), &demands).map_err(told)?;
        Ok(sealed)
    }

    fn statement(&self, signed: &SignedStatement, trust: Option<&TrustFile>, screen: &mut Screen) -> Answer {
        let pact = match &self.pact {
            None => None,
            Some(path) => {
                let Some(source) = source::read(path, screen)? else { return Ok(Outcome::Failed) };
                Some(source.checked)
            }
        };
        if let Err((why, code)) = statement::verified(signed, trust, pact.as_ref(), now_s()) {
            return self.failed(screen, &why, code);
        }
        if !screen.is_json() {
            table(screen, signed.signatures())?;
        }
        statement::report(screen, &self.file, signed, trust.is_some(), &signatures(signed.signatures()))
    }

    fn failed(&self, screen: &mut Screen, why: &str, code: &str) -> Answer {
        if screen.is_json() {
            screen.json(&json!({"file": self.file, "ok": false, "code": code, "why": why}))?;
        } else {
            let word = screen.paint(Paint::Bad, "not valid:");
            screen.line(format_args!("{word} {}", safe(why)))?;
        }
        Ok(Outcome::Failed)
    }
}

/// Reads a trust file and tells its mistakes. None when it has errors.
fn trust(path: &Path, screen: &mut Screen) -> Result<Option<TrustFile>, CliError> {
    let text = input::document(path)?;
    let (trust, mistakes) = read_trust(&text);
    screen.diagnostics(&path.display().to_string(), &text, &mistakes);
    let Some(mut trust) = trust.filter(|_| !mistakes.has_errors()) else { return Ok(None) };
    let (beside, fetch) = (path.parent().unwrap_or(Path::new("")), Web::new(None));
    let resolver = Resolver { beside, cache: None, fetch: &fetch, now: now_s() };
    resolver.resolve(&mut trust).map_err(|why| CliError::new(format!("{}: {why}", path.display())))?;
    Ok(Some(trust))
}
