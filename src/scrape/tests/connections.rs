//! Connections: found or not, kept, lost, slow, and closed when nobody waits any more.

use super::server::{Server, ok};
use super::*;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};

#[tokio::test]
async fn a_port_where_nobody_listens_is_told_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/metrics");
    let error = ask(&sources(&[&url])).await.unwrap_err().to_string();
    assert_eq!(error, format!("{url}: nobody listens there (connection refused)"));
}

#[tokio::test]
async fn names_and_ipv6_addresses_are_found() {
    let four = Server::answering(ok("a 4\n"));
    let by_name = format!("http://localhost:{}/", four.address().port());
    assert_eq!(ask(&sources(&[&by_name])).await.unwrap().bytes, "a 4\n");

    let answer = |_, mut peer: server::Peer| {
        let head = peer.request().unwrap();
        peer.send(&ok(head.lines().find(|line| line.starts_with("host:")).unwrap()));
    };
    let six = Server::start_at("[::1]:0", answer);
    let host = format!("host: {}", six.address());
    assert_eq!(ask(&sources(&[&six.url()])).await.unwrap().bytes, host);
}

#[tokio::test]
async fn a_source_that_never_answers_costs_the_deadline() {
    let server = Server::start(|_, mut peer| peer.wait_until_gone());
    let error = ask_within(&sources(&[&server.url()]), SHORT).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoAnswer(_)), "{error}");
}

#[tokio::test]
async fn waiting_for_a_source_takes_no_processor() {
    let server = Server::start(|_, mut peer| peer.wait_until_gone());
    let sources = sources(&[&server.url(), &server.url()]);
    let scraper = Scraper::at(Instant::now() + SHORT);
    let mut scrape = Box::pin(sources.fetch(&scraper, |_| true));
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        scrape.as_mut().poll(cx)
    })
    .await;
    assert!(polls < 50, "{polls} polls");
}

#[tokio::test]
async fn a_source_that_floods_leaves_the_thread_to_others_every_few_pieces() {
    let server = Server::start(|_, mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.send(&b"1\r\n#\r\n".repeat(80_000));
        peer.send(b"0\r\n\r\n");
    });
    let sources = sources(&[&server.url()]);
    let scraper = Scraper::at(Instant::now() + PLENTY);
    let mut scrape = Box::pin(sources.fetch(&scraper, |_| true));
    let mut polls = 0;
    let fetched = poll_fn(|cx| {
        polls += 1;
        scrape.as_mut().poll(cx)
    })
    .await;
    assert_eq!(fetched[0].outcome.as_ref().unwrap().bytes.len(), 80_000);
    assert!(polls > 500, "{polls} polls");
}

#[tokio::test]
async fn a_source_that_trickles_costs_the_deadline() {
    let trickle = |head: &'static [u8]| {
        Server::start(move |_, mut peer| {
            peer.request();
            peer.send(head);
            while peer.stays(Duration::from_millis(5)) && peer.send(b"1") {}
        })
    };
    let head = trickle(b"HTTP/1.1 200 OK\r\nX: ");
    let error = ask_within(&sources(&[&head.url()]), SHORT).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoAnswer(_)), "{error}");
    let body = trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    let error = ask_within(&sources(&[&body.url()]), ENOUGH).await.unwrap_err();
    assert!(matches!(error.cause, Cause::TooSlow { received: 1.., .. }), "{error}");
}

#[tokio::test]
async fn a_deadline_that_is_over_gives_every_source_an_error() {
    let server = Server::start(|_, mut peer| peer.wait_until_gone());
    let sources = sources(&[&server.url(), &server.url()]);
    let fetched = sources.fetch(&Scraper::at(Instant::now()), |_| true).await;
    assert_eq!(fetched.len(), 2);
    assert!(fetched.iter().all(|fetched| fetched.outcome.is_err()));
}

#[tokio::test]
async fn no_sources_are_asked_in_no_time() {
    assert!(sources(&[]).fetch(&Scraper::at(Instant::now() + PLENTY), |_| true).await.is_empty());
}

