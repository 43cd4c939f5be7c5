//! `podmeter inject`: the sidecar into manifests, without a cluster.

mod flags;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};

use self::flags::SettingFlags;
use super::Failure;
use crate::inject::manifest::{Change, Done, Report, transform};
use crate::inject::{Facts, Outcome, Sidecar, inject, left, uninject};
use serde_json::Value;

/// Add the sidecar to manifests.
///
/// Reads YAML or JSON, writes it to standard output with the sidecar in every Pod, Deployment,
/// StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob and Argo Rollout, also
/// in lists, and tells on standard error what it did with each. Everything else goes through as it
/// is. Injecting twice is injecting once.
///
/// A setting is a flag here, for all pods, or an annotation `podmeter.io/NAME` of a pod, which goes
/// before it. The label `podmeter.io/inject: disabled` of a pod leaves it out.
///
/// Exit codes: 0 done, also where pods were skipped; 1 a pod asks for what cannot be, or the
/// input is no YAML, and nothing was written; 2 a bad command line, or a file that could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// A file of manifests, or `-` for standard input; repeatable.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    filename: Vec<String>,

    /// The same. Without any file, standard input is read.
    #[arg(value_name = "FILE")]
    files: Vec<String>,

    /// Take the sidecar out again, which gives back what there was before.
    #[arg(long)]
    uninject: bool,

    #[command(flatten)]
    settings: SettingFlags,
}

const EXAMPLES: &str = "\
Examples:
  podmeter inject -f app.yaml | kubectl apply -f -
  kubectl get deploy -o yaml | podmeter inject - | kubectl apply -f -
  podmeter inject --image registry.example/podmeter:1.0 --dialect istio,envoy -f app.yaml
  podmeter inject --forward 8080=8081 -f app.yaml      no init container, no NET_ADMIN
  podmeter inject --uninject -f injected.yaml";

/// Does what is asked.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let usage = |sentence: String| Failure::Usage(sentence);
    let sidecar =
        Sidecar::new(args.settings.said()).map_err(|refusal| usage(refusal.to_string()))?;
    let mut files: Vec<&str> =
        args.filename.iter().chain(&args.files).map(String::as_str).collect();
    if files.is_empty() {
        if io::stdin().is_terminal() {
            return Err(usage("a file is missing, such as podmeter inject -f app.yaml".to_owned()));
        }
        files.push("-");
    }
    let texts: Vec<String> =
        files.iter().map(|file| read(file)).collect::<Result<_, _>>().map_err(usage)?;

    let change = |pod: &Value, facts: &Facts| {
        if args.uninject { taken_out(pod) } else { put_in(pod, facts, &sidecar) }
    };
    let mut written = String::new();
    let mut refused = 0;
    for (file, text) in files.iter().zip(texts) {
        let done = transform(&text, &change).map_err(|error| {
            // What is wrong with it as YAML is not what is wrong with it.
            let hint = if text.contains("{{") { TEMPLATE } else { "" };
            failed(format!("{}:{error}{hint}", shown(file)))
        })?;
        for report in &done.reports {
            refused += usize::from(matches!(report.done, Done::Refused(_)));
            tell(report, args.uninject);
        }
        append(&mut written, done.text);
    }
    if refused > 0 {
        let what = if refused == 1 { "one object was" } else { "several objects were" };
        return Err(failed(format!("nothing is written, as {what} refused")));
    }
    match io::stdout().write_all(written.as_bytes()) {
        // Whoever closed it has read all it wants.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Run(error.into())),
        _ => Ok(()),
    }
}

fn put_in(pod: &Value, facts: &Facts, sidecar: &Sidecar) -> Change {
    match inject(pod, facts, sidecar) {
        Outcome::Injected(injected) => Change::To(injected.pod, injected.warnings),
        Outcome::Skipped(skip) => Change::Skip(skip.to_string()),
        Outcome::Refused(refusal) => Change::Refuse(refusal.to_string()),
    }
}

fn taken_out(pod: &Value) -> Change {
    match uninject(pod) {
        Some(undone) => {
            let warnings = left(pod, &undone);
            Change::To(undone, warnings)
        }
        None => Change::Skip("not injected".to_owned()),
    }
}

fn tell(report: &Report, out: bool) {
    let Report { object, done, warnings, misplaced } = report;
    let done = match done {
        Done::Changed => (if out { "uninjected" } else { "injected" }).to_owned(),
        Done::Skipped(reason) => format!("skipped: {reason}"),
        Done::Refused(reason) => format!("refused: {reason}"),
    };
    // Where standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{object}: {done}");
    for warning in warnings {
        let _ = writeln!(io::stderr(), "{object}: warning: {warning}");
    }
    // Where nothing is put in, no setting has an effect.
    if let Some(key) = misplaced.as_ref().filter(|_| !out) {
        let _ = writeln!(
            io::stderr(),
            "{object}: warning: {key} has no effect here; it belongs into the metadata of the pod template"
        );
    }
}

fn read(file: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if file == "-" {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => {
            format!("{0} is a folder; name its files, such as {0}/*.yaml", shown(file))
        }
        _ => format!("{} could not be read: {error}", shown(file)),
    })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("{} is longer than 64MiB; part it into several", shown(file)));
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is not valid UTF-8 text", shown(file)))
}

/// Puts one file's documents behind another's.
fn append(written: &mut String, text: String) {
    if written.is_empty() {
        *written = text;
        return;
    }
    if !text.is_empty() {
        if !written.ends_with('\n') {
            written.push('\n');
        }
        if !text.trim_start_matches('\u{feff}').starts_with("---") {
            written.push_str("---\n");
        }
    }
    written.push_str(&text);
}

fn shown(file: &str) -> String {
    if file == "-" {
        return "standard input".to_owned();
    }
    file.chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect()
}

fn failed(sentence: String) -> Failure {
    Failure::Run(anyhow::Error::msg(sentence))
}

const TEMPLATE: &str = "; a template ({{ }}) has to be rendered first, such as by helm template";
/// More than all the manifests of a large cluster.
const MAX_BYTES: u64 = 64 << 20;
