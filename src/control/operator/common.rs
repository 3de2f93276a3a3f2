//! What all operations of the API have in common, told once.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Adds to each operation what goes without saying where it is written: that it asks for a token, and what is answered to
/// those who have none, or who send what nobody can read.
pub(super) fn complete(document: &mut OpenApi) {
    document.paths.paths.values_mut().flat_map(operations).for_each(each);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}

fn each(operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    let mut may_be = vec![
        ("401", "Nothing proves who asks."),
        ("403", "The token is not good for that; or none is asked for, and a web page asks."),
    ];
    if operation.parameters.is_some() {
        may_be.push(("400", "The path, the query or the body cannot be read."));
    }
    if operation.request_body.is_some() {
        may_be.push(("413", "The body is too long."));
        may_be.push(("415", "The body is no JSON by its own word."));
        may_be.push(("422", "The body does not say what it should."));
    }
    for (status, description) in may_be {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| problem(description));
    }
}

fn problem(description: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build().into()
}
