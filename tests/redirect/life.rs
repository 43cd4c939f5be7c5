//! The life of a pod: what comes first, what goes away for a while, and what is left.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::http::{get, try_ask};
use crate::pod::{POD, POD_SIX, STATS, TestPod};
use crate::process::eventually;
use crate::{pod, requests, sum};

const APP: SocketAddr = SocketAddr::new(POD, 8080);

/// Waits until the app answers as it should.
fn answers(pod: &TestPod, addr: SocketAddr) {
    eventually("the app answers", || {
        pod.in_node(|| try_ask(addr, "GET", "/", &[])).map(|reply| assert_eq!(reply.status, 200))
    });
}

#[test]
fn before_the_proxy_listens_clients_are_refused_and_then_they_are_served() {
    let Some(pod) = pod("before") else { return };
    let nginx = pod.nginx(&["8080", "[::]:8080 ipv6only=on"]);
    pod.redirect("apply");
    for ip in [POD, POD_SIX] {
        let early = pod.in_node(|| TcpStream::connect((ip, 8080)));
        assert_eq!(early.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    let _sidecar = pod.sidecar("");
    for ip in [POD, POD_SIX] {
        assert_eq!(pod.in_node(|| get(SocketAddr::new(ip, 8080), "/")).status, 200);
    }
    // Under TPROXY nobody stands between before the proxy does.
    drop(nginx);
}

#[test]
fn where_only_what_somebody_listens_for_is_intercepted_the_kernel_refuses_the_rest() {
    for (way, transparent) in [
        ("--backend nftables", false),
        ("--backend iptables", false),
        ("--backend nftables --mode tproxy", true),
        ("--backend iptables --mode tproxy", true),
    ] {
        let Some(pod) = pod("only listening") else { return };
        pod.redirect(&format!("apply --only-listening {way}"));
        let _sidecar = if transparent { pod.transparent_sidecar("") } else { pod.sidecar("") };
        let probe = |ip| pod.in_node(|| TcpStream::connect((ip, 8080)).map(drop));
        for ip in [POD, POD_SIX] {
            let refused = probe(ip).unwrap_err().kind();
            assert_eq!(refused, ErrorKind::ConnectionRefused, "{way}: {ip}");
        }
        let nginx = pod.nginx(&["8080", "[::]:8080 ipv6only=on"]);
        for ip in [POD, POD_SIX] {
            probe(ip).unwrap();
            assert_eq!(pod.in_node(|| get(SocketAddr::new(ip, 8080), "/")).status, 200, "{way}");
        }
        assert_eq!(nginx.log().len(), 2, "{way}");
        assert_eq!(requests(&pod, "destination", &[]), 2, "{way}");
        drop(nginx);
        assert_eq!(probe(POD).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{way}");
    }
}

#[test]
fn an_app_that_comes_late_or_again_is_found_at_once() {
    let Some(pod) = pod("late") else { return };
    pod.redirect("apply");
    let _sidecar = pod.sidecar("");
    assert!(pod.in_node(|| try_ask(APP, "GET", "/", &[])).is_err());
    for _ in 0..3 {
        let nginx = pod.nginx(&["8080"]);
        assert_eq!(pod.in_node(|| get(APP, "/")).status, 200);
        drop(nginx);
        std::fs::remove_file(pod.folder.path().join("app/nginx.pid")).ok();
        assert!(pod.in_node(|| try_ask(APP, "GET", "/", &[])).is_err());
    }
    assert_eq!(requests(&pod, "destination", &["response_code=\"200\""]), 3);
    assert_eq!(requests(&pod, "destination", &["response_flags=\"UF\""]), 4);
}

#[test]
fn a_proxy_that_is_started_anew_under_load_loses_no_count() {
    let Some(pod) = pod("restart") else { return };
    let nginx = pod.nginx(&["8080"]);
    pod.redirect("apply");
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut counted = 0;
    std::thread::scope(|scope| {
        let mut sidecar = pod.sidecar("--linger 30s --drain-timeout 1s");
        let load = || {
            pod.in_node(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Nobody is there for a moment, and that is what clients are told.
                    if try_ask(APP, "GET", "/", &[]).is_ok() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        };
        let loads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        for round in 1..=3 {
            let reached = answered.load(Ordering::Relaxed) + 50;
            eventually("requests are answered", || {
                let now = answered.load(Ordering::Relaxed);
                if now >= reached { Ok(()) } else { Err(format!("{now}")) }
            });
            sidecar.signal(Signal::TERM);
            if round < 3 {
                // It lingers for one last scrape, which gives the final numbers.
                counted += last_scrape(&pod, &mut sidecar);
                sidecar = pod.sidecar("--linger 30s --drain-timeout 1s");
            }
        }
        stop.store(true, Ordering::Relaxed);
        for load in loads {
            load.join().unwrap();
        }
        counted += last_scrape(&pod, &mut sidecar);
    });
    assert_eq!(counted, nginx.log().len() as u64);
    assert!(counted >= answered.load(Ordering::Relaxed));
}

/// The requests that a sidecar counted by its end.
fn last_scrape(pod: &TestPod, sidecar: &mut crate::process::Running) -> u64 {
    let mut last = 0;
    loop {
        let scraped = pod.in_node(|| try_ask(STATS, "GET", "/stats/prometheus", &[]));
        if let Ok(reply) = scraped {
            let lines =
                reply.text().lines().filter(|line| line.starts_with("istio_requests_total{"));
            last = lines.map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        }
        if !sidecar.is_running() {
            return last;
        }
    }
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let Some(pod) = pod("many") else { return };
    let nginx = pod.nginx(&["8080"]);
    pod.redirect("apply");
    // The kernel remembers what is closed for two minutes; a test need not wait for that.
    for what in ["time_wait", "close", "last_ack", "fin_wait", "close_wait"] {
        pod.root(&format!("sysctl -q -w net.netfilter.nf_conntrack_tcp_timeout_{what}=1"));
    }
    let _sidecar = pod.sidecar("");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                pod.in_node(|| {
                    for _ in 0..2500 {
                        let mut client = TcpStream::connect(APP).unwrap();
                        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                        client
                            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                            .unwrap();
                        let mut answer = String::new();
                        client.read_to_string(&mut answer).unwrap();
                        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                    }
                });
            });
        }
    });
    assert_eq!(nginx.log().len(), 10_000);
    assert_eq!(requests(&pod, "destination", &["response_code=\"200\""]), 10_000);
    eventually("all is closed and forgotten", || {
        let open = sum(&pod, &["podmeter_connections_active{"]);
        let tracked = pod.root("conntrack -L -p tcp --dport 8080");
        let tracked = tracked.lines().count();
        if open == 0 && tracked == 0 {
            Ok(())
        } else {
            Err(format!("{open} open, {tracked} tracked"))
        }
    });
}

