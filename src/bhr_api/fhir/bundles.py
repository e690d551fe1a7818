"""Bundles from stored bytes: entries are joined as they lie, without a model between (FHIR R4, bundle.html)."""

import json
from collections.abc import Iterable, Sequence

from bhr_api.errors import Issue, operation_outcome
from bhr_api.fhir import json_text

Link = tuple[str, str]


def quoted(text: str) -> bytes:
    """`text` as a JSON string."""
    return json.dumps(text, ensure_ascii=False).encode()


def search_entry(full_url: str, body: bytes, mode: str) -> bytes:
    """An entry of a searchset; `mode` is match, include or outcome."""
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (quoted(full_url), body, mode.encode())


def outcome_entry(issues: Sequence[Issue]) -> bytes:
    """The entry by which a search tells what it did not apply (search.html#return)."""
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % json_text.dumps(operation_outcome(issues))


def history_entry(
    full_url: str, body: bytes | None, method: str, url: str, status: str, etag: str, last_modified: str
) -> bytes:
    """An entry of a history bundle; `body` is None for a deletion (http.html#history)."""
    resource = b"" if body is None else b'"resource":%b,' % body
    return (
        b'{"fullUrl":%b,%b"request":{"method":"%b","url":%b},"response":{"status":"%b","etag":%b,"lastModified":"%b"}}'
        % (
            quoted(full_url),
            resource,
            method.encode(),
            quoted(url),
            status.encode(),
            quoted(etag),
            last_modified.encode(),
        )
    )


def bundle(
    type: str,
    timestamp: str,
    *,
    total: int | None,
    links: Iterable[Link],
    entries: Sequence[bytes],
    id: str | None = None,
) -> bytes:
    """A Bundle of `entries`. An empty list is left out, as FHIR's JSON has no empty arrays."""
    head = [b'{"resourceType":"Bundle"']
    if id is not None:
        head.append(b'"id":' + quoted(id))
    head += [b'"meta":{"lastUpdated":"%b"}' % timestamp.encode(), b'"type":"%b"' % type.encode()]
    if total is not None:
        head.append(b'"total":%d' % total)
    found = [b'{"relation":%b,"url":%b}' % (quoted(relation), quoted(url)) for relation, url in links]
    if found:
        head.append(b'"link":[%b]' % b",".join(found))
    if entries:
        head.append(b'"entry":[%b]' % b",".join(entries))
    return b",".join(head) + b"}"
