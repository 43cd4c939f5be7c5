//! The examples, as they stand: valid objects, configurations that Prometheus and Alertmanager take,
//! and apps that run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::helm::{Helm, repository, who};
use crate::http::get;
use crate::observed::{World, each_sidecar_is_up_once};
use crate::operator::{Pod, discovered, scrape_configs};
use crate::process::{Running, eventually, program, python, reference_data};
use crate::prom::Prometheus;
use crate::schemas::{VERSIONS, complaints};
use crate::sidecar::Sidecar;
use crate::skip::skip;

#[test]
fn every_object_of_the_examples_is_valid() {
    let name = "every_object_of_the_examples_is_valid";
    let Some(helm) = Helm::find(name) else { return };
    let Some(data) = reference_data() else { return skip(name, "it needs the reference data") };
    let objects: Vec<Value> = folders().iter().flat_map(|folder| objects(&helm, folder)).collect();
    assert!(objects.len() > 30, "{}", objects.len());
    assert_eq!(complaints(&helm, &data, &objects, &VERSIONS), Vec::<String>::new());
    // Only names of an operator's own, which no other project has.
    let kinds: BTreeSet<&str> =
        objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    for kind in ["ServiceMonitor", "PodMonitor", "Canary", "MetricTemplate", "NetworkPolicy"] {
        assert!(kinds.contains(kind), "{kind}");
    }
}

#[test]
fn a_namespace_comes_before_what_is_in_it() {
    let Some(helm) = Helm::find("a_namespace_comes_before_what_is_in_it") else { return };
    let mut made = 0;
    for folder in folders() {
        // In the order of `kubectl apply -f FOLDER`: files by name, and objects as they stand there.
        let objects = objects(&helm, &folder);
        let namespaces = objects.iter().enumerate().filter(|(_, one)| one["kind"] == "Namespace");
        for (index, namespace) in namespaces {
            made += 1;
            let name = &namespace["metadata"]["name"];
            let is_in_it = |object: &Value| object["metadata"]["namespace"] == *name;
            let early: Vec<String> =
                objects[..index].iter().filter(|object| is_in_it(object)).map(who).collect();
            assert_eq!(early, Vec::<String>::new(), "{}: before {name}", folder.display());
        }
    }
    assert_eq!(made, 4);
}

#[test]
fn every_file_that_a_page_applies_is_there() {
    let pages = folders().map(|folder| folder.join("README.md"));
    for page in pages.iter().chain([&repository().join("docs/kubernetes.md")]) {
        let text = std::fs::read_to_string(page).unwrap();
        for part in text.split("-f examples/").skip(1) {
            let path = part.split([' ', '\n', '`']).next().unwrap().trim_end_matches('.');
            let is_there = repository().join("examples").join(path).exists();
            assert!(is_there, "{}: examples/{path}", page.display());
        }
    }
}

#[test]
fn every_example_has_a_page_that_ends_in_an_answer() {
    let index = std::fs::read_to_string(repository().join("docs/kubernetes.md")).unwrap();
    for folder in folders() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(page.contains(&format!("kubectl apply -f examples/{name}\n")), "{name}");
        assert!(page.contains("\"status\":\"success\""), "{name} shows no answer");
        assert!(index.contains(&format!("examples/{name}")), "docs/kubernetes.md lacks {name}");
    }
}

