//! The webhook as other programs see it: curl, openssl, promtool.

use super::api_server::ApiServer;
use super::client::{creation, pod};
use super::hook::{Files, Hook, NAME};
use super::process::program;
use super::{http, skip};
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn curl_and_openssl_agree_on_it() {
    let (Some(curl), Some(openssl)) = (program("curl"), program("openssl")) else {
        return skip::skip("curl_and_openssl_agree_on_it", "there is no curl or no openssl");
    };
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    let folder = files.folder.path();
    let (ca, body) = (folder.join("ca.crt"), folder.join("review.json"));
    std::fs::write(&ca, &files.authority.pem).unwrap();
    std::fs::write(&body, creation(&pod()).to_string()).unwrap();
    let port = hook.addr.port();
    let asked = Command::new(curl)
        .args(["--silent", "--show-error", "--fail", "--cacert"])
        .arg(&ca)
        .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
        .args(["--header", "Content-Type: application/json", "--data-binary"])
        .arg(format!("@{}", body.display()))
        .arg(format!("https://{NAME}:{port}/mutate?timeout=10s"))
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}");
    let review: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(review["response"]["allowed"], true);

    for (version, works) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        let greeted = Command::new(&openssl)
            .args(["s_client", "-connect", &hook.addr.to_string(), "-servername", NAME, version])
            .args(["-verify_return_error", "-verify_hostname", NAME, "-CAfile"])
            .arg(&ca)
            // Where the system forbids old versions, this program would not even try.
            .args(["-cipher", "DEFAULT@SECLEVEL=0"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&greeted.stdout);
        assert_eq!(greeted.status.success(), works, "{version}: {greeted:?}");
        assert_eq!(said.contains("Verify return code: 0 (ok)") && works, works, "{said}");
    }
}

#[test]
fn openssl_finds_what_we_make_ourselves_strictly_right() {
    let Some(openssl) = program("openssl") else {
        let test = "openssl_finds_what_we_make_ourselves_strictly_right";
        return skip::skip(test, "there is no openssl");
    };
    let server = ApiServer::start();
    let hook =
        Hook::with_authority("hook", &server, &["--cert-lifetime", "1h", "--ca-lifetime", "3h"]);
    hook.await_ready();
    let ca = server.path().join("ca.crt");
    std::fs::write(&ca, server.bundle()).unwrap();
    let greeted = Command::new(openssl)
        .args(["s_client", "-connect", &hook.addr.to_string(), "-servername", NAME])
        .args(["-x509_strict", "-purpose", "sslserver", "-verify_return_error"])
        .args(["-verify_hostname", NAME, "-CAfile"])
        .arg(&ca)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&greeted.stdout);
    assert!(greeted.status.success(), "{greeted:?}");
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    // Versions differ in their spaces.
    assert!(said.replace(' ', "").contains("subject=CN=podmeterinjector"), "{said}");
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let Some(promtool) = program("promtool") else {
        return skip::skip("promtool_finds_nothing_to_complain_about", "there is no promtool");
    };
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    assert_eq!(http::get(hook.status, "/").status, 404);
    let text = http::get(hook.status, "/metrics").body;
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(&text).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
