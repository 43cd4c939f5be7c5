//! `podmeter merge`, the built program, as it is used from a shell.
#![expect(clippy::unwrap_used, reason = "a case that cannot be read fails the test")]

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::process::{Command, Output, Stdio};

use podmeter::exposition::{InputFormat, lint};

#[test]
fn two_files_become_one_valid_exposition() {
    let folder = Folder::new();
    let one = folder.file("one.prom", "# HELP a From one.\n# TYPE a counter\na{x=\"1\"} 1\nb 2\n");
    let two = folder.file(
        "two.om",
        "# TYPE c counter\nc_total 3 # {t=\"x\"} 1\n# TYPE a gauge\na{x=\"2\"} 4\n# EOF\n",
    );
    let output = merge(&[&one, &two], b"");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert_eq!(
        text(&output.stdout),
        "# HELP a From one.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 4\n\
         # TYPE b untyped\nb 2\n# TYPE c_total counter\nc_total 3\n"
    );
    let output = merge(&["--to", "openmetrics", &two, &one], b"");
    let said = text(&output.stdout);
    assert!(said.contains("c_total 3 # {t=\"x\"} 1\n") && said.ends_with("# EOF\n"), "{said}");
    assert_eq!(lint(said.as_bytes(), InputFormat::OpenMetrics, 9).errors(), 0, "{said}");
}

#[test]
fn the_order_is_the_sources_every_time() {
    let folder = Folder::new();
    let lines: Vec<_> = (0..500).map(|n| format!("m{}{{l=\"{n}\"}} {n}\n", n % 7)).collect();
    let body = lines.concat();
    let paths: Vec<_> = (0..5).map(|n| folder.file(&format!("{n}.prom"), &body)).collect();
    let args: Vec<&str> =
        ["--mode", "label"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let first = merge(&args, b"");
    assert_eq!(text(&first.stdout).lines().count(), 2500 + 7);
    for _ in 0..3 {
        assert_eq!(merge(&args, b"").stdout, first.stdout);
    }
}

#[test]
fn a_bad_line_costs_its_sample_and_is_told_with_its_place() {
    let folder = Folder::new();
    let good = folder.file("good.prom", "a 1\n");
    let bad = folder.file("bad.prom", "b 2\nc{\nd 4\na 5\n");
    let output = merge(&[&good, &bad], b"");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "# TYPE a untyped\na 1\n# TYPE b untyped\nb 2\n# TYPE d untyped\nd 4\n"
    );
    assert_eq!(
        text(&output.stderr),
        format!(
            "{bad}:2:3: expected name=\"value\" pairs, commas and a brace\n\
             {bad}: 1 sample dropped: the series was already given\n"
        )
    );
    let strict = merge(&["--strict", &good, &bad], b"");
    assert_eq!((strict.status.code(), strict.stdout), (Some(1), output.stdout));
    assert_eq!(merge(&["--strict", &good], b"").status.code(), Some(0));
}

#[test]
fn a_family_that_loses_its_type_is_told() {
    let folder = Folder::new();
    let spoilt = folder.file(
        "spoilt.prom",
        "# TYPE h histogram\nh_count 1\n# TYPE s summary\ns_count 1\n# TYPE s_count gauge\n",
    );
    let clash = folder.file("clash.prom", "# TYPE s_count gauge\ns_count{a=\"1\"} 2\n");
    let output = merge(&["--strict", &spoilt, &clash], b"");
    assert_eq!(output.status.code(), Some(0), "no sample is lost");
    assert_eq!(
        text(&output.stderr),
        format!(
            "{spoilt}: written as parts, untyped, because they do not add up or fit: s and 1 more\n"
        )
    );
}

#[test]
fn labels_tell_sources_of_one_name_apart() {
    let folder = Folder::new();
    let one = folder.file("x/app.prom", "a 1\n");
    let two = folder.file("y/app.prom", "a 2\n");
    let output = merge(&["--mode", "label", &one, &two, "-"], b"a{source=\"me\"} 3\n");
    assert_eq!(
        text(&output.stdout),
        "# TYPE a untyped\na{source=\"app.prom\"} 1\na{source=\"app.prom-2\"} 2\n\
         a{exported_source=\"me\",source=\"stdin\"} 3\n"
    );
}

#[test]
fn names_of_any_script_are_spelt_as_asked() {
    let body = b"# TYPE \"a.b\" gauge\n{\"a.b\",\"c.d\"=\"e\"} 1\n";
    let written = |args: &[&str]| text(&merge(&[args, &["-"]].concat(), body).stdout);
    assert_eq!(written(&[]), "# TYPE a_b gauge\na_b{c_d=\"e\"} 1\n");
    assert_eq!(
        written(&["--escaping", "allow-utf-8"]),
        "# TYPE \"a.b\" gauge\n{\"a.b\",\"c.d\"=\"e\"} 1\n"
    );
    assert_eq!(
        written(&["--escaping", "dots"]),
        "# TYPE a_dot_b gauge\na_dot_b{c_dot_d=\"e\"} 1\n"
    );
}

