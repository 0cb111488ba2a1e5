//! The binary `bike-traffic`. The library contains the commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
