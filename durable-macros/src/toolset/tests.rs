//! What a block expands to.

use quote::quote;

fn expanded(item: proc_macro2::TokenStream) -> String {
    let expanded = super::expand(quote!(), &item).to_string();
    syn::parse_file(&expanded).expect("an expansion is a file");
    expanded
}

#[test]
fn a_method_stays_in_its_block_and_is_called_by_the_tool() {
    let expanded = expanded(quote! {
        impl Shop {
            /// Buys.
            #[durable_tool]
            pub async fn buy(&self, cx: &DurableContext, item: String) -> Result<Self, ToolError> {
                #[once(at_least)]
                self.charge(cx, &item).await
            }

            fn other(&self) {}
        }
    });
    let (block, implementation) = expanded.split_once("impl :: durable_runtime").expect("tools are registered");
    assert!(block.contains("pub async fn buy (& self , cx : & DurableContext , item : String)"), "{block}");
    assert!(block.contains("fn other (& self) { }"), "{block}");
    assert!(implementation.contains("this . buy (& cx , arguments . item) . await"), "{implementation}");
    assert!(implementation.contains("sent :: < Result < Shop , ToolError > >"), "{implementation}");
    assert_eq!(implementation.matches("tools . push").count(), 1, "{implementation}");
}

#[test]
fn a_tool_with_a_condition_is_registered_under_it() {
    let expanded = expanded(quote! {
        impl Shop {
            /// Buys.
            #[cfg(feature = "buying")]
            #[durable_tool]
            async fn buy(cx: &DurableContext) -> Result<(), ToolError> {
                Ok(())
            }
        }
    });
    assert_eq!(expanded.matches("cfg (feature = \"buying\")").count(), 2, "{expanded}");
    assert!(expanded.contains("< Shop > :: buy (& cx)"), "{expanded}");
}
