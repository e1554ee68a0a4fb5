//! The `servanda` command: starts the command line and turns its outcome into an exit code.

fn main() -> std::process::ExitCode {
    servanda::cli::args::main()
}
