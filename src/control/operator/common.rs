//! Describes what all operations of the API have in common.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Adds the security requirement and the common problem responses to each operation.
pub(super) fn complete(document: &mut OpenApi) {
    document.paths.paths.values_mut().flat_map(operations).for_each(each);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}

fn each(operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    let mut may_be = vec![
        ("401", "Missing or invalid token."),
        ("403", "The token's role does not allow this, or a web page calls while no tokens are configured."),
    ];
    if operation.parameters.is_some() {
        may_be.push(("400", "The path, the query or the body is malformed."));
    }
    if operation.request_body.is_some() {
        may_be.push(("413", "The body is too large."));
        may_be.push(("415", "`Content-Type` is not `application/json`."));
        may_be.push(("422", "The body has an unknown, missing or invalid field."));
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
