//! What `--app-metrics` and its key take, and what they refuse.

use super::super::{Config, ProxyArgs};
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn read(text: &str) -> Result<Vec<AppMetrics>, ConfigError> {
    read_all(&[text])
}

fn one(text: &str) -> AppMetrics {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn wrong(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

/// The sources of a file in which `value` is under the key `app-metrics`.
fn of_file(value: &serde_json::Value) -> Result<Vec<AppMetrics>, String> {
    let args: ProxyArgs = serde_json::from_value(json!({ "forward": "1=2", "app-metrics": value }))
        .map_err(|error| error.to_string())?;
    Config::try_from(args).map(|config| config.app_metrics).map_err(|error| error.to_string())
}

fn sum(source: &AppMetrics) -> &SumRules {
    let SourceMode::Sum(rules) = &source.mode else { panic!("not sum: {source}") };
    rules
}

#[test]
fn a_socket_is_named_by_its_path_and_the_path_to_ask_for() {
    for (text, socket, path, shown) in [
        ("unix:/run/app.sock", "/run/app.sock", "/metrics", "unix:/run/app.sock:/metrics"),
        ("unix:/run/a.sock:/m?x=1", "/run/a.sock", "/m?x=1", "unix:/run/a.sock:/m?x=1"),
        ("unix:///run/a.sock:/", "/run/a.sock", "/", "unix:/run/a.sock:/"),
        ("UNIX:/a:b:/m?u=http://h/", "/a:b", "/m?u=http://h/", "unix:/a:b:/m?u=http://h/"),
        ("unix:@app:/m", "@app", "/m", "unix:@app:/m"),
    ] {
        let source = one(text);
        assert_eq!(source.url.place(), &Place::Socket(socket.to_owned()), "{text}");
        assert_eq!(source.url.path_and_query().as_str(), path, "{text}");
        assert_eq!(source.url.to_string(), shown);
        assert_eq!(source.name, shown.split('?').next().unwrap());
        assert_eq!(source.url.authority(), "localhost");
    }
    let long = format!("unix:/{}", "x".repeat(107));
    for text in
        ["unix:", "unix:a", "unix:/", "unix:@", "unix:/a/", "unix:/a?x=1", "unix:/a:", &long]
    {
        assert!(wrong(text).contains("but it takes unix: and the path of a socket"), "{text}");
    }
}

#[test]
fn https_has_its_own_port_and_options() {
    let source = one("https://app/metrics");
    assert_eq!(source.url.place(), &Place::Network { host: "app".to_owned(), port: 443 });
    assert_eq!(source.tls, Some(SourceTls::default()));
    assert_eq!(source.url.authority(), "app");
    let source = one("https://[::1]:9443,ca=\"/a b.pem\",server-name=shop.example,cert=c,key=k");
    assert_eq!(source.url.to_string(), "https://[::1]:9443/metrics");
    let tls = source.tls.unwrap();
    assert_eq!(tls.trust, Trust::File("/a b.pem".into()));
}

#[test]
fn options_of_tls_need_https_and_those_of_sum_need_sum() {
    for key in ["ca", "server-name", "cert", "key", "insecure-skip-verify"] {
        let sentence = format!(
            "--app-metrics is \"9102,{key}=true\", but {key}= has a meaning only where the URL \
             begins with https://"
        );
        assert_eq!(wrong(&format!("9102,{key}=true")), sentence);
    }
    for option in ["gauges=max", "workers=2", "gauge.a=max"] {
        for mode in ["", ",mode=label"] {
            let sentence = wrong(&format!("9102{mode},{option}"));
            assert!(sentence.ends_with("= has a meaning only with mode=sum"), "{sentence}");
        }
    }
}

#[test]
fn sources_that_are_added_up_have_one_rule_for_each_gauge() {
    let read = |texts: &[&str]| read_all(texts).map(|_| ()).map_err(|error| error.to_string());
    for texts in [
        ["1,mode=sum,gauges=max", "2,mode=sum"],
        ["1,mode=sum,gauge.a=max", "2,mode=sum,gauge.b=min"],
        ["1,mode=sum,gauges=max", "2,mode=sum,gauges=min,group=x"],
        ["1,mode=sum,gauges=max,group=x", "2,mode=sum,gauges=max,group=x"],
    ] {
        assert_eq!(read(&texts), Ok(()));
    }
    for texts in [
        ["1,mode=sum,gauges=max", "2,mode=sum,gauges=min"],
        ["1,mode=sum,gauge.a=max,group=x", "2,mode=sum,gauge.a=min,group=x"],
    ] {
        let sentence = read(&texts).unwrap_err();
        assert!(sentence.contains("http://127.0.0.1:2/metrics"), "{sentence}");
        assert!(sentence.contains("give both the same, or each a group= of its own"));
    }
    let group = one("1,mode=sum,group=shop");
    assert_eq!(sum(&group).group.as_deref(), Some("shop"));
    assert_eq!(one(&group.to_string()), group);
}

#[test]
fn sum_has_a_rule_for_gauges_and_rules_for_single_families() {
    assert_eq!(sum(&one("9102,mode=sum")), &SumRules::default());
    let source = one("9102,workers=64,gauge.a.b=last,gauges=max,gauge.a:b=label,mode=sum");
    let rules = sum(&source);
    assert_eq!(rules.gauge["a.b"], GaugeRule::Last);
    assert_eq!(rules.gauge["a:b"], GaugeRule::Label);
    assert_eq!(rules.gauges, GaugeRule::Max);
    assert_eq!(rules.workers, 64);
    for text in ["mode=sum,gauges=mean", "mode=sum,gauge.a=", "gauge.a=all,mode=sum"] {
        let sentence = wrong(&format!("9102,{text}"));
        assert!(sentence.ends_with("takes sum, max, min, last or label as rule for gauges"));
    }
    assert!(wrong("1,mode=sum,gauge.=max").contains("with the name of a family"));
    assert!(wrong("1,mode=sum,gauge.a=max,gauge.a=min").contains("has gauge.a= twice"));
    assert!(wrong("1,mode=sum,workers=0").contains("workers= with a whole number from 1 to 64"));
}

#[test]
fn whoever_asks_says_so_in_one_way() {
    for (text, expected) in [
        ("9102", Authorization::None),
        ("9102,forward-authorization=false", Authorization::None),
        ("9102,basic-auth-file=/a", Authorization::Basic("/a".into())),
        ("9102,bearer-token-file=t", Authorization::Bearer("t".into())),
        ("9102,forward-authorization=true", Authorization::Forwarded),
        (
            "9102,basic-auth-user=me@corp,basic-auth-password-file=\"/a,b c\"",
            Authorization::BasicPassword { user: "me@corp".to_owned(), file: "/a,b c".into() },
        ),
    ] {
        assert_eq!(one(text).authorization, expected, "{text}");
    }
    let ways = ["basic-auth-file=a", "bearer-token-file=b", "forward-authorization=true"];
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        let sentence = wrong(&format!("1,{},{}", ways[one], ways[other]));
        assert!(sentence.contains("says in more than one way who asks"), "{sentence}");
        let sentence = wrong(&format!("1,{},header=authorization:x", ways[one]));
        assert!(sentence.contains("says in more than one way who asks"), "{sentence}");
    }
    assert!(wrong("1,basic-auth-user=a").ends_with("go together only"));
    assert!(wrong("1,forward-authorization=yes").contains("=true or forward-authorization=false"));
    assert!(wrong("https://a,cert=c").ends_with("cert= and key= go together only"));
    assert!(wrong("https://a,ca=c,insecure-skip-verify=true").ends_with("keep one"));
}

#[test]
fn a_header_is_written_as_http_has_it_with_quotes_or_without() {
    let given = |text: &str| {
        let headers = one(text).headers;
        let [SourceHeader { name, value: HeaderText::Given(value) }] = &headers[..] else {
            panic!("{headers:?}")
        };
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let header = |value: &str| ("x-key".to_owned(), value.to_owned());
    assert_eq!(given("1,header=X-Key:abc"), header("abc"));
    assert_eq!(given("1,header=X-Key: a b,name=c"), header("a b"));
    assert_eq!(given("1,header=X-Key: a b\n"), header("a b"));
    assert_eq!(given("1,header=\"X-Key: a, \\\"b\\\\ c\",name=c"), header("a, \"b\\ c"));
    assert_eq!(given("1,header=X-Key: \"a\""), header("\"a\""));
    assert_eq!(given("1,header=X-Key: 9102"), header("9102"));
    let two = read("1,header=X-Key: a b\n2,name=c").unwrap();
    assert_eq!((two.len(), two[1].name.as_str()), (2, "c"));
    let file = one("1,header-file=X-Key:/run/key").headers.remove(0);
    assert_eq!(file.value, HeaderText::File("/run/key".into()));
    assert!(wrong("1,header=X-Key: a 9102").contains("put double quotes around"));
    assert!(wrong("1,header=X-Key: a,x-key=").contains("what follows the comma behind header="));
    assert!(wrong("1,header=a:1,header-file=A:/f").contains("has the header a twice"));
    assert!(wrong("1,header=Accept:x").contains("is podmeter's own to write"));
    for text in
        ["1,header=a", "1,header=:a", "1,header=a b:c", "1,header=\"a:x\ny\"", "1,header-file=a:"]
    {
        assert!(wrong(text).contains("as HTTP has them"), "{text}");
    }
    assert!(wrong("1,name=\"a").contains("has none at its end"));
    assert!(wrong("1,ca=\"a\"b").contains("goes on behind the double quote"));
}

#[test]
fn a_header_is_hidden_wherever_it_is_shown_and_that_is_no_value() {
    let source = one("1,header=X-Key: s3cret,header-file=\"X-File:/run/my key\",name=a");
    let shown = source.to_string();
    assert_eq!(
        shown,
        "http://127.0.0.1:1/metrics,name=a,header=\"x-key: (hidden)\",header-file=\"x-file:/run/my \
         key\""
    );
    assert!(!format!("{source:?}").contains("s3cret"));
    let sentence = wrong(&shown);
    assert!(sentence.contains("the value of the header x-key was hidden where"), "{sentence}");
}

#[test]
fn a_source_of_the_file_may_be_a_mapping() {
    let sources = of_file(&json!([
        9102,
        {
            "url": "https://app:9443/m?a=1,2",
            "name": "shop",
            "ca": "/etc/my ca,1.pem",
            "timeout": "2s",
            "max-samples": 500,
            "insecure-skip-verify": false,
            "headers": { "X-A": "a, \"b\"", "X-B": { "file": "/run/b" }, "X-C": 7 },
            "header": ["X-D: d", "X-E: e"],
            "mode": "sum",
            "gauges": "max",
            "gauge": { "a": "min" },
        },
    ]))
    .unwrap();
    let flags = "9102\n https://app:9443/m?a=1%2C2,name=shop,ca=\"/etc/my ca,1.pem\",timeout=2s,\
                 max-samples=500,header=\"X-A: a, \\\"b\\\"\",header-file=X-B:/run/b,header=X-C:7,\
                 header=X-D: d,header=X-E: e,mode=sum,gauges=max,gauge.a=min";
    assert_eq!(sources, read(flags).unwrap());
    assert_eq!(of_file(&json!({ "url": "9102" })).unwrap(), read("9102").unwrap());
    assert_eq!(of_file(&json!(null)).unwrap(), []);
    for (value, sentence) in [
        (json!([{ "name": "a" }]), "a source that is a mapping needs the key url"),
        (json!([[9102]]), "a source is a text or a mapping, not a list"),
        (json!([{ "url": 1, "headers": { "a": { "b": "c" } } }]), "with the one key file"),
        (json!([{ "url": 1, "name": { "b": "c" } }]), "one text belongs to the key \"name\""),
        (json!([{ "url": 1, "nmae": "a" }]), "\"nmae\" is no option of a source"),
        (json!([{ "url": 1, "a=b": "a" }]), "\"a=b\" is no option of a source"),
        (json!([{ "url": "1 2" }]), "the url of a source is one text without white space"),
    ] {
        let error = of_file(&value).unwrap_err();
        assert!(error.contains(sentence), "{error}");
    }
}

proptest! {
    #[test]
    fn any_source_that_is_shown_reads_back(
        url in "(9102|http://a/b|https://a:1/m|unix:/a:/m)",
        options in proptest::collection::vec(prop_oneof![
            "(name|server-name|basic-auth-file|bearer-token-file|ca|gauge\\.[a-c]|gauges)=[ -~]{0,9}",
            "(ca|basic-auth-file|header-file)=\"[a-d]:[ -~]{1,9}\"",
            "header-file=[a-d]:/[ -~]{1,9}",
            "(mode|gauges|gauge\\.[ab])=(sum|label|max)",
            "(workers|max-samples|max-bytes)=[0-9]{1,3}",
            "timeout=[0-9]{1,3}(ms|s|m)",
        ], 0..5),
    ) {
        let text = format!("{url},{}", options.join(","));
        if let Ok(sources) = read(&text) {
            let shown: Vec<String> = sources.iter().map(ToString::to_string).collect();
            let again: Vec<&str> = shown.iter().map(String::as_str).collect();
            prop_assert_eq!(read_all(&again), Ok(sources));
        }
    }

    #[test]
    fn no_text_makes_reading_panic_or_a_sentence_long(text in "[ -~\n]{0,60}") {
        if let Err(error) = read(&text) {
            prop_assert!(error.to_string().chars().count() < 1_000);
        }
    }
}
