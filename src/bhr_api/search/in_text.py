"""_text and _content: full-text search (FHIR R4, search.html#text and #content).

PostgreSQL's own, with the dictionary of the database (`default_text_search_config`). The text is not indexed: a search that
narrows by nothing else reads every row of its type, within the time limit of statements.
"""

from bhr_api.search.criteria import Criterion, Written


def narrative(value: str) -> Criterion:
    """Rows whose narrative has the words of `value`; quotes, `or` and `-` as in a web search."""
    return Written(
        lambda row, binder: (
            "to_tsvector(regexp_replace(coalesce("
            f"convert_from({row}.body, 'UTF8')::jsonb #>> '{{text,div}}', ''), '<[^>]*>', ' ', 'g'))"
            f" @@ websearch_to_tsquery({binder.bind(value, 'text')})"
        )
    )


def content(value: str) -> Criterion:
    """Rows of which any text has the words of `value`."""
    return Written(
        lambda row, binder: (
            f"jsonb_to_tsvector(convert_from({row}.body, 'UTF8')::jsonb, '[\"string\"]')"
            f" @@ websearch_to_tsquery({binder.bind(value, 'text')})"
        )
    )
