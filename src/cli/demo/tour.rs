//! The demo from start to end: what is started, what is asked, what the log says of it afterwards.

use std::path::{Path, PathBuf};

use super::agent::Agent;
use super::client::Client;
use super::scene::SCENES;
use super::tell;
use crate::base::clock::SystemClock;
use crate::base::names::Lane;
use crate::base::verdict::Act;
use crate::cli::evidence;
use crate::cli::render::{Answer, CliError, Outcome, Paint, Screen, count};
use crate::evidence::verify::{Policy, verify};
use crate::pact::template::template;
use crate::proxy::config::Config;
use crate::proxy::serve::{Setup, Sidecar, Signals};

/// Arguments of `servanda demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda demo --exit")]
pub(crate) struct Demo {
    /// End after the run instead of staying up for requests of your own.
    #[arg(long)]
    exit: bool,
    /// Where the evidence goes; a folder for temporary files when absent.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

impl Demo {
    /// Runs it.
    pub(crate) fn run(&self, screen: &mut Screen) -> Answer {
        let folder = std::env::temp_dir().join(format!("servanda-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| CliError::file(&folder, e))?;
        let pact = folder.join("support.pact.yaml");
        std::fs::write(&pact, template("customer-support").unwrap_or_default()).map_err(|e| CliError::file(&pact, e))?;
        let dir = self.evidence.clone().unwrap_or_else(|| folder.join("evidence"));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let explain = runtime.block_on(self.tour(screen, &pact, &dir))?;
        runtime.shutdown_background();
        if let Some(record) = explain {
            screen.line(format_args!("\nexplain a block: servanda evidence show {} {record}", dir.display()))?;
        }
        let heading = screen.paint(Paint::Strong, "the log, closed and verified offline from its files:");
        screen.line(format_args!("\n{heading}"))?;
        let report = verify(&dir, &Policy::default()).map_err(|e| CliError::new(e.to_string()))?;
        evidence::print(screen, &report)?;
        Ok(Outcome::of(report.is_valid()))
    }

    /// Starts everything, shows every scene, stops. Gives the record of the last block.
    async fn tour(&self, screen: &mut Screen, pact: &Path, dir: &Path) -> Result<Option<String>, CliError> {
        let failed = |e: crate::proxy::ProxyError| CliError::new(e.to_string());
        let agent = Agent::start().await?;
        let upstream = format!("http://{}", agent.address);
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Config::short(&upstream, Some(pact), Some(any), Some(Lane::Model), Some(dir)).map_err(failed)?;
        config.admin.bind = any;
        let setup = Setup { config, path: None, clock: SystemClock::shared(), notice: None };
        let sidecar = Sidecar::start(setup).await.map_err(failed)?;
        let address = sidecar.addresses().first().map(|(_, address)| *address).ok_or_else(|| CliError::new("nothing listens"))?;

        screen.line(format_args!("agent    {upstream}  a sample, scripted"))?;
        screen.line(format_args!("sidecar  http://{address}  customer-support pact, enforce"))?;
        screen.line(format_args!("admin    http://{}/v1/status", sidecar.admin()))?;
        screen.line(format_args!("pact     {}\n", pact.display()))?;
        let client = Client::new(&format!("http://{address}"));
        let mut explain = None;
        for (n, scene) in SCENES.iter().enumerate() {
            let before = agent.asked();
            let seen = client.ask(scene).await?;
            screen.line(tell::line(screen, n + 1, scene, &seen, agent.asked() > before))?;
            screen.flush()?;
            if tell::act(&seen) >= Act::Hold && !seen.header("x-servanda-record").is_empty() {
                explain = Some(seen.header("x-servanda-record").to_owned());
            }
        }
        screen.line("\nnot in this build: approvals (a held call is refused), suspension of an agent")?;
        if self.exit {
            sidecar.stop().await.map_err(failed)?;
        } else {
            let curl = format!("curl -si http://{address}/v1/chat/completions -H 'content-type: application/json' -d");
            screen.line("\ntry it (Ctrl-C ends):")?;
            for question in ["Which card do you have of me?", "My SSN is 536-22-4819, please keep it."] {
                let body = format!(r#"{{"model": "sample", "messages": [{{"role": "user", "content": "{question}"}}]}}"#);
                screen.line(format_args!("  {curl} '{body}'"))?;
            }
            screen.flush()?;
            sidecar.run(Signals::hear().map_err(failed)?).await.map_err(failed)?;
        }
        screen.line(format_args!(
            "{} went through the sidecar, {} of them reached the agent",
            count(SCENES.len(), "exchange"),
            agent.asked()
        ))?;
        Ok(explain)
    }
}
