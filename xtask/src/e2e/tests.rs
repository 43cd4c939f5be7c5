use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Programs that note what they are asked, and answer from a script.
struct Scripted {
    folder: PathBuf,
    tools: Tools,
}

impl Scripted {
    /// `answers` are the branches of a shell's `case` over all arguments of `kubectl`.
    fn new(name: &str, answers: &str) -> Self {
        let folder = crate::workspace::target_dir().unwrap().join(format!("xtask-e2e-{name}"));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let program = |name: &str, answers: &str| {
            let path = folder.join(name);
            let log = folder.join("log");
            let script = format!(
                "#!/bin/sh\necho \"{name} $*\" >> '{}'\ncd '{}'\ncase \"$*\" in\n{answers}\n*) ;;\nesac\n",
                log.display(),
                folder.display()
            );
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (kubectl, helm) = (program("kubectl", answers), program("helm", ""));
        Self { tools: Tools { kubectl, helm, pause: Duration::ZERO }, folder }
    }

    fn run(&self) -> Result<()> {
        let values = vec!["sidecar.settings.native-sidecar=false".to_owned()];
        let image = "registry.example/p:1".to_owned();
        run_with(
            &self.tools,
            &Options { image, chart: "charts/podmeter".into(), values, keep: false },
        )
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

/// A cluster in which all is as it should be; a Secret is another once it was emptied.
const WELL: &str = r#"
*"dry-run=server"*) echo "name: podmeter-proxy" ;;
*"apply"*) cat > manifest; if grep -q dialekt manifest; then echo "Warning: podmeter.io/dialekt" >&2; fi ;;
*"-l app=app -o jsonpath={.items[0].spec"*) echo "podmeter-init podmeter-proxy app" ;;
*"-l app=app -o"*) echo app-1 ;;
*"get pod client"*) echo Succeeded ;;
*"patch secret"*) touch patched ;;
*"get secret"*"tls"*) if [ -e patched ]; then echo new; else echo old; fi ;;
*"get secret"*) echo certs ;;
*"get --raw"*) echo 'istio_requests_total{reporter="destination",destination_workload="app",response_code="200"} 3' ;;
"#;

#[test]
fn in_a_cluster_where_all_is_well_every_step_passes_and_nothing_is_left() {
    let scripted = Scripted::new("well", WELL);
    scripted.run().unwrap();
    let asked = scripted.asked();
    let installed = "--set-string image.repository=registry.example/p,image.tag=1 \
                     --set sidecar.settings.native-sidecar=false";
    assert!(asked.contains(installed), "{asked}");
    assert!(asked.contains("helm uninstall podmeter -n podmeter-e2e-system"), "{asked}");
    let deleted = "podmeter-e2e-injected podmeter-e2e-other podmeter-e2e-system";
    assert!(asked.trim_end().ends_with(deleted), "{asked}");
}

#[test]
fn a_step_that_fails_is_named_and_the_cluster_is_cleaned_up_all_the_same() {
    for (name, from, to, said) in [
        ("count", "\"200\"} 3", "\"200\"} 2", "3 requests were made, and 2 are counted"),
        ("sidecar", "podmeter-init podmeter-proxy app", "app", "its containers are app"),
        ("warning", "Warning: podmeter.io/dialekt", "pod/misspelt created", "no warning was given"),
        ("rotation", "touch patched", "true", "there is no new certificate"),
        (
            "broken",
            "*\"get --raw\"*)",
            "*\"get --raw\"*) exit 3 ;; x)",
            "ended with exit status: 3",
        ),
    ] {
        assert!(WELL.contains(from), "{from}");
        let scripted = Scripted::new(name, &WELL.replace(from, to));
        let error = format!("{:#}", scripted.run().unwrap_err());
        assert!(error.starts_with("it is not so that ") && error.contains(said), "{error}");
        assert!(scripted.asked().contains("kubectl delete namespace"), "{name}");
    }
}

#[test]
fn the_command_line_is_read() {
    let parse =
        |words: &[&str]| Options::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(parse(&[]).unwrap().image.starts_with("podmeter/podmeter:"));
    let options = parse(&["--keep", "--image", "a:1"]).unwrap();
    assert_eq!((options.image.as_str(), options.keep), ("a:1", true));
    let options = parse(&["--set", "a=1", "--chart", "folder", "--set", "b=2"]).unwrap();
    assert_eq!(options.values, ["a=1", "b=2"]);
    assert_eq!(options.chart, PathBuf::from("folder"));
    assert_eq!(parse(&["--image"]).unwrap_err().to_string(), "--image lacks its value");
    assert_eq!(parse(&["--what"]).unwrap_err().to_string(), "e2e has no --what");
}

#[test]
fn the_client_asks_as_often_as_is_counted() {
    let asked = CLIENT.matches("http://").count();
    assert_eq!(asked, usize::try_from(manifests::REQUESTS).unwrap());
    assert!(CLIENT.contains(INJECTED));
    let options = Options::parse(&[]).unwrap();
    assert!(options.chart.join("Chart.yaml").exists());
}
