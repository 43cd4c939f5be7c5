//! The real Helm, 4 as a library in Python and 3 as a program beside it, and what it makes of the chart.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::process::python;
use crate::skip::skip;

/// One version of Helm, and everything else of Python that the suite asks.
pub(crate) struct Helm {
    python: PathBuf,
    /// 3 or 4.
    version: u8,
}

/// The objects of one rendering, by kind, namespace and name.
#[derive(Debug, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) objects: Vec<Value>,
    pub(crate) notes: String,
}

impl Helm {
    /// Helm 4, or a word that `test` is skipped.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let [_, newest] = Self::both(test)?;
        Some(newest)
    }

    /// Helm 3 and Helm 4, for what they could take differently.
    pub(crate) fn both(test: &str) -> Option<[Self; 2]> {
        let Some(python) = python() else {
            skip(test, "it needs PODMETER_PYTHON with helm-python-sdk and helm-binary");
            return None;
        };
        Some([3, 4].map(|version| Self { python: python.clone(), version }))
    }

    /// Renders the chart with these values, as the release `podmeter` in `podmeter-system`.
    #[track_caller]
    pub(crate) fn template(&self, values: &Value) -> Rendered {
        let mut all = self.templates(std::slice::from_ref(&case(values)));
        all.remove(0).unwrap_or_else(|error| panic!("{values}: {error}"))
    }

    /// Renders each case; [`case`] makes one.
    pub(crate) fn templates(&self, cases: &[Value]) -> Vec<Result<Rendered, String>> {
        let task = json!({ "helm": self.version, "chart": chart(), "cases": cases });
        let Value::Array(answers) = self.run("render.py", &task) else { panic!("no list") };
        answers.iter().map(read).collect()
    }

    /// What `helm lint --strict` complains of, for each of these values.
    pub(crate) fn lint(&self, values: &[Value]) -> Vec<Vec<String>> {
        let cases: Vec<Value> = values.iter().map(case).collect();
        let task = json!({ "helm": self.version, "chart": chart(), "cases": cases, "lint": true });
        serde_json::from_value(self.run("render.py", &task)).unwrap()
    }

    /// Gives `task` to a script of this folder; what it answers.
    pub(crate) fn run(&self, script: &str, task: &Value) -> Value {
        let path = repository().join("tests/chart").join(script);
        let mut child = Command::new(&self.python)
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{script}: {}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Rendered {
    /// The objects of a kind.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The only object of a kind.
    #[track_caller]
    pub(crate) fn the(&self, kind: &str) -> &Value {
        match &*self.of(kind) {
            [one] => one,
            several => panic!("{} objects of the kind {kind}", several.len()),
        }
    }

    /// The object of this kind and name.
    #[track_caller]
    pub(crate) fn named(&self, kind: &str, name: &str) -> &Value {
        let found = self.of(kind).into_iter().find(|object| object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// Every pod that comes of these objects: kind and name of its owner, and its `spec`.
    pub(crate) fn pods(&self) -> Vec<(String, &Value)> {
        let mut pods = Vec::new();
        for object in &self.objects {
            let spec = match object["kind"].as_str().unwrap() {
                "Pod" => &object["spec"],
                "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
                    &object["spec"]["template"]["spec"]
                }
                _ => continue,
            };
            pods.push((who(object), spec));
        }
        pods
    }
}

/// What both versions make of each case, which is the same.
pub(crate) fn templates_of(
    both: &[Helm; 2],
    cases: &[Value],
) -> Vec<Result<Rendered, [String; 2]>> {
    let [three, four] = both.each_ref().map(|helm| helm.templates(cases));
    let answers = three.into_iter().zip(four).zip(cases);
    let agreed = answers.map(|(pair, case)| match pair {
        (Ok(three), Ok(four)) => {
            for (one, other) in three.objects.iter().zip(&four.objects) {
                assert_eq!(one, other, "{case}: Helm 3 and Helm 4 differ");
            }
            assert_eq!(three, four, "{case}: Helm 3 and Helm 4 differ");
            Ok(four)
        }
        (Err(three), Err(four)) => Err([three, four]),
        (Ok(_), Err(error)) => panic!("{case}: Helm 4 alone refuses it: {error}"),
        (Err(error), Ok(_)) => panic!("{case}: Helm 3 alone refuses it: {error}"),
    });
    agreed.collect()
}

/// Kind and name of an object.
pub(crate) fn who(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or("(no name)");
    format!("{} {name}", object["kind"].as_str().unwrap_or("(no kind)"))
}

/// Where and under what name nearly all tests render the chart.
pub(crate) fn case(values: &Value) -> Value {
    json!({ "name": "podmeter", "namespace": "podmeter-system", "values": values })
}

/// The folder of the chart.
pub(crate) fn chart() -> PathBuf {
    repository().join("charts/podmeter")
}

/// The folder of the project.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(answer: &Value) -> Result<Rendered, String> {
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    let objects = answer["objects"].as_array().unwrap().clone();
    Ok(Rendered { objects, notes: answer["notes"].as_str().unwrap().to_owned() })
}
