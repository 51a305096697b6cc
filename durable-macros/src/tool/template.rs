//! Checks the URI of a resource against its parameters.

use super::args::Options;
use super::kind::Kind;
use super::signature::{self, Reading};
use crate::diagnostics::Diagnostics;
use syn::{Ident, LitStr};

/// The variables of a template, or what is wrong with it.
fn variables(uri: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err("a `{` is not closed: write `{name}` for a part that varies".to_owned());
        };
        if before.contains('}') {
            break;
        }
        let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !is_name {
            return Err(format!("`{{{name}}}` is no variable of a URI: write the name of a parameter, as in `{{id}}`"));
        }
        if !found.is_empty() && before.is_empty() {
            return Err(format!("nothing stands between `{{{name}}}` and the variable before it: write a `/` there"));
        }
        if found.contains(&name) {
            return Err(format!("`{{{name}}}` stands in the URI twice: give each part that varies a name of its own"));
        }
        found.push(name);
        rest = after;
    }
    if rest.contains('}') {
        return Err("a `}` closes nothing: write `{name}` for a part that varies".to_owned());
    }
    Ok(found)
}

/// The URI of a resource; nothing but what is reported stands against it.
pub(crate) fn uri(
    options: &Options,
    ident: &Ident,
    reading: &Reading,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    if options.kind != Kind::Resource {
        return None;
    }
    let Some(uri) = &options.uri else {
        diagnostics
            .on(ident, "clients read a resource by its URI: write `#[durable_resource(uri = \"docs://readme\")]`");
        return None;
    };
    check(uri, reading, diagnostics);
    Some(uri.value())
}

fn check(uri: &LitStr, reading: &Reading, diagnostics: &mut Diagnostics) {
    let text = uri.value();
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    };
    if !scheme.is_some_and(is_scheme) {
        diagnostics.at(uri.span(), format!("`{text}` is no URI: begin with a scheme, as in `docs://readme`"));
        return;
    }
    let variables = match variables(&text) {
        Ok(variables) => variables,
        Err(mistake) => return diagnostics.at(uri.span(), mistake),
    };
    let arguments: Vec<_> = signature::arguments(&reading.parameters).collect();
    for variable in &variables {
        if !arguments.iter().any(|argument| argument.public_name == *variable) {
            diagnostics.at(
                uri.span(),
                format!("`{{{variable}}}` is no parameter of the resource: add `{variable}: String`, or remove it"),
            );
        }
    }
    for argument in arguments {
        if !variables.contains(&argument.public_name.as_str()) {
            let name = &argument.public_name;
            diagnostics.on(
                &argument.name,
                format!(
                    "all that a resource is given stands in its URI: write `{{{name}}}` there, or remove the parameter"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_a_template_are_found() {
        assert_eq!(variables("a://b").expect("a URI"), <[&str; 0]>::default());
        assert_eq!(variables("a://{b}/c/{d_1}").expect("a template"), ["b", "d_1"]);
        for mistaken in ["a://{b", "a://b}", "a://{}", "a://{b-c}", "a://{b}{c}", "a://{b}/{b}", "a://}{b}"] {
            assert!(variables(mistaken).is_err(), "{mistaken}");
        }
    }
}
