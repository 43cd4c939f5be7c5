//! Certificates in files that change.

use super::client::{Client, creation, pod};
use super::hook::{Files, Hook, NAME, TestAuthority};
use super::process::eventually;
use std::fs;
use std::os::unix::fs::symlink;

fn answers(hook: &Hook, authorities: &str) -> Result<(), String> {
    let review = creation(&pod()).to_string();
    let mut client = Client::connect(hook.addr, authorities).map_err(|error| error.to_string())?;
    client.post(review.as_bytes()).map_err(|error| error.to_string())?.response();
    Ok(())
}

#[test]
fn a_new_certificate_is_served_without_a_restart_and_a_half_written_one_is_not() {
    let files = Files::new();
    let mut hook = Hook::with_files(&files, &[]);
    let mut old = Client::connect(hook.addr, &files.authority.pem).unwrap();
    let next = TestAuthority::new();
    let (cert, key) = next.issue(&[NAME]);

    fs::write(files.cert(), &cert).unwrap();
    hook.await_log("the certificate in service stays: --tls-cert is ");
    hook.await_log("do not belong together");
    answers(&hook, &files.authority.pem).unwrap();
    assert!(hook.metric(&["certificate_loads_total", "failed"]) > 0.0);

    fs::write(files.key(), &key[..100]).unwrap();
    hook.await_log("the key is not in PEM, or broken");
    answers(&hook, &files.authority.pem).unwrap();

    fs::write(files.key(), &key).unwrap();
    eventually("the new one is served", || answers(&hook, &next.pem));
    assert!(answers(&hook, &files.authority.pem).is_err());
    // A connection keeps what it began with.
    old.post(creation(&pod()).to_string().as_bytes()).unwrap().response();

    fs::remove_file(files.key()).unwrap();
    hook.await_log("--tls-key is ");
    answers(&hook, &next.pem).unwrap();
    assert_eq!(hook.ready().0, 200);
    assert!(!hook.program.said().contains("PRIVATE"));
}

#[test]
fn a_mounted_secret_that_is_swapped_is_seen() {
    let files = Files::new();
    let mount = files.folder.path().join("mount");
    let publish = |number: u32, authority: &TestAuthority| {
        // As the kubelet does it: a folder for each version, and a link that is moved.
        let version = mount.join(format!("..{number}"));
        fs::create_dir_all(&version).unwrap();
        let (cert, key) = authority.issue(&[NAME]);
        fs::write(version.join("tls.crt"), cert).unwrap();
        fs::write(version.join("tls.key"), key).unwrap();
        let (next, data) = (mount.join("..data_tmp"), mount.join("..data"));
        symlink(version.file_name().unwrap(), &next).unwrap();
        fs::rename(next, data).unwrap();
    };
    publish(1, &files.authority);
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), mount.join(name)).unwrap();
    }
    let (cert, key) = (mount.join("tls.crt"), mount.join("tls.key"));
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let hook = Hook::start("mounted", files.folder.path(), &flags);
    answers(&hook, &files.authority.pem).unwrap();
    let next = TestAuthority::new();
    publish(2, &next);
    eventually("the swap is seen", || answers(&hook, &next.pem));
}

#[test]
fn metrics_say_when_the_certificate_expires() {
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    // The year 4096, which is what these are made for.
    let at = hook.metric(&["podmeter_injector_certificate_expiry_timestamp_seconds"]);
    assert!((at - 67_090_000_000.0).abs() < 1e8, "{at}");
    let left = hook.metric(&["podmeter_injector_certificate_expires_in_seconds"]);
    assert!(left > 60e9 && left < at, "{left}");
}
