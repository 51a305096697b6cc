//! Prompts, resources and content, as clients see them.

use durable_tests::{HttpClient, Revision};
use serde_json::{Value, json};

use crate::fixture;

#[tokio::test]
async fn a_prompt_is_listed_completed_and_given_and_is_journaled_like_a_call() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect_as(server.url(), Revision::July2026, None, json!({ "elicitation": {} })).await;
    let listed = client.request("prompts/list", json!({}), &[]).await.json();
    let prompt = &listed["result"]["prompts"][0];
    assert_eq!((&prompt["name"], &prompt["description"]), (&json!("ask_about"), &json!("Asks about a topic.")));
    let arguments = prompt["arguments"].as_array().expect("arguments");
    let required: Vec<(&Value, &Value)> =
        arguments.iter().map(|argument| (&argument["name"], &argument["required"])).collect();
    assert_eq!(required, [(&json!("sentences"), &json!(true)), (&json!("style"), &json!(false))]);
    let tools = client.request("tools/list", json!({}), &[]).await.json();
    let names = tools["result"]["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str());
    assert!(names.clone().all(|name| !name.contains("ask_about") && !name.contains("number/")), "{tools}");

    let complete = async |value: &str| {
        let argument = json!({ "name": "style", "value": value });
        let params = json!({ "ref": { "type": "ref/prompt", "name": "ask_about" }, "argument": argument });
        client.request("completion/complete", params, &[]).await.json()["result"]["completion"].clone()
    };
    assert_eq!(complete("word14").await["values"].as_array().map(Vec::len), Some(11));
    let many = complete("").await;
    assert_eq!(
        (many["values"].as_array().map(Vec::len), &many["total"], &many["hasMore"]),
        (Some(100), &json!(150), &json!(true))
    );

    let get = async |params: Value| client.request("prompts/get", params, &[("mcp-name", "ask_about")]).await.json();
    for wrong in [json!({}), json!({ "sentences": "three" }), json!({ "sentences": "3", "other": "x" })] {
        let refused = get(json!({ "name": "ask_about", "arguments": wrong })).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    assert_eq!(fixture.seen(), <[&str; 0]>::default());
    let asked = get(json!({ "name": "ask_about", "arguments": { "sentences": "3" } })).await["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let answers = json!({ "topic": { "action": "accept", "content": { "topic": "rain" } } });
    let given = get(json!({
        "name": "ask_about",
        "arguments": { "sentences": "3" },
        "requestState": asked["requestState"],
        "inputResponses": answers,
    }))
    .await;
    let text = &given["result"]["messages"][0]["content"]["text"];
    assert_eq!(text, "In 3 plain sentences about rain: something", "{given}");
    assert_eq!(fixture.seen(), ["fetch 1"]);
    server.stop().await;
}

#[tokio::test]
async fn resources_are_listed_and_read() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    for revision in Revision::ALL {
        let client = HttpClient::connect(server.url(), revision).await;
        let listed = client.request("resources/list", json!({}), &[]).await.json();
        assert_eq!(listed["result"]["resources"][0]["uri"], "test://number/0", "{listed}");
        let templates = client.request("resources/templates/list", json!({}), &[]).await.json();
        assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "test://number/{number}", "{templates}");
        let read = async |uri: &str| {
            client.request("resources/read", json!({ "uri": uri }), &[("mcp-name", uri)]).await.json()
        };
        let seven = read("test://number/7").await;
        let expected = json!({ "uri": "test://number/7", "mimeType": "text/plain", "text": "7" });
        assert_eq!(seven["result"]["contents"][0], expected, "{seven}");
        if revision == Revision::July2026 {
            assert_eq!((&seven["result"]["ttlMs"], &seven["result"]["cacheScope"]), (&json!(2000), &json!("private")));
        }
        assert_eq!(read("test://number/0").await["result"]["contents"][0]["blob"], "AA==");
        for unknown in ["test://other", "test://number/", "test://number/1/2"] {
            let refused = read(unknown).await;
            assert_eq!(
                (&refused["error"]["code"], &refused["error"]["data"]["uri"]),
                (&json!(-32602), &json!(unknown))
            );
        }
        assert_eq!(read("test://number/many").await["error"]["code"], -32602);
        let failed = read("test://number/13").await;
        assert_eq!(failed["error"]["data"]["type"], "request_failed", "{failed}");
        assert!(
            failed["error"]["message"].as_str().is_some_and(|message| message.contains("not this one")),
            "{failed}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn content_and_refusals_are_the_same_whenever_they_are_fetched() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::July2026).await;
    let key = [("idempotency-key", "a key of this test")];
    let first = client.call("shows", &json!({}), &key).await.json();
    assert_eq!(
        first["result"]["content"],
        json!([
            { "type": "text", "text": "something" },
            { "type": "image", "data": "cG5n", "mimeType": "image/png" },
        ])
    );
    let refused = client.call("refuses", &json!({}), &key).await.json();
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["data"]["type"]),
        (&json!(-32603), &json!("request_failed"))
    );
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let again = client.call("shows", &json!({}), &key).await.json();
    assert_eq!(again["result"]["content"], first["result"]["content"]);
    assert_eq!(client.call("refuses", &json!({}), &key).await.json()["error"], refused["error"]);
    assert_eq!(fixture.seen(), ["fetch 1"]);
    server.stop().await;
}