#[test]
fn there_may_be_more_connections_in_a_minute_than_ports_to_make_them_from() {
    let Some(pod) = pod("ports") else { return };
    let nginx = pod.nginx(&["8080"]);
    pod.redirect("apply");
    // Each that its client closes is remembered for a minute, with its port.
    let setting = "/proc/sys/net/ipv4/ip_local_port_range";
    pod.in_pod(|| std::fs::write(setting, "32768 32868").unwrap());
    let _sidecar = pod.sidecar("");
    let mut answer = [0; 200];
    pod.in_node(|| {
        for number in 0..500 {
            let mut client = TcpStream::connect(APP).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let read = client.read(&mut answer);
            assert!(read.is_ok_and(|read| read > 0), "connection {number}");
        }
    });
    assert_eq!(nginx.log().len(), 500);
    assert_eq!(sum(&pod, &["podmeter_connections_refused_total{"]), 0);
}

#[test]
fn under_tproxy_clients_reach_the_app_while_the_proxy_is_away() {
    let Some(pod) = pod("away") else { return };
    let nginx = pod.nginx(&["8080"]);
    pod.redirect("apply --mode tproxy");
    assert_eq!(pod.in_node(|| get(APP, "/")).status, 200);
    let sidecar = pod.transparent_sidecar("");
    assert_eq!(pod.in_node(|| get(APP, "/")).status, 200);
    assert_eq!(requests(&pod, "destination", &[]), 1);
    drop(sidecar);
    answers(&pod, APP);
    assert!(nginx.log().len() >= 3);
}

#[test]
fn a_proxy_without_the_capability_says_so_where_tproxy_takes_it() {
    let Some(pod) = pod("no capability") else { return };
    let output = pod.app_says(&format!(
        "{} proxy --inbound-mode tproxy --stats-listen off --admin-listen off --health-listen off",
        pod.podmeter.display()
    ));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--inbound-mode tproxy needs the capability NET_ADMIN"), "{said}");
}
