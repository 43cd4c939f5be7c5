//! Who asks for a part of the exposition gets that part, as valid as the whole.

use std::sync::mpsc::TryRecvError;

use podmeter::exposition::Format;

use crate::http::{Reply, ask, get};
use crate::scrape::{Scrape, accept};
use crate::scripted::{Held, exposition, says};
use crate::sidecar::Sidecar;
use crate::{FORMATS, also_valid_for_python};

const SHOP: &str = "# TYPE shop_orders counter\nshop_orders 0\n# TYPE shop_wait histogram\n\
                    shop_wait_bucket{le=\"1\"} 2\nshop_wait_bucket{le=\"+Inf\"} 3\nshop_wait_sum 9\n\
                    shop_wait_count 3\n";
const TILL: &str = "# TYPE till_open gauge\ntill_open 0\n";

fn sidecar(folder: &std::path::Path) -> Sidecar {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (shop, till) = (says(exposition(SHOP)), says(exposition(TILL)));
    let flags =
        format!("--app-metrics http://{shop},name=shop --app-metrics http://{till},name=till");
    Sidecar::start("podmeter", folder, says(answer), &flags)
}

fn part(sidecar: &Sidecar, query: &str, format: Format) -> Scrape {
    let path = format!("/stats/prometheus?{query}");
    let reply = ask(sidecar.stats, "GET", &path, &[("Accept", accept(format))]);
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some(format.content_type()));
    Scrape::read(reply.text(), format)
}

fn names(scrape: &Scrape) -> Vec<&str> {
    let mut names: Vec<_> = scrape.lines().iter().map(|line| &*line.name).collect();
    names.dedup();
    names
}

#[test]
fn a_filter_keeps_whole_families_in_which_the_expression_is_found() {
    let test = "a_filter_keeps_whole_families_in_which_the_expression_is_found";
    let folder = tempfile::tempdir().unwrap();
    let sidecar = sidecar(folder.path());
    for format in FORMATS {
        for query in ["filter=^shop_wait_sum$", "filter=p_w.*t_b", "filter=wait&filter=shop"] {
            let scrape = part(&sidecar, query, format);
            let histogram = ["shop_wait_bucket", "shop_wait_sum", "shop_wait_count"];
            assert_eq!(names(&scrape), histogram, "{query}");
            also_valid_for_python(test, &scrape.text, format);
        }
        let scrape = part(&sidecar, "filter=%5E(istio_requests|till_)", format);
        // OpenMetrics has the time since when a counter counts within its family.
        let mut expected = vec!["istio_requests_total", "istio_requests_created", "till_open"];
        expected.retain(|name| format != Format::TEXT || *name != "istio_requests_created");
        assert_eq!(names(&scrape), expected);
        let nothing = part(&sidecar, "filter=^no_such_name$", format);
        let empty = if format == Format::TEXT { "" } else { "# EOF\n" };
        assert_eq!(nothing.text, empty);
        // A filter is no less than all of it where all of it matches.
        let all = part(&sidecar, "filter=.", format);
        assert_eq!(names(&all), names(&part(&sidecar, "", format)));
    }
}

#[test]
fn usedonly_leaves_out_what_the_proxy_has_not_seen_yet() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = sidecar(folder.path());
    for format in FORMATS {
        let scrape = part(&sidecar, "usedonly", format);
        for unused in ["istio_requests_total", "istio_request_bytes_count"] {
            assert_eq!(scrape.count(unused, &[]), 0, "{unused}");
            assert!(part(&sidecar, "", format).count(unused, &[]) > 0, "{unused}");
        }
        // A gauge's zero, and whatever an app says.
        assert!(scrape.count("podmeter_connections_active", &[]) > 0);
        assert_eq!((scrape.count("till_open", &[]), scrape.count("shop_wait_sum", &[])), (1, 1));
        assert_eq!(
            scrape.lines().iter().filter(|line| line.name.starts_with("shop_orders")).count(),
            1
        );
    }
    assert_eq!(get(sidecar.inbound, "/").status, 200);
    for format in FORMATS {
        let scrape = part(&sidecar, "filter=istio_request&usedonly", format);
        assert!(scrape.value("istio_requests_total", &[]) > 0.0);
        assert!(scrape.value("istio_request_duration_milliseconds_count", &[]) > 0.0);
    }
}

#[test]
fn a_source_is_asked_alone_and_the_proxy_is_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let held = Held::start();
    let shop = says(exposition(SHOP));
    let flags = format!(
        "--app-metrics http://{shop},name=shop,mode=label --app-metrics http://{},name=held",
        held.addr
    );
    let sidecar = Sidecar::start("podmeter", folder.path(), says(""), &flags);
    for format in FORMATS {
        let scrape = part(&sidecar, "source=shop", format);
        assert!(!scrape.lines().is_empty());
        for line in scrape.lines() {
            assert!(line.name.starts_with("shop_"), "{line:?}");
            assert_eq!(line.labels["source"], "shop");
        }
        let own = part(&sidecar, "source=podmeter", format);
        assert!(own.count("istio_requests_total", &[]) > 0);
        assert_eq!(own.count("shop_wait_sum", &[]), 0);
        let both = part(&sidecar, "source=podmeter&source=shop&filter=^(shop|podmeter)_", format);
        assert!(both.count("podmeter_build_info", &[]) > 0);
        assert_eq!(both.count("shop_wait_sum", &[]), 1);
    }
    // Nor does a HEAD ask anybody.
    assert_eq!(ask(sidecar.stats, "HEAD", "/stats/prometheus", &[]).status, 200);
    assert_eq!(held.arrivals.try_recv(), Err(TryRecvError::Empty));

    held.answer.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nheld 1\n").unwrap();
    let scrape = part(&sidecar, "source=held", Format::TEXT);
    assert_eq!(names(&scrape), ["held"]);
    assert!(held.arrivals.try_recv().is_ok());
}

#[test]
fn a_query_that_makes_no_sense_is_400_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = sidecar(folder.path());
    let refused = |query: &str| -> Reply {
        let reply = get(sidecar.stats, &format!("/stats/prometheus?{query}"));
        assert_eq!(reply.status, 400, "{query}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.text().lines().count(), 1, "{query}: {}", reply.text());
        reply
    };
    let unknown = refused("source=app");
    assert_eq!(unknown.text(), "no source is called \"app\"; there are podmeter, shop, till\n");
    assert!(refused("filter=(").text().starts_with("filter=\"(\" is no regular expression: "));
    refused("filter=%ff");
    assert!(refused("filter=%zz").text().contains("% itself is written %25"));
    refused("filter=(((a{1,100}){1,100}){1,100})");
    refused(&format!("filter={}", "x".repeat(2000)));
    refused("source=shop&source=");
    for listener in [sidecar.stats, sidecar.admin] {
        let head = ask(listener, "HEAD", "/stats/prometheus?source=app", &[]);
        assert_eq!(head.status, 400);
        assert_eq!(get(listener, "/metrics?source=shop").status, 200);
    }
}
