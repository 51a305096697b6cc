use super::*;
use crate::diagnostics::Diagnostics;
use proc_macro2::TokenStream;
use quote::quote;

/// The logs of a function's attributes, each with its redacted fields, and the messages.
fn taken(attributes: &str) -> (Vec<String>, Vec<String>) {
    let item: TokenStream = format!("{attributes} fn f() {{}}").parse().expect("tokens");
    let mut function: syn::ItemFn = syn::parse2(item).expect("a function");
    let mut diagnostics = Diagnostics::default();
    let audits = take(&mut function.attrs, &mut diagnostics);
    assert!(!function.attrs.iter().any(is_audit));
    let shown = |audit: &Audit| format!("{} {}", audit.log.value(), audit.redacted.join(" "));
    (audits.iter().map(shown).collect(), diagnostics.messages())
}

#[track_caller]
fn refused(attributes: &str, beginnings: &[&str]) {
    let (_, messages) = taken(attributes);
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[test]
fn logs_are_read_with_their_redacted_fields() {
    let (audits, messages) = taken(
        r#"#[audit("a")] #[cold] #[durable_runtime::audit("b.c-d_1", redact(password, r#type, "card-number",),)]"#,
    );
    assert_eq!(messages, <[String; 0]>::default());
    assert_eq!(audits, ["a ", "b.c-d_1 password type card-number"]);
}

#[test]
fn a_log_needs_a_name() {
    refused("#[audit]", &["`#[audit]` does not say which log it writes"]);
    refused("#[audit()]", &["`#[audit]` does not say which log it writes"]);
    refused("#[audit = \"a\"]", &["`#[audit]` does not say which log it writes"]);
    refused("#[audit(redact(a))]", &["`#[audit]` does not say which log it writes"]);
    refused("#[audit(users)]", &["an audit log's name is a string"]);
    refused("#[audit(\"\")]", &["`` is not an audit log's name"]);
    refused("#[audit(\"user operations\")]", &["`user operations` is not an audit log's name"]);
    refused(&format!("#[audit(\"{}\")]", "x".repeat(65)), &["`xxxxx"]);
}

#[test]
fn a_log_is_named_once() {
    let (audits, messages) = taken("#[audit(\"a\", redact(x))] #[audit(\"b\")] #[audit(\"a\", redact(y))]");
    assert_eq!(audits, ["a x", "b "]);
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("`a` is a log of this tool already"), "{messages:?}");
}

#[test]
fn the_options_of_a_log_are_checked() {
    refused("#[audit(\"a\", redcat(x))]", &["unknown option `redcat`: did you mean `redact`?"]);
    refused("#[audit(\"a\", redact)]", &["`redact` takes parentheses"]);
    refused("#[audit(\"a\", redact())]", &["`redact()` names no field"]);
    refused("#[audit(\"a\", redact(x, y, x))]", &["`x` is redacted already"]);
    refused("#[audit(\"a\", redact(x.y))]", &["a field is named by a word or a string"]);
    refused("#[audit(\"a\", redact(\"\"))]", &["a field is named by a word or a string"]);
    refused("#[audit(\"a\" redact(x))]", &["unexpected token after an option"]);
    refused("#[audit(\"a\", redact(x), redact(y))]", &["`redact` is said twice"]);
}

#[test]
fn above_a_tool_it_moves_below() {
    let item = quote!(
        #[cold]
        #[durable_tool(read_only)]
        #[audit("b")]
        async fn f() { not a body }
    );
    let moved = expand(&quote!("a", redact(x)), &item);
    let expected = quote!(
        #[cold]
        #[durable_tool(read_only)]
        #[audit("b")]
        #[audit("a", redact(x))]
        async fn f() { not a body }
    );
    assert_eq!(moved.to_string(), expected.to_string());
    let bare = expand(
        &TokenStream::new(),
        &quote!(
            #[durable_tool]
            fn f() {}
        ),
    );
    assert_eq!(
        bare.to_string(),
        quote!(
            #[durable_tool]
            #[audit]
            fn f() {}
        )
        .to_string()
    );
}

#[test]
fn what_is_no_tool_is_not_audited() {
    let refused = |item: TokenStream, beginning: &str| {
        let expansion = expand(&quote!("a"), &item).to_string();
        assert!(expansion.contains(beginning), "{expansion}");
        assert!(expansion.ends_with(&item.to_string()), "{expansion}");
    };
    refused(
        quote!(
            pub(crate) const fn f() {}
        ),
        "only the calls of tools are audited",
    );
    refused(
        quote!(
            #[durable]
            async fn f() {}
        ),
        "a durable function is called by tools",
    );
    for item in [
        quote!(
            struct S;
        ),
        quote!(impl S { fn f() {} }),
        quote!(
            trait T {
                fn f();
            }
        ),
        quote!(
            mod m {}
        ),
    ] {
        refused(item, "`#[audit(..)]` is for a function under `#[durable_tool]`");
    }
}
