//! An rmcp handler beside the server's own functions.

use durable_tests::{HttpClient, Revision};
use serde_json::json;

use crate::fixture;

#[tokio::test]
async fn a_handler_beside_answers_for_what_the_server_does_not_have() {
    let fixture = fixture();
    let server = fixture.start(&["--beside"]);
    for revision in Revision::ALL {
        let client = HttpClient::connect(server.url(), revision).await;
        let listed = client.request("tools/list", json!({}), &[]).await.json();
        let names: Vec<&str> = listed["result"]["tools"]
            .as_array()
            .expect("tools")
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        assert!(names.contains(&"greet") && names.contains(&"existing"), "{names:?}");
        let theirs = client.call("existing", &json!({}), &[]).await.json();
        assert_eq!(theirs["result"]["content"][0]["text"], "from beside", "{theirs}");
        let ours = client.call("greet", &json!({ "name": "ada" }), &[]).await.json();
        assert_eq!(ours["result"]["structuredContent"]["text"], "Hello, ada!", "{ours}");
        let prompts = client.request("prompts/list", json!({}), &[]).await.json();
        assert_eq!(prompts["result"]["prompts"].as_array().map(Vec::len), Some(2), "{prompts}");
        let old = client.request("prompts/get", json!({ "name": "old" }), &[("mcp-name", "old")]).await.json();
        assert_eq!(old["result"]["messages"][0]["content"]["text"], "from beside", "{old}");
        if revision == Revision::November2025 {
            let custom = client.request("shop/stock", json!({}), &[]).await.json();
            assert_eq!(custom["result"]["method"], "shop/stock", "{custom}");
        }
    }
    server.stop().await;
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    assert_eq!(client.request("shop/stock", json!({}), &[]).await.json()["error"]["code"], -32601);
    server.stop().await;
}
