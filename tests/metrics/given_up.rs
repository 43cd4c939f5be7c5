//! What podmeter itself cuts short is its own fault, and nobody else's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use podmeter::exposition::Format;

use crate::scrape::Scrape;
use crate::support::app::TestApp;
use crate::support::proxy::TestProxy;
use crate::support::script::{Signals, Step};

#[test]
fn a_request_that_podmeter_gives_up_is_its_own_fault() {
    let request = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
    let app = TestApp::start(
        &[Step::Expect(request.len()), Step::ReadToEnd],
        &Arc::new(Signals::default()),
    );
    let flags = "--stats-listen 127.0.0.1:0 --idle-timeout 50ms --dialect linkerd,osm";
    let proxy = TestProxy::before(app.addr, flags);
    let mut client = TcpStream::connect(proxy.addr()).unwrap();
    client.write_all(request).unwrap();
    // Whether it sees a reset or an end is not the matter here.
    let _ = client.read(&mut [0]);
    app.recording();
    let scrape = Scrape::of(proxy.stats.unwrap(), Format::TEXT);
    let whose = |fault| scrape.sum("podmeter_exchanges_total", &[("fault", fault)]);
    let faults = ["none", "app", "client", "proxy"].map(whose).map(f64::to_bits);
    assert_eq!(faults, [0.0, 0.0, 0.0, 1.0].map(f64::to_bits));
    let ended = [("ending", "given_up")];
    assert_eq!(scrape.sum("podmeter_connections_closed_total", &ended).to_bits(), 1f64.to_bits());
    // It is a request without an answer, and no response.
    assert_eq!(scrape.sum("request_total", &[]).to_bits(), 1f64.to_bits());
    assert_eq!(scrape.sum("response_total", &[]).to_bits(), 0f64.to_bits());
    let code = [("response_code", "0")];
    assert_eq!(scrape.sum("osm_request_total", &code).to_bits(), 1f64.to_bits());
}
