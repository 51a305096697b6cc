//! Tools as they are listed, and what their calls give.

use durable_tests::{Revision, structured, text};
use serde_json::{Value, json};

use crate::Connected;

#[tokio::test]
async fn tools_are_listed_with_what_their_functions_say() {
    for connected in Connected::all().await {
        let tools = connected.client.tools().await;
        let tool = |name: &str| {
            let tool = tools.iter().find(|tool| tool.name == name);
            serde_json::to_value(tool.unwrap_or_else(|| panic!("`{name}` is not listed: {connected}"))).expect("JSON")
        };
        let greet = tool("greet");
        assert_eq!(greet["description"], "Greets somebody.\n\nIn two languages.");
        assert_eq!(greet["title"], "Greeter");
        assert_eq!(greet["annotations"]["readOnlyHint"], false);
        let input = &greet["inputSchema"];
        assert_eq!(input["type"], "object");
        assert_eq!(input["additionalProperties"], false);
        assert_eq!(input["required"], json!(["name"]));
        let properties = input["properties"].as_object().expect("properties");
        let mut names: Vec<_> = properties.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["language", "name", "place", "times"]);
        assert_eq!(properties["name"]["type"], "string");
        assert_eq!(properties["name"]["description"], "Who is greeted.");
        assert_eq!(properties["times"]["description"], "How many times.");
        assert_eq!(properties["times"]["default"], 1);
        assert_eq!(properties["place"]["description"], "Where they are.");

        let output = &greet["outputSchema"];
        assert_eq!(output["type"], "object", "{connected}");
        assert_eq!(output["properties"]["text"]["description"], "What to say.");
        // The protocol knows output schemas of objects only.
        assert_eq!(tool("number")["outputSchema"], Value::Null, "{connected}");
        assert_eq!(tool("commits")["annotations"]["readOnlyHint"], true);

        let hint = |name: &str| tool(name)["annotations"]["idempotentHint"].clone();
        // One derives its keys, one says so, one says nothing.
        assert_eq!((hint("pay_order"), hint("remember"), hint("greet")), (json!(true), json!(true), Value::Null));
        connected.close().await;
    }
}

#[tokio::test]
async fn value_is_structured_content_and_one_block_of_text_with_the_same_json() {
    for connected in Connected::all().await {
        let arguments = json!({
            "name": "Zoë \"7\"\n",
            "language": "german",
            "place": { "city": "Köln", "floors": [-1, 2] },
        });
        let result = connected.client.call("greet", &arguments).await;
        let result = result.expect("the call is answered");
        let expected = json!({ "text": "Hallo, Zoë \"7\"\n!", "place": { "city": "Köln", "floors": [-1, 2] } });
        assert_eq!(structured(&result), expected, "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn arguments_that_are_left_out_have_their_defaults() {
    for connected in Connected::all().await {
        let greeting = connected.client.value("greet", &json!({ "name": "Ada" })).await;
        assert_eq!(greeting, json!({ "text": "Hello, Ada!", "place": null }), "{connected}");
        let nothing = json!({ "name": "Ada", "place": null, "language": null, "times": 2 });
        let greeting = connected.client.value("greet", &nothing).await;
        assert_eq!(greeting["text"], "Hello, Ada!Hello, Ada!", "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn value_that_is_no_object_is_structured_content_only_where_the_revision_has_it() {
    for connected in Connected::all().await {
        let result = connected.client.call("number", &json!({})).await;
        let result = result.expect("the call is answered");
        assert_eq!(text(&result), "7", "{connected}");
        let structured = match connected.revision {
            Revision::November2025 => None,
            Revision::July2026 => Some(json!(7)),
        };
        assert_eq!(result.structured_content, structured, "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn error_of_a_tool_is_a_result_with_its_message() {
    for connected in Connected::all().await {
        let result = connected.client.call("fails", &json!({})).await;
        let result = result.expect("the call is answered");
        assert_eq!(result.is_error, Some(true), "{connected}");
        assert_eq!(text(&result), "the shop is closed", "{connected}");
        connected.close().await;
    }
}
