//! Calls of Python's `grpcio`, and how they end.

use serde_json::{Value, json};

use crate::counted::Counted;
use crate::peer::Peer;
use crate::process::{program, python};
use crate::sidecar;
use crate::skip::skip;

#[test]
fn grpc_calls_and_messages_are_counted_as_both_ends_count_them() {
    let test = "grpc_calls_and_messages_are_counted_as_both_ends_count_them";
    let Some(python) = python() else { return skip(test, "PODMETER_PYTHON is missing") };
    let folder = tempfile::tempdir().unwrap();
    let server = Peer::serve(&python, "grpc_peer.py", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let client = Peer::call(&python, "grpc_peer.py", &["call", &sidecar.inbound.to_string()]);
    let counted = Counted::when_drained(&sidecar);
    let server = server.said_at_the_end();
    for (end, received) in [(&client, "received"), (&server, "sent")] {
        assert_eq!(end[received], counted.messages[1], "{received} of {end}");
    }
    assert_eq!(client["sent"], counted.messages[0]);
    assert_eq!(server["received"], counted.messages[0]);
    let codes = client["codes"].as_object().unwrap();
    let mut expected: Vec<_> = codes
        .iter()
        .map(|(code, count)| match code.as_str() {
            // Nobody has said how these ended.
            "cancelled" => ("grpc/2 200 DC".to_owned(), count.as_u64().unwrap()),
            code => (format!("grpc/{code} 200 -"), count.as_u64().unwrap()),
        })
        .collect();
    expected.sort();
    assert_eq!(expected.len(), 18);
    assert_eq!(counted.exchanges, expected);
    assert_eq!(counted.tcp_connections, 0);
}

#[test]
fn grpc_calls_whose_server_is_killed_are_broken_off_by_it() {
    let test = "grpc_calls_whose_server_is_killed_are_broken_off_by_it";
    let Some(python) = python() else { return skip(test, "PODMETER_PYTHON is missing") };
    let folder = tempfile::tempdir().unwrap();
    let server = Peer::serve(&python, "grpc_peer.py", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let address = sidecar.inbound.to_string();
    let mut client = Peer::start(&python, "grpc_peer.py", &["hold", &address, "7"], folder.path());
    client.wait_for("held");
    drop(server);
    let said = client.said_at_the_end();
    assert_eq!(said["codes"]["14"], 7);
    let counted = Counted::when_drained(&sidecar);
    counted.has(&[("grpc/0 200 -", 40), ("grpc/2 200 UPE", 7)]);
    assert_eq!(counted.messages, [47, 47]);
}

#[test]
fn grpc_calls_whose_client_is_killed_are_broken_off_by_it() {
    let test = "grpc_calls_whose_client_is_killed_are_broken_off_by_it";
    let Some(python) = python() else { return skip(test, "PODMETER_PYTHON is missing") };
    let folder = tempfile::tempdir().unwrap();
    let server = Peer::serve(&python, "grpc_peer.py", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let address = sidecar.inbound.to_string();
    let mut client = Peer::start(&python, "grpc_peer.py", &["hold", &address, "9"], folder.path());
    client.wait_for("held");
    drop(client);
    let counted = Counted::when_drained(&sidecar);
    let server = server.said_at_the_end();
    assert_eq!(server["codes"], json!({"0": 40, "left": 9}));
    counted.has(&[("grpc/0 200 -", 40), ("grpc/2 200 DC", 9)]);
    assert_eq!([&server["received"], &server["sent"]], [49, 49]);
    assert_eq!(counted.messages, [49, 49]);
}

#[test]
fn grpc_calls_that_are_given_up_at_their_deadline_are_broken_off_by_the_client() {
    let test = "grpc_calls_that_are_given_up_at_their_deadline_are_broken_off_by_the_client";
    let (Some(python), Some(node)) = (python(), program("node")) else {
        return skip(test, "PODMETER_PYTHON or node is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    // This server has never heard of deadlines, so it is always the client who gives up.
    let server = Peer::serve(&node, "node_peer.mjs", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let address = sidecar.inbound.to_string();
    for (path, count) in [("/hold/200", "6"), ("/hold/0", "5")] {
        let client = Peer::call(&python, "grpc_peer.py", &["give-up", &address, path, count]);
        assert_eq!(client["codes"]["4"].to_string(), count, "{client}");
    }
    let counted = Counted::when_drained(&sidecar);
    // Without an answer nothing is known of the call's end; with one, that it is no success.
    counted.has(&[("grpc 0 DC", 5), ("grpc/2 200 DC", 6)]);
    assert_eq!(counted.messages, [11, 0]);
    assert_eq!(server.said_at_the_end()["ended"], json!({"hold broken off": 11}));
}

#[test]
fn grpc_web_over_http1_is_counted_as_both_ends_count_it() {
    let test = "grpc_web_over_http1_is_counted_as_both_ends_count_it";
    let Some(python) = python() else { return skip(test, "PODMETER_PYTHON is missing") };
    let folder = tempfile::tempdir().unwrap();
    let server = Peer::serve(&python, "grpc_web_peer.py", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let address = sidecar.inbound.to_string();
    let client = Peer::call(&python, "grpc_web_peer.py", &["call", &address]);
    let counted = Counted::when_drained(&sidecar);
    let server = server.said_at_the_end();
    let codes = client["codes"].as_object().unwrap();
    assert_eq!(server["codes"], client["codes"]);
    let calls =
        |(code, count): (&String, &Value)| (format!("grpc/{code} 200 -"), count.as_u64().unwrap());
    let mut expected: Vec<_> = codes.iter().map(calls).collect();
    expected.sort();
    assert_eq!(expected.len(), 17);
    assert_eq!(counted.exchanges, expected);
    assert_eq!(
        counted.messages.map(Value::from),
        [&client["sent"], &client["received"]].map(Value::clone)
    );
    assert_eq!([&server["received"], &server["sent"]], [&client["sent"], &client["received"]]);
    assert!(counted.unparsed.is_empty(), "{:?}", counted.unparsed);
}
