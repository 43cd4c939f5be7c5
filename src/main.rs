//! The `podmeter` program: one call into the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    podmeter::cli::run()
}
