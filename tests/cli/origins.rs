//! Of values that no flag gave it is said where they come from, and of secrets nothing.

use super::*;

#[test]
fn a_password_is_never_repeated() {
    let sentence = "--app-metrics has a user or password in its URL, where others can read it; \
                    put USER:PASSWORD into a file, and name that with basic-auth-file=FILE behind \
                    the URL";
    for value in ["http://me:secret@app/metrics", "https://secret@app/", "me:secret@app:1/m"] {
        assert_refused(&podmeter(&format!("{PROXY} --app-metrics {value}")), sentence);
    }
    for value in [
        "http://me:secret,s@app/",
        "http:/me:secret@app/",
        "http://me:s/secret@app:x/",
        "9102,bearer-token=secret",
        "9102,header=Authorization: Bearer secret,secret=a",
        "9102,header=A: \"secret\", secret, x",
        "9102,header=A\"secret\"",
        "9102,header=\"A: secret",
        "9102,header=\"A: secret\"secret",
        "9102,header=A: secret 9103",
        "9102,header=Host: secret,mode=secret",
        "9102,header=A:secret,header=a:secret",
        "9102,haeder=A: secret",
        "header=A:secret",
        "header=A: secret",
    ] {
        let output = program().args(PROXY.split(' ')).args(["--app-metrics", value]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
    }
}

#[test]
fn a_bad_value_that_no_flag_set_is_named_with_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("podmeter.yaml");
    std::fs::write(&path, "workers: 0\nstats-listen: 15000\n").unwrap();
    let path = path.to_str().unwrap();

    let output = program().args(PROXY.split(' ')).env("PODMETER_WORKERS", "none").output();
    assert_refused(
        &output.unwrap(),
        "--workers is \"none\", but it takes a whole number from 1 to 256 (--workers is set by \
         PODMETER_WORKERS)",
    );
    assert_refused(
        &podmeter(&format!("{PROXY} --config {path}")),
        &format!(
            "--workers is \"0\", but it takes a whole number from 1 to 256 (--workers is set by \
             {path})"
        ),
    );
    let both = program()
        .args(PROXY.split(' '))
        .args(["--workers", "1"])
        .env("PODMETER_CONFIG", path)
        .env("PODMETER_ADMIN_LISTEN", "15000")
        .output();
    assert_refused(
        &both.unwrap(),
        &format!(
            "--stats-listen on 0.0.0.0:15000 and --admin-listen on 127.0.0.1:15000 want the same \
             port; give each its own (--stats-listen is set by {path}, --admin-listen is set by \
             PODMETER_ADMIN_LISTEN)"
        ),
    );
    let odd = std::ffi::OsString::from_vec(vec![0xff]);
    let output = program().args(PROXY.split(' ')).env("PODMETER_POD", odd).output();
    assert_refused(
        &output.unwrap(),
        "PODMETER_POD is not valid UTF-8 text; set it to text, or unset it",
    );
}

#[test]
fn a_bad_file_is_named_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("podmeter.yaml");
    let shown = format!("--config is {path:?}");
    let refuse = |sentence: &str| {
        let output = podmeter(&format!("{PROXY} --config {}", path.display()));
        assert_refused(&output, &format!("{shown}, {sentence}"));
    };
    refuse("which could not be read: No such file or directory (os error 2)");
    for (text, sentence) in [
        (
            "\nstats_listen: 1\n",
            "but its line 2 has the key \"stats_listen\", which is no setting of the proxy; did \
             you mean stats-listen?",
        ),
        (
            "wrokers: 1\n",
            "but its line 1 has the key \"wrokers\", which is no setting of the proxy; did you \
             mean workers?",
        ),
        (
            "config: other.yaml\n",
            "but its line 1 has the key \"config\", which is no setting of the proxy; podmeter \
             proxy --help names them",
        ),
        (
            "workers: 1\nworkers: 2\n",
            "but its line 2 cannot be read: the key \"workers\" is there twice; give it once",
        ),
        (
            "workers: 1\n---\nworkers: 2\n",
            "but its line 3 cannot be read: a second document begins; keep all settings in one",
        ),
        (
            "- workers\n",
            "but its line 1 cannot be read: settings are written as KEY: VALUE, such as \
             stats-listen: 15090",
        ),
        (
            "workers: [1]\n",
            "but its line 1 cannot be read: one text or number belongs here, not a list or a \
             mapping",
        ),
        (
            "pod: a\nforward: {8080: 8081}\n",
            "but its line 2 cannot be read: one text or a list of texts belongs here; put quotes \
             around each text",
        ),
        (
            "service: 1.10\n",
            "but its line 1 cannot be read: one text or a list of texts belongs here; put quotes \
             around each text",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        refuse(sentence);
    }
    let bounds =
        "dialect: mine\ncustom-dialects:\n  mine:\n  - {family: a, kind: histogram, buckets: ";
    for (infinite, why) in [
        (".inf", "the bucket without a bound is always there; leave it out"),
        ("+.Inf", "the bucket without a bound is always there; leave it out"),
        (".nan", "\".nan\" is no bound"),
        ("1e999", "the bucket without a bound is always there; leave it out"),
    ] {
        std::fs::write(&path, format!("{bounds}[1, {infinite}]}}\n")).unwrap();
        let output = podmeter(&format!("{PROXY} --config {}", path.display()));
        let sentence = format!("the key custom-dialects.mine.a.buckets cannot be used: {why}");
        assert_refused(&output, &sentence);
    }
    std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
    refuse("which is longer than 1MiB; name a file of podmeter's settings");
    std::fs::write(&path, [0xff]).unwrap();
    refuse("which could not be read: stream did not contain valid UTF-8");
}
