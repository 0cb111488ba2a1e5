//! Wires the command line; see the library for the commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