#[test]
fn the_manifests_of_the_documentation_are_valid() {
    let name = "the_manifests_of_the_documentation_are_valid";
    let Some(helm) = Helm::find(name) else { return };
    let Some(data) = reference_data() else { return skip(name, "it needs the reference data") };
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(repository().join("docs/kubernetes.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1).map(|part| part.split("```").next().unwrap());
    let mut files = Vec::new();
    for (index, block) in blocks.enumerate() {
        let file = folder.path().join(format!("{index}.yaml"));
        std::fs::write(&file, block).unwrap();
        files.push(file);
    }
    let objects: Vec<Value> = yaml(&helm, &files).into_iter().flatten().collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(complaints(&helm, &data, &objects, &VERSIONS), Vec::<String>::new());
    // The command line of the pod that is made by hand, as the program takes it.
    let pod = &objects[1]["spec"]["template"]["spec"];
    for container in pod["initContainers"].as_array().unwrap() {
        let mut arguments: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
        let checked = if arguments[0] == "redirect" { "--dry-run" } else { "--help" };
        arguments.push(checked.to_owned());
        run(Command::new(env!("CARGO_BIN_EXE_podmeter")).args(arguments));
    }
}

#[test]
fn prometheus_and_alertmanager_take_the_configurations() {
    let name = "prometheus_and_alertmanager_take_the_configurations";
    let Some(helm) = Helm::find(name) else { return };
    let (Some(promtool), Some(amtool)) = (program("promtool"), program("amtool")) else {
        return skip(name, "it needs promtool and amtool");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for example in folders() {
        for map in objects(&helm, &example).iter().filter(|object| object["kind"] == "ConfigMap") {
            for (file, text) in map["data"].as_object().unwrap() {
                std::fs::write(folder.path().join(file), text.as_str().unwrap()).unwrap();
                if file == "prometheus.yml" {
                    without_discovery(&helm, &folder.path().join(file));
                }
                // Not the files that it names: they are where the pod is.
                let check: (&Path, &[&str]) = match file.as_str() {
                    "prometheus.yml" => (&promtool, &["check", "config", "--syntax-only"]),
                    "rules.yml" => (&promtool, &["check", "rules"]),
                    "alertmanager.yml" => (&amtool, &["check-config"]),
                    _ => continue,
                };
                seen.push(file.clone());
                run(Command::new(check.0).args(check.1).arg(file).current_dir(folder.path()));
            }
        }
    }
    seen.sort();
    assert_eq!(seen, ["alertmanager.yml", "prometheus.yml", "prometheus.yml", "rules.yml"]);
    let route = |labels: &[&str]| {
        let mut command = Command::new(&amtool);
        command.args(["config", "routes", "test", "--config.file=alertmanager.yml"]).args(labels);
        run(command.current_dir(folder.path())).trim().to_owned()
    };
    assert_eq!(route(&["alertname=PodmeterErrorRate", "severity=critical"]), "on-call");
    assert_eq!(route(&["alertname=ErrorRate", "severity=critical"]), "on-call");
    assert_eq!(route(&["alertname=PodmeterLatency", "severity=warning"]), "team");
    assert_eq!(route(&["alertname=NodeDown", "severity=critical"]), "nobody");
}

#[test]
fn the_pre_forking_app_comes_in_one_answer_with_its_sidecar() {
    let name = "the_pre_forking_app_comes_in_one_answer_with_its_sidecar";
    let Some(helm) = Helm::find(name) else { return };
    let (Some(promtool), Some(python)) = (program("promtool"), python()) else {
        return skip(name, "it needs promtool and PODMETER_PYTHON");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let objects = objects(&helm, &repository().join("examples/preforking-python"));
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    for (file, text) in map["data"].as_object().unwrap() {
        std::fs::write(path.join(file), text.as_str().unwrap()).unwrap();
    }
    std::fs::create_dir(path.join("counted")).unwrap();
    // The command of the example after its installing, at a port that the kernel picks.
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let template = &deployment["spec"]["template"];
    let script = template["spec"]["containers"][0]["args"][0].as_str().unwrap();
    let (_, serving) = script.split_once("exec python ").unwrap();
    let serving =
        serving.replace("0.0.0.0:8000", "127.0.0.1:0").replace("/app", path.to_str().unwrap());
    let mut command = Command::new(python);
    command.args(serving.split_whitespace()).current_dir(path);
    command.env("PROMETHEUS_MULTIPROC_DIR", path.join("counted"));
    let mut app = Running::start("orders", &mut command, path);
    let addr = app.wait_for("it listens", |app| {
        let said = app.said();
        let listens = said.split("Listening at: http://").nth(1)?;
        listens.split_whitespace().next()?.parse::<std::net::SocketAddr>().ok()
    });
    let annotations = &template["metadata"]["annotations"];
    let metrics = annotations["prometheus.io/path"].as_str().unwrap();
    let flags = format!("--workload orders --app-metrics http://{addr}{metrics}");
    let sidecar = Sidecar::start("sidecar", path, addr, &flags);

    let mut workers = BTreeSet::new();
    for _ in 0..40 {
        workers.insert(get(sidecar.inbound, "/order").text().to_owned());
    }
    // Whichever worker is asked, all are counted.
    for _ in 0..4 {
        let answer = get(sidecar.stats, "/stats/prometheus");
        let text = answer.text();
        for line in ["shop_orders_total{kind=\"book\"} 40", "shop_order_price_count 40"] {
            assert_eq!(
                text.lines().filter(|own| own.starts_with(line)).count(),
                1,
                "{line}\n{text}"
            );
        }
        let counted = text.lines().find(|line| {
            line.starts_with("istio_requests_total{") && line.contains("response_code=\"200\"")
        });
        assert!(counted.is_some_and(|line| line.ends_with(" 40")), "{counted:?}");
        std::fs::write(path.join("answer.prom"), text).unwrap();
        let stdin = std::fs::File::open(path.join("answer.prom")).unwrap();
        let output =
            Command::new(&promtool).args(["check", "metrics"]).stdin(stdin).output().unwrap();
        // 3 is "could be named better".
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    }
    eventually("every worker is alive and counted", || {
        let text = get(sidecar.stats, "/stats/prometheus").text().to_owned();
        text.contains("\nshop_workers 4").then_some(()).ok_or(text)
    });
}

#[test]
fn two_replicas_of_prometheus_see_the_same_totals() {
    let name = "two_replicas_of_prometheus_see_the_same_totals";
    let Some(world) = World::start(name) else { return };
    let example = repository().join("examples/two-prometheus-replicas");
    let configuration = configuration(&world, &example, &world.pods());
    let replicas = ["a", "b"].map(|replica| {
        let mut configuration = configuration.clone();
        configuration["global"]["external_labels"]["replica"] = json!(replica);
        // Nobody there; alerts are another test's.
        configuration.as_object_mut().unwrap().remove("alerting");
        let folder = world.folder(replica);
        Prometheus::classic(&program("prometheus").unwrap(), &folder, &configuration.to_string())
    });
    for prometheus in &replicas {
        each_sidecar_is_up_once(prometheus);
    }
    world.serve(&replicas[0]);
    for prometheus in &replicas {
        for (workload, total) in [("podinfo", 16.0), ("podinfo-primary", 8.0), ("legacy", 8.0)] {
            let own = format!("sum(istio_requests_total{{destination_workload=\"{workload}\"}})");
            prometheus.wait_for(&own, total);
        }
    }
}

#[test]
fn the_plain_prometheus_has_every_service_up() {
    let Some(world) = World::start("the_plain_prometheus_has_every_service_up") else { return };
    let example = repository().join("examples/plain-prometheus");
    // What the injector sets where podmeter.io/prometheus-annotations says "add".
    let pods = world.annotated_pods();
    let configuration = configuration(&world, &example, &pods);
    let prometheus = world.prometheus(&configuration);
    for job in ["podinfo", "podinfo-primary", "legacy"] {
        prometheus.wait_for(&format!("min by (job) (up{{job=\"{job}\"}})"), 1.0);
    }
    world.serve(&prometheus);
    let errors = "sum by (job) (istio_requests_total{reporter=\"destination\", response_code!=\"200\", job=\"legacy\"})";
    prometheus.wait_for(errors, 4.0);
    // Each port of a pod is found, and all of them come to one target.
    assert_eq!(prometheus.query("up").len(), 4);
    // What the page asks; of the processes only a pod of its own could tell.
    let page = std::fs::read_to_string(example.join("README.md")).unwrap();
    let asked: Vec<String> =
        queries(&page).into_iter().filter(|query| query.contains("http_request")).collect();
    assert_eq!(asked.len(), 8);
    for query in asked {
        eventually(&query, || match prometheus.query(&query).len() {
            0 => Err("no answer".to_owned()),
            _ => Ok(()),
        });
    }
}

#[test]
fn the_monitors_of_the_examples_select_what_they_say() {
    let Some(world) = World::start("the_monitors_of_the_examples_select_what_they_say") else {
        return;
    };
    let mut all = objects(&world.helm, &repository().join("examples/canary-and-primary"));
    all.extend(objects(&world.helm, &repository().join("examples/server-without-metrics")));
    let mut pods = world.pods();
    let web = Pod { namespace: "web", name: "web-0", labels: &[("app", "web")], ..pods.remove(3) };
    pods.push(web);
    let configs = scrape_configs(&all, &pods);
    assert_eq!(configs.len(), 3);
    let prometheus = world.prometheus(&json!({ "scrape_configs": configs }));
    for job in ["podinfo", "podinfo-primary", "web"] {
        prometheus.wait_for(&format!("up{{job=\"{job}\"}}"), 1.0);
    }
    assert_eq!(prometheus.query("up").len(), 3);
}

#[test]
fn every_query_of_the_pages_is_understood() {
    let name = "every_query_of_the_pages_is_understood";
    let Some(prometheus) = program("prometheus") else { return skip(name, "it needs prometheus") };
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::classic(&prometheus, folder.path(), "scrape_configs: []");
    let mut pages: Vec<PathBuf> = folders().iter().map(|folder| folder.join("README.md")).collect();
    pages.push(repository().join("docs/kubernetes.md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let queries = queries(&text);
        assert!(!queries.is_empty(), "{} asks nothing", page.display());
        for query in queries {
            // Understood; there is nothing to find here.
            assert!(prometheus.query(&query).is_empty(), "{query}");
        }
    }
}

/// The queries of a page: what `query=` or the function `ask` is given, and cells of tables that ask.
fn queries(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["'query=", "ask '"] {
        for part in page.split(start).skip(1) {
            found.push(part[..part.find('\'').unwrap()].to_owned());
        }
    }
    let cells = page.lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split('`'));
    let asks = |cell: &&str| {
        let families = ["istio_request", "http_request", "process_"];
        families.iter().any(|family| cell.contains(family)) && cell.contains(['{', '['])
    };
    found.extend(cells.filter(asks).map(str::to_owned));
    found
}

/// The configuration of an example's Prometheus, with discovery replaced by a list of pods.
fn configuration(world: &World, example: &Path, pods: &[Pod]) -> Value {
    let objects = objects(&world.helm, example);
    let mut maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
    let text = maps.find_map(|map| map["data"]["prometheus.yml"].as_str()).unwrap();
    let path = world.folder("configuration").join("prometheus.yml");
    std::fs::write(&path, text).unwrap();
    let mut configuration = yaml(&world.helm, &[path]).remove(0).remove(0);
    configuration.as_object_mut().unwrap().remove("rule_files");
    configuration["global"]["scrape_interval"] = json!("1s");
    configuration["global"]["scrape_timeout"] = json!("1s");
    let jobs = configuration["scrape_configs"].as_array_mut().unwrap();
    assert_eq!(jobs.len(), 1);
    let found = jobs[0].as_object_mut().unwrap().remove("kubernetes_sd_configs");
    assert_eq!(found, Some(json!([{ "role": "pod" }])));
    jobs[0]["static_configs"] = json!(discovered(pods));
    configuration
}

/// The folders of the five examples.
pub(crate) fn folders() -> [PathBuf; 5] {
    [
        "canary-and-primary",
        "plain-prometheus",
        "preforking-python",
        "server-without-metrics",
        "two-prometheus-replicas",
    ]
    .map(|name| repository().join("examples").join(name))
}

/// Takes the discovery of pods out of a configuration: Debian's promtool was built without it.
fn without_discovery(helm: &Helm, file: &Path) {
    let mut configuration = yaml(helm, &[file.to_owned()]).remove(0).remove(0);
    for job in configuration["scrape_configs"].as_array_mut().unwrap() {
        let discovery = job.as_object_mut().unwrap().remove("kubernetes_sd_configs").unwrap();
        let roles = [json!([{ "role": "pod" }]), json!([{ "role": "node" }])];
        assert!(roles.contains(&discovery), "{discovery}");
    }
    std::fs::write(file, configuration.to_string()).unwrap();
}

/// The objects in the files of a folder.
pub(crate) fn objects(helm: &Helm, folder: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_yaml = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "yaml");
    let mut files: Vec<PathBuf> = files.filter(is_yaml).collect();
    files.sort();
    yaml(helm, &files).into_iter().flatten().collect()
}

/// The documents of each file.
fn yaml(helm: &Helm, files: &[PathBuf]) -> Vec<Vec<Value>> {
    serde_json::from_value(helm.run("yaml_of.py", &json!(files))).unwrap()
}

/// Runs a command that must succeed; what it said.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(output.status.success(), "{command:?}: {}\n{}", said[0], said[1]);
    said[0].clone()
}
