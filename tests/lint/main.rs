//! `podmeter lint`, the built program: against the reference cases, against other readers, and as
//! a command that is used from a shell.
#![expect(clippy::unwrap_used, reason = "a case that cannot be read fails the test")]

#[path = "../support/exposition_bodies.rs"]
mod bodies;
mod command;
mod hostile;
mod laws;
mod oracle;
mod reference;
#[path = "../support/skip.rs"]
mod skip;
mod urls;

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The program with these arguments, nothing of our environment, and `input` on standard input.
fn lint(args: &[&str], input: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    program.env_clear().arg("lint").args(args);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // It may end without having read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
