//! nginx as the app: TLS, a password, compression, a Unix socket, all at once.

use std::path::Path;

use crate::nginx::Nginx;
use crate::process::free_port;
use crate::{assert_line, certificate, find, health, scrape, sidecar};

/// Puts a file in the place of another at once, as Kubernetes does with a Secret.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[test]
fn nginx_with_tls_and_a_password_is_merged_as_long_as_the_password_is_right() {
    let test = "nginx_with_tls_and_a_password_is_merged_as_long_as_the_password_is_right";
    let (Some(nginx), Some(openssl)) = (find(test, "nginx"), find(test, "openssl")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(&openssl, folder.path());
    let users = folder.path().join("users");
    std::fs::write(&users, "shop:{PLAIN}open sesame\n").unwrap();
    let samples: Vec<_> =
        (0..200).map(|n| format!("shop_orders_total{{n=\"{n}\"}} {n}\n")).collect();
    let body = format!("# TYPE shop_orders_total counter\n{}", samples.concat());
    std::fs::write(folder.path().join("metrics"), &body).unwrap();
    let addr = free_port();
    let server = format!(
        "default_type 'text/plain; version=0.0.4'; gzip on; gzip_types *; gzip_min_length 1;
  server {{
    listen {addr} ssl; ssl_certificate {}; ssl_certificate_key {};
    auth_basic shop; auth_basic_user_file {}; root {};
  }}",
        cert.display(),
        key.display(),
        users.display(),
        folder.path().display()
    );
    let locations = format!("root {};", folder.path().display());
    // nginx gives up its rights where it has some, and must still be able to read the files.
    open_to_all(folder.path());
    let mut running = Nginx::start(&nginx, folder.path(), &server, &locations);
    running.process.wait_for_port(addr);

    let password = folder.path().join("password");
    std::fs::write(&password, "shop:open sesame\n").unwrap();
    let source = format!(
        "https://{addr}/metrics,name=shop,ca={},basic-auth-file={}",
        cert.display(),
        password.display()
    );
    let podmeter = sidecar(folder.path(), &[source]);
    for _ in 0..2 {
        let lines = scrape(podmeter.stats);
        assert_line(&lines, "podmeter_app_scrape_up{source=\"shop\"} 1");
        assert_line(&lines, "podmeter_app_scrape_samples{source=\"shop\"} 200");
        assert_line(&lines, "shop_orders_total{n=\"199\"} 199");
    }
    let seen = health(podmeter.admin);
    assert_eq!(seen["content_encoding"], "gzip", "{seen}");
    assert!(seen["wire_bytes"].as_u64() < seen["bytes"].as_u64(), "{seen}");
    assert!(seen["notes"].to_string().contains("the authorities of ca= vouch for"), "{seen}");

    replace(&password, "shop:wrong");
    assert_line(&scrape(podmeter.stats), "podmeter_app_scrape_up{source=\"shop\"} 0");
    let seen = health(podmeter.admin);
    let told = "answered 401 Unauthorized; it was asked with the user and password of the file";
    assert!(seen["last_error"].as_str().unwrap().ends_with(told), "{seen}");
    replace(&password, "shop:open sesame");
    let lines = scrape(podmeter.stats);
    assert_line(&lines, "podmeter_app_scrape_up{source=\"shop\"} 1");
    assert_line(&lines, "podmeter_app_scrape_failures_total{source=\"shop\",reason=\"status\"} 1");
}

#[test]
fn nginx_at_a_unix_socket_is_merged_with_its_query() {
    let Some(nginx) = find("nginx_at_a_unix_socket_is_merged_with_its_query", "nginx") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let locations = format!(
        "listen unix:{};
    location = /stats {{ default_type text/plain; return 200 \"asked{{for=\\\"$arg_for\\\"}} 1\\n\"; }}",
        socket.display()
    );
    let _running = Nginx::start(&nginx, folder.path(), "", &locations);
    let source = format!("unix:{}:/stats?for=us,mode=label,name=web", socket.display());
    let podmeter = sidecar(folder.path(), &[source]);
    let lines = scrape(podmeter.stats);
    assert_line(&lines, "podmeter_app_scrape_up{source=\"web\"} 1");
    assert_line(&lines, "asked{for=\"us\",source=\"web\"} 1");
}

/// Lets whoever nginx's workers are read what is in a folder.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
