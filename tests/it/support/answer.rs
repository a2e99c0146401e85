//! Answers as snapshots: a whole answer, as text that is short enough to be read.

#![expect(clippy::format_push_string, reason = "a snapshot is short, and reads better so")]

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

/// How wide a line may be.
const WIDTH: usize = 114;
const INDENT: &str = "  ";

/// Compares a whole answer with an inline snapshot; on both databases it must be the same.
macro_rules! answer {
    ($value:expr, @$snapshot:literal) => {
        insta::allow_duplicates! {
            insta::assert_snapshot!($crate::support::answer::text(&$value), @$snapshot);
        }
    };
}
pub(crate) use answer;

/// A value in few lines: what fits stands side by side, keys go without quotes, and what is alone in another is not
/// indented for that.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, &with_readable_cursors(value), 0);
    out
}

/// The value with what its cursors say in the place of their base64: the list, what it is of, and the position.
fn with_readable_cursors(value: &Value) -> Value {
    let field = |(key, field): (&String, &Value)| {
        let is_cursor = matches!(key.as_str(), "cursor" | "startCursor" | "endCursor");
        let decoded = field.as_str().filter(|_| is_cursor).and_then(decoded);
        (key.clone(), decoded.map_or_else(|| with_readable_cursors(field), Value::String))
    };
    match value {
        Value::Object(fields) => Value::Object(fields.iter().map(field).collect()),
        Value::Array(items) => items.iter().map(with_readable_cursors).collect(),
        other => other.clone(),
    }
}

fn decoded(cursor: &str) -> Option<String> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    Some(String::from_utf8(bytes).ok()?.replace('\n', " "))
}

fn write(out: &mut String, value: &Value, depth: usize) {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, field)| (format!("{key}: "), field)).collect(),
        Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
        other => return out.push_str(&other.to_string()),
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    let whole = line(value);
    if width(&whole) + column(out) <= WIDTH {
        return out.push_str(&whole);
    }
    out.push(open);
    if let [(key, only)] = parts.as_slice() {
        out.push_str(key);
        write(out, only, depth);
    } else {
        write_lines(out, &parts, depth + 1);
        out.push_str(&format!("\n{}", INDENT.repeat(depth)));
    }
    out.push(close);
}

/// Parts side by side, as many as fit; one that does not fit on a line stands alone.
fn write_lines(out: &mut String, parts: &[(String, &Value)], depth: usize) {
    let indent = format!("\n{}", INDENT.repeat(depth));
    let mut alone = true;
    for (key, part) in parts {
        let short = format!("{key}{}", line(part));
        let fits = width(&short) + width(&indent) - 1 <= WIDTH;
        if fits && !alone && column(out) + width(&short) + 2 <= WIDTH {
            out.push_str(&format!(", {short}"));
            continue;
        }
        out.push_str(&format!("{indent}{key}"));
        write(out, part, depth);
        alone = !fits;
    }
}

/// How wide the last line is by now.
fn column(out: &str) -> usize {
    width(out.rsplit('\n').next().unwrap_or_default())
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn line(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, field)| format!("{key}: {}", line(field))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
