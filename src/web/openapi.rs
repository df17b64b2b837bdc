//! `/api/openapi.json`: the description of the API, made from the list of endpoints beside this file.

use super::answer::{ApiError, Reply};
use super::endpoints::{self, Answer, ENDPOINTS, Endpoint};
use super::params::{Param, Params, Takes};
use super::schemas::schemas;
use super::shared::Shared;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `GET /api/openapi.json`
pub async fn get(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(&endpoints::OPENAPI, query.as_deref())?;
    let mut document = document();
    let a = &shared.config.access;
    let mut ways = Vec::new();
    if a.has_token() {
        ways.push(json!({"token": []}));
    }
    if a.has_users() {
        ways.push(json!({"user": []}));
    }
    if !ways.is_empty() {
        document["security"] = ways.into();
    }
    Ok(Reply::json(&document))
}

/// The document, of a server that everybody may ask.
pub fn document() -> Value {
    let mut paths = Map::new();
    for e in ENDPOINTS {
        let mut item = Map::new();
        item.insert("get".to_owned(), operation(e, false));
        if e.post {
            item.insert("post".to_owned(), operation(e, true));
        }
        paths.insert(e.path.to_owned(), Value::Object(item));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "btcdmon",
            "version": "1",
            "description": "What a passive sensor of Bitcoin nodes knows. Times are microseconds since 1970 (in SQL: nanoseconds). What is not known is null, never 0.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "user": {"type": "http", "scheme": "basic"},
            },
        },
    })
}

fn schema(takes: Takes) -> Value {
    match takes {
        Takes::Text => json!({"type": "string"}),
        Takes::Pattern(p) => json!({"type": "string", "pattern": p}),
        Takes::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Takes::Flag => json!({"type": "boolean"}),
        Takes::Words(words) => json!({"type": "string", "enum": words}),
        Takes::List(p) => json!({"type": "array", "items": {"type": "string", "pattern": p}}),
    }
}

fn parameter(p: &Param) -> Value {
    let mut o = json!({"name": p.name, "in": "query", "required": p.required, "description": p.help,
        "schema": schema(p.takes)});
    if matches!(p.takes, Takes::List(_)) {
        o["style"] = "form".into();
        o["explode"] = false.into();
    }
    if let Some(example) = p.example {
        o["example"] = example.into();
    }
    o
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn operation(e: &Endpoint, post: bool) -> Value {
    let in_path = e.in_path.iter().map(|p| {
        json!({"name": p.name, "in": "path", "required": true, "description": p.help,
            "schema": {"type": "string", "pattern": p.pattern}})
    });
    let in_query = e.params.iter().filter(|_| !post).map(parameter);
    let csv = json!({"schema": {"type": "string"}});
    let content = match e.answer {
        Answer::Object(name) => json!({"application/json": {"schema": reference(name)}}),
        Answer::Table(name) => json!({"application/json": {"schema": reference(name)}, "text/csv": csv}),
        Answer::Stream(_) => json!({"text/event-stream": {"schema": {"type": "string"}}}),
    };
    let described = match e.answer {
        Answer::Stream(what) => what,
        _ => "The answer.",
    };
    let problem =
        |what: &str| json!({"description": what, "content": {"application/json": {"schema": reference("Error")}}});
    let mut responses = json!({
        "200": {"description": described, "content": content},
        "400": problem("A parameter is wrong; the message says what to do."),
        "401": problem("The token or a user's password is needed."),
        "403": problem("Not from that page, not by that name, or the statement is more than reading."),
        "429": problem("Too many requests from this address."),
    });
    if !e.in_path.is_empty() || e.params.iter().any(|p| p.name == "node") {
        responses["404"] = problem("There is no such thing.");
    }
    if e.reads_store || matches!(e.answer, Answer::Stream(_)) {
        responses["503"] = problem("There is no store, or too much is asked at once.");
    }
    if post {
        responses["413"] = problem("The body is too large.");
    }
    let mut o = json!({
        "operationId": if post { format!("{}_post", e.id) } else { e.id.to_owned() },
        "summary": e.summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses,
    });
    if post {
        let properties: Map<String, Value> = e.params.iter().map(|p| (p.name.to_owned(), schema(p.takes))).collect();
        let required: Vec<&str> = e.params.iter().filter(|p| p.required).map(|p| p.name).collect();
        o["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": {
            "type": "object", "required": required, "properties": properties, "additionalProperties": false}}}});
    }
    o
}
