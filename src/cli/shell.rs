//! `servanda completions` and `servanda man`: what a shell and a manual need, made from the command line itself.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

use super::render::{Answer, CliError, Outcome, Screen, count};

/// Arguments of `servanda completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda completions bash > /etc/bash_completion.d/servanda")]
pub(super) struct Completions {
    /// For which shell.
    shell: Shell,
}

impl Completions {
    /// Prints the completions.
    pub(super) fn run(&self, screen: &mut Screen, mut command: Command) -> Answer {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "servanda", &mut text);
        screen.raw(&text)?;
        Ok(Outcome::Fine)
    }
}

/// Arguments of `servanda man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda man -o /usr/local/share/man/man1")]
pub(super) struct Man {
    /// A folder for one page a command; without it the main page is printed.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    /// Prints or writes the pages.
    pub(super) fn run(&self, screen: &mut Screen, command: Command) -> Answer {
        let Some(folder) = &self.out else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            screen.raw(&page)?;
            return Ok(Outcome::Fine);
        };
        std::fs::create_dir_all(folder).map_err(|e| CliError::file(folder, e))?;
        clap_mangen::generate_to(command, folder).map_err(|e| CliError::file(folder, e))?;
        let pages = std::fs::read_dir(folder).map_err(|e| CliError::file(folder, e))?.count();
        screen.note(format_args!("{} in {}", count(pages, "page"), folder.display()));
        Ok(Outcome::Fine)
    }
}
