//! What somebody might pipe into it by mistake or by malice.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::{lint, text};

#[test]
fn nothing_is_an_empty_and_valid_exposition() {
    assert_eq!(lint(&[], b"").status.code(), Some(0));
    assert_eq!(lint(&["--format", "openmetrics"], b"").status.code(), Some(1));
}

#[test]
fn garbage_is_told_in_lines_of_text() {
    let garbage: Vec<u8> = (0..100_000_u32)
        .map(|n| u8::try_from((n.wrapping_mul(2_654_435_761) >> 13) % 256).unwrap())
        .collect();
    for color in ["always", "never"] {
        let output = lint(&["--color", color], &garbage);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stdout);
        assert!(said.lines().count() > 10);
        let shown = said.replace("\x1b[", "");
        assert!(shown.chars().all(|c| !c.is_control() || c == '\n'));
    }
}

#[test]
fn a_line_of_megabytes_costs_no_more_than_its_bytes() {
    let mut body = b"# HELP a x\na{b=\"".to_vec();
    body.resize(40 << 20, b'x');
    body.extend_from_slice(b"\" 1\n");
    let output = lint(&["--color", "always"], &body);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("expected a comma or a closing brace"), "{said}");
    assert!(said.contains("longer than 1 MiB") && said.len() < 2000, "{}", said.len());
}

#[test]
fn many_labels_take_linear_time() {
    let mut body = b"# HELP a x\na{".to_vec();
    for n in 0..200_000 {
        body.extend_from_slice(format!("l{n}=\"\",").as_bytes());
    }
    body.extend_from_slice(b"l7=\"again\"} 1\n");
    let output = lint(&[], &body);
    assert!(text(&output.stdout).contains("l7: a label name occurs twice"));
}

#[test]
fn what_is_endless_is_cut_off_at_the_limit() {
    for (path, limit) in [("/dev/zero", "1MiB"), ("/dev/urandom", "64KiB")] {
        let output = lint(&["--max-bytes", limit, path], b"");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
        let sentence = format!("is longer than --max-bytes, which is {limit}; raise it");
        assert!(text(&output.stderr).contains(&sentence), "{}", text(&output.stderr));
    }
    let body = b"# HELP a x\na 1\n";
    assert_eq!(lint(&["--max-bytes", "15"], body).status.code(), Some(0));
    assert_eq!(lint(&["--max-bytes", "14"], body).status.code(), Some(2));
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    File::create(&path).unwrap().set_permissions(PermissionsExt::from_mode(0o000)).unwrap();
    // Root may read it all the same.
    let readable = File::open(&path).is_ok();
    let output = lint(&[path.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(if readable { 0 } else { 2 }));
    let odd = "no\nsuch\x1b[31mfile";
    let said = text(&lint(&[odd], b"").stderr);
    assert!(said.contains("no\\nsuch\\u{1b}[31mfile") && said.lines().count() == 1, "{said}");
}

#[test]
fn problems_without_end_are_counted() {
    let output = lint(&[], "x\n".repeat(25_000).as_bytes());
    let said = text(&output.stdout);
    assert_eq!(said.lines().count(), 10_001);
    assert!(said.ends_with(" and 15000 more\n"), "{}", &said[said.len() - 80..]);
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long");
    std::fs::write(&path, "x\n".repeat(100_000)).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    program.arg("lint").arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()));
}
