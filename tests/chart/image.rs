//! The image: what its recipe puts in, and that the build finds all it reads. `cargo xtask image` makes
//! one and runs it.

use std::path::Path;

use crate::helm::repository;

#[test]
fn the_image_holds_the_binary_and_certificates_and_runs_as_1337() {
    let text = std::fs::read_to_string(repository().join("Dockerfile")).unwrap();
    let (_, last) = text.rsplit_once("\nFROM ").unwrap();
    let instructions: Vec<&str> = last
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter(|line| !line.starts_with("LABEL") && !line.starts_with("EXPOSE"))
        .collect();
    let expected = [
        "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
        "COPY --from=build /podmeter /podmeter",
        "USER 1337:1337",
        "ENTRYPOINT [\"/podmeter\"]",
    ];
    assert!(last.starts_with("scratch\n"), "{last}");
    assert_eq!(instructions, expected);
}

#[test]
fn the_build_of_the_image_is_given_all_that_it_reads() {
    let ignored = std::fs::read_to_string(repository().join(".dockerignore")).unwrap();
    let given: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("members = [\".\", \"xtask\"]"), "is a new member given?");
    for needed in ["Cargo.toml", "Cargo.lock", "src", "xtask", "benches", "tests"] {
        assert!(given.contains(&needed), "{needed}");
    }
    let mut files = Vec::new();
    sources(&repository().join("src"), &mut files);
    assert!(files.len() > 50);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for kind in ["include_str!(\"", "include_bytes!(\""] {
            for part in text.split(kind).skip(1) {
                let path = file.parent().unwrap().join(part.split('"').next().unwrap());
                let path = path.canonicalize().unwrap();
                let inside = path.strip_prefix(repository().canonicalize().unwrap()).unwrap();
                let is_given = given.iter().any(|given| inside.starts_with(given));
                assert!(is_given, "{} reads {}", file.display(), inside.display());
            }
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            // No part of the program.
            && !path.ends_with("tests.rs")
        {
            found.push(path);
        }
    }
}
