//! The command line as types, and who answers which command.
//!
//! Exit codes: 0 fine, 1 the thing that was looked at does not hold, 2 wrong use or unreadable input.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use super::check::Check;
use super::compile::Compile;
use super::demo::Demo;
use super::diff::Diff;
use super::evidence::Evidence;
use super::import::Import;
use super::init::Init;
use super::judge::Judge;
use super::keygen::Keygen;
use super::mcp::McpCommand;
use super::packs::PacksCommand;
use super::render::{Answer, Outcome, Paint, Screen, safe_lines};
use super::run::Run;
use super::scan::Scan;
use super::schema::Schema;
use super::shell::{Completions, Man};
use super::sign::{Sign, Verify};
use super::status::Status;
use super::test::Test;
use super::train::TrainTopic;

/// A runtime guardrail for AI agents: signed pacts, enforced in the traffic, proven by evidence.
#[derive(Debug, Parser)]
#[command(name = "servanda", version, arg_required_else_help = true, propagate_version = true)]
#[command(
    after_help = "Example:\n  servanda demo --exit\n\nExit codes: 0 fine, 1 what was looked at does not hold, 2 wrong use or unreadable input."
)]
struct Args {
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work: a sample agent, the sidecar before it, a dozen exchanges, the log verified.
    Demo(Demo),
    /// Run the sidecar.
    Run(Run),
    /// Run an MCP server of standard input and output behind the guard.
    Mcp(McpCommand),
    /// Write a pact that compiles, to begin with.
    Init(Init),
    /// Tell all mistakes of pacts and portfolios with their places, then what is enforced.
    Check(Check),
    /// Tell what changed between two versions of a pact, which way, and whether the version says so.
    Diff(Diff),
    /// Make a draft pact from the document of another system.
    Import(Import),
    /// Compile a pact into an image.
    Compile(Compile),
    /// Make a signing key.
    Keygen(Keygen),
    /// Sign a pact as one of its parties.
    Sign(Sign),
    /// Tell who signed a pact or an image, and whether it may be enforced.
    Verify(Verify),
    /// Run the cases of pacts and the examples of packs.
    Test(Test),
    /// Judge events by a pact, offline.
    Judge(Judge),
    /// Find personal data, secrets, injections and topics in text, offline.
    Scan(Scan),
    /// Verify, show and prove what was recorded, from files alone.
    Evidence(Evidence),
    /// Ask a running sidecar how it is.
    Status(Status),
    /// List, show and test the detector packs.
    Packs(PacksCommand),
    /// Make a topic of your own from labelled texts.
    TrainTopic(TrainTopic),
    /// Print the JSON Schema of pacts, portfolios, configs, packs and records.
    Schema(Schema),
    /// Print completions for a shell.
    Completions(Completions),
    /// Print the manual page, or write one a command.
    Man(Man),
}

impl Command {
    fn run(&self, screen: &mut Screen) -> Answer {
        match self {
            Self::Demo(command) => command.run(screen),
            Self::Run(command) => command.run(screen),
            Self::Mcp(command) => command.run(screen),
            Self::Init(command) => command.run(screen),
            Self::Check(command) => command.run(screen),
            Self::Diff(command) => command.run(screen),
            Self::Import(command) => command.run(screen),
            Self::Compile(command) => command.run(screen),
            Self::Sign(command) => command.run(screen),
            Self::Verify(command) => command.run(screen),
            Self::Test(command) => command.run(screen),
            Self::Judge(command) => command.run(screen),
            Self::Keygen(command) => command.run(screen),
            Self::Scan(command) => command.run(screen),
            Self::Evidence(command) => command.run(screen),
            Self::Status(command) => command.run(screen),
            Self::Packs(command) => command.run(screen),
            Self::TrainTopic(command) => command.run(screen),
            Self::Schema(command) => command.run(screen),
            Self::Completions(command) => command.run(screen, Args::command()),
            Self::Man(command) => command.run(screen, Args::command()),
        }
    }
}

/// Reads the command line of the process and answers it.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let mut screen = Screen::standard(args.json);
    let answer = args.command.run(&mut screen).and_then(|outcome| screen.flush().map(|()| outcome));
    match answer {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Code(code)) => ExitCode::from(code),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) if error.is_told() => ExitCode::from(2),
        Err(error) => {
            let word = screen.paint(Paint::Bad, "error:");
            screen.note(format_args!("{word} {}", safe_lines(&error.to_string())));
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_one_example() {
        fn walk(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                command.get_subcommands().filter(|c| c.get_name() != "help").for_each(|c| walk(c, &path));
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example:\n  ") && help.contains(path.trim()), "{path} shows no example");
            }
        }
        walk(&Args::command(), "");
    }
}
