//! Requests that are not as they should be.

use std::io::Write as _;
use std::process::Stdio;

use durable_tests::{Client, HttpClient, Revision, eventually};
use serde_json::json;

use crate::fixture;

#[tokio::test]
async fn body_over_the_limit_is_413_and_the_server_goes_on() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), revision).await;
        let reply = client.raw(vec![b'x'; (4 << 20) + 1], &[]).await;
        assert_eq!(reply.status, 413, "{}", reply.body);
        let result = client.call("one_step", &json!({}), &[]).await;
        assert_eq!(result.json()["result"]["structuredContent"]["attempt"], 1);
        server.stop().await;
    }
}

#[tokio::test]
async fn body_that_is_no_message_is_an_error_and_the_server_goes_on() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), revision).await;
        let bodies: [&[u8]; 6] = [b"", b"{", b"[]", b"7", b"\xff\xfe", b"{\"jsonrpc\":\"2.0\"}"];
        for body in bodies {
            let reply = client.raw(body, &[]).await;
            assert!((400..500).contains(&reply.status), "{body:?}: {} {}", reply.status, reply.body);
        }
        let result = client.call("one_step", &json!({}), &[]).await;
        assert_eq!(result.json()["result"]["structuredContent"]["attempt"], 1);
        server.stop().await;
    }
}

#[tokio::test]
async fn answer_alone_is_one_document_in_the_new_revision_and_a_stream_where_more_may_come() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let new = HttpClient::connect(server.url(), Revision::July2026).await;
    let reply = new.call("one_step", &json!({}), &[]).await;
    assert_eq!((reply.is_stream, reply.length), (false, Some(reply.body.len() as u64)), "{}", reply.body);
    let reply = new.call_with_meta("tells", &json!({}), json!({ "progressToken": "p" }), &[]).await;
    assert!(reply.is_stream && reply.json()["result"].is_object(), "{}", reply.body);
    // It can be come back to.
    let old = HttpClient::connect(server.url(), Revision::November2025).await;
    let reply = old.call("one_step", &json!({}), &[]).await;
    assert!(reply.is_stream && reply.json()["result"].is_object(), "{}", reply.body);
    server.stop().await;
}

#[tokio::test]
async fn request_for_another_host_or_from_a_foreign_page_is_refused() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), revision).await;
        let refused = [
            ("host", "evil.example"),
            ("host", "127.0.0.1.evil.example"),
            ("origin", "https://evil.example"),
            ("origin", "http://localhost.evil.example"),
            ("origin", "null"),
        ];
        for header in refused {
            let reply = client.call("one_step", &json!({}), &[header]).await;
            assert_eq!(reply.status, 403, "{header:?}: {}", reply.body);
        }
        assert!(fixture.effects().is_empty());
        for header in [("host", "localhost"), ("origin", "http://localhost:8080")] {
            let reply = client.call("one_step", &json!({}), &[header]).await;
            assert_eq!(reply.status, 200, "{header:?}: {}", reply.body);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn line_on_standard_input_that_is_no_message_does_not_end_the_server() {
    let fixture = fixture();
    let mut process = fixture
        .command(&["--stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server can be started");
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "by hand", "version": "0" },
    } });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "one_step" } });
    let mut stdin = process.stdin.take().expect("standard input is piped");
    let lines = [
        initialize.to_string(),
        initialized.to_string(),
        "{ this is no JSON".to_owned(),
        "[7]".to_owned(),
        call.to_string(),
    ];
    for line in lines {
        writeln!(stdin, "{line}").expect("the server reads");
    }
    fixture.effects_reach(1).await;
    drop(stdin);
    eventually("the end of the server", async || process.try_wait().expect("a child")).await;
    let output = process.wait_with_output().expect("the output can be read");
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).expect("the output is text");
    let messages: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).expect("standard output has messages only")).collect();
    assert!(messages.iter().any(|message| message["error"].is_object()), "{output}");
    let answer = messages.iter().find(|message| message["id"] == 2);
    let answer = answer.unwrap_or_else(|| panic!("no answer to the call: {output}"));
    assert_eq!(answer["result"]["structuredContent"]["attempt"], 1, "{output}");
}

#[tokio::test]
async fn clients_of_both_revisions_share_one_url() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let older = Client::http(server.url(), Revision::November2025).await;
    let newer = Client::http(server.url(), Revision::July2026).await;
    let first = older.value_keyed("charge", &json!({}), "key").await;
    assert_eq!(newer.value_keyed("charge", &json!({}), "key").await, first);
    older.close().await;
    newer.close().await;
    server.stop().await;
}
