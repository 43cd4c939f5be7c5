//! `WebSocket`s of Python's `websockets` and of npm's `ws`.

use serde_json::json;

use crate::counted::Counted;
use crate::peer::Peer;
use crate::process::{node_modules, program, python};
use crate::sidecar;
use crate::skip::skip;

#[test]
fn websockets_of_node_are_counted_frame_by_frame_and_by_close_code() {
    let test = "websockets_of_node_are_counted_frame_by_frame_and_by_close_code";
    let (Some(node), Some(modules)) = (program("node"), node_modules()) else {
        return skip(test, "node or PODMETER_NODE_MODULES is missing");
    };
    let modules = modules.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Peer::start(&node, "ws_peer.cjs", &[modules, "serve"], folder.path());
    let addr = server.wait_for("listen")["listen"].as_str().unwrap().parse().unwrap();
    let sidecar = sidecar(folder.path(), addr);
    let address = sidecar.inbound.to_string();
    let client = Peer::call(&node, "ws_peer.cjs", &[modules, "call", &address]);
    let counted = Counted::when_drained(&sidecar);
    let server = server.said_at_the_end();
    counted.has(&[("http 101 -", 20), ("http 400 -", 1)]);
    assert_eq!(client["refused"], 400);
    for (sender, said) in [("client", &client), ("app", &server)] {
        for kind in ["text", "binary", "continuation", "ping", "pong"] {
            let labels = [("from", sender), ("type", kind)];
            let frames = counted.value("podmeter_websocket_frames_total", &labels);
            assert!(frames > 0, "{kind} from {sender}");
            assert_eq!(said["frames"][kind], frames, "{kind} from {sender}");
        }
        // Each end answers a close frame with one, unless it hangs up.
        let labels = [("from", sender), ("type", "close")];
        assert_eq!(counted.value("podmeter_websocket_frames_total", &labels), 16, "{sender}");
    }
    let codes = ["1000", "1001", "1005", "1006", "1007", "1011", "3xxx", "4xxx"];
    let closed =
        codes.map(|code| counted.value("podmeter_websocket_closed_total", &[("code", code)]));
    assert_eq!(closed, [2, 2, 2, 4, 2, 2, 2, 4]);
    let said = json!({
        "1000": 2, "1001": 2, "1005": 2, "1006": 4, "1007": 2, "1011": 2, "3333": 2, "4001": 2, "4444": 2,
    });
    assert_eq!(client["closed"], said);
    assert_eq!(counted.value("podmeter_websocket_connections_active", &[]), 0);
    assert_eq!(counted.value("podmeter_websocket_duration_seconds_count", &[]), 20);
}

#[test]
fn websockets_are_counted_frame_by_frame_and_by_close_code() {
    let test = "websockets_are_counted_frame_by_frame_and_by_close_code";
    let Some(python) = python() else { return skip(test, "PODMETER_PYTHON is missing") };
    let folder = tempfile::tempdir().unwrap();
    let server = Peer::serve(&python, "websocket_peer.py", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let client = Peer::call(&python, "websocket_peer.py", &["call", &sidecar.inbound.to_string()]);
    let counted = Counted::when_drained(&sidecar);
    counted.has(&[("http 101 -", client["opened"].as_u64().unwrap())]);
    for kind in ["text", "binary", "ping"] {
        let labels = [("from", "client"), ("type", kind)];
        let frames = counted.value("podmeter_websocket_frames_total", &labels);
        assert_eq!(client[kind], frames, "{kind}");
    }
    let closed = |code| counted.value("podmeter_websocket_closed_total", &[("code", code)]);
    assert_eq!(["1000", "1001", "1006", "4xxx"].map(closed), [2, 1, 1, 1]);
    assert_eq!(counted.value("podmeter_websocket_connections_active", &[]), 0);
    assert_eq!(counted.value("podmeter_websocket_duration_seconds_count", &[]), 5);
}