#[tokio::test]
async fn a_connection_carries_one_scrape_after_another() {
    let server = Server::answering(ok("a 1\n"));
    let sources = sources(&[&server.url()]);
    for _ in 0..20 {
        assert_eq!(ask(&sources).await.unwrap().bytes, "a 1\n");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_source_that_closes_after_each_answer_is_asked_on_new_connections() {
    let answers: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\na 1\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\na 1\n",
        // Does not say that it will.
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n",
    ];
    for answer in answers {
        let server = Server::start(move |_, mut peer| {
            peer.request();
            peer.send(answer);
        });
        let sources = sources(&[&server.url()]);
        for scrape in 1..=5 {
            assert_eq!(ask(&sources).await.unwrap().bytes, "a 1\n");
            assert_eq!(server.accepted(), scrape);
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_breaks_under_the_next_request_is_replaced_once() {
    // Each connection answers one request, reads another and closes without an answer to it.
    let server = Server::start(|_, mut peer| {
        peer.request();
        peer.send(&ok("a 1\n"));
        peer.request();
    });
    let sources = sources(&[&server.url()]);
    for scrape in 1..=3 {
        assert_eq!(ask(&sources).await.unwrap().bytes, "a 1\n");
        assert_eq!(server.accepted(), scrape);
    }
}

#[tokio::test]
async fn a_new_connection_that_breaks_is_not_tried_again() {
    let server = Server::start(|number, mut peer| {
        peer.request();
        if number == 0 {
            peer.send(&ok("a 1\n"));
            peer.request();
        }
    });
    let sources = sources(&[&server.url()]);
    ask(&sources).await.unwrap();
    let error = ask(&sources).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Hangup), "{error}");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn an_answer_to_nothing_is_not_taken_for_the_next_one() {
    let server = Server::start(|_, mut peer| {
        peer.request();
        // A body that is longer than it says: what looks like an answer is none.
        peer.send(&[ok("a 1\n"), ok("a 666\n")].concat());
        peer.wait_until_gone();
    });
    let sources = sources(&[&server.url()]);
    for scrape in 1..=3 {
        assert_eq!(ask(&sources).await.unwrap().bytes, "a 1\n");
        assert_eq!(server.accepted(), scrape);
    }
}

#[tokio::test]
async fn sources_are_asked_side_by_side_and_answer_in_order() {
    // Nobody answers before all are asked.
    let all_asked = Arc::new(Barrier::new(3));
    let server = |body: &'static str| {
        let all_asked = Arc::clone(&all_asked);
        Server::start(move |_, mut peer| {
            peer.request();
            all_asked.wait();
            peer.send(&ok(body));
        })
    };
    let (a, b, c) = (server("a 1\n"), server("b 1\n"), server("c 1\n"));
    let sources = sources(&[&a.url(), &b.url(), &c.url()]);
    let fetched = sources.fetch(&Scraper::at(Instant::now() + PLENTY), |_| true).await;
    let names: Vec<&str> = fetched.iter().map(|fetched| fetched.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let bodies: Vec<Bytes> = fetched.into_iter().map(|f| f.outcome.unwrap().bytes).collect();
    assert_eq!(bodies, ["a 1\n", "b 1\n", "c 1\n"]);
}

#[tokio::test]
async fn a_hanging_source_takes_nothing_from_the_others() {
    let hanging = Server::start(|_, mut peer| peer.wait_until_gone());
    let flooding = Server::start(|_, mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while peer.send(b"1\r\n#\r\n") {}
    });
    let good = Server::answering(ok("a 1\n"));
    let sources = sources(&[&hanging.url(), &flooding.url(), &good.url()]);
    let fetched = sources.fetch(&Scraper::at(Instant::now() + ENOUGH), |_| true).await;
    assert!(fetched[0].outcome.is_err());
    assert!(fetched[1].outcome.is_err());
    assert_eq!(fetched[2].outcome.as_ref().unwrap().bytes, "a 1\n");
}

#[tokio::test]
async fn scrapes_at_the_same_time_have_connections_of_their_own_and_one_is_kept() {
    let both_asked = Barrier::new(2);
    let server = Server::start(move |_, mut peer| {
        for round in 0.. {
            if peer.request().is_none() {
                return;
            }
            if round == 0 {
                both_asked.wait();
            }
            peer.send(&ok("a 1\n"));
        }
    });
    let sources = sources(&[&server.url()]);
    let (one, two) = tokio::join!(ask(&sources), ask(&sources));
    assert_eq!((one.unwrap().bytes, two.unwrap().bytes), ("a 1\n".into(), "a 1\n".into()));
    ask(&sources).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_scrape_that_nobody_waits_for_closes_its_connections() {
    let (events, told) = mpsc::channel();
    let server = Server::start(move |_, mut peer| {
        peer.request();
        events.send("asked").unwrap();
        peer.wait_until_gone();
        events.send("gone").unwrap();
    });
    let sources = sources(&[&server.url()]);
    let scraper = Scraper::at(Instant::now() + PLENTY);
    let mut scrape = Box::pin(sources.fetch(&scraper, |_| true));
    let told = tokio::task::spawn_blocking(move || {
        let asked = told.recv_timeout(PLENTY);
        (asked, told)
    });
    let told = tokio::select! {
        _ = &mut scrape => panic!("nobody answered"),
        told = told => told.unwrap(),
    };
    assert_eq!(told.0, Ok("asked"));
    drop(scrape);
    assert_eq!(told.1.recv_timeout(PLENTY), Ok("gone"));
    // Nobody knows how the source is doing, so nothing is said of it.
    assert_eq!(sources.health()[0].scraped_seconds_ago, None);
}

#[tokio::test]
async fn a_source_that_hangs_again_and_again_costs_less_and_is_seen_as_soon_as_it_answers() {
    let (times, told) = mpsc::channel();
    let answering = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&answering);
    let server = Server::start(move |_, mut peer| {
        let head = peer.request().unwrap();
        let time = head.split("x-prometheus-scrape-timeout-seconds: ").nth(1).unwrap();
        times.send(time.lines().next().unwrap().parse::<f64>().unwrap()).unwrap();
        if answers.load(Ordering::SeqCst) {
            peer.send(&ok("a 1\n"));
        }
        peer.wait_until_gone();
    });
    let sources = sources(&[&server.url()]);
    for hang in 1..=4 {
        let error = ask_within(&sources, ENOUGH).await.unwrap_err();
        assert!(error.cause.is_a_hang(), "{error}");
        let time = told.recv_timeout(PLENTY).unwrap();
        assert_eq!(time > 1.0, hang <= 3, "hang {hang} had {time} s");
        assert_eq!(sources.health()[0].hurried_for_seconds.is_some(), hang >= 3, "hang {hang}");
    }
    answering.store(true, Ordering::SeqCst);
    // A tenth of all this is more than it takes.
    assert_eq!(ask_within(&sources, 10 * PLENTY).await.unwrap().bytes, "a 1\n");
    assert_eq!(sources.health()[0].hurried_for_seconds, None);
}

#[tokio::test]
async fn a_connection_that_failed_is_closed() {
    let (gone, told) = mpsc::channel();
    let server = Server::start(move |_, mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\n");
        peer.wait_until_gone();
        gone.send(()).unwrap();
    });
    let sources = sources(&[&server.url()]);
    ask(&sources).await.unwrap_err();
    told.recv_timeout(PLENTY).unwrap();
}