#[test]
fn protobuf_goes_out_and_comes_back() {
    let body = "# HELP a_total Some.\n# TYPE a_total counter\na_total{x=\"1\"} 1 5000\n\
                # HELP h Some.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n\
                h_sum 3.5\nh_count 2\n# HELP s Some.\n# TYPE s summary\ns{quantile=\"0.5\"} NaN\n\
                s_sum 0\ns_count 0\n";
    let messages = merge(&["--to", "protobuf", "-"], body.as_bytes());
    assert_eq!((messages.status.code(), text(&messages.stderr)), (Some(0), String::new()));
    let report = lint(&messages.stdout, InputFormat::Unknown, 9);
    assert_eq!(report.format, InputFormat::Protobuf);
    assert_eq!((report.errors(), report.families), (0, 3), "{:?}", report.findings());
    assert_eq!(text(&merge(&["-"], &messages.stdout).stdout), body);
    let half = &messages.stdout[..messages.stdout.len() / 2];
    let output = merge(&["-"], half);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("standard input:2:"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("a_total{x=\"1\"} 1 5000\n"));
}

#[test]
fn nothing_is_written_where_a_source_cannot_be_read() {
    let folder = Folder::new();
    let good = folder.file("good.prom", "a 1\n");
    let output = merge(&[&good, "/nonexistent", "/proc"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert_eq!(
        text(&output.stderr),
        "podmeter: /nonexistent could not be read: No such file or directory (os error 2)\n\
         podmeter: /proc could not be read: it is a directory\n"
    );
    let output = merge(&["--max-bytes", "64KiB", "/dev/zero"], b"");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn without_a_source_and_with_what_is_not_there_yet_there_is_one_sentence() {
    let output = merge(&[], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr).lines().count(), 1, "{}", text(&output.stderr));
    let output = merge(&["http://127.0.0.1:1/metrics,mode=sum,workers=4"], b"");
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (
            Some(2),
            "podmeter: http://127.0.0.1:1/metrics has workers=, but merge asks each source once; \
             name one source for each process\n"
        )
    );
}

#[test]
fn processes_of_one_app_are_added_up() {
    let folder = Folder::new();
    let body = |jobs: u64| {
        format!(
            "# TYPE jobs_total counter\njobs_total {jobs}\n# TYPE size gauge\nsize {jobs}\n\
             # TYPE s summary\ns{{quantile=\"0.5\"}} 1\ns_sum 2\ns_count {jobs}\n"
        )
    };
    let (one, two) = (folder.file("one.prom", &body(3)), folder.file("two.prom", &body(4)));
    let output = merge(&["--mode", "sum", &one, &two], b"");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "# TYPE jobs_total counter\njobs_total 7\n# TYPE size gauge\nsize 7\n\
         # TYPE s summary\ns_sum 4\ns_count 7\n"
    );
    let told = text(&output.stderr);
    assert!(told.starts_with(&format!("{one}: 1 sample dropped: ")), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
    let said = text(&merge(&["--mode", "sum", "--gauges", "max", &one, &two], b"").stdout);
    assert!(said.contains("\nsize 4\n"), "{said}");
    assert_eq!(merge(&["--mode", "sum", "--strict", &one, &two], b"").status.code(), Some(1));
}

#[test]
fn a_long_body_goes_through_and_back() {
    let mut body = String::from("# TYPE a gauge\n");
    for n in 0..200_000 {
        writeln!(body, "a{{n=\"{n}\"}} {n}").unwrap();
    }
    let output = merge(&["-"], body.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout) == body);
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let folder = Folder::new();
    let lines: Vec<_> = (0..200_000).map(|n| format!("a{{n=\"{n}\"}} {n}\n")).collect();
    let body = lines.concat();
    let path = folder.file("long.prom", &body);
    let mut program = program(&[&path]);
    let mut child = program.spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn garbage_in_is_still_a_valid_exposition_out() {
    let garbage: Vec<u8> =
        (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    for format in ["text", "openmetrics"] {
        let output = merge(&["--to", format, "-"], &garbage);
        assert_eq!(output.status.code(), Some(0));
        let told = if format == "text" { InputFormat::Text } else { InputFormat::OpenMetrics };
        let report = lint(&output.stdout, told, 9);
        assert_eq!(report.errors(), 0, "{:?}", report.findings());
    }
}

#[test]
fn the_help_has_examples_and_the_exit_codes() {
    let said = text(&merge(&["--help"], b"").stdout);
    for part in ["Examples:", "Exit codes: 0", "--to", "--mode", "--strict", "--escaping"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, body: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, body).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn program(args: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    program.env_clear().arg("merge").args(args);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

/// The program with these arguments, and `input` on standard input.
fn merge(args: &[&str], input: &[u8]) -> Output {
    let mut child = program(args).spawn().unwrap();
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
